#include "cache/upkeep.h"

namespace chaveiro::cache {

UtcTime next_count_of_hot(UtcTime now) {
  constexpr std::chrono::hours three_there{6};  // 03:00 at UTC−3
  const UtcTime today = std::chrono::floor<std::chrono::days>(now) + three_there;
  return today > now ? today : today + std::chrono::days{1};
}

Result<void> Upkeep::run_once(Deadline deadline) {
  TRY_VOID(tier_.write_hits(deadline));
  for (int step = 0; step < options_.steps_max; ++step) {
    TRY(const bool more, tier_.purge_step(deadline));
    if (!more) break;
  }
  if (clock_.now() < count_due_) return {};
  TRY_VOID(tier_.rebuild_hot(options_.counted_within, deadline));
  count_due_ = next_count_of_hot(clock_.now());
  return {};
}

}  // namespace chaveiro::cache
