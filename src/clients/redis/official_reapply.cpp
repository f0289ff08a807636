#include "clients/redis/official_reapply.h"

#include <utility>

namespace chaveiro::redis {
namespace {

std::string run_id_of(const std::string& info) {
  constexpr std::string_view name = "run_id:";
  const std::size_t at = info.find(name);
  if (at == std::string::npos) return {};
  return info.substr(at + name.size(), info.find_first_of("\r\n", at) - at - name.size());
}

}  // namespace

OfficialReapply::OfficialReapply(OfficialReapplyOptions options, redis::OfficialStore& store, Client& client,
                                 const Clock& clock, Registry& metrics)
    : options_(std::move(options)),
      store_(store),
      clock_(clock),
      said_again_(metrics.counter("dict_policy_said_again_total",
                                  "Reservations of official buckets that were said again after a fail-over.", {})) {
  DedicatedOptions watch{.name = "policies-watch", .key = options_.prefix};
  watch.setup.push_back(Command("INFO", "server"));
  watch.on_up = [this](const Endpoint&, const std::vector<Value>& replies) {
    if (!replies.empty()) heard_from(replies.front().text);
  };
  watch_ = client.dedicate(std::move(watch));
}
OfficialReapply::~OfficialReapply() { watch_.reset(); }

void OfficialReapply::heard_from(const std::string& info) {
  const std::string run_id = run_id_of(info);
  if (run_id.empty()) return;
  memory_.with([&](Memory& it) {
    if (!it.run_id.empty() && it.run_id != run_id) ++it.changes;
    it.run_id = run_id;
  });
}

bool OfficialReapply::server_changed() const {
  return memory_.with([](const Memory& it) { return it.changed(); });
}

bool OfficialReapply::watching() const {
  return memory_.with([](const Memory& it) { return !it.run_id.empty(); });
}

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
  std::vector<Step> steps;
  std::uint64_t change = 0;
  {
    auto it = memory_.lock();
    if (it->saying && !it.wait(deadline, [](const Memory& now) { return !now.saying; }))
      return fail(Code::deadline, "DeadlineExceeded",
                  "the official buckets are still being repaired after a fail-over");
    if (!it->changed()) return std::size_t{0};
    it->saying = true;
    change = it->changes;
    for (const auto& step : it->oldest_first) steps.push_back(*step);
  }
  Result<void> said;
  for (const Step& step : steps)
    if (said) said = say_again(step, deadline);
  memory_.with([&](Memory& it) {
    it.saying = false;
    if (said) it.answered = change;
  });
  memory_.notify_all();
  if (!said) return std::move(said).error();
  said_again_.add(steps.size());
  return steps.size();
}

}  // namespace chaveiro::redis
