// base/atomic_rate.h
//
// AtomicRate: one rate limit in one atomic word, for a single hot subject inside a process: a GCRA, without a lock. It decides exactly
// what the GCRA of the limits room decides; what it lacks is everything else (keys, rules, several at once, debts).
//
// Threads: any number at once. A refusal writes nothing.
// Time:    handed in as µs since a beginning of the caller's (below 2^47, four years), on a clock that does not step back; one
//          compare-and-swap for an admission.
// Source:  generic cell rate algorithm, ITU-T I.371.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <numeric>

#include "base/check.h"

namespace chaveiro {

class AtomicRate {
 public:
  // `amount` in each `period`, at most `burst` at once. Bugs: anything not positive; amount / period above 2^15 a µs once reduced.
  AtomicRate(std::int64_t amount, std::chrono::microseconds period, std::int64_t burst) {
    CHECK(amount > 0 && period.count() > 0 && burst > 0);
    const std::int64_t divisor = std::gcd(amount, period.count());
    rate_ = amount / divisor;
    price_ = period.count() / divisor;
    CHECK(rate_ <= 1 << 15 && burst <= (std::int64_t{1} << 61) / price_);
    depth_ = burst * price_;
  }

  struct Answer {
    bool allowed = false;
    std::int64_t debt = 0;  // units that are owed, after it
  };
  Answer take(std::int64_t now_us, std::int64_t cost = 1) {
    if (cost > depth_ / price_) return {false, owed(now_us)};
    const std::int64_t now = now_us * rate_;
    std::int64_t arrives = arrives_.load(std::memory_order_relaxed);
    for (;;) {
      const std::int64_t next = std::max(arrives, now) + cost * price_;
      if (next - now > depth_) return {false, arrives - now};
      // Relaxed is enough: nothing else is published with it.
      if (arrives_.compare_exchange_weak(arrives, next, std::memory_order_relaxed)) return {true, next - now};
    }
  }
  std::int64_t remaining(const Answer& answer) const {
    return std::max<std::int64_t>(0, (depth_ - answer.debt) / price_);
  }
  std::chrono::microseconds retry_after(const Answer& answer, std::int64_t cost = 1) const {
    return std::chrono::microseconds{
        std::max<std::int64_t>(0, (answer.debt + cost * price_ - depth_ + rate_ - 1) / rate_)};
  }

 private:
  std::int64_t owed(std::int64_t now_us) const {
    return std::max<std::int64_t>(0, arrives_.load(std::memory_order_relaxed) - now_us * rate_);
  }

  std::int64_t rate_;   // units that pass in a µs
  std::int64_t price_;  // units that one costs
  std::int64_t depth_;  // units that may be owed
  alignas(64) std::atomic<std::int64_t> arrives_{0};
};

}  // namespace chaveiro
