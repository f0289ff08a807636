// app/jobs.h
//
// The jobs that one of the nodes does for all (base/one_of_many.h), where nodes share a PostgreSQL and there is a Redis to elect by: that
// of the state, else that of the cache's second level. Without either each node does everything, as it also does while Redis is away.
//
//   claims       the steps of claims and portabilities whose time has come: one of the nodes that serve the same participants
//   cache-sweep  what is over in the third level that the nodes share: one of the nodes that have it
//   months       the audit's months, made and detached: one of the nodes that have DATABASE_MAINTENANCE_URL
//
// Everything else that comes again and again belongs to its node (its memory, its buckets, its files, its own metrics), or is elected by
// the database itself: the relay of events and the count of what is hot (docs/postgres.md).
//
// In Redis a lease is named {leader:JOB:DATABASE…}, by the database itself and not by its URL (docs/decisions/0043-leaders.md).
//
// Threads: any; make() and leave() by one.
#pragma once

#include <memory>

#include "app/settings.h"
#include "app/storage.h"
#include "base/one_of_many.h"

namespace chaveiro::redis {
class Client;
}

namespace chaveiro::app {

class Jobs {
 public:
  // `redis` null: there is none. Where the database does not tell which it is, nobody is elected, and the log says so.
  static std::unique_ptr<Jobs> make(const Settings& settings, Storage& storage, redis::Client* redis,
                                    const Clock& clock, const Logger& log, Registry& metrics);

  OneOfMany& claims() { return claims_; }
  OneOfMany& cache_sweep() { return cache_sweep_; }
  OneOfMany& months() { return months_; }

  bool elected() const { return leases_ != nullptr; }
  // Is it known who leads? Errors: unavailable, naming the jobs that every node does now.
  Result<void> check() const;
  // The leases go back: others follow at once. When the workers have stopped.
  void leave(Deadline deadline);

 private:
  Jobs(const Settings& settings, const std::string& database, std::unique_ptr<Leases> leases, const Clock& clock,
       const Logger& log, Registry& metrics);

  std::unique_ptr<Leases> leases_;  // null: nobody is elected
  OneOfMany claims_, cache_sweep_, months_;
};

}  // namespace chaveiro::app
