#include "clients/redis/cache_tier.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/random.h"
#include "clients/redis/double.h"

namespace chaveiro::redis {
namespace {

using cache::TierPut;
using cache::TierStored;
using cache::TierValue;

constexpr std::size_t version_digits = 20, stamp_digits = 16, ttl_digits = 13;
constexpr auto tag_time = std::chrono::hours{24 * 31};

const Script& put_script() {
  static const Script script(R"(local fence = redis.call('GET', KEYS[2])
if fence and fence > ARGV[1] then return 0 end
local known = redis.call('GETRANGE', KEYS[1], 2, 37)
if #known == 36 and string.sub(known, 21) == ARGV[4] and string.sub(known, 1, 20) > ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1)",
                             Access::idempotent);
  return script;
}

const Script& erase_script() {
  static const Script script(R"(local known = redis.call('GETRANGE', KEYS[1], 2, 21)
if #known == 20 and known > ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
local fence = redis.call('GET', KEYS[2])
if not fence or fence < ARGV[1] then fence = ARGV[1] end
redis.call('SET', KEYS[2], fence, 'PX', ARGV[2])
return 1)",
                             Access::idempotent);
  return script;
}

std::string digits(std::uint64_t number, std::size_t width) {
  std::string text = std::to_string(number);
  return std::string(width - std::min(width, text.size()), '0') + text;
}

std::string hex(std::uint64_t number) {
  static constexpr char names[] = "0123456789abcdef";
  std::string text(stamp_digits, '0');
  for (std::size_t i = stamp_digits; i-- > 0; number >>= 4) text[i] = names[number & 15];
  return text;
}

std::optional<std::uint64_t> number_of(std::string_view text, int base = 10) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return number;
}

// A random stamp or era; never 0, which means that there is none.
std::uint64_t fresh_stamp() { return random_u64() | 1; }

Error too_late() { return fail(Code::deadline, "Deadline", "no time left for the level"); }

Command scripted(const Script& script, std::string_view key, std::string_view fence, bool whole) {
  Command command(whole ? "EVAL" : "EVALSHA", whole ? std::string_view(script.text()) : std::string_view(script.sha()),
                  2, key, fence);
  command.idempotent();
  return command;
}

std::string fence_of(std::string_view wire) { return "{" + std::string(wire) + "}:fence"; }

}  // namespace

// A value as it lies on the server, taken apart.
struct CacheTier::Stored {
  TierValue value;
  std::uint64_t era = 0;
  std::vector<std::pair<std::string, std::string>> tags;  // with their stamps

  static std::optional<Stored> read(std::string_view raw, Micros ttl_left, const Clock& clock) {
    const auto take = [&](std::size_t count) {
      const std::string_view part = raw.substr(0, std::min(count, raw.size()));
      raw.remove_prefix(part.size());
      return part;
    };
    if (take(2) != "T1") return std::nullopt;
    Stored stored;
    const auto version = number_of(take(version_digits)), era = number_of(take(stamp_digits), 16),
               ttl_ms = number_of(take(ttl_digits)), tags = number_of(take(2));
    if (!version || !era || !ttl_ms || !tags) return std::nullopt;
    for (std::uint64_t i = 0; i < *tags; ++i) {
      const auto size = number_of(take(4));
      if (!size || raw.size() < *size + stamp_digits) return std::nullopt;
      const std::string_view name = take(*size), stamp = take(stamp_digits);
      stored.tags.emplace_back(name, stamp);
    }
    const Micros ttl = std::chrono::milliseconds{*ttl_ms};
    stored.era = *era;
    stored.value = {
        .bytes = std::string(raw), .ttl_left = std::min(ttl_left, ttl), .stored_at = {}, .version = *version};
    stored.value.stored_at = clock.now() - (ttl - stored.value.ttl_left);
    return stored;
  }
};

Result<std::unique_ptr<CacheTier>> CacheTier::create(CacheTierOptions options, Client& client, const Clock& clock,
                                                     Registry& metrics) {
  if (options.prefix.size() > 128 || options.prefix.find_first_of("{}%") != std::string::npos)
    return fail_field("prefix", "at most 128 bytes, without braces and %", "CacheOptions");
  return std::unique_ptr<CacheTier>(new CacheTier(std::move(options), client, clock, metrics));
}

CacheTier::CacheTier(CacheTierOptions options, Client& client, const Clock& clock, Registry& metrics)
    : options_(std::move(options)),
      client_(client),
      clock_(clock),
      era_(std::uint64_t{0}),
      hits_(metrics.counter("redis_hits_total", "Look-ups of the cache that Redis answered.")),
      misses_(metrics.counter("redis_misses_total", "Look-ups of the cache of which Redis had nothing.")) {}

std::string CacheTier::wire_key(std::string_view key) const {
  std::string wire = options_.prefix;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const char c = key[i];
    if (c == '{')
      wire += "%7B";
    else if (c == '}')
      wire += "%7D";
    else if (c == '%')
      wire += "%25";
    else if (c == '!' && i == 0)
      wire += "%21";
    else
      wire += c;
  }
  return wire;
}

std::string CacheTier::tag_key(std::string_view tag) const { return options_.prefix + "!tag:" + std::string(tag); }

Replies CacheTier::ask(std::vector<Command> commands, Deadline deadline) {
  return client_.pipeline(std::move(commands), deadline);
}

Result<std::uint64_t> CacheTier::know_era(Deadline deadline) {
  if (const std::uint64_t known = *era_.lock(); known != 0) return known;
  const std::uint64_t fresh = fresh_stamp();
  std::vector<Command> commands;
  commands.push_back(Command("SET", era_key(), hex(fresh), "NX", "GET").idempotent());
  TRY(const auto before, as_optional_text(std::move(ask(std::move(commands), deadline).at(0))));
  const std::uint64_t now = before ? number_of(*before, 16).value_or(0) : fresh;
  if (now == 0) return fail(Code::corrupt, "ForeignKey", "the era of the cache is none of ours");
  *era_.lock() = now;
  return now;
}

Result<std::optional<TierValue>> CacheTier::get(std::string_view key, Deadline deadline) {
  const std::string name(key);
  TRY(auto found, get_many({&name, 1}, deadline));
  return std::move(found.front());
}

Result<std::vector<std::optional<TierValue>>> CacheTier::get_many(std::span<const std::string> keys,
                                                                  Deadline deadline) {
  if (deadline.expired()) return too_late();
  if (keys.empty()) return std::vector<std::optional<TierValue>>{};
  std::vector<Command> commands;
  commands.reserve(2 * keys.size() + 1);
  commands.emplace_back("GET", era_key());
  for (const std::string& key : keys) {
    const std::string wire = wire_key(key);
    // The time first: if the value is replaced in between, the time is that of the old one, or the new one's whole time.
    commands.emplace_back("PTTL", wire);
    commands.emplace_back("GET", wire);
  }
  Replies replies = ask(std::move(commands), deadline);
  TRY(const auto era_text, as_optional_text(std::move(replies.at(0))));
  const std::uint64_t era = era_text ? number_of(*era_text, 16).value_or(0) : 0;
  *era_.lock() = era;
  std::vector<std::optional<Stored>> stored(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    TRY(const std::int64_t left, as_integer(std::move(replies.at(2 * i + 1))));
    TRY(const auto raw, as_optional_text(std::move(replies.at(2 * i + 2))));
    if (!raw || left == 0 || left == -1 || era == 0) continue;
    // -2: it came in between.
    stored[i] = Stored::read(*raw, left < 0 ? Micros::max() : Micros{std::chrono::milliseconds{left}}, clock_);
    if (stored[i] && stored[i]->era != era) stored[i].reset();
  }
  TRY_VOID(keep_stamped(stored, deadline));
  std::vector<std::optional<TierValue>> found(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    (stored[i] ? hits_ : misses_).add();
    if (stored[i]) found[i] = std::move(stored[i]->value);
  }
  return found;
}

// Values whose tags were erased since go.
Result<void> CacheTier::keep_stamped(std::vector<std::optional<Stored>>& found, Deadline deadline) {
  std::map<std::string, std::optional<std::string>> stamps;
  for (const auto& one : found) {
    if (!one) continue;
    for (const auto& [tag, stamp] : one->tags) stamps[tag];
  }
  if (stamps.empty()) return {};
  std::vector<Command> commands;
  for (const auto& [tag, stamp] : stamps) commands.emplace_back("GET", tag_key(tag));
  Replies replies = ask(std::move(commands), deadline);
  std::size_t next = 0;
  for (auto& [tag, stamp] : stamps) {
    TRY(stamp, as_optional_text(std::move(replies.at(next++))));
  }
  for (auto& one : found) {
    if (one && std::ranges::any_of(one->tags, [&](const auto& tag) { return stamps[tag.first] != tag.second; }))
      one.reset();
  }
  return {};
}

// The head's part about the tags of each put, whose stamps are made where there are none.
Result<std::vector<std::string>> CacheTier::stamps(std::span<const TierPut> puts, Deadline deadline) {
  std::map<std::string, std::string, std::less<>> known;
  for (const TierPut& put : puts) {
    for (const std::string& tag : put.tags) known.emplace(tag, hex(fresh_stamp()));
  }
  if (!known.empty()) {
    const auto time = std::chrono::milliseconds{tag_time}.count();
    std::vector<Command> commands;
    for (const auto& [tag, stamp] : known)
      commands.push_back(Command("SET", tag_key(tag), stamp, "NX", "GET", "PX", time).idempotent());
    Replies replies = ask(std::move(commands), deadline);
    std::size_t next = 0;
    for (auto& [tag, stamp] : known) {
      TRY(auto before, as_optional_text(std::move(replies.at(next++))));
      if (before) stamp = std::move(*before);
    }
  }
  std::vector<std::string> heads;
  for (const TierPut& put : puts) {
    std::string& head = heads.emplace_back(digits(put.tags.size(), 2));
    for (const std::string& tag : put.tags) head += digits(tag.size(), 4) + tag + known.find(tag)->second;
  }
  return heads;
}

Result<TierStored> CacheTier::put(const TierPut& put, Deadline deadline) {
  TRY(const std::vector<TierStored> stored, put_many({&put, 1}, deadline));
  return stored.front();
}

Result<std::vector<TierStored>> CacheTier::put_many(std::span<const TierPut> puts, Deadline deadline) {
  if (deadline.expired()) return too_late();
  for (const TierPut& put : puts) {
    if (put.key.empty() || put.key.size() > cache::tier_key_max)
      return fail(Code::invalid, "CacheKey", "a key has 1 to 512 bytes");
    if (put.bytes.size() > std::min(options_.value_max, cache::tier_value_max))
      return fail(Code::invalid, "CacheValue", "the value is larger than the level takes");
    if (put.tags.size() > cache::tier_tags_max ||
        std::ranges::any_of(put.tags, [](const auto& tag) { return tag.size() > 1'024; }))
      return fail(Code::invalid, "CacheTags", "at most 16 tags of at most 1,024 bytes");
  }
  if (puts.empty()) return std::vector<TierStored>{};
  TRY(const std::uint64_t era, know_era(deadline));
  std::uint64_t now = era;
  TRY(auto stored, put_in(puts, era, deadline, now));
  // Somebody has cleared the level meanwhile, or its era was evicted: once more, so that what was put is there.
  if (now != era) {
    *era_.lock() = now;
    TRY(const std::uint64_t next, know_era(deadline));
    TRY(stored, put_in(puts, next, deadline, now));
  }
  return stored;
}

Result<std::vector<TierStored>> CacheTier::put_in(std::span<const TierPut> puts, std::uint64_t era, Deadline deadline,
                                                  std::uint64_t& era_now) {
  TRY(const std::vector<std::string> tags, stamps(puts, deadline));
  std::vector<std::string> values(puts.size());
  const auto command_for = [&](std::size_t i, bool whole) {
    const TierPut& put = puts[i];
    const std::string wire = wire_key(put.key);
    const Micros ttl = options_.ttl_max > Micros{0} ? std::min(put.ttl, options_.ttl_max) : put.ttl;
    const std::int64_t ttl_ms = std::chrono::duration_cast<std::chrono::milliseconds>(ttl).count();
    if (ttl_ms <= 0) {
      if (put.version == 0) return Command("DEL", wire);
      Command command = scripted(erase_script(), wire, fence_of(wire), whole);
      return command.add(digits(put.version, version_digits)).add(1);
    }
    const std::string own_era = hex(put.era == 0 ? era : put.era);
    std::string& value = values[i];
    if (value.empty()) {
      value = "T1" + digits(put.version, version_digits) + own_era +
              digits(static_cast<std::uint64_t>(std::min<std::int64_t>(ttl_ms, 9'999'999'999'999)), ttl_digits) +
              tags[i];
      value += put.bytes;
    }
    if (put.version == 0) return Command("SET", wire, value, "PX", ttl_ms);
    Command command = scripted(put_script(), wire, fence_of(wire), whole);
    return command.add(digits(put.version, version_digits)).add(value).add(ttl_ms).add(own_era);
  };
  std::vector<Command> commands;
  commands.emplace_back("GET", era_key());
  for (std::size_t i = 0; i < puts.size(); ++i) commands.push_back(command_for(i, false));
  Replies replies = ask(std::move(commands), deadline);
  TRY(const auto era_text, as_optional_text(std::move(replies.at(0))));
  era_now = era_text ? number_of(*era_text, 16).value_or(0) : 0;

  // A server that does not know the script is given its text.
  std::vector<std::size_t> again;
  for (std::size_t i = 0; i < puts.size(); ++i) {
    if (!replies[i + 1] && replies[i + 1].error().reason == "NOSCRIPT") again.push_back(i);
  }
  if (!again.empty()) {
    commands.clear();
    for (const std::size_t i : again) commands.push_back(command_for(i, true));
    Replies whole = ask(std::move(commands), deadline);
    for (std::size_t i = 0; i < again.size(); ++i) replies[again[i] + 1] = std::move(whole[i]);
  }
  std::vector<TierStored> stored;
  for (std::size_t i = 0; i < puts.size(); ++i) {
    TRY(const Value reply, checked(std::move(replies[i + 1])));
    const bool refused = puts[i].version != 0 && reply.kind == Kind::integer && reply.integer == 0;
    stored.push_back(refused ? TierStored::superseded : TierStored::stored);
  }
  return stored;
}

Result<void> CacheTier::erase(std::string_view key, std::uint64_t version, Deadline deadline) {
  if (deadline.expired()) return too_late();
  const std::string wire = wire_key(key), fence = fence_of(wire), digits_of = digits(version, version_digits);
  if (version == 0) return expect_ok(client_.call(Command("DEL", wire), deadline));
  const std::string_view keys[] = {wire, fence};
  const std::string time =
      std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(cache::fence_time).count() + 1'000);
  const std::string_view args[] = {digits_of, time};
  return expect_ok(client_.eval(erase_script(), keys, args, deadline));
}

Result<void> CacheTier::erase_many(std::span<const std::string> keys, Deadline deadline) {
  if (deadline.expired()) return too_late();
  if (keys.empty()) return {};
  std::vector<Command> commands;
  for (const std::string& key : keys) commands.emplace_back("DEL", wire_key(key));
  for (auto& reply : ask(std::move(commands), deadline)) TRY_VOID(expect_ok(std::move(reply)));
  return {};
}

Result<void> CacheTier::erase_tag(std::string_view tag, Deadline deadline) {
  if (deadline.expired()) return too_late();
  const auto time = std::chrono::milliseconds{tag_time}.count();
  return expect_ok(client_.call(Command("SET", tag_key(tag), hex(fresh_stamp()), "PX", time).idempotent(), deadline));
}

Result<void> CacheTier::clear(Deadline deadline) {
  if (deadline.expired()) return too_late();
  const std::uint64_t next = fresh_stamp();
  TRY_VOID(expect_ok(client_.call(Command("SET", era_key(), hex(next)).idempotent(), deadline)));
  *era_.lock() = next;
  return {};
}

void teach_cache_scripts(Double& twin) {
  twin.teach(put_script().text(), [](DoubleCall& call) {
    const auto fence = call.command({"GET", call.keys[1]});
    if (!fence.is_nil() && fence.text > call.arguments[0]) return DoubleReply::of(0);
    const std::string known = call.command({"GETRANGE", call.keys[0], "2", "37"}).text;
    if (known.size() == 36 && known.substr(20) == call.arguments[3] && known.substr(0, 20) > call.arguments[0])
      return DoubleReply::of(0);
    call.command({"SET", call.keys[0], call.arguments[1], "PX", call.arguments[2]});
    return DoubleReply::of(1);
  });
  twin.teach(erase_script().text(), [](DoubleCall& call) {
    const std::string known = call.command({"GETRANGE", call.keys[0], "2", "21"}).text;
    if (known.size() == 20 && known > call.arguments[0]) return DoubleReply::of(0);
    call.command({"DEL", call.keys[0]});
    const auto fence = call.command({"GET", call.keys[1]});
    const bool higher = !fence.is_nil() && fence.text > call.arguments[0];
    call.command({"SET", call.keys[1], higher ? fence.text : call.arguments[0], "PX", call.arguments[1]});
    return DoubleReply::of(1);
  });
}

}  // namespace chaveiro::redis
