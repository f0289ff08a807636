// base/log_sink.h
//
// Where log lines go. QueuedSink is what a process uses: callers leave their line in a bounded buffer and one thread writes it on
// to a FdSink, so that a full disk or a stopped reader of stderr slows nobody down. What does not fit is dropped and counted, and the
// count is written as a line of its own once there is room. MemorySink keeps lines for tests.
//
// Threads: write() of all of them, any.
// Time:    QueuedSink and MemorySink copy the line under a lock; FdSink waits for the file, up to its patience.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "base/guarded.h"
#include "base/log.h"

namespace chaveiro {

// Keeps every line, without its line feed.
class MemorySink final : public LogSink {
 public:
  void write(std::string_view line) override;
  std::vector<std::string> lines() const;
  bool contains(std::string_view text) const;
  void clear();

 private:
  Guarded<std::vector<std::string>> lines_;
};

// Writes to a file descriptor: stderr, or a file opened for appending.
class FdSink final : public LogSink {
 public:
  static FdSink standard_error() { return FdSink(2, ""); }
  // Creates the file with mode 0640 if need be.
  // Errors: invalid (the path cannot be opened; the message says why).
  static Result<FdSink> file(std::string path);

  FdSink(FdSink&& other) noexcept;
  ~FdSink() override;

  // Gives up on a reader that takes nothing for `patience`; the rest of the line is lost and counted.
  void write(std::string_view lines) override;
  // Opens the path again, after a rotation moved the old file away. Nothing to do for stderr.
  Result<void> reopen();
  std::uint64_t failed_writes() const { return failed_.load(std::memory_order_relaxed); }

  static constexpr std::chrono::milliseconds patience{500};

 private:
  FdSink(int fd, std::string path);
  bool write_all(int fd, std::string_view lines) const;

  Guarded<int> fd_;
  std::string path_;  // empty: stderr, which is not ours to close
  std::atomic<std::uint64_t> failed_{0};
};

struct QueuedSinkOptions {
  std::size_t bytes_max = 4 << 20;  // lines that wait; beyond it lines are dropped
  std::chrono::milliseconds rest{
      10};  // after it wrote, the thread lets lines gather for so long; 0: it writes each at once
};

class QueuedSink final : public LogSink {
 public:
  QueuedSink(const Clock& clock, LogSink& next, QueuedSinkOptions options = {});
  // Writes what waits, as far as the next sink takes it.
  ~QueuedSink() override;

  void write(std::string_view line) override;
  // Errors: deadline (lines still wait).
  Result<void> flush(Deadline deadline);
  std::uint64_t dropped() const;

 private:
  struct State {
    std::string waiting;
    bool writing = false;  // or at rest
    bool hurried = false;  // flush() waits
    bool stopping = false;
    std::uint64_t dropped = 0;
    std::uint64_t dropped_told = 0;
  };
  void run();

  const Clock& clock_;
  LogSink& next_;
  const QueuedSinkOptions options_;
  Guarded<State> state_;
  std::jthread writer_;
};

}  // namespace chaveiro
