// clients/pulsar/latch.h
//
// Latch: waits until so many answers have come, and keeps the first error among them.
//
// Threads: any. Shared between who waits and who answers, who may come when nobody waits any more.
#pragma once

#include <memory>
#include <optional>

#include "base/guarded.h"
#include "base/result.h"

namespace chaveiro::clients::pulsar {

class Latch {
 public:
  explicit Latch(std::size_t answers) : state_(State{answers, {}}) {}

  void answer(const Result<void>& how) {
    state_.with([&](State& state) {
      if (!how && !state.error) state.error = how.error();
      --state.left;
    });
    state_.notify_all();
  }
  // Errors: the first that was answered; deadline.
  Result<void> wait(Deadline deadline) {
    auto state = state_.lock();
    if (!state.wait(deadline, [](const State& it) { return it.left == 0 || it.error; }))
      return fail(Code::deadline, "DeadlineExceeded", "the broker has not answered in time");
    if (state->error) return *state->error;
    return {};
  }

 private:
  struct State {
    std::size_t left = 0;
    std::optional<Error> error;
  };
  Guarded<State> state_;
};

}  // namespace chaveiro::clients::pulsar
