// tests/integration/event_kill_failpoint.h
//
// What becomes of the process at the step that it was started for: it kills itself there, or stands still until it is told to go on.
//
// Threads: any.
#pragma once

#include <unistd.h>

#include <csignal>
#include <string>

#include "base/guarded.h"
#include "base/random.h"
#include "tests/integration/event_kill_steps.h"
#include "tests/support/cut_connections.h"

namespace chaveiro::contract {

class Failpoint {
 public:
  enum class Then : std::uint8_t { die, stop };

  // `port`: of the broker, where there is one.
  Failpoint(std::string step, std::uint64_t nth, std::uint64_t seed, Then then, std::uint16_t port)
      : step_(std::move(step)), then_(then), port_(port), state_(State{nth, Random(seed)}) {
    for (const AfterCut& after : steps_after_cut)
      if (after.step == step_) cut_at_ = after.cut_at;
  }

  void at(std::string_view step) {
    enum class Do : std::uint8_t { nothing, cut, halt };
    const Do what = state_.with([&](State& now) {
      if (now.stopped || now.draining) return Do::nothing;
      if (step == step_ && --now.nth == 0) {
        now.stopped = true;
        return Do::halt;
      }
      return port_ != 0 && step == cut_at_ && now.random.below(3) == 0 ? Do::cut : Do::nothing;
    });
    if (what == Do::cut) tests::cut_connections_to(port_);
    if (what != Do::halt) return;
    if (then_ == Then::die) ::kill(::getpid(), SIGKILL);
    stand_still();
  }
  bool draining() const { return state_.lock()->draining; }
  std::uint64_t to_go() const { return state_.lock()->nth; }

 private:
  struct State {
    std::uint64_t nth = 0;
    Random random;
    bool stopped = false;
    bool draining = false;
  };

  void stand_still() {
    char word = 0;
    if (::write(STDOUT_FILENO, &stopped_here, sizeof stopped_here) != sizeof stopped_here ||
        ::read(STDIN_FILENO, &word, 1) != 1)
      ::_exit(10);  // the test is gone
    state_.with([&](State& now) {
      now.stopped = false;
      now.draining = word == 'd';
      now.nth = 1 + now.random.below(6);
    });
  }

  const std::string step_;
  std::string_view cut_at_;
  const Then then_;
  const std::uint16_t port_;
  Guarded<State> state_;
};

}  // namespace chaveiro::contract
