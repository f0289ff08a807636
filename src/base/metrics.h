// base/metrics.h
//
// Metrics: counters, gauges and histograms, shown as Prometheus text. A Registry is made by the wiring and handed in; a component
// asks it once for its series and keeps the references:
//
//   Counter& hits = registry.counter("redis_hits_total", "Look-ups that Redis answered.", {{"level", "l2"}});
//   hits.add();
//   Histogram& took = registry.histogram("dict_request_duration_seconds", "Time of a request.", {{"edge", "grpc"}});
//   took.record(clock.steady() - begin);
//
// Guarantees: the same name and labels give the same series, which lives as long as the registry. A family holds at most
//             `series_max` series; the labels beyond share one whose values are all "overflow", and
//             `metrics_series_overflow_total{family}` counts them. Wrong names and two kinds under one name are bugs (CHECK).
// Threads: all of it, any.
// Time:    add() and record() touch only their thread's stripe: a few nanoseconds, no shared write. Asking for a series takes a lock.
// Source:  Prometheus text exposition format 0.0.4.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "base/histogram.h"

namespace chaveiro {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Counter {
 public:
  void add(std::uint64_t by = 1) { stripes_[metric_stripe()].value.fetch_add(by, std::memory_order_relaxed); }
  std::uint64_t value() const;

 private:
  struct alignas(64) Stripe {
    std::atomic<std::uint64_t> value{0};
  };
  std::array<Stripe, metric_stripes> stripes_{};
};

// A number that goes up and down: one shared word, for what changes seldom. Often changed ones are better read by a callback.
class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  void add(double by) { value_.fetch_add(by, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

struct MetricsOptions {
  std::size_t series_max = 1'000;  // per family
};

class Registry {
 public:
  explicit Registry(MetricsOptions options = {});
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Counter& counter(std::string_view name, std::string_view help, Labels labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, Labels labels = {});
  // Shown in seconds: the name ends in "_seconds".
  Histogram& histogram(std::string_view name, std::string_view help, Labels labels = {});

  // A value that is asked for when the metrics are shown, on the thread that shows them, until the returned Watch goes; that waits
  // for a call under way. `read` must be quick, must not use this registry, and must not wait for a lock under which others do.
  // A second callback for the same series takes the place of the first.
  class Watch;
  [[nodiscard]] Watch watch_gauge(std::string_view name, std::string_view help, Labels labels,
                                  std::function<double()> read);
  [[nodiscard]] Watch watch_counter(std::string_view name, std::string_view help, Labels labels,
                                    std::function<double()> read);

  // Everything as Prometheus text ("text/plain; version=0.0.4"), families by name, series by labels.
  std::string expose() const;

 private:
  enum class Kind : std::uint8_t { counter, gauge, histogram };
  struct Series;
  struct Family;
  using Families = std::map<std::string, Family, std::less<>>;

  Series& series(Families& families, Kind kind, std::string_view name, std::string_view help, Labels labels) const;
  Watch watch(Kind kind, std::string_view name, std::string_view help, Labels labels, std::function<double()> read);
  void forget(Series& series, std::uint64_t watch_id);

  const MetricsOptions options_;
  std::unique_ptr<Guarded<Families>> families_;
};

// While it lives, its callback is asked. Must go before what the callback reads, and before the registry.
class Registry::Watch {
 public:
  Watch() = default;
  Watch(Watch&& other) noexcept { swap(other); }
  Watch& operator=(Watch&& other) noexcept {
    Watch(std::move(other)).swap(*this);
    return *this;
  }
  ~Watch() {
    if (registry_ != nullptr) registry_->forget(*series_, id_);
  }

 private:
  friend class Registry;
  Watch(Registry& registry, Series& series, std::uint64_t id) : registry_(&registry), series_(&series), id_(id) {}
  void swap(Watch& other) noexcept {
    std::swap(registry_, other.registry_);
    std::swap(series_, other.series_);
    std::swap(id_, other.id_);
  }

  Registry* registry_ = nullptr;
  Series* series_ = nullptr;
  std::uint64_t id_ = 0;
};

}  // namespace chaveiro
