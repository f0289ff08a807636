#include "base/trace.h"

#include <algorithm>

#include "base/encoding.h"
#include "base/random.h"

namespace chaveiro {
namespace {

// "00-" + 32 + "-" + 16 + "-" + 2
constexpr std::size_t length_00 = 55;

Error bad() { return fail(Code::invalid, "BadRequest", "is not a traceparent such as W3C Trace Context describes"); }

// Lower-case hexadecimal into exactly as many bytes as there are.
template <std::size_t N>
bool read(std::string_view digits, std::array<std::uint8_t, N>& into) {
  for (std::size_t i = 0; i < N; ++i) {
    const char high = digits[2 * i];
    const char low = digits[2 * i + 1];
    const bool upper = (high >= 'A' && high <= 'F') || (low >= 'A' && low <= 'F');
    if (upper || hex_value(high) < 0 || hex_value(low) < 0) return false;
    into[i] = static_cast<std::uint8_t>(hex_value(high) << 4 | hex_value(low));
  }
  return true;
}

template <std::size_t N>
bool all_zero(const std::array<std::uint8_t, N>& bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

// Random, and never all zero, which would mean "none".
template <std::size_t N>
void draw(std::array<std::uint8_t, N>& id) {
  do {
    random_bytes(id);
  } while (all_zero(id));
}

bool may_pass(std::string_view tracestate) {
  const auto visible = [](char c) { return (c >= 0x20 && c < 0x7f) || c == '\t'; };
  return tracestate.size() <= TraceContext::state_max && std::ranges::all_of(tracestate, visible);
}

}  // namespace

TraceContext TraceContext::start(Sampled sampled) {
  TraceContext context;
  draw(context.trace_);
  draw(context.span_);
  context.flags_ = static_cast<std::uint8_t>(flag_random | (sampled == Sampled::yes ? flag_sampled : 0));
  return context;
}

Result<TraceContext> TraceContext::parse(std::string_view traceparent, std::string_view tracestate) {
  if (traceparent.size() < length_00) return bad();
  std::array<std::uint8_t, 1> version{}, flags{};
  TraceContext context;
  const bool hyphens = traceparent[2] == '-' && traceparent[35] == '-' && traceparent[52] == '-';
  if (!hyphens || !read(traceparent.substr(0, 2), version) || !read(traceparent.substr(3, 32), context.trace_) ||
      !read(traceparent.substr(36, 16), context.span_) || !read(traceparent.substr(53, 2), flags)) {
    return bad();
  }
  const bool tail = traceparent.size() > length_00;
  if (version[0] == 0xff || (version[0] == 0 && tail) || (tail && traceparent[length_00] != '-')) return bad();
  if (all_zero(context.trace_) || all_zero(context.span_)) return bad();
  context.flags_ = flags[0] & (flag_sampled | flag_random);
  if (may_pass(tracestate)) context.state_ = tracestate;
  return context;
}

TraceContext TraceContext::child() const {
  TraceContext context = *this;
  draw(context.span_);
  return context;
}

std::string TraceContext::traceparent() const {
  return "00-" + trace_id() + "-" + span_id() + "-" + to_hex(std::array<std::uint8_t, 1>{flags_});
}

std::string TraceContext::trace_id() const { return to_hex(trace_); }
std::string TraceContext::span_id() const { return to_hex(span_); }

}  // namespace chaveiro
