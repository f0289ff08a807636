// cache/level_metrics.h
//
// What a level of a named cache tells the metrics: the families integration_gateway_cache_*{level,connector,endpoint}. The label
// `connector` is the name of the cache.
//
// Threads: any.
// Time:    a count touches the thread's own stripe only; hits in memory are timed one in 1,024.
#pragma once

#include <string_view>

#include "base/metrics.h"
#include "cache/answer.h"

namespace chaveiro::cache {

class LevelMetrics {
 public:
  LevelMetrics(Registry& registry, Level level, std::string_view connector, std::string_view endpoint);

  Counter& hits;
  Counter& misses;
  Counter& promotions;  // values taken over from a slower level
  Counter& errors;      // calls that failed
  Counter& skipped;     // calls that were not made: the level is switched off for a while, or may hold something wrong
  Counter& damaged;     // values that could not be read: flipped bits, foreign bytes, another schema
  Counter& stale;       // answers past their time to live
  Histogram& latency;   // from nanoseconds to minutes
  Labels labels;

 private:
  LevelMetrics(Registry& registry, Labels labels);
  Registry::Watch hit_rate_;
};

}  // namespace chaveiro::cache
