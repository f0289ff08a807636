#include "clients/redis/official_store.h"

#include <algorithm>
#include <bit>

#include "base/uuid.h"
#include "clients/redis/value.h"
#include "limits/limit.h"

namespace chaveiro::redis {
namespace {

using limits::OfficialAsk;
using limits::OfficialCharge;
using limits::OfficialState;
using limits::OfficialTerms;
using limits::OfficialView;

// ARGV: caller's time, time for tests or "", step, then the step's own. A value: sixteen doubles (refill, period, capacity, how, at,
// charged, slot_begin, slot_charged, slot, six tops, held), then for each hold until, worst and 36 bytes of id.
constexpr std::string_view script_text = R"lua(
local MAX, DEBT = 4503599627370495, 1048576
local function floordiv(a, b) return (a - a % b) / b end
local function clamp(x, low, high) if x < low then return low elseif x > high then return high end return x end
local min, max = math.min, math.max

local now
if ARGV[2] ~= '' then
  now = tonumber(ARGV[2])
else
  local t = redis.call('TIME')
  now = tonumber(t[1]) * 1000000 + tonumber(t[2])
  local caller = tonumber(ARGV[1])
  if math.abs(now - caller) > 2000000 then now = min(now, caller) end
end
now = clamp(now, 0, MAX)

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
local function terms(at, text) return load(text, argument(at), argument(at + 1), argument(at + 2), argument(at + 3)) end

local step = ARGV[3]
if step == 'reserve' then
  -- id, timeout, then for each key: refill, period, capacity, how, worst, kept
  local values = redis.call('MGET', unpack(KEYS))
  local all, allowed, answer = {}, true, {}
  for i = 1, #KEYS do
    local at = 6 + (i - 1) * 6
    local s = terms(at, values[i])
    all[i] = s
    s.b = balance(s)
    s.known = string.find(s.holds, ARGV[4], 1, true) ~= nil
    if not s.known and s.b - s.held - argument(at + 5) < 1 then allowed = false end
  end
  answer[1] = allowed and 1 or 0
  for i = 1, #KEYS do
    local s = all[i]
    if allowed then
      if not s.known then
        local worst = argument(6 + (i - 1) * 6 + 4)
        s.holds = s.holds .. struct.pack('>ddc36', now + argument(5), worst, ARGV[4])
        s.held = s.held + worst
        save(KEYS[i], s, s.b)
      end
      answer[i + 1] = {s.b, s.held, s.charged}
    else
      answer[i + 1] = packed(s)
    end
  end
  return answer
elseif step == 'hold' then
  -- id, time, then for each bucket: refill, period, capacity, how, worst. KEYS: buckets, marker of the reservation
  if redis.call('EXISTS', KEYS[#KEYS]) == 1 then return 0 end
  for i = 1, #KEYS - 1 do
    local at = 6 + (i - 1) * 5
    local s = terms(at, redis.call('GET', KEYS[i]))
    if not string.find(s.holds, ARGV[4], 1, true) then
      local worst = argument(at + 4)
      s.holds = s.holds .. struct.pack('>ddc36', now + argument(5), worst, ARGV[4])
      s.held = s.held + worst
      save(KEYS[i], s, balance(s))
    end
  end
  return 1
elseif step == 'settle' then
  -- id, is it late, life of a look-up in ms, number of buckets, then for each: refill, period, capacity, how, cost, empties, floor or "",
  -- credit. KEYS: buckets, marker of the reservation, look-up or none
  local count = argument(7)
  local marker = KEYS[count + 1]
  local repeated = redis.call('EXISTS', marker) == 1
  local answer, credits = {0}, {}
  for i = 1, count do
    local at = 8 + (i - 1) * 8
    local text = redis.call('GET', KEYS[i])
    local s = terms(at, text)
    local found = string.find(s.holds, ARGV[4], 1, true)
    if not found then
      if not repeated and ARGV[5] == '0' and i == 1 then return redis.error_reply('UNKNOWN no such reservation') end
      repeated = true
    else
      local _, worst = struct.unpack('>dd', s.holds, found - 16)
      s.holds = string.sub(s.holds, 1, found - 17) .. string.sub(s.holds, found + 36)
      s.held = s.held - worst
      charge(s, argument(at + 4))
      if ARGV[at + 5] == '1' then lower_to(s, 0) end
      if ARGV[at + 6] ~= '' and balance(s) < argument(at + 6) then set_balance(s, argument(at + 6)) end
      if argument(at + 7) > 0 and argument(at + 4) > 0 then
        credits[#credits + 1] = KEYS[i]
        credits[#credits + 1] = string.format('%.0f %.0f', argument(at + 7), s.charged)
      end
    end
    local b = balance(s)
    if found or text then save(KEYS[i], s, b) end
    answer[i + 1] = {b, s.held, s.charged}
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
  -- refill, period, capacity, how, 1 lower or 2 raise, tokens, charged_then
  local s = terms(4, redis.call('GET', KEYS[1]))
  local tokens, charged_then = argument(9), clamp(argument(10), 0, s.charged)
  if ARGV[8] == '1' then lower_to(s, tokens - (s.charged - charged_then)) else credit(s, tokens, charged_then) end
  save(KEYS[1], s, balance(s))
  return packed(s)
end
return packed(terms(4, redis.call('GET', KEYS[1])))
)lua";

double number_at(std::string_view text, std::size_t index) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < 8; ++i) bits = bits << 8 | static_cast<unsigned char>(text[index + i]);
  return std::bit_cast<double>(bits);
}

constexpr std::size_t header_bytes = 16 * 8;
constexpr std::size_t hold_bytes = 16 + 36;

Error unexpected() {
  return fail(Code::corrupt, "UnexpectedReply", "the script of policies answered in another shape");
}

Result<OfficialState> unpacked(std::string_view text) {
  if (text.size() < header_bytes || (text.size() - header_bytes) % hold_bytes != 0) return unexpected();
  const auto whole = [&](std::size_t i) { return static_cast<std::int64_t>(number_at(text, 8 * i)); };
  OfficialState state{
      .at = whole(4), .charged = whole(5), .slot_begin = whole(6), .slot_charged = whole(7), .slot = whole(8)};
  for (std::size_t i = 0; i < OfficialState::slots; ++i) state.top[i] = whole(9 + i);
  for (std::size_t at = header_bytes; at < text.size(); at += hold_bytes)
    state.holds.push_back({std::string(text.substr(at + 16, 36)), static_cast<std::int64_t>(number_at(text, at + 8)),
                           static_cast<std::int64_t>(number_at(text, at))});
  return state;
}

Result<OfficialView> view_from(const OfficialAsk& ask, const Value& reply) {
  if (reply.is_text()) {
    TRY(const OfficialState state, unpacked(reply.text));
    return view_of(ask.terms, state, ask.kept);
  }
  if (reply.items.size() != 3) return unexpected();
  return OfficialView{reply.items[0].integer, reply.items[1].integer, reply.items[2].integer, std::nullopt};
}

}  // namespace

const Script& official_script() {
  static const Script made(script_text);
  return made;
}

namespace {
// The steps that a reservation's id makes repeat-safe: sent again when their answer was lost.
const Script& repeatable_script() {
  static const Script made(script_text, Access::idempotent);
  return made;
}
}  // namespace

// One call of the script, put together.
struct OfficialStore::Call {
  std::vector<std::string> keys;
  std::vector<std::string> args;

  void add(std::int64_t number) { args.push_back(std::to_string(number)); }
  void add(const OfficialTerms& terms) {
    for (const std::int64_t number : {terms.refill, std::int64_t{terms.period.count()}, terms.capacity}) add(number);
    add(static_cast<std::int64_t>(terms.how));
  }
  Result<Value> run(Client& client, Deadline deadline) const {
    const std::vector<std::string_view> key_views(keys.begin(), keys.end());
    const std::vector<std::string_view> arg_views(args.begin(), args.end());
    const bool repeatable = args[2] != "credit" && args[2] != "correct";
    return checked(client.eval(repeatable ? repeatable_script() : official_script(), key_views, arg_views, deadline));
  }
};

OfficialStore::OfficialStore(OfficialStoreOptions options, Client& client, const Clock& clock)
    : options_(std::move(options)), client_(client), clock_(clock), time_for_tests_(options_.time_for_tests) {}

OfficialStore::Call OfficialStore::begin(const char* step) const {
  const auto fixed_time = *time_for_tests_.lock();
  const std::string now = std::to_string(fixed_time.value_or(clock_.now().time_since_epoch().count()));
  return {.keys = {}, .args = {now, fixed_time ? now : "", step}};
}

Result<limits::OfficialVerdict> OfficialStore::reserve(const std::string& id, const std::vector<OfficialAsk>& asks,
                                                       Micros timeout, Deadline deadline) {
  Call call = begin("reserve");
  call.args.push_back(id);
  call.add(timeout.count());
  for (const OfficialAsk& ask : asks) {
    call.keys.push_back(key_of(ask));
    call.add(ask.terms);
    call.add(ask.worst);
    call.add(ask.kept);
  }
  TRY(const Value reply, call.run(client_, deadline));
  if (reply.items.size() != asks.size() + 1) return unexpected();
  limits::OfficialVerdict verdict{.allowed = reply.items[0].integer == 1, .views = {}};
  for (std::size_t i = 0; i < asks.size(); ++i) {
    TRY(OfficialView view, view_from(asks[i], reply.items[i + 1]));
    verdict.views.push_back(view);
  }
  return verdict;
}

Result<void> OfficialStore::hold_again(const std::string& id, const std::vector<OfficialAsk>& asks, Micros time,
                                       Deadline deadline) {
  Call call = begin("hold");
  call.args.push_back(id);
  call.add(time.count());
  for (const OfficialAsk& ask : asks) {
    call.keys.push_back(key_of(ask));
    call.add(ask.terms);
    call.add(ask.worst);
  }
  call.keys.push_back(options_.prefix + "settled|" + id);
  TRY_VOID(call.run(client_, deadline));
  return {};
}

Result<limits::OfficialSettled> OfficialStore::settle(const std::string& id, const std::vector<OfficialAsk>& asks,
                                                      const std::vector<OfficialCharge>& charges,
                                                      const std::string& end_to_end, Deadline deadline) {
  Call call = begin("settle");
  call.args.push_back(id);
  const auto uuid = Uuid::parse(id);
  const auto fixed_time = *time_for_tests_.lock();
  const UtcTime now = fixed_time ? UtcTime{Micros{*fixed_time}} : clock_.now();
  // Old enough to have ended by itself: a day is longer than any time-out, and a forged id changes nothing either way.
  const bool may_have_ended =
      uuid && uuid->version() == 7 && time_of(*uuid) <= now && now - time_of(*uuid) > std::chrono::seconds{1};
  call.args.push_back(may_have_ended ? "1" : "0");
  call.add(std::chrono::duration_cast<std::chrono::milliseconds>(options_.look_up_time).count());
  call.add(static_cast<std::int64_t>(asks.size()));
  bool earns = false;
  for (std::size_t i = 0; i < asks.size(); ++i) {
    call.keys.push_back(key_of(asks[i]));
    call.add(asks[i].terms);
    call.add(charges[i].cost);
    call.args.push_back(charges[i].empties ? "1" : "0");
    call.args.push_back(charges[i].floor ? std::to_string(*charges[i].floor) : "");
    call.add(charges[i].credit);
    earns = earns || charges[i].credit > 0;
  }
  call.keys.push_back(options_.prefix + "settled|" + id);
  if (earns && !end_to_end.empty()) call.keys.push_back(options_.prefix + "look-up|" + end_to_end);
  auto reply = call.run(client_, deadline);
  if (!reply && reply.error().message.find("no such reservation") != std::string::npos)
    return fail(Code::not_found, "ReservationUnknown", "no such reservation, or it was settled long ago");
  if (!reply) return std::move(reply).error();
  if (reply->items.size() != asks.size() + 1) return unexpected();
  limits::OfficialSettled settled{.repeated = reply->items[0].integer == 1, .views = {}};
  for (std::size_t i = 0; i < asks.size(); ++i) {
    TRY(OfficialView view, view_from(asks[i], reply->items[i + 1]));
    settled.views.push_back(view);
  }
  return settled;
}

Result<bool> OfficialStore::credit(const std::string& end_to_end, Deadline deadline) {
  const std::string look_up = options_.prefix + "look-up|" + end_to_end;
  TRY(const Pairs parts, as_pairs(client_.call(Command("HGETALL", look_up), deadline)));
  if (parts.empty())
    return fail(Code::not_found, "LookupUnknown", "no look-up with this EndToEndId was charged within the last days");
  Call call = begin("credit");
  call.keys.push_back(look_up);
  for (const auto& [key, unused] : parts)
    if (key != "credited") call.keys.push_back(key);
  TRY(const Value reply, call.run(client_, deadline));
  return reply.integer == 1;
}

Result<OfficialState> OfficialStore::state(const OfficialAsk& ask, Deadline deadline) {
  Call call = begin("look");
  call.keys.push_back(key_of(ask));
  call.add(ask.terms);
  TRY(const Value reply, call.run(client_, deadline));
  return unpacked(reply.text);
}

Result<OfficialView> OfficialStore::look(const OfficialAsk& ask, Deadline deadline) {
  TRY(const OfficialState now, state(ask, deadline));
  return view_of(ask.terms, now, ask.kept);
}

Result<OfficialView> OfficialStore::correct(const OfficialAsk& ask, limits::Correction correction, std::int64_t tokens,
                                            std::int64_t charged_then, Deadline deadline) {
  Call call = begin("correct");
  call.keys.push_back(key_of(ask));
  call.add(ask.terms);
  call.add(static_cast<std::int64_t>(correction));
  call.add(std::clamp<std::int64_t>(tokens, -limits::units_max, limits::units_max));
  call.add(charged_then);
  TRY(const Value reply, call.run(client_, deadline));
  TRY(const OfficialState now, unpacked(reply.text));
  return view_of(ask.terms, now, ask.kept);
}

}  // namespace chaveiro::redis
