#include "clients/redis/node.h"

#include <algorithm>

namespace chaveiro::redis {
namespace {

Error retired() { return fail(Code::cancelled, "Retired", "Redis: the connection is no longer needed"); }

}  // namespace

Node::Node(Endpoint endpoint, bool replica, std::vector<std::shared_ptr<Connection>> shared, PoolOptions pool,
           std::function<std::shared_ptr<Connection>()> pooled)
    : endpoint_(std::move(endpoint)),
      replica_(replica),
      shared_(std::move(shared)),
      pool_options_(pool),
      pooled_(std::move(pooled)) {}

Result<Loan> Node::take(Deadline deadline) {
  const SteadyTime now = std::chrono::steady_clock::now();
  std::vector<Loan> worn;
  std::optional<Loan> found;
  {
    auto pool = pool_.lock();
    pool->used = true;
    const std::uint64_t ticket = pool->tickets++;
    pool->queue.push_back(ticket);
    const bool mine = pool.wait(deadline, [&](const Pool& it) {
      return it.closed || (it.queue.front() == ticket && it.lent < pool_options_.size);
    });
    std::erase(pool->queue, ticket);
    if (pool->closed) return fail(Code::unavailable, "NotConnected", "Redis: the node is gone");
    if (!mine) pool_.notify_all();  // whoever stood behind may be the first now
    if (!mine) return fail(Code::exhausted, "PoolEmpty", "Redis: every connection of the pool is lent");
    while (!pool->idle.empty() && !found) {
      Loan loan = std::move(pool->idle.back().loan);
      pool->idle.pop_back();
      if (loan.connection->closed() || too_old(loan, now)) {
        worn.push_back(std::move(loan));
      } else {
        found = std::move(loan);
      }
    }
    ++pool->lent;
  }
  pool_.notify_all();
  for (Loan& loan : worn) loan.connection->close(retired());
  if (!found) {
    found = Loan{pooled_(), now};
    found->connection->start();
  }
  return std::move(*found);
}

void Node::give_back(Loan loan, bool clean) {
  const SteadyTime now = std::chrono::steady_clock::now();
  const bool keep = clean && loan.connection->idle() && !too_old(loan, now);
  std::shared_ptr<Connection> dropped = keep ? nullptr : loan.connection;
  {
    auto pool = pool_.lock();
    --pool->lent;
    if (keep && !pool->closed) {
      pool->idle.push_back({std::move(loan), now});
    } else {
      dropped = loan.connection;
    }
  }
  pool_.notify_all();
  if (dropped) dropped->close(retired());
}

void Node::tend(SteadyTime now) {
  std::vector<std::shared_ptr<Connection>> worn;
  std::size_t wanted = 0;
  {
    auto pool = pool_.lock();
    if (pool->closed || !pool->used) return;
    std::deque<Idle> kept;
    const std::size_t over =
        pool->idle.size() > pool_options_.min_idle ? pool->idle.size() - pool_options_.min_idle : 0;
    std::size_t dropped = 0;
    for (Idle& idle : pool->idle) {
      const bool stale = pool_options_.idle_time > Micros::zero() && now - idle.since > pool_options_.idle_time;
      const bool surplus = stale && dropped < over;
      if (surplus) ++dropped;
      if (surplus || too_old(idle.loan, now) || idle.loan.connection->closed()) {
        worn.push_back(std::move(idle.loan.connection));
      } else {
        kept.push_back(std::move(idle));
      }
    }
    pool->idle = std::move(kept);
    const std::size_t open = pool->idle.size() + pool->lent;
    if (open < pool_options_.size && pool->idle.size() < pool_options_.min_idle) {
      wanted = std::min(pool_options_.min_idle - pool->idle.size(), pool_options_.size - open);
    }
  }
  for (const auto& connection : worn) connection->close(retired());
  for (; wanted > 0; --wanted) {
    Loan loan{pooled_(), now};
    loan.connection->start();
    pool_.with([&](Pool& pool) { pool.idle.push_front({loan, now}); });
  }
}

void Node::close(const Error& why) {
  std::deque<Idle> idle;
  pool_.with([&](Pool& pool) {
    pool.closed = true;
    idle.swap(pool.idle);
  });
  pool_.notify_all();
  for (const Idle& one : idle) one.loan.connection->close(why);
  for (const auto& connection : shared_) connection->close(why);
}

Node::Figures Node::figures() const {
  return pool_.with([](const Pool& pool) { return Figures{pool.lent, pool.idle.size()}; });
}

}  // namespace chaveiro::redis
