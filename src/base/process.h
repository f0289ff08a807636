// base/process.h
//
// A process that is told to stop and does so in order: SIGTERM and SIGINT set a StopToken that anyone can wait for, a second one
// ends the process at once, SIGHUP calls for a reload, SIGPIPE is ignored (writes answer EPIPE instead).
//
// Signals is made first thing in main(), before any thread: threads inherit which signals are blocked.
#pragma once

#include <csignal>
#include <cstdint>
#include <functional>
#include <map>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/result.h"

namespace chaveiro {

// Set once, for ever. Threads: any.
class StopToken {
 public:
  void request_stop();
  bool stop_requested() const { return state_.lock()->requested; }
  // Returns whether a stop was requested before the deadline.
  bool wait(Deadline deadline) const;

  // Calls `fn` when a stop is requested, at once if it was already; on the thread that requests it, so it must be quick. Ends with
  // the returned Hook, which waits for a call under way and must therefore not go inside `fn`.
  class Hook;
  [[nodiscard]] Hook on_stop(std::function<void()> fn);

 private:
  struct State {
    bool requested = false;
    bool calling = false;
    std::uint64_t last_id = 0;
    std::map<std::uint64_t, std::function<void()>> hooks;
  };
  void forget(std::uint64_t id);
  mutable Guarded<State> state_;
};

class StopToken::Hook {
 public:
  Hook() = default;
  Hook(Hook&& other) noexcept : token_(std::exchange(other.token_, nullptr)), id_(other.id_) {}
  Hook& operator=(Hook&&) = delete;
  ~Hook() {
    if (token_ != nullptr) token_->forget(id_);
  }

 private:
  friend class StopToken;
  Hook(StopToken& token, std::uint64_t id) : token_(&token), id_(id) {}
  StopToken* token_ = nullptr;
  std::uint64_t id_ = 0;
};

class Signals {
 public:
  // `reload` is called on a thread of its own for each SIGHUP, one at a time; those that come meanwhile count as one.
  explicit Signals(StopToken& stop, std::function<void()> reload = {});
  // Restores how signals were handled before.
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  void run();
  void handle(int signal);
  void reload_loop();

  struct Reload {
    bool wanted = false;
    bool stopping = false;
  };

  StopToken& stop_;
  const std::function<void()> reload_;
  bool stop_seen_ = false;
  sigset_t before_{};
  struct sigaction pipe_before_{};
  int signal_fd_ = -1;
  int quit_fd_ = -1;
  Guarded<Reload> reload_state_;
  std::jthread reload_thread_;
  std::jthread stop_thread_;
  std::jthread thread_;
};

// Raises the number of files that this process may open to what the system allows, and returns it.
// Errors: internal.
Result<std::uint64_t> raise_open_files_limit();

}  // namespace chaveiro
