// cache/cache_control.h
//
// What the Cache-Control and Age fields of an HTTP answer allow a private cache to do: for how long the answer counts as fresh.
// What cannot be read allows nothing.
//
// Threads: values.
// Source:  RFC 9111, sections 4.2 and 5.2.2.
#pragma once

#include <optional>
#include <string_view>

#include "base/clock.h"

namespace chaveiro::cache {

struct CacheControl {
  bool no_store = false;
  bool no_cache = false;
  std::optional<std::chrono::seconds> max_age;
  bool malformed = false;  // a max-age that is no number, or two that differ

  static CacheControl parse(std::string_view field);
  // For how long, counted from now; zero: not at all. An answer without max-age says nothing, and nothing is what it gets.
  Micros fresh_for(std::chrono::seconds age) const;
};

}  // namespace chaveiro::cache
