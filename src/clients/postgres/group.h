// clients/postgres/group.h
//
// One transaction after another, each for many changes: begin(), apply(), commit(): three trips to the server however many changes there
// are (batch.h). Events of the changes and the marks of what they are effects of are stored with them.
//
// Whoever writes holds the row of `state` until its commit: sequences are drawn and made visible in one order over all processes, and the
// chain head is read behind it.
//
// A change of which one write finds another version, or a key that is taken, is stale; one whose event was applied before is refused. Where a part of a change went through, or the
// server refused a statement, the range is taken back to its savepoint and halved until the culprit stands alone.
//
// Threads: belongs to one thread at a time.
// Errors:  those of errors.h; after one the transaction is over and must be rolled back.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <unordered_map>

#include "clients/postgres/batch.h"
#include "clients/postgres/connection.h"
#include "directory/chronicle.h"

namespace chaveiro::clients::postgres {

class Group {
 public:
  // early: RequestIds are stored with the writes, so that one that is taken fails its own change only; late: with the commit, which then
  // fails as a whole with "Constraint".
  enum class Requests : std::uint8_t { late, early };
  enum class Events : std::uint8_t { none, kept };
  using Answer = Result<directory::Committed>;

  // `installation_key` must live as long as the group. `ispbs`: whose rows it may see and write.
  Group(const Secret& installation_key, std::string writer, std::string ispbs, Events events);

  Result<void> begin(Connection& connection, Deadline deadline);
  // Stamps the changes with the sequences that they get; one answer for each.
  Result<std::vector<Answer>> apply(std::span<directory::Change* const> changes, Requests requests, Deadline deadline);
  void note(const directory::Note& note, const directory::Digest& person);
  // The answer may be lost: then `expected()` tells whether it happened.
  Result<void> commit(Deadline deadline);
  void rollback(Deadline deadline);
  // In the place of rollback() where the connection is gone.
  void abandon();

  // The head that the chain has once the commit under way is done.
  const directory::Chronicle::Head& expected() const { return chronicle_.head(); }
  // Whether the chain has this head: takes the lock, so that a commit still under way is waited for.
  Result<bool> has_head(Connection& connection, const directory::Chronicle::Head& head, Deadline deadline);

  std::uint64_t sequence() const { return sequence_; }  // of the change or note applied last
  directory::Month month() const { return chronicle_.head().month; }
  Connection& connection() { return *connection_; }
  void count_erasure() { ++erasures_; }
  void forget_seal_keys() { seal_keys_.clear(); }

 private:
  Result<void> attempt(std::span<Item> items, Requests requests, Deadline deadline);
  Result<std::optional<Error>> try_all(std::span<Item> items, Requests requests, Deadline deadline);
  Result<void> take_back(Deadline deadline);
  std::vector<directory::Digest> unknown_persons(std::span<Item> items);
  void record(const directory::Change& change, Requests requests);
  void keep(const directory::AuditRecord& record, std::uint64_t place);
  const directory::Digest& person(std::string_view tax_id);

  const Secret& installation_key_;
  std::string writer_;
  std::string ispbs_;
  Events events_;
  Connection* connection_ = nullptr;
  std::uint64_t sequence_ = 0;
  std::uint64_t erasures_ = 0;
  bool known_writer_ = false;
  directory::Chronicle chronicle_;
  Columns audit_, requests_, outbox_;
  // Keys of persons written about lately; forgotten with every rollback and when somebody was erased.
  std::map<directory::Digest, directory::SealKey> seal_keys_;
  std::unordered_map<std::string, directory::Digest> persons_;
};

}  // namespace chaveiro::clients::postgres
