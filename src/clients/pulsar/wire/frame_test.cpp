#include "clients/pulsar/wire/frame.h"

#include <gtest/gtest.h>

namespace chaveiro::clients::pulsar::wire {
namespace {

MessageMetadata sample_metadata() {
  MessageMetadata metadata;
  metadata.producer_name = "standalone-0-1";
  metadata.sequence_id = 7;
  metadata.publish_time = 1'767'225'600'000;
  metadata.properties = {{"event_id", "1"}, {"empty", ""}};
  metadata.partition_key = "chave-é";
  return metadata;
}

TEST(Proto, writes_the_bytes_that_the_encoding_prescribes) {
  EXPECT_EQ(to_bytes(KeyValue{"a", "bc"}), std::string("\x0a\x01"
                                                       "a\x12\x02"
                                                       "bc"));
  MessageIdData id;
  id.ledger_id = 300;
  id.partition = -1;  // ten bytes, as for every negative number
  EXPECT_EQ(to_bytes(id), std::string("\x08\xac\x02\x10\x00\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 16));
}

TEST(Proto, skips_what_it_does_not_know_and_refuses_what_is_cut) {
  std::string bytes = to_bytes(KeyValue{"a", "b"});
  bytes += std::string("\x98\x06\x05", 3);  // field 99, a number
  bytes += std::string(
      "\xa1\x06"
      "12345678",
      10);  // field 100, eight bytes
  const auto read = read_message<KeyValue>(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, (KeyValue{"a", "b"}));
  const std::string whole = to_bytes(sample_metadata());
  EXPECT_EQ(*read_message<MessageMetadata>(whole), sample_metadata());
  std::size_t refused = 0;
  for (std::size_t cut = 1; cut < whole.size(); ++cut)
    refused += read_message<MessageMetadata>(whole.substr(0, cut)) ? 0 : 1;
  EXPECT_GT(refused, whole.size() / 2);
}

TEST(Frame, comes_out_whole_however_its_bytes_come_in) {
  std::string bytes;
  append_frame(bytes, Ping{});
  append_frame(bytes, Flow{.consumer_id = 3, .permits = 1000});
  ASSERT_TRUE(append_send_frame(bytes, {.producer_id = 1, .sequence_id = 7}, sample_metadata(), "payload"));
  for (const std::size_t step : {std::size_t{1}, std::size_t{3}, bytes.size()}) {
    FrameReader reader;
    std::vector<std::uint32_t> types;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      reader.feed(std::string_view(bytes).substr(at, step));
      for (auto frame = reader.next(); frame && *frame; frame = reader.next()) {
        types.push_back((**frame).type);
        if ((**frame).type == Flow::type) {
          EXPECT_EQ(read_command<Flow>(**frame)->permits, 1000u);
        }
        if ((**frame).type == Send::type) {
          const auto payload = read_payload((**frame).rest);
          ASSERT_TRUE(payload) << payload.error().message;
          EXPECT_EQ(payload->metadata, sample_metadata());
          EXPECT_EQ(payload->bytes, "payload");
        }
      }
    }
    EXPECT_EQ(types, (std::vector<std::uint32_t>{Ping::type, Flow::type, Send::type})) << step;
  }
}

TEST(Frame, over_the_limit_is_refused_before_it_has_come) {
  FrameReader reader(1'000);
  reader.feed(std::string("\x00\x00\x03\xe9", 4));
  EXPECT_EQ(reader.next().error().reason, "ProtocolError");
}

TEST(Frame, with_a_flipped_bit_is_told_from_one_that_is_none) {
  std::string bytes;
  ASSERT_TRUE(append_send_frame(bytes, {}, sample_metadata(), "payload"));
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  const auto frame = read_frame(std::string_view(bytes).substr(4));
  ASSERT_TRUE(frame);
  EXPECT_EQ(read_payload(frame->rest).error().reason, "ChecksumMismatch");
}

TEST(Frame, may_carry_the_brokers_own_metadata) {
  std::string bytes;
  ASSERT_TRUE(append_send_frame(bytes, {}, sample_metadata(), "payload"));
  const auto frame = read_frame(std::string_view(bytes).substr(4));
  ASSERT_TRUE(frame);
  const std::string rest = std::string("\x0e\x02\x00\x00\x00\x02\x08\x01", 8) + std::string(frame->rest);
  const auto payload = read_payload(rest);
  ASSERT_TRUE(payload);
  EXPECT_EQ(payload->bytes, "payload");
}

TEST(Frame, refuses_a_message_that_the_broker_would_not_take) {
  std::string bytes;
  const auto refused = append_send_frame(bytes, {}, sample_metadata(), std::string(2'000, 'x'), 1'000);
  EXPECT_EQ(refused.error().reason, "MessageTooLarge");
  EXPECT_TRUE(bytes.empty());
}

TEST(Batch, is_the_same_after_packing_compressing_and_back) {
  for (const Compression how : {Compression::none, Compression::lz4, Compression::zstd}) {
    std::string batch;
    for (int i = 0; i < 100; ++i) {
      SingleMessageMetadata metadata;
      metadata.partition_key = "k" + std::to_string(i);
      metadata.properties = {{"n", std::to_string(i)}};
      append_batched(batch, metadata, "body of message " + std::to_string(i));
    }
    const auto packed = compress(how, batch);
    ASSERT_TRUE(packed);
    const auto back = decompress(how, *packed, batch.size());
    ASSERT_TRUE(back);
    const auto messages = read_batch(*back, 100);
    ASSERT_TRUE(messages);
    EXPECT_EQ((*messages)[42].payload, "body of message 42");
    EXPECT_EQ((*messages)[42].metadata.properties[0].value, "42");
    EXPECT_FALSE(read_batch(*back, 101));
    if (how != Compression::none) {
      EXPECT_FALSE(decompress(how, *packed, batch.size() + 1));
      EXPECT_FALSE(decompress(how, std::string_view(*packed).substr(0, packed->size() / 2), batch.size()));
      EXPECT_FALSE(decompress(how, *packed, std::size_t{1} << 40));
    }
  }
  EXPECT_EQ(decompress(Compression::snappy, "x", 1).error().reason, "CompressionUnknown");
}

}  // namespace
}  // namespace chaveiro::clients::pulsar::wire
