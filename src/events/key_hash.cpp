#include "events/key_hash.h"

#include <cstring>

#include "base/check.h"
#include "base/text.h"

namespace chaveiro::events {
namespace {

constexpr std::uint32_t rotate(std::uint32_t value, int by) { return (value << by) | (value >> (32 - by)); }

std::uint32_t mix(std::uint32_t k) { return rotate(k * 0xcc9e2d51u, 15) * 0x1b873593u; }

std::uint32_t code_point(std::string_view character) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(character[i])); };
  switch (character.size()) {
    case 1:
      return byte(0);
    case 2:
      return (byte(0) & 0x1f) << 6 | (byte(1) & 0x3f);
    case 3:
      return (byte(0) & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
    default:
      return (byte(0) & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f);
  }
}

}  // namespace

std::string_view to_string(KeyHash hash) { return hash == KeyHash::java ? "java" : "murmur3"; }

std::optional<KeyHash> key_hash_of(std::string_view text) {
  if (text == "murmur3") return KeyHash::murmur3;
  if (text == "java") return KeyHash::java;
  return std::nullopt;
}

std::uint32_t murmur3_32(std::string_view data) {
  std::uint32_t hash = 0;
  const char* at = data.data();
  std::size_t left = data.size();
  for (; left >= 4; at += 4, left -= 4) {
    std::uint32_t word;
    std::memcpy(&word, at, 4);
    hash = rotate(hash ^ mix(word), 13) * 5 + 0xe6546b64u;
  }
  std::uint32_t tail = 0;
  for (std::size_t i = left; i-- > 0;) tail = tail << 8 | static_cast<unsigned char>(at[i]);
  if (left > 0) hash ^= mix(tail);
  hash ^= static_cast<std::uint32_t>(data.size());
  hash = (hash ^ (hash >> 16)) * 0x85ebca6bu;
  hash = (hash ^ (hash >> 13)) * 0xc2b2ae35u;
  return hash ^ (hash >> 16);
}

std::uint32_t java_string_hash(std::string_view utf8) {
  std::uint32_t hash = 0;
  while (!utf8.empty()) {
    const std::size_t length = utf8_length(utf8);
    const std::uint32_t point = length == 0 ? 0xfffdu : code_point(utf8.substr(0, length));
    if (point >= 0x10000) {
      hash = hash * 31 + (0xd800u + ((point - 0x10000) >> 10));
      hash = hash * 31 + (0xdc00u + ((point - 0x10000) & 0x3ff));
    } else {
      hash = hash * 31 + point;
    }
    utf8.remove_prefix(length == 0 ? 1 : length);
  }
  return hash;
}

std::uint32_t partition_of(std::string_view key, KeyHash hash, std::uint32_t partitions) {
  CHECK(partitions > 0);
  const std::uint32_t value = hash == KeyHash::java ? java_string_hash(key) : murmur3_32(key);
  return (value & 0x7fffffffu) % partitions;
}

}  // namespace chaveiro::events
