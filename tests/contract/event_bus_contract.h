// tests/contract/event_bus_contract.h
//
// What events/bus.h promises, as sentences that every bus must fulfil. A program includes this, says how its bus is made and how
// time passes there (a BusMaker), and instantiates the suite.
//
// Threads: one test at a time.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>

#include "events/bus.h"

namespace chaveiro::contract {

using namespace events;
using namespace std::chrono_literals;

// Where a bus lives during one test, empty at its beginning.
class BusHome {
 public:
  virtual ~BusHome() = default;
  virtual Bus& bus() = 0;
  // A topic name that no other test uses.
  virtual std::string topic(const std::string& name) { return "persistent://dict/events/" + name; }
  // So much time passes for the bus. A real server lets it pass by itself.
  virtual void pass(Micros) {}
  virtual const Clock& clock() = 0;
  UtcTime now() { return clock().now(); }
  // A delay that is long enough to be told from none.
  virtual Micros delay() const { return 60s; }
  // How long it takes to be sure that nothing comes.
  virtual Micros silence() const { return 0s; }
};
struct BusMaker {
  std::string name;
  std::function<std::unique_ptr<BusHome>()> make;
};

class EventBus : public testing::TestWithParam<BusMaker> {
 protected:
  EventBus() : home(GetParam().make()), bus(home->bus()), topic(home->topic("test")) {}

  static Deadline soon() { return Deadline::in(120s); }

  void make_topic(std::uint32_t partitions = 1) { make_topic(topic, partitions); }
  void make_topic(const std::string& name, std::uint32_t partitions) {
    const auto made = bus.create_topic(name, {.partitions = partitions}, soon());
    ASSERT_TRUE(made) << made.error().message;
  }
  MessageId send(const std::string& key, const std::string& body) { return send(topic, key, body); }
  MessageId send(const std::string& to, const std::string& key, const std::string& body) {
    const auto id = publish(bus, to, {.key = key, .body = body, .headers = {{"n", body}}}, soon());
    EXPECT_TRUE(id) << (id ? "" : id.error().message);
    return id ? *id : MessageId{};
  }
  std::unique_ptr<Subscription> subscribe(SubscriptionType type, const std::string& name = "sub") {
    return subscribe({.topics = {topic}, .name = name, .type = type});
  }
  std::unique_ptr<Subscription> subscribe(SubscribeOptions options) {
    auto made = bus.subscribe(std::move(options), soon());
    EXPECT_TRUE(made) << (made ? "" : made.error().message);
    return made ? std::move(*made) : nullptr;
  }
  // So many messages, or fewer where no more come.
  static std::vector<Received> take(Subscription& from, std::size_t count) {
    std::vector<Received> all;
    while (all.size() < count) {
      auto some = from.receive(count - all.size(), soon());
      EXPECT_TRUE(some) << (some ? "" : some.error().message);
      if (!some || some->empty()) break;
      for (Received& one : *some) all.push_back(std::move(one));
    }
    return all;
  }
  bool silent(Subscription& from) {
    const auto some = from.receive(1, Deadline::in(home->silence()));
    return some && some->empty();
  }
  static std::vector<std::string> bodies(const std::vector<Received>& received) {
    std::vector<std::string> found;
    for (const Received& one : received) found.push_back(one.message.body);
    return found;
  }
  static void ack_all(Subscription& subscription, const std::vector<Received>& received) {
    for (const Received& one : received) ASSERT_TRUE(subscription.ack(one));
  }

  std::unique_ptr<BusHome> home;
  Bus& bus;
  std::string topic;
};

TEST_P(EventBus, brings_a_message_as_it_was_sent) {
  make_topic(3);
  const Message sent{.key = "chave-é",
                     .body = std::string("a\0b\xff", 4),
                     .headers = {{"event_id", "1"}, {"traceparent", "00-x"}, {"empty", ""}},
                     .event_time = home->now() - 1h};
  const auto id = publish(bus, topic, sent, soon());
  ASSERT_TRUE(id) << id.error().message;
  auto sub = subscribe(SubscriptionType::key_shared);
  const auto got = take(*sub, 1);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].message.key, sent.key);
  EXPECT_EQ(got[0].message.body, sent.body);
  EXPECT_THAT(got[0].message.headers, testing::UnorderedElementsAreArray(sent.headers));
  EXPECT_EQ(std::chrono::floor<std::chrono::milliseconds>(got[0].message.event_time),
            std::chrono::floor<std::chrono::milliseconds>(sent.event_time));
  EXPECT_EQ(got[0].redeliveries, 0u);
  EXPECT_EQ(got[0].delivery.id.partition, id->partition);
  EXPECT_EQ(got[0].delivery.id.entry, id->entry);
}

TEST_P(EventBus, keeps_the_order_of_each_key_over_partitions_and_consumers) {
  make_topic(3);
  auto one = subscribe(SubscriptionType::key_shared);
  auto two = subscribe(SubscriptionType::key_shared);
  constexpr int keys = 20, each = 30;
  std::vector<Message> messages;
  for (int n = 0; n < each; ++n)
    for (int k = 0; k < keys; ++k) messages.push_back({.key = "k" + std::to_string(k), .body = std::to_string(n)});
  for (const auto& answer : publish_all(bus, topic, std::move(messages), soon())) ASSERT_TRUE(answer);
  std::map<std::string, std::vector<std::string>> seen;
  std::map<std::string, std::set<int>> holders;
  for (int left = keys * each; left > 0;) {
    for (auto* sub : {one.get(), two.get()}) {
      const auto some = sub->receive(50, Deadline::in(100ms));
      ASSERT_TRUE(some);
      for (const Received& got : *some) {
        seen[got.message.key].push_back(got.message.body);
        holders[got.message.key].insert(sub == one.get() ? 1 : 2);
        ASSERT_TRUE(sub->ack(got));
        --left;
      }
    }
  }
  ASSERT_EQ(seen.size(), static_cast<std::size_t>(keys));
  std::set<int> all_holders;
  for (const auto& [key, bodies_seen] : seen) {
    ASSERT_EQ(bodies_seen.size(), static_cast<std::size_t>(each)) << key;
    for (int n = 0; n < each; ++n) EXPECT_EQ(bodies_seen[static_cast<std::size_t>(n)], std::to_string(n)) << key;
    EXPECT_EQ(holders[key].size(), 1u) << key;
    all_holders.insert(*holders[key].begin());
  }
  EXPECT_EQ(all_holders.size(), 2u) << "one consumer got everything";
}

TEST_P(EventBus, never_brings_again_what_was_acknowledged) {
  make_topic();
  for (const char* body : {"1", "2", "3"}) send("k", body);
  {
    auto sub = subscribe(SubscriptionType::failover);
    const auto got = take(*sub, 3);
    ASSERT_EQ(bodies(got), (std::vector<std::string>{"1", "2", "3"}));
    ASSERT_TRUE(sub->ack(got[1]));
    ASSERT_TRUE(sub->ack(got[1])) << "repeated acknowledgements are harmless";
    ASSERT_TRUE(sub->close(soon()));
  }
  auto sub = subscribe(SubscriptionType::failover);
  EXPECT_EQ(bodies(take(*sub, 2)), (std::vector<std::string>{"1", "3"}));
  EXPECT_TRUE(silent(*sub));
}

TEST_P(EventBus, brings_a_refused_message_again_after_its_delay_and_others_meanwhile) {
  make_topic();
  auto sub =
      subscribe({.topics = {topic}, .name = "sub", .type = SubscriptionType::shared, .nack_delay = home->delay()});
  send("a", "poison");
  const auto poison = take(*sub, 1);
  ASSERT_EQ(poison.size(), 1u);
  ASSERT_TRUE(sub->nack(poison[0].delivery));
  send("b", "good");
  const auto good = take(*sub, 1);
  ASSERT_EQ(bodies(good), std::vector<std::string>{"good"});
  ack_all(*sub, good);
  EXPECT_TRUE(silent(*sub));
  home->pass(home->delay());
  const auto again = take(*sub, 1);
  ASSERT_EQ(bodies(again), std::vector<std::string>{"poison"});
  EXPECT_EQ(again[0].redeliveries, 1u);
  EXPECT_EQ(again[0].message.headers, poison[0].message.headers);
  ack_all(*sub, again);
}

TEST_P(EventBus, brings_a_delayed_message_not_before_its_time) {
  make_topic();
  auto sub = subscribe(SubscriptionType::shared);
  ASSERT_TRUE(publish(bus, topic, {.key = "k", .body = "later", .deliver_at = home->now() + home->delay()}, soon()));
  send("k", "now");
  const auto now = take(*sub, 1);
  ASSERT_EQ(bodies(now), std::vector<std::string>{"now"});
  ack_all(*sub, now);
  EXPECT_TRUE(silent(*sub));
  home->pass(home->delay());
  const auto later = take(*sub, 1);
  EXPECT_EQ(bodies(later), std::vector<std::string>{"later"});
  ack_all(*sub, later);
}

TEST_P(EventBus, brings_what_nobody_acknowledged_in_time_again) {
  make_topic();
  auto sub =
      subscribe({.topics = {topic}, .name = "sub", .type = SubscriptionType::shared, .ack_timeout = home->delay()});
  send("k", "slow");
  ASSERT_EQ(take(*sub, 1).size(), 1u);
  EXPECT_TRUE(silent(*sub));
  home->pass(home->delay());
  const auto again = take(*sub, 1);
  EXPECT_EQ(bodies(again), std::vector<std::string>{"slow"});
  ack_all(*sub, again);
}

TEST_P(EventBus, begins_where_a_new_subscription_says) {
  make_topic();
  send("k", "before");
  auto late = subscribe({.topics = {topic}, .name = "late", .begin = SubscribeOptions::Begin::latest});
  auto early = subscribe({.topics = {topic}, .name = "early"});
  send("k", "after");
  EXPECT_EQ(bodies(take(*early, 2)), (std::vector<std::string>{"before", "after"}));
  EXPECT_EQ(bodies(take(*late, 1)), std::vector<std::string>{"after"});
}

TEST_P(EventBus, refuses_a_second_consumer_of_an_exclusive_subscription) {
  make_topic();
  auto first = subscribe(SubscriptionType::exclusive);
  const auto second = bus.subscribe({.topics = {topic}, .name = "sub", .type = SubscriptionType::exclusive}, soon());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::conflict);
  EXPECT_EQ(second.error().reason, "SubscriptionTaken");
}

TEST_P(EventBus, lets_the_next_consumer_take_over_in_order) {
  make_topic();
  auto first = subscribe(SubscriptionType::failover);
  for (const char* body : {"1", "2", "3", "4"}) send("k", body);
  const auto got = take(*first, 2);
  ASSERT_EQ(bodies(got), (std::vector<std::string>{"1", "2"}));
  auto second = subscribe(SubscriptionType::failover);
  EXPECT_TRUE(silent(*second));
  ASSERT_TRUE(first->ack(got[0]));
  ASSERT_TRUE(first->close(soon()));
  EXPECT_EQ(bodies(take(*second, 3)), (std::vector<std::string>{"2", "3", "4"}));
}

TEST_P(EventBus, gives_each_message_to_one_of_the_consumers_that_share) {
  make_topic();
  auto one = subscribe({.topics = {topic}, .name = "sub", .type = SubscriptionType::shared, .queue_max = 5});
  auto two = subscribe({.topics = {topic}, .name = "sub", .type = SubscriptionType::shared, .queue_max = 5});
  for (int i = 0; i < 40; ++i) send("k" + std::to_string(i), std::to_string(i));
  std::multiset<std::string> seen;
  for (const Deadline end = soon(); seen.size() < 40 && !end.expired();)
    for (auto* sub : {one.get(), two.get()}) {
      const auto some = sub->receive(3, Deadline::in(50ms));
      ASSERT_TRUE(some);
      for (const Received& got : *some) {
        seen.insert(got.message.body);
        ASSERT_TRUE(sub->ack(got));
      }
    }
  EXPECT_EQ(seen.size(), 40u);
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 40u);
}

TEST_P(EventBus, goes_back_to_a_place_or_a_time) {
  make_topic();
  auto sub = subscribe(SubscriptionType::exclusive);
  send("k", "1");
  const MessageId second = send("k", "2");
  home->pass(1s);
  const UtcTime between = home->now();
  home->pass(1s);
  send("k", "3");
  ack_all(*sub, take(*sub, 3));
  ASSERT_TRUE(sub->seek(second, soon()));
  auto again = take(*sub, 2);
  EXPECT_EQ(bodies(again), (std::vector<std::string>{"2", "3"}));
  ack_all(*sub, again);
  ASSERT_TRUE(sub->seek(Earliest{}, soon()));
  again = take(*sub, 3);
  EXPECT_EQ(bodies(again), (std::vector<std::string>{"1", "2", "3"}));
  ASSERT_TRUE(sub->seek(between, soon()));
  EXPECT_EQ(bodies(take(*sub, 1)), std::vector<std::string>{"3"});
  ASSERT_TRUE(sub->seek(Latest{}, soon()));
  EXPECT_TRUE(silent(*sub));
  send("k", "4");
  EXPECT_EQ(bodies(take(*sub, 1)), std::vector<std::string>{"4"});
}

TEST_P(EventBus, acknowledges_up_to_a_place_unless_consumers_share) {
  make_topic();
  for (const char* body : {"1", "2", "3"}) send("k", body);
  {
    auto sub = subscribe(SubscriptionType::exclusive);
    const auto got = take(*sub, 3);
    ASSERT_EQ(got.size(), 3u);
    ASSERT_TRUE(sub->ack_up_to(got[1].delivery));
    ASSERT_TRUE(sub->close(soon()));
  }
  auto sub = subscribe(SubscriptionType::exclusive);
  const auto left = take(*sub, 1);
  EXPECT_EQ(bodies(left), std::vector<std::string>{"3"});
  auto shared = subscribe(SubscriptionType::shared, "other");
  const auto got = take(*shared, 1);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(shared->ack_up_to(got[0].delivery).error().code, Code::invalid);
}

TEST_P(EventBus, reads_several_topics_with_one_subscription) {
  const std::string other = home->topic("other");
  make_topic(2);
  make_topic(other, 1);
  auto sub = subscribe({.topics = {topic, other}, .name = "both"});
  send(topic, "k", "here");
  send(other, "k", "there");
  const auto got = take(*sub, 2);
  ASSERT_EQ(got.size(), 2u);
  for (const Received& one : got) EXPECT_EQ(one.message.body, one.delivery.topic == 0 ? "here" : "there");
  ack_all(*sub, got);
  EXPECT_TRUE(silent(*sub));
}

TEST_P(EventBus, tells_how_far_a_subscription_is_behind) {
  make_topic(2);
  auto sub = subscribe(SubscriptionType::shared);
  for (int i = 0; i < 10; ++i) send("k" + std::to_string(i), "x");
  EXPECT_EQ(sub->lag(soon())->messages, 10u);
  const auto got = take(*sub, 10);
  ASSERT_EQ(got.size(), 10u);
  for (std::size_t i = 0; i < 4; ++i) ASSERT_TRUE(sub->ack(got[i]));
  ASSERT_TRUE(bus.flush(soon()));
  EXPECT_EQ(sub->lag(soon())->messages, 6u);
}

TEST_P(EventBus, forgets_a_subscription_on_demand_and_makes_topics_twice) {
  make_topic(2);
  make_topic(2);
  EXPECT_EQ(bus.create_topic(topic, {.partitions = 3}, soon()).error().code, Code::conflict);
  send("k", "1");
  {
    auto sub = subscribe(SubscriptionType::exclusive);
    ack_all(*sub, take(*sub, 1));
    EXPECT_EQ(bus.unsubscribe(topic, "sub", soon()).error().code, Code::conflict);
  }
  ASSERT_TRUE(bus.unsubscribe(topic, "sub", soon()));
  ASSERT_TRUE(bus.unsubscribe(topic, "sub", soon()));
  const auto names = bus.topics(soon());
  ASSERT_TRUE(names);
  EXPECT_THAT(*names, testing::Contains(topic));
}

TEST_P(EventBus, refuses_what_is_too_large_and_goes_on) {
  make_topic();
  const auto big = publish(bus, topic, {.key = "k", .body = std::string(6u << 20, 'x')}, soon());
  ASSERT_FALSE(big);
  EXPECT_EQ(big.error().reason, "MessageTooLarge");
  send("k", std::string(1u << 20, 'y'));
  auto sub = subscribe(SubscriptionType::exclusive);
  const auto got = take(*sub, 1);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].message.body.size(), 1u << 20);
}

}  // namespace chaveiro::contract
