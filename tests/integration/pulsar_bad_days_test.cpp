// A Pulsar bus on bad days of a real broker: topics are taken away, ended or full while messages are under way, and the broker is killed.
// The last needs a broker that tools/servers/pulsar.sh started for this run; nothing else may use it meanwhile.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "base/uuid.h"
#include "clients/pulsar/bus.h"
#include "net/client.h"
#include "tests/support/pulsar_broker.h"

namespace chaveiro::contract {
namespace {

using namespace clients::pulsar;
using namespace events;
using namespace std::chrono_literals;

class PulsarBadDays : public testing::Test {
 protected:
  PulsarBadDays() {
    BusOptions options;
    options.client.url = broker.url;
    options.admin.url = broker.admin_url;
    bus = PulsarBus::make(std::move(options), Logger{}).value();
    const auto made = bus->create_topic(topic, {.partitions = 2}, soon());
    CHECK(made.has_value());
  }
  static Deadline soon() { return Deadline::in(180s); }
  // The broker gives every topic of the namespace away, and serves it again when it is asked for.
  void unload() { administer(net::Method::put, "namespaces/dict/events/unload"); }
  void administer(net::Method method, const std::string& what) {
    const auto http = net::HttpClient::make({}).value();
    const net::Url url = net::parse_url(broker.admin_url).value();
    net::Request request;
    request.method = method;
    request.target = "/admin/v2/" + what;
    const auto response = http->send(url.origin, request, soon());
    ASSERT_TRUE(response) << response.error().message;
    ASSERT_LT(response->status, 300) << response->body;
  }
  std::string path() const { return "persistent/" + topic.substr(topic.find("//") + 2); }
  int script(const std::string& what) const {
    return std::system(
        ("PULSAR_FOLDER='" + broker.folder + "' tools/servers/pulsar.sh " + what + " >/dev/null 2>&1").c_str());
  }
  PulsarBus& patient() {
    BusOptions options;
    options.client.url = broker.url;
    options.admin.url = broker.admin_url;
    options.producer.send_time_max = 0s;
    bus = PulsarBus::make(std::move(options), Logger{}).value();
    return *bus;
  }

  const tests::PulsarBroker broker = tests::pulsar_broker();
  const std::string topic = "persistent://dict/events/bad-days-" + to_string(uuid_v4());
  std::unique_ptr<PulsarBus> bus;
};

TEST_F(PulsarBadDays, a_namespace_that_is_unloaded_costs_no_message_and_no_order) {
  auto subscription = bus->subscribe({.topics = {topic}, .name = "sub"}, soon());
  ASSERT_TRUE(subscription) << subscription.error().message;
  constexpr int keys = 10, each = 100, unloads = 3;
  Guarded<int> answered, failed;
  std::map<std::string, std::vector<int>> first_seen;
  std::map<std::string, std::set<int>> seen;
  std::size_t distinct = 0;
  const auto receive = [&] {
    const auto some = (*subscription)->receive(200, Deadline::in(20ms));
    ASSERT_TRUE(some) << some.error().message;
    for (const Received& got : *some) {
      const int n = std::stoi(got.message.body);
      if (seen[got.message.key].insert(n).second) {
        first_seen[got.message.key].push_back(n);
        ++distinct;
      }
      ASSERT_TRUE((*subscription)->ack(got));
    }
  };
  for (int n = 0; n < each; ++n) {
    for (int k = 0; k < keys; ++k)
      bus->publish(topic, {.key = "k" + std::to_string(k), .body = std::to_string(n)},
                   [&](const Result<MessageId>& id) {
                     ++*answered.lock();
                     if (!id) ++*failed.lock();
                   });
    if (n % (each / unloads) == 20) unload();
    receive();
  }
  ASSERT_TRUE(bus->flush(soon()));
  EXPECT_EQ(*answered.lock(), keys * each);
  EXPECT_EQ(*failed.lock(), 0);
  for (const Deadline end = soon(); distinct < static_cast<std::size_t>(keys * each) && !end.expired();) receive();
  ASSERT_EQ(distinct, static_cast<std::size_t>(keys * each));
  for (const auto& [key, order] : first_seen) EXPECT_TRUE(std::is_sorted(order.begin(), order.end())) << key;
}

TEST_F(PulsarBadDays, a_topic_that_was_ended_takes_nothing_and_gives_what_it_has) {
  const std::string ended = topic + "-ended";
  ASSERT_TRUE(publish(*bus, ended, {.key = "k", .body = "last"}, soon()));
  administer(net::Method::post, "persistent/" + ended.substr(ended.find("//") + 2) + "/terminate");
  const auto sent = publish(*bus, ended, {.key = "k", .body = "too late"}, soon());
  EXPECT_EQ(sent.error().reason, "TopicTerminated") << sent.error().message;
  auto sub = bus->subscribe({.topics = {ended}, .name = "sub"}, soon());
  ASSERT_TRUE(sub);
  const auto got = (*sub)->receive(10, soon());
  ASSERT_TRUE(got && got->size() == 1u);
  EXPECT_EQ(got->front().message.body, "last");
}

TEST_F(PulsarBadDays, a_topic_that_is_deleted_under_its_producer_and_consumer_is_told_or_begun_anew) {
  auto sub = bus->subscribe({.topics = {topic}, .name = "sub"}, soon());
  ASSERT_TRUE(sub);
  ASSERT_TRUE(publish(*bus, topic, {.key = "k", .body = "gone"}, soon()));
  administer(net::Method::del, path() + "/partitions?force=true");
  ASSERT_TRUE(bus->create_topic(topic, {.partitions = 2}, soon()));
  Result<MessageId> sent = fail(Code::unavailable, "", "");
  for (const Deadline end = soon(); !sent && !end.expired();)
    sent = publish(*bus, topic, {.key = "k", .body = "new"}, Deadline::in(5s));
  ASSERT_TRUE(sent) << sent.error().message;
  for (const Deadline end = soon(); !end.expired();) {
    const auto got = (*sub)->receive(1, Deadline::in(1s));
    if (got && !got->empty() && got->front().message.body == "new") return;
    if (got) continue;
    // It came back while there was none, and says so: whoever wants the new one subscribes again.
    ASSERT_EQ(got.error().reason, "TopicNotFound") << got.error().message;
    sub = bus->subscribe({.topics = {topic}, .name = "sub"}, soon());
    ASSERT_TRUE(sub) << sub.error().message;
  }
  FAIL() << "nobody got the message";
}

TEST_F(PulsarBadDays, a_backlog_that_is_full_refuses_until_somebody_reads) {
  const std::string small = topic + "-small";
  ASSERT_TRUE(
      bus->create_topic(small, {.retention_time = 0s, .retention_bytes = 0, .backlog_bytes_max = 100'000}, soon()));
  auto sub = bus->subscribe({.topics = {small}, .name = "sub"}, soon());
  ASSERT_TRUE(sub);
  BusOptions options;
  options.client.url = broker.url;
  options.admin.url = broker.admin_url;
  options.producer.send_time_max = 1s;
  options.producer.compression = wire::Compression::none;
  const auto hasty = PulsarBus::make(std::move(options), Logger{}).value();
  bool refused = false;
  for (const Deadline end = soon(); !refused && !end.expired();)
    refused = !publish(*hasty, small, {.key = "k", .body = std::string(20'000, 'x')}, soon());
  ASSERT_TRUE(refused) << "the quota was never looked at";
  Result<MessageId> sent = fail(Code::unavailable, "", "");
  for (const Deadline end = soon(); !sent && !end.expired();) {
    const auto got = (*sub)->receive(100, Deadline::in(100ms));
    ASSERT_TRUE(got);
    for (const Received& one : *got) ASSERT_TRUE((*sub)->ack(one));
    ASSERT_TRUE(bus->flush(soon()));
    sent = publish(*hasty, small, {.key = "k", .body = "room"}, soon());
  }
  EXPECT_TRUE(sent) << sent.error().message;
}

TEST_F(PulsarBadDays, a_broker_that_is_killed_loses_nothing_that_it_answered_and_no_order) {
  if (broker.folder.empty()) GTEST_SKIP() << "this broker was started by somebody else";
  PulsarBus& out = patient();
  constexpr int keys = 5, each = 200;
  Guarded<int> stored;
  const auto burst = [&](int from, int to) {
    for (int n = from; n < to; ++n)
      for (int k = 0; k < keys; ++k)
        out.publish(topic, {.key = "k" + std::to_string(k), .body = std::to_string(n)},
                    [&](const Result<MessageId>& id) {
                      if (id) ++*stored.lock();
                    });
  };
  auto sub = out.subscribe({.topics = {topic}, .name = "sub"}, soon());
  ASSERT_TRUE(sub);
  burst(0, each / 2);
  ASSERT_EQ(script("kill"), 0);
  burst(each / 2, each);
  ASSERT_EQ(script("start"), 0);
  ASSERT_TRUE(out.flush(soon()));
  EXPECT_EQ(*stored.lock(), keys * each);
  std::map<std::string, std::vector<int>> first_seen;
  std::map<std::string, std::set<int>> seen;
  std::size_t distinct = 0;
  for (const Deadline end = soon(); distinct < static_cast<std::size_t>(keys * each) && !end.expired();) {
    const auto some = (*sub)->receive(200, Deadline::in(1s));
    ASSERT_TRUE(some) << some.error().message;
    for (const Received& got : *some) {
      const int n = std::stoi(got.message.body);
      if (seen[got.message.key].insert(n).second) {
        first_seen[got.message.key].push_back(n);
        ++distinct;
      }
      ASSERT_TRUE((*sub)->ack(got));
    }
  }
  EXPECT_EQ(distinct, static_cast<std::size_t>(keys * each));
  for (const auto& [key, order] : first_seen) EXPECT_TRUE(std::is_sorted(order.begin(), order.end())) << key;
}

TEST_F(PulsarBadDays, a_broker_that_is_not_there_is_told_within_the_deadline) {
  BusOptions options;
  options.client.url = "pulsar://127.0.0.1:1";
  options.admin.url = "http://127.0.0.1:1";
  const auto away = PulsarBus::make(std::move(options), Logger{}).value();
  const auto made = away->create_topic(topic, {}, soon());
  EXPECT_EQ(made.error().code, Code::unavailable);
  const auto sent = publish(*away, topic, {.key = "k", .body = "1"}, Deadline::in(2s));
  EXPECT_EQ(sent.error().code, Code::maybe_applied) << "it goes on trying: " << sent.error().message;
  const auto subscription = away->subscribe({.topics = {topic}, .name = "sub"}, soon());
  EXPECT_EQ(subscription.error().code, Code::unavailable);
}

}  // namespace
}  // namespace chaveiro::contract
