// clients/postgres/pool.h
//
// Connections that callers have for themselves for a while: writers, lists, walks, COPY. Who came first is served first. A connection
// that has grown old, or that was given back in the middle of something, is closed; one that broke while it lay idle is noticed before
// it is handed out.
//
// While the server is away one caller at a time tries to connect, at times that lie further and further apart (outage.h); the others wait
// for the first moment of it, and are refused at once from then on.
//
// Threads: any number.
// Time:    borrowing an idle one costs no trip to the server.
// Errors:  deadline (all are in use: the message says how many), and those of connecting, with the time until the next try.
#pragma once

#include <deque>
#include <memory>

#include "base/guarded.h"
#include "clients/postgres/connection.h"
#include "clients/postgres/outage.h"

namespace chaveiro::clients::postgres {

struct PoolOptions {
  Target target;
  std::size_t open_max = 100;                      // at least 1
  std::size_t idle_max = 10;                       // more are closed when they come back; 0: none is kept
  Micros lifetime_max = std::chrono::minutes{30};  // 0: no bound
  Micros idle_time_max = std::chrono::minutes{5};  // 0: no bound
  OutageOptions outage{};
};

class Pool {
 public:
  explicit Pool(PoolOptions options) : options_(std::move(options)), state_(std::in_place, options_.outage) {}
  // All leases must be back.
  ~Pool() = default;

  // Gives the connection back when it goes.
  class Lease {
   public:
    Lease(Pool& pool, std::unique_ptr<Connection> connection, SteadyTime born)
        : pool_(&pool), connection_(std::move(connection)), born_(born) {}
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (connection_) pool_->give_back(std::move(connection_), born_);
    }
    Connection* operator->() const { return connection_.get(); }
    Connection& operator*() const { return *connection_; }

   private:
    Pool* pool_;
    std::unique_ptr<Connection> connection_;
    SteadyTime born_;
  };
  Result<Lease> borrow(Deadline deadline);

  struct Counts {
    std::size_t open = 0, idle = 0, waiting = 0;
    std::uint64_t opened = 0, closed = 0;  // opened: tried to
  };
  Counts counts() const;
  const Target& target() const { return options_.target; }

 private:
  struct Idle {
    std::unique_ptr<Connection> connection;
    SteadyTime born, since;
  };
  struct State {
    explicit State(OutageOptions options) : outage(options) {}
    Outage outage;
    bool one_tries = false;  // during an outage
    std::deque<Idle> idle;
    std::deque<std::uint64_t> queue;  // tickets, oldest first
    std::uint64_t tickets = 0;
    std::size_t open = 0;
    std::uint64_t opened = 0, closed = 0;
  };
  void give_back(std::unique_ptr<Connection> connection, SteadyTime born);
  bool fresh(const Idle& idle) const;
  // In the place of one that was counted as open.
  Result<Lease> connect(Deadline deadline);
  Result<void> wait_for_turn(Deadline deadline);

  PoolOptions options_;
  Guarded<State> state_;
};

}  // namespace chaveiro::clients::postgres
