// clients/redis/wire/backoff.h
//
// Backoff: how long to wait before the next try: doubled each time between two bounds, with jitter, so that many clients that lost the
// same server do not come back at the same moment.
#pragma once

#include <algorithm>

#include "base/clock.h"
#include "base/random.h"

namespace chaveiro::redis {

// The wait before try number `tries` (0: the first repetition): between half and the whole of min · 2^tries, at most max.
inline Micros backoff(Micros min, Micros max, unsigned tries, double chance) {
  const Micros full = std::min(max, min * (std::int64_t{1} << std::min(tries, 20U)));
  return full / 2 + Micros(static_cast<std::int64_t>(static_cast<double>((full / 2).count()) * chance));
}

class Backoff {
 public:
  Backoff(Micros min, Micros max, std::uint64_t seed) : min_(min), max_(max), random_(seed) {}
  Micros next() { return backoff(min_, max_, tries_++, random_.unit()); }
  void reset() { tries_ = 0; }
  unsigned tries() const { return tries_; }

 private:
  Micros min_;
  Micros max_;
  unsigned tries_ = 0;
  Random random_;
};

}  // namespace chaveiro::redis
