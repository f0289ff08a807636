// clients/redis/node.h
//
// Node: one server as the client uses it: its shared connections, and the pool of those that are lent to one caller at a time.
//
// Threads: any.
// Time:    take() waits in turn, to its deadline; the rest never waits.
// Errors:  of take(): exhausted "PoolEmpty" (all are lent; nobody gave one back in time), unavailable.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/guarded.h"
#include "clients/redis/connection.h"

namespace chaveiro::redis {

struct PoolOptions {
  std::size_t size = 10;
  std::size_t min_idle = 5;
  Micros idle_time = std::chrono::minutes{5};
  Micros lifetime = std::chrono::minutes{30};
};

// A connection on loan.
struct Loan {
  std::shared_ptr<Connection> connection;
  SteadyTime born{};
};

class Node {
 public:
  // `pooled` makes a connection that does not come back by itself.
  Node(Endpoint endpoint, bool replica, std::vector<std::shared_ptr<Connection>> shared, PoolOptions pool,
       std::function<std::shared_ptr<Connection>()> pooled);

  const Endpoint& endpoint() const { return endpoint_; }
  bool replica() const { return replica_; }
  Connection& shared(std::size_t which) const { return *shared_[which % shared_.size()]; }
  const std::vector<std::shared_ptr<Connection>>& all_shared() const { return shared_; }

  Result<Loan> take(Deadline deadline);
  // `clean`: may be lent again.
  void give_back(Loan loan, bool clean);
  // Closes what is idle too long or too old, and opens up to min_idle once the pool has been used.
  void tend(SteadyTime now);
  void close(const Error& why);

  struct Figures {
    std::size_t lent = 0;
    std::size_t idle = 0;
  };
  Figures figures() const;

 private:
  struct Idle {
    Loan loan;
    SteadyTime since{};
  };
  struct Pool {
    std::deque<Idle> idle;  // the one that came back last is at the back
    std::size_t lent = 0;
    std::deque<std::uint64_t> queue;  // who waits, in order
    std::uint64_t tickets = 0;
    bool used = false;
    bool closed = false;
  };
  bool too_old(const Loan& loan, SteadyTime now) const {
    return pool_options_.lifetime > Micros::zero() && now - loan.born > pool_options_.lifetime;
  }

  const Endpoint endpoint_;
  const bool replica_;
  const std::vector<std::shared_ptr<Connection>> shared_;
  const PoolOptions pool_options_;
  const std::function<std::shared_ptr<Connection>()> pooled_;
  Guarded<Pool> pool_;
};

}  // namespace chaveiro::redis
