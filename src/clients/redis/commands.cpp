#include "clients/redis/commands.h"

namespace chaveiro::redis {
namespace {

Result<StreamEntry> entry_of(Value&& value) {
  if (value.items.size() != 2) return fail(Code::corrupt, "UnexpectedReply", "Redis: no entry of a stream");
  StreamEntry entry;
  TRY(entry.id, as_text(std::move(value.items[0])));
  TRY(entry.fields, as_pairs(std::move(value.items[1])));
  return entry;
}

Result<std::vector<StreamEntry>> entries_of(std::vector<Value>&& items) {
  std::vector<StreamEntry> entries;
  entries.reserve(items.size());
  for (Value& item : items) {
    if (item.is_nil()) continue;  // claimed, and deleted meanwhile
    TRY(StreamEntry entry, entry_of(std::move(item)));
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace

Result<std::vector<StreamEntry>> stream_entries(Result<Value> reply) {
  TRY(Value value, checked(std::move(reply)));
  if (value.is_nil()) return std::vector<StreamEntry>();
  if (!value.is_list()) return fail(Code::corrupt, "UnexpectedReply", "Redis: no entries of a stream");
  if (value.items.empty()) return std::vector<StreamEntry>();
  // RESP3: stream → entries; RESP2: [[stream, entries]]; XRANGE: entries.
  if (value.kind == Kind::map) return entries_of(std::move(value.items[1].items));
  Value& first = value.items.front();
  const bool is_entry = first.items.size() == 2 && (first.items[1].items.empty() || !first.items[1].items[0].is_list());
  if (is_entry) return entries_of(std::move(value.items));
  return entries_of(std::move(first.items[1].items));
}

Result<std::optional<std::string>> Commands::get(std::string_view key, Deadline deadline) {
  return as_optional_text(client_.call(Command("GET", key), deadline));
}
Result<void> Commands::set(std::string_view key, std::string_view value, Deadline deadline) {
  return expect_ok(client_.call(Command("SET", key, value), deadline));
}
Result<void> Commands::set_ex(std::string_view key, std::string_view value, std::chrono::milliseconds ttl,
                              Deadline deadline) {
  return expect_ok(client_.call(Command("SET", key, value, "PX", ttl.count()), deadline));
}
Result<bool> Commands::set_nx(std::string_view key, std::string_view value, std::chrono::milliseconds ttl,
                              Deadline deadline) {
  Command command("SET", key, value, "NX");
  if (ttl.count() > 0) command.add("PX").add(ttl.count());
  return as_flag(client_.call(std::move(command), deadline));
}
Result<OptionalTexts> Commands::mget(std::span<const std::string_view> keys, Deadline deadline) {
  if (keys.empty()) return OptionalTexts();
  return as_optional_texts(client_.call(Command("MGET").add_all(keys), deadline));
}
Result<void> Commands::mset(PairList pairs, Deadline deadline) {
  if (pairs.size() == 0) return {};
  Command command("MSET");
  for (const auto& [key, value] : pairs) command.add(key).add(value);
  return expect_ok(client_.call(std::move(command), deadline));
}
Result<std::int64_t> Commands::del(std::span<const std::string_view> keys, Deadline deadline) {
  if (keys.empty()) return std::int64_t{0};
  return as_integer(client_.call(Command("DEL").add_all(keys), deadline));
}
Result<std::int64_t> Commands::exists(KeyList keys, Deadline deadline) {
  return as_integer(client_.call(Command("EXISTS").add_all(keys), deadline));
}
Result<bool> Commands::expire(std::string_view key, std::chrono::milliseconds ttl, Deadline deadline) {
  return as_flag(client_.call(Command("PEXPIRE", key, ttl.count()), deadline));
}
Result<std::optional<Micros>> Commands::ttl(std::string_view key, Deadline deadline) {
  TRY(const std::int64_t left, as_integer(client_.call(Command("PTTL", key), deadline)));
  if (left == -2) return fail(Code::not_found, "NotFound", "Redis: there is no such key");
  if (left < 0) return std::optional<Micros>();
  return std::optional<Micros>(std::chrono::milliseconds(left));
}
Result<std::int64_t> Commands::incr_by(std::string_view key, std::int64_t by, Deadline deadline) {
  return as_integer(client_.call(Command("INCRBY", key, by), deadline));
}

Result<std::optional<std::string>> Commands::hget(std::string_view key, std::string_view field, Deadline deadline) {
  return as_optional_text(client_.call(Command("HGET", key, field), deadline));
}
Result<OptionalTexts> Commands::hmget(std::string_view key, KeyList fields, Deadline deadline) {
  return as_optional_texts(client_.call(Command("HMGET", key).add_all(fields), deadline));
}
Result<Pairs> Commands::hgetall(std::string_view key, Deadline deadline) {
  return as_pairs(client_.call(Command("HGETALL", key), deadline));
}
Result<std::int64_t> Commands::hset(std::string_view key, PairList fields, Deadline deadline) {
  Command command("HSET", key);
  for (const auto& [name, value] : fields) command.add(name).add(value);
  return as_integer(client_.call(std::move(command), deadline));
}
Result<std::int64_t> Commands::hdel(std::string_view key, KeyList fields, Deadline deadline) {
  return as_integer(client_.call(Command("HDEL", key).add_all(fields), deadline));
}

Result<std::int64_t> Commands::sadd(std::string_view key, KeyList members, Deadline deadline) {
  return as_integer(client_.call(Command("SADD", key).add_all(members), deadline));
}
Result<std::int64_t> Commands::srem(std::string_view key, KeyList members, Deadline deadline) {
  return as_integer(client_.call(Command("SREM", key).add_all(members), deadline));
}
Result<bool> Commands::sismember(std::string_view key, std::string_view member, Deadline deadline) {
  return as_flag(client_.call(Command("SISMEMBER", key, member), deadline));
}
Result<Texts> Commands::smembers(std::string_view key, Deadline deadline) {
  return as_texts(client_.call(Command("SMEMBERS", key), deadline));
}

Result<std::int64_t> Commands::zadd(std::string_view key,
                                    std::initializer_list<std::pair<std::string_view, double>> members,
                                    Deadline deadline) {
  Command command("ZADD", key);
  for (const auto& [member, score] : members) command.add(score).add(member);
  return as_integer(client_.call(std::move(command), deadline));
}
Result<std::int64_t> Commands::zrem(std::string_view key, KeyList members, Deadline deadline) {
  return as_integer(client_.call(Command("ZREM", key).add_all(members), deadline));
}
Result<std::optional<double>> Commands::zscore(std::string_view key, std::string_view member, Deadline deadline) {
  return as_optional_real(client_.call(Command("ZSCORE", key, member), deadline));
}
Result<Scored> Commands::zrange(std::string_view key, std::int64_t first, std::int64_t last, Deadline deadline) {
  return as_scored(client_.call(Command("ZRANGE", key, first, last, "WITHSCORES"), deadline));
}

Result<std::int64_t> Commands::publish(std::string_view channel, std::string_view payload, Deadline deadline) {
  return as_integer(client_.call(Command("PUBLISH", channel, payload), deadline));
}

Result<std::string> Commands::xadd(std::string_view stream, PairList fields, const StreamAdd& add, Deadline deadline) {
  Command command("XADD", stream);
  if (add.length_max > 0) command.add("MAXLEN").add("~").add(add.length_max);
  command.add(add.id);
  for (const auto& [name, value] : fields) command.add(name).add(value);
  return as_text(client_.call(std::move(command), deadline));
}
Result<void> Commands::xgroup_create(std::string_view stream, std::string_view group, std::string_view from,
                                     Deadline deadline) {
  return expect_ok(client_.call(Command("XGROUP", "CREATE", stream, group, from, "MKSTREAM"), deadline));
}
Result<std::vector<StreamEntry>> Commands::xread_group(std::string_view stream, const StreamRead& read,
                                                       Deadline deadline) {
  Command command("XREADGROUP", "GROUP", read.group, read.consumer);
  if (read.count > 0) command.add("COUNT").add(read.count);
  command.add("STREAMS").add(stream).add(read.from);
  return stream_entries(client_.call(std::move(command), deadline));
}
Result<std::int64_t> Commands::xack(std::string_view stream, std::string_view group, KeyList ids, Deadline deadline) {
  return as_integer(client_.call(Command("XACK", stream, group).add_all(ids), deadline));
}
Result<std::vector<StreamEntry>> Commands::xautoclaim(std::string_view stream, const StreamClaim& claim,
                                                      Deadline deadline) {
  TRY(std::vector<Value> answer,
      as_items(client_.call(Command("XAUTOCLAIM", stream, claim.group, claim.consumer, claim.idle_min.count(),
                                    claim.from, "COUNT", claim.count),
                            deadline)));
  if (answer.size() < 2) return fail(Code::corrupt, "UnexpectedReply", "Redis: no answer to XAUTOCLAIM");
  return entries_of(std::move(answer[1].items));
}

}  // namespace chaveiro::redis
