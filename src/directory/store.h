// directory/store.h
//
// Where the directory keeps what it knows. clients/memory and clients/sqlite implement it (PostgreSQL later), all under
// one contract test suite (tests/contract/store_contract.h).
//
// Guarantees: a read sees every commit that was answered before it began. A commit is applied whole or not at all, and
// once answered it survives the death of the process and the loss of power (memory: neither, and says so). Commits of
// many callers are grouped for the disk; each caller still gets its own answer. The sequence of commits is strictly
// increasing and is never used twice, also after a restart. Constraints held by the store whatever the caller does: one
// live entry a key, one live claim a key, one live entry per account and slot, RequestId unique per participant, and the
// account of a live entry exists and is open (so an account cannot be closed while an entry is being made for it).
//
// Threads: any number of readers and committers at once.
// Errors:  every call: deadline, unavailable (locked, full, gone: the message says what to do), corrupt (damaged file).
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/hash.h"
#include "directory/audit.h"
#include "directory/change.h"
#include "directory/reads.h"
#include "events/outbox.h"

namespace chaveiro::directory {

// Where a page ends: lists are ordered by (created_at, id), oldest first.
struct Position {
  UtcTime created_at{};
  Uuid id;
  auto operator<=>(const Position&) const = default;
};

inline constexpr std::size_t page_limit_max = 200;
struct PageRequest {
  std::size_t limit = 20;         // 1 … page_limit_max; anything else is refused as invalid
  std::optional<Position> after;  // absent: from the start
  // may_lag: a list for people, which a store may answer from a copy of itself that is a little older (PostgreSQL's replicas).
  enum class From : std::uint8_t { newest, may_lag } from = From::newest;
};
inline PageRequest that_may_lag(PageRequest page) {
  page.from = PageRequest::From::may_lag;
  return page;
}

template <class T>
struct Page {
  std::vector<T> items;
  std::optional<Position> next;  // absent: this was the last
  std::uint64_t total = 0;       // all that the filter lets through, exact up to 10,000; beyond that 0
};

struct EntryFilter {
  Ispb ispb;
  std::optional<std::vector<AccountId>> accounts;  // only of these; an empty list lets nothing through
  std::optional<KeyType> key_type;
  std::optional<EntryStatus> status;  // absent: every live entry
};

struct AccountFilter {
  Ispb ispb;
  std::optional<std::vector<AccountId>> accounts;
  std::optional<std::string> holder_tax_id;
};

struct ClaimFilter {
  Ispb ispb;
  ClaimRole role = ClaimRole::donor;  // the side on which `ispb` stands: donor = incoming, claimer = outgoing
  std::optional<std::vector<AccountId>> accounts;  // claimer accounts, or accounts of the donor's entries
  std::optional<ClaimStatus> status;
};

struct Statistics {
  struct Entries {
    KeyType key_type;
    EntryStatus status;
    std::uint64_t count;
  };
  struct Claims {
    ClaimType type;
    ClaimStatus status;
    std::uint64_t count;
  };
  std::vector<Entries> entries;
  std::vector<Claims> claims;
  std::uint64_t accounts = 0;
  std::uint64_t audit_records = 0;
};

// Who holds a key.
struct Holder {
  Ispb ispb;
  Digest owner{};  // SHA-256 of the tax id
  bool operator==(const Holder&) const = default;
};

class Store : public Reads {
 public:
  // As live_entry(), and of participants too whose entries this store does not show, where it is shared with others. A store that shows all
  // that it has answers from live_entry().
  virtual Result<std::optional<Holder>> who_holds(const Key& key, Deadline deadline) {
    TRY(const std::optional<Entry> held, live_entry(key, deadline));
    if (!held) return std::optional<Holder>{};
    return std::optional<Holder>{Holder{held->ispb(), sha256(held->owner().tax_id)}};
  }
  virtual Result<Page<Entry>> entries(const EntryFilter& filter, const PageRequest& page, Deadline deadline) = 0;
  // Bit n is set where slot n of the account is taken by a live entry.
  virtual Result<std::uint32_t> slots_taken(const AccountId& account, Deadline deadline) = 0;

  virtual Result<Page<Account>> accounts(const AccountFilter& filter, const PageRequest& page, Deadline deadline) = 0;

  virtual Result<std::optional<Claim>> live_claim(const Key& key, Deadline deadline) = 0;
  virtual Result<Page<Claim>> claims(const ClaimFilter& filter, const PageRequest& page, Deadline deadline) = 0;
  // Live claims of which one of three clocks (resolution_end, completion_end, claimer_deadline) has passed, oldest
  // first.
  virtual Result<std::vector<Claim>> claims_past_a_period(UtcTime now, std::size_t limit, Deadline deadline) = 0;

  virtual Result<std::optional<StoredRequest>> request(const Ispb& ispb, const RequestId& id, Deadline deadline) = 0;

  // Applies the change. Errors besides the common ones: conflict "Stale" (a `before` is no longer current, or a
  // constraint of the store was hit by somebody faster; nothing was applied), conflict "AlreadyApplied" (the event of
  // `mark` was applied before; nothing was applied), exhausted (too many commits are waiting),
  // maybe_applied (the deadline passed while the group was being written).
  virtual Result<Committed> commit(const Change& change, Deadline deadline) = 0;
  // The same for many at once, in order and in as few groups as possible; each has its own answer.
  virtual std::vector<Result<Committed>> commit_all(std::span<const Change> changes, Deadline deadline) = 0;

  // Audit records in commit order; for people, newest first (time, then commit) within a filter, with the position that
  // audit_position() tells; or in chain order (writer, then month and number).
  virtual Result<std::vector<AuditRecord>> audit_after(std::uint64_t sequence, std::size_t limit,
                                                       Deadline deadline) = 0;
  virtual Result<Page<AuditRecord>> audit(const AuditFilter& filter, const PageRequest& page, Deadline deadline) = 0;
  virtual Result<void> each_audit_record(const std::function<void(const AuditRecord&)>& visit, Deadline deadline) = 0;
  virtual Result<std::optional<SealKey>> seal_key(const Digest& person, Deadline deadline) = 0;

  virtual Result<Statistics> statistics(const Ispb& ispb, Deadline deadline) = 0;

  // Records what was done to the platform itself (administration) in the chain.
  virtual Result<void> note(const Note& note, Deadline deadline) = 0;

  // Erases a person (LGPD): destroys the seal key and blanks deleted entries, closed accounts and ended claims
  // (erasure.h); answers how many of them. Leaves an audit record for each participant concerned. Errors: conflict
  // "PersonInUse" where the person still has a live entry, an open account or a live claim.
  virtual Result<std::uint64_t> erase_person(std::string_view tax_id, const Actor& actor, UtcTime at,
                                             Deadline deadline) = 0;
  // Removes deleted entries, ended claims and whole audit months that ended before `before` (never the month that is
  // being written); answers how many rows went. Leaves an audit record for each participant unless nothing went.
  virtual Result<std::uint64_t> purge(UtcTime before, const Actor& actor, UtcTime at, Deadline deadline) = 0;

  // Called after a group is safe on disk and before its callers are answered, in commit order, on the writer's thread.
  // Set once, before the first commit; must be quick and must not call the store.
  using CommitHook = std::function<void(std::uint64_t sequence, const Change& change)>;
  virtual void on_commit(CommitHook hook) = 0;
  // Called where records were changed, or may have been, without a Change that tells of them: an erasure, a purge, a commit of
  // which nobody can say whether it happened. Whoever keeps copies forgets them all. Otherwise as on_commit.
  using ForgetHook = std::function<void()>;
  virtual void on_forget(ForgetHook hook) = 0;

  // Of the last commit, whoever made it; 0: there was none.
  virtual Result<std::uint64_t> last_sequence(Deadline deadline) = 0;

  // Where the events of commits wait to be published, and which events were applied here; null: this store keeps neither,
  // and refuses changes with a mark. They live as long as the store.
  virtual events::Outbox* outbox() { return nullptr; }
  virtual events::Inbox* inbox() { return nullptr; }

  // Can it answer and write now? For /ready.
  virtual Result<void> check(Deadline deadline) = 0;
};

}  // namespace chaveiro::directory
