// cache/upkeep.h
//
// What a level that outlives its process needs now and then: room given back in small steps, and once a day a count of what is hot. Upkeep
// decides when; a worker (base/periodic.h) calls run_once() every minute or so.
//
// Threads: Upkeep belongs to one thread; DurableTier, any.
// Errors:  those of the level; the next run tries again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace chaveiro::cache {

// Values by the first two parts of their keys ("dict:entry"), as they were when they were counted.
struct HotPrefix {
  std::string prefix;
  std::uint64_t keys = 0, hits = 0, bytes = 0;
  UtcTime built_at;
  bool operator==(const HotPrefix&) const = default;
};
inline constexpr std::size_t hot_prefixes_max = 100;

class DurableTier {
 public:
  virtual ~DurableTier() = default;
  // Removes some of what is over. True: there may be more.
  virtual Result<bool> purge_step(Deadline deadline) = 0;
  // Writes how often values were read by this process; until then only it knows.
  virtual Result<void> write_hits(Deadline deadline) = 0;
  // Counts what is held. False: another process does so now, or has done so within `not_before`, and nothing was changed.
  virtual Result<bool> rebuild_hot(Micros not_before, Deadline deadline) = 0;
  // Most hits first, at most hot_prefixes_max.
  virtual Result<std::vector<HotPrefix>> hot(Deadline deadline) = 0;
};

// The next 03:00 in São Paulo after `now`. Brazil has had no summer time since 2019.
UtcTime next_count_of_hot(UtcTime now);

struct UpkeepOptions {
  int steps_max = 20;                              // purge_step() of one run; 0: somebody else gives the room back
  Micros counted_within = std::chrono::hours{20};  // another node's count that is younger serves for us too
};

class Upkeep {
 public:
  Upkeep(DurableTier& tier, const Clock& clock, UpkeepOptions options = {})
      : tier_(tier), clock_(clock), options_(options), count_due_(next_count_of_hot(clock.now())) {}

  Result<void> run_once(Deadline deadline);
  UtcTime count_due() const { return count_due_; }

 private:
  DurableTier& tier_;
  const Clock& clock_;
  const UpkeepOptions options_;
  UtcTime count_due_;
};

}  // namespace chaveiro::cache
