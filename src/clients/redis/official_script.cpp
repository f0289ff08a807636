#include "clients/redis/official_script.h"

#include <bit>

namespace chaveiro::redis {
namespace {

// ARGV: caller's time, time for tests or "", step, then the step's own; what is said of a bucket comes as doubles in one argument, the
// four of its terms first. quick() is the common case (a bucket that is known, under the same terms, in the same slot, with nothing
// that ends) without the machinery that follows it: it decides as that does, or not at all. A value: sixteen doubles (refill, period, capacity, how, at,
// charged, slot_begin, slot_charged, slot, six tops, held), then for each hold until, worst and 36 bytes of id.
constexpr std::string_view script_text = R"lua(
local call, su, sp, sub, find = redis.call, struct.unpack, struct.pack, string.sub, string.find
local min, max, ceil = math.min, math.max, math.ceil
local MAX, DEBT = 4503599627370495, 1048576

local now
if ARGV[2] ~= '' then
  now = tonumber(ARGV[2])
else
  local t = call('TIME')
  now = tonumber(t[1]) * 1000000 + tonumber(t[2])
  local caller = tonumber(ARGV[1])
  if math.abs(now - caller) > 2000000 then now = min(now, caller) end
end
now = max(0, min(now, MAX))

local step, id = ARGV[3], ARGV[4]
local settles = step == 'settle'
local values
local function quick()
  local first = settles and 6 or 5
  local count = #ARGV - first
  values = call('MGET', unpack(KEYS))
  if settles and values[count + 1] then return end
  local texts, lives, answer, credits = {}, {}, {settles and 0 or 1}, {}
  for i = 1, count do
    local text, arg = values[i], ARGV[first + i]
    if not text or sub(text, 1, 32) ~= sub(arg, 1, 32) then return end
    local refill, period, capacity, how, at, charged, from, _, _, a, b, c, d, e, f, held = su('>dddddddddddddddd', text)
    if how ~= 1 or refill <= 0 or period < 6 or now < at or now <= from or now >= from + (period - period % 6) / 6 then return end
    if #text > 128 and su('>d', text, 129) <= now then return end
    local balance = min(a, b, c, d, e, f) - charged
    local found = find(text, id, 129, true)
    if settles then
      local cost, empties, floored, _, credit = su('>ddddd', arg, 33)
      if not found or empties ~= 0 or floored ~= 0 or cost < 0 or cost > DEBT or balance >= capacity or balance < -DEBT then return end
      held = held - su('>d', text, found - 8)
      charged = charged + cost
      balance = balance - cost
      texts[i] = sub(text, 1, 40) .. sp('>d', charged) .. sub(text, 49, 120) .. sp('>d', held) .. sub(text, 129, found - 17) ..
                 sub(text, found + 36)
      if credit > 0 and cost > 0 then
        credits[#credits + 1] = KEYS[i]
        credits[#credits + 1] = string.format('%.0f %.0f', credit, charged)
      end
    else
      local worst, kept = su('>dd', arg, 33)
      if found or balance - held - kept < 1 then return end
      held = held + worst
      texts[i] = sub(text, 1, 120) .. sp('>d', held) .. sub(text, 129) .. sp('>dd', now + tonumber(ARGV[5]), worst) .. id
    end
    lives[i] = ceil((ceil(max(0, capacity - balance + held) / refill) + 2) * period / 1000) + 60000
    answer[3 * i - 1], answer[3 * i], answer[3 * i + 1] = balance, held, charged
  end
  for i = 1, count do call('SET', KEYS[i], texts[i], 'PX', lives[i]) end
  if settles then
    call('SET', KEYS[count + 1], '1', 'PX', 600000)
    if #credits > 0 and KEYS[count + 2] and call('EXISTS', KEYS[count + 2]) == 0 then
      call('HSET', KEYS[count + 2], unpack(credits))
      call('PEXPIRE', KEYS[count + 2], tonumber(ARGV[6]))
    end
  end
  return answer
end
if settles or step == 'reserve' then
  local answer = quick()
  if answer then return answer end
end

local function floordiv(a, b) return (a - a % b) / b end
local function clamp(x, low, high) if x < low then return low elseif x > high then return high end return x end

local function gcd(a, b) while b ~= 0 do a, b = b, a % b end return a end
local function price(s)
  local d = gcd(s.refill, s.period)
  if d == 0 then return 1, 0 end
  return s.period / d, s.refill / d
end
local function length(s) return max(1, floordiv(s.period, 6)) end
local function begin_periods(s, tokens)
  s.slot_begin = s.at; s.slot_charged = s.charged; s.slot = 0
  local top = tokens + s.charged
  if s.how == 2 then top = tokens * price(s) end
  for i = 1, 6 do s[i] = top end
end
local function balance(s)
  if s.how == 2 then return floordiv(s[1], (price(s))) end
  return min(s[1], s[2], s[3], s[4], s[5], s[6]) - s.charged
end
local function end_slot(s)
  local i = s.slot + 1
  s[i] = min(s.capacity + s.slot_charged, s[i] + s.refill)
  s.slot = i % 6
  s.slot_begin = s.slot_begin + length(s)
  s.slot_charged = s.charged
end
local function pass(s, to)
  if to <= s.at then return end
  if s.how == 2 then
    local p, r = price(s)
    local missing = s.capacity * p - s[1]
    if missing > 0 and r > 0 then
      local elapsed = to - s.at
      if elapsed > floordiv(missing, r) then s[1] = s.capacity * p else s[1] = min(s[1] + elapsed * r, s.capacity * p) end
    end
  elseif s.slot_begin + length(s) <= to then
    local l = length(s)
    for i = 1, 6 do if s.slot_begin + l <= to then end_slot(s) end end
    local periods = max(0, floordiv(to - s.slot_begin, l * 6))
    if periods > 0 then
      local full = s.capacity + s.charged
      for i = 1, 6 do
        local missing = full - s[i]
        if s.refill > 0 and periods >= floordiv(missing + s.refill - 1, s.refill) then s[i] = full
        else s[i] = s[i] + periods * s.refill end
      end
      s.slot_begin = s.slot_begin + periods * l * 6
    end
    while s.slot_begin + l <= to do end_slot(s) end
  end
  s.at = to
end
local function charge(s, cost)
  cost = clamp(cost, 0, s.capacity + DEBT)
  local before = balance(s)
  if cost == 0 or before < -DEBT then return end
  if s.how == 2 then s[1] = s[1] - cost * price(s); s.charged = s.charged + cost; return end
  if before == s.capacity then begin_periods(s, s.capacity) end
  s.charged = s.charged + cost
  if s.at == s.slot_begin then s.slot_charged = s.charged end
end
local function credit(s, tokens, charged_then)
  tokens = clamp(tokens, 0, s.capacity)
  charged_then = clamp(charged_then, 0, s.charged)
  if s.how == 2 then
    local p = price(s)
    local most = (s.capacity - min(s.capacity, s.charged - charged_then)) * p
    s[1] = max(s[1], min(most, s[1] + tokens * p))
    return
  end
  for i = 1, 6 do s[i] = max(s[i], min(s.capacity + charged_then, s[i] + tokens)) end
end
local function set_balance(s, tokens) begin_periods(s, clamp(tokens, -DEBT, s.capacity)) end
local function lower_to(s, tokens) if tokens < balance(s) then set_balance(s, tokens) end end

local function load(text, refill, period, capacity, how)
  local s = {}
  if text then
    s.refill, s.period, s.capacity, s.how, s.at, s.charged, s.slot_begin, s.slot_charged, s.slot,
      s[1], s[2], s[3], s[4], s[5], s[6], s.held = struct.unpack('>dddddddddddddddd', text)
    s.holds = string.sub(text, 129)
    while #s.holds > 0 do
      local ends, worst = struct.unpack('>dd', s.holds)
      if ends > max(now, s.at) then break end
      pass(s, ends)
      s.holds = string.sub(s.holds, 53)
      s.held = s.held - worst
      charge(s, worst)
    end
    pass(s, now)
    if refill and (s.refill ~= refill or s.period ~= period or s.capacity ~= capacity or s.how ~= how) then
      local tokens = min(balance(s), capacity)
      local same = s.how == 1 and how == 1 and s.period == period
      s.refill = refill; s.period = period; s.capacity = capacity; s.how = how
      if same then for i = 1, 6 do s[i] = min(s[i], capacity + s.charged) end else begin_periods(s, tokens) end
    end
    return s
  end
  s.refill = refill; s.period = period; s.capacity = capacity; s.how = how
  s.at = min(now, floordiv(MAX, 2)); s.charged = s.at; s.held = 0; s.holds = ''
  begin_periods(s, capacity)
  return s
end
local function packed(s)
  return struct.pack('>dddddddddddddddd', s.refill, s.period, s.capacity, s.how, s.at, s.charged, s.slot_begin, s.slot_charged,
                     s.slot, s[1], s[2], s[3], s[4], s[5], s[6], s.held) .. s.holds
end
local function save(key, s, b)
  local missing = max(0, s.capacity - b + s.held)
  local text = packed(s)
  if s.refill <= 0 then redis.call('SET', key, text) return end
  redis.call('SET', key, text, 'PX', math.ceil((floordiv(missing + s.refill - 1, s.refill) + 2) * s.period / 1000) + 60000)
end
local function argument(i) return tonumber(ARGV[i]) end
local function terms(text, arg) return load(text, su('>dddd', arg)) end

if step == 'reserve' then
  -- id, timeout, then for each key: terms, worst, kept
  local all, allowed, answer = {}, true, {}
  for i = 1, #KEYS do
    local s = terms(values[i], ARGV[5 + i])
    local kept
    s.worst, kept = su('>dd', ARGV[5 + i], 33)
    all[i] = s
    s.b = balance(s)
    s.known = string.find(s.holds, ARGV[4], 1, true) ~= nil
    if not s.known and s.b - s.held - kept < 1 then allowed = false end
  end
  answer[1] = allowed and 1 or 0
  for i = 1, #KEYS do
    local s = all[i]
    if allowed then
      if not s.known then
        s.holds = s.holds .. struct.pack('>ddc36', now + argument(5), s.worst, id)
        s.held = s.held + s.worst
        save(KEYS[i], s, s.b)
      end
      answer[3 * i - 1], answer[3 * i], answer[3 * i + 1] = s.b, s.held, s.charged
    else
      answer[i + 1] = packed(s)
    end
  end
  return answer
elseif step == 'hold' then
  -- id, time, then for each bucket: terms, worst. KEYS: buckets, marker of the reservation
  if redis.call('EXISTS', KEYS[#KEYS]) == 1 then return 0 end
  for i = 1, #KEYS - 1 do
    local s = terms(redis.call('GET', KEYS[i]), ARGV[5 + i])
    if not string.find(s.holds, ARGV[4], 1, true) then
      local worst = su('>d', ARGV[5 + i], 33)
      s.holds = s.holds .. struct.pack('>ddc36', now + argument(5), worst, ARGV[4])
      s.held = s.held + worst
      save(KEYS[i], s, balance(s))
    end
  end
  return 1
elseif step == 'settle' then
  -- id, is it late, life of a look-up in ms, then for each bucket: terms, cost, does it empty, has it a floor, the floor, credit.
  -- KEYS: buckets, marker of the reservation, look-up or none
  local count = #ARGV - 6
  local marker = KEYS[count + 1]
  local repeated = values[count + 1] and true or false
  local answer, credits = {0}, {}
  for i = 1, count do
    local text = values[i]
    local s = terms(text, ARGV[6 + i])
    local cost, empties, floored, floor, credit = su('>ddddd', ARGV[6 + i], 33)
    local found = string.find(s.holds, ARGV[4], 1, true)
    if not found then
      if not repeated and ARGV[5] == '0' and i == 1 then return redis.error_reply('UNKNOWN no such reservation') end
      repeated = true
    else
      local _, worst = struct.unpack('>dd', s.holds, found - 16)
      s.holds = string.sub(s.holds, 1, found - 17) .. string.sub(s.holds, found + 36)
      s.held = s.held - worst
      charge(s, cost)
      if empties == 1 then lower_to(s, 0) end
      if floored == 1 and balance(s) < floor then set_balance(s, floor) end
      if credit > 0 and cost > 0 then
        credits[#credits + 1] = KEYS[i]
        credits[#credits + 1] = string.format('%.0f %.0f', credit, s.charged)
      end
    end
    local b = balance(s)
    if found or text then save(KEYS[i], s, b) end
    answer[3 * i - 1], answer[3 * i], answer[3 * i + 1] = b, s.held, s.charged
  end
  if not repeated then
    redis.call('SET', marker, '1', 'PX', 600000)
    if #credits > 0 and KEYS[count + 2] and redis.call('EXISTS', KEYS[count + 2]) == 0 then
      redis.call('HSET', KEYS[count + 2], unpack(credits))
      redis.call('PEXPIRE', KEYS[count + 2], argument(6))
    end
  end
  answer[1] = repeated and 1 or 0
  return answer
elseif step == 'credit' then
  -- KEYS: look-up, buckets
  if redis.call('EXISTS', KEYS[1]) == 0 then return redis.error_reply('UNKNOWN no such look-up') end
  if redis.call('HSETNX', KEYS[1], 'credited', '1') == 0 then return 0 end
  for i = 2, #KEYS do
    local part = redis.call('HGET', KEYS[1], KEYS[i])
    local text = redis.call('GET', KEYS[i])
    if part and text then
      local tokens, charged = string.match(part, '(%d+) (%d+)')
      local s = load(text)
      credit(s, tonumber(tokens), tonumber(charged))
      save(KEYS[i], s, balance(s))
    end
  end
  return 1
elseif step == 'correct' then
  -- terms, 1 lower or 2 raise, tokens, charged_then
  local s = terms(redis.call('GET', KEYS[1]), ARGV[4])
  local tokens, charged_then = argument(6), clamp(argument(7), 0, s.charged)
  if ARGV[5] == '1' then lower_to(s, tokens - (s.charged - charged_then)) else credit(s, tokens, charged_then) end
  save(KEYS[1], s, balance(s))
  return packed(s)
end
return packed(terms(redis.call('GET', KEYS[1]), ARGV[4]))
)lua";

}  // namespace

const Script& official_script() {
  static const Script made(script_text);
  return made;
}

const Script& repeatable_official_script() {
  static const Script made(script_text, Access::idempotent);
  return made;
}

std::string official_argument(const limits::OfficialTerms& terms, std::initializer_list<std::int64_t> more) {
  std::string bytes;
  const auto put = [&](std::int64_t number) {
    const auto bits = std::bit_cast<std::uint64_t>(static_cast<double>(number));
    for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(bits >> shift & 0xff));
  };
  put(terms.refill);
  put(terms.period.count());
  put(terms.capacity);
  put(static_cast<std::int64_t>(terms.how));
  for (const std::int64_t number : more) put(number);
  return bytes;
}

}  // namespace chaveiro::redis
