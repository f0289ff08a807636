#include "base/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>

namespace chaveiro {

std::uint32_t take_metric_stripe() {
  static std::atomic<std::uint32_t> threads{0};
  return threads.fetch_add(1, std::memory_order_relaxed) % metric_stripes + 1;
}

Histogram::Histogram() = default;

Histogram::~Histogram() {
  for (auto& stripe : stripes_) delete stripe.load(std::memory_order_relaxed);
}

std::size_t Histogram::bucket_of(std::uint64_t nanoseconds) {
  constexpr std::uint64_t first = 1u << linear_bits;
  constexpr std::uint64_t longest = (std::uint64_t{1} << (powers + linear_bits)) - 1;
  const std::uint64_t time = std::min(nanoseconds, longest);
  if (time < first) return time;
  const auto shift = static_cast<std::size_t>(std::bit_width(time)) - 1 - linear_bits;
  return ((shift + 1) << linear_bits) + ((time >> shift) & (first - 1));
}

std::uint64_t Histogram::bucket_end(std::size_t bucket) {
  constexpr std::uint64_t first = 1u << linear_bits;
  if (bucket < first) return bucket;
  const std::size_t shift = (bucket >> linear_bits) - 1;
  return ((first + (bucket & (first - 1)) + 1) << shift) - 1;
}

Histogram::Stripe& Histogram::stripe() {
  std::atomic<Stripe*>& place = stripes_[metric_stripe()];
  if (Stripe* made = place.load(std::memory_order_acquire)) return *made;
  auto fresh = std::make_unique<Stripe>();
  Stripe* winner = nullptr;
  if (place.compare_exchange_strong(winner, fresh.get(), std::memory_order_acq_rel)) winner = fresh.release();
  return *winner;
}

void Histogram::record(std::chrono::nanoseconds duration) {
  const auto time = static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0));
  Stripe& mine = stripe();
  mine.sum.fetch_add(time, std::memory_order_relaxed);
  mine.buckets[bucket_of(time)].fetch_add(1, std::memory_order_relaxed);
}

Histogram::Snapshot Histogram::snapshot() const {
  Snapshot result;
  result.buckets.resize(bucket_count);
  std::uint64_t sum = 0;
  for (const auto& place : stripes_) {
    const Stripe* stripe = place.load(std::memory_order_acquire);
    if (stripe == nullptr) continue;
    sum += stripe->sum.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < bucket_count; ++i) {
      const std::uint64_t records = stripe->buckets[i].load(std::memory_order_relaxed);
      result.buckets[i] += records;
      result.count += records;
    }
  }
  result.sum = std::chrono::nanoseconds{static_cast<std::int64_t>(sum)};
  return result;
}

std::chrono::nanoseconds Histogram::Snapshot::quantile(double share) const {
  if (count == 0) return std::chrono::nanoseconds{0};
  const double wanted = std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    seen += buckets[i];
    if (seen > 0 && static_cast<double>(seen) >= wanted) {
      return std::chrono::nanoseconds{static_cast<std::int64_t>(bucket_end(i))};
    }
  }
  return std::chrono::nanoseconds{static_cast<std::int64_t>(bucket_end(bucket_count - 1))};
}

std::uint64_t Histogram::Snapshot::at_most(std::chrono::nanoseconds bound) const {
  if (bound.count() < 0 || buckets.empty()) return 0;
  const std::size_t last = bucket_of(static_cast<std::uint64_t>(bound.count()));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i <= last; ++i) seen += buckets[i];
  return seen;
}

}  // namespace chaveiro
