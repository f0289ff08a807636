// clients/memory/store.h
//
// The directory's store in memory: everything that directory/store.h promises but survival. It is gone with the
// process; tests and demonstrations use it.
//
// Threads: any number at once; writers queue behind one another, readers wait only while a commit is applied.
// Time:    reads by id or key O(1); lists O(everything of its kind), then O(n log n) in what the filter lets through.
#pragma once

#include <memory>
#include <string>

#include "base/guarded.h"
#include "directory/store.h"
#include "vsync/sync_answers.h"

namespace chaveiro::clients::memory {

class MemoryStore final : public directory::Store {
 public:
  // `installation_key`: what persons are hashed with in the audit. `writer`: the name of its chain there.
  // `events`: whether what happens is kept for a relay, which must then take it away.
  enum class Events : std::uint8_t { none, kept };
  explicit MemoryStore(const Secret& installation_key, std::string writer = "memory", Events events = Events::none);
  ~MemoryStore() override;

  Result<std::optional<directory::Entry>> live_entry(const directory::Key& key, Deadline deadline) override;
  Result<std::optional<directory::Entry>> entry(const directory::EntryId& id, Deadline deadline) override;
  Result<directory::Page<directory::Entry>> entries(const directory::EntryFilter& filter,
                                                    const directory::PageRequest& page, Deadline deadline) override;
  Result<std::uint32_t> slots_taken(const directory::AccountId& account, Deadline deadline) override;

  Result<std::optional<directory::Account>> account(const directory::AccountId& id, Deadline deadline) override;
  Result<directory::Page<directory::Account>> accounts(const directory::AccountFilter& filter,
                                                       const directory::PageRequest& page, Deadline deadline) override;

  Result<std::optional<directory::Claim>> claim(const directory::ClaimId& id, Deadline deadline) override;
  Result<std::optional<directory::Claim>> live_claim(const directory::Key& key, Deadline deadline) override;
  Result<directory::Page<directory::Claim>> claims(const directory::ClaimFilter& filter,
                                                   const directory::PageRequest& page, Deadline deadline) override;
  Result<std::vector<directory::Claim>> claims_past_a_period(UtcTime now, std::size_t limit,
                                                             Deadline deadline) override;

  Result<std::optional<directory::StoredRequest>> request(const directory::Ispb& ispb, const directory::RequestId& id,
                                                          Deadline deadline) override;

  Result<directory::Committed> commit(const directory::Change& change, Deadline deadline) override;
  std::vector<Result<directory::Committed>> commit_all(std::span<const directory::Change> changes,
                                                       Deadline deadline) override;

  Result<std::vector<directory::AuditRecord>> audit_after(std::uint64_t sequence, std::size_t limit,
                                                          Deadline deadline) override;
  Result<directory::Page<directory::AuditRecord>> audit(const directory::AuditFilter& filter,
                                                        const directory::PageRequest& page, Deadline deadline) override;
  Result<void> each_audit_record(const std::function<void(const directory::AuditRecord&)>& visit,
                                 Deadline deadline) override;
  Result<std::optional<directory::SealKey>> seal_key(const directory::Digest& person, Deadline deadline) override;

  Result<directory::Statistics> statistics(const directory::Ispb& ispb, Deadline deadline) override;

  Result<void> note(const directory::Note& note, Deadline deadline) override;
  Result<std::uint64_t> erase_person(std::string_view tax_id, const directory::Actor& actor, UtcTime at,
                                     Deadline deadline) override;
  Result<std::uint64_t> purge(UtcTime before, const directory::Actor& actor, UtcTime at, Deadline deadline) override;

  Result<std::uint64_t> last_sequence(Deadline deadline) override;
  void on_commit(CommitHook hook) override;
  void on_forget(ForgetHook hook) override;
  Result<void> check(Deadline deadline) override;
  events::Outbox* outbox() override;
  events::Inbox* inbox() override { return inbox_.get(); }
  vsync::SyncAnswers& sync_answers();

 private:
  struct State;
  struct Writer;

  Secret installation_key_;
  class Outbox;
  class SyncAnswers;
  std::unique_ptr<Outbox> outbox_;  // null: none are kept
  std::unique_ptr<events::Inbox> inbox_;
  std::unique_ptr<SyncAnswers> sync_answers_;
  // Writers hold this one throughout, so that hooks run in commit order and readers need not wait for them.
  std::unique_ptr<Guarded<Writer>> writer_;
  std::unique_ptr<Guarded<State>> state_;
};

}  // namespace chaveiro::clients::memory
