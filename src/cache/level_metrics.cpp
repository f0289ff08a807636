#include "cache/level_metrics.h"

namespace chaveiro::cache {

std::string_view to_string(Level level) {
  switch (level) {
    case Level::none:
      return "none";
    case Level::l1:
      return "L1";
    case Level::l2:
      return "L2";
    case Level::l3:
      return "L3";
    case Level::origin:
      return "origin";
  }
  return "none";
}

LevelMetrics::LevelMetrics(Registry& registry, Level level, std::string_view connector, std::string_view endpoint)
    : LevelMetrics(registry, Labels{{"level", std::string(to_string(level))},
                                    {"connector", std::string(connector)},
                                    {"endpoint", std::string(endpoint)}}) {}

LevelMetrics::LevelMetrics(Registry& registry, Labels of)
    : hits(registry.counter("integration_gateway_cache_hits_total", "Answers that the level gave.", of)),
      misses(
          registry.counter("integration_gateway_cache_misses_total", "Questions that the level could not answer.", of)),
      promotions(
          registry.counter("integration_gateway_cache_promotions_total", "Values taken over from slower levels.", of)),
      errors(registry.counter("integration_gateway_cache_errors_total", "Calls to the level that failed.", of)),
      skipped(
          registry.counter("integration_gateway_cache_skipped_total", "Calls to the level that were not made.", of)),
      damaged(registry.counter("integration_gateway_cache_damaged_total", "Values that could not be read.", of)),
      stale(registry.counter("integration_gateway_cache_stale_total", "Answers past their time to live.", of)),
      latency(registry.histogram("integration_gateway_cache_latency_seconds",
                                 "Time of a question to the level; in memory, of one in 1,024.", of)),
      labels(std::move(of)),
      hit_rate_(registry.watch_gauge("integration_gateway_cache_hit_rate",
                                     "Share of questions that the level answered.", labels, [this] {
                                       const auto hit = static_cast<double>(hits.value());
                                       const double asked = hit + static_cast<double>(misses.value());
                                       return asked == 0 ? 0.0 : hit / asked;
                                     })) {}

}  // namespace chaveiro::cache
