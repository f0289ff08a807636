// limits/zone.h
//
// Time zones, for limits that begin anew with the hour, day, week, month or year of a place. A zone is "UTC", an offset ("-03:00"), or a
// name of the system's zone files ("America/Sao_Paulo"), of which the stored transitions are used; after the last of them its offset
// stays.
//
// Threads: values that never change.
// Errors:  not_found (no such zone), corrupt (a zone file that cannot be read).
// Source:  RFC 8536 (TZif).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace chaveiro::limits {

class Zone {
 public:
  static std::shared_ptr<const Zone> utc();
  static Result<std::shared_ptr<const Zone>> find(std::string_view name,
                                                  const std::string& folder = "/usr/share/zoneinfo");

  const std::string& name() const { return name_; }
  // Seconds east of UTC at this moment.
  std::int64_t offset_at(std::int64_t utc_seconds) const;

 private:
  friend struct ZoneFile;
  struct Transition {
    std::int64_t at;
    std::int64_t offset;
  };
  std::string name_;
  std::int64_t first_offset_ = 0;
  std::vector<Transition> transitions_;  // by time
};

enum class CalendarUnit : std::uint8_t { hour = 1, day, week, month, year };
std::string_view to_string(CalendarUnit unit);
Result<CalendarUnit> parse_calendar_unit(std::string_view text);

// The hour, day, … that holds `now`: µs since 1970, from `begin` up to before `end`. Weeks begin on Monday.
struct Window {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  bool operator==(const Window&) const = default;
};
Window calendar_window(const Zone& zone, CalendarUnit unit, std::int64_t now);

}  // namespace chaveiro::limits
