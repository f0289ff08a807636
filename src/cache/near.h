// cache/near.h
//
// Near: the memory level as a tiered cache sees it: values with everything that is known about them, bounded by bytes.
//
// Threads: any. visit() holds the value where it is for the length of the call.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/answer.h"
#include "cache/memory.h"
#include "cache/stamps.h"
#include "cache/tiered_options.h"

namespace chaveiro::cache {

// A moment that readers may move while the rest of what holds it is constant.
class Moment {
 public:
  Moment() = default;
  Moment(const Moment& other) : at_(other.at_.load(std::memory_order_relaxed)) {}
  Moment& operator=(const Moment& other) {
    at_.store(other.at_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    return *this;
  }
  SteadyTime get() const { return SteadyTime{SteadyTime::duration{at_.load(std::memory_order_relaxed)}}; }
  void set(SteadyTime at) { at_.store(at.time_since_epoch().count(), std::memory_order_relaxed); }

 private:
  std::atomic<SteadyTime::rep> at_{SteadyTime::min().time_since_epoch().count()};
};

// What a hit reads stands in the first line of memory.
template <class V>
struct alignas(64) Held {
  std::shared_ptr<const V> value;  // null: the source said that there is none, or `failure`
  SteadyTime fresh_until;          // no later: here, it counts as fresh until then
  SteadyTime keep_until;           // shown until then where the source fails
  std::uint64_t stamp = 0;
  std::vector<Stamps::Cell> cells;  // of its tags

  SteadyTime loaded_at;
  SteadyTime expires_at;  // the end of its own time to live
  std::uint64_t version = 0;
  std::chrono::nanoseconds cost{0};
  std::shared_ptr<const Error> failure;  // of a load that failed, where that is kept; without a value then
  mutable Moment ask_again;              // the source failed: not before this
  std::vector<std::string> tags;
  std::string etag;
};

struct NearStats {
  std::size_t entries = 0;
  std::size_t bytes = 0;
  std::uint64_t evicted = 0;
};

// Deadlines are told by the values themselves, to the microsecond; the memory level's own, of 10 ms, give the room back.
template <class V>
class Near {
 public:
  Near(NearOptions options, const Clock& clock) : clock_(clock), ticked_(clock.steady().time_since_epoch().count()) {
    if (!options.enabled) return;
    memory_.emplace(MemoryOptions{.bytes = std::max(options.bytes_max, bytes_min), .ttl = Micros{0}, .jitter = 0},
                    clock);
  }

  // fn(const Held<V>&) if there is one; answers whether.
  template <class Fn>
  bool visit(std::string_view key, Fn&& fn) {
    if (!memory_) return false;
    const View<Held<V>> view = memory_->read(key);
    if (!view) return false;
    fn(*view);
    return true;
  }
  // `bytes` of the value, beyond what is held of it here.
  void put(std::string_view key, Held<V>&& held, std::size_t bytes, SteadyTime now) {
    if (!memory_) return;
    tick_at(now);
    const auto left = std::chrono::duration_cast<Micros>(held.keep_until - now);
    if (left <= Micros{0}) return erase(key);
    const auto weight = static_cast<std::uint32_t>(std::min<std::size_t>(bytes, UINT32_MAX));
    memory_->put(key, std::move(held), {.ttl = std::min(left + tick_length, ttl_max), .weight = weight});
  }
  void erase(std::string_view key) {
    if (memory_) memory_->remove(key);
  }
  void clear() {
    if (memory_) memory_->clear();
  }
  // fn(key, held) for everything that is held; fn must be quick and not come back here.
  template <class Fn>
  void for_each(Fn&& fn) const {
    if (memory_) memory_->for_each(fn);
  }
  NearStats stats() const {
    if (!memory_) return {};
    const MemoryStats stats = memory_->stats();
    return {stats.entries, stats.bytes, stats.evicted};
  }
  void tick() {
    if (memory_) tick_at(clock_.steady());
  }
  void resize(std::size_t bytes) {
    if (memory_) memory_->resize(std::max(bytes, bytes_min));
  }

 private:
  static constexpr std::size_t bytes_min = 64U << 10;
  static constexpr Micros tick_length = std::chrono::milliseconds{10};
  static constexpr Micros ttl_max = std::chrono::hours{24 * 190};

  void tick_at(SteadyTime now) {
    const SteadyTime::rep at = now.time_since_epoch().count();
    SteadyTime::rep before = ticked_.load(std::memory_order_relaxed);
    if (SteadyTime::duration{at - before} < tick_length) return;
    if (ticked_.compare_exchange_strong(before, at, std::memory_order_relaxed)) memory_->tick();
  }

  const Clock& clock_;
  std::atomic<SteadyTime::rep> ticked_;
  std::optional<Memory<std::string, Held<V>>> memory_;
};

}  // namespace chaveiro::cache
