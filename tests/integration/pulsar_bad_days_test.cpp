// A Pulsar bus on bad days of a real broker: topics are taken away while messages are under way.
#include <gtest/gtest.h>

#include <algorithm>
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
  static Deadline soon() { return Deadline::in(60s); }
  // The broker gives every topic of the namespace away, and serves it again when it is asked for.
  void unload() {
    const auto http = net::HttpClient::make({}).value();
    const net::Url url = net::parse_url(broker.admin_url).value();
    net::Request request;
    request.method = net::Method::put;
    request.target = "/admin/v2/namespaces/dict/events/unload";
    const auto response = http->send(url.origin, request, soon());
    ASSERT_TRUE(response) << response.error().message;
    ASSERT_LT(response->status, 300) << response->body;
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

TEST_F(PulsarBadDays, a_broker_that_is_not_there_is_told_within_the_deadline) {
  BusOptions options;
  options.client.url = "pulsar://127.0.0.1:1";
  options.admin.url = "http://127.0.0.1:1";
  const auto away = PulsarBus::make(std::move(options), Logger{}).value();
  const auto made = away->create_topic(topic, {}, Deadline::in(2s));
  EXPECT_EQ(made.error().code, Code::unavailable);
  const auto sent = publish(*away, topic, {.key = "k", .body = "1"}, Deadline::in(2s));
  EXPECT_EQ(sent.error().code, Code::unavailable) << sent.error().message;
  const auto subscription = away->subscribe({.topics = {topic}, .name = "sub"}, Deadline::in(2s));
  EXPECT_EQ(subscription.error().code, Code::unavailable);
}

}  // namespace
}  // namespace chaveiro::contract
