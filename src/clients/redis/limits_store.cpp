#include "clients/redis/limits_store.h"

#include <algorithm>
#include <charconv>

#include "clients/redis/value.h"

namespace chaveiro::redis {
namespace {

using limits::Ask;
using limits::Decision;

// ARGV: caller's time, time for tests or "", mode (1 take, 2 peek, 3 force), then for each key: algorithm, capacity, period, rate,
// price, window begin, window end, on_change (1 as_is, 2 proportion, 3 additive, 4 reset), cost, weight (1 binding, 2 shadow), holder.
// A value: nine doubles (algorithm, capacity, period, rate, price, at, a, b, c), then three for each mark (time, cost, holder).
// Answers for each key: allowed, room, µs until as new, µs until admitted; -1 for never.
constexpr std::string_view script_text = R"lua(
local MAX = 4503599627370495
local function floordiv(a, b) return (a - a % b) / b end
local function ceildiv(a, b) return -floordiv(-a, b) end
local function clamp(x, low, high) if x < low then return low elseif x > high then return high end return x end
local function units(n, cost) local most = floordiv(MAX, n.price); return clamp(cost, -most, most) * n.price end
local function full(n) return n.capacity * n.price end
local function count(n, s, cost) s.a = clamp(s.a + units(n, cost) / n.price, 0, n.capacity) end
local function window(n, now) return now - now % n.period end
local NEVER = -1

local bucket = {
  begin = function(n, s) s.a = full(n) end,
  roll = function(n, s, now)
    local missing, elapsed = full(n) - s.a, now - s.at
    if n.rate == 0 or missing <= 0 or elapsed <= 0 then return end
    if elapsed >= ceildiv(missing, n.rate) then s.a = full(n) else s.a = s.a + elapsed * n.rate end
  end,
  room = function(n, s) return floordiv(s.a, n.price) end,
  spend = function(n, s, cost) s.a = clamp(s.a - units(n, cost), -MAX, full(n)) end,
  wait = function(n, s, cost)
    local lacking = units(n, cost) - s.a
    if lacking <= 0 then return 0 elseif n.rate == 0 then return NEVER end
    return ceildiv(lacking, n.rate)
  end,
}
bucket.reset = function(n, s) return bucket.wait(n, s, n.capacity) end

local gcra = {
  begin = function(n, s, now) s.a = now end,
  roll = function(n, s, now) if s.a < now then s.a = now; s.b = 0 end end,
  debt = function(n, s) return (s.a - s.at) * n.rate + s.b end,
}
gcra.room = function(n, s) return floordiv(full(n) - gcra.debt(n, s), n.price) end
gcra.spend = function(n, s, cost)
  if n.rate == 0 then return end
  local owed = clamp(gcra.debt(n, s) + units(n, cost), 0, full(n) + MAX)
  s.b = owed % n.rate
  s.a = s.at + (owed - s.b) / n.rate
end
gcra.wait = function(n, s, cost)
  local lacking = units(n, cost) + gcra.debt(n, s) - full(n)
  if lacking <= 0 then return 0 elseif n.rate == 0 then return NEVER end
  return ceildiv(lacking, n.rate)
end
gcra.reset = function(n, s) return gcra.wait(n, s, n.capacity) end

local fixed = {
  begin = function(n, s, now) s.b = window(n, now) end,
  roll = function(n, s, now) local w = window(n, now); if w ~= s.b then s.b = w; s.a = 0 end end,
  room = function(n, s) return n.capacity - s.a end,
  spend = function(n, s, cost) count(n, s, cost) end,
  wait = function(n, s, cost) if n.capacity - s.a >= cost then return 0 end return s.b + n.period - s.at end,
  reset = function(n, s) if s.a == 0 then return 0 end return s.b + n.period - s.at end,
}

local calendar = {
  begin = function(n, s) s.b = n.from; s.c = n.to end,
  roll = function(n, s, now) if now >= s.c then s.a = 0; s.b = n.from; s.c = n.to end end,
  room = fixed.room,
  spend = fixed.spend,
  wait = function(n, s, cost) if n.capacity - s.a >= cost then return 0 end return s.c - s.at end,
  reset = function(n, s) if s.a == 0 then return 0 end return s.c - s.at end,
}

local sliding = {
  begin = fixed.begin,
  roll = function(n, s, now)
    local w = window(n, now)
    if w == s.b then return end
    if w == s.b + n.period then s.c = s.a else s.c = 0 end
    s.a = 0; s.b = w
  end,
  left = function(n, s) return s.b + n.period - s.at end,
  spend = fixed.spend,
}
sliding.room = function(n, s) return n.capacity - s.a - ceildiv(s.c * sliding.left(n, s), n.period) end
local function enough_after(n, before, most)
  if before <= most then return 0 end
  return n.period - floordiv(most * n.period, before)
end
sliding.wait = function(n, s, cost)
  if sliding.room(n, s) >= cost then return 0 end
  local most = n.capacity - cost
  if s.a <= most then return s.b + enough_after(n, s.c, most - s.a) - s.at end
  return sliding.left(n, s) + enough_after(n, s.a, most)
end
sliding.reset = function(n, s)
  if s.a > 0 then return sliding.left(n, s) + n.period end
  if s.c > 0 then return sliding.left(n, s) end
  return 0
end

local function drop(s, still)
  local kept = {}
  for _, m in ipairs(s.marks) do if still(m) then kept[#kept + 1] = m else s.a = s.a - m[2] end end
  s.marks = kept
end
local log = {
  begin = function() end,
  roll = function(n, s, now) drop(s, function(m) return m[1] > now - n.period end) end,
  room = fixed.room,
  spend = function(n, s, cost)
    local before = s.a
    count(n, s, cost)
    local by = s.a - before
    local last = s.marks[#s.marks]
    if by > 0 then
      if last and last[1] == s.at then last[2] = last[2] + by else s.marks[#s.marks + 1] = {s.at, by, 0} end
    end
    while by < 0 do
      last = s.marks[#s.marks]
      local taken = math.min(-by, last[2])
      last[2] = last[2] - taken; by = by + taken
      if last[2] == 0 then s.marks[#s.marks] = nil end
    end
  end,
  wait = function(n, s, cost)
    local free = n.capacity - s.a
    if free >= cost then return 0 end
    for _, m in ipairs(s.marks) do
      free = free + m[2]
      if free >= cost then return m[1] + n.period - s.at end
    end
    return NEVER
  end,
  reset = function(n, s) local m = s.marks[#s.marks]; if m then return m[1] + n.period - s.at end return 0 end,
}
local places = {
  begin = function() end,
  roll = function(n, s, now) drop(s, function(m) return m[1] > now end) end,
  room = fixed.room,
  spend = function(n, s, cost, holder)
    local taken = clamp(cost, 0, math.max(0, n.capacity - s.a))
    if taken == 0 then return end
    s.marks[#s.marks + 1] = {s.at + n.period, taken, holder}
    s.a = s.a + taken
  end,
  wait = function(n, s, cost)
    local free = n.capacity - s.a
    if free >= cost then return 0 end
    for _, m in ipairs(s.marks) do
      free = free + m[2]
      if free >= cost then return m[1] - s.at end
    end
    return NEVER
  end,
  reset = function(n, s) local m = s.marks[#s.marks]; if m then return m[1] - s.at end return 0 end,
}
local by_number = {bucket, gcra, log, sliding, fixed, calendar, places}

local function fresh(n, now)
  local s = {at = now, a = 0, b = 0, c = 0, marks = {}}
  by_number[n.algorithm].begin(n, s, now)
  return s
end
local function roll(n, s, now)
  if now <= s.at then return end
  by_number[n.algorithm].roll(n, s, now)
  s.at = now
end
local function changed(old, s, n, now, how)
  now = math.max(now, s.at)
  local f = fresh(n, now)
  local left = by_number[old.algorithm].room(old, s)
  if how == 4 or by_number[old.algorithm].reset(old, s) == 0 then return f end
  local keeps = left
  if how == 3 then keeps = left + (n.capacity - old.capacity) end
  if how == 2 and old.capacity > 0 then
    -- left × capacity may pass 2^53: whole part and rest apart
    local rest = left % old.capacity
    keeps = (left - rest) / old.capacity * n.capacity + floordiv(rest * n.capacity, old.capacity)
  end
  if old.algorithm == 7 and n.algorithm == 7 then f.marks = s.marks; f.a = s.a; return f end
  by_number[n.algorithm].spend(n, f, n.capacity - keeps, 0)
  return f
end
local function unpacked(text)
  local o, s = {}, {marks = {}}
  o.algorithm, o.capacity, o.period, o.rate, o.price, s.at, s.a, s.b, s.c = struct.unpack('>ddddddddd', text)
  for at = 73, #text, 24 do
    local t, c, h = struct.unpack('>ddd', text, at)
    s.marks[#s.marks + 1] = {t, c, h}
  end
  return o, s
end
local function packed(n, s)
  local out = {struct.pack('>ddddddddd', n.algorithm, n.capacity, n.period, n.rate, n.price, s.at, s.a, s.b, s.c)}
  for i, m in ipairs(s.marks) do out[i + 1] = struct.pack('>ddd', m[1], m[2], m[3]) end
  return table.concat(out)
end

local mode = tonumber(ARGV[3])
local now
if ARGV[2] ~= '' then
  now = tonumber(ARGV[2])
else
  local t = redis.call('TIME')
  now = tonumber(t[1]) * 1000000 + tonumber(t[2])
  local caller = tonumber(ARGV[1])
  if math.abs(now - caller) > 2000000 then now = math.min(now, caller) end
end
now = clamp(now, 0, MAX)

local values = redis.call('MGET', unpack(KEYS))
local known, all = {}, {}
for i, key in ipairs(KEYS) do
  local p = 3 + (i - 1) * 11
  local n = {algorithm = tonumber(ARGV[p + 1]), capacity = tonumber(ARGV[p + 2]), period = tonumber(ARGV[p + 3]),
             rate = tonumber(ARGV[p + 4]), price = tonumber(ARGV[p + 5]), from = tonumber(ARGV[p + 6]), to = tonumber(ARGV[p + 7])}
  local at = now
  if n.algorithm == 6 then at = clamp(now, n.from, n.to - 1) end
  local it = known[key]
  if not it then
    it = {asked = 0}
    if values[i] then
      local old
      old, it.s = unpacked(values[i])
      old.from = n.from; old.to = n.to
      roll(old, it.s, at)
      if old.algorithm ~= n.algorithm or old.capacity ~= n.capacity or old.period ~= n.period or old.rate ~= n.rate or
         old.price ~= n.price then
        it.s = changed(old, it.s, n, at, tonumber(ARGV[p + 8]))
        roll(n, it.s, at)
      end
    else
      it.s = fresh(n, at)
    end
    known[key] = it
  end
  all[i] = {n = n, it = it, cost = tonumber(ARGV[p + 9]), binding = ARGV[p + 10] == '1', holder = tonumber(ARGV[p + 11])}
end

local allowed = true
for _, x in ipairs(all) do
  x.allowed = x.cost <= by_number[x.n.algorithm].room(x.n, x.it.s) - x.it.asked
  x.it.asked = x.it.asked + clamp(x.cost, 0, MAX)
  if not x.allowed and x.binding then allowed = false end
end
for _, x in ipairs(all) do
  if mode == 3 or (mode == 1 and allowed and x.allowed) then
    by_number[x.n.algorithm].spend(x.n, x.it.s, x.cost, x.holder)
  end
end
local answer = {}
for i, x in ipairs(all) do
  local kind = by_number[x.n.algorithm]
  local reset = kind.reset(x.n, x.it.s)
  local retry = 0
  if not x.allowed then
    if x.cost > x.n.capacity then retry = NEVER else retry = kind.wait(x.n, x.it.s, x.cost) end
  end
  answer[i] = {x.allowed and 1 or 0, kind.room(x.n, x.it.s), reset, retry}
  if mode ~= 2 then
    if reset == 0 then
      if values[i] then redis.call('DEL', KEYS[i]) end
    elseif reset == NEVER then
      redis.call('SET', KEYS[i], packed(x.n, x.it.s))
    else
      redis.call('SET', KEYS[i], packed(x.n, x.it.s), 'PX', math.ceil(reset / 1000) + 5000)
    end
  end
end
return answer
)lua";

constexpr std::string_view release_text = R"lua(
local text = redis.call('GET', KEYS[1])
if not text then return 0 end
local head, out, a = {struct.unpack('>ddddddddd', text)}, {}, 0
for at = 73, #text, 24 do
  local t, c, h = struct.unpack('>ddd', text, at)
  if h ~= tonumber(ARGV[1]) then out[#out + 1] = string.sub(text, at, at + 23); a = a + c end
end
redis.call('SET', KEYS[1], struct.pack('>ddddddddd', head[1], head[2], head[3], head[4], head[5], head[6], a, head[8], head[9]) ..
           table.concat(out), 'KEEPTTL')
return 1
)lua";

const Script& release_script() {
  static const Script script(release_text, Access::idempotent);
  return script;
}

// KEYS: the bucket, the resets by the time when they were made. ARGV: the bucket's key without the prefix.
constexpr std::string_view reset_text = R"lua(
redis.call('DEL', KEYS[1])
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000000 + tonumber(t[2])
local last = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
if last and tonumber(last) >= now then now = tonumber(last) + 1 end
redis.call('ZADD', KEYS[2], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1001)
redis.call('PEXPIRE', KEYS[2], 3600000)
return 1
)lua";

// Answers the new mark, then the keys. A mark of 1: there were none yet.
constexpr std::string_view resets_text = R"lua(
if ARGV[1] == '0' then return {redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] or '1'} end
local out = {ARGV[1]}
local all = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf', 'WITHSCORES')
for i = 1, #all, 2 do
  out[#out + 1] = all[i]
  out[1] = all[i + 1]
end
return out
)lua";

const Script& reset_script() {
  static const Script script(reset_text, Access::idempotent);
  return script;
}

const Script& resets_script() {
  static const Script script(resets_text, Access::idempotent);
  return script;
}

Micros micros_of(std::int64_t number) { return number < 0 ? limits::never : Micros{number}; }

Error unexpected() { return fail(Code::corrupt, "UnexpectedReply", "the script of limits answered in another shape"); }

}  // namespace

const Script& limits_script() {
  static const Script script(script_text);
  return script;
}

LimitsStore::LimitsStore(LimitsStoreOptions options, Client& client, const Clock& clock)
    : options_(std::move(options)), client_(client), clock_(clock), time_for_tests_(options_.time_for_tests) {}

Result<limits::Verdict> LimitsStore::take(std::span<const Ask> asks, limits::Mode mode, Deadline deadline) {
  const auto fixed_time = *time_for_tests_.lock();
  const std::int64_t now = fixed_time.value_or(clock_.now().time_since_epoch().count());
  std::vector<std::string> keys;
  std::vector<std::string> args{std::to_string(now), fixed_time ? std::to_string(now) : "",
                                std::to_string(static_cast<int>(mode))};
  for (const Ask& ask : asks) {
    const limits::Numbers& n = ask.terms->numbers;
    const limits::Moment moment = moment_of(ask.terms->limit, now);
    keys.push_back(options_.prefix + std::string(ask.key));
    const std::int64_t numbers[] = {static_cast<int>(n.algorithm),
                                    n.capacity,
                                    n.period,
                                    n.rate,
                                    n.price,
                                    moment.window.begin,
                                    moment.window.end,
                                    static_cast<int>(ask.terms->on_change),
                                    std::clamp(ask.cost, -limits::units_max, limits::units_max),
                                    static_cast<int>(ask.weight),
                                    ask.holder};
    for (const std::int64_t number : numbers) args.push_back(std::to_string(number));
  }
  const std::vector<std::string_view> key_views(keys.begin(), keys.end());
  const std::vector<std::string_view> arg_views(args.begin(), args.end());
  TRY(const Value reply, checked(client_.eval(limits_script(), key_views, arg_views, deadline)));
  if (reply.items.size() != asks.size()) return unexpected();
  limits::Verdict verdict{.allowed = true};
  for (std::size_t i = 0; i < asks.size(); ++i) {
    const std::vector<Value>& row = reply.items[i].items;
    if (row.size() != 4) return unexpected();
    const std::int64_t capacity = asks[i].terms->numbers.capacity;
    const std::int64_t room = row[1].integer;
    verdict.decisions.push_back({.allowed = row[0].integer == 1,
                                 .limit = capacity,
                                 .remaining = std::max<std::int64_t>(0, room),
                                 .count = capacity - room,
                                 .reset_after = micros_of(row[2].integer),
                                 .retry_after = micros_of(row[3].integer)});
    if (row[0].integer != 1 && asks[i].weight == limits::Weight::binding) verdict.allowed = false;
  }
  return verdict;
}

Result<void> LimitsStore::release(const Ask& ask, Deadline deadline) {
  const std::string key = options_.prefix + std::string(ask.key);
  const std::string holder = std::to_string(ask.holder);
  const std::string_view keys[] = {key};
  const std::string_view args[] = {holder};
  return expect_ok(client_.eval(release_script(), keys, args, deadline));
}

Result<void> LimitsStore::reset(std::string_view key, Deadline deadline) {
  const std::string bucket = options_.prefix + std::string(key), told = options_.prefix + "~resets";
  const std::string_view keys[] = {bucket, told};
  const std::string_view args[] = {key};
  return expect_ok(client_.eval(reset_script(), keys, args, deadline));
}

Result<limits::Resets> LimitsStore::resets(std::int64_t since, Deadline deadline) {
  const std::string told = options_.prefix + "~resets", mark = std::to_string(since);
  const std::string_view keys[] = {told};
  const std::string_view args[] = {mark};
  TRY(const Value reply, checked(client_.eval(resets_script(), keys, args, deadline)));
  if (reply.items.empty()) return unexpected();
  limits::Resets resets;
  const std::string& last = reply.items[0].text;
  if (std::from_chars(last.data(), last.data() + last.size(), resets.mark).ec != std::errc{}) return unexpected();
  for (std::size_t i = 1; i < reply.items.size(); ++i) resets.keys.push_back(reply.items[i].text);
  return resets;
}

Result<std::vector<limits::BucketView>> LimitsStore::busiest(std::string_view, std::size_t, Deadline) {
  return std::vector<limits::BucketView>{};
}

}  // namespace chaveiro::redis
