// base/random.h
//
// Two kinds of chance. random_bytes() and random_u64() come from the operating system and cannot be guessed: ids,
// tokens, nonces. Random repeats itself from a seed: jitter, sampling, simulations; never for anything that must stay
// unguessed.
//
// Threads: the functions, any (each thread keeps a small buffer that is wiped as it is used); a Random belongs to one
// thread. Time:    random_u64() about 10 ns, one system call every 64 of them. A process that forks must exec: the
// buffer is not split.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace chaveiro {

// Fills `out`. Stops the process when the kernel has no randomness to give, which no caller could mend.
void random_bytes(std::span<std::uint8_t> out);
std::uint64_t random_u64();

// SplitMix64 (Steele, Lea, Flood 2014). Meets std::uniform_random_bit_generator.
class Random {
 public:
  using result_type = std::uint64_t;

  explicit Random(std::uint64_t seed) : state_(seed) {}

  static constexpr std::uint64_t min() { return 0; }
  static constexpr std::uint64_t max() { return ~std::uint64_t{0}; }

  std::uint64_t operator()() {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // 0 ≤ result < bound; 0 for a bound of 0. Bias below 2^-32 for bounds below 2^32.
  std::uint64_t below(std::uint64_t bound) {
    return static_cast<std::uint64_t>((static_cast<Wide>((*this)()) * bound) >> 64);
  }
  // 0 ≤ result < 1, 53 bits.
  double unit() { return static_cast<double>((*this)() >> 11) * 0x1.0p-53; }

 private:
  __extension__ using Wide = unsigned __int128;
  std::uint64_t state_;
};

}  // namespace chaveiro
