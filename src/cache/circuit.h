// cache/circuit.h
//
// Circuit: whether a neighbour that keeps failing is worth asking. After `failures_max` failures in a row it is left alone for
// `pause`; then one call is let through: its success closes the circuit, its failure doubles the pause, up to `pause_max`.
//
// Threads: any.
// Time:    O(1), one lock.
#pragma once

#include "base/clock.h"
#include "base/guarded.h"

namespace chaveiro::cache {

struct CircuitOptions {
  std::uint32_t failures_max = 5;  // 0: never opens
  Micros pause = std::chrono::seconds{1};
  Micros pause_max = std::chrono::seconds{30};
};

class Circuit {
 public:
  explicit Circuit(CircuitOptions options) : options_(options), state_(State{.pause = options.pause}) {}

  // True: ask, and then tell how it went.
  bool allows(SteadyTime now) {
    return state_.with([&](State& state) {
      if (!state.open) return true;
      if (now < state.until || state.probing) return false;
      return state.probing = true;
    });
  }
  void succeeded() {
    state_.with([&](State& state) { state = State{.pause = options_.pause}; });
  }
  void failed(SteadyTime now) {
    state_.with([&](State& state) {
      ++state.failures;
      if (options_.failures_max == 0 || (!state.open && state.failures < options_.failures_max)) return;
      if (state.open && !state.probing) return;  // a call from before it opened
      if (state.open) state.pause = std::min(state.pause * 2, options_.pause_max);
      state.open = true;
      state.probing = false;
      state.until = now + state.pause;
    });
  }
  // The call said nothing about the neighbour: its caller gave up.
  void undecided() {
    state_.with([&](State& state) { state.probing = false; });
  }
  bool is_open() const { return state_.lock()->open; }

 private:
  struct State {
    std::uint32_t failures = 0;  // in a row
    bool open = false;
    bool probing = false;
    SteadyTime until{};
    Micros pause{0};
  };
  const CircuitOptions options_;
  Guarded<State> state_;
};

}  // namespace chaveiro::cache
