// `traceparent` and `tracestate`, parted by a line feed: what is taken over is written so that it reads as the same trace,
// and a child of it stays in it.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/trace.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using chaveiro::TraceContext;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = text.find('\n');
  const std::string_view state = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  const auto trace = TraceContext::parse(text.substr(0, end), state);
  if (!trace) return 0;
  const auto again = TraceContext::parse(trace->traceparent(), trace->tracestate());
  CHECK(again && *again == *trace);
  CHECK(trace->traceparent().size() == 55 && trace->tracestate().size() <= TraceContext::state_max);
  CHECK(trace->trace_id() != std::string(32, '0') && trace->span_id() != std::string(16, '0'));
  const TraceContext child = trace->child();
  CHECK(child.trace_id() == trace->trace_id() && child.span_id() != trace->span_id());
  CHECK(child.sampled() == trace->sampled() && child.tracestate() == trace->tracestate());
  return 0;
}
