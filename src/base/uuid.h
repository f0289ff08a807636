// base/uuid.h
//
// Uuid: sixteen bytes, a value. Ordered by its bytes, which for version 7 is the order of making; hashable; written in
// lower case with hyphens. The nil id (all zero) is an ordinary value; use std::optional for "none".
//
// Threads: values; uuid_v4(), uuid_v5() and UuidV7 may be used by any number of threads.
// Time:    v4 and v7 tens of nanoseconds, v5 one SHA-1.
// Source:  RFC 9562.
#pragma once

#include <array>
#include <atomic>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace chaveiro {

class Uuid {
 public:
  using Bytes = std::array<std::uint8_t, 16>;

  constexpr Uuid() = default;
  constexpr explicit Uuid(const Bytes& bytes) : bytes_(bytes) {}

  // 8-4-4-4-12 hexadecimal digits of either case, nothing else: no braces, no "urn:", no missing hyphens.
  // Errors: invalid; the message does not repeat the text.
  static Result<Uuid> parse(std::string_view text);

  constexpr const Bytes& bytes() const { return bytes_; }
  constexpr int version() const { return bytes_[6] >> 4; }
  constexpr bool is_nil() const { return *this == Uuid{}; }

  constexpr auto operator<=>(const Uuid&) const = default;

 private:
  Bytes bytes_{};
};

std::string to_string(const Uuid& uuid);

// The moment that a version 7 id tells, in whole milliseconds; of no meaning for other versions.
UtcTime time_of(const Uuid& uuid);

// Version 4: 122 random bits that cannot be guessed.
Uuid uuid_v4();

// Version 5: the same namespace and name give the same id, everywhere and always.
Uuid uuid_v5(const Uuid& space, std::string_view name);

// Makes version 7 ids: milliseconds, then a 12-bit counter, then 62 random bits. Each id of one generator is greater
// than those before it, also when the clock stands still or steps back; then the ids run ahead of the clock by 1 ms
// every 4,096 of them.
class UuidV7 {
 public:
  // Times before 1970 count as 1970.
  Uuid make(UtcTime now);

 private:
  std::atomic<std::uint64_t> last_{0};  // milliseconds << 12 | counter, of the newest id
};

}  // namespace chaveiro

template <>
struct std::hash<chaveiro::Uuid> {
  std::size_t operator()(const chaveiro::Uuid& uuid) const noexcept {
    std::uint64_t high, low;
    std::memcpy(&high, uuid.bytes().data(), 8);
    std::memcpy(&low, uuid.bytes().data() + 8, 8);
    // Multiplied, so that ids made in one millisecond spread over every bit of the result.
    std::uint64_t mixed = (high ^ (low >> 29)) * 0x9e3779b97f4a7c15 + low * 0xd6e8feb86659fd93;
    return static_cast<std::size_t>(mixed ^ (mixed >> 32));
  }
};
