// clients/redis/backplane.h
//
// RedisBackplane: bulletins of the caches over Redis, in one of two ways that keep the same contract (cache/backplane.h):
//
//   pubsub   PUBLISH to a channel: nothing is stored, and whoever is away misses it. In a cluster every node hears every channel.
//   stream   XADD to a bounded stream, which everybody reads on from where they were: a short break loses nothing. What was cut off
//            before it was read is found by the numbers.
//
// Who is out there stands in a sorted set beside it, {NAME}:members, by the time when each was last heard of.
//
// Guarantees: those of cache/backplane.h. Another server than before (its run id), after a fail-over or an empty restart, is told as missed().
// Threads: those of cache/backplane.h; the listener is called on I/O threads of the client.
// Errors:  what cannot be sent in time is dropped, which the numbers show.
#pragma once

#include "base/guarded.h"
#include "cache/backplane.h"
#include "clients/redis/client.h"

namespace chaveiro::redis {

struct RedisBackplaneOptions {
  enum class Way : std::uint8_t { pubsub, stream };
  Way way = Way::pubsub;
  std::string name = "chaveiro:bulletins";        // of the channel or stream; the members stand under {NAME}:members
  std::size_t stream_max = 10'000;                // entries kept, about
  Micros member_time = std::chrono::minutes{10};  // a member that said nothing for so long is named no more
};

class RedisBackplane final : public cache::Backplane {
 public:
  // Both outlive it.
  RedisBackplane(RedisBackplaneOptions options, Client& client, const Clock& clock);
  ~RedisBackplane() override;

  std::string_view kind() const override { return replays() ? "stream" : "pub/sub"; }
  bool replays() const override { return options_.way == RedisBackplaneOptions::Way::stream; }
  void post(std::string bytes, Deadline limit) override;
  Result<std::unique_ptr<Following>> follow(cache::BackplaneListener& listener, std::uint64_t publisher) override;
  void leave(std::uint64_t publisher) override;

 private:
  class Reader;
  std::string members_key() const { return "{" + options_.name + "}:members"; }  // in the slot of the name
  void remember();

  const RedisBackplaneOptions options_;
  Client& client_;
  const Clock& clock_;
  struct Membership {
    std::uint64_t publisher = 0;  // 0: follows nothing
    SteadyTime told = SteadyTime::min();
    Reader* reader = nullptr;
  };
  Guarded<Membership> membership_;
  std::unique_ptr<Dedicated> sender_;  // one connection, so that what is posted stays in order
};

}  // namespace chaveiro::redis
