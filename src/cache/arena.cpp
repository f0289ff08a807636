#include "cache/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <new>

#include "base/check.h"

namespace chaveiro::cache {
namespace {
constexpr std::size_t huge_bytes = std::size_t{2} << 20;
}

Arena::Arena(std::size_t reserve, std::uint32_t page_bytes)
    : reserve_((reserve + huge_bytes - 1) / huge_bytes * huge_bytes + huge_bytes),
      page_bytes_(page_bytes),
      page_bits_(static_cast<std::uint32_t>(std::countr_zero(page_bytes))),
      huge_(reserve >= 8 * huge_bytes),
      pages_(1),
      partial_(sizes + 1, none),
      free_(sizes + 1) {
  CHECK(reserve_ / 8 < (std::uint64_t{1} << 32));
  void* at = mmap(nullptr, reserve_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  base_ = static_cast<std::byte*>(at);
  if (huge_) madvise(at, reserve_, MADV_HUGEPAGE);
  block_.resize(reserve_ / huge_bytes + 2);
}
Arena::~Arena() { munmap(base_, reserve_); }

// Steps of 8 bytes up to 256, then an eighth to a sixteenth of the size.
std::uint32_t Arena::slot_for(std::size_t bytes) {
  const std::size_t step = bytes <= 256    ? 8
                           : bytes <= 512  ? 16
                           : bytes <= 1024 ? 32
                           : bytes <= 2048 ? 64
                                           : segment_bytes;
  return static_cast<std::uint32_t>((bytes + step - 1) / step * step);
}

Ref Arena::take(std::uint32_t slot) {
  const std::uint32_t index = partial_[slot / 8];
  if (index == none) return 0;
  Page& page = pages_[index];
  const Ref ref = page.free;
  page.free = at<Entry>(ref)->deadline.load(std::memory_order_relaxed);
  ++page.taken;
  --free_[slot / 8];
  if (page.free == 0) {
    unlink(index);
  } else {  // the next one to be taken, and written
    __builtin_prefetch(at<Entry>(page.free), 1);
    __builtin_prefetch(at<Entry>(page.free)->at(64), 1);
  }
  return ref;
}

bool Arena::open(std::uint32_t slot) {
  std::uint32_t index;
  if (!empty_.empty()) {
    index = empty_.back();
    empty_.pop_back();
  } else {
    index = static_cast<std::uint32_t>(pages_.size());
    if ((std::size_t{index} + 1) * page_bytes_ > reserve_) return false;
    pages_.emplace_back();
  }
  Page& page = pages_[index];
  page.slot = slot;
  page.slots = static_cast<std::uint16_t>(page_bytes_ / slot);
  page.taken = 0;
  page.detached = false;
  page.free = 0;
  for (std::uint32_t i = page.slots; i-- > 0;) {
    const Ref ref = first(index) + i * slot / 8;
    Entry* entry = at<Entry>(ref);
    entry->deadline.store(page.free, std::memory_order_relaxed);
    entry->shape.store(0, std::memory_order_relaxed);
    page.free = ref;
  }
  free_[slot / 8] += page.slots;
  ++open_;
  ++block_[std::size_t{index} * page_bytes_ / huge_bytes];
  link(index);
  return true;
}

void Arena::give(Ref ref) {
  const std::uint32_t index = page_of(ref);
  Page& page = pages_[index];
  Entry* entry = at<Entry>(ref);
  entry->deadline.store(page.free, std::memory_order_relaxed);
  entry->shape.store(0, std::memory_order_relaxed);
  if (page.free == 0 && !page.detached) link(index);
  page.free = ref;
  if (!page.detached) ++free_[page.slot / 8];
  if (--page.taken == 0) give_back(index);
}

void Arena::give_back(std::uint32_t index) {
  Page& page = pages_[index];
  if (!page.detached) {
    unlink(index);
    free_[page.slot / 8] -= page.slots;
  }
  page.slot = 0;
  page.slots = 0;
  --open_;
  empty_.push_back(index);
  const std::size_t block = std::size_t{index} * page_bytes_ / huge_bytes;
  if (--block_[block] == 0) madvise(base_ + block * huge_bytes, huge_bytes, MADV_DONTNEED);
}

void Arena::link(std::uint32_t index) {
  Page& page = pages_[index];
  std::uint32_t& head = partial_[page.slot / 8];
  page.before = none;
  page.after = head;
  if (head != none) pages_[head].before = index;
  head = index;
}

void Arena::unlink(std::uint32_t index) {
  Page& page = pages_[index];
  if (page.before == none) {
    if (partial_[page.slot / 8] == index) partial_[page.slot / 8] = page.after;
  } else {
    pages_[page.before].after = page.after;
  }
  if (page.after != none) pages_[page.after].before = page.before;
  page.before = page.after = none;
}

}  // namespace chaveiro::cache
