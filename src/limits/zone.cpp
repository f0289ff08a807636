#include "limits/zone.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <utility>

namespace chaveiro::limits {
namespace {

constexpr std::size_t zone_file_bytes_max = 1 << 20;

constexpr std::array<std::pair<CalendarUnit, std::string_view>, 5> units{{{CalendarUnit::hour, "hour"},
                                                                          {CalendarUnit::day, "day"},
                                                                          {CalendarUnit::week, "week"},
                                                                          {CalendarUnit::month, "month"},
                                                                          {CalendarUnit::year, "year"}}};

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

Result<std::int64_t> parse_offset(std::string_view text) {
  const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  if (text.size() == 6 && (text[0] == '+' || text[0] == '-') && text[3] == ':' && digit(1) && digit(2) && digit(4) &&
      digit(5)) {
    const std::int64_t hours = (text[1] - '0') * 10 + (text[2] - '0');
    const std::int64_t minutes = (text[4] - '0') * 10 + (text[5] - '0');
    if (hours <= 15 && minutes < 60) return (text[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
  }
  return fail(Code::not_found, "NotFound",
              "is no time zone: UTC, an offset such as -03:00, or a name such as "
              "America/Sao_Paulo");
}

bool usable_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && name.front() != '/' && name.find("..") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  std::string_view("/_-+").find(c) != std::string_view::npos;
         });
}

}  // namespace

// A zone file of version 2 or later: the block with 64-bit times behind the one with 32-bit times.
struct ZoneFile {
  explicit ZoneFile(const std::string& data) : bytes(data) {}

  std::int64_t big_endian(std::size_t at, std::size_t size) const {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return size == 4 ? static_cast<std::int32_t>(static_cast<std::uint32_t>(value)) : static_cast<std::int64_t>(value);
  }
  struct Counts {
    std::size_t ut, standard, leap, time, type, text;
    std::size_t bytes(std::size_t time_size) const {
      return time * time_size + time + type * 6 + text + leap * (time_size + 4) + standard + ut;
    }
  };
  bool header_at(std::size_t at) const { return bytes.size() >= at + 44 && bytes.compare(at, 4, "TZif") == 0; }
  Counts counts_at(std::size_t at) const {
    const auto count = [&](std::size_t i) {
      return static_cast<std::size_t>(static_cast<std::uint32_t>(big_endian(at + 20 + 4 * i, 4)));
    };
    return {count(0), count(1), count(2), count(3), count(4), count(5)};
  }

  bool read(Zone& zone) const {
    if (!header_at(0) || bytes[4] < '2') return false;
    const Counts old = counts_at(0);
    const std::size_t second = 44 + old.bytes(4);
    if (old.bytes(4) > bytes.size() || !header_at(second)) return false;
    const Counts counts = counts_at(second);
    const std::size_t times = second + 44;
    if (counts.type == 0 || counts.bytes(8) > bytes.size() - times) return false;
    const std::size_t types = times + counts.time * 8;
    const std::size_t infos = types + counts.time;
    const auto offset_of = [&](std::size_t type) { return big_endian(infos + 6 * type, 4); };
    zone.first_offset_ = offset_of(0);
    for (std::size_t i = 0; i < counts.time; ++i) {
      const auto type = static_cast<unsigned char>(bytes[types + i]);
      if (type >= counts.type) return false;
      zone.transitions_.push_back({big_endian(times + 8 * i, 8), offset_of(type)});
    }
    return std::is_sorted(zone.transitions_.begin(), zone.transitions_.end(),
                          [](const auto& a, const auto& b) { return a.at < b.at; });
  }

  const std::string& bytes;
};

std::shared_ptr<const Zone> Zone::utc() {
  static const std::shared_ptr<const Zone> zone = [] {
    auto made = std::make_shared<Zone>();
    made->name_ = "UTC";
    return made;
  }();
  return zone;
}

Result<std::shared_ptr<const Zone>> Zone::find(std::string_view name, const std::string& folder) {
  if (name == "UTC") return utc();
  auto zone = std::make_shared<Zone>();
  zone->name_ = name;
  if (!name.empty() && (name[0] == '+' || name[0] == '-')) {
    TRY(zone->first_offset_, parse_offset(name));
    return std::shared_ptr<const Zone>(std::move(zone));
  }
  if (!usable_name(name)) return std::move(parse_offset("")).error();
  std::ifstream file(folder + "/" + std::string(name), std::ios::binary);
  if (!file) return std::move(parse_offset("")).error();
  std::string data;
  for (char piece[4096]; data.size() <= zone_file_bytes_max && (file.read(piece, sizeof piece), file.gcount() > 0);)
    data.append(piece, static_cast<std::size_t>(file.gcount()));
  if (data.size() > zone_file_bytes_max || !ZoneFile(data).read(*zone))
    return fail(Code::corrupt, "ZoneFileUnreadable", "the zone file of " + std::string(name) + " cannot be read");
  return std::shared_ptr<const Zone>(std::move(zone));
}

std::int64_t Zone::offset_at(std::int64_t utc_seconds) const {
  const auto after = std::upper_bound(transitions_.begin(), transitions_.end(), utc_seconds,
                                      [](std::int64_t at, const Transition& t) { return at < t.at; });
  return after == transitions_.begin() ? first_offset_ : std::prev(after)->offset;
}

std::string_view to_string(CalendarUnit unit) {
  for (const auto& [known, name] : units)
    if (known == unit) return name;
  return "";
}

Result<CalendarUnit> parse_calendar_unit(std::string_view text) {
  for (const auto& [unit, name] : units)
    if (name == text) return unit;
  return fail(Code::invalid, "BadRequest", "must be one of hour, day, week, month, year");
}

namespace {

using std::chrono::days;
using std::chrono::local_days;
using std::chrono::seconds;

// The first moment (UTC seconds) at which the zone's clocks show `local` or later.
std::int64_t utc_of(const Zone& zone, std::int64_t local) {
  // Of the offsets in force around, the larger one belongs to the earlier moment.
  const std::int64_t before = zone.offset_at(local - 86'400);
  const std::int64_t after = zone.offset_at(local + 86'400);
  for (const std::int64_t offset : {std::max(before, after), std::min(before, after)})
    if (zone.offset_at(local - offset) == offset) return local - offset;
  return local - before;  // skipped by a forward step: the moment of the step itself
}

std::int64_t first_local(CalendarUnit unit, std::int64_t local, int further) {
  if (unit == CalendarUnit::hour) return (floor_div(local, 3600) + further) * 3600;
  const auto day = local_days{days{floor_div(local, 86'400)}};
  const std::chrono::year_month_day date{day};
  local_days first = day;
  if (unit == CalendarUnit::day) first = day + days{further};
  if (unit == CalendarUnit::week)
    first = day - (std::chrono::weekday{day} - std::chrono::Monday) + std::chrono::weeks{further};
  if (unit == CalendarUnit::month) first = local_days{(date.year() / date.month() + std::chrono::months{further}) / 1};
  if (unit == CalendarUnit::year)
    first = local_days{(date.year() + std::chrono::years{further}) / std::chrono::January / 1};
  return seconds{first.time_since_epoch()}.count();
}

}  // namespace

Window calendar_window(const Zone& zone, CalendarUnit unit, std::int64_t now) {
  const std::int64_t second = floor_div(now, 1'000'000);
  const std::int64_t local = second + zone.offset_at(second);
  std::int64_t begin = utc_of(zone, first_local(unit, local, 0));
  std::int64_t end = utc_of(zone, first_local(unit, local, 1));
  // An hour that clocks show twice is one window.
  if (begin > second) begin = utc_of(zone, first_local(unit, local, -1));
  if (end <= second) end = utc_of(zone, first_local(unit, local, 2));
  return {begin * 1'000'000, end * 1'000'000};
}

}  // namespace chaveiro::limits
