#include "clients/redis/official_reapply.h"

#include <utility>

namespace chaveiro::redis {
OfficialReapply::OfficialReapply(OfficialReapplyOptions options, redis::OfficialStore& store, Client& client,
                                 const Clock& clock, Registry& metrics)
    : options_(std::move(options)),
      store_(store),
      clock_(clock),
      said_again_(metrics.counter("dict_policy_said_again_total",
                                  "Reservations of official buckets that were said again after a fail-over.", {})),
      watch_(client, "policies-watch", options_.prefix) {}
OfficialReapply::~OfficialReapply() = default;

void OfficialReapply::remember(Step step) {
  memory_.with([&](Memory& it) {
    while (!it.oldest_first.empty() && (it.oldest_first.size() >= options_.steps_max ||
                                        it.oldest_first.front()->reserved + options_.remembered < step.reserved)) {
      it.by_id.erase(it.oldest_first.front()->id);
      it.oldest_first.pop_front();
    }
    const auto kept = std::make_shared<Step>(std::move(step));
    it.by_id[kept->id] = kept;
    it.oldest_first.push_back(kept);
  });
}

Result<limits::OfficialVerdict> OfficialReapply::reserve(const std::string& id,
                                                         const std::vector<limits::OfficialAsk>& asks, Micros timeout,
                                                         Deadline deadline) {
  if (server_changed()) TRY_VOID(run_once(deadline));
  Step step{.id = id, .asks = asks, .reserved = clock_.steady(), .timeout = timeout};
  auto verdict = store_.reserve(id, asks, timeout, deadline);
  if (verdict && verdict->allowed) remember(std::move(step));
  return verdict;
}

Result<limits::OfficialSettled> OfficialReapply::settle(const std::string& id,
                                                        const std::vector<limits::OfficialAsk>& asks,
                                                        const std::vector<limits::OfficialCharge>& charges,
                                                        const std::string& end_to_end, Deadline deadline) {
  // Before it is sent: whether it arrived may stay unknown.
  memory_.with([&](Memory& it) {
    const auto known = it.by_id.find(id);
    if (known == it.by_id.end() || known->second->end != End::none) return;
    Step& step = *known->second;
    step.end = clock_.steady() < step.reserved + step.timeout ? End::settled : End::late;
    step.charges = charges;
    step.end_to_end = end_to_end;
  });
  return store_.settle(id, asks, charges, end_to_end, deadline);
}

Result<void> OfficialReapply::say_again(const Step& step, Deadline deadline) {
  const Micros left = step.timeout - std::chrono::duration_cast<Micros>(clock_.steady() - step.reserved);
  // What was not settled in time has ended by itself at the worst case.
  if (step.end == End::late || (step.end == End::none && left <= Micros{0})) return {};
  TRY_VOID(store_.hold_again(step.id, step.asks, std::max(left, Micros{1'000'000}), deadline));
  if (step.end == End::none) return {};
  auto settled = store_.settle(step.id, step.asks, step.charges, step.end_to_end, deadline);
  if (!settled && settled.error().code != Code::not_found) return std::move(settled).error();
  return {};
}

Result<std::size_t> OfficialReapply::run_once(Deadline deadline) {
  std::size_t count = 0;
  const auto said = watch_.repair(deadline, [&]() -> Result<void> {
    std::vector<Step> steps;
    memory_.with([&](const Memory& it) {
      for (const auto& step : it.oldest_first) steps.push_back(*step);
    });
    for (const Step& step : steps) TRY_VOID(say_again(step, deadline));
    count = steps.size();
    return {};
  });
  if (!said) return said.error();
  said_again_.add(count);
  return count;
}

}  // namespace chaveiro::redis
