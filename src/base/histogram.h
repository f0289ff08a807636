// base/histogram.h
//
// Histogram: how long things take, from 1 ns to 18 minutes (longer counts as that). Every bucket is at most 6.25 % wide: what is read
// out is never below what was recorded and at most so much above it.
//
// Threads: any; each writes its own stripe, and the stripes are added up when somebody reads.
// Time:    record() a few nanoseconds and no shared write; snapshot() reads 5 KiB a stripe.
// Source:  log-linear buckets as in HdrHistogram.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace chaveiro {

// Which stripe this thread writes. Threads share stripes when there are more than 16 of them.
inline constexpr std::size_t metric_stripes = 16;
inline constinit thread_local std::uint32_t metric_stripe_held = 0;  // stripe + 1; 0: none yet
std::uint32_t take_metric_stripe();
inline std::size_t metric_stripe() {
  return (metric_stripe_held != 0 ? metric_stripe_held : metric_stripe_held = take_metric_stripe()) - 1;
}

class Histogram {
 public:
  Histogram();
  ~Histogram();
  void record(std::chrono::nanoseconds duration);

  struct Snapshot {
    std::uint64_t count = 0;
    std::chrono::nanoseconds sum{0};
    std::vector<std::uint64_t> buckets;  // log-linear, see bucket_of()

    // The time that the given share (0 to 1) of the records did not exceed, at most 6.25 % too high; zero when there are none.
    std::chrono::nanoseconds quantile(double share) const;
    // How many records were at most `bound`; those up to 6.25 % above it may be counted too.
    std::uint64_t at_most(std::chrono::nanoseconds bound) const;
  };
  Snapshot snapshot() const;

  // Bucket i holds the times above bucket_end(i - 1) up to bucket_end(i).
  static std::size_t bucket_of(std::uint64_t nanoseconds);
  static std::uint64_t bucket_end(std::size_t bucket);
  static constexpr int linear_bits = 4;  // 16 buckets a power of two
  static constexpr int powers = 36;      // beyond the first 16 ns
  static constexpr std::size_t bucket_count = (powers + 1) << linear_bits;

 private:
  // A stripe takes 5 KiB and is made when its first thread records.
  struct Stripe {
    std::atomic<std::uint64_t> sum{0};
    std::array<std::atomic<std::uint64_t>, bucket_count> buckets{};
  };
  Stripe& stripe();
  std::array<std::atomic<Stripe*>, metric_stripes> stripes_{};
};

}  // namespace chaveiro
