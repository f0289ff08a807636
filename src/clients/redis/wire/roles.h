// clients/redis/wire/roles.h
//
// Roles: who reads and who writes a connection at this moment, and who tears it down once it is of no use. Reading and writing are done
// without a lock, so that the socket may only be closed when nobody is at it: whoever leaves last is told.
//
// Guarantees: after break_down(), exactly one call, whichever comes when both roles are free, says that the time has come; from then
//             on nobody gets in until tear_down().
// Threads:    one at a time; it lives inside the connection's lock.
#pragma once

#include <optional>
#include <utility>

#include "base/check.h"
#include "base/result.h"

namespace chaveiro::redis {

class Roles {
 public:
  // False: another one reads, or there is nothing to read any more.
  bool begin_reading() { return begin(reading_); }
  bool begin_writing() { return begin(writing_); }

  // True, of all three: the connection is broken and both roles are free: see to it that it is torn down.
  [[nodiscard]] bool end_reading() { return end(reading_); }
  [[nodiscard]] bool end_writing() { return end(writing_); }
  [[nodiscard]] bool break_down(const Error& why) {
    if (broken_) return false;
    broken_ = why;
    return free();
  }

  bool reading() const { return reading_; }
  bool writing() const { return writing_; }
  bool broken() const { return broken_.has_value(); }

  // Why it broke, and all is as new; nothing: it is not broken, or somebody is still at it.
  std::optional<Error> tear_down() {
    if (!free()) return std::nullopt;
    return std::exchange(broken_, std::nullopt);
  }

 private:
  bool free() const { return !reading_ && !writing_; }
  bool begin(bool& role) const {
    if (role || broken_) return false;
    return role = true;
  }
  bool end(bool& role) const {
    CHECK(role);
    role = false;
    return broken_ && free();
  }

  bool reading_ = false;
  bool writing_ = false;
  std::optional<Error> broken_;
};

}  // namespace chaveiro::redis
