// base/clock.h
//
// Time as the platform knows it: int64 microseconds UTC for what is stored and shown, a steady time for how long things
// take. Only the wiring (app/) makes a SystemClock; everybody else is handed a Clock, so that tests move time by hand.
//
// Threads: every Clock may be used by any number of threads.
// Time:    now() and steady() are O(1) and never block; SystemClock costs one vDSO call (17 to 26 ns; steady_at_latest() 3 ns).
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/result.h"

namespace chaveiro {

using Micros = std::chrono::microseconds;

// A moment, microseconds since 1970-01-01T00:00:00Z. Any int64 is a value; 0 is 1970, not "none" (use std::optional).
using UtcTime = std::chrono::sys_time<Micros>;

// A point of a clock that never steps.
using SteadyTime = std::chrono::steady_clock::time_point;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual UtcTime now() const = 0;
  virtual SteadyTime steady() const = 0;
  // A moment that steady() has not passed yet and that is at most 20 ms ahead of it: for bounds that may be kept a little early and are
  // looked at too often to pay for steady().
  virtual SteadyTime steady_at_latest() const { return steady(); }
};

class SystemClock final : public Clock {
 public:
  UtcTime now() const override;
  SteadyTime steady() const override;
  SteadyTime steady_at_latest() const override;
};

// A clock that a test moves. Both times advance together; set_utc() steps the wall clock alone, as NTP or an operator
// might.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(UtcTime start = UtcTime{std::chrono::seconds{1'767'225'600}});  // 2026-01-01T00:00:00Z

  UtcTime now() const override;
  SteadyTime steady() const override;
  void advance(Micros by);
  void set_utc(UtcTime now);

 private:
  mutable std::mutex mutex_;
  UtcTime utc_;
  SteadyTime steady_;
};

// Moment after which an answer is of no use to the caller. Travels with the request through every room.
//
// A deadline is a point of real steady time: waits (condition variables, sockets) can use it as it is.
class Deadline {
 public:
  // `limit` from now on; a negative limit is a deadline that has passed.
  static Deadline in(Micros limit) { return Deadline(std::chrono::steady_clock::now() + limit); }
  static Deadline at(SteadyTime when) { return Deadline(when); }
  // No limit at all: only for work that nobody waits for, and for tests.
  static Deadline never() { return Deadline(SteadyTime::max()); }

  SteadyTime when() const { return when_; }
  bool expired() const { return when_ != SteadyTime::max() && std::chrono::steady_clock::now() >= when_; }
  // Time left, never negative.
  Micros remaining() const;
  // The nearer of the two: a caller's deadline capped by a limit of ours.
  Deadline capped(Micros limit) const { return Deadline(std::min(when_, in(limit).when_)); }

  auto operator<=>(const Deadline&) const = default;

 private:
  explicit Deadline(SteadyTime when) : when_(when) {}
  SteadyTime when_;
};

// RFC 3339 with milliseconds and Z: 2026-11-21T10:39:54.123Z. Years 0000–9999; outside them the nearest representable
// moment.
std::string to_rfc3339(UtcTime time);

// Reads RFC 3339 with `Z` or an offset and up to nine fractional digits (below a microsecond they are cut).
// Errors: invalid, for anything else, for days that do not exist, and for moments outside the years 1900–2200 (UTC).
Result<UtcTime> parse_rfc3339(std::string_view text);

// "300s", "5m", "24h", "7d", "250ms", "10us"; a number without unit is refused.
// Errors: invalid (empty, negative, unknown unit, above 1,000 years).
Result<Micros> parse_duration(std::string_view text);
std::string to_string(Micros duration);  // the shortest exact spelling that parse_duration reads

}  // namespace chaveiro
