#include "clients/redis/wire/command.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/text.h"

namespace chaveiro::redis {
namespace {

// Where the first key stands: the number of an argument, 0 for none, or one of these.
constexpr std::int8_t behind_count_2 = -2;          // EVAL script numkeys key …
constexpr std::int8_t behind_count_1 = -3;          // ZUNION numkeys key …
constexpr std::int8_t behind_streams = -4;          // XREAD … STREAMS key …
constexpr std::int8_t behind_count_2_timeout = -5;  // BLMPOP timeout numkeys key …

struct Known {
  std::string_view name;
  std::int8_t key;
  Access access;
  Patience patience = Patience::ordinary;
};

constexpr auto r = Access::read;
constexpr auto i = Access::idempotent;
constexpr auto w = Access::write;
constexpr auto blocking = Patience::blocking;

// Sorted by name. Writes whose first argument is a key need no row.
constexpr std::array known{
    Known{"ACL", 0, w},
    Known{"ASKING", 0, i},
    Known{"AUTH", 0, i},
    Known{"BGREWRITEAOF", 0, w},
    Known{"BGSAVE", 0, w},
    Known{"BITCOUNT", 1, r},
    Known{"BITFIELD_RO", 1, r},
    Known{"BITOP", 2, w},
    Known{"BITPOS", 1, r},
    Known{"BLMOVE", 1, w, blocking},
    Known{"BLMPOP", behind_count_2_timeout, w, blocking},
    Known{"BLPOP", 1, w, blocking},
    Known{"BRPOP", 1, w, blocking},
    Known{"BRPOPLPUSH", 1, w, blocking},
    Known{"BZMPOP", behind_count_2_timeout, w, blocking},
    Known{"BZPOPMAX", 1, w, blocking},
    Known{"BZPOPMIN", 1, w, blocking},
    Known{"CLIENT", 0, i},
    Known{"CLUSTER", 0, i},
    Known{"COMMAND", 0, r},
    Known{"CONFIG", 0, i},
    Known{"DBSIZE", 0, r},
    Known{"DEBUG", 0, w, blocking},
    Known{"DISCARD", 0, w},
    Known{"DUMP", 1, r},
    Known{"ECHO", 0, r},
    Known{"EVAL", behind_count_2, w},
    Known{"EVALSHA", behind_count_2, w},
    Known{"EVALSHA_RO", behind_count_2, r},
    Known{"EVAL_RO", behind_count_2, r},
    Known{"EXEC", 0, w},
    Known{"EXISTS", 1, r},
    Known{"EXPIRETIME", 1, r},
    Known{"FAILOVER", 0, w},
    Known{"FCALL", behind_count_2, w},
    Known{"FCALL_RO", behind_count_2, r},
    Known{"FLUSHALL", 0, w},
    Known{"FLUSHDB", 0, w},
    Known{"FUNCTION", 0, w},
    Known{"GEODIST", 1, r},
    Known{"GEOHASH", 1, r},
    Known{"GEOPOS", 1, r},
    Known{"GEOSEARCH", 1, r},
    Known{"GET", 1, r},
    Known{"GETBIT", 1, r},
    Known{"GETRANGE", 1, r},
    Known{"HELLO", 0, i},
    Known{"HEXISTS", 1, r},
    Known{"HGET", 1, r},
    Known{"HGETALL", 1, r},
    Known{"HKEYS", 1, r},
    Known{"HLEN", 1, r},
    Known{"HMGET", 1, r},
    Known{"HRANDFIELD", 1, r},
    Known{"HSCAN", 1, r},
    Known{"HSTRLEN", 1, r},
    Known{"HVALS", 1, r},
    Known{"INFO", 0, r},
    Known{"KEYS", 0, r},
    Known{"LASTSAVE", 0, r},
    Known{"LATENCY", 0, r},
    Known{"LCS", 1, r},
    Known{"LINDEX", 1, r},
    Known{"LLEN", 1, r},
    Known{"LMPOP", behind_count_1, w},
    Known{"LOLWUT", 0, r},
    Known{"LPOS", 1, r},
    Known{"LRANGE", 1, r},
    Known{"MEMORY", 2, r},
    Known{"MGET", 1, r},
    Known{"MIGRATE", 3, w, blocking},
    Known{"MODULE", 0, w},
    Known{"MONITOR", 0, w},
    Known{"MULTI", 0, w},
    Known{"OBJECT", 2, r},
    Known{"PEXPIRETIME", 1, r},
    Known{"PFCOUNT", 1, r},
    Known{"PING", 0, r},
    Known{"PSUBSCRIBE", 0, i},
    Known{"PTTL", 1, r},
    Known{"PUBLISH", 0, w},
    Known{"PUBSUB", 0, r},
    Known{"PUNSUBSCRIBE", 0, i},
    Known{"QUIT", 0, w},
    Known{"RANDOMKEY", 0, r},
    Known{"READONLY", 0, i},
    Known{"READWRITE", 0, i},
    Known{"REPLICAOF", 0, w},
    Known{"RESET", 0, i},
    Known{"ROLE", 0, r},
    Known{"SAVE", 0, w, blocking},
    Known{"SCAN", 0, r},
    Known{"SCARD", 1, r},
    Known{"SCRIPT", 0, i},
    Known{"SDIFF", 1, r},
    Known{"SELECT", 0, i},
    Known{"SENTINEL", 0, i},
    Known{"SHUTDOWN", 0, w},
    Known{"SINTER", 1, r},
    Known{"SINTERCARD", behind_count_1, r},
    Known{"SISMEMBER", 1, r},
    Known{"SLAVEOF", 0, w},
    Known{"SLOWLOG", 0, r},
    Known{"SMEMBERS", 1, r},
    Known{"SMISMEMBER", 1, r},
    Known{"SORT_RO", 1, r},
    Known{"SRANDMEMBER", 1, r},
    Known{"SSCAN", 1, r},
    Known{"SSUBSCRIBE", 1, i},
    Known{"STRLEN", 1, r},
    Known{"SUBSCRIBE", 0, i},
    Known{"SUBSTR", 1, r},
    Known{"SUNION", 1, r},
    Known{"SUNSUBSCRIBE", 1, i},
    Known{"SWAPDB", 0, w},
    Known{"TIME", 0, r},
    Known{"TOUCH", 1, r},
    Known{"TTL", 1, r},
    Known{"TYPE", 1, r},
    Known{"UNSUBSCRIBE", 0, i},
    Known{"UNWATCH", 0, i},
    Known{"WAIT", 0, i, blocking},
    Known{"WAITAOF", 0, i, blocking},
    Known{"WATCH", 1, i},
    Known{"XGROUP", 2, w},
    Known{"XINFO", 2, r},
    Known{"XLEN", 1, r},
    Known{"XPENDING", 1, r},
    Known{"XRANGE", 1, r},
    Known{"XREAD", behind_streams, r, blocking},
    Known{"XREADGROUP", behind_streams, w, blocking},
    Known{"XREVRANGE", 1, r},
    Known{"ZCARD", 1, r},
    Known{"ZCOUNT", 1, r},
    Known{"ZDIFF", behind_count_1, r},
    Known{"ZINTER", behind_count_1, r},
    Known{"ZINTERCARD", behind_count_1, r},
    Known{"ZLEXCOUNT", 1, r},
    Known{"ZMPOP", behind_count_1, w},
    Known{"ZMSCORE", 1, r},
    Known{"ZRANDMEMBER", 1, r},
    Known{"ZRANGE", 1, r},
    Known{"ZRANGEBYLEX", 1, r},
    Known{"ZRANGEBYSCORE", 1, r},
    Known{"ZRANK", 1, r},
    Known{"ZREVRANGE", 1, r},
    Known{"ZREVRANGEBYLEX", 1, r},
    Known{"ZREVRANGEBYSCORE", 1, r},
    Known{"ZREVRANK", 1, r},
    Known{"ZSCAN", 1, r},
    Known{"ZSCORE", 1, r},
    Known{"ZUNION", behind_count_1, r},
};
static_assert(std::ranges::is_sorted(known, {}, &Known::name));

// What changes the connection itself, or holds up everything behind it.
constexpr std::array bound{"ASKING",       "AUTH",        "BLMOVE",   "BLMPOP",     "BLPOP",        "BRPOP",
                           "BRPOPLPUSH",   "BZMPOP",      "BZPOPMAX", "BZPOPMIN",   "DISCARD",      "EXEC",
                           "HELLO",        "MONITOR",     "MULTI",    "PSUBSCRIBE", "PUNSUBSCRIBE", "QUIT",
                           "READONLY",     "READWRITE",   "RESET",    "SELECT",     "SSUBSCRIBE",   "SUBSCRIBE",
                           "SUNSUBSCRIBE", "UNSUBSCRIBE", "UNWATCH",  "WATCH"};
constexpr auto is_bound = [] {
  std::array<bool, known.size()> flags{};
  for (std::size_t at = 0; at < known.size(); ++at) {
    flags[at] = std::ranges::find(bound, known[at].name) != bound.end();
  }
  return flags;
}();

const Known* find_known(std::string_view name) {
  std::array<char, 24> upper;
  if (name.size() > upper.size()) return nullptr;
  std::ranges::transform(name, upper.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  const std::string_view wanted(upper.data(), name.size());
  const auto found = std::ranges::lower_bound(known, wanted, {}, &Known::name);
  return found != known.end() && found->name == wanted ? &*found : nullptr;
}

void append_number(std::string& out, char mark, std::size_t number) {
  char digits[24];
  digits[0] = mark;
  char* const end = std::to_chars(digits + 1, digits + 22, number).ptr;
  end[0] = '\r';
  end[1] = '\n';
  out.append(digits, static_cast<std::size_t>(end + 2 - digits));
}

// The part that begins at `at` of a body, and where the next begins.
std::string_view part_at(std::string_view body, std::size_t& at) {
  std::size_t size = 0;
  for (++at; body[at] != '\r'; ++at) size = size * 10 + static_cast<std::size_t>(body[at] - '0');
  const std::string_view part = body.substr(at + 2, size);
  at += size + 4;
  return part;
}

}  // namespace

void Command::begin(std::string_view name, std::size_t room) {
  body_.reserve(room + name.size() + 16);
  add(name);
  if (const Known* row = find_known(name)) {
    key_rule_ = row->key;
    access_ = row->access;
    patience_ = row->patience;
    bound_ = is_bound[static_cast<std::size_t>(row - known.data())];
    subscribes_ = name.size() > 8 && equal_ignoring_ascii_case(name.substr(name.size() - 9), "subscribe");
  }
}

Command& Command::add(std::string_view part) {
  append_number(body_, '$', part.size());
  if (key_rule_ > 0 && count_ == static_cast<std::uint32_t>(key_rule_)) {
    key_at_ = static_cast<std::uint32_t>(body_.size());
    key_size_ = static_cast<std::uint32_t>(part.size());
  }
  body_.append(part);
  body_.append("\r\n", 2);
  ++count_;
  return *this;
}

Command& Command::add(double number) {
  if (std::isinf(number)) return add(number > 0 ? std::string_view("+inf") : std::string_view("-inf"));
  char digits[40];
  const auto end = std::to_chars(digits, digits + sizeof digits, number);
  return add(std::string_view(digits, static_cast<std::size_t>(end.ptr - digits)));
}

std::string_view Command::name() const {
  std::size_t at = 0;
  return part_at(body_, at);
}

std::string_view Command::part(std::size_t index) const {
  std::string_view found;
  std::size_t at = 0;
  for (std::size_t n = 0; n <= index; ++n) {
    if (at >= body_.size()) return {};
    found = part_at(body_, at);
  }
  return found;
}

std::vector<std::string_view> Command::parts() const {
  std::vector<std::string_view> all;
  all.reserve(count_);
  for (std::size_t at = 0; at < body_.size();) all.push_back(part_at(body_, at));
  return all;
}

bool Command::needs_own_connection() const {
  if (bound_) return true;
  const auto has = [&](std::string_view word) {
    const auto all = parts();
    return std::ranges::any_of(all, [&](std::string_view part) { return equal_ignoring_ascii_case(part, word); });
  };
  if (key_rule_ == behind_streams) return has("BLOCK");
  if (key_rule_ != 0 || !equal_ignoring_ascii_case(name(), "CLIENT")) return false;
  for (const std::string_view word : {"REPLY", "TRACKING", "CACHING", "NO-TOUCH", "SETNAME"}) {
    if (equal_ignoring_ascii_case(part(1), word)) return true;
  }
  return false;
}

std::string_view Command::key_behind_count(std::size_t at) const {
  const auto keys = parse_uint(part(at));
  return keys && *keys > 0 ? part(at + 1) : std::string_view();
}

std::string_view Command::key() const {
  if (key_rule_ >= 0) return std::string_view(body_).substr(key_at_, key_size_);
  if (key_rule_ == behind_count_1) return key_behind_count(1);
  if (key_rule_ == behind_count_2 || key_rule_ == behind_count_2_timeout) return key_behind_count(2);
  const auto all = parts();
  const auto streams = std::ranges::find_if(all, [](auto part) { return equal_ignoring_ascii_case(part, "STREAMS"); });
  return streams != all.end() && streams + 1 != all.end() ? streams[1] : std::string_view();
}

void Command::append_to(std::string& out) const {
  append_number(out, '*', count_);
  out.append(body_);
}

}  // namespace chaveiro::redis
