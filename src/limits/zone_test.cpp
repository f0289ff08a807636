#include "limits/zone.h"

#include <gtest/gtest.h>

namespace chaveiro::limits {
namespace {

std::int64_t at(const char* text) { return parse_rfc3339(text)->time_since_epoch().count(); }

void expect_window(const char* zone, CalendarUnit unit, const char* now, const char* begin, const char* end) {
  const auto found = Zone::find(zone);
  ASSERT_TRUE(found) << zone;
  const Window window = calendar_window(**found, unit, at(now));
  EXPECT_EQ(to_rfc3339(UtcTime{Micros{window.begin}}), to_rfc3339(UtcTime{Micros{at(begin)}})) << now;
  EXPECT_EQ(to_rfc3339(UtcTime{Micros{window.end}}), to_rfc3339(UtcTime{Micros{at(end)}})) << now;
}

TEST(Zone, cuts_time_as_the_calendar_of_the_place_does) {
  const char* place = "America/Sao_Paulo";
  expect_window(place, CalendarUnit::hour, "2026-11-21T13:59:59.999Z", "2026-11-21T13:00:00Z", "2026-11-21T14:00:00Z");
  expect_window(place, CalendarUnit::day, "2026-11-21T02:00:00Z", "2026-11-20T03:00:00Z", "2026-11-21T03:00:00Z");
  expect_window(place, CalendarUnit::week, "2026-11-22T12:00:00Z", "2026-11-16T03:00:00Z", "2026-11-23T03:00:00Z");
  expect_window(place, CalendarUnit::month, "2026-12-31T23:00:00Z", "2026-12-01T03:00:00Z", "2027-01-01T03:00:00Z");
  expect_window(place, CalendarUnit::year, "2027-01-01T01:00:00Z", "2026-01-01T03:00:00Z", "2027-01-01T03:00:00Z");
  expect_window("+05:45", CalendarUnit::day, "2026-11-21T18:15:00Z", "2026-11-21T18:15:00Z", "2026-11-22T18:15:00Z");
}

TEST(Zone, a_day_in_which_clocks_were_moved_is_longer_or_shorter) {
  // Summer time in São Paulo: began on 4 November 2018 at midnight, ended on 17 February 2019 at midnight.
  const char* place = "America/Sao_Paulo";
  expect_window(place, CalendarUnit::day, "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z");
  expect_window(place, CalendarUnit::day, "2019-02-16T12:00:00Z", "2019-02-16T02:00:00Z", "2019-02-17T03:00:00Z");
}

TEST(Zone, what_is_no_zone_is_refused_and_no_file_elsewhere_is_read) {
  for (const char* name : {"", "Mars/Base", "../../etc/passwd", "/etc/passwd", "-3", "+25:00", "UTC+3"})
    EXPECT_FALSE(Zone::find(name)) << name;
}

}  // namespace
}  // namespace chaveiro::limits
