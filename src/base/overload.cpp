#include "base/overload.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace chaveiro {

using std::chrono::nanoseconds;

AdaptiveLimit::AdaptiveLimit(AdaptiveLimitOptions options, const Clock& clock)
    : options_(options),
      clock_(clock),
      limit_(std::clamp(options.initial, options.min, options.max)),
      window_end_((clock.steady() + options.window).time_since_epoch().count()),
      counts_from_(SteadyTime::min().time_since_epoch().count()),
      exact_limit_(limit_.load()),
      fine_at_(clock.steady()) {
  CHECK(options_.min > 0 && options_.min <= options_.max && options_.tolerance >= 1);
}

std::optional<AdaptiveLimit::Permit> AdaptiveLimit::try_enter() {
  const std::uint32_t inside = in_flight_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (inside > limit_.load(std::memory_order_relaxed)) {
    in_flight_.fetch_sub(1, std::memory_order_relaxed);
    refused_.fetch_add(1, std::memory_order_relaxed);
    return std::nullopt;
  }
  // A lost update of the peak costs nothing: the next request sees it again.
  if (inside > peak_.load(std::memory_order_relaxed)) peak_.store(inside, std::memory_order_relaxed);
  return Permit(*this, clock_.steady());
}

Error AdaptiveLimit::refusal() const {
  Error error = fail(Code::exhausted, "Overloaded", "too many requests are being worked on");
  const auto half = std::chrono::ceil<std::chrono::milliseconds>(latency() / 2);
  error.retry_after = std::clamp(half, options_.retry_after_min, options_.retry_after_max);
  return error;
}

void AdaptiveLimit::leave(SteadyTime begin, bool counts) {
  in_flight_.fetch_sub(1, std::memory_order_relaxed);
  if (!counts || begin.time_since_epoch().count() < counts_from_.load(std::memory_order_relaxed)) return;
  const SteadyTime now = clock_.steady();
  Stripe& mine = stripes_[metric_stripe()];
  mine.nanoseconds.fetch_add(static_cast<std::uint64_t>(std::max<std::int64_t>((now - begin).count(), 1)),
                             std::memory_order_relaxed);
  mine.samples.fetch_add(1, std::memory_order_relaxed);
  if (now.time_since_epoch().count() >= window_end_.load(std::memory_order_relaxed)) close_window(now);
}

void AdaptiveLimit::close_window(SteadyTime now) {
  const std::unique_lock lock(window_mutex_, std::try_to_lock);
  if (!lock || now.time_since_epoch().count() < window_end_.load(std::memory_order_relaxed)) return;
  std::uint64_t samples = 0;
  for (const Stripe& stripe : stripes_) samples += stripe.samples.load(std::memory_order_relaxed);
  if (samples < options_.samples_min && phase_ != Phase::emptying) return;
  window_end_.store((now + options_.window).time_since_epoch().count(), std::memory_order_relaxed);

  if (phase_ == Phase::emptying) {
    if (in_flight_.load(std::memory_order_relaxed) > options_.min) return;
    phase_ = Phase::measuring;
    counts_from_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    static_cast<void>(take_window());
    return;
  }
  const Window window = take_window();
  if (phase_ == Phase::measuring) {
    phase_ = Phase::adapting;
    fine_at_ = now;
    baseline_.store(window.latency.count(), std::memory_order_relaxed);
    limit_.store(static_cast<std::uint32_t>(std::lround(exact_limit_)), std::memory_order_relaxed);
    return;
  }
  adapt(window, now);
}

AdaptiveLimit::Window AdaptiveLimit::take_window() {
  std::uint64_t sum = 0;
  std::uint64_t samples = 0;
  for (Stripe& stripe : stripes_) {
    sum += stripe.nanoseconds.exchange(0, std::memory_order_relaxed);
    samples += stripe.samples.exchange(0, std::memory_order_relaxed);
  }
  const std::uint32_t peak = peak_.exchange(in_flight_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  return {nanoseconds{static_cast<std::int64_t>(sum / std::max<std::uint64_t>(samples, 1))}, peak};
}

void AdaptiveLimit::adapt(Window window, SteadyTime now) {
  constexpr double forgetting = 0.01;
  constexpr double smoothing = 0.2;
  const auto seen = static_cast<double>(std::max<std::int64_t>(window.latency.count(), 1));
  auto lowest = static_cast<double>(baseline_.load(std::memory_order_relaxed));
  if (lowest == 0 || seen < lowest) lowest = seen;
  const double tolerated = options_.tolerance * lowest;
  const double fine = std::max(tolerated, static_cast<double>(nanoseconds(options_.latency_fine).count()));
  const double gradient = std::clamp(fine / seen, 0.5, 1.0);
  if (gradient == 1) fine_at_ = now;
  if (seen <= tolerated) lowest += (seen - lowest) * forgetting;

  const double wanted = exact_limit_ * gradient + std::sqrt(exact_limit_);
  const bool in_use = 2.0 * window.peak >= exact_limit_;
  if (wanted < exact_limit_ || in_use) exact_limit_ += (wanted - exact_limit_) * smoothing;
  exact_limit_ = std::clamp(exact_limit_, static_cast<double>(options_.min), static_cast<double>(options_.max));

  baseline_.store(static_cast<std::int64_t>(lowest), std::memory_order_relaxed);
  latency_.store(window.latency.count(), std::memory_order_relaxed);
  limit_.store(static_cast<std::uint32_t>(std::lround(exact_limit_)), std::memory_order_relaxed);
  if (now - fine_at_ >= options_.doubt_after) begin_measuring();
}

void AdaptiveLimit::begin_measuring() {
  phase_ = Phase::emptying;
  limit_.store(options_.min, std::memory_order_relaxed);
}

}  // namespace chaveiro
