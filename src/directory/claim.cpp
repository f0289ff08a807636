#include "directory/claim.h"

#include <algorithm>
#include <vector>

#include "directory/names.h"

namespace chaveiro::directory {
namespace {

constexpr Names<ClaimType, 2> claim_types{
    {{ClaimType::portability, "PORTABILITY"}, {ClaimType::ownership, "OWNERSHIP"}}};
constexpr Names<ClaimStatus, 5> claim_statuses{{{ClaimStatus::open, "OPEN"},
                                                {ClaimStatus::waiting_resolution, "WAITING_RESOLUTION"},
                                                {ClaimStatus::confirmed, "CONFIRMED"},
                                                {ClaimStatus::cancelled, "CANCELLED"},
                                                {ClaimStatus::completed, "COMPLETED"}}};
constexpr Names<ClaimRole, 2> claim_roles{{{ClaimRole::donor, "DONOR"}, {ClaimRole::claimer, "CLAIMER"}}};

using Reasons = std::vector<Reason>;

bool holds(const Reasons& reasons, Reason reason) {
  return std::find(reasons.begin(), reasons.end(), reason) != reasons.end();
}

// The official tables of cancelClaim and confirmClaim. The reasons of an ownership claim's claimer are those of API
// 1.8.0: later documents list none, so these four are what every version accepts.
Reasons cancel_reasons(ClaimType type, ClaimRole by, ClaimStatus status) {
  if (status == ClaimStatus::cancelled || status == ClaimStatus::completed) return {};
  if (type == ClaimType::ownership) {
    if (by == ClaimRole::donor) return {Reason::fraud};
    return {Reason::user_requested, Reason::account_closure, Reason::fraud, Reason::default_operation};
  }
  if (by == ClaimRole::donor) {
    if (status == ClaimStatus::confirmed) return {};
    return {Reason::user_requested, Reason::default_operation, Reason::fraud};
  }
  switch (status) {
    case ClaimStatus::open:
      return {Reason::user_requested, Reason::account_closure, Reason::fraud, Reason::reconciliation,
              Reason::rfb_validation};
    case ClaimStatus::waiting_resolution:
      return {Reason::user_requested, Reason::account_closure, Reason::fraud, Reason::rfb_validation};
    default:
      return {Reason::fraud, Reason::reconciliation, Reason::rfb_validation};
  }
}

bool cancels_in_some_state(ClaimType type, ClaimRole by, Reason reason) {
  return holds(cancel_reasons(type, by, ClaimStatus::open), reason) ||
         holds(cancel_reasons(type, by, ClaimStatus::confirmed), reason);
}

Reasons confirm_reasons(ClaimType type) {
  if (type == ClaimType::ownership) return {Reason::user_requested, Reason::default_operation};
  return {Reason::user_requested, Reason::account_closure};
}

Error operation_invalid(const Claim& claim, std::string_view step) {
  return fail(Code::conflict, "ClaimOperationInvalid",
              "a claim that is " + std::string(to_string(claim.status)) + " cannot be " + std::string(step));
}

Error invalid_reason(const Claim& claim, Reason reason, std::string_view step) {
  return fail_field("reason",
                    std::string(to_string(reason)) + " is no reason by which this side may have a claim of type " +
                        std::string(to_string(claim.type)) + " " + std::string(step),
                    "InvalidReason");
}

Error period_not_ended(std::string reason, UtcTime end) {
  return fail(Code::conflict, std::move(reason), "this is possible from " + to_rfc3339(end) + " on");
}

ClaimType type_told_by_owners(const Entry& entry, const Person& claimer) {
  return entry.owner().tax_id == claimer.tax_id ? ClaimType::portability : ClaimType::ownership;
}

}  // namespace

std::string_view to_string(ClaimType type) { return name_of(claim_types, type); }
std::optional<ClaimType> claim_type_of(std::string_view text) { return value_of(claim_types, text); }

Result<void> check_claimable(std::optional<ClaimType> type, KeyType key_type) {
  if (key_type == KeyType::evp) return fail_field("key_type", "an EVP cannot be claimed", "ClaimInvalid");
  if (type == ClaimType::ownership && key_type != KeyType::phone) {
    return fail_field("key_type", "only the ownership of a PHONE can be claimed", "ClaimInvalid");
  }
  return {};
}
std::string_view to_string(ClaimStatus status) { return name_of(claim_statuses, status); }
std::optional<ClaimStatus> claim_status_of(std::string_view text) { return value_of(claim_statuses, text); }
std::string_view to_string(ClaimRole role) { return name_of(claim_roles, role); }
std::optional<ClaimRole> claim_role_of(std::string_view text) { return value_of(claim_roles, text); }

Result<ClaimStep> open_claim(const Entry& entry, OpenClaimRequest request, const ClaimPeriods& periods, UtcTime now) {
  const ClaimType told = type_told_by_owners(entry, request.claimer_account.holder);
  const ClaimType type = request.type.value_or(told);
  TRY_VOID(check_claimable(type, entry.key.type()));
  if (entry.status == EntryStatus::blocked) {
    return fail(Code::conflict, "EntryBlocked", "the entry is blocked by a court order");
  }
  if (entry.status != EntryStatus::active) {
    return fail(Code::not_found, "ClaimKeyNotFound", "no entry with the key that is claimed");
  }
  if (told == ClaimType::portability && entry.ispb() == request.claimer_account.ispb) {
    return fail(Code::exists, "ClaimResultingEntryAlreadyExists",
                "this owner has the key at this participant already; change the entry's account instead");
  }
  if (type != told) {
    return fail(Code::conflict, "ClaimTypeInconsistent",
                type == ClaimType::portability ? "the key belongs to another owner: claim its ownership"
                                               : "the key belongs to the same owner: ask for its portability");
  }
  if (entry.open_claim) {
    return fail(Code::exists, "ClaimAlreadyExistsForKey", "another claim for this key has not ended yet");
  }
  Claim claim{.id = request.id,
              .type = type,
              .key = entry.key,
              .donor_entry = entry.id,
              .donor = entry.ispb(),
              .claimer_account = std::move(request.claimer_account),
              .created_at = now,
              .resolution_end = now + periods.resolution,
              .claimer_deadline = now + periods.claimer_deadline,
              .updated_at = now,
              .donor_owned_since = entry.owned_since};
  if (type == ClaimType::ownership) claim.completion_end = now + periods.ownership_completion;
  return ClaimStep{std::move(claim), EntryEffect::lock};
}

Result<ClaimStep> acknowledge(Claim claim, UtcTime now) {
  if (claim.status != ClaimStatus::open) return operation_invalid(claim, "acknowledged");
  claim.status = ClaimStatus::waiting_resolution;
  claim.updated_at = now;
  return ClaimStep{std::move(claim), EntryEffect::none};
}

Result<ClaimStep> confirm(Claim claim, Reason reason, UtcTime now) {
  if (claim.status != ClaimStatus::waiting_resolution) return operation_invalid(claim, "confirmed");
  if (!holds(confirm_reasons(claim.type), reason)) return invalid_reason(claim, reason, "confirmed");
  if (reason == Reason::default_operation && now < claim.resolution_end) {
    return period_not_ended("ClaimResolutionPeriodNotEnded", claim.resolution_end);
  }
  // The former owner has agreed: nobody is left who could object, so the claimer may complete at once.
  if (claim.completion_end && reason == Reason::user_requested) {
    claim.completion_end = std::min(*claim.completion_end, now);
  }
  claim.status = ClaimStatus::confirmed;
  claim.confirm_reason = reason;
  claim.updated_at = now;
  return ClaimStep{std::move(claim), EntryEffect::remove};
}

Result<ClaimStep> cancel(Claim claim, ClaimRole by, Reason reason, UtcTime now) {
  const Reasons allowed = cancel_reasons(claim.type, by, claim.status);
  if (allowed.empty()) return operation_invalid(claim, "cancelled by this side");
  if (!cancels_in_some_state(claim.type, by, reason)) return invalid_reason(claim, reason, "cancelled");
  if (!holds(allowed, reason)) return operation_invalid(claim, "cancelled by this side with this reason");
  if (reason == Reason::default_operation) {
    if (by == ClaimRole::donor && now < claim.resolution_end) {
      return period_not_ended("ClaimResolutionPeriodNotEnded", claim.resolution_end);
    }
    if (by == ClaimRole::claimer && now < claim.claimer_deadline) {
      return period_not_ended("ClaimCompletionPeriodNotEnded", claim.claimer_deadline);
    }
  }
  // Once it is confirmed there is no entry left to unlock: the key is free.
  const EntryEffect effect = claim.status == ClaimStatus::confirmed ? EntryEffect::none : EntryEffect::unlock;
  claim.status = ClaimStatus::cancelled;
  claim.cancel_reason = reason;
  claim.cancelled_by = by;
  claim.updated_at = now;
  claim.ended_at = now;
  return ClaimStep{std::move(claim), effect};
}

Result<ClaimStep> complete(Claim claim, const RequestId& request, EntryId new_entry, UtcTime now) {
  if (claim.status != ClaimStatus::confirmed) return operation_invalid(claim, "completed");
  if (claim.completion_end && now < *claim.completion_end) {
    return period_not_ended("ClaimCompletionPeriodNotEnded", *claim.completion_end);
  }
  claim.status = ClaimStatus::completed;
  claim.complete_request = request;
  claim.completed_entry = new_entry;
  claim.updated_at = now;
  claim.ended_at = now;
  return ClaimStep{std::move(claim), EntryEffect::add};
}

bool repeats_acknowledge(const Claim& claim) { return claim.status == ClaimStatus::waiting_resolution; }

bool repeats_confirm(const Claim& claim, Reason reason) {
  return claim.status == ClaimStatus::confirmed && claim.confirm_reason == reason;
}

bool repeats_cancel(const Claim& claim, ClaimRole by, Reason reason) {
  return claim.status == ClaimStatus::cancelled && claim.cancelled_by == by && claim.cancel_reason == reason;
}

bool repeats_complete(const Claim& claim, const RequestId& request) {
  return claim.status == ClaimStatus::completed && claim.complete_request == request;
}

std::optional<DueAction> due(const Claim& claim, bool donor_is_ours, bool claimer_is_ours, UtcTime now) {
  const auto wakes_at = next_due(claim, donor_is_ours, claimer_is_ours);
  if (!wakes_at || now < *wakes_at) return std::nullopt;
  // A claimer who has not proved possession in 30 days gets nothing: where both steps are late (the worker was off), the
  // claim is cancelled before the donor's entry is taken away for nobody.
  if (claimer_is_ours && claim.type == ClaimType::ownership && now >= claim.claimer_deadline) {
    return DueAction::cancel_claimer;
  }
  if (claim.status == ClaimStatus::open) return DueAction::acknowledge_donor;
  return claim.type == ClaimType::portability ? DueAction::cancel_donor : DueAction::confirm_donor;
}

std::optional<UtcTime> next_due(const Claim& claim, bool donor_is_ours, bool claimer_is_ours) {
  std::optional<UtcTime> next;
  const bool undecided = claim.status == ClaimStatus::open || claim.status == ClaimStatus::waiting_resolution;
  if (donor_is_ours && undecided) next = claim.resolution_end;
  // Only the claimer of an ownership has a deadline; a portability that is confirmed waits for its owner.
  if (claimer_is_ours && claim.live() && claim.type == ClaimType::ownership) {
    next = std::min(next.value_or(claim.claimer_deadline), claim.claimer_deadline);
  }
  return next;
}

}  // namespace chaveiro::directory
