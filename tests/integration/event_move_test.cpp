// Messages of the embedded log go to another bus: all of them, in order, and once where nothing interrupts.
#include "events/move.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "events/log/bus.h"

namespace chaveiro::contract {
namespace {

using namespace events;
using namespace std::chrono_literals;

const std::string plain = "persistent://dict/events/plain", owned = "persistent://dict/events/owned";

// Fails after so many messages, as a broker that goes away.
class Failing final : public Bus {
 public:
  Failing(Bus& bus, int after) : bus_(bus), left_(after) {}
  Result<void> create_topic(const std::string& topic, const TopicOptions& options, Deadline deadline) override {
    return bus_.create_topic(topic, options, deadline);
  }
  Result<std::vector<std::string>> topics(Deadline deadline) override { return bus_.topics(deadline); }
  void publish(std::string_view topic, Message message, Published done) override {
    if (left_-- <= 0) return done(fail(Code::unavailable, "BrokerUnavailable", "gone"));
    bus_.publish(topic, std::move(message), std::move(done));
  }
  Result<void> flush(Deadline deadline) override { return bus_.flush(deadline); }
  Result<std::unique_ptr<Subscription>> subscribe(SubscribeOptions options, Deadline deadline) override {
    return bus_.subscribe(std::move(options), deadline);
  }
  Result<void> unsubscribe(const std::string& topic, const std::string& name, Deadline deadline) override {
    return bus_.unsubscribe(topic, name, deadline);
  }

 private:
  Bus& bus_;
  int left_;
};

class EventMove : public testing::Test {
 protected:
  EventMove() {
    std::string pattern = (std::filesystem::temp_directory_path() / "event_move_XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    reopen();
    for (Bus* const bus : {static_cast<Bus*>(from.get()), static_cast<Bus*>(to.get())})
      for (const std::string& topic : {plain, owned})
        CHECK(bus->create_topic(topic, {.partitions = 3}, soon()).has_value());
    for (int n = 0; n < 30; ++n)
      for (const std::string& topic : {plain, owned})
        CHECK(publish(*from, topic,
                      {.key = "k" + std::to_string(n % 4), .body = std::to_string(n), .headers = {{"a", "b"}}}, soon())
                  .has_value());
    const auto reader =
        from->subscribe({.topics = {owned}, .name = "owner", .type = SubscriptionType::failover}, soon());
    for (int done = 0; done < 10; ++done) {
      const auto some = (*reader)->receive(1, soon());
      CHECK(some.has_value() && some->size() == 1 && (*reader)->ack(some->front()).has_value());
    }
  }
  ~EventMove() override {
    from.reset();
    std::filesystem::remove_all(folder);
  }
  static Deadline soon() { return Deadline::in(120s); }
  void reopen() {
    from.reset();
    log::LogOptions opening;
    opening.folder = folder;
    from = log::LogBus::open(opening, disk, clock, Logger{}).value();
  }
  std::map<std::string, std::vector<int>> arrived(const std::string& topic) {
    std::map<std::string, std::vector<int>> by_key;
    const auto sub = to->subscribe({.topics = {topic}, .name = "look"}, soon());
    for (;;) {
      const auto some = (*sub)->receive(100, Deadline::in(0s));
      if (some->empty()) return by_key;
      for (const Received& one : *some) {
        by_key[one.message.key].push_back(std::stoi(one.message.body));
        EXPECT_EQ(header(one.message.headers, "a"), "b");
        CHECK((*sub)->ack(one).has_value());
      }
    }
  }
  const MoveOptions options{.topics = {plain, owned}, .owners = {{owned, "owner"}}, .batch_max = 7};
  SystemClock clock;
  log::LocalDisk disk;
  std::string folder;
  std::unique_ptr<log::LogBus> from;
  std::unique_ptr<log::LogBus> to = log::LogBus::in_memory(clock);
};

TEST_F(EventMove, brings_everything_that_nobody_has_done_yet_in_order) {
  const auto moved = move_messages(*from, *to, options, soon());
  ASSERT_TRUE(moved) << moved.error().message;
  EXPECT_EQ((*moved)[0].messages, 30u);
  EXPECT_EQ((*moved)[1].messages, 20u) << "what its owner has acknowledged stays";
  for (const auto& [key, order] : arrived(plain)) EXPECT_TRUE(std::is_sorted(order.begin(), order.end())) << key;
  const auto again = move_messages(*from, *to, options, soon());
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)[0].messages + (*again)[1].messages, 0u);
}

TEST_F(EventMove, goes_on_where_a_fault_stopped_it) {
  Failing failing(*to, 16);
  const auto stopped = move_messages(*from, failing, options, soon());
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Code::unavailable);
  reopen();
  const auto moved = move_messages(*from, *to, options, soon());
  ASSERT_TRUE(moved) << moved.error().message;
  EXPECT_LT((*moved)[0].messages, 30u);
  std::set<std::pair<std::string, int>> seen;
  for (const auto& [key, order] : arrived(plain))
    for (const int n : order) seen.emplace(key, n);
  EXPECT_EQ(seen.size(), 30u) << "nothing is lost";
}

TEST_F(EventMove, says_so_where_something_is_to_come_later) {
  ASSERT_TRUE(publish(*from, plain, {.key = "k", .body = "0", .headers = {{"a", "b"}}, .deliver_at = clock.now() + 1h},
                      soon()));
  MoveOptions hasty = options;
  hasty.quiet = 50ms;
  EXPECT_EQ(move_messages(*from, *to, hasty, soon()).error().reason, "NotAllDue");
}

}  // namespace
}  // namespace chaveiro::contract
