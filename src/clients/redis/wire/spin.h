// clients/redis/wire/spin.h
//
// Spin: waiting for something near without sleeping, because waking up costs more (70 µs on a virtual machine) than most answers take.
// It learns: waits that were longer than the limit make it skip the next ones, and a core that others want is left to them at once,
// each the longer the more often it happens.
//
// Threads: any; what it has learned is shared and approximate, hence relaxed atomics.
// Time:    at most `max` in one call, and none at all while it skips.
#pragma once

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace chaveiro::redis {

// The core that it burns; tests hand in one of their own.
struct ThisProcessor {
  static SteadyTime now() { return std::chrono::steady_clock::now(); }
  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  static void yield() { ::sched_yield(); }
};

class Spin {
 public:
  explicit Spin(Micros max) : max_(max) {}

  // Until ready() says so (true), or until sleeping is the better idea (false).
  template <class Ready, class Processor = ThisProcessor>
  bool until(Ready ready, Processor&& processor = {}) {
    if (ready()) return true;
    if (max_ <= Micros::zero()) return false;
    if (skip_.load(std::memory_order_relaxed) > 0) {
      skip_.fetch_sub(1, std::memory_order_relaxed);
      return false;
    }
    auto before = processor.now();
    const auto end = before + max_;
    for (;;) {
      for (int round = 0; round < rounds_between_yields; ++round) {
        if (ready()) {
          misses_.store(0, std::memory_order_relaxed);
          if (const int times = contended_.load(std::memory_order_relaxed); times > 0) {
            contended_.store(times - 1, std::memory_order_relaxed);
          }
          return true;
        }
        processor.pause();
      }
      processor.yield();
      const auto now = processor.now();
      if (now - before > somebody_else_ran) return ready() || skip_next(1 << one_more(contended_));
      if (now >= end) return ready() || skip_next(1 << one_more(misses_));
      before = now;
    }
  }

 private:
  static constexpr int rounds_between_yields = 16;
  static constexpr Micros somebody_else_ran{20};  // a yield on a core of one's own takes less than one
  static constexpr int in_a_row_max = 8;

  // Who runs on the core now and then shall not stop us for long, who wants it all the time shall.
  static int one_more(std::atomic<int>& times) {
    const int now = std::min(times.load(std::memory_order_relaxed) + 1, in_a_row_max);
    times.store(now, std::memory_order_relaxed);
    return now;
  }
  bool skip_next(int waits) {
    skip_.store(waits, std::memory_order_relaxed);
    return false;
  }

  const Micros max_;
  std::atomic<int> skip_{0};
  std::atomic<int> misses_{0};
  std::atomic<int> contended_{0};
};

}  // namespace chaveiro::redis
