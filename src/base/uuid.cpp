#include "base/uuid.h"

#include <algorithm>

#include "base/encoding.h"
#include "base/hash.h"
#include "base/random.h"

namespace chaveiro {
namespace {

constexpr std::size_t text_size = 36;

constexpr bool is_hyphen_place(std::size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

Uuid with_version(Uuid::Bytes bytes, std::uint8_t version) {
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | version << 4);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);
  return Uuid{bytes};
}

}  // namespace

Result<Uuid> Uuid::parse(std::string_view text) {
  const auto bad = [] {
    return fail(Code::invalid, "BadRequest", "is not a UUID: 8-4-4-4-12 hexadecimal digits with hyphens");
  };
  if (text.size() != text_size) return bad();
  Bytes bytes{};
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text_size; ++i) {
    if (is_hyphen_place(i)) {
      if (text[i] != '-') return bad();
      continue;
    }
    const int value = hex_value(text[i]);
    if (value < 0) return bad();
    bytes[digits / 2] = static_cast<std::uint8_t>(bytes[digits / 2] << 4 | value);
    ++digits;
  }
  return Uuid{bytes};
}

std::string to_string(const Uuid& uuid) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text(text_size, '-');
  std::size_t place = 0;
  for (const std::uint8_t byte : uuid.bytes()) {
    if (is_hyphen_place(place)) ++place;
    text[place++] = digits[byte >> 4];
    text[place++] = digits[byte & 15];
  }
  return text;
}

UtcTime time_of(const Uuid& uuid) {
  std::int64_t millis = 0;
  for (std::size_t i = 0; i < 6; ++i) millis = millis << 8 | uuid.bytes()[i];
  return UtcTime{std::chrono::milliseconds{millis}};
}

Uuid uuid_v4() {
  Uuid::Bytes bytes;
  random_bytes(bytes);
  return with_version(bytes, 4);
}

Uuid uuid_v5(const Uuid& space, std::string_view name) {
  const Digest160 digest = sha1_of_two(space.bytes(), as_bytes(name));
  Uuid::Bytes bytes;
  std::copy_n(digest.begin(), bytes.size(), bytes.begin());
  return with_version(bytes, 5);
}

Uuid UuidV7::make(UtcTime now) {
  const std::uint64_t random = random_u64();
  const auto millis = std::chrono::floor<std::chrono::milliseconds>(now).time_since_epoch().count();
  // A fresh millisecond begins its counter in the lower half, so that the upper half is room to count; a full counter
  // carries into the milliseconds, which keeps the order without waiting for the clock.
  const std::uint64_t fresh = static_cast<std::uint64_t>(std::max<std::int64_t>(millis, 0)) << 12 | (random & 0x7ff);
  std::uint64_t last = last_.load(std::memory_order_relaxed);
  std::uint64_t mine = 0;
  do {
    mine = fresh >> 12 > last >> 12 ? fresh : last + 1;
  } while (!last_.compare_exchange_weak(last, mine, std::memory_order_relaxed));

  Uuid::Bytes bytes{};
  for (std::size_t i = 0; i < 6; ++i) bytes[i] = static_cast<std::uint8_t>(mine >> (52 - 8 * i));
  bytes[6] = static_cast<std::uint8_t>(mine >> 8 & 0x0f);
  bytes[7] = static_cast<std::uint8_t>(mine);
  const std::uint64_t tail = random_u64();
  std::memcpy(bytes.data() + 8, &tail, sizeof tail);
  return with_version(bytes, 7);
}

}  // namespace chaveiro
