#include "vsync/sync_answers.h"

#include <gtest/gtest.h>

namespace chaveiro::vsync {
namespace {

const std::string vsync_text = "996fc1dd3b6b14bcf0c9fe8320eb66d7e2a3fd874ccf767b2e939641b1ea8eaf";

events::DomainEvent response(std::string data) {
  return {.event_type = "VSYNCResponse",
          .timestamp = UtcTime(std::chrono::seconds{1'800'000'000}),
          .data = std::move(data)};
}
std::string data_with(std::string_view field, std::string_view value) {
  const auto one = [&](std::string_view name, std::string_view usual) {
    return "\"" + std::string(name) + "\":\"" + std::string(name == field ? value : usual) + "\"";
  };
  return "{" + one("participant", "12345678") + "," + one("key_type", "PHONE") + "," + one("result", "OK") + "," +
         one("vsync", vsync_text) + "}";
}

TEST(SyncAnswer, is_read_from_a_response) {
  const auto read = sync_answer_of(response(data_with("", "")));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->participant.view(), "12345678");
  EXPECT_EQ(read->key_type, directory::KeyType::phone);
  EXPECT_EQ(read->agreement, Agreement::in_sync);
  EXPECT_EQ(to_hex(read->vsync), vsync_text);
  EXPECT_EQ(read->verified_at, UtcTime(std::chrono::seconds{1'800'000'000})) << "when the event happened";
  EXPECT_EQ(sync_answer_of(response(data_with("result", "NOK")))->agreement, Agreement::diverging);
}

TEST(SyncAnswer, may_say_itself_when_it_was_compared) {
  const auto read = sync_answer_of(response(R"({"participant":"12345678","key_type":"EVP","result":"NOK","vsync":")" +
                                            vsync_text + R"(","verified_at":"2026-11-21T03:00:00Z"})"));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(to_rfc3339(read->verified_at), "2026-11-21T03:00:00.000Z");
}

TEST(SyncAnswer, that_says_something_else_is_refused_by_the_name_of_the_field) {
  for (const auto& [field, value] : {std::pair("participant", "1234"), std::pair("key_type", "RG"),
                                     std::pair("result", "MAYBE"), std::pair("vsync", "996f")}) {
    const auto read = sync_answer_of(response(data_with(field, value)));
    ASSERT_FALSE(read) << field;
    EXPECT_EQ(read.error().code, Code::invalid);
    EXPECT_NE(read.error().message.find(field), std::string::npos) << read.error().message;
  }
  EXPECT_FALSE(sync_answer_of(response("{}")));
}

}  // namespace
}  // namespace chaveiro::vsync
