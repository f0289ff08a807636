#include "base/clock.h"

#include <time.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace chaveiro {
namespace {

using namespace std::chrono;

// Reads exactly `count` digits at the front of `text`; -1 where there are none.
int take_digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return -1;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

Error bad_time() {
  return fail(Code::invalid, "BadRequest", "is not an RFC 3339 time such as 2026-01-31T03:00:00.000Z");
}

struct Unit {
  std::string_view suffix;
  std::int64_t micros;
};
constexpr Unit units[] = {{"us", 1},         {"ms", 1'000},        {"s", 1'000'000},
                          {"m", 60'000'000}, {"h", 3'600'000'000}, {"d", 86'400'000'000}};
constexpr std::int64_t duration_max = 86'400'000'000LL * 365'000;

}  // namespace

UtcTime SystemClock::now() const { return floor<Micros>(system_clock::now()); }
SteadyTime SystemClock::steady() const { return steady_clock::now(); }

// The coarse clock is the steady one as it was at the last tick of the kernel, of which there are at least 100 a second.
SteadyTime SystemClock::steady_at_latest() const {
  timespec at{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &at);
  return SteadyTime{seconds{at.tv_sec} + nanoseconds{at.tv_nsec} + milliseconds{20}};
}

ManualClock::ManualClock(UtcTime start) : utc_(start), steady_(SteadyTime{hours{1}}) {}

UtcTime ManualClock::now() const {
  std::scoped_lock lock(mutex_);
  return utc_;
}

SteadyTime ManualClock::steady() const {
  std::scoped_lock lock(mutex_);
  return steady_;
}

void ManualClock::advance(Micros by) {
  std::scoped_lock lock(mutex_);
  utc_ += by;
  steady_ += by;
}

void ManualClock::set_utc(UtcTime now) {
  std::scoped_lock lock(mutex_);
  utc_ = now;
}

Micros Deadline::remaining() const {
  if (when_ == SteadyTime::max()) return Micros::max();
  return std::max(duration_cast<Micros>(when_ - steady_clock::now()), Micros{0});
}

std::string to_rfc3339(UtcTime time) {
  constexpr UtcTime first{sys_days{year{0} / 1 / 1}};
  constexpr UtcTime last{sys_days{year{9999} / 12 / 31} + hours{24} - Micros{1}};
  time = std::clamp(time, first, last);
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{floor<milliseconds>(time - day)};
  char text[40];
  const int length =
      std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
                    static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                    static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                    static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return std::string(text, static_cast<std::size_t>(length));
}

Result<UtcTime> parse_rfc3339(std::string_view text) {
  const int y = take_digits(text, 4);
  if (y < 0 || !take(text, '-')) return bad_time();
  const int mo = take_digits(text, 2);
  if (mo < 0 || !take(text, '-')) return bad_time();
  const int d = take_digits(text, 2);
  if (d < 0 || !(take(text, 'T') || take(text, 't'))) return bad_time();
  const int h = take_digits(text, 2);
  if (h < 0 || h > 23 || !take(text, ':')) return bad_time();
  const int mi = take_digits(text, 2);
  if (mi < 0 || mi > 59 || !take(text, ':')) return bad_time();
  const int s = take_digits(text, 2);
  if (s < 0 || s > 59) return bad_time();

  std::int64_t fraction = 0;
  if (take(text, '.')) {
    std::size_t digits = 0;
    for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
      if (digits < 6) fraction = fraction * 10 + (text[digits] - '0');
    }
    if (digits == 0 || digits > 9) return bad_time();
    for (std::size_t i = digits; i < 6; ++i) fraction *= 10;
    text.remove_prefix(digits);
  }

  minutes offset{0};
  if (!(take(text, 'Z') || take(text, 'z'))) {
    if (text.empty() || (text.front() != '+' && text.front() != '-')) return bad_time();
    const int sign = text.front() == '-' ? -1 : 1;
    text.remove_prefix(1);
    const int oh = take_digits(text, 2);
    if (oh < 0 || oh > 23 || !take(text, ':')) return bad_time();
    const int om = take_digits(text, 2);
    if (om < 0 || om > 59) return bad_time();
    offset = minutes{sign * (oh * 60 + om)};
  }
  if (!text.empty()) return bad_time();

  const year_month_day date{year{y}, month{static_cast<unsigned>(mo)}, day{static_cast<unsigned>(d)}};
  if (!date.ok()) return bad_time();
  const UtcTime time = UtcTime{sys_days{date}} + hours{h} + minutes{mi} + seconds{s} + Micros{fraction} - offset;
  if (time < UtcTime{sys_days{year{1900} / 1 / 1}} || time >= UtcTime{sys_days{year{2201} / 1 / 1}}) {
    return fail(Code::invalid, "BadRequest", "lies outside the years 1900 to 2200 (UTC)");
  }
  return time;
}

Result<Micros> parse_duration(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view suffix = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const Unit& unit : units) {
    if (fault == std::errc{} && suffix == unit.suffix && number >= 0 && number <= duration_max / unit.micros) {
      return Micros{number * unit.micros};
    }
  }
  return fail(Code::invalid, "BadRequest", "is not a duration such as 300s, 5m, 24h or 7d");
}

std::string to_string(Micros duration) {
  for (std::size_t i = std::size(units); i-- > 0;) {
    if (duration.count() != 0 && duration.count() % units[i].micros == 0) {
      return std::to_string(duration.count() / units[i].micros) + std::string(units[i].suffix);
    }
  }
  return std::to_string(duration.count() / 1'000'000) + "s";
}

}  // namespace chaveiro
