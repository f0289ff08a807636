#include "directory/claims.h"

#include <algorithm>
#include <set>

#include "directory/operation.h"

namespace chaveiro::directory {
namespace {

Error not_found() { return fail(Code::not_found, "NotFound", "no claim with this id"); }

Error wrong_side(ClaimRole needed) {
  return fail(Code::conflict, "ClaimOperationInvalid",
              "this is a step of the claim's " + std::string(needed == ClaimRole::donor ? "donor" : "claimer"));
}

const Ispb& ispb_of(const Claim& claim, ClaimRole role) {
  return role == ClaimRole::donor ? claim.donor : claim.claimer();
}

}  // namespace

struct Claims::Impl {
  Store& store;
  Reads& answers;  // what is shown; decisions read the store
  Registry& registry;
  const Clock& clock;
  KeyRules rules;
  std::vector<Ispb> served;
  ClaimPeriods periods;
  UuidV7 ids;

  // The account of one side. The donor's is that of its entry, which stays readable after its deletion.
  Result<AccountId> account_of(Reads& from, const Claim& claim, ClaimRole role, Deadline deadline) {
    if (role == ClaimRole::claimer) return claim.claimer_account.id;
    TRY(const auto entry, from.entry(claim.donor_entry, deadline));
    return entry ? entry->account.id : AccountId{};
  }

  // Does the caller stand on that side, with an account that he may touch?
  Result<bool> stands(Reads& from, const Context& context, Permission permission, const Claim& claim, ClaimRole role) {
    if (context.caller.ispb != ispb_of(claim, role)) return false;
    TRY(const AccountId account, account_of(from, claim, role, context.deadline));
    return sees_account(context.caller, permission, account);
  }

  // Claims of others do not exist for the caller.
  Result<Claim> seen(Reads& from, const Context& context, Permission permission, const ClaimId& id) {
    TRY_VOID(authorise(context.caller, permission, context.caller.ispb));
    TRY(auto claim, from.claim(id, context.deadline));
    if (!claim) return not_found();
    TRY(const bool as_donor, stands(from, context, permission, *claim, ClaimRole::donor));
    TRY(const bool as_claimer, stands(from, context, permission, *claim, ClaimRole::claimer));
    if (!as_donor && !as_claimer) return not_found();
    return std::move(*claim);
  }

  Result<Claim> seen_as(const Context& context, ClaimRole role, const ClaimId& id) {
    TRY(Claim claim, seen(store, context, Permission::write_claims, id));
    TRY(const bool allowed, stands(store, context, Permission::write_claims, claim, role));
    if (!allowed) return wrong_side(role);
    return claim;
  }

  // On which side does the caller cancel? Where his participant stands on both, he must say so.
  Result<ClaimRole> cancelling_role(const Context& context, const Claim& claim, std::optional<ClaimRole> said) {
    if (said) return *said;
    if (claim.donor == claim.claimer()) {
      return fail_field("role", "must say DONOR or CLAIMER: the participant is both", "ClaimInvalid");
    }
    return context.caller.ispb == claim.donor ? ClaimRole::donor : ClaimRole::claimer;
  }

  // The donor's entry as the step leaves it; nothing where the step does not concern it.
  Result<std::optional<Put<Entry>>> entry_write(const ClaimStep& step, Reason reason, UtcTime now, Deadline deadline) {
    if (step.effect != EntryEffect::unlock && step.effect != EntryEffect::remove) return std::optional<Put<Entry>>{};
    TRY(auto before, store.entry(step.claim.donor_entry, deadline));
    if (!before || !before->open_claim || before->open_claim->id != step.claim.id) {
      // Read between two commits of somebody faster, or else the stored data contradict each other.
      return fail(Code::conflict, "Stale", "the claim and the donor's entry do not fit together");
    }
    if (step.effect == EntryEffect::remove) {
      if (before->status == EntryStatus::blocked) {
        return fail(Code::conflict, "EntryBlocked", "the entry is blocked by a court order");
      }
      Entry after = deleted(*before, reason, now);
      return std::optional{Put<Entry>{std::move(before), std::move(after)}};
    }
    Entry after = *before;
    after.open_claim.reset();
    return std::optional{Put<Entry>{std::move(before), std::move(after)}};
  }

  Result<Claim> commit_step(const Context& context, std::string operation, const Ispb& ispb, const Claim& before,
                            ClaimStep step, Reason reason, UtcTime now) {
    Change change = change_of(context, std::move(operation), ispb, now);
    change.writes.push_back(Put<Claim>{before, step.claim});
    TRY(auto entry, entry_write(step, reason, now, context.deadline));
    if (entry) change.writes.push_back(std::move(*entry));
    TRY(const Committed committed, store.commit(change, context.deadline));
    step.claim.version = committed.sequence;
    return std::move(step.claim);
  }

  bool serves(const Ispb& ispb) const { return std::find(served.begin(), served.end(), ispb) != served.end(); }
};

Claims::Claims(Store& store, Registry& registry, const Clock& clock, KeyRules rules, std::vector<Ispb> served,
               ClaimPeriods periods, Reads* reads)
    : impl_(
          new Impl{store, reads != nullptr ? *reads : store, registry, clock, rules, std::move(served), periods, {}}) {}

Claims::~Claims() = default;

Result<Claim> Claims::start(const Context& context, const StartClaim& request) {
  const Ispb& ispb = context.caller.ispb;
  TRY_VOID(authorise(context.caller, Permission::write_claims, ispb, request.claimer_account));
  TRY_VOID(check_claimable(request.type, request.key_type));
  TRY(const Key key, Key::parse(request.key_type, request.key, impl_->rules));
  Store& store = impl_->store;
  return decide_until_fresh([&]() -> Result<Claim> {
    TRY(Account account, open_account(store, ispb, request.claimer_account, context.deadline));
    TRY(const auto entry, store.live_entry(key, context.deadline));
    if (!entry) {
      // A claim that is confirmed has no entry any more, and yet holds the key.
      TRY(const auto claim, store.live_claim(key, context.deadline));
      if (claim) {
        return fail(Code::exists, "ClaimAlreadyExistsForKey", "another claim for this key has not ended yet");
      }
      return fail(Code::not_found, "ClaimKeyNotFound", "no entry with the key that is claimed");
    }
    const UtcTime now = impl_->clock.now();
    OpenClaimRequest open{ClaimId{impl_->ids.make(now)}, request.type, std::move(account)};
    TRY(ClaimStep step, open_claim(*entry, std::move(open), impl_->periods, now));
    Entry locked = *entry;
    locked.open_claim = OpenClaim{step.claim.id, now, step.claim.type == ClaimType::portability};
    Change change = change_of(context, "start_claim", ispb, now);
    change.writes.push_back(Put<Claim>{std::nullopt, step.claim});
    change.writes.push_back(Put<Entry>{entry, std::move(locked)});
    TRY(const Committed committed, store.commit(change, context.deadline));
    step.claim.version = committed.sequence;
    return std::move(step.claim);
  });
}

Result<Claim> Claims::get(const Context& context, const ClaimId& id) {
  return impl_->seen(impl_->answers, context, Permission::read_claims, id);
}

Result<Page<Claim>> Claims::list(const Context& context, ClaimFilter filter, const PageRequest& page) {
  TRY_VOID(authorise(context.caller, Permission::read_claims, filter.ispb));
  filter.accounts = accounts_seen(context.caller, Permission::read_claims, std::move(filter.accounts));
  return impl_->store.claims(filter, that_may_lag(page), context.deadline);
}

Result<Claim> Claims::acknowledge(const Context& context, const ClaimId& id) {
  return decide_until_fresh([&]() -> Result<Claim> {
    TRY(Claim claim, impl_->seen_as(context, ClaimRole::donor, id));
    if (repeats_acknowledge(claim)) return claim;
    const UtcTime now = impl_->clock.now();
    TRY(ClaimStep step, directory::acknowledge(claim, now));
    return impl_->commit_step(context, "acknowledge_claim", claim.donor, claim, std::move(step), {}, now);
  });
}

Result<Claim> Claims::confirm(const Context& context, const ClaimId& id, Reason reason) {
  return decide_until_fresh([&]() -> Result<Claim> {
    TRY(Claim claim, impl_->seen_as(context, ClaimRole::donor, id));
    if (repeats_confirm(claim, reason)) return claim;
    const UtcTime now = impl_->clock.now();
    TRY(ClaimStep step, directory::confirm(claim, reason, now));
    return impl_->commit_step(context, "confirm_claim", claim.donor, claim, std::move(step), reason, now);
  });
}

Result<Claim> Claims::cancel(const Context& context, const ClaimId& id, std::optional<ClaimRole> role, Reason reason) {
  return decide_until_fresh([&]() -> Result<Claim> {
    TRY(const Claim any_side, impl_->seen(impl_->store, context, Permission::write_claims, id));
    TRY(const ClaimRole by, impl_->cancelling_role(context, any_side, role));
    TRY(Claim claim, impl_->seen_as(context, by, id));
    if (repeats_cancel(claim, by, reason)) return claim;
    const UtcTime now = impl_->clock.now();
    TRY(ClaimStep step, directory::cancel(claim, by, reason, now));
    return impl_->commit_step(context, "cancel_claim", ispb_of(claim, by), claim, std::move(step), reason, now);
  });
}

Result<Claim> Claims::complete(const Context& context, const CompleteClaim& request) {
  Store& store = impl_->store;
  TRY(const RequestId request_id, request_id_or_fresh(request.request_id));
  const RequestUse use{request_id, body_hash({"complete_claim", to_string(request.id)})};
  std::optional<Registry::Registered> registered;

  return decide_until_fresh([&]() -> Result<Claim> {
    TRY(Claim claim, impl_->seen_as(context, ClaimRole::claimer, request.id));
    TRY(const auto repeated, replayed(store, claim.claimer(), use, context.deadline));
    if (repeated) return claim;
    const UtcTime now = impl_->clock.now();
    const EntryId entry_id{impl_->ids.make(now)};
    TRY(ClaimStep step, directory::complete(claim, request_id, entry_id, now));
    TRY(Account account, open_account(store, claim.claimer(), claim.claimer_account.id, context.deadline));
    TRY(const auto held, store.live_entry(claim.key, context.deadline));
    if (held) {
      return fail(Code::exists, "ClaimResultingEntryAlreadyExists", "the key is registered already");
    }
    TRY(const std::uint8_t slot, free_slot(store, account, context.deadline));
    if (!registered) {
      // A portability moves the key of one owner, whose possession goes on; an ownership starts a new one.
      const auto owned_since =
          claim.type == ClaimType::portability ? std::optional{claim.donor_owned_since} : std::nullopt;
      TRY(registered, impl_->registry.register_entry({.request = request_id,
                                                      .key_type = claim.key.type(),
                                                      .key = claim.key,
                                                      .account = account,
                                                      .completes = claim.id,
                                                      .owned_since = owned_since},
                                                     context.deadline));
    }
    Entry entry{.id = entry_id,
                .key = claim.key,
                .account = std::move(account),
                .status = EntryStatus::active,
                .request_id = request_id,
                .slot = slot,
                .created_at = registered->created_at,
                .owned_since = registered->owned_since,
                .updated_at = now};
    // The entry comes first: the request id is remembered with what it made.
    Change change = change_of(context, "complete_claim", claim.claimer(), now);
    change.writes.push_back(Put<Entry>{std::nullopt, std::move(entry)});
    change.writes.push_back(Put<Claim>{std::move(claim), step.claim});
    change.request = use;
    TRY(const Committed committed, store.commit(change, context.deadline));
    step.claim.version = committed.sequence;
    return std::move(step.claim);
  });
}

Result<Claim> Claims::take_due(const Claim& claim, DueAction action, Deadline deadline) {
  const ClaimRole role = action == DueAction::cancel_claimer ? ClaimRole::claimer : ClaimRole::donor;
  const Context context{
      .caller = {.subject = "system", .ispb = ispb_of(claim, role), .roles = {Role::operator_}, .accounts = {}},
      .correlation_id = "deadline-" + to_string(claim.id),
      .deadline = deadline};
  switch (action) {
    case DueAction::acknowledge_donor:
      return acknowledge(context, claim.id);
    case DueAction::confirm_donor:
      return confirm(context, claim.id, Reason::default_operation);
    case DueAction::cancel_donor:
    case DueAction::cancel_claimer:
      return cancel(context, claim.id, role, Reason::default_operation);
  }
  return fail(Code::internal, "Internal", "unknown due action");
}

Result<std::size_t> Claims::run_due(const std::function<void(const ClaimId&, const Error&)>& failed, Deadline deadline,
                                    const std::function<bool()>& goes_on) {
  constexpr std::size_t claims_max = 65'536;
  // Claims that wait for somebody else, or that fail, stay at the head of the list: it is read further only when
  // nothing could be done with what was read so far.
  std::size_t limit = 256;
  std::size_t steps = 0;
  std::set<ClaimId> failing;
  while (true) {
    const UtcTime now = impl_->clock.now();
    TRY(const auto claims, impl_->store.claims_past_a_period(now, limit, deadline));
    const std::size_t steps_before = steps;
    for (const Claim& listed : claims) {
      Claim claim = listed;
      while (!failing.contains(claim.id)) {
        const auto action = due(claim, impl_->serves(claim.donor), impl_->serves(claim.claimer()), now);
        if (!action) break;
        if (!goes_on()) return steps;
        auto next = take_due(claim, *action, deadline);
        if (!next) {
          failing.insert(claim.id);
          failed(claim.id, next.error());
          break;
        }
        claim = std::move(*next);
        ++steps;
      }
    }
    if (claims.size() < limit) return steps;
    if (steps == steps_before) {
      if (limit >= claims_max) return steps;
      limit *= 4;
    }
  }
}

}  // namespace chaveiro::directory
