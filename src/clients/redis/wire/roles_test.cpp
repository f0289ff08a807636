#include "clients/redis/wire/roles.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace chaveiro::redis {
namespace {

Error lost() { return fail(Code::unavailable, "ConnectionLost", "lost"); }

enum class Event : std::uint8_t { reader_breaks, writer_breaks, other_breaks, reader_leaves, writer_leaves };
constexpr std::array events{Event::reader_breaks, Event::writer_breaks, Event::other_breaks, Event::reader_leaves,
                            Event::writer_leaves};

// Whether somebody was told to tear down.
bool happen(Roles& roles, Event event) {
  switch (event) {
    case Event::reader_breaks:
      return roles.reading() && roles.break_down(lost());
    case Event::writer_breaks:
      return roles.writing() && roles.break_down(lost());
    case Event::other_breaks:
      return roles.break_down(lost());
    case Event::reader_leaves:
      return roles.reading() && roles.end_reading();
    case Event::writer_leaves:
      return roles.writing() && roles.end_writing();
  }
  return false;
}

TEST(Roles, are_held_by_one_at_a_time) {
  Roles roles;
  EXPECT_TRUE(roles.begin_reading());
  EXPECT_FALSE(roles.begin_reading());
  EXPECT_TRUE(roles.begin_writing());
  EXPECT_FALSE(roles.begin_writing());
  EXPECT_FALSE(roles.end_reading());
  EXPECT_TRUE(roles.begin_reading());
}

TEST(Roles, let_nobody_into_what_is_broken) {
  Roles roles;
  EXPECT_TRUE(roles.break_down(lost()));
  EXPECT_FALSE(roles.begin_reading());
  EXPECT_FALSE(roles.begin_writing());
  EXPECT_TRUE(roles.tear_down());
  EXPECT_TRUE(roles.begin_reading());
}

// The reader finds the end of the stream and leaves; the writer was just about to write, fails because of it and leaves too.
TEST(Roles, tell_the_writer_who_fails_after_the_reader_has_left) {
  Roles roles;
  ASSERT_TRUE(roles.begin_reading());
  ASSERT_TRUE(roles.begin_writing());
  EXPECT_FALSE(roles.break_down(lost()));
  EXPECT_FALSE(roles.end_reading());
  EXPECT_FALSE(roles.tear_down());
  EXPECT_FALSE(roles.break_down(lost()));
  EXPECT_TRUE(roles.end_writing());
  EXPECT_TRUE(roles.tear_down());
}

TEST(Roles, tell_exactly_one_in_whatever_order_it_breaks_and_is_left) {
  constexpr int steps = 5;
  int sequences = 0;
  for (int code = 0; code < 5 * 5 * 5 * 5 * 5; ++code) {
    Roles roles;
    ASSERT_TRUE(roles.begin_reading() && roles.begin_writing());
    int told = 0;
    std::string order;
    for (int step = 0, rest = code; step < steps; ++step, rest /= 5) {
      told += happen(roles, events[static_cast<std::size_t>(rest % 5)]) ? 1 : 0;
      order += std::to_string(rest % 5);
      const bool due = roles.broken() && !roles.reading() && !roles.writing();
      ASSERT_EQ(told, due ? 1 : 0) << order;
    }
    sequences += told;
    ASSERT_EQ(roles.tear_down().has_value(), told == 1) << order;
  }
  EXPECT_GT(sequences, 0);
}

}  // namespace
}  // namespace chaveiro::redis
