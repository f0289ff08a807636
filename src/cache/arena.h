// cache/arena.h
//
// The memory of one shard: pages of equal size, each cut into slots of one size. Freed slots go back to their page, empty pages
// to all sizes. The address range is reserved once (unbacked memory costs nothing), so a Ref is an offset for ever and a reader
// can never touch memory that is gone.
//
// Threads: one at a time; at() any.
// Time:    O(1). Memory is asked for in huge pages where the range is large enough to fill them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cache/entry.h"

namespace chaveiro::cache {

class Arena {
 public:
  static constexpr std::uint32_t segment_bytes = 4096;  // the largest slot: a segment of the index
  static constexpr std::uint32_t none = 0xFFFFFFFF;

  struct Page {
    std::uint32_t slot = 0;  // bytes of each; 0: the page is empty and belongs to nobody
    std::uint16_t slots = 0, taken = 0;
    bool detached = false;  // nothing new is put here: it empties and is then given back
    Ref free = 0;
    std::uint32_t before = none, after = none;  // pages of this size with free slots
  };

  Arena(std::size_t reserve, std::uint32_t page_bytes);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  std::byte* base() const { return base_; }
  template <class T>
  T* at(Ref ref) const {
    return reinterpret_cast<T*>(base_ + std::size_t{ref} * 8);
  }

  static std::uint32_t slot_for(std::size_t bytes);
  // A free slot of a page that is in use already; 0 where there is none.
  Ref take(std::uint32_t slot);
  // How many of those there are.
  std::uint32_t free(std::uint32_t slot) const { return free_[slot / 8]; }
  // Opens one more page for slots of this size; false when the range is used up.
  bool open(std::uint32_t slot);
  void give(Ref ref);
  // Detaches every page that is in use for entries and tells each.
  template <class Told>
  void detach_entries(Told told) {
    for (std::uint32_t i = 1; i < pages_.size(); ++i) {
      if (pages_[i].slot == 0 || pages_[i].slot == segment_bytes || pages_[i].detached) continue;
      if (pages_[i].free != 0) unlink(i);
      pages_[i].detached = true;
      free_[pages_[i].slot / 8] -= pages_[i].slots - pages_[i].taken;
      told(i);
    }
  }

  std::uint32_t page_of(Ref ref) const { return static_cast<std::uint32_t>(std::size_t{ref} * 8 >> page_bits_); }
  const Page& page(std::uint32_t index) const { return pages_[index]; }
  std::uint32_t pages() const { return static_cast<std::uint32_t>(pages_.size()); }  // first one is never used
  Ref first(std::uint32_t page) const { return static_cast<Ref>(std::size_t{page} * page_bytes_ / 8); }
  std::uint32_t page_bytes() const { return page_bytes_; }
  std::size_t bytes() const { return open_ * page_bytes_ + pages_.capacity() * sizeof(Page); }

 private:
  static constexpr std::uint32_t sizes = 512;
  void link(std::uint32_t page);
  void unlink(std::uint32_t page);
  void give_back(std::uint32_t page);

  // What look-ups read, on a line that writers leave alone.
  alignas(64) std::byte* base_ = nullptr;
  std::size_t reserve_;
  std::uint32_t page_bytes_, page_bits_;  // a power of two
  bool huge_;
  alignas(64) std::vector<Page> pages_;
  std::vector<std::uint32_t> empty_;
  std::vector<std::uint32_t> partial_;  // by slot / 8: head of the list of pages with free slots
  std::vector<std::uint32_t> free_;     // by slot / 8: free slots of those
  std::vector<std::uint16_t> block_;    // pages in use in each 2 MiB, where huge pages are used
  std::size_t open_ = 0;
};

}  // namespace chaveiro::cache
