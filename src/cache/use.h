// cache/use.h
//
// What the policies remember of an entry, 21 bits, in its header and in its ghost: when it was last used (units of
// requests, wraps), how often it was seen, whether its last two uses lay far apart, and whether the keeping policy (cache/duel.h)
// holds it among those that stay.
#pragma once

#include <algorithm>
#include <cstdint>

namespace chaveiro::cache {

struct Use {
  std::uint32_t bits = 0;
  static constexpr std::uint32_t mask = 0x1FFFFF, time_mask = 0x7FFF, kept_bit = 1U << 15;

  static Use make(std::uint32_t last, std::uint32_t count, bool far, bool kept) {
    return {(last & time_mask) | static_cast<std::uint32_t>(kept) << 15 | count << 16 |
            static_cast<std::uint32_t>(far) << 20};
  }
  std::uint32_t last() const { return bits & time_mask; }
  bool kept() const { return (bits >> 15 & 1) != 0; }
  std::uint32_t count() const { return bits >> 16 & 15; }
  bool far() const { return (bits >> 20 & 1) != 0; }
  std::uint32_t age(std::uint32_t now) const { return (now - bits) & time_mask; }
  // 0: never used since it came; then 1, 2, 3–4, 5–8, more, each near or far.
  std::uint32_t group() const {
    static constexpr std::uint8_t by_count_and_far[32] = {0, 1, 3, 5, 5, 7, 7, 7, 7, 9,  9,  9,  9,  9,  9,  9,
                                                          0, 2, 4, 6, 6, 8, 8, 8, 8, 10, 10, 10, 10, 10, 10, 10};
    return by_count_and_far[bits >> 16 & 31];
  }
  // After a use now. reach: what is used again within it is near, and kept (0: not known yet, `span`, the residents, stands in
  // for it); keep: this one is kept in any case.
  Use again(std::uint32_t now, std::uint32_t span, std::uint32_t reach, bool keep) const {
    const std::uint32_t gap = age(now);
    return make(now, std::min(count() + 1, 15U), gap >= (reach > 0 ? reach : span + 1), keep || gap < reach);
  }
  // The keeping policy's order, the least goes first: newcomers by age, then the kept by age; while too many are kept the
  // other way round.
  float rank(std::uint32_t now, bool too_many_kept) const {
    const float by_age = 1.0F / static_cast<float>(age(now) + 1);
    return kept() == too_many_kept ? by_age * 1e-9F : by_age;
  }
};

// Of so many residents, how many the keeping policy keeps.
inline std::size_t keep_limit(std::size_t residents) { return residents - std::max<std::size_t>(1, residents / 50); }

}  // namespace chaveiro::cache
