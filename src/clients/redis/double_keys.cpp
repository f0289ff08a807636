#include "clients/redis/double_keyspace.h"

namespace chaveiro::redis {
namespace {

using Reply = DoubleReply;
using Words = DoubleWords;
using Keyspace = DoubleKeyspace;

Reply erase(Keyspace& space, const Words& words) {
  std::int64_t count = 0;
  for (std::size_t i = 1; i < words.size(); ++i) count += space.erase(words[i]) ? 1 : 0;
  return Reply::of(count);
}

Reply exists(Keyspace& space, const Words& words) {
  std::int64_t count = 0;
  for (std::size_t i = 1; i < words.size(); ++i) count += space.find(words[i]) != nullptr ? 1 : 0;
  return Reply::of(count);
}

Reply expire_at(Keyspace& space, const Words& words, std::optional<UtcTime> end) {
  if (!end) return double_not_integer();
  auto* const key = space.find(words[1]);
  if (key == nullptr) return Reply::of(0);
  const std::string only = words.size() > 3 ? double_upper(words[3]) : "";
  const bool later = !key->until ? false : *end > *key->until;  // no end is later than any
  if ((only == "NX" && key->until) || (only == "XX" && !key->until) || (only == "GT" && !later) ||
      (only == "LT" && key->until && later))
    return Reply::of(0);
  if (*end <= space.now()) {
    space.erase(words[1]);
  } else {
    key->until = end;
    space.touch(words[1]);
  }
  return Reply::of(1);
}

template <class Unit, bool Absolute>
Reply expire(Keyspace& space, const Words& words) {
  const auto number = double_integer(words[2]);
  if (!number) return double_not_integer();
  const Micros time = Unit{*number};
  return expire_at(space, words, Absolute ? UtcTime{time} : space.now() + time);
}

template <class Unit>
Reply time_left(Keyspace& space, const Words& words) {
  const auto* const key = space.find(words[1]);
  if (key == nullptr) return Reply::of(-2);
  if (!key->until) return Reply::of(-1);
  return Reply::of(std::chrono::round<Unit>(*key->until - space.now()).count());
}

Reply type(Keyspace& space, const Words& words) {
  static constexpr const char* names[] = {"string", "hash", "list", "set", "zset", "stream"};
  const auto* const key = space.find(words[1]);
  return {Reply::Kind::simple, key == nullptr ? "none" : names[key->value.index()]};
}

// The cursor is a place in the order of the keys: those that come and go meanwhile may be missed, as on a server.
Reply scan(Keyspace& space, const Words& words) {
  const auto cursor = double_integer(words[1]);
  if (!cursor || *cursor < 0) return Reply::error("ERR invalid cursor");
  std::string pattern = "*";
  std::int64_t count = 10;
  for (std::size_t i = 2; i + 1 < words.size(); i += 2) {
    if (double_upper(words[i]) == "MATCH") pattern = words[i + 1];
    if (double_upper(words[i]) == "COUNT") count = double_integer(words[i + 1]).value_or(10);
  }
  space.expire();
  std::vector<Reply> found;
  std::int64_t place = 0;
  for (const auto& [name, key] : space.keys()) {
    if (place >= *cursor && place < *cursor + count && double_matches(pattern, name))
      found.push_back(Reply::bulk(name));
    ++place;
  }
  const std::int64_t next = *cursor + count >= place ? 0 : *cursor + count;
  return Reply::array({Reply::bulk(std::to_string(next)), Reply::array(std::move(found))});
}

Reply time(Keyspace& space, const Words&) {
  const std::int64_t now = space.now().time_since_epoch().count();
  return Reply::array({Reply::bulk(std::to_string(now / 1'000'000)), Reply::bulk(std::to_string(now % 1'000'000))});
}

Reply persist(Keyspace& space, const Words& words) {
  auto* const key = space.find(words[1]);
  if (key == nullptr || !key->until) return Reply::of(0);
  key->until.reset();
  space.touch(words[1]);
  return Reply::of(1);
}

Reply flush(Keyspace& space, const Words&) {
  space.clear();
  return Reply::ok();
}

}  // namespace

void add_key_commands(DoubleCommands& commands) {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  commands["DEL"] = commands["UNLINK"] = {2, erase};
  commands["EXISTS"] = {2, exists};
  commands["EXPIRE"] = {3, expire<seconds, false>};
  commands["PEXPIRE"] = {3, expire<milliseconds, false>};
  commands["EXPIREAT"] = {3, expire<seconds, true>};
  commands["PEXPIREAT"] = {3, expire<milliseconds, true>};
  commands["TTL"] = {2, time_left<seconds>};
  commands["PTTL"] = {2, time_left<milliseconds>};
  commands["PERSIST"] = {2, persist};
  commands["TYPE"] = {2, type};
  commands["SCAN"] = {2, scan};
  commands["TIME"] = {1, time};
  commands["FLUSHALL"] = commands["FLUSHDB"] = {1, flush};
  commands["DBSIZE"] = {1, [](Keyspace& space, const Words&) {
                          space.expire();
                          return Reply::of(static_cast<std::int64_t>(space.keys().size()));
                        }};
}

}  // namespace chaveiro::redis
