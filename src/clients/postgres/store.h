// clients/postgres/store.h
//
// The directory's store in PostgreSQL. Reads by id or key go over a few shared connections in pipelines, lists and walks over a pool;
// one thread of this process writes what waits in groups. Several processes may use one database: each needs a writer's name of its own.
//
// It sees and writes the rows of the participants that it serves, and no others: row-level security holds it to that. A commit that was
// answered is on the server's disk (and on its synchronous replica, where there is one).
//
// Threads: any number at once; on_commit's hook runs on the writer's thread.
// Time:    a read by key one trip to the server, shared by all who ask at once; a commit three trips and one fsync, shared likewise.
// Errors:  those of errors.h, Pool and Writer; unavailable "SchemaMissing" "SchemaTooNew"; each message says what to do.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/secret.h"
#include "clients/postgres/key_reads.h"
#include "clients/postgres/notices.h"
#include "clients/postgres/pool.h"
#include "clients/postgres/replica.h"
#include "clients/postgres/writer.h"
#include "directory/store.h"
#include "vsync/sync_answers.h"

namespace chaveiro::clients::postgres {

struct PostgresOptions {
  Secret url;  // of the runtime role
  Secret
      maintenance_url;  // of the role that owns the tables; empty: the schema is taken as it is, months are not purged
  Secret replica_url;   // of a standby, same role: lists that may lag; empty: everything comes from `url`
  Micros replica_lag_max = std::chrono::seconds{2};
  std::string writer = "main";          // name of this process's chain in the audit; never two at once with one name
  std::vector<directory::Ispb> served;  // whose rows it sees and writes, at least one
  std::size_t open_max = 100;           // connections of the pool
  std::size_t idle_max = 10;            // of these, kept open when not in use
  std::size_t shared_connections = 2;   // for reads in pipelines, beside the pool
  std::size_t queue_max = 10'000;       // changes that may wait; one more is refused
  std::size_t group_max = 1'024;        // changes in one transaction
  int months_ahead = 3;                 // partitions of the audit that are made ahead
  std::uint32_t months_kept = 0;        // of the audit, before the present one; older ones are detached; 0: all stay
  bool joined_reads = true;             // reads by key of one moment go as one statement
  bool keep_events = false;             // what happens waits in the outbox, for a relay that takes it away
};

class PostgresStore final : public directory::Store {
 public:
  // Connects; with a maintenance URL it migrates and makes partitions, without one it checks the schema. `installation_key`: what persons
  // are hashed with in the audit.
  static Result<std::unique_ptr<PostgresStore>> open(const PostgresOptions& options, const Secret& installation_key,
                                                     UtcTime now, Deadline deadline);
  ~PostgresStore() override;

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
  // Within the participants that are served.
  Result<std::uint64_t> erase_person(std::string_view tax_id, const directory::Actor& actor, UtcTime at,
                                     Deadline deadline) override;
  // Whole months of the audit are detached (partitions.h), and only where there is a maintenance URL.
  Result<std::uint64_t> purge(UtcTime before, const directory::Actor& actor, UtcTime at, Deadline deadline) override;

  Result<std::uint64_t> last_sequence(Deadline deadline) override;
  void on_commit(CommitHook hook) override;
  void on_forget(ForgetHook hook) override;
  Result<void> check(Deadline deadline) override;

  Result<std::optional<directory::Holder>> who_holds(const directory::Key& key, Deadline deadline) override;

  events::Outbox* outbox() override;  // null unless events are kept
  events::Inbox* inbox() override;
  events::ConsumerMemory& consumer_memory();
  vsync::SyncAnswers& sync_answers();  // of the participants that are served

  // What other processes commit to the same database; set once; waits a moment until it is heard. hears_others() says whether that is heard now.
  void on_foreign_commits(Notices::Hook hook);
  bool hears_others() const;

  // Where there is a maintenance URL: makes what is missing of the coming months, and detaches those that have been kept for long enough,
  // which the audit tells of. Without it, does nothing.
  Result<void> keep_months(UtcTime now, Deadline deadline);
  struct Months {
    std::size_t ahead = 0;    // from `now` on without a gap: 0 means that what is written now has no month of its own
    std::size_t overdue = 0;  // to be detached
  };
  Result<Months> months(UtcTime now, Deadline deadline);

  // The same for all who use this database, and for no other: a database that was restored from a dump, or copied within the server, is
  // another one; a standby that took over is not. A server that was copied file by file says what its original says.
  Result<std::string> database_id(Deadline deadline);

  KeyReads& key_reads();
  Writer::Counts writer_counts() const;
  Pool::Counts pool_counts() const;
  Pipeline::Counts pipeline_counts() const;
  Replica::Counts replica_counts() const;  // zeros where there is none

  struct Impl;

 private:
  explicit PostgresStore(std::unique_ptr<Impl> impl);
  Result<std::uint64_t> detach_months_of_audit(directory::Month first_kept, Deadline deadline);
  Result<void> detach_before(directory::Month first_kept, UtcTime now, Deadline deadline);
  std::unique_ptr<Impl> impl_;
};

}  // namespace chaveiro::clients::postgres
