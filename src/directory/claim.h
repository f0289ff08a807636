// directory/claim.h
//
// A claim: one participant (the claimer) asks for a key that is registered with another (the donor). PORTABILITY moves
// a key of the same owner between participants; OWNERSHIP moves a phone number to a new owner. The whole official state
// machine is here as pure functions: they take a claim, who asks and what time it is, and answer with the claim as it
// is afterwards and what becomes of the entry. Nobody else decides about a claim.
//
//   OPEN --acknowledge (donor)--> WAITING_RESOLUTION --confirm (donor)--> CONFIRMED --complete (claimer)--> COMPLETED
//     \______________________________\________________________________________\--cancel--> CANCELLED
//
// Threads: plain values and pure functions.
// Errors:  conflict with ClaimOperationInvalid (wrong state or wrong side), ClaimResolutionPeriodNotEnded,
//          ClaimCompletionPeriodNotEnded; invalid with InvalidReason, ClaimTypeInconsistent, ClaimInvalid.
// Source:  API DICT 2.6.1, claims; Manual Operacional §5, §6. Periods are 168 h / 336 h / 720 h from creation.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "directory/entry.h"

namespace chaveiro::directory {

enum class ClaimType : std::uint8_t { portability = 1, ownership };
std::string_view to_string(ClaimType type);  // PORTABILITY OWNERSHIP
std::optional<ClaimType> claim_type_of(std::string_view text);

enum class ClaimStatus : std::uint8_t { open = 1, waiting_resolution, confirmed, cancelled, completed };
std::string_view to_string(ClaimStatus status);  // OPEN WAITING_RESOLUTION CONFIRMED CANCELLED COMPLETED
std::optional<ClaimStatus> claim_status_of(std::string_view text);

enum class ClaimRole : std::uint8_t { donor = 1, claimer };
std::string_view to_string(ClaimRole role);  // DONOR CLAIMER
std::optional<ClaimRole> claim_role_of(std::string_view text);

struct ClaimPeriods {
  std::chrono::hours resolution{168};            // the donor must have answered
  std::chrono::hours ownership_completion{336};  // the former owner may still object
  std::chrono::hours claimer_deadline{720};      // the claimer must have proved possession, else it cancels
};

struct Claim {
  ClaimId id;
  std::optional<std::string> registry_id;  // the official ClaimId, once the registry has given one
  ClaimType type = ClaimType::portability;
  Key key;
  EntryId donor_entry;
  Ispb donor;
  Account claimer_account;  // `ispb` is the claimer, `holder` the person who claims
  ClaimStatus status = ClaimStatus::open;
  UtcTime created_at{};
  UtcTime resolution_end{};
  std::optional<UtcTime> completion_end;  // ownership only
  UtcTime claimer_deadline{};
  UtcTime updated_at{};
  UtcTime donor_owned_since{};  // KeyOwnershipDate of the entry it was opened on; a portability carries it over
  std::optional<Reason> confirm_reason;
  std::optional<Reason> cancel_reason;
  std::optional<ClaimRole> cancelled_by;
  std::optional<UtcTime> ended_at;            // completed or cancelled
  std::optional<RequestId> complete_request;  // RequestId of completeClaim
  std::optional<EntryId> completed_entry;     // the claimer's new entry
  std::uint64_t version = 0;

  const Ispb& claimer() const { return claimer_account.ispb; }
  bool live() const { return status != ClaimStatus::cancelled && status != ClaimStatus::completed; }
  bool operator==(const Claim&) const = default;
};

// What a step does to the donor's entry and to the key.
enum class EntryEffect : std::uint8_t {
  none,
  lock,    // the entry shows an open claim; it can be neither deleted nor claimed again
  unlock,  // the claim is gone, the entry is as before
  remove,  // the donor's entry is deleted; look-ups answer "not registered"
  add,     // the claimer's entry is made
};
struct ClaimStep {
  Claim claim;
  EntryEffect effect = EntryEffect::none;
};

// Can a key of this type be claimed so? Errors: invalid, ClaimInvalid.
Result<void> check_claimable(std::optional<ClaimType> type, KeyType key_type);

struct OpenClaimRequest {
  ClaimId id;
  std::optional<ClaimType> type;  // absent: told from the owners (same tax id: portability; else ownership of a phone)
  Account claimer_account;
};
// `entry` is the live entry of the key. Also errors: EntryBlocked, ClaimAlreadyExistsForKey,
// ClaimResultingEntryAlreadyExists.
Result<ClaimStep> open_claim(const Entry& entry, OpenClaimRequest request, const ClaimPeriods& periods, UtcTime now);
Result<ClaimStep> acknowledge(Claim claim, UtcTime now);
Result<ClaimStep> confirm(Claim claim, Reason reason, UtcTime now);
Result<ClaimStep> cancel(Claim claim, ClaimRole by, Reason reason, UtcTime now);
Result<ClaimStep> complete(Claim claim, const RequestId& request, EntryId new_entry, UtcTime now);

// Repeating a step that was taken with the same parameters is answered with the claim as it is (official idempotency).
bool repeats_acknowledge(const Claim& claim);
bool repeats_confirm(const Claim& claim, Reason reason);
bool repeats_cancel(const Claim& claim, ClaimRole by, Reason reason);
bool repeats_complete(const Claim& claim, const RequestId& request);

// What our side must do by itself at `now`, if anything: as donor DEFAULT_OPERATION once the resolution period has
// ended (acknowledge first while OPEN; cancel a portability, confirm an ownership), as claimer the cancel at the
// claimer deadline.
enum class DueAction : std::uint8_t { acknowledge_donor, cancel_donor, confirm_donor, cancel_claimer };
std::optional<DueAction> due(const Claim& claim, bool donor_is_ours, bool claimer_is_ours, UtcTime now);
// The next moment at which due() may answer differently.
std::optional<UtcTime> next_due(const Claim& claim, bool donor_is_ours, bool claimer_is_ours);

}  // namespace chaveiro::directory
