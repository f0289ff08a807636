#include "events/domain_event.h"

#include <gtest/gtest.h>

namespace chaveiro::events {
namespace {

DomainEvent sample() {
  DomainEvent event;
  event.event_id = *Uuid::parse("0190a5b0-7c3e-7abc-8def-0123456789ab");
  event.event_type = "key.created";
  event.aggregate_id = "0190a5b0-7c3e-7abc-8def-000000000001";
  event.aggregate_type = "entry";
  event.timestamp = *parse_rfc3339("2026-11-21T10:39:54.123Z");
  event.version = 12;
  event.previous_version = 7;
  event.data = R"({"key":"a\"b","n":[1,2,{"x":null}]})";
  event.metadata = {{"correlation_id", "c-1"},
                    {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}};
  return event;
}

TEST(DomainEvent, is_the_same_after_writing_and_reading) {
  const DomainEvent event = sample();
  const auto read = parse_event(to_json(event));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, event);
}

TEST(DomainEvent, keeps_fields_that_it_does_not_know) {
  const std::string text =
      R"({"event_id":"0190a5b0-7c3e-7abc-8def-0123456789ab","event_type":"key.created","aggregate_id":"x",)"
      R"("aggregate_type":"entry","timestamp":"2026-11-21T10:39:54.123Z","version":1,"data":{},)"
      R"("metadata":{"a":"b","deep":{"c":[1]}},"later":{"field":[true]},"other":3})";
  const auto read = parse_event(text);
  ASSERT_TRUE(read) << read.error().message;
  const std::string again = to_json(*read);
  EXPECT_NE(again.find(R"("later":{"field":[true]})"), std::string::npos) << again;
  EXPECT_NE(again.find(R"("other":3)"), std::string::npos) << again;
  EXPECT_NE(again.find(R"("deep":{"c":[1]})"), std::string::npos) << again;
  EXPECT_EQ(*parse_event(again), *read);
}

TEST(DomainEvent, says_which_field_is_wrong_and_never_its_value) {
  for (
      const auto& [text, field] : std::initializer_list<std::pair<const char*, const char*>>{
          {"{", "event"},
          {"[]", "event"},
          {R"({"event_id":"secret"})", "event_id"},
          {R"({"event_id":"0190a5b0-7c3e-7abc-8def-0123456789ab"})", "event_type"},
          {R"({"event_id":"0190a5b0-7c3e-7abc-8def-0123456789ab","event_type":"t","aggregate_id":"x","version":-1})",
           "version"},
          {R"({"event_id":"0190a5b0-7c3e-7abc-8def-0123456789ab","event_type":"t","aggregate_id":"x","version":1,"previous_version":1})",
           "previous_version"},
          {R"({"event_id":"0190a5b0-7c3e-7abc-8def-0123456789ab","event_type":"t","aggregate_id":"x","data":[]})",
           "data"}}) {
    const auto read = parse_event(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().reason, "EventInvalid");
    EXPECT_TRUE(read.error().message.starts_with(std::string(field) + ":")) << read.error().message;
    EXPECT_EQ(read.error().message.find("secret"), std::string::npos);
  }
}

TEST(DomainEvent, tells_the_same_in_headers_as_in_its_body) {
  const Message message = to_message(sample());
  EXPECT_EQ(message.key, "0190a5b0-7c3e-7abc-8def-000000000001");
  EXPECT_EQ(header(message.headers, "event_id"), "0190a5b0-7c3e-7abc-8def-0123456789ab");
  EXPECT_EQ(header(message.headers, "event_type"), "key.created");
  EXPECT_EQ(header(message.headers, "version"), "12");
  EXPECT_EQ(header(message.headers, "content-type"), "application/json");
  EXPECT_EQ(header(message.headers, "traceparent"), sample().metadata[1].second);
  EXPECT_EQ(*event_of(message), sample());
}

TEST(DomainEvent, reads_another_content_type_by_its_headers) {
  Message message;
  message.key = "k";
  message.body = std::string("\x08\x96\x01", 3);
  message.headers = {{"content-type", "application/x-protobuf"},
                     {"event_id", "0190a5b0-7c3e-7abc-8def-0123456789ab"},
                     {"event_type", "KeyCreatedResponse"}};
  const auto read = event_of(message);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->aggregate_id, "k");
  EXPECT_EQ(*data_text(*read, "body"), "CJYB");
}

TEST(MessageId, is_the_same_after_writing_and_reading) {
  const MessageId id{3, 4, 5, -1};
  EXPECT_EQ(to_string(id), "3:4:5:-1");
  EXPECT_EQ(*parse_message_id("3:4:5:-1"), id);
  for (const char* text : {"", "1:2:3", "1:2:3:4:5", "a:1:1:1", "-2:0:0:0", "1:-2:3:4"})
    EXPECT_FALSE(parse_message_id(text)) << text;
}

}  // namespace
}  // namespace chaveiro::events
