#include "cache/epoch.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace chaveiro::cache {
namespace {

constinit std::atomic<Epochs::Reader*> readers{nullptr};
constinit std::atomic<std::uint64_t> stripes_taken{0};  // one bit for each own stripe

long membarrier(int command) { return syscall(SYS_membarrier, command, 0, 0); }

}  // namespace

// Where the kernel knows no membarrier, readers pay for the order themselves (about 8 ns a section).
const bool Epochs::asymmetric_ = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;

// Hands the record back when its thread ends. Records are never freed: there are as many as threads at the busiest moment.
struct EpochsExit {
  Epochs::Reader* reader = nullptr;
  ~EpochsExit() {
    if (reader == nullptr) return;
    if (reader->stripe < Epochs::own_stripes)
      stripes_taken.fetch_and(~(1ULL << reader->stripe), std::memory_order_acq_rel);
    reader->stripe = Epochs::own_stripes;
    reader->taken.store(false, std::memory_order_release);
    Epochs::mine_ = Epochs::quick_ = nullptr;
  }
};

Epochs::Reader& Epochs::enrol() {
  thread_local EpochsExit at_exit;
  Reader* mine = nullptr;
  for (Reader* r = readers.load(std::memory_order_acquire); r != nullptr && mine == nullptr; r = r->next) {
    if (!r->taken.exchange(true, std::memory_order_acq_rel)) mine = r;
  }
  if (mine == nullptr) {
    mine = new Reader;
    mine->taken.store(true, std::memory_order_relaxed);
    mine->next = readers.load(std::memory_order_relaxed);
    while (!readers.compare_exchange_weak(mine->next, mine, std::memory_order_acq_rel)) {}
  }
  std::uint64_t taken = stripes_taken.load(std::memory_order_relaxed);
  for (;;) {
    const auto stripe = static_cast<std::uint32_t>(__builtin_ctzll(~taken));
    if (stripe >= own_stripes) break;
    if (stripes_taken.compare_exchange_weak(taken, taken | 1ULL << stripe, std::memory_order_acq_rel)) {
      mine->stripe = stripe;
      for (std::uint32_t most = stripes_in_use_.load(); most <= stripe;)
        if (stripes_in_use_.compare_exchange_weak(most, stripe + 1)) break;
      break;
    }
  }
  at_exit.reader = mine;
  mine_ = mine;
  if (asymmetric_ && mine->stripe < own_stripes) quick_ = mine;
  return *mine;
}

std::uint64_t Epochs::advance() {
  if (asymmetric_) membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return now_.epoch.fetch_add(1, std::memory_order_acq_rel);
}

std::uint64_t Epochs::oldest() {
  std::uint64_t oldest = now_.epoch.load(std::memory_order_acquire);
  for (const Reader* r = readers.load(std::memory_order_acquire); r != nullptr; r = r->next) {
    const std::uint64_t since = r->since.load(std::memory_order_acquire);
    if (since != 0) oldest = std::min(oldest, since);
  }
  return oldest;
}

}  // namespace chaveiro::cache
