// clients/sqlite/consumer_memory.h
//
// What consumers of events remember besides their marks (events/inbox.h): tries, attempts, parked events, dead keys. In a SQLite file
// of its own, so that counting a try waits for nobody's commit.
//
// Guarantees: everything that was answered survives the death of the process. The file is synced with the write-ahead log
//             (synchronous=NORMAL): a power cut may take the last tries back, never an event that was parked, whose row is synced
//             before it is answered.
// Threads: any; one call at a time.
// Time:    20–50 µs a call, park() one sync.
// Errors:  those of Connection.
#pragma once

#include <memory>
#include <string>

#include "base/guarded.h"
#include "clients/sqlite/connection.h"
#include "events/inbox.h"

namespace chaveiro::clients::sqlite {

class SqliteConsumerMemory final : public events::ConsumerMemory {
 public:
  static Result<std::unique_ptr<SqliteConsumerMemory>> open(const std::string& path);

  Result<std::uint32_t> begin_try(const std::string& subscription, const Uuid& event, Deadline deadline) override;
  Result<void> failed(const std::string& subscription, const Uuid& event, const events::Attempt& attempt,
                      Deadline deadline) override;
  Result<std::vector<events::Attempt>> attempts(const std::string& subscription, const Uuid& event,
                                                Deadline deadline) override;
  Result<void> forget_tries(const std::string& subscription, const Uuid& event, Deadline deadline) override;
  Result<void> set_dead(const std::string& subscription, const std::string& key, const Uuid& event,
                        Deadline deadline) override;
  Result<bool> revive(const std::string& subscription, const std::string& key, const Uuid& event,
                      Deadline deadline) override;
  Result<events::KeyState> key_state(const std::string& subscription, const std::string& key,
                                     Deadline deadline) override;
  Result<void> park(const events::Parked& parked, Deadline deadline) override;
  Result<std::vector<events::Parked>> parked(const std::string& subscription, const std::string& key, std::size_t limit,
                                             Deadline deadline) override;
  Result<void> unpark(const std::string& subscription, const std::string& key, const Uuid& event,
                      Deadline deadline) override;
  Result<std::vector<ParkedKey>> parked_keys(const std::string& subscription, std::size_t limit,
                                             Deadline deadline) override;

 private:
  explicit SqliteConsumerMemory(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
  Guarded<std::unique_ptr<Connection>> connection_;
};

}  // namespace chaveiro::clients::sqlite
