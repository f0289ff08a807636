#include "clients/redis/official_lua.h"

namespace chaveiro::redis {

constexpr std::string_view text = R"lua(
local sub, find = string.sub, string.find
local min, max, ceil = math.min, math.max, math.ceil
local MAX, DEBT = 4503599627370495, 1048576

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
local function least(s) return min(s[1], s[2], s[3], s[4], s[5], s[6]) end
local function balance(s)
  if s.how == 2 then return floordiv(s[1], (price(s))) end
  return least(s) - s.charged
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

local function asked(i)
  local t = {}
  t.print, t.a, t.b, t.c, t.flags, t.refill, t.period, t.capacity, t.how = su('>I7i7i7i7I1I7I7I7I1', blob, 51 * i - 26)
  return t
end
-- t: the terms that hold now; nothing: those that it has.
local function load(text, t)
  local s, n = {}, 0
  if not text then
    s.refill = t.refill; s.period = t.period; s.capacity = t.capacity; s.how = t.how; s.print = t.print
    s.at = min(now, floordiv(MAX, 2)); s.charged = s.at; s.held = 0; s.holds = ''
    begin_periods(s, s.capacity)
    return s
  end
  local _
  s.refill, s.period, s.how, s.slot_charged, s.slot, s[1], s[2], s[3], s[4], s[5], s[6] = su('>I7I7I1i7I1i7i7i7i7i7i7', text)
  s.print, s.slot_begin, _, _, _, s.capacity, s.charged, s.at, s.held, n = su('>I7I7I7i7i7I7I7I7i7I3', text, 66)
  s.holds = sub(text, 132, 131 + 30 * n)
  while #s.holds > 0 do
    local ends, worst = su('>I7i7', s.holds)
    if ends > max(now, s.at) then break end
    pass(s, ends)
    s.holds = sub(s.holds, 31)
    s.held = s.held - worst
    charge(s, worst)
  end
  pass(s, now)
  if t and (s.refill ~= t.refill or s.period ~= t.period or s.capacity ~= t.capacity or s.how ~= t.how) then
    local tokens = min(balance(s), t.capacity)
    local same = s.how == 1 and t.how == 1 and s.period == t.period
    s.refill = t.refill; s.period = t.period; s.capacity = t.capacity; s.how = t.how; s.print = t.print
    if same then for i = 1, 6 do s[i] = min(s[i], s.capacity + s.charged) end else begin_periods(s, tokens) end
  end
  return s
end
local function packed(s, low)
  local to = 0
  if low and s.how == 1 and s.period >= 6 then to = s.slot_begin + length(s) end
  return sp('>I7I7I1i7I1i7i7i7i7i7i7', s.refill, s.period, s.how, s.slot_charged, s.slot, s[1], s[2], s[3], s[4], s[5], s[6]) ..
         sp('>I7I7I7i7i7I7I7I7i7I3', s.print, s.slot_begin, to, least(s), low or 0, s.capacity, s.charged, s.at, s.held, #s.holds / 30) ..
         s.holds
end
local nothing = string.rep('\0', 30)
local function save(key, s)
  if s.refill <= 0 then return call('SET', key, packed(s) .. nothing) end
  -- Half of what is missing may be missing besides before the key needs a longer life.
  local free = balance(s) - s.held
  local missing = max(0, s.capacity - free)
  missing = missing + max(4, ceil(missing / 2))
  local life = (floordiv(missing + s.refill - 1, s.refill) + 2) * s.period + length(s)
  call('SET', key, packed(s, s.capacity - missing) .. nothing, 'PX', string.format('%.0f', ceil(life / 1000) + 60000))
end
local function place(holds, reservation)
  for at = 15, #holds, 30 do if sub(holds, at, at + 15) == reservation then return at end end
end
local function hold(s, worst)
  local ends, at = now + time, #s.holds
  while at > 0 and su('>I7', s.holds, at - 29) > ends do at = at - 30 end
  s.holds = sub(s.holds, 1, at) .. sp('>I7i7c16', ends, worst, id) .. sub(s.holds, at + 1)
  s.held = s.held + worst
end
local function noted(key)
  local all, at = call('GET', key), 1
  while all do
    at = find(all, id, at, true)
    if not at then return false end
    if at % 16 == 1 then return true end
    at = at + 1
  end
  return false
end
local function answer(number, all)
  local out = {sp('>I1', number)}
  for i, s in ipairs(all) do out[i + 1] = sp('>i7i7I7', s.b or balance(s), s.held, s.charged) end
  return table.concat(out)
end
local function value(i)
  if values then return values[i] end
  return call('GET', KEYS[i])
end

if step == 1 then
  local all, allowed = {}, true
  for i = 1, count do
    local t = asked(i)
    local s = load(value(i), t)
    s.worst = t.a
    s.b = balance(s)
    s.known = place(s.holds, id)
    if not s.known and s.b - s.held - t.b < 1 then allowed = false end
    all[i] = s
  end
  if not allowed then
    for i, s in ipairs(all) do all[i] = packed(s) end
    return all
  end
  for i, s in ipairs(all) do
    if not s.known then
      hold(s, s.worst)
      save(KEYS[i], s)
    end
  end
  return answer(1, all)
elseif step == 3 then
  if noted(KEYS[count + 1]) then return 0 end
  for i = 1, count do
    local t = asked(i)
    local s = load(value(i), t)
    if not place(s.holds, id) then
      hold(s, t.a)
      save(KEYS[i], s)
    end
  end
  return 1
elseif step == 2 then
  local repeated, all, parts = false, {}, {'\0'}
  for i = 1, count do
    local text, t = value(i), asked(i)
    local s = load(text, t)
    all[i] = s
    local at = place(s.holds, id)
    if not at then
      if i == 1 and ended == 0 and not noted(KEYS[count + 1]) then return redis.error_reply('UNKNOWN no such reservation') end
      repeated = true
    else
      s.held = s.held - su('>i7', s.holds, at - 7)
      s.holds = sub(s.holds, 1, at - 15) .. sub(s.holds, at + 16)
      charge(s, t.a)
      if t.flags % 2 == 1 then lower_to(s, 0) end
      if t.flags >= 2 and balance(s) < t.c then set_balance(s, t.c) end
      if t.b > 0 and t.a > 0 then parts[#parts + 1] = sp('>I7I7I2', t.b, s.charged, #KEYS[i]) .. KEYS[i] end
    end
    if at or text then save(KEYS[i], s) end
  end
  if not repeated then
    if call('APPEND', KEYS[count + 1], id) == 16 then call('PEXPIRE', KEYS[count + 1], '600000') end
    if #parts > 1 and KEYS[count + 2] then call('SET', KEYS[count + 2], table.concat(parts), 'NX', 'PX', time) end
  end
  return answer(repeated and 1 or 0, all)
elseif step == 4 then
  local look_up = call('GET', KEYS[1])
  if not look_up then return redis.error_reply('UNKNOWN no such look-up') end
  if sub(look_up, 1, 1) == '\1' then return 0 end
  call('SETRANGE', KEYS[1], '0', '\1')
  local at = 2
  for i = 2, #KEYS do
    local tokens, charged, bytes = su('>I7I7I2', look_up, at)
    at = at + 16 + bytes
    local text = call('GET', KEYS[i])
    if text then
      local s = load(text)
      credit(s, tokens, charged)
      save(KEYS[i], s)
    end
  end
  return 1
elseif step == 5 then
  local t = asked(1)
  local s = load(value(1), t)
  local charged_then = clamp(t.b, 0, s.charged)
  if t.flags == 1 then lower_to(s, t.a - (s.charged - charged_then)) else credit(s, t.a, charged_then) end
  save(KEYS[1], s)
  return packed(s)
end
return packed(load(value(1), asked(1)))
)lua";
const std::string_view official_whole_lua = text;

}  // namespace chaveiro::redis
