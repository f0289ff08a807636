// base/overload.h
//
// AdaptiveLimit: how many requests may be inside at once, found out from how long they take. While latency stays near the lowest
// seen, the limit grows; when requests begin to queue somewhere behind us, latency grows and the limit shrinks, so that the excess is
// refused at the door in microseconds instead of timing out inside.
//
//   auto permit = limit.try_enter();
//   if (!permit) return limit.refusal();
//   …                                     // the permit ends with the request and tells how long it took
//
// Once a window: limit ← 0.8 · limit + 0.2 · (limit · gradient + √limit), gradient = fine / latency within ½…1, where fine is the
// larger of tolerance · baseline and latency_fine. The baseline follows a lower latency at once, and one that the tolerance allows by
// 1 % a window. When the limit has been held down for `doubt_after`, the neighbour may simply have become slower: then the door closes
// to `min` until those inside have left, the baseline is measured anew on a few requests that meet no queue, and the limit goes on
// from where it was.
//
// Guarantees: min ≤ limit ≤ max. The limit grows only while at least half of it is in use: an idle night teaches nothing.
// Threads: any. A permit may end on another thread than it began.
// Time:    try_enter() and the end of a permit together two clock readings and two shared writes, below 100 ns without contention.
// Source:  the gradient limit of Netflix's concurrency-limits, after TCP Vegas (Brakmo, Peterson 1995).
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/histogram.h"
#include "base/result.h"

namespace chaveiro {

struct AdaptiveLimitOptions {
  std::uint32_t min = 4;                  // never below; 0 is a bug
  std::uint32_t initial = 32;             // before anything is known
  std::uint32_t max = 1'000;              // never above
  std::chrono::milliseconds window{100};  // at least so long between two changes of the limit
  std::uint32_t samples_min = 10;         // a window with fewer goes on
  double tolerance = 1.5;                 // how much slower than the baseline is still fine
  std::chrono::milliseconds latency_fine{
      0};  // nobody minds so much, however low the baseline is; 0: the baseline alone
  std::chrono::milliseconds doubt_after{10'000};  // so long held down before the baseline is measured anew
  std::chrono::milliseconds retry_after_min{10};
  std::chrono::milliseconds retry_after_max{5'000};
};

class AdaptiveLimit {
 public:
  class Permit;

  AdaptiveLimit(AdaptiveLimitOptions options, const Clock& clock);

  // Nothing: the limit is reached.
  std::optional<Permit> try_enter();
  // What to answer then: exhausted "Overloaded", with the time in which about half of those inside will have left.
  Error refusal() const;

  std::uint32_t limit() const { return limit_.load(std::memory_order_relaxed); }
  std::uint32_t in_flight() const { return in_flight_.load(std::memory_order_relaxed); }
  std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }
  // Of the last window; zero before there was one.
  std::chrono::nanoseconds latency() const {
    return std::chrono::nanoseconds{latency_.load(std::memory_order_relaxed)};
  }
  std::chrono::nanoseconds baseline() const {
    return std::chrono::nanoseconds{baseline_.load(std::memory_order_relaxed)};
  }

 private:
  struct alignas(64) Stripe {
    std::atomic<std::uint64_t> nanoseconds{0};
    std::atomic<std::uint64_t> samples{0};
  };

  void leave(SteadyTime begin, bool counts);
  enum class Phase : std::uint8_t { adapting, emptying, measuring };
  struct Window {
    std::chrono::nanoseconds latency;
    std::uint32_t peak;  // most requests inside
  };

  void close_window(SteadyTime now);
  Window take_window();
  void adapt(Window window, SteadyTime now);
  void begin_measuring();

  const AdaptiveLimitOptions options_;
  const Clock& clock_;

  // Written by every request.
  alignas(64) std::atomic<std::uint32_t> in_flight_{0};
  std::array<Stripe, metric_stripes> stripes_{};

  // Written now and then, read by every request.
  alignas(64) std::atomic<std::uint32_t> limit_;
  std::atomic<std::uint32_t> peak_{0};  // of in_flight_ in this window
  std::atomic<SteadyTime::rep> window_end_;
  std::atomic<SteadyTime::rep> counts_from_;  // requests that entered earlier are not counted
  std::atomic<std::int64_t> latency_{0};
  std::atomic<std::int64_t> baseline_{0};
  std::atomic<std::uint64_t> refused_{0};

  std::mutex window_mutex_;  // for the one request that closes a window; all below is its
  Phase phase_ = Phase::adapting;
  double exact_limit_;
  SteadyTime fine_at_;  // when latency was last within the tolerance
};

class [[nodiscard]] AdaptiveLimit::Permit {
 public:
  Permit(Permit&& other) noexcept
      : limit_(std::exchange(other.limit_, nullptr)), begin_(other.begin_), counts_(other.counts_) {}
  Permit& operator=(Permit&&) = delete;
  ~Permit() {
    if (limit_ != nullptr) limit_->leave(begin_, counts_);
  }
  // The time that this request took says nothing about the load: it was refused further on, or its caller went away.
  void ignore() { counts_ = false; }

 private:
  friend class AdaptiveLimit;
  Permit(AdaptiveLimit& limit, SteadyTime begin) : limit_(&limit), begin_(begin) {}

  AdaptiveLimit* limit_;
  SteadyTime begin_;
  bool counts_ = true;
};

}  // namespace chaveiro
