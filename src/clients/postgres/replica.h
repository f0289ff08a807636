// clients/postgres/replica.h
//
// A standby that answers lists for people while it lags by less than a bound. One thread looks at the primary and then at the standby,
// again and again: once the standby has the commit that was the primary's last at a moment, it has all that was committed before that
// moment. Where it falls behind, is gone or cannot be asked, everybody is sent to the primary.
//
// Guarantees: what is read through pool() shows every commit that was answered more than `lag_max` before.
// Threads: one of its own; calls from any.
#pragma once

#include <deque>
#include <string>
#include <thread>

#include "base/guarded.h"
#include "clients/postgres/pool.h"

namespace chaveiro::clients::postgres {

struct ReplicaOptions {
  Target primary, standby;
  std::string ispbs;                         // any participants: what is looked at belongs to none
  Micros lag_max = std::chrono::seconds{2};  // at least four times look_interval, or it is hardly ever used
  Micros look_interval = std::chrono::milliseconds{100};
  std::size_t open_max = 20, idle_max = 5;  // connections to the standby
};

class Replica {
 public:
  explicit Replica(ReplicaOptions options);
  ~Replica();

  // Null: ask the primary.
  Pool* pool();
  // A read through pool() failed, or was answered.
  void failed();

  struct Counts {
    std::uint64_t asked = 0, refused = 0;  // calls of pool(); of these, sent to the primary
    std::optional<Micros> lag;             // at most; none: not known
  };
  Counts counts() const;

 private:
  struct State {
    bool stopping = false;
    SteadyTime shows_all_before = SteadyTime::min();
    std::uint64_t asked = 0, refused = 0;
  };
  struct Seen {
    SteadyTime at;  // before it was asked
    std::uint64_t sequence;
  };
  void loop();
  Result<void> look(std::unique_ptr<Connection>& primary, std::unique_ptr<Connection>& standby, std::deque<Seen>& seen);
  Result<std::uint64_t> sequence_of(std::unique_ptr<Connection>& connection, const Target& target) const;

  const ReplicaOptions options_;
  Pool pool_;
  Guarded<State> state_;
  std::thread thread_;
};

}  // namespace chaveiro::clients::postgres
