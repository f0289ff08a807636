#include <cstdlib>

#include "cache/invalidation_world.h"

namespace chaveiro::cache {
namespace {

std::uint64_t first_seed() {
  const char* const given = std::getenv("CHAVEIRO_SEED");
  return given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
}

void hold(const char* what, Weather weather, int seeds = 12) {
  World::Tally all;
  for (int i = 0; i < seeds; ++i) {
    const std::uint64_t seed = first_seed() + static_cast<std::uint64_t>(i);
    SCOPED_TRACE(std::string(what) + ": CHAVEIRO_SEED=" + std::to_string(seed) + " repeats it");
    World world(seed, weather);
    world.run(60s);
    all.reads += world.tally().reads, all.hits += world.tally().hits, all.deaths += world.tally().deaths;
    all.oldest_us = std::max(all.oldest_us, world.tally().oldest_us);
    if (world.tally().broken) return;
    world.calm();
    world.run(30s);
    EXPECT_EQ(world.trusting(), 3U) << "it heals";
    const std::uint64_t drops = world.drops();
    world.run(10s);
    EXPECT_EQ(world.drops(), drops) << "nothing is dropped without a reason";
    EXPECT_FALSE(world.tally().broken);
  }
  EXPECT_GT(all.hits, all.reads / 20) << "a rule about readers who never hit shows nothing";
  std::printf("%s: %llu reads, %llu from memory, %llu deaths, the oldest answer %.3f s old\n", what,
              static_cast<unsigned long long>(all.reads), static_cast<unsigned long long>(all.hits),
              static_cast<unsigned long long>(all.deaths), static_cast<double>(all.oldest_us) / 1e6);
}

TEST(Invalidation, is_quick_in_good_weather) {
  World world(first_seed(), {});
  world.run(60s);
  EXPECT_LT(world.tally().oldest_us, 50'000U);
  EXPECT_GT(world.tally().hits, world.tally().reads / 3);
}

TEST(Invalidation, bounds_what_readers_see_when_messages_are_lost_late_or_repeated) {
  hold("lost, late, repeated", {.lose = 0.002, .repeat = 0.1, .late = 0.02, .unpublished = 0.002});
}

TEST(Invalidation, bounds_what_readers_see_when_connections_break_and_freeze) {
  hold("cut, frozen", {.lose = 0.001, .late = 0.01, .cut = 0.03, .freeze = 0.02}, 24);
}

TEST(Invalidation, bounds_what_readers_see_when_writers_die_before_they_tell) {
  hold("dying", {.lose = 0.001, .die = 0.03});
}

TEST(Invalidation, bounds_what_readers_see_when_the_shared_level_is_away_for_some) {
  hold("level away", {.lose = 0.001, .die = 0.005, .cut = 0.01, .level_away = 0.1});
}

TEST(Invalidation, bounds_what_readers_see_in_all_weathers) {
  hold("everything", {.lose = 0.001,
                      .repeat = 0.05,
                      .late = 0.01,
                      .unpublished = 0.001,
                      .die = 0.005,
                      .cut = 0.01,
                      .freeze = 0.01,
                      .level_away = 0.05});
}

TEST(Invalidation, bounds_what_readers_see_over_a_stream) {
  hold("stream", {.repeat = 0.05,
                  .late = 0.01,
                  .unpublished = 0.001,
                  .die = 0.005,
                  .cut = 0.05,
                  .freeze = 0.01,
                  .level_away = 0.05,
                  .replays = true});
}

TEST(Invalidation, bounds_what_readers_see_without_a_shared_level) {
  hold("memory only", {.lose = 0.001,
                       .repeat = 0.05,
                       .late = 0.01,
                       .unpublished = 0.001,
                       .die = 0.005,
                       .cut = 0.01,
                       .freeze = 0.01,
                       .shared_level = false});
}

}  // namespace
}  // namespace chaveiro::cache
