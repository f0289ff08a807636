#include "clients/pulsar/topic_pattern.h"

#include <gtest/gtest.h>

namespace chaveiro::clients::pulsar {
namespace {

TEST(TopicPattern, means_whole_names_within_its_namespace) {
  const auto pattern = TopicPattern::parse("persistent://dict/events/key-.*").value();
  EXPECT_EQ(pattern.name_space(), "dict/events");
  EXPECT_TRUE(pattern.matches("persistent://dict/events/key-events"));
  EXPECT_TRUE(pattern.matches("persistent://dict/events/key-events-partition-3"));
  EXPECT_FALSE(pattern.matches("persistent://dict/events/my-key-events"));
  EXPECT_FALSE(pattern.matches("persistent://dict/other/key-events"));
}

TEST(TopicPattern, refuses_what_is_none) {
  for (const char* text : {"key-.*", "persistent://dict/events", "persistent://dict/events/",
                           "persistent://dict/events/(", "non-persistent://dict/events/.*"})
    EXPECT_EQ(TopicPattern::parse(text).error().code, Code::invalid) << text;
}

}  // namespace
}  // namespace chaveiro::clients::pulsar
