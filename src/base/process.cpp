#include "base/process.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/check.h"

namespace chaveiro {
namespace {

sigset_t handled_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, signal);
  return set;
}

}  // namespace

void StopToken::request_stop() {
  std::map<std::uint64_t, std::function<void()>> hooks;
  {
    auto state = state_.lock();
    if (std::exchange(state->requested, true)) return;
    hooks.swap(state->hooks);
    state->calling = true;
  }
  state_.notify_all();
  for (auto& [id, fn] : hooks) fn();
  state_.lock()->calling = false;
  state_.notify_all();
}

bool StopToken::wait(Deadline deadline) const {
  return state_.lock().wait(deadline, [](const State& it) { return it.requested; });
}

StopToken::Hook StopToken::on_stop(std::function<void()> fn) {
  {
    auto state = state_.lock();
    if (!state->requested) {
      state->hooks.emplace(++state->last_id, std::move(fn));
      return Hook(*this, state->last_id);
    }
  }
  fn();
  return Hook();
}

void StopToken::forget(std::uint64_t id) {
  auto state = state_.lock();
  if (state->hooks.erase(id) == 0) state.wait(Deadline::never(), [](const State& it) { return !it.calling; });
}

Signals::Signals(StopToken& stop, std::function<void()> reload) : stop_(stop), reload_(std::move(reload)) {
  const sigset_t set = handled_signals();
  CHECK(::pthread_sigmask(SIG_BLOCK, &set, &before_) == 0);
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  CHECK(::sigaction(SIGPIPE, &ignore, &pipe_before_) == 0);
  signal_fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  quit_fd_ = ::eventfd(0, EFD_CLOEXEC);
  CHECK(signal_fd_ >= 0 && quit_fd_ >= 0);
  if (reload_) reload_thread_ = std::jthread([this] { reload_loop(); });
  thread_ = std::jthread([this] { run(); });
}

Signals::~Signals() {
  const std::uint64_t one = 1;
  CHECK(::write(quit_fd_, &one, sizeof one) == sizeof one);
  thread_.join();
  if (stop_thread_.joinable()) stop_thread_.join();
  reload_state_.lock()->stopping = true;
  reload_state_.notify_all();
  if (reload_thread_.joinable()) reload_thread_.join();
  ::close(signal_fd_);
  ::close(quit_fd_);
  ::sigaction(SIGPIPE, &pipe_before_, nullptr);
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void Signals::run() {
  ::pthread_setname_np(::pthread_self(), "signals");
  for (;;) {
    pollfd waiting[] = {{signal_fd_, POLLIN, 0}, {quit_fd_, POLLIN, 0}};
    if (::poll(waiting, 2, -1) < 0) {
      CHECK(errno == EINTR);
      continue;
    }
    if (waiting[1].revents != 0) return;
    signalfd_siginfo info{};
    while (::read(signal_fd_, &info, sizeof info) == sizeof info) handle(static_cast<int>(info.ssi_signo));
  }
}

void Signals::handle(int signal) {
  if (signal == SIGHUP) {
    reload_state_.lock()->wanted = true;
    reload_state_.notify_all();
    return;
  }
  // Whoever asks twice does not want to wait for what still runs; 128 + n is how a shell reports a signal.
  if (std::exchange(stop_seen_, true)) ::_exit(128 + signal);
  // Hooks may take their time; the second signal must be seen meanwhile.
  stop_thread_ = std::jthread([this] { stop_.request_stop(); });
}

void Signals::reload_loop() {
  ::pthread_setname_np(::pthread_self(), "reload");
  for (;;) {
    {
      auto state = reload_state_.lock();
      state.wait(Deadline::never(), [](const Reload& it) { return it.wanted || it.stopping; });
      if (state->stopping) return;
      state->wanted = false;
    }
    reload_();
  }
}

Result<std::uint64_t> raise_open_files_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return fail(Code::internal, "OpenFilesLimit",
                "cannot read the limit of open files: " + std::generic_category().message(errno));
  }
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return fail(Code::internal, "OpenFilesLimit",
                "cannot raise the limit of open files: " + std::generic_category().message(errno));
  }
  return static_cast<std::uint64_t>(limit.rlim_cur);
}

}  // namespace chaveiro
