// clients/redis/wire/waiter.h
//
// Waiter: where a blocked caller and the thread that brings its answer meet, once. The caller may leave at its deadline; whoever comes
// later finds that out and drops the answer. It also settles the one question that matters then: had the command been sent?
//
// Threads: one waits, any other completes. One word holds the state, so that no order of events is undecided.
// Time:    complete() is one exchange, and one futex call when somebody sleeps.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "base/result.h"
#include "clients/redis/wire/spin.h"
#include "clients/redis/wire/value.h"

namespace chaveiro::redis {

class Waiter {
 public:
  // The command is about to be handed to a connection. False: nobody waits any more, do not send it.
  bool begin_send();
  // The answer; dropped when nobody waits any more (false).
  bool complete(Result<Value>&& answer);

  bool done() const { return (state_.load(std::memory_order_acquire) & done_bit) != 0; }
  bool abandoned() const { return (state_.load(std::memory_order_acquire) & abandoned_bit) != 0; }

  // Spins, then sleeps until the answer is there or the deadline has passed.
  bool wait(Deadline deadline, Spin& spin);
  // After wait() said true.
  Result<Value> take() { return std::move(*answer_); }
  // Gives up. Nothing: the answer had come after all, take() it. Otherwise whether the command had been sent.
  std::optional<bool> abandon();

 private:
  static constexpr std::uint32_t sent_bit = 1;
  static constexpr std::uint32_t claimed_bit = 2;  // an answer is being written
  static constexpr std::uint32_t done_bit = 4;
  static constexpr std::uint32_t abandoned_bit = 8;
  static constexpr std::uint32_t sleeping_bit = 16;

  void sleep(std::uint32_t seen, Deadline deadline);

  std::atomic<std::uint32_t> state_{0};
  std::optional<Result<Value>> answer_;
};

}  // namespace chaveiro::redis
