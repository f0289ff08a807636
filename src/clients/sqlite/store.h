// clients/sqlite/store.h
//
// The directory's store in one SQLite file (WAL, synchronous=FULL): one thread writes and groups what waits, a few
// connections read beside it. Nothing that was answered is lost when the process is killed or the power goes.
//
// Several processes may use one file at once, as during an upgrade: each commit reads sequence and chain head inside its
// transaction. Beside the database lie `-wal` and `-shm` (SQLite's) and `-use` (a lock that says that it is in use).
// Files are made with mode 0600.
//
// Threads: any number at once; on_commit's hook runs on the writer's thread.
// Time:    a read by id or key 5–10 µs where the page is in memory; a commit about one fsync, shared by all that wait.
// Errors:  exhausted "DiskFull" and "CommitQueueFull"; unavailable "DatabaseLocked", "DatabaseReadOnly", "DatabaseGone",
//          "SchemaTooNew"; corrupt "DatabaseCorrupt", "SchemaChanged"; each message says what to do.
#pragma once

#include <memory>
#include <string>

#include "directory/store.h"
#include "vsync/sync_answers.h"

namespace chaveiro::clients::sqlite {

struct SqliteOptions {
  std::string path;                       // the database; made where it is not there, its directory must exist
  std::string writer = "main";            // name of this process's chain in the audit; never two at once with one name
  std::size_t readers = 4;                // connections that read, at least 1
  std::size_t cache_bytes = 64u << 20;    // page cache of the writer; the readers share as much again
  std::size_t queue_max = 10'000;         // changes that may wait for the disk; one more is refused
  std::size_t group_max = 1'024;          // changes in one transaction, at least 1
  Micros busy_limit = Micros(5'000'000);  // how long to wait for another process that writes; 0: not at all
  int log_pages_max = 4'000;  // the write-ahead log is folded into the database once it has so many pages of 4 KiB
  enum class Check : std::uint8_t { none, quick, full } check = Check::full;  // integrity check when opened
  bool keep_events = false;  // what happens waits in the outbox, for a relay that takes it away
  std::string vfs;           // SQLite's file system layer; empty: the usual one (tests name others)
};

class SqliteStore final : public directory::Store {
 public:
  // Opens, checks and migrates. `installation_key`: what persons are hashed with in the audit. `now`: for the migrations'
  // own record.
  static Result<std::unique_ptr<SqliteStore>> open(const SqliteOptions& options, const Secret& installation_key,
                                                   UtcTime now);
  ~SqliteStore() override;

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

  events::Outbox* outbox() override;  // null unless events are kept
  events::Inbox* inbox() override;
  vsync::SyncAnswers& sync_answers();

  // Writes a copy of the database as it is now to `path`, which must not be there yet, while everything goes on; the copy
  // is checked before it gets its name. Errors: exists, deadline, corrupt, and the common ones.
  Result<void> backup(const std::string& path, Deadline deadline);

 private:
  struct Impl;
  explicit SqliteStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace chaveiro::clients::sqlite
