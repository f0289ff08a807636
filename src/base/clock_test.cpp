#include "base/clock.h"

#include <gtest/gtest.h>

namespace chaveiro {
namespace {

using namespace std::chrono_literals;

TEST(Rfc3339, is_written_with_milliseconds_and_z) {
  EXPECT_EQ(to_rfc3339(UtcTime{0us}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(to_rfc3339(UtcTime{-1us}), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(to_rfc3339(UtcTime{1'785'000'000'123'999us}), "2026-07-25T17:20:00.123Z");
  EXPECT_EQ(to_rfc3339(UtcTime::max()), "9999-12-31T23:59:59.999Z");
  EXPECT_EQ(to_rfc3339(UtcTime::min()), "0000-01-01T00:00:00.000Z");
}

TEST(Rfc3339, reads_what_it_writes_and_offsets) {
  EXPECT_EQ(parse_rfc3339("2026-07-25T17:20:00.123Z").value(), UtcTime{1'785'000'000'123'000us});
  EXPECT_EQ(parse_rfc3339("2026-07-25T14:20:00.123456789-03:00").value(), UtcTime{1'785'000'000'123'456us});
  EXPECT_EQ(parse_rfc3339("2010-01-10T03:00:00Z").value(), parse_rfc3339("2010-01-10T00:00:00-03:00").value());
}

TEST(Rfc3339, refuses_what_is_no_moment) {
  for (const char* text :
       {"", "2026", "2026-02-30T00:00:00Z", "2026-01-01 00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00",
        "2026-01-01T00:00:00Zx", "2026-01-01T00:00:00.Z", "0001-01-01T00:00:00Z", "9999-01-01T00:00:00Z",
        "2026-13-01T00:00:00Z", "2026-01-01T00:00:00+3:00"}) {
    EXPECT_FALSE(parse_rfc3339(text)) << text;
  }
}

TEST(Duration, reads_the_units_that_configuration_uses) {
  EXPECT_EQ(parse_duration("300s").value(), 300s);
  EXPECT_EQ(parse_duration("5m").value(), 5min);
  EXPECT_EQ(parse_duration("24h").value(), 24h);
  EXPECT_EQ(parse_duration("7d").value(), 168h);
  EXPECT_EQ(parse_duration("250ms").value(), 250ms);
  for (const char* text : {"", "5", "-5s", "5x", "s", "5 s", "99999999999999d", "1.5s"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
  for (const char* text : {"0s", "90s", "5m", "1d", "10us", "36h"}) {
    EXPECT_EQ(parse_duration(to_string(parse_duration(text).value())).value(), parse_duration(text).value()) << text;
  }
}

TEST(SystemClock, names_a_steady_moment_that_is_not_over_yet_and_near) {
  const SystemClock clock;
  for (int i = 0; i < 1'000; ++i) {
    const SteadyTime before = clock.steady(), latest = clock.steady_at_latest();
    ASSERT_GE(latest, before);
    ASSERT_LE(latest - clock.steady(), 20ms);
  }
}

TEST(ManualClock, moves_only_by_hand) {
  ManualClock clock;
  const UtcTime before = clock.now();
  const SteadyTime steady = clock.steady();
  clock.advance(5s);
  EXPECT_EQ(clock.now() - before, 5s);
  EXPECT_EQ(clock.steady() - steady, 5s);
  clock.set_utc(UtcTime{0us});
  EXPECT_EQ(clock.steady() - steady, 5s);
}

TEST(Deadline, passes_and_is_capped) {
  EXPECT_TRUE(Deadline::in(-1s).expired());
  EXPECT_EQ(Deadline::in(-1s).remaining(), 0us);
  EXPECT_FALSE(Deadline::never().expired());
  EXPECT_LE(Deadline::never().capped(1h).remaining(), 1h);
}

}  // namespace
}  // namespace chaveiro
