// cache/tiered_options.h
//
// The options of one named cache. Every duration is of any unit from microseconds up; what 0 means stands beside each.
//
// Threads: values.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "cache/codec.h"

namespace chaveiro::cache {

struct NearOptions {
  bool enabled = true;
  std::size_t bytes_max = 100U << 20;        // of keys, values and metadata
  std::size_t bytes_limit = 0;               // what it may be resized to; 0: four times bytes_max
  Micros ttl_max = std::chrono::minutes{5};  // fresh no longer than this in memory; 0: no bound but the value's own
};

struct FarOptions {
  bool enabled = true;  // false: as if the level were not there
  bool shared = true;   // false: this node's alone; what other nodes write must be erased in it too
  Micros ttl_max{0};    // fresh no longer than this in the level; 0: no bound but the value's own
  Micros budget =
      std::chrono::milliseconds{50};       // of one call to the level, reads and writes; 0: only the caller's deadline
  std::uint32_t failures_max = 5;          // in a row, and the level is passed over; 0: never passed over
  Micros pause = std::chrono::seconds{1};  // before a level that failed is tried again, doubled at each failure …
  Micros pause_max = std::chrono::seconds{30};  // … up to this
  std::size_t owed_max = 10'000;  // keys whose erasure is owed; more, and the level is cleared before it is used again
};

struct TieredOptions {
  std::string name = "cache";  // in logs and administration
  std::string connector;       // label `connector` of metrics; empty: the name
  std::string endpoint;        // label `endpoint` of metrics; empty: none
  std::string strategy;        // for people: what a miss and a write do, "write-through"; empty: "cache-aside"
  std::string prefix;          // before the keys in the slower levels; empty: none

  Micros ttl = std::chrono::minutes{5};  // of values that bring none; 0: nothing is kept
  double ttl_jitter = 0;                 // up to this share is taken off at random; 0: exact. Never lengthens
  Micros negative_ttl{0};                // of "there is no such thing"; 0: not kept
  Micros failure_ttl{0};                 // of a failed load, in memory only; 0: not kept

  Micros fail_safe{0};  // so long beyond its time a value is shown where the source fails; 0: never
  Micros fail_safe_pause =
      std::chrono::seconds{30};  // before the source is asked again after such a failure; 0: at once

  Micros load_time_max = std::chrono::seconds{30};  // of a load that nobody waits for any more; 0: unbounded
  Micros soft_timeout{0};  // a caller with a stale value at hand gets it after so long, the load goes on; 0: waits on
  Micros hard_timeout{0};  // a caller without one gives up after so long, the load goes on; 0: its own deadline only
  Micros coalescing_window =
      std::chrono::seconds{10};  // a load under way is joined when it began no longer ago; 0: always

  double eager_refresh = 0;  // share of the time to live after which a hit refreshes in the background; 0: off
  double early_refresh = 0;  // β of probabilistic early refresh (XFetch), 1 is the paper's; 0: off

  Micros lease_time{0};  // nodes take turns at loading a key, each for at most so long; 0: they do not
  Micros lease_wait = std::chrono::milliseconds{500};  // for another node's load; then load anyway

  NearOptions l1;
  FarOptions l2;
  FarOptions l3;
  CodecOptions codec;

  std::function<std::string(std::string_view key)> group_of;  // the group of a key, invalidated as a whole; empty: none
};

}  // namespace chaveiro::cache
