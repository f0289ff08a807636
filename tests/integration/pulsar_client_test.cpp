// What the Pulsar client can do beyond the bus contract, on a real broker: TLS and tokens, letters, readers, patterns, producers that
// want a topic for themselves, delays that grow, drains.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <thread>

#include "base/hash.h"
#include "base/text.h"
#include "base/uuid.h"
#include "clients/pulsar/letters.h"
#include "clients/pulsar/reader.h"
#include "net/client.h"
#include "tests/support/pulsar_broker.h"

namespace chaveiro::contract {
namespace {

using namespace clients::pulsar;
using namespace events;
using namespace std::chrono_literals;

std::string file_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class PulsarClient : public testing::Test {
 protected:
  PulsarClient() : bus(make(plain())) {
    const auto made = bus->create_topic(topic, {}, soon());
    CHECK(made.has_value());
  }
  static Deadline soon() { return Deadline::in(120s); }
  BusOptions plain() const {
    BusOptions options;
    options.client.url = broker.url;
    options.admin.url = broker.admin_url;
    options.producer.batch_delay = 2ms;
    return options;
  }
  BusOptions over_tls() const {
    BusOptions options = plain();
    options.client.url = broker.tls_url;
    options.client.tls.ca_file = broker.folder + "/ca.pem";
    return options;
  }
  static std::unique_ptr<PulsarBus> make(BusOptions options) {
    return PulsarBus::make(std::move(options), Logger{}).value();
  }
  std::string token(const std::string& subject, std::chrono::seconds valid) const {
    const auto until =
        std::chrono::duration_cast<std::chrono::seconds>((SystemClock{}.now() + valid).time_since_epoch()).count();
    const std::string said = base64url(R"({"alg":"HS256"})") + "." +
                             base64url("{\"sub\":\"" + subject + "\",\"exp\":" + std::to_string(until) + "}");
    const auto sum = hmac_sha256(file_text(broker.folder + "/secret.key"), said);
    return said + "." + base64url({reinterpret_cast<const char*>(sum.data()), sum.size()});
  }
  static std::string base64url(std::string_view bytes) {
    static constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string out;
    std::uint32_t held = 0;
    int bits = 0;
    for (const char c : bytes) {
      held = held << 8 | static_cast<unsigned char>(c);
      for (bits += 8; bits >= 6; bits -= 6) out += digits[held >> (bits - 6) & 63];
    }
    if (bits > 0) out += digits[held << (6 - bits) & 63];
    return out;
  }
  Result<MessageId> send(PulsarBus& to, const std::string& body, const std::string& key = "k") {
    return publish(to, topic, {.key = key, .body = body}, soon());
  }
  std::string one_more(const std::string& name) const { return "persistent://dict/events/" + name + "-" + run; }
  void administer(net::Method method, const std::string& path) {
    const auto http = net::HttpClient::make({}).value();
    net::Request request;
    request.method = method;
    request.target = "/admin/v2/" + path;
    const auto response = http->send(net::parse_url(broker.admin_url)->origin, request, soon());
    ASSERT_TRUE(response) << response.error().message;
    ASSERT_LT(response->status, 300) << response->body;
  }
  template <class Some>
  static std::vector<std::string> take(Some& from, std::size_t count, Deadline until = soon()) {
    std::vector<std::string> bodies;
    while (bodies.size() < count) {
      auto some = from.receive(count - bodies.size(), until);
      if (!some || some->empty()) break;
      for (const Received& one : *some) {
        bodies.push_back(one.message.body);
        EXPECT_TRUE(from.ack(one));
      }
    }
    return bodies;
  }

  const tests::PulsarBroker broker = tests::pulsar_broker();
  const std::string run = to_string(uuid_v4());
  const std::string topic = one_more("client");
  std::unique_ptr<PulsarBus> bus;
};

// --- who one is

TEST_F(PulsarClient, talks_tls_with_a_token_and_verifies_the_broker) {
  BusOptions options = over_tls();
  options.client.token = [this] { return Secret(file_text(broker.folder + "/token")); };
  const auto secure = make(options);
  ASSERT_TRUE(send(*secure, "over TLS")) << send(*secure, "over TLS").error().message;
  auto sub = secure->subscribe({.topics = {topic}, .name = "sub"}, soon());
  ASSERT_TRUE(sub);
  EXPECT_EQ(take(**sub, 1), std::vector<std::string>{"over TLS"});

  options.client.tls.ca_file.clear();  // the system's authorities do not know this broker
  EXPECT_EQ(send(*make(options), "1").error().reason, "CertificateRefused");
  options.client.tls.skip_verify = true;
  EXPECT_TRUE(send(*make(options), "2"));
}

TEST_F(PulsarClient, is_told_when_its_token_is_forged_or_of_a_stranger) {
  BusOptions options = over_tls();
  options.client.token = [this] { return Secret(token("admin", 60s) + "x"); };
  EXPECT_EQ(send(*make(options), "1").error().code, Code::unauthenticated);
  options.client.token = [this] { return Secret(token("stranger", 60s)); };
  EXPECT_EQ(send(*make(options), "1").error().code, Code::forbidden);
}

TEST_F(PulsarClient, shows_its_certificate_and_is_who_that_says) {
  BusOptions options = over_tls();
  options.client.tls.cert_file = broker.folder + "/client.pem";
  options.client.tls.key_file = broker.folder + "/client.key";
  const auto sent = send(*make(options), "1");
  EXPECT_TRUE(sent) << sent.error().message;
  options.client.tls.cert_file = broker.folder + "/stranger.pem";
  options.client.tls.key_file = broker.folder + "/stranger.key";
  EXPECT_EQ(send(*make(options), "1").error().code, Code::forbidden);
}

TEST_F(PulsarClient, gives_a_fresh_token_when_the_old_one_ends) {
  Guarded<int> asked;
  BusOptions options = over_tls();
  options.client.token = [&] {
    ++*asked.lock();
    return Secret(token("admin", 5s));
  };
  const auto secure = make(options);
  const Deadline end = soon();
  int sent = 0;
  // The broker looks once a second, and asks on the same connection.
  while (*asked.lock() < 2 && !end.expired()) {
    ASSERT_TRUE(send(*secure, std::to_string(sent++)));
    std::this_thread::sleep_for(50ms);
  }
  EXPECT_GE(*asked.lock(), 2);
  EXPECT_TRUE(send(*secure, std::to_string(sent))) << "and it is believed";
}

// --- letters

TEST_F(PulsarClient, puts_what_is_refused_too_often_where_java_would_look_for_it) {
  SubscribeOptions options{.topics = {topic}, .name = "sub", .type = SubscriptionType::shared, .nack_delay = 20ms};
  auto sub = LetterSubscription::open(*bus, options, {.redeliveries_max = 2}, soon());
  ASSERT_TRUE(sub) << sub.error().message;
  ASSERT_TRUE(publish(*bus, topic, {.key = "k", .body = "poison", .headers = {{"a", "b"}}}, soon()));
  std::string origin;
  for (int delivery = 0; delivery < 3; ++delivery) {
    const auto got = (*sub)->receive(1, soon());
    ASSERT_TRUE(got && got->size() == 1u) << delivery;
    EXPECT_EQ(got->front().redeliveries, static_cast<std::uint32_t>(delivery));
    const MessageId& id = got->front().delivery.id;
    origin = std::to_string(id.ledger) + ":" + std::to_string(id.entry) + ":" + std::to_string(id.partition);
    ASSERT_TRUE((*sub)->nack(got->front().delivery, {}));
  }
  auto dead = bus->subscribe({.topics = {topic + "-sub-DLQ"}, .name = "desk"}, soon());
  ASSERT_TRUE(dead);
  const auto letter = (*dead)->receive(1, soon());
  ASSERT_TRUE(letter && letter->size() == 1u);
  const Message& message = letter->front().message;
  EXPECT_EQ(message.key, "k");
  EXPECT_EQ(message.body, "poison");
  EXPECT_THAT(message.headers,
              testing::UnorderedElementsAre(testing::Pair("a", "b"), testing::Pair("REAL_TOPIC", topic),
                                            testing::Pair("REAL_SUBSCRIPTION", "sub"),
                                            testing::Pair("ORIGIN_MESSAGE_ID", origin),
                                            testing::Pair("ORIGIN_MESSAGE_IDY_TIME", origin)));
  EXPECT_TRUE((*sub)->receive(1, Deadline::in(200ms))->empty());
  ASSERT_TRUE(bus->flush(soon()));
  EXPECT_EQ((*sub)->lag(soon())->messages, 0u) << "the original is acknowledged";
}

TEST_F(PulsarClient, tries_again_later_by_retry_letters_and_gives_up_after_so_many) {
  SubscribeOptions options{.topics = {topic}, .name = "sub", .type = SubscriptionType::shared};
  auto sub = LetterSubscription::open(*bus, options, {.redeliveries_max = 2, .reads_retries = true}, soon());
  ASSERT_TRUE(sub) << sub.error().message;
  ASSERT_TRUE(send(*bus, "later"));
  for (int copy = 0; copy < 3; ++copy) {
    const auto got = (*sub)->receive(1, soon());
    ASSERT_TRUE(got && got->size() == 1u) << copy;
    EXPECT_EQ(header(got->front().message.headers, "RECONSUMETIMES"), copy == 0 ? "" : std::to_string(copy));
    ASSERT_TRUE((*sub)->retry_later(got->front(), 50ms, soon()));
  }
  auto dead = bus->subscribe({.topics = {topic + "-sub-DLQ"}, .name = "desk"}, soon());
  ASSERT_TRUE(dead);
  const auto letter = (*dead)->receive(1, soon());
  ASSERT_TRUE(letter && letter->size() == 1u);
  EXPECT_EQ(letter->front().message.body, "later");
  EXPECT_EQ(header(letter->front().message.headers, "REAL_TOPIC"), topic);
  EXPECT_EQ(header(letter->front().message.headers, "DELAY_TIME"), "50");
}

// --- delays

TEST_F(PulsarClient, waits_longer_each_time_that_a_message_is_refused) {
  auto sub = bus->subscribe({.topics = {topic}, .name = "sub", .type = SubscriptionType::shared, .nack_delay = 100ms},
                            {.nack_delay_max = 400ms}, soon());
  ASSERT_TRUE(sub);
  ASSERT_TRUE(send(*bus, "again"));
  std::vector<Micros> waits;
  SteadyTime last{};
  for (int i = 0; i < 5; ++i) {
    const auto got = (*sub)->receive(1, soon());
    ASSERT_TRUE(got && got->size() == 1u);
    const SteadyTime now = std::chrono::steady_clock::now();
    if (i > 0) waits.push_back(std::chrono::duration_cast<Micros>(now - last));
    last = now;
    ASSERT_TRUE((*sub)->nack(got->front().delivery, {}));
  }
  for (std::size_t i = 0; i < waits.size(); ++i)
    EXPECT_GE(waits[i], std::min<Micros>(400ms, Micros(100ms) * (1 << i))) << i;
}

TEST_F(PulsarClient, gives_more_time_each_time_that_nobody_acknowledges) {
  auto sub = bus->subscribe({.topics = {topic}, .name = "sub", .type = SubscriptionType::shared, .ack_timeout = 100ms},
                            {.ack_timeout_max = 10s}, soon());
  ASSERT_TRUE(sub);
  ASSERT_TRUE(send(*bus, "slow"));
  std::vector<SteadyTime> came;
  for (int i = 0; i < 4; ++i) {
    const auto got = (*sub)->receive(1, soon());
    ASSERT_TRUE(got && got->size() == 1u);
    came.push_back(std::chrono::steady_clock::now());
  }
  EXPECT_GE(came[1] - came[0], 100ms);
  EXPECT_GE(came[2] - came[1], 200ms);
  EXPECT_GE(came[3] - came[2], 400ms);
}

// --- readers and patterns

TEST_F(PulsarClient, reads_a_topic_from_a_place_within_a_batch_on) {
  std::vector<Message> messages;
  for (int n = 0; n < 10; ++n) messages.push_back({.key = "k", .body = std::to_string(n)});
  std::vector<MessageId> ids;
  for (const auto& id : publish_all(*bus, topic, std::move(messages), soon())) ids.push_back(id.value());
  const auto rest = [&](Reader& reader) {
    std::string all;
    while (reader.has_more(soon()).value()) all += reader.next(soon()).value()->message.body;
    return all;
  };
  auto from_start = Reader::open(*bus, {.topic = topic + "-partition-0"}, soon());
  ASSERT_TRUE(from_start) << from_start.error().message;
  EXPECT_EQ(rest(**from_start), "0123456789");
  EXPECT_EQ(rest(**Reader::open(*bus, {.topic = topic + "-partition-0", .start = Latest{}}, soon())), "");
  MessageId at = ids[6];
  at.partition = -1;
  EXPECT_EQ(rest(**Reader::open(*bus, {.topic = topic + "-partition-0", .start = at}, soon())), "789");
  EXPECT_EQ(rest(**Reader::open(*bus, {.topic = topic + "-partition-0", .start = at, .inclusive = true}, soon())),
            "6789");
  // The broker gives the topic away: the reader goes on where it was.
  administer(net::Method::put, "persistent/dict/events/" + topic.substr(topic.rfind('/') + 1) + "-partition-0/unload");
  ASSERT_TRUE(send(*bus, "A"));
  auto next = (*from_start)->next(soon());
  ASSERT_TRUE(next && *next);
  EXPECT_EQ((*next)->message.body, "A");
  ASSERT_TRUE((*from_start)->seek(at, soon()));
  next = (*from_start)->next(soon());
  ASSERT_TRUE(next && *next);
  EXPECT_EQ((*next)->message.body, "6");
}

TEST_F(PulsarClient, follows_a_pattern_also_to_topics_that_are_made_later) {
  const std::string one = one_more("pattern-a"), two = one_more("pattern-b"), other = one_more("else");
  ASSERT_TRUE(bus->create_topic(one, {.partitions = 2}, soon()));
  ASSERT_TRUE(bus->create_topic(other, {}, soon()));
  auto sub =
      bus->subscribe({.topics = {}, .name = "sub"},
                     {.pattern = "persistent://dict/events/pattern-.*" + run, .discovery_period = 100ms}, soon());
  ASSERT_TRUE(sub) << sub.error().message;
  ASSERT_TRUE(publish(*bus, other, {.key = "k", .body = "no"}, soon()));
  ASSERT_TRUE(publish(*bus, one, {.key = "k", .body = "1"}, soon()));
  auto got = (*sub)->receive(10, soon());
  ASSERT_TRUE(got && got->size() == 1u);
  EXPECT_EQ((*sub)->topic_of(got->front().delivery), one);
  ASSERT_TRUE((*sub)->ack(got->front()));
  ASSERT_TRUE(bus->create_topic(two, {}, soon()));
  ASSERT_TRUE(publish(*bus, two, {.key = "k", .body = "2"}, soon()));
  got = (*sub)->receive(10, soon());
  ASSERT_TRUE(got && got->size() == 1u);
  EXPECT_EQ((*sub)->topic_of(got->front().delivery), two);
  ASSERT_TRUE((*sub)->ack(got->front()));
}

// --- producers

TEST_F(PulsarClient, has_a_topic_for_itself_until_another_producer_fences_it_off) {
  const auto with = [&](wire::AccessMode access) {
    BusOptions options = plain();
    options.producer.access = access;
    return make(std::move(options));
  };
  const auto first = with(wire::AccessMode::exclusive);
  ASSERT_TRUE(send(*first, "1"));
  EXPECT_EQ(send(*with(wire::AccessMode::exclusive), "no").error().reason, "ProducerFenced");
  EXPECT_FALSE(publish(*bus, topic, {.key = "k", .body = "no"}, Deadline::in(300ms)));
  bus.reset();  // or it would go on trying
  const auto fencing = with(wire::AccessMode::exclusive_with_fencing);
  ASSERT_TRUE(send(*fencing, "2"));
  EXPECT_EQ(send(*first, "no").error().reason, "ProducerFenced");
  bus = make(plain());
  auto sub = bus->subscribe({.topics = {topic}, .name = "sub"}, soon());
  EXPECT_EQ(take(**sub, 2), (std::vector<std::string>{"1", "2"}));
  EXPECT_TRUE((*sub)->receive(1, Deadline::in(300ms))->empty());
}

TEST_F(PulsarClient, waits_for_a_topic_that_another_producer_has) {
  BusOptions options = plain();
  options.producer.access = wire::AccessMode::exclusive;
  auto first = make(options);
  ASSERT_TRUE(send(*first, "1"));
  options.producer.access = wire::AccessMode::wait_for_exclusive;
  const auto second = make(options);
  Guarded<std::optional<Result<MessageId>>> answer;
  second->publish(topic, {.key = "k", .body = "2"}, [&](Result<MessageId> id) {
    answer.with([&](auto& it) {
      it.emplace(std::move(id));
      answer.notify_all();  // under the lock: once it is given back, `answer` may be gone
    });
  });
  EXPECT_FALSE(answer.lock().wait(Deadline::in(300ms), [](const auto& it) { return it.has_value(); }));
  first.reset();
  auto told = answer.lock();
  ASSERT_TRUE(told.wait(soon(), [](const auto& it) { return it.has_value(); }));
  EXPECT_TRUE(**told);
}

TEST_F(PulsarClient, refuses_what_would_have_to_be_cut_in_chunks) {
  const auto sent = send(*bus, std::string((5u << 20) + 1, 'x'));
  EXPECT_EQ(sent.error().reason, "MessageTooLarge");
}

// --- the end of a consumer

TEST_F(PulsarClient, drains_what_was_handed_out_and_leaves_the_rest) {
  for (int n = 0; n < 5; ++n) ASSERT_TRUE(send(*bus, std::to_string(n)));
  auto sub = bus->subscribe({.topics = {topic}, .name = "sub"}, SubscribeExtras{}, soon());
  ASSERT_TRUE(sub);
  auto got = (*sub)->receive_batch(3, soon());
  ASSERT_TRUE(got && got->size() == 3u);
  std::thread handler([&] {
    for (const Received& one : *got) static_cast<void>((*sub)->ack(one));
  });
  EXPECT_TRUE((*sub)->drain(soon()));
  handler.join();
  EXPECT_EQ((*sub)->receive(1, soon()).error().reason, "SubscriptionClosed");
  auto next = bus->subscribe({.topics = {topic}, .name = "sub"}, SubscribeExtras{}, soon());
  got = (*next)->receive_batch(2, soon());
  ASSERT_TRUE(got && got->size() == 2u);
  EXPECT_EQ(got->front().message.body, "3");
  EXPECT_EQ((*next)->drain(Deadline::in(100ms)).error().code, Code::deadline) << "nobody acknowledged these";
  auto last = bus->subscribe({.topics = {topic}, .name = "sub"}, soon());
  EXPECT_EQ(take(**last, 2), (std::vector<std::string>{"3", "4"}));
}

TEST_F(PulsarClient, tells_which_consumer_of_a_failover_subscription_is_the_active_one) {
  struct Told {
    int active = 0, passive = 0;
  };
  Guarded<Told> first_told, second_told;
  const auto open = [&](Guarded<Told>& told) {
    return bus->subscribe({.topics = {topic}, .name = "sub", .type = SubscriptionType::failover},
                          {.on_active =
                               [&](const std::string&, bool active) {
                                 told.with([&](Told& it) {
                                   ++(active ? it.active : it.passive);
                                   told.notify_all();
                                 });
                               }},
                          soon());
  };
  auto first = open(first_told);
  ASSERT_TRUE(first_told.lock().wait(soon(), [](const Told& it) { return it.active > 0; }));
  auto second = open(second_told);
  ASSERT_TRUE(second_told.lock().wait(soon(), [](const Told& it) { return it.passive > 0; }));
  ASSERT_TRUE((*first)->close(soon()));
  EXPECT_TRUE(second_told.lock().wait(soon(), [](const Told& it) { return it.active > 0; }));
}

}  // namespace
}  // namespace chaveiro::contract
