// base/log.h
//
// The structured log: one event is one line of JSON.
//
//   {"time":"2026-01-31T03:00:00.123Z","level":"warn","logger":"cache","message":"answers slowly","correlation_id":"…","took_ms":12.5}
//
//   log.warn("answers slowly", {{"took_ms", took}, {"server", name}, {"error", result.error()}});
//
// A Log is the log of a process: where lines go, from which level on, and how many access lines are kept. A Logger is one room's
// pen; it is a small value, made by Log::logger() and handed in. A default-made Logger writes nothing.
//
// Guarantees: a line is valid UTF-8, holds no control character, and is at most `text_max` bytes long for each text in it.
//             Nothing masks personal data here: hand in what base/mask.h made of it.
// Threads: all of it, any. Level and sampling may be changed while others write.
// Time:    one atomic load for a line that is not wanted, about 0.5 µs and no allocation for one that is, plus the sink's time
//          (base/log_sink.h: a bounded queue, so that nobody waits for a slow disk or a stopped reader of stderr).
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "base/clock.h"
#include "base/result.h"

namespace chaveiro {

enum class Level : std::uint8_t { debug, info, warn, error, off };

std::string_view to_string(Level level);
// Errors: invalid. Either case; "warning" and "none" are read too.
Result<Level> parse_level(std::string_view text);

// Name and value, both borrowed for the length of the call. A duration is written as decimal milliseconds: name it "…_ms".
struct Field {
  using Value =
      std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool, std::chrono::nanoseconds, const Error*>;

  Field(std::string_view field, std::string_view text) : name(field), value(text) {}
  Field(std::string_view field, const std::string& text) : name(field), value(std::string_view(text)) {}
  Field(std::string_view field, const char* text) : name(field), value(std::string_view(text)) {}
  Field(std::string_view field, const Error& error) : name(field), value(&error) {}
  template <class Number>
    requires std::is_arithmetic_v<Number>
  Field(std::string_view field, Number number) : name(field), value(widen(number)) {}
  template <class Rep, class Period>
  Field(std::string_view field, std::chrono::duration<Rep, Period> duration)
      : name(field), value(std::chrono::duration_cast<std::chrono::nanoseconds>(duration)) {}

  std::string_view name;
  Value value;

 private:
  template <class Number>
  static Value widen(Number number) {
    if constexpr (std::is_same_v<Number, bool>)
      return number;
    else if constexpr (std::is_floating_point_v<Number>)
      return static_cast<double>(number);
    else if constexpr (std::is_signed_v<Number>)
      return static_cast<std::int64_t>(number);
    else
      return static_cast<std::uint64_t>(number);
  }
};

using Fields = std::initializer_list<Field>;

// Takes finished lines, each with its line feed. Called from any thread; must not block without bound.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(std::string_view line) = 0;
};

struct LogEvent {
  UtcTime time;
  Level level;
  std::string_view logger;
  std::string_view message;
  std::string_view correlation_id = {};  // empty: left out
};

// Longer texts are cut at a character and end in "…".
inline constexpr std::size_t text_max = 4096;

// Appends the line of one event, with its line feed.
void append_line(std::string& out, const LogEvent& event, Fields fields);

struct LogOptions {
  Level level = Level::info;
  std::uint32_t access_sample = 1;  // one access line in so many is written; 0: none
};

class Logger;

class Log {
 public:
  // Clock and sink must outlive the log, the log its loggers.
  Log(const Clock& clock, LogSink& sink, LogOptions options = {});

  Logger logger(std::string_view name);

  Level level() const { return level_.load(std::memory_order_relaxed); }
  void set_level(Level level) { level_.store(level, std::memory_order_relaxed); }
  std::uint32_t access_sample() const { return access_sample_.load(std::memory_order_relaxed); }
  void set_access_sample(std::uint32_t one_in) { access_sample_.store(one_in, std::memory_order_relaxed); }

 private:
  friend class Logger;
  const Clock& clock_;
  LogSink& sink_;
  std::atomic<Level> level_;
  std::atomic<std::uint32_t> access_sample_;
};

class Logger {
 public:
  Logger() = default;

  void debug(std::string_view message, Fields fields = {}) const { write(Level::debug, message, fields); }
  void info(std::string_view message, Fields fields = {}) const { write(Level::info, message, fields); }
  void warn(std::string_view message, Fields fields = {}) const { write(Level::warn, message, fields); }
  void error(std::string_view message, Fields fields = {}) const { write(Level::error, message, fields); }
  // A line a request, of level info: one in `access_sample` of each thread is written and says so ("sampled":N).
  void access(std::string_view message, Fields fields = {}) const {
    if (is_access_turn()) access_now(message, fields);
  }
  // The same in two steps, for fields that are dear to compute: asking takes the turn.
  bool is_access_turn() const;
  void access_now(std::string_view message, Fields fields) const;

  void write(Level level, std::string_view message, Fields fields) const;
  // Whether a line of this level would be written: for fields that are dear to compute.
  bool wants(Level level) const { return log_ != nullptr && level >= log_->level() && level < Level::off; }

  // The same log under another name: "vsync" → "vsync.reconcile".
  Logger named(std::string_view name) const { return Logger(log_, name); }

 private:
  friend class Log;
  Logger(Log* log, std::string_view name) : log_(log), name_(name) {}
  void put(Level level, std::string_view message, Fields fields, std::uint32_t sampled) const;

  Log* log_ = nullptr;
  std::string name_;
};

// While it lives, lines of this thread carry the id. Scopes nest; each belongs on the stack of the thread that made it.
class CorrelationScope {
 public:
  explicit CorrelationScope(std::string id);
  ~CorrelationScope();
  CorrelationScope(const CorrelationScope&) = delete;
  CorrelationScope& operator=(const CorrelationScope&) = delete;

 private:
  std::string id_;
  std::string_view before_;
};

// The id of the innermost scope of this thread, or empty. Copy it before it travels to another thread.
std::string_view current_correlation_id();

}  // namespace chaveiro
