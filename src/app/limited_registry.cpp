#include "app/limited_registry.h"

namespace chaveiro::app {

using limits::Outcome;

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

Result<directory::Registry::Registered> LimitedRegistry::register_entry(const Registration& registration,
                                                                        Deadline deadline) {
  const std::string participant = to_string(registration.account.ispb);
  const std::string_view operation = registration.completes ? "completeClaim" : "createEntry";
  TRY(const limits::OfficialPermit permit,
      limits_.official().reserve({.call = {operation}, .participant = participant}, deadline));
  auto registered = behind_.register_entry(registration, deadline);
  // What cannot be settled now ends by itself, at the worst case.
  static_cast<void>(
      limits_.official().settle(permit, registered ? Outcome::status(201) : outcome_of(registered.error()), deadline));
  return registered;
}

Result<directory::Registry::ForeignEntry> LimitedRegistry::lookup(const directory::ForeignLookup& lookup,
                                                                  Deadline deadline) {
  const std::string participant = to_string(lookup.requesting);
  const std::string payer = limits_.name_of_payer(lookup.payer_id);
  TRY_VOID(limits_.abuse().admit(payer));
  TRY(const limits::OfficialPermit permit,
      limits_.official().reserve({.call = {"getEntry", to_string(lookup.key.type())},
                                  .participant = participant,
                                  .payer_id = lookup.payer_id,
                                  .end_to_end_id = lookup.end_to_end_id},
                                 deadline));
  auto found = behind_.lookup(lookup, deadline);
  const Outcome outcome = found ? Outcome::status(200) : outcome_of(found.error());
  static_cast<void>(limits_.official().settle(permit, outcome, deadline));
  limits_.abuse().looked_up(participant, payer, outcome.http_status);
  return found;
}

}  // namespace chaveiro::app
