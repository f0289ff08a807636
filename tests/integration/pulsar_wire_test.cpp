// The frames of clients/pulsar/wire held against a real broker: look-up, producer, consumer, batches under every compression, keys and
// properties there and back.
#include <gtest/gtest.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/uuid.h"
#include "clients/pulsar/wire/frame.h"
#include "tests/support/pulsar_broker.h"

namespace chaveiro::contract {
namespace {

using namespace clients::pulsar::wire;

// One connection, one request after another.
class Talk {
 public:
  explicit Talk(const std::string& url) {
    const std::string address = url.substr(url.find("//") + 2);
    const std::size_t colon = address.rfind(':');
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    if (::getaddrinfo(address.substr(0, colon).c_str(), address.substr(colon + 1).c_str(), &hints, &found) != 0) return;
    fd_ = ::socket(found->ai_family, SOCK_STREAM, 0);
    const timeval limit{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (::connect(fd_, found->ai_addr, found->ai_addrlen) != 0) {
      ::close(fd_);
      fd_ = -1;
    }
    ::freeaddrinfo(found);
  }
  ~Talk() {
    if (fd_ >= 0) ::close(fd_);
  }
  bool open() const { return fd_ >= 0; }

  void write(const std::string& bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
      const ssize_t sent = ::send(fd_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      ASSERT_GT(sent, 0);
      at += static_cast<std::size_t>(sent);
    }
  }
  template <class Command>
  void say(const Command& command) {
    std::string bytes;
    append_frame(bytes, command);
    write(bytes);
  }
  // The next frame of this type; pings are answered on the way. Its payload stays until the next call.
  template <class Command>
  Command hear() {
    for (;;) {
      auto frame = reader_.next();
      if (!frame) return ADD_FAILURE() << frame.error().message, Command();
      if (!*frame) {
        char bytes[65536];
        const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
        if (got <= 0) return ADD_FAILURE() << "the broker is silent", Command();
        reader_.feed({bytes, static_cast<std::size_t>(got)});
        continue;
      }
      if ((**frame).type == Ping::type) say(Pong{});
      if ((**frame).type == ErrorCommand::type) ADD_FAILURE() << read_command<ErrorCommand>(**frame)->message;
      if ((**frame).type == ErrorCommand::type) return Command();
      if ((**frame).type != Command::type) continue;
      rest_ = (**frame).rest;
      const auto command = read_command<Command>(**frame);
      EXPECT_TRUE(command);
      return command ? *command : Command();
    }
  }
  std::string_view rest() const { return rest_; }

 private:
  int fd_ = -1;
  FrameReader reader_;
  std::string_view rest_;
};

class PulsarWire : public testing::TestWithParam<Compression> {};

TEST_P(PulsarWire, brings_a_batch_there_and_back) {
  const std::string url = tests::pulsar_broker().url;
  Talk talk(url);
  ASSERT_TRUE(talk.open()) << url;
  talk.say(Connect{.client_version = "chaveiro"});
  const auto connected = talk.hear<Connected>();
  EXPECT_GT(connected.max_message_size.value_or(0), 1'000'000);

  const std::string topic = "persistent://public/default/wire-" + to_string(uuid_v4());
  talk.say(PartitionedMetadata{.topic = topic, .request_id = 1});
  EXPECT_EQ(talk.hear<PartitionedMetadataResponse>().partitions, 0u);
  talk.say(Lookup{.topic = topic, .request_id = 2});
  const auto found = talk.hear<LookupResponse>();
  ASSERT_EQ(found.response, LookupType::connect) << found.message;

  Subscribe subscribe;
  subscribe.topic = topic;
  subscribe.subscription = "wire";
  subscribe.sub_type = SubType::key_shared;
  subscribe.consumer_id = 7;
  subscribe.request_id = 3;
  subscribe.initial_position = InitialPosition::earliest;
  subscribe.key_shared = KeySharedMeta{};
  talk.say(subscribe);
  EXPECT_EQ(talk.hear<Success>().request_id, 3u);
  talk.say(Producer{.topic = topic, .producer_id = 5, .request_id = 4});
  const auto producer = talk.hear<ProducerSuccess>();
  ASSERT_FALSE(producer.producer_name.empty());

  constexpr int count = 10;
  std::string batch;
  for (int i = 0; i < count; ++i) {
    SingleMessageMetadata metadata;
    metadata.partition_key = "chave-é";
    metadata.properties = {{"n", std::to_string(i)}, {"empty", ""}};
    append_batched(batch, metadata, "body " + std::to_string(i));
  }
  MessageMetadata metadata;
  metadata.producer_name = producer.producer_name;
  metadata.sequence_id = 0;
  metadata.publish_time = 1;
  metadata.partition_key = "chave-é";
  metadata.num_messages_in_batch = count;
  metadata.compression = GetParam();
  metadata.uncompressed_size = static_cast<std::uint32_t>(batch.size());
  std::string bytes;
  ASSERT_TRUE(append_send_frame(bytes, {.producer_id = 5, .sequence_id = 0, .num_messages = count}, metadata,
                                *compress(GetParam(), batch)));
  talk.write(bytes);
  const auto receipt = talk.hear<SendReceipt>();
  EXPECT_EQ(receipt.producer_id, 5u);

  talk.say(Flow{.consumer_id = 7, .permits = 1000});
  const auto message = talk.hear<MessageCommand>();
  EXPECT_EQ(message.consumer_id, 7u);
  EXPECT_EQ(message.message_id.ledger_id, receipt.message_id.ledger_id);
  EXPECT_EQ(message.message_id.entry_id, receipt.message_id.entry_id);
  const auto payload = read_payload(talk.rest());
  ASSERT_TRUE(payload) << payload.error().message;
  ASSERT_EQ(payload->metadata.num_messages_in_batch.value_or(0), count);
  const auto plain = decompress(payload->metadata.compression.value_or(Compression::none), payload->bytes,
                                payload->metadata.uncompressed_size.value_or(0));
  ASSERT_TRUE(plain);
  const auto messages = read_batch(*plain, count);
  ASSERT_TRUE(messages);
  for (int i = 0; i < count; ++i) {
    EXPECT_EQ((*messages)[static_cast<std::size_t>(i)].payload, "body " + std::to_string(i));
    EXPECT_EQ((*messages)[static_cast<std::size_t>(i)].metadata.partition_key, "chave-é");
    EXPECT_EQ((*messages)[static_cast<std::size_t>(i)].metadata.properties[0].value, std::to_string(i));
  }
  Ack ack;
  ack.consumer_id = 7;
  ack.message_id.push_back(message.message_id);
  ack.request_id = 8;
  talk.say(ack);
  const auto acknowledged = talk.hear<AckResponse>();
  EXPECT_EQ(acknowledged.request_id, 8u);
  EXPECT_FALSE(acknowledged.error.has_value()) << acknowledged.message;
}

const auto name_of = [](const auto& made) {
  return made.param == Compression::none ? "none" : made.param == Compression::lz4 ? "lz4" : "zstd";
};
INSTANTIATE_TEST_SUITE_P(Broker, PulsarWire, testing::Values(Compression::none, Compression::lz4, Compression::zstd),
                         name_of);

}  // namespace
}  // namespace chaveiro::contract
