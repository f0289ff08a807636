// directory/claims.h
//
// The operations on claims (claim.h holds the rules) and the worker that keeps their clocks for our side.
//
// A claim has two sides. The caller's participant decides on which side it acts; where it stands on both,
// acknowledging and confirming are the donor's, completing is the claimer's, and cancelling must say the role.
// Acting for the side on which the caller does not stand is ClaimOperationInvalid; a claim in which he has no part is
// NotFound.
//
// Threads: any number at once; blocking, until the context's deadline.
// Errors:  the official ones of the claim operations as reasons (ClaimInvalid, ClaimTypeInconsistent, ClaimKeyNotFound,
//          ClaimAlreadyExistsForKey, ClaimResultingEntryAlreadyExists, ClaimOperationInvalid,
//          ClaimResolutionPeriodNotEnded, ClaimCompletionPeriodNotEnded, EntryBlocked, EntryLimitExceeded,
//          InvalidReason, RequestIdAlreadyUsed, NotFound, Forbidden).
#pragma once

#include <functional>
#include <memory>

#include "directory/caller.h"
#include "directory/registry.h"
#include "directory/store.h"

namespace chaveiro::directory {

struct StartClaim {
  KeyType key_type = KeyType::phone;
  std::string key;
  AccountId claimer_account;
  std::optional<ClaimType> type;  // absent: told from the owners, see open_claim
};

struct CompleteClaim {
  ClaimId id;
  std::optional<RequestId> request_id;
};

class Claims {
 public:
  // `served`: the participants that are ours (CHAVEIRO_ISPBS). `reads`: where get() reads; null: the store.
  Claims(Store& store, Registry& registry, const Clock& clock, KeyRules rules, std::vector<Ispb> served,
         ClaimPeriods periods = {}, Reads* reads = nullptr);
  ~Claims();

  Result<Claim> start(const Context& context, const StartClaim& request);
  Result<Claim> get(const Context& context, const ClaimId& id);
  Result<Page<Claim>> list(const Context& context, ClaimFilter filter, const PageRequest& page);
  Result<Claim> acknowledge(const Context& context, const ClaimId& id);
  Result<Claim> confirm(const Context& context, const ClaimId& id, Reason reason);
  Result<Claim> cancel(const Context& context, const ClaimId& id, std::optional<ClaimRole> role, Reason reason);
  // Answers the claim; `completed_entry` names the new entry.
  Result<Claim> complete(const Context& context, const CompleteClaim& request);

  // One round of the deadline worker: takes every step that is due for our side now, through the operations above, as
  // the caller "system".
  // Answers how many steps were taken; a claim that fails is logged by the caller through `failed` and tried again next
  // round. `goes_on` is asked before each step: false ends the round. Two rounds at once, on whatever nodes, take each step once: the
  // claim's version decides, and the later one finds it done.
  Result<std::size_t> run_due(
      const std::function<void(const ClaimId&, const Error&)>& failed, Deadline deadline,
      const std::function<bool()>& goes_on = [] { return true; });

 private:
  Result<Claim> take_due(const Claim& claim, DueAction action, Deadline deadline);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace chaveiro::directory
