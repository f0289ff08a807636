// cache/epoch.h
//
// When may memory that readers might still see be used again? A reader says that it is inside a section, a writer that has
// unlinked something stamps it, and once every reader that was inside at that moment has left, it is free. A reader pays two
// plain stores to a line of its own: the ordering that this needs is forced by the writer, once a batch, with membarrier(2).
//
// Section is a stay of any length; Glance is one that ends before the function does that began it, and costs half.
//
// There is one Epochs for the process, because a thread is either reading or not, whichever cache it reads.
//
// Threads: any. Sections nest. A section may be held for long; it then holds back what is unlinked meanwhile.
// Time:    enter and leave about 1 ns; advance() about 1 µs and never waits.
// Source:  K. Fraser, Practical lock-freedom (2004), chapter 5; M. Desnoyers et al., User-Level Implementations of RCU (2012).
#pragma once

#include <atomic>
#include <cstdint>

namespace chaveiro::cache {

// Read by every look-up: what stands beside it in memory is nobody else's.
struct alignas(128) EpochWord {
  std::atomic<std::uint64_t> epoch{1};
};

class Epochs {
 public:
  static constexpr std::uint32_t own_stripes =
      63;  // threads with a stripe of statistics to themselves; the rest share one

  struct alignas(128) Reader {
    std::atomic<std::uint64_t> since{0};  // epoch at entry; 0: outside
    std::uint32_t depth = 0;
    std::uint32_t stripe = own_stripes;
    std::atomic<bool> taken{false};
    Reader* next = nullptr;
  };

  static Reader& self() {
    Reader* reader = mine_;
    if (reader == nullptr) [[unlikely]]
      reader = &enrol();
    return *reader;
  }

  // For a look that may go the short way: a thread that has a stripe of its own and need not pay for the order; else null.
  static Reader* quick() { return quick_; }
  static bool outside(const Reader& reader) { return reader.since.load(std::memory_order_relaxed) == 0; }
  static void begin_quick(Reader& reader) {
    reader.since.store(now_.epoch.load(std::memory_order_acquire), std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  static void end(Reader& reader) { reader.since.store(0, std::memory_order_release); }

  static void enter(Reader& reader) {
    if (reader.depth++ == 0) begin(reader);
  }
  static void begin(Reader& reader) {
    const std::uint64_t epoch = now_.epoch.load(std::memory_order_acquire);
    if (asymmetric_) [[likely]] {
      reader.since.store(epoch, std::memory_order_release);
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
      reader.since.exchange(epoch, std::memory_order_seq_cst);
    }
  }
  static void leave(Reader& reader) {
    if (--reader.depth == 0) reader.since.store(0, std::memory_order_release);
  }

  // The stripes below this, and the last, have had threads.
  static std::uint32_t stripes_in_use() { return stripes_in_use_.load(std::memory_order_acquire); }
  // Call after unlinking: returns the stamp of everything that was unlinked before.
  static std::uint64_t advance();
  // Everything stamped below this is out of every reader's sight.
  static std::uint64_t oldest();

 private:
  static Reader& enrol();
  friend struct EpochsExit;

  static inline constinit thread_local Reader* mine_ = nullptr;
  static inline constinit thread_local Reader* quick_ = nullptr;
  static inline constinit EpochWord now_;
  static inline constinit std::atomic<std::uint32_t> stripes_in_use_{0};
  static const bool asymmetric_;
};

// A reader's stay, by scope.
class Section {
 public:
  Section() : reader_(&Epochs::self()) { Epochs::enter(*reader_); }
  ~Section() { Epochs::leave(*reader_); }
  Section(const Section&) = delete;
  Section& operator=(const Section&) = delete;
  Epochs::Reader& reader() const { return *reader_; }

 private:
  Epochs::Reader* reader_;
};

// The same for one look: no Section and no other Glance may begin inside and outlive it.
class Glance {
 public:
  [[gnu::always_inline]] Glance() : reader_(&Epochs::self()), before_(reader_->since.load(std::memory_order_relaxed)) {
    if (before_ == 0) [[likely]]
      Epochs::begin(*reader_);
  }
  [[gnu::always_inline]] ~Glance() { reader_->since.store(before_, std::memory_order_release); }
  Glance(const Glance&) = delete;
  Glance& operator=(const Glance&) = delete;
  Epochs::Reader& reader() const { return *reader_; }

 private:
  Epochs::Reader* reader_;
  std::uint64_t before_;
};

}  // namespace chaveiro::cache
