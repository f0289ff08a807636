// cache/index.h
//
// From hash to place: a directory of segments (extendible hashing), each 64 lines of memory, each line twelve places with a byte
// of hash. A look-up touches one word of the directory and, nearly always, one line. A full segment splits in two, which is all
// the work that growth ever asks for at once; there is no moment at which everything moves.
//
// Threads: look-ups any, inside a Section (cache/epoch.h); changes one at a time.
// Time:    O(1); a split moves about 640 places (20–60 µs, for the writer that caused it).
// Source:  Fagin et al., Extendible hashing (TODS 1979); Bronson and Shi, F14 (2019): hash bytes and overflow counts.
#pragma once

#include <atomic>
#include <cstdint>
#include <new>
#include <vector>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "cache/arena.h"

namespace chaveiro::cache {

class Index {
 public:
  struct alignas(64) Line {
    static constexpr std::uint32_t places = 12;
    std::atomic<std::uint64_t>
        tags[2];  // 12 hash bytes; byte 12: how many keys went past this line; line 0 bytes 14–15: keys
                  // of the segment; line 1 byte 14: bits of the directory that the segment answers for
    std::atomic<Ref> refs[places];

    // One bit for each place whose hash byte is `tag`; it may still be empty.
    [[gnu::always_inline]] std::uint32_t places_of(std::uint8_t tag) const {
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
      // Each half is read at once, which is all that this asks for; C++ has no name for such a load of sixteen bytes.
      __m128i all;
      asm volatile("movdqa %1, %0" : "=x"(all) : "m"(tags));
      const __m128i same = _mm_cmpeq_epi8(all, _mm_set1_epi8(static_cast<char>(tag)));
      return static_cast<std::uint32_t>(_mm_movemask_epi8(same)) & 0xFFF;
#else
      const std::uint64_t low = tags[0].load(std::memory_order_acquire);
      const std::uint64_t high = tags[1].load(std::memory_order_acquire);
      std::uint32_t bits = 0;
      for (std::uint32_t i = 0; i < places; ++i)
        bits |= static_cast<std::uint32_t>(((i < 8 ? low : high) >> i % 8 * 8 & 0xFF) == tag) << i;
      return bits;
#endif
    }
    bool passed() const { return (tags[1].load(std::memory_order_relaxed) >> 32 & 0xFF) != 0; }
  };
  static constexpr std::uint32_t lines = Arena::segment_bytes / sizeof(Line);
  static constexpr std::uint32_t split_at = 640;  // keys of a segment, of 768 places

  explicit Index(Arena& arena) : arena_(arena), base_(arena.base()) {}
  ~Index();
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;

  // Calls same(ref) for each candidate until it says true; 0 where none did. `hash` is the shard's part, left-aligned.
  template <class Same>
  [[gnu::always_inline]] Ref find(std::uint64_t hash, Same same) const {
    const Line* const segment = this->segment(hash);
    std::uint32_t line = first_line(hash);
    for (std::uint32_t step = 0; step < lines; ++step) {
      const Line& at = segment[line];
      for (std::uint32_t hits = at.places_of(tag(hash)); hits != 0; hits &= hits - 1) {
        const Ref ref = at.refs[__builtin_ctz(hits)].load(std::memory_order_acquire);
        if (ref != 0 && same(ref)) [[likely]]
          return ref;
      }
      if (!at.passed()) return 0;
      line = (line + 1) % lines;
    }
    return 0;
  }
  const Entry* at(Ref ref) const { return reinterpret_cast<const Entry*>(base_ + std::size_t{ref} * 8); }
  // Where the search begins.
  [[gnu::always_inline]] const Line& home(std::uint64_t hash) const { return segment(hash)[first_line(hash)]; }
  // A change under this hash will follow: what it touches is on its way from now on.
  void expect_change(std::uint64_t hash) const {
    const Line* const at = segment(hash);
    __builtin_prefetch(at + first_line(hash), 1);
    __builtin_prefetch(at, 1);  // counts its keys
  }
  static std::uint8_t tag(std::uint64_t hash) { return static_cast<std::uint8_t>(hash >> 24); }

  // Writers. The place of a ref that is in the index under this hash.
  void replace(std::uint64_t hash, Ref before, Ref after);
  void remove(std::uint64_t hash, Ref ref);
  void insert(std::uint64_t hash, Ref ref);  // there must be room(): the key is not in yet

  // False: grow() first.
  bool room(std::uint64_t hash) const { return keys(segment(hash)) < split_at; }
  // Splits the segment of `hash` with two fresh segments. Left behind for the caller to free when no reader sees them:
  // the old segment, and the old directory where that had to double.
  struct Left {
    Ref segment = 0;
    void* directory = nullptr;
  };
  template <class HashOf>
  Left grow(std::uint64_t hash, Ref low, Ref high, HashOf hash_of) {
    Left left;
    if (depth(segment(hash)) == bits()) left.directory = double_directory();
    const Line* const old = segment(hash);
    left.segment = ref_of(hash);
    const std::uint32_t level = depth(old) + 1;
    clear_segment(low, level);
    clear_segment(high, level);
    for (std::uint32_t i = 0; i < lines * Line::places; ++i) {
      constexpr std::uint32_t ahead = 16;
      if (i + ahead < lines * Line::places) {
        __builtin_prefetch(arena_.at<Entry>(
            old[(i + ahead) / Line::places].refs[(i + ahead) % Line::places].load(std::memory_order_relaxed)));
      }
      const Ref ref = old[i / Line::places].refs[i % Line::places].load(std::memory_order_relaxed);
      if (ref == 0) continue;
      const std::uint64_t its = hash_of(ref);
      insert_in(arena_.at<Line>((its >> (64 - level) & 1) != 0 ? high : low), its, ref);
    }
    publish(hash, level, low, high);
    return left;
  }
  // Begins anew with one pair of segments; the old ones are handed to `drop`, to be freed when no reader sees them.
  template <class Drop>
  void* restart(Ref low, Ref high, Drop drop) {
    Words* const old = words();
    if (old != nullptr) {
      for (std::size_t i = 0; i < std::size_t{1} << bits();) {
        const Ref ref = old[i].load(std::memory_order_relaxed);
        i += std::size_t{1} << (bits() - depth(arena_.at<Line>(ref)));
        drop(ref);
      }
    }
    begin(low, high);
    return old;
  }
  static void free_directory(void* directory) { ::operator delete[](directory, std::align_val_t{64}); }

  std::size_t bytes() const { return sizeof(Words) << bits(); }
  // Calls each(ref) for every key.
  template <class Each>
  void for_each(Each each) const {
    for (std::size_t i = 0; i < std::size_t{1} << bits();) {
      const Line* const at = arena_.at<Line>(words()[i].load(std::memory_order_relaxed));
      for (std::uint32_t p = 0; p < lines * Line::places; ++p) {
        if (const Ref ref = at[p / Line::places].refs[p % Line::places].load(std::memory_order_relaxed)) each(ref);
      }
      i += std::size_t{1} << (bits() - depth(at));
    }
  }

 private:
  using Words = std::atomic<Ref>;

  // Bits apart from those that chose shard and segment (the upper ones) and from the lowest, which the shift beyond the shard's emptied.
  static std::uint32_t first_line(std::uint64_t hash) { return hash >> 16 & (lines - 1); }
  static std::uint32_t keys(const Line* at) {
    return static_cast<std::uint32_t>(at[0].tags[1].load(std::memory_order_relaxed) >> 48);
  }
  static std::uint32_t depth(const Line* at) {
    return static_cast<std::uint32_t>(at[1].tags[1].load(std::memory_order_relaxed) >> 48);
  }
  static void add_keys(Line* at, std::uint64_t delta) {
    at[0].tags[1].store(at[0].tags[1].load(std::memory_order_relaxed) + (delta << 48), std::memory_order_relaxed);
  }

  static constexpr std::uint64_t shift_mask = 63;  // the directory lies on a multiple of 64
  Words* words() const { return reinterpret_cast<Words*>(word_.load(std::memory_order_acquire) & ~shift_mask); }
  std::uint32_t bits() const {
    return 64 - static_cast<std::uint32_t>(word_.load(std::memory_order_relaxed) & shift_mask);
  }
  Ref ref_of(std::uint64_t hash) const {
    const std::uint64_t word = word_.load(std::memory_order_acquire);
    return reinterpret_cast<const Words*>(word & ~shift_mask)[hash >> (word & shift_mask)].load(
        std::memory_order_acquire);
  }
  Line* segment(std::uint64_t hash) const { return reinterpret_cast<Line*>(base_ + std::size_t{ref_of(hash)} * 8); }
  void begin(Ref low, Ref high);
  static Words* new_directory(std::size_t words);
  void* double_directory();
  void clear_segment(Ref ref, std::uint32_t level);
  static void insert_in(Line* segment, std::uint64_t hash, Ref ref);
  void publish(std::uint64_t hash, std::uint32_t level, Ref low, Ref high);
  static void pass(Line& line, int delta);

  Arena& arena_;
  std::byte* const base_;
  std::atomic<std::uint64_t> word_{0};  // address of the directory | shift of the hash
};

}  // namespace chaveiro::cache
