#include "base/trace.h"

#include <gtest/gtest.h>

namespace chaveiro {
namespace {

constexpr std::string_view example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(TraceContext, reads_what_it_writes) {
  const auto context = TraceContext::parse(example, "congo=t61rcWkgMzE").value();
  EXPECT_EQ(context.traceparent(), example);
  EXPECT_EQ(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(context.span_id(), "00f067aa0ba902b7");
  EXPECT_EQ(context.sampled(), TraceContext::Sampled::yes);
  EXPECT_EQ(context.tracestate(), "congo=t61rcWkgMzE");

  const auto ours = TraceContext::start(TraceContext::Sampled::no);
  EXPECT_EQ(TraceContext::parse(ours.traceparent()).value(), ours);
  EXPECT_EQ(ours.sampled(), TraceContext::Sampled::no);
  EXPECT_NE(ours.trace_id(), TraceContext::start(TraceContext::Sampled::no).trace_id());
}

TEST(TraceContext, hands_a_child_the_trace_and_its_own_span) {
  const auto parent = TraceContext::parse(example, "a=b").value();
  const auto child = parent.child();
  EXPECT_EQ(child.trace_id(), parent.trace_id());
  EXPECT_NE(child.span_id(), parent.span_id());
  EXPECT_EQ(child.sampled(), parent.sampled());
  EXPECT_EQ(child.tracestate(), "a=b");
}

TEST(TraceContext, understands_later_versions_and_forgets_their_flags) {
  const std::string ids = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
  EXPECT_EQ(TraceContext::parse("cc-" + ids + "-ff").value().traceparent(), "00-" + ids + "-03");
  EXPECT_TRUE(TraceContext::parse("cc-" + ids + "-01-what-the-future-holds"));
  EXPECT_FALSE(TraceContext::parse("cc-" + ids + "-01.what"));
}

TEST(TraceContext, refuses_what_the_standard_refuses) {
  for (const char* text : {"", "00", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                           "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                           "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                           "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
                           "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
                           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
                           "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01"}) {
    EXPECT_FALSE(TraceContext::parse(text)) << text;
  }
}

TEST(TraceContext, drops_a_state_that_is_too_long_or_could_split_a_header) {
  EXPECT_EQ(TraceContext::parse(example, std::string(512, 'a')).value().tracestate().size(), 512u);
  EXPECT_EQ(TraceContext::parse(example, std::string(513, 'a')).value().tracestate(), "");
  EXPECT_EQ(TraceContext::parse(example, "a=b\r\nx-evil: 1").value().tracestate(), "");
}

}  // namespace
}  // namespace chaveiro
