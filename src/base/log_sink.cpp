#include "base/log_sink.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace chaveiro {
namespace {

Result<int> open_for_append(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  if (fd >= 0) return fd;
  return fail(Code::invalid, "LogFile",
              "cannot open the log file " + path + ": " + std::generic_category().message(errno));
}

}  // namespace

void MemorySink::write(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  lines_.with([&](auto& lines) { lines.emplace_back(line); });
}

std::vector<std::string> MemorySink::lines() const { return *lines_.lock(); }

bool MemorySink::contains(std::string_view text) const {
  return lines_.with([&](const auto& lines) {
    return std::ranges::any_of(lines, [&](const std::string& line) { return line.find(text) != std::string::npos; });
  });
}

void MemorySink::clear() { lines_.lock()->clear(); }

FdSink::FdSink(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

FdSink::FdSink(FdSink&& other) noexcept
    : fd_(std::exchange(*other.fd_.lock(), -1)), path_(std::move(other.path_)), failed_(other.failed_.load()) {}

FdSink::~FdSink() {
  const int fd = *fd_.lock();
  if (fd > 2) ::close(fd);
}

Result<FdSink> FdSink::file(std::string path) {
  TRY(const int fd, open_for_append(path));
  return FdSink(fd, std::move(path));
}

void FdSink::write(std::string_view lines) {
  const auto fd = fd_.lock();
  if (!write_all(*fd, lines)) failed_.fetch_add(1, std::memory_order_relaxed);
}

bool FdSink::write_all(int fd, std::string_view lines) const {
  // A pipe that poll() calls writable takes PIPE_BUF bytes without blocking, and more perhaps not.
  constexpr std::size_t piece_max = 4096;
  const Deadline deadline = Deadline::in(patience);
  while (!lines.empty()) {
    pollfd ready{fd, POLLOUT, 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.remaining()).count();
    const int count = ::poll(&ready, 1, static_cast<int>(left));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    const ssize_t wrote = ::write(fd, lines.data(), std::min(lines.size(), piece_max));
    if (wrote < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (wrote < 0) return false;
    lines.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return true;
}

Result<void> FdSink::reopen() {
  if (path_.empty()) return {};
  TRY(const int fresh, open_for_append(path_));
  auto fd = fd_.lock();
  ::close(std::exchange(*fd, fresh));
  return {};
}

QueuedSink::QueuedSink(const Clock& clock, LogSink& next, QueuedSinkOptions options)
    : clock_(clock), next_(next), options_(options), writer_([this] { run(); }) {}

QueuedSink::~QueuedSink() {
  state_.lock()->stopping = true;
  state_.notify_all();
}

void QueuedSink::write(std::string_view line) {
  const bool wake = state_.with([&](State& state) {
    if (state.waiting.size() + line.size() > options_.bytes_max) {
      ++state.dropped;
      return false;
    }
    state.waiting += line;
    return state.waiting.size() == line.size() && !state.writing;
  });
  if (wake) state_.notify_all();
}

Result<void> QueuedSink::flush(Deadline deadline) {
  const auto done = [](const State& it) { return it.waiting.empty() && !it.writing; };
  auto state = state_.lock();
  if (!done(*state)) {
    state->hurried = true;
    state_.notify_all();
  }
  if (state.wait(deadline, done)) return {};
  return fail(Code::deadline, "LogFlush", "log lines still wait to be written");
}

std::uint64_t QueuedSink::dropped() const { return state_.lock()->dropped; }

void QueuedSink::run() {
  ::pthread_setname_np(::pthread_self(), "log");
  std::string lines;
  for (bool stopping = false; !stopping;) {
    {
      auto state = state_.lock();
      if (state->writing) {
        const auto must_go_on = [](const State& it) { return it.stopping || it.hurried; };
        state.wait(Deadline::in(options_.rest), must_go_on);
      }
      state->writing = false;
      if (state->waiting.empty()) {
        state->hurried = false;
        state_.notify_all();  // flush() may be waiting for it
      }
      state.wait(Deadline::never(), [](const State& it) { return it.stopping || !it.waiting.empty(); });
      stopping = state->stopping;
      lines.clear();
      lines.swap(state->waiting);
      state->writing = true;
      if (const std::uint64_t fresh = state->dropped - state->dropped_told; fresh > 0) {
        append_line(
            lines,
            {clock_.now(), Level::warn, "log", "lines were dropped: the log was written faster than it was taken"},
            {{"count", fresh}});
        state->dropped_told = state->dropped;
      }
    }
    if (!lines.empty()) next_.write(lines);
  }
}

}  // namespace chaveiro
