// app/health.h
//
// What the platform knows of its own health: asked about every second by one worker, answered from memory to everybody else. Store and audit
// decide readiness; whatever else there is only shows. While it drains, it is live and not ready.
//
// Threads: refresh() one at a time; the rest any.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "api/health.h"
#include "base/clock.h"
#include "base/guarded.h"
#include "base/result.h"

namespace chaveiro::app {

struct Probe {
  std::string name;
  bool decides = true;  // false: a failure shows as degraded and leaves the platform ready
  std::function<Result<void>(Deadline)> ask;
};

class PlatformHealth final : public api::HealthSource {
 public:
  explicit PlatformHealth(std::vector<Probe> probes) : probes_(std::move(probes)) {}

  api::Health health() const override;
  // Asks every probe. The error of the first that decides, for the log.
  Result<void> refresh(Deadline deadline);
  void drain();

 private:
  struct State {
    std::vector<api::Component> components;
    bool ready = false;
    bool draining = false;
  };
  std::vector<Probe> probes_;
  Guarded<State> state_;
};

}  // namespace chaveiro::app
