#include "cache/index.h"

#include <memory>

#include "base/check.h"

namespace chaveiro::cache {
namespace {
constexpr std::uint64_t passed_one = std::uint64_t{1} << 32;
constexpr std::uint64_t passed_mask = std::uint64_t{0xFF} << 32;
}  // namespace

Index::~Index() { free_directory(words()); }

Index::Words* Index::new_directory(std::size_t words) {
  auto* const fresh = static_cast<Words*>(::operator new[](words * sizeof(Words), std::align_val_t{64}));
  std::uninitialized_value_construct_n(fresh, words);
  return fresh;
}

void Index::begin(Ref low, Ref high) {
  Words* const fresh = new_directory(2);
  clear_segment(low, 1);
  clear_segment(high, 1);
  fresh[0].store(low, std::memory_order_relaxed);
  fresh[1].store(high, std::memory_order_relaxed);
  word_.store(reinterpret_cast<std::uintptr_t>(fresh) | 63, std::memory_order_release);
}

void* Index::double_directory() {
  Words* const old = words();
  const std::size_t size = std::size_t{1} << bits();
  Words* const fresh = new_directory(size * 2);
  for (std::size_t i = 0; i < size * 2; ++i)
    fresh[i].store(old[i / 2].load(std::memory_order_relaxed), std::memory_order_relaxed);
  word_.store(reinterpret_cast<std::uintptr_t>(fresh) | (64 - bits() - 1), std::memory_order_release);
  return old;
}

void Index::clear_segment(Ref ref, std::uint32_t level) {
  Line* const at = arena_.at<Line>(ref);
  for (std::uint32_t i = 0; i < lines; ++i) {
    for (auto& tags : at[i].tags) tags.store(0, std::memory_order_relaxed);
    for (auto& place : at[i].refs) place.store(0, std::memory_order_relaxed);
  }
  at[1].tags[1].store(std::uint64_t{level} << 48, std::memory_order_relaxed);
}

void Index::publish(std::uint64_t hash, std::uint32_t level, Ref low, Ref high) {
  const std::size_t span = std::size_t{1} << (bits() - level);  // words of each half
  const std::size_t start = (hash >> (64 - bits())) & ~(span * 2 - 1);
  for (std::size_t i = 0; i < span * 2; ++i) words()[start + i].store(i < span ? low : high, std::memory_order_release);
}

// A line that 255 keys have passed keeps that count for ever: longer searches, never wrong ones.
void Index::pass(Line& line, int delta) {
  const std::uint64_t word = line.tags[1].load(std::memory_order_relaxed);
  if ((word & passed_mask) == passed_mask) return;
  line.tags[1].store(delta > 0 ? word + passed_one : word - passed_one, std::memory_order_release);
}

void Index::insert_in(Line* segment, std::uint64_t hash, Ref ref) {
  for (std::uint32_t line = first_line(hash);; line = (line + 1) % lines) {
    Line& at = segment[line];
    for (std::uint32_t i = 0; i < Line::places; ++i) {
      if (at.refs[i].load(std::memory_order_relaxed) != 0) continue;
      const std::uint32_t shift = i % 8 * 8;
      auto& tags = at.tags[i / 8];
      // The byte first: a reader that sees the place must not have missed the byte (both orders are safe for a key that
      // comes; this one keeps a stale byte from hiding it).
      tags.store(
          (tags.load(std::memory_order_relaxed) & ~(std::uint64_t{0xFF} << shift)) | std::uint64_t{tag(hash)} << shift,
          std::memory_order_release);
      at.refs[i].store(ref, std::memory_order_release);
      add_keys(segment, 1);
      return;
    }
    pass(at, 1);
  }
}

void Index::insert(std::uint64_t hash, Ref ref) { insert_in(segment(hash), hash, ref); }

void Index::replace(std::uint64_t hash, Ref before, Ref after) {
  Line* const segment = this->segment(hash);
  for (std::uint32_t line = first_line(hash), step = 0; step < lines; line = (line + 1) % lines, ++step) {
    for (std::uint32_t hits = segment[line].places_of(tag(hash)); hits != 0; hits &= hits - 1) {
      auto& place = segment[line].refs[__builtin_ctz(hits)];
      if (place.load(std::memory_order_relaxed) == before) return place.store(after, std::memory_order_release);
    }
  }
  CHECK(false);
}

void Index::remove(std::uint64_t hash, Ref ref) {
  Line* const segment = this->segment(hash);
  const std::uint32_t home = first_line(hash);
  for (std::uint32_t line = home, step = 0; step < lines; line = (line + 1) % lines, ++step) {
    for (std::uint32_t hits = segment[line].places_of(tag(hash)); hits != 0; hits &= hits - 1) {
      auto& place = segment[line].refs[__builtin_ctz(hits)];
      if (place.load(std::memory_order_relaxed) != ref) continue;
      place.store(0, std::memory_order_release);
      add_keys(segment, std::uint64_t{0} - 1);
      for (std::uint32_t passed = home; passed != line; passed = (passed + 1) % lines) pass(segment[passed], -1);
      return;
    }
  }
  CHECK(false);
}

}  // namespace chaveiro::cache
