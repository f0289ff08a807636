// clients/postgres/consumer_memory.h
//
// What consumers of events remember besides their marks (events/inbox.h): tries, attempts, parked events, dead keys. In the store's
// database, so that it is one memory for all nodes and goes with its backup.
//
// Guarantees: what was answered is on the server's disk. Each call is a transaction of its own.
// Threads:    any.
// Time:       one trip to the server a call, and its fsync where something is written.
// Errors:     those of Pool and errors.h.
#pragma once

#include <string>

#include "clients/postgres/pool.h"
#include "events/inbox.h"

namespace chaveiro::clients::postgres {

class ConsumerMemory final : public events::ConsumerMemory {
 public:
  // `pool` must live longer. `ispbs`: the participants for whom it works, whose the parked events are.
  ConsumerMemory(Pool& pool, std::string ispbs) : pool_(pool), ispbs_(std::move(ispbs)) {}

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
  Result<Rows> ask(std::string_view sql, const Params& params, Deadline deadline);

  Pool& pool_;
  const std::string ispbs_;
};

}  // namespace chaveiro::clients::postgres
