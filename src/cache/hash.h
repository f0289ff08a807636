// cache/hash.h
//
// Seeded 64-bit hash of bytes: folded 64×64→128 multiplications, 16 bytes a step. Whoever does not know the seed cannot choose
// keys that collide, which is what a cache fed by strangers needs; it is not a cryptographic hash.
//
// Threads: any.
// Time:    O(length), about 4 ns for 36 bytes.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace chaveiro::cache {

namespace hashing {

__extension__ typedef unsigned __int128 Wide;

inline std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}
inline std::uint64_t load8(const char* at) {
  std::uint64_t word;
  std::memcpy(&word, at, 8);
  return word;
}
// Up to eight bytes, without reading outside of them.
inline std::uint64_t load_tail(const char* at, std::size_t count) {
  if (count >= 8) return load8(at);
  if (count >= 4) {
    std::uint32_t low, high;
    std::memcpy(&low, at, 4);
    std::memcpy(&high, at + count - 4, 4);
    return low | static_cast<std::uint64_t>(high) << 32;
  }
  if (count == 0) return 0;
  const auto byte = [&](std::size_t i) { return static_cast<std::uint64_t>(static_cast<unsigned char>(at[i])); };
  return byte(0) | byte(count / 2) << 8 | byte(count - 1) << 16;
}

}  // namespace hashing

// Like memcmp, without a call: keys are short, and their length is often known where this is used.
[[gnu::always_inline]] inline bool equal_bytes(const char* a, const char* b, std::size_t count) {
  using namespace hashing;
  if (count < 8) return load_tail(a, count) == load_tail(b, count);
  std::uint64_t different = load8(a + count - 8) ^ load8(b + count - 8);
  for (std::size_t i = 0; i + 8 < count; i += 8) different |= load8(a + i) ^ load8(b + i);
  return different == 0;
}

[[gnu::always_inline]] inline std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed) {
  using namespace hashing;
  constexpr std::uint64_t odd1 = 0x9E3779B97F4A7C15, odd2 = 0xC2B2AE3D27D4EB4F;
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t state = seed;
  if (left > 32) {  // two chains side by side: neither waits for the other
    std::uint64_t beside = seed;
    for (; left > 32; at += 32, left -= 32) {
      state = fold(load8(at) ^ odd1 ^ seed, load8(at + 8) ^ state);
      beside = fold(load8(at + 16) ^ odd2 ^ seed, load8(at + 24) ^ beside);
    }
    state ^= beside;
  }
  if (left > 16) {
    state = fold(load8(at) ^ odd1 ^ seed, load8(at + 8) ^ state);
    at += 16, left -= 16;
  }
  const std::uint64_t low = load_tail(at, left);
  const std::uint64_t high = left > 8 ? load8(at + left - 8) : 0;
  return fold(fold(low ^ odd2 ^ seed, high ^ state), odd1 ^ state ^ bytes.size());
}

}  // namespace chaveiro::cache
