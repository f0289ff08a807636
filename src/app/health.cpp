#include "app/health.h"

namespace chaveiro::app {

api::Health PlatformHealth::health() const {
  const auto state = state_.lock();
  return {state->ready && !state->draining, state->components};
}

Result<void> PlatformHealth::refresh(Deadline deadline) {
  State now;
  now.ready = true;
  Result<void> verdict;
  for (const Probe& probe : probes_) {
    const Result<void> answer = probe.ask(deadline);
    api::Component component{probe.name, api::ComponentState::ok, ""};
    if (!answer) {
      component.state = probe.decides ? api::ComponentState::down : api::ComponentState::degraded;
      component.message = answer.error().message;
      if (probe.decides) now.ready = false;
      if (probe.decides && verdict) verdict = answer.error();
    }
    now.components.push_back(std::move(component));
  }
  auto state = state_.lock();
  now.draining = state->draining;
  *state = std::move(now);
  return verdict;
}

void PlatformHealth::drain() { state_.lock()->draining = true; }

}  // namespace chaveiro::app
