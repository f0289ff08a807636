#include "app/limited_registry.h"

#include <algorithm>
#include <optional>

namespace chaveiro::app {

using limits::Outcome;

namespace {
constexpr std::chrono::seconds settle_time{1};
}

Outcome outcome_of(const Error& error) {
  switch (error.code) {
    case Code::not_found:
      return Outcome::status(404);
    case Code::exhausted:
      return Outcome::status(429);
    case Code::forbidden:
    case Code::unauthenticated:
      return Outcome::status(403);
    case Code::invalid:
    case Code::exists:
    case Code::conflict:
      return Outcome::status(400);
    case Code::unavailable:
      return Outcome::status(503);
    case Code::deadline:
    case Code::cancelled:
    case Code::maybe_applied:
    case Code::corrupt:
    case Code::internal:
      break;
  }
  return Outcome::unanswered();
}

template <class T>
Result<T> LimitedRegistry::settled(const limits::OfficialPermit& permit, Result<T> answer, int status_if_good) {
  const Outcome outcome = answer ? Outcome::status(status_if_good) : outcome_of(answer.error());
  // Also after the caller's deadline, a moment longer. What cannot be settled now ends by itself, at the worst case.
  static_cast<void>(limits_.official().settle(permit, outcome, Deadline::in(settle_time)));
  return answer;
}

Result<limits::OfficialPermit> LimitedRegistry::reserve(const limits::OfficialCall& call, Deadline deadline) {
  if (const auto ispb = directory::Ispb::parse(call.participant))
    participants_.with([&](std::set<directory::Ispb>& all) {
      if (all.size() < options_.participants_max) all.insert(*ispb);
    });
  if (call.urgency == limits::Urgency::interactive) return limits_.official().reserve(call, deadline);
  std::optional<limits::OfficialPermit> permit;
  const auto ask = [&]() -> Result<void> {
    TRY(permit, limits_.official().reserve(call, deadline));
    return {};
  };
  const std::string who = std::string(call.participant) + "|" + limits_.name_of_payer(call.payer_id);
  TRY_VOID(turns_.wait(who, deadline, ask));
  return *std::move(permit);
}

Result<directory::Registry::Registered> LimitedRegistry::register_entry(const Registration& registration,
                                                                        Deadline deadline) {
  const std::string participant = to_string(registration.account.ispb);
  const std::string_view operation = registration.completes ? "completeClaim" : "createEntry";
  TRY(const auto permit, reserve({.call = {operation}, .participant = participant}, deadline));
  return settled(permit, behind_.register_entry(registration, deadline), 201);
}

Result<directory::Registry::ForeignEntry> LimitedRegistry::lookup(const directory::ForeignLookup& lookup,
                                                                  Deadline deadline) {
  const std::string participant = to_string(lookup.requesting);
  const std::string payer = limits_.name_of_payer(lookup.payer_id);
  TRY_VOID(limits_.abuse().admit(payer));
  TRY(const auto permit,
      reserve({.call = {"getEntry", to_string(lookup.key.type())},
               .participant = participant,
               .payer_id = lookup.payer_id,
               .end_to_end_id = lookup.end_to_end_id,
               .urgency =
                   lookup.urgency == directory::Urgency::batch ? limits::Urgency::batch : limits::Urgency::interactive},
              deadline));
  auto found = settled(permit, behind_.lookup(lookup, deadline), 200);
  const int status = found ? 200 : outcome_of(found.error()).http_status;
  for (const limits::Suspicion it : limits_.abuse().looked_up(participant, payer, status))
    log_.warn("look-ups have become suspicious",
              {{"participant", participant}, {"user", payer}, {"suspicion", to_string(it)}});
  return found;
}

Result<directory::Registry::KeysChecked> LimitedRegistry::check_keys(const KeysCheck& check, Deadline deadline) {
  if (check.keys.empty() || check.keys.size() > keys_max) return fail_field("keys", "must be 1 to 200");
  const std::string participant = to_string(check.requesting);
  const std::string user = limits_.name_of_payer(check.user_id);
  // Before the ration of the user is used.
  TRY(const auto permit, reserve({.call = {"checkKeys"}, .participant = participant}, deadline));
  const auto many = limits_.abuse().check_keys(user, static_cast<std::int64_t>(check.keys.size()));
  if (!many) {
    static_cast<void>(limits_.official().settle(permit, Outcome::never_sent(), Deadline::in(settle_time)));
    return many.error();
  }
  if (*many)
    log_.warn("a user has more keys checked today than is recommended", {{"participant", participant}, {"user", user}});
  return settled(permit, behind_.check_keys(check, deadline), 200);
}

Result<std::vector<directory::Registry::PolicyState>> LimitedRegistry::policies(const directory::Ispb& participant,
                                                                                Deadline deadline) {
  const std::string name = to_string(participant);
  TRY(const auto permit, reserve({.call = {"bucketStates"}, .participant = name}, deadline));
  auto states = behind_.policies(participant, deadline);
  if (!states && states.error().reason == "NotSupported") {
    static_cast<void>(limits_.official().settle(permit, Outcome::never_sent(), Deadline::in(settle_time)));
    return states;
  }
  return settled(permit, std::move(states), 200);
}

Result<std::size_t> LimitedRegistry::mirror_once(Deadline deadline) {
  const auto participants = participants_.with([](const auto& all) { return all; });
  std::size_t corrected = 0;
  for (const directory::Ispb& participant : participants) {
    TRY(const auto probe, limits_.official().begin_mirror(to_string(participant), deadline));
    auto states = policies(participant, deadline);
    if (!states && states.error().reason == "NotSupported") return std::size_t{0};
    if (!states) return std::move(states).error();
    std::vector<limits::PolicyState> answer;
    for (PolicyState& it : *states) answer.push_back({std::move(it.name), it.available, it.capacity});
    TRY(const auto drifts, limits_.official().mirror(probe, answer, deadline));
    corrected += static_cast<std::size_t>(
        std::count_if(drifts.begin(), drifts.end(), [](const limits::Drift& it) { return it.corrected; }));
  }
  return corrected;
}

}  // namespace chaveiro::app
