// clients/redis/gauges.h
//
// Gauges: what a client counts about itself, kept for Client::figures() and shown as metrics where a Registry is given:
// redis_operations_duration_seconds, redis_commands_total, redis_errors_total{reason}, redis_retries_total, redis_reconnects_total,
// redis_slow_commands_total, redis_late_answers_total, redis_connections_active, redis_connections_idle, redis_in_flight.
//
// Threads: any.
// Time:    a few nanoseconds a command; the lock is taken for sampled keys and slow commands only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "base/log.h"
#include "base/metrics.h"
#include "clients/redis/wire/command.h"

namespace chaveiro::redis {

class Gauges {
 public:
  Gauges(Registry* registry, Logger log, Micros slow, std::size_t hot_key_sample);

  struct Connections {
    std::size_t active = 0;
    std::size_t idle = 0;
    std::size_t in_flight = 0;
  };
  // Asked when the metrics are shown. unwatch() before what it reads goes.
  void watch(std::function<Connections()> read);
  void unwatch();

  void answered(const Command& command, std::chrono::nanoseconds took, bool is_error);
  void error(std::string_view reason);
  void retried() { own_.retries.add(); }
  void reconnected() { own_.reconnects.add(); }
  void late() { own_.late.add(); }

  std::uint64_t commands() const { return own_.commands.value(); }
  std::uint64_t errors() const { return own_.errors.value(); }
  std::uint64_t retries() const { return own_.retries.value(); }
  std::uint64_t reconnects() const { return own_.reconnects.value(); }
  std::uint64_t late_answers() const { return own_.late.value(); }
  std::uint64_t slow_commands() const { return own_.slow.value(); }
  // Space-saving counts of the sampled keys, as shares of all samples.
  std::vector<std::pair<std::string, double>> hot_keys(std::size_t count_max) const;

 private:
  struct Own {
    Counter commands, errors, retries, reconnects, late, slow;
  };
  struct HotKeys {
    std::map<std::string, std::uint64_t, std::less<>> counts;
    std::uint64_t samples = 0;
  };
  void sample(std::string_view key);

  Registry* const registry_;
  const Logger log_;
  const Micros slow_;
  const std::size_t hot_key_sample_;
  Own own_;
  Histogram* took_ = nullptr;
  Guarded<HotKeys> hot_keys_;
  std::vector<Registry::Watch> watches_;
};

}  // namespace chaveiro::redis
