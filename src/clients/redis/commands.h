// clients/redis/commands.h
//
// Commands: the everyday commands with their arguments and answers as types, over Client::call(). Nothing is hidden: each is the command
// of its name. For callbacks, pipelines and transactions build a Command, and read its answer with clients/redis/value.h.
//
//   Commands redis(client);
//   TRY(const std::optional<std::string> value, redis.get(key, deadline));
//
// Those that do twice what they do once (SET, DEL, EXPIRE, …) are still not repeated when an answer is lost: another caller may have
// written in between. Say Command(…).idempotent() where that does not matter.
//
// Threads: any.
// Errors:  those of the client, and `corrupt` for an answer of another shape.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "clients/redis/client.h"

namespace chaveiro::redis {

using KeyList = std::initializer_list<std::string_view>;
using PairList = std::initializer_list<std::pair<std::string_view, std::string_view>>;

struct StreamEntry {
  std::string id;
  Pairs fields;  // empty: the entry was deleted
};
struct StreamAdd {
  std::string id = "*";        // "*": the server makes it
  std::size_t length_max = 0;  // older entries go, about (~); 0: none
};
struct StreamRead {
  std::string group;
  std::string consumer;
  std::size_t count = 0;   // 0: the server's own bound
  std::string from = ">";  // ">": what nobody has had; an id: what this consumer has had and not acknowledged
};
struct StreamClaim {
  std::string group;
  std::string consumer;
  std::chrono::milliseconds idle_min{60'000};
  std::string from = "0-0";
  std::size_t count = 100;
};

// The entries of one stream in the answer to XREAD, XREADGROUP, XRANGE.
Result<std::vector<StreamEntry>> stream_entries(Result<Value> reply);

class Commands {
 public:
  explicit Commands(Client& client) : client_(client) {}

  Result<std::optional<std::string>> get(std::string_view key, Deadline deadline);
  Result<void> set(std::string_view key, std::string_view value, Deadline deadline);
  Result<void> set_ex(std::string_view key, std::string_view value, std::chrono::milliseconds ttl, Deadline deadline);
  // Whether it was set. A ttl of zero: none.
  Result<bool> set_nx(std::string_view key, std::string_view value, std::chrono::milliseconds ttl, Deadline deadline);
  Result<OptionalTexts> mget(std::span<const std::string_view> keys, Deadline deadline);
  Result<OptionalTexts> mget(KeyList keys, Deadline deadline) {
    return mget(std::span(keys.begin(), keys.size()), deadline);
  }
  // In a cluster not atomic where the keys lie in several slots.
  Result<void> mset(PairList pairs, Deadline deadline);
  // How many there were.
  Result<std::int64_t> del(std::span<const std::string_view> keys, Deadline deadline);
  Result<std::int64_t> del(KeyList keys, Deadline deadline) {
    return del(std::span(keys.begin(), keys.size()), deadline);
  }
  Result<std::int64_t> exists(KeyList keys, Deadline deadline);
  // False: there is no such key.
  Result<bool> expire(std::string_view key, std::chrono::milliseconds ttl, Deadline deadline);
  // Nothing: it does not expire. Errors: not_found.
  Result<std::optional<Micros>> ttl(std::string_view key, Deadline deadline);
  Result<std::int64_t> incr(std::string_view key, Deadline deadline) { return incr_by(key, 1, deadline); }
  Result<std::int64_t> decr(std::string_view key, Deadline deadline) { return incr_by(key, -1, deadline); }
  Result<std::int64_t> incr_by(std::string_view key, std::int64_t by, Deadline deadline);

  Result<std::optional<std::string>> hget(std::string_view key, std::string_view field, Deadline deadline);
  Result<OptionalTexts> hmget(std::string_view key, KeyList fields, Deadline deadline);
  Result<Pairs> hgetall(std::string_view key, Deadline deadline);
  Result<std::int64_t> hset(std::string_view key, PairList fields, Deadline deadline);
  Result<std::int64_t> hdel(std::string_view key, KeyList fields, Deadline deadline);

  Result<std::int64_t> sadd(std::string_view key, KeyList members, Deadline deadline);
  Result<std::int64_t> srem(std::string_view key, KeyList members, Deadline deadline);
  Result<bool> sismember(std::string_view key, std::string_view member, Deadline deadline);
  Result<Texts> smembers(std::string_view key, Deadline deadline);

  Result<std::int64_t> zadd(std::string_view key, std::initializer_list<std::pair<std::string_view, double>> members,
                            Deadline deadline);
  Result<std::int64_t> zrem(std::string_view key, KeyList members, Deadline deadline);
  Result<std::optional<double>> zscore(std::string_view key, std::string_view member, Deadline deadline);
  Result<Scored> zrange(std::string_view key, std::int64_t first, std::int64_t last, Deadline deadline);

  Result<std::int64_t> publish(std::string_view channel, std::string_view payload, Deadline deadline);

  Result<std::string> xadd(std::string_view stream, PairList fields, const StreamAdd& add, Deadline deadline);
  // Makes the stream too. Errors: exists "BUSYGROUP".
  Result<void> xgroup_create(std::string_view stream, std::string_view group, std::string_view from, Deadline deadline);
  // Does not wait for entries: that holds up a shared connection. Borrow one for BLOCK.
  Result<std::vector<StreamEntry>> xread_group(std::string_view stream, const StreamRead& read, Deadline deadline);
  Result<std::int64_t> xack(std::string_view stream, std::string_view group, KeyList ids, Deadline deadline);
  // What other consumers have left unacknowledged for `idle_min` becomes ours.
  Result<std::vector<StreamEntry>> xautoclaim(std::string_view stream, const StreamClaim& claim, Deadline deadline);

 private:
  Client& client_;
};

}  // namespace chaveiro::redis
