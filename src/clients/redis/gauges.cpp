#include "clients/redis/gauges.h"

#include <algorithm>

namespace chaveiro::redis {
namespace {

constexpr std::size_t hot_keys_kept = 64;

}  // namespace

Gauges::Gauges(Registry* registry, Logger log, Micros slow, std::size_t hot_key_sample)
    : registry_(registry), log_(std::move(log)), slow_(slow), hot_key_sample_(hot_key_sample) {
  if (registry_ == nullptr) return;
  took_ = &registry_->histogram("redis_operations_duration_seconds",
                                "From handing a command to a connection to its answer.");
  const auto count = [&](std::string_view name, std::string_view help, const Counter& counter) {
    watches_.push_back(
        registry_->watch_counter(name, help, {}, [&counter] { return static_cast<double>(counter.value()); }));
  };
  count("redis_commands_total", "Commands answered, with whatever answer.", own_.commands);
  count("redis_retries_total", "Commands that were sent again.", own_.retries);
  count("redis_reconnects_total", "Connections that were lost.", own_.reconnects);
  count("redis_late_answers_total", "Answers that came after their caller had left.", own_.late);
  count("redis_slow_commands_total", "Answers slower than the limit for slow commands.", own_.slow);
}

void Gauges::watch(std::function<Connections()> read) {
  if (registry_ == nullptr) return;
  const auto show = [&](std::string_view name, std::string_view help, std::size_t Connections::* member) {
    watches_.push_back(
        registry_->watch_gauge(name, help, {}, [read, member] { return static_cast<double>(read().*member); }));
  };
  show("redis_connections_active", "Connections that are up: shared, lent and dedicated.", &Connections::active);
  show("redis_connections_idle", "Connections that wait in the pool.", &Connections::idle);
  show("redis_in_flight", "Commands that wait for their answer.", &Connections::in_flight);
}

void Gauges::unwatch() { watches_.clear(); }

void Gauges::answered(const Command& command, std::chrono::nanoseconds took, bool is_error) {
  own_.commands.add();
  if (is_error) own_.errors.add();
  if (took_ != nullptr) took_->record(took);
  if (slow_ > Micros::zero() && took > slow_ && command.patience() == Patience::ordinary) {
    own_.slow.add();
    log_.warn("slow command", {{"command", command.name()}, {"took_ms", took}});
  }
  if (hot_key_sample_ > 0) {
    thread_local std::size_t until_next = 0;
    // The count is the thread's, of all clients: it may come from one that looks more seldom.
    if (until_next >= hot_key_sample_) until_next = 0;
    if (until_next-- == 0) {
      until_next = hot_key_sample_ - 1;
      if (const std::string_view key = command.key(); !key.empty()) sample(key);
    }
  }
}

void Gauges::error(std::string_view reason) {
  if (registry_ != nullptr) {
    registry_->counter("redis_errors_total", "Commands that failed, by reason.", {{"reason", std::string(reason)}})
        .add();
  }
}

// Space-saving (Metwally, Agrawal, El Abbadi 2005): a key that finds no place takes the rarest one's, with its count.
void Gauges::sample(std::string_view key) {
  hot_keys_.with([&](HotKeys& hot) {
    ++hot.samples;
    if (const auto found = hot.counts.find(key); found != hot.counts.end()) {
      ++found->second;
      return;
    }
    std::uint64_t inherited = 0;
    if (hot.counts.size() >= hot_keys_kept) {
      const auto rarest = std::ranges::min_element(hot.counts, {}, [](const auto& entry) { return entry.second; });
      inherited = rarest->second;
      hot.counts.erase(rarest);
    }
    hot.counts.emplace(key, inherited + 1);
  });
}

std::vector<std::pair<std::string, double>> Gauges::hot_keys(std::size_t count_max) const {
  std::vector<std::pair<std::string, double>> found;
  hot_keys_.with([&](const HotKeys& hot) {
    for (const auto& [key, count] : hot.counts) {
      found.emplace_back(key, static_cast<double>(count) / static_cast<double>(hot.samples));
    }
  });
  std::ranges::sort(found, [](const auto& a, const auto& b) { return a.second > b.second; });
  if (found.size() > count_max) found.resize(count_max);
  return found;
}

}  // namespace chaveiro::redis
