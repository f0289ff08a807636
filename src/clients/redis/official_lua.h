// clients/redis/official_lua.h
//
// The text of the official buckets' script, in two parts that run one after the other. `quick` decides the common case (the two buckets of a
// look-up, known, under the same terms, in the same slot of their period, with no hold that ends) without the machinery that follows
// it: it decides as that does, or not at all.
//
// KEYS: reserve, hold, correct, look: the buckets · settle: the buckets, the settled key, the look-up or none · credit: the look-up, its buckets
// ARGV: sixteen bytes of reservation; the argument (official_script.h)
//
// Argument, big-endian: step 1, caller's time 7, time for tests plus one or zero 7, buckets 1, time 7, may have ended 1; then of each bucket
// terms' print 7, a 7, b 7, c 7, flags 1, refill 7, period 7, capacity 7, how 1.
// Bucket: refill 7, period 7, how 1, charged when the slot began 7, slot 1, six tops 42; print 7, beginning of the slot 7, its end (zero:
// quick may not decide) 7, least top 7, `low` 7, capacity 7, charged 7, at 7, held 7, holds 3; then of each hold its end 7, worst case 7 and
// reservation 16. What follows the last hold means nothing.
// `low`: as long as balance − held is not below it, the life that the key was given suffices to the end of the slot.
// Look-up: credited 1, then of each bucket tokens 7, charged then 7, length of its key 2, key.
#pragma once

#include <string_view>

namespace chaveiro::redis {

extern const std::string_view official_quick_lua;
extern const std::string_view official_whole_lua;

}  // namespace chaveiro::redis
