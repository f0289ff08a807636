#include "base/log.h"

#include <charconv>
#include <cmath>

#include "base/text.h"

namespace chaveiro {
namespace {

thread_local std::string_view correlation_id;

// The line being written; kept, so that a thread allocates once.
thread_local std::string line_buffer;

// Milliseconds change with every line, seconds hardly ever: the text up to the second is kept.
struct WrittenSecond {
  std::chrono::sys_seconds second = std::chrono::sys_seconds::min();
  std::string text;
};
thread_local WrittenSecond written_second;

void append_time(std::string& out, UtcTime time) {
  const auto second = std::chrono::floor<std::chrono::seconds>(time);
  if (second != written_second.second) {
    written_second.text = to_rfc3339(time).substr(0, std::string_view("2026-01-31T03:00:00.").size());
    written_second.second = second;
  }
  const auto millis = std::chrono::floor<std::chrono::milliseconds>(time - second).count();
  out += written_second.text;
  out += static_cast<char>('0' + millis / 100);
  out += static_cast<char>('0' + millis / 10 % 10);
  out += static_cast<char>('0' + millis % 10);
  out += 'Z';
}

void append_text(std::string& out, std::string_view text) {
  out += '"';
  if (text.size() <= text_max) {
    append_json_escaped(out, text);
  } else {
    std::size_t cut = text_max;
    for (int back = 0; back < 3 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80; ++back) --cut;
    append_json_escaped(out, text.substr(0, cut));
    out += "…";
  }
  out += '"';
}

template <class Number>
void append_number(std::string& out, Number number) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}

struct AppendValue {
  std::string& out;

  void operator()(std::string_view text) const { append_text(out, text); }
  void operator()(std::int64_t number) const { append_number(out, number); }
  void operator()(std::uint64_t number) const { append_number(out, number); }
  void operator()(double number) const {
    if (std::isfinite(number))
      append_number(out, number);
    else
      out += "null";
  }
  void operator()(bool yes) const { out += yes ? "true" : "false"; }
  void operator()(std::chrono::nanoseconds duration) const {
    append_number(out, static_cast<double>(duration.count()) / 1e6);
  }
  void operator()(const Error* error) const {
    out += "{\"code\":\"";
    out += to_string(error->code);
    out += "\",\"reason\":";
    append_text(out, error->reason);
    out += ",\"message\":";
    append_text(out, error->message);
    out += '}';
  }
};

void append_name(std::string& out, std::string_view name) {
  out += ",\"";
  append_json_escaped(out, name);
  out += "\":";
}

void append_head(std::string& out, const LogEvent& event) {
  out += "{\"time\":\"";
  append_time(out, event.time);
  out += "\",\"level\":\"";
  out += to_string(event.level);
  out += "\",\"logger\":";
  append_text(out, event.logger);
  out += ",\"message\":";
  append_text(out, event.message);
  if (!event.correlation_id.empty()) {
    out += ",\"correlation_id\":";
    append_text(out, event.correlation_id);
  }
}

void append_fields(std::string& out, Fields fields) {
  for (const Field& field : fields) {
    append_name(out, field.name);
    std::visit(AppendValue{out}, field.value);
  }
}

}  // namespace

std::string_view to_string(Level level) {
  switch (level) {
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warn:
      return "warn";
    case Level::error:
      return "error";
    case Level::off:
      return "off";
  }
  return "off";
}

Result<Level> parse_level(std::string_view text) {
  const std::string name = lower_ascii(text);
  for (const Level level : {Level::debug, Level::info, Level::warn, Level::error, Level::off}) {
    if (name == to_string(level)) return level;
  }
  if (name == "warning") return Level::warn;
  if (name == "none") return Level::off;
  return fail(Code::invalid, "BadRequest", "is not a log level: debug, info, warn, error or off");
}

void append_line(std::string& out, const LogEvent& event, Fields fields) {
  append_head(out, event);
  append_fields(out, fields);
  out += "}\n";
}

Log::Log(const Clock& clock, LogSink& sink, LogOptions options)
    : clock_(clock), sink_(sink), level_(options.level), access_sample_(options.access_sample) {}

Logger Log::logger(std::string_view name) { return Logger(this, name); }

void Logger::write(Level level, std::string_view message, Fields fields) const {
  if (wants(level)) put(level, message, fields, 1);
}

bool Logger::is_access_turn() const {
  if (!wants(Level::info)) return false;
  // Counted per thread: a shared counter would be a shared write for each request.
  thread_local std::uint32_t seen = 0;
  const std::uint32_t one_in = log_->access_sample();
  return one_in != 0 && seen++ % one_in == 0;
}

void Logger::access_now(std::string_view message, Fields fields) const {
  put(Level::info, message, fields, log_->access_sample());
}

void Logger::put(Level level, std::string_view message, Fields fields, std::uint32_t sampled) const {
  std::string& line = line_buffer;
  line.clear();
  append_head(line, {log_->clock_.now(), level, name_, message, correlation_id});
  append_fields(line, fields);
  if (sampled > 1) {
    append_name(line, "sampled");
    append_number(line, sampled);
  }
  line += "}\n";
  log_->sink_.write(line);
}

CorrelationScope::CorrelationScope(std::string id) : id_(std::move(id)), before_(correlation_id) {
  correlation_id = id_;
}
CorrelationScope::~CorrelationScope() { correlation_id = before_; }

std::string_view current_correlation_id() { return correlation_id; }

}  // namespace chaveiro
