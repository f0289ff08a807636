// clients/sqlite/group.h
//
// One transaction of the writer after another, each for many changes: begin(), apply() for every change, commit().
// Sequence and chain heads are read inside the transaction, so that another process may write in between.
//
// A change that cannot be applied is Outcome::stale as long as nothing of it was written; otherwise it is Outcome::torn,
// and the group must be rolled back and done again with Care::savepoints, which takes back the one change only. That is
// why a group in which nothing fails pays for no savepoint.
//
// Threads: belongs to the writer's thread.
// Errors:  those of Connection; after one the group must be rolled back.
#pragma once

#include <map>
#include <string>

#include "clients/sqlite/connection.h"
#include "directory/chronicle.h"

namespace chaveiro::clients::sqlite {

class Group {
 public:
  enum class Care : std::uint8_t { none, savepoints };
  // repeated: the event of the change's mark was applied before, and nothing was written.
  enum class Outcome : std::uint8_t { applied, stale, torn, repeated };
  enum class Events : std::uint8_t { none, kept };

  // `installation_key` must live as long as the group.
  static Result<std::unique_ptr<Group>> make(Connection& connection, const Secret& installation_key, std::string writer,
                                             Events events = Events::none);

  Result<void> begin();
  // Stamps the change with the sequence that it gets.
  Result<Outcome> apply(directory::Change& change, Care care);
  Result<void> note(const directory::Note& note, const directory::Digest& person);
  Result<void> commit();
  void rollback();

  // Of the change or note applied last.
  std::uint64_t sequence() const { return sequence_; }
  directory::Month month() const { return chronicle_.head().month; }
  Connection& connection() { return connection_; }
  void forget_seal_keys() { seal_keys_.clear(); }

 private:
  Group(Connection& connection, const Secret& installation_key, std::string writer);
  Result<void> prepare();
  Result<void> read_head();
  Result<Outcome> write(directory::Change& change);
  Result<bool> put(const directory::Put<directory::Account>& put);
  Result<bool> put(const directory::Put<directory::Entry>& put);
  Result<bool> put(const directory::Put<directory::Claim>& put);
  template <class T>
  Result<bool> put_row(const directory::Put<T>& put, Statement& insert, Statement& update);
  Result<bool> yes(Statement& question, const directory::AccountId& account);
  Result<bool> keep_request(const directory::Change& change);
  Result<bool> keep_mark(const events::Mark& mark);
  Result<void> keep_events(const directory::Change& change);
  Result<void> record(const directory::Change& change);
  Result<void> store(const directory::AuditRecord& record, std::uint64_t place);
  Result<directory::SealKey> seal_key(const directory::Digest& person);

  Connection& connection_;
  const Secret& installation_key_;
  std::string writer_;
  Events events_ = Events::none;
  std::int64_t writer_id_ = 0;
  std::int64_t data_version_ = 0;
  std::uint64_t sequence_ = 0;
  directory::Chronicle chronicle_;
  // Keys of persons written about lately; forgotten with every rollback and when another process has written.
  std::map<directory::Digest, directory::SealKey> seal_keys_;

  struct Statements {
    Statement *begin, *commit, *rollback, *savepoint, *release, *take_back;
    Statement *data_version, *get_sequence, *set_sequence, *get_writer, *add_writer, *set_writer;
    Statement *insert_account, *update_account, *insert_entry, *update_entry, *insert_claim, *update_claim;
    Statement *mark_version, *mark_id, *insert_event;
    Statement *account_is_open, *account_has_entries, *insert_request, *insert_audit, *insert_seal_key, *get_seal_key;
  } sql_{};
};

}  // namespace chaveiro::clients::sqlite
