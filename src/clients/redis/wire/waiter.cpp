#include "clients/redis/wire/waiter.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>
#include <utility>

namespace chaveiro::redis {

bool Waiter::begin_send() { return (state_.fetch_or(sent_bit, std::memory_order_acq_rel) & abandoned_bit) == 0; }

bool Waiter::complete(Result<Value>&& answer) {
  const std::uint32_t before = state_.fetch_or(claimed_bit, std::memory_order_acq_rel);
  if ((before & (abandoned_bit | claimed_bit)) != 0) return false;
  answer_.emplace(std::move(answer));
  if ((state_.fetch_or(done_bit, std::memory_order_acq_rel) & sleeping_bit) != 0) {
    ::syscall(SYS_futex, &state_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
  return true;
}

void Waiter::sleep(std::uint32_t seen, Deadline deadline) {
  timespec until{};
  const timespec* limit = nullptr;
  if (deadline != Deadline::never()) {
    // The steady clock of the library is CLOCK_MONOTONIC, which FUTEX_WAIT_BITSET takes as an absolute time.
    const auto since = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.when().time_since_epoch()).count();
    until.tv_sec = since / 1'000'000'000;
    until.tv_nsec = since % 1'000'000'000;
    limit = &until;
  }
  ::syscall(SYS_futex, &state_, FUTEX_WAIT_BITSET_PRIVATE, seen, limit, nullptr, FUTEX_BITSET_MATCH_ANY);
}

bool Waiter::wait(Deadline deadline, Spin& spin) {
  if (spin.until([this] { return done(); })) return true;
  for (;;) {
    const std::uint32_t seen = state_.fetch_or(sleeping_bit, std::memory_order_acq_rel) | sleeping_bit;
    if ((seen & done_bit) != 0) return true;
    if (deadline.expired()) return false;
    sleep(seen, deadline);
  }
}

std::optional<bool> Waiter::abandon() {
  std::uint32_t before = state_.load(std::memory_order_acquire);
  for (;;) {
    if ((before & claimed_bit) != 0) {
      // The answer is being written at this moment: it takes no longer than moving a value.
      while (!done()) ::sched_yield();
      return std::nullopt;
    }
    if (state_.compare_exchange_weak(before, before | abandoned_bit, std::memory_order_acq_rel)) {
      return (before & sent_bit) != 0;
    }
  }
}

}  // namespace chaveiro::redis
