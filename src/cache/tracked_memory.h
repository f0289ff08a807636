// cache/tracked_memory.h
//
// TrackedMemory: copies of what a server holds, kept only while that server tells us of every change over one connection. It knows no server;
// clients/redis/tracked.h moves it.
//
// Three things bound what a reader sees: the server's word that a key changed ends the copy and every read of it under way; the
// server's own time to live, counted from before it was asked, ends it in any case; and nothing is served later than `trusted_until`, which the
// owner moves on with each answer to a question that it put to the connection. A connection that hangs thus serves nothing after the bound.
//
// Threads: all of it, any.
// Time:    peek() O(1), no lock, no shared write; about 5 ns more than cache/memory.h. The two bounds of time are kept up to 20 ms early.
#pragma once

#include <atomic>
#include <cstring>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "cache/fences.h"
#include "cache/memory.h"

namespace chaveiro::cache {

class TrackedMemory {
 public:
  TrackedMemory(std::size_t bytes_max, const Clock& clock)
      : clock_(clock), memory_({.bytes = bytes_max, .ttl = Micros{0}, .jitter = 0}, clock) {}

  // fn(std::string_view) with the value where it lies; false: not here, or not to be believed now.
  template <class Fn>
  bool peek(std::string_view key, Fn&& fn) {
    const SteadyTime::rep now = clock_.steady_at_latest().time_since_epoch().count();
    if (now >= trusted_until_.load(std::memory_order_acquire)) return false;
    bool held = false;
    memory_.peek(key, [&](std::string_view copy) {
      Terms terms;
      std::memcpy(&terms, copy.data(), sizeof terms);
      if (now >= terms.until || terms.life != life_.load(std::memory_order_acquire)) return;
      held = true;
      fn(copy.substr(sizeof terms));
    });
    return held;
  }

  struct Ticket {
    std::uint64_t generation = 0, life = 0;
    SteadyTime asked;
  };
  // Before the server is asked.
  Ticket ticket(std::string_view key) const {
    return {fences_.ticket(key), life_.load(std::memory_order_acquire), clock_.steady()};
  }
  // What it answered, unless the key changed meanwhile. `ttl`: that was left by the server's clock.
  bool fill(std::string_view key, const Ticket& ticket, std::string_view value, Micros ttl) {
    if (ttl <= Micros{0}) return false;
    const Terms terms{(ticket.asked + ttl).time_since_epoch().count(), ticket.life};
    std::string copy(sizeof terms + value.size(), '\0');
    std::memcpy(copy.data(), &terms, sizeof terms);
    std::memcpy(copy.data() + sizeof terms, value.data(), value.size());
    return fences_.fill(key, ticket.generation, 0, [&] { memory_.put(key, copy, {.ttl = ttl}); });
  }

  void invalidate(std::string_view key) {
    fences_.invalidate(key, 0, [&] { memory_.remove(key); });
  }
  // The connection is gone, or the server forgot everything: so do we, and what is being read belongs to the life before.
  void drop() {
    life_.fetch_add(1, std::memory_order_acq_rel);
    trusted_until_.store(SteadyTime::min().time_since_epoch().count(), std::memory_order_release);
    memory_.clear();
  }
  // `life`: as it was when the question was put.
  void trust_until(SteadyTime until, std::uint64_t life) {
    if (life == life_.load(std::memory_order_acquire))
      trusted_until_.store(until.time_since_epoch().count(), std::memory_order_release);
  }
  std::uint64_t life() const { return life_.load(std::memory_order_acquire); }
  bool trusted() const {
    return clock_.steady().time_since_epoch().count() < trusted_until_.load(std::memory_order_acquire);
  }
  void tick() { memory_.tick(); }
  MemoryStats stats() const { return memory_.stats(); }

 private:
  // In front of each value.
  struct Terms {
    SteadyTime::rep until = 0;
    std::uint64_t life = 0;
  };
  const Clock& clock_;
  Fences fences_;
  Memory<std::string, std::string> memory_;
  std::atomic<std::uint64_t> life_{1};
  std::atomic<SteadyTime::rep> trusted_until_{SteadyTime::min().time_since_epoch().count()};
};

}  // namespace chaveiro::cache
