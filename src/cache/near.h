// cache/near.h
//
// Near: the memory level as a tiered cache sees it: values with everything that is known about them, bounded by bytes.
//
// Threads: any. visit() holds the value where it is for the length of the call.
#pragma once

#include <array>
#include <atomic>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/guarded.h"
#include "cache/answer.h"
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

template <class V>
struct Held {
  std::shared_ptr<const V> value;        // null: the source said that there is none, or `failure`
  std::shared_ptr<const Error> failure;  // of a load that failed, where that is kept
  SteadyTime loaded_at;
  SteadyTime expires_at;   // the end of its own time to live
  SteadyTime fresh_until;  // no later: here, it counts as fresh until then
  SteadyTime keep_until;   // shown until then where the source fails
  std::chrono::nanoseconds cost{0};
  std::uint64_t version = 0;
  std::uint64_t stamp = 0;
  std::vector<Stamps::Cell> cells;  // of its tags
  std::vector<std::string> tags;
  std::string etag;
  mutable Moment ask_again;  // the source failed: not before this
};

struct NearStats {
  std::size_t entries = 0;
  std::size_t bytes = 0;
  std::uint64_t evicted = 0;
};

template <class V>
class Near {
 public:
  Near(NearOptions options, const Clock& clock) : options_(options), clock_(clock) {}

  // fn(const Held<V>&) if there is one; answers whether.
  template <class Fn>
  bool visit(std::string_view key, Fn&& fn) {
    auto shard = shard_of(key).lock();
    const auto found = shard->held.find(std::string(key));
    if (found == shard->held.end()) return false;
    if (found->second.held.keep_until <= clock_.steady()) {
      shard->bytes -= found->second.bytes;
      shard->order.erase(found->second.place);
      shard->held.erase(found);
      return false;
    }
    fn(std::as_const(found->second.held));
    return true;
  }
  void put(std::string_view key, Held<V> held, std::size_t value_bytes) {
    if (!options_.enabled) return;
    auto shard = shard_of(key).lock();
    drop(*shard, key);
    const std::size_t bytes = value_bytes + 2 * key.size() + sizeof(Held<V>) + 128;
    shard->order.emplace_back(key);
    shard->held.emplace(std::string(key), Node{std::move(held), bytes, std::prev(shard->order.end())});
    shard->bytes += bytes;
    while (shard->bytes > options_.bytes_max / shards && !shard->order.empty()) {
      drop(*shard, std::string(shard->order.front()));
      ++shard->evicted;
    }
  }
  void erase(std::string_view key) {
    shard_of(key).with([&](Shard& shard) { drop(shard, key); });
  }
  void clear() {
    for (auto& shard : shards_) shard.with([](Shard& it) { it.held.clear(), it.order.clear(), it.bytes = 0; });
  }
  // fn(key, held) for everything that is held; others may write meanwhile.
  template <class Fn>
  void for_each(Fn&& fn) {
    for (auto& guarded : shards_) {
      auto shard = guarded.lock();
      for (const auto& [key, node] : shard->held) fn(std::string_view(key), node.held);
    }
  }
  NearStats stats() const {
    NearStats sum;
    for (const auto& guarded : shards_) {
      const auto shard = guarded.lock();
      sum.entries += shard->held.size();
      sum.bytes += shard->bytes;
      sum.evicted += shard->evicted;
    }
    return sum;
  }
  void tick() {}

 private:
  struct Node {
    Held<V> held;
    std::size_t bytes;
    std::list<std::string>::iterator place;
  };
  struct Shard {
    std::unordered_map<std::string, Node> held;
    std::list<std::string> order;
    std::size_t bytes = 0;
    std::uint64_t evicted = 0;
  };
  static void drop(Shard& shard, std::string_view key) {
    const auto found = shard.held.find(std::string(key));
    if (found == shard.held.end()) return;
    shard.bytes -= found->second.bytes;
    shard.order.erase(found->second.place);
    shard.held.erase(found);
  }
  static constexpr std::size_t shards = 16;
  Guarded<Shard>& shard_of(std::string_view key) { return shards_[std::hash<std::string_view>{}(key) & (shards - 1)]; }

  const NearOptions options_;
  const Clock& clock_;
  std::array<Guarded<Shard>, shards> shards_;
};

}  // namespace chaveiro::cache
