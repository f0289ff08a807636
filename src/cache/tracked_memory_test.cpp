#include "cache/tracked_memory.h"

#include <gtest/gtest.h>

namespace chaveiro::cache {
namespace {

using namespace std::chrono_literals;

struct TrackedMemoryTest : testing::Test {
  ManualClock clock;
  TrackedMemory memory{1 << 20, clock};

  void trust(Micros how_long) { memory.trust_until(clock.steady() + how_long, memory.life()); }
  bool keep(std::string_view key, std::string_view value, Micros ttl = 1h) {
    return memory.fill(key, memory.ticket(key), value, ttl);
  }
  std::string seen(std::string_view key) {
    std::string value = "(nothing)";
    memory.peek(key, [&](std::string_view held) { value = held; });
    return value;
  }
};

TEST_F(TrackedMemoryTest, serves_what_it_was_given_while_it_is_trusted) {
  ASSERT_TRUE(keep("key", "value"));
  ASSERT_TRUE(keep("empty", ""));
  ASSERT_TRUE(keep("large", std::string(10'000, 'x')));
  EXPECT_EQ(seen("key"), "(nothing)") << "nobody has vouched for it yet";
  trust(2s);
  EXPECT_EQ(seen("key"), "value");
  EXPECT_EQ(seen("empty"), "");
  EXPECT_EQ(seen("large"), std::string(10'000, 'x'));
  clock.advance(2s - 1us);
  EXPECT_EQ(seen("key"), "value");
  clock.advance(1us);
  EXPECT_EQ(seen("key"), "(nothing)");
  trust(2s);
  EXPECT_EQ(seen("key"), "value");
}

TEST_F(TrackedMemoryTest, ends_a_copy_with_the_time_to_live_counted_from_before_the_question) {
  trust(1h);
  const auto ticket = memory.ticket("key");
  clock.advance(300ms);
  ASSERT_TRUE(memory.fill("key", ticket, "value", 500ms));
  clock.advance(200ms - 1us);
  EXPECT_EQ(seen("key"), "value");
  clock.advance(1us);
  EXPECT_EQ(seen("key"), "(nothing)");
  EXPECT_FALSE(keep("key", "value", 0s));
}

TEST_F(TrackedMemoryTest, takes_no_answer_to_a_question_put_before_the_key_changed) {
  trust(1h);
  const auto ticket = memory.ticket("key");
  memory.invalidate("key");
  EXPECT_FALSE(memory.fill("key", ticket, "old", 1h));
  EXPECT_EQ(seen("key"), "(nothing)");
}

TEST_F(TrackedMemoryTest, serves_nothing_of_the_life_before_the_connection_was_lost) {
  trust(1h);
  const std::uint64_t life = memory.life();
  const auto ticket = memory.ticket("late");
  ASSERT_TRUE(keep("key", "value"));
  memory.drop();
  memory.trust_until(clock.steady() + 1h, life);
  EXPECT_FALSE(memory.trusted()) << "that answer came over the lost connection";
  trust(1h);
  (void)memory.fill("late", ticket, "old", 1h);
  EXPECT_EQ(seen("late"), "(nothing)");
  EXPECT_EQ(seen("key"), "(nothing)");
}

}  // namespace
}  // namespace chaveiro::cache
