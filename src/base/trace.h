// base/trace.h
//
// TraceContext: which trace a piece of work belongs to, as it travels between processes in the headers `traceparent` and
// `tracestate`. A value; recording spans is somebody else's work.
//
// Threads: a value.
// Source:  W3C Trace Context, level 2.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace chaveiro {

class TraceContext {
 public:
  using TraceId = std::array<std::uint8_t, 16>;
  using SpanId = std::array<std::uint8_t, 8>;
  enum class Sampled : bool { no, yes };

  // A trace that begins here.
  static TraceContext start(Sampled sampled);

  // Reads `traceparent`, of version 00 or a later one. `tracestate` is passed on as it is when it has at most 512 bytes of visible
  // ASCII; otherwise it is dropped, as the standard allows.
  // Errors: invalid. The standard says then: begin a new trace.
  static Result<TraceContext> parse(std::string_view traceparent, std::string_view tracestate = {});

  // The same trace with a new span id: what is sent along with a call of ours.
  TraceContext child() const;

  // "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
  std::string traceparent() const;
  const std::string& tracestate() const { return state_; }
  std::string trace_id() const;  // 32 lower-case digits
  std::string span_id() const;   // 16
  Sampled sampled() const { return (flags_ & flag_sampled) != 0 ? Sampled::yes : Sampled::no; }

  bool operator==(const TraceContext&) const = default;

  static constexpr std::size_t state_max = 512;

 private:
  static constexpr std::uint8_t flag_sampled = 1;
  static constexpr std::uint8_t flag_random = 2;  // the trace id is random: ours always are

  TraceContext() = default;
  TraceId trace_{};
  SpanId span_{};
  std::uint8_t flags_ = 0;
  std::string state_;
};

}  // namespace chaveiro
