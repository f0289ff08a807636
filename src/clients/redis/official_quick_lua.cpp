#include "clients/redis/official_lua.h"

namespace chaveiro::redis {

// Written out for two buckets: a loop over tables and functions costs a third more.
constexpr std::string_view text = R"lua(
local su, sp, call = struct.unpack, struct.pack, redis.call
local id, blob = ARGV[1], ARGV[2]
local step, caller, now, count, time, ended = su('>I1I7I7I1I7I1', blob)
if now > 0 then
  now = now - 1
else
  local t = call('TIME')
  now = t[1] * 1000000 + t[2]
  if now - caller > 2000000 then now = caller end
end

local values
if step <= 2 and count == 2 then
  local key, key2 = KEYS[1], KEYS[2]
  values = call('MGET', key, key2)
  local v, v2 = values[1], values[2]
  if v and v2 then
    local print, from, to, least, low, full, charged, at, held, n, ends = su('>I7I7I7i7i7I7I7I7i7I3I7', v, 66)
    local print2, from2, to2, least2, low2, full2, charged2, at2, held2, n2, ends2 = su('>I7I7I7i7i7I7I7I7i7I3I7', v2, 66)
    local want, a, b, c, flags = su('>I7i7i7i7I1', blob, 25)
    local want2, a2, b2, c2, flags2 = su('>I7i7i7i7I1', blob, 76)
    local balance, balance2 = least - charged, least2 - charged2
    if print ~= want or print2 ~= want2 or now < at or now < at2 or now <= from or now <= from2 or
       now >= to or now >= to2 or n > 0 and ends <= now or n2 > 0 and ends2 <= now then
      -- not for us
    elseif step == 1 then
      held, held2 = held + a, held2 + a2
      local free, free2 = balance - held, balance2 - held2
      local till = now + time
      if free + a - b >= 1 and free2 + a2 - b2 >= 1 and free >= low and free2 >= low2 and
         (n == 0 or su('>I7', v, 102 + 30 * n) <= till and not string.find(v, id, 132, true)) and
         (n2 == 0 or su('>I7', v2, 102 + 30 * n2) <= till and not string.find(v2, id, 132, true)) then
        if n == 0 then call('SETRANGE', key, '114', sp('>I7i7I3I7i7c16', now, held, 1, till, a, id))
        else
          call('SETRANGE', key, '114',
               sp('>I7i7I3', now, held, n + 1) .. string.sub(v, 132, 131 + 30 * n) .. sp('>I7i7c16', till, a, id))
        end
        if n2 == 0 then call('SETRANGE', key2, '114', sp('>I7i7I3I7i7c16', now, held2, 1, till, a2, id))
        else
          call('SETRANGE', key2, '114',
               sp('>I7i7I3', now, held2, n2 + 1) .. string.sub(v2, 132, 131 + 30 * n2) .. sp('>I7i7c16', till, a2, id))
        end
        return sp('>I1i7i7I7i7i7I7', 1, balance, held, charged, balance2, held2, charged2)
      end
    elseif flags == 0 and flags2 == 0 and balance < full and balance2 < full2 and balance >= -1048576 and balance2 >= -1048576 and
           a <= 1048576 and a2 <= 1048576 then
      local find = string.find
      local found, found2 = find(v, id, 146, true), find(v2, id, 146, true)
      local nth, nth2 = found and (found - 146) / 30 or n, found2 and (found2 - 146) / 30 or n2
      if nth < n and nth2 < n2 and nth % 1 == 0 and nth2 % 1 == 0 then
        held, held2 = held - su('>i7', v, found - 7), held2 - su('>i7', v2, found2 - 7)
        charged, charged2 = charged + a, charged2 + a2
        balance, balance2 = balance - a, balance2 - a2
        if balance - held >= low and balance2 - held2 >= low2 then
          local new, new2 = sp('>I7I7i7I3', charged, now, held, n - 1), sp('>I7I7i7I3', charged2, now, held2, n2 - 1)
          if nth < n - 1 then new = new .. string.sub(v, 132, found - 15) .. string.sub(v, found + 16, 131 + 30 * n) end
          if nth2 < n2 - 1 then new2 = new2 .. string.sub(v2, 132, found2 - 15) .. string.sub(v2, found2 + 16, 131 + 30 * n2) end
          call('SETRANGE', key, '107', new)
          call('SETRANGE', key2, '107', new2)
          if call('APPEND', KEYS[3], id) == 16 then call('PEXPIRE', KEYS[3], '600000') end
          if KEYS[4] and (b > 0 and a > 0 or b2 > 0 and a2 > 0) then
            local parts = '\0'
            if b > 0 and a > 0 then parts = parts .. sp('>I7I7I2', b, charged, #key) .. key end
            if b2 > 0 and a2 > 0 then parts = parts .. sp('>I7I7I2', b2, charged2, #key2) .. key2 end
            call('SET', KEYS[4], parts, 'NX', 'PX', time)
          end
          return sp('>I1i7i7I7i7i7I7', 0, balance, held, charged, balance2, held2, charged2)
        end
      end
    end
  end
end
)lua";
const std::string_view official_quick_lua = text;

}  // namespace chaveiro::redis
