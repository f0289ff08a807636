// The event log and the loss of power, full disks, failing syncs and flipped bits, over a disk that plays them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "events/log/bus.h"
#include "tests/contract/temporary_directory.h"
#include "tests/integration/fault_disk.h"

namespace chaveiro::contract {
namespace {

using namespace events;
using namespace std::chrono_literals;

const std::string topic = "persistent://dict/events/key-events";
const std::string folder = "/log";
Deadline soon() { return Deadline::in(120s); }

std::unique_ptr<log::LogBus> open_log(log::Disk& disk, const Clock& clock) {
  log::LogOptions options;
  options.folder = folder;
  options.segment_bytes = 8u << 10;
  options.cursor_interval = std::chrono::milliseconds{1};
  auto opened = log::LogBus::open(options, disk, clock, Logger{});
  EXPECT_TRUE(opened) << opened.error().message;
  return opened ? std::move(*opened) : nullptr;
}

std::vector<std::string> everything(Bus& bus, const std::string& name) {
  auto subscription = bus.subscribe({.topics = {topic}, .name = name, .durable = false}, soon());
  EXPECT_TRUE(subscription);
  std::vector<std::string> bodies;
  for (;;) {
    const auto some = (*subscription)->receive(1'000, Deadline::in(0s));
    EXPECT_TRUE(some) << some.error().message;
    if (!some || some->empty()) return bodies;
    for (const Received& one : *some) bodies.push_back(one.message.body);
  }
}

// Cuts the power sixty times in the middle of publishing and acknowledging: nothing that was answered is lost, nothing is invented,
// order holds within the partition, and a cursor never runs ahead of what was acknowledged.
TEST(EventLogPower, a_cut_loses_nothing_that_was_answered) {
  std::uint64_t torn = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    FaultDisk disk(seed);
    ManualClock clock;
    Random random(seed);
    std::set<std::string> answered, sent, acknowledged;
    int number = 0;
    for (int cut = 0; cut < 4; ++cut) {
      Guarded<std::vector<std::string>> answers;
      {
        auto bus = open_log(disk, clock);
        ASSERT_TRUE(bus);
        torn += bus->recovered().cut_bytes > 0 ? 1 : 0;
        ASSERT_TRUE(bus->create_topic(topic, {.partitions = 1}, soon()));
        auto subscription = bus->subscribe({.topics = {topic}, .name = "sub"}, soon());
        ASSERT_TRUE(subscription);
        disk.cut_power_at_sync(1 + random.below(8));
        const int count = 20 + static_cast<int>(random.below(200));
        for (int i = 0; i < count; ++i) {
          const std::string body = std::to_string(++number);
          sent.insert(body);
          bus->publish(topic, {.key = "k", .body = body, .headers = {{"pad", std::string(random.below(300), 'x')}}},
                       [&answers, body](const Result<MessageId>& id) {
                         if (id) answers.lock()->push_back(body);
                       });
          // So that there are syncs to cut, however the log's thread is scheduled.
          if (random.below(16) == 0 && !bus->flush(soon())) break;
          if (random.below(8) == 0) {
            const auto some = (*subscription)->receive(5, Deadline::in(0s));
            if (!some) break;  // the power has gone
            for (const Received& one : *some) {
              acknowledged.insert(one.message.body);
              ASSERT_TRUE((*subscription)->ack(one));
            }
          }
        }
        disk.cut_power_at_sync(0);
        disk.cut_power();  // what is answered from here on was not
        answers.with([&](const auto& all) { answered.insert(all.begin(), all.end()); });
      }
    }
    auto bus = open_log(disk, clock);
    ASSERT_TRUE(bus);
    const auto found = everything(*bus, "all");
    const std::set<std::string> there(found.begin(), found.end());
    EXPECT_EQ(there.size(), found.size()) << "something stands twice";
    for (const std::string& body : answered) EXPECT_TRUE(there.contains(body)) << body << " was answered and is gone";
    for (const std::string& body : there) EXPECT_TRUE(sent.contains(body));
    EXPECT_TRUE(std::is_sorted(found.begin(), found.end(),
                               [](const auto& a, const auto& b) { return std::stoi(a) < std::stoi(b); }));
    auto subscription = bus->subscribe({.topics = {topic}, .name = "sub"}, soon());
    std::set<std::string> again;
    for (auto some = (*subscription)->receive(1'000, Deadline::in(0s)); some && !some->empty();
         some = (*subscription)->receive(1'000, Deadline::in(0s)))
      for (const Received& one : *some) again.insert(one.message.body);
    for (const std::string& body : there)
      EXPECT_TRUE(again.contains(body) || acknowledged.contains(body))
          << body << " was never acknowledged and does not come again";
  }
  EXPECT_GT(torn, 0u) << "no cut tore a write: the test shows nothing";
}

TEST(EventLogPower, a_full_disk_is_told_and_loses_nothing) {
  FaultDisk disk(1);
  ManualClock clock;
  {
    auto bus = open_log(disk, clock);
    ASSERT_TRUE(bus->create_topic(topic, {}, soon()));
    ASSERT_TRUE(publish(*bus, topic, {.key = "k", .body = "1"}, soon()));
    disk.set_bytes_max(2'000);
    const auto refused = publish(*bus, topic, {.key = "k", .body = std::string(4'000, 'x')}, soon());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::exhausted);
    EXPECT_EQ(refused.error().reason, "DiskFull");
    disk.set_bytes_max(UINT64_MAX);
    ASSERT_TRUE(publish(*bus, topic, {.key = "k", .body = "2"}, soon()));
    EXPECT_EQ(everything(*bus, "all"), (std::vector<std::string>{"1", "2"}));
  }
  auto bus = open_log(disk, clock);
  EXPECT_EQ(everything(*bus, "all"), (std::vector<std::string>{"1", "2"}));
}

TEST(EventLogPower, after_a_failed_sync_nothing_is_answered_until_it_is_opened_anew) {
  FaultDisk disk(1);
  ManualClock clock;
  {
    auto bus = open_log(disk, clock);
    ASSERT_TRUE(bus->create_topic(topic, {}, soon()));
    ASSERT_TRUE(publish(*bus, topic, {.key = "k", .body = "1"}, soon()));
    disk.fail_syncs(true);
    EXPECT_EQ(publish(*bus, topic, {.key = "k", .body = "2"}, soon()).error().code, Code::maybe_applied);
    disk.fail_syncs(false);
    EXPECT_EQ(publish(*bus, topic, {.key = "k", .body = "3"}, soon()).error().reason, "LogBroken");
    EXPECT_EQ(everything(*bus, "all"), std::vector<std::string>{"1"});
  }
  auto bus = open_log(disk, clock);
  ASSERT_TRUE(publish(*bus, topic, {.key = "k", .body = "4"}, soon()));
  const auto all = everything(*bus, "all");
  EXPECT_EQ(all.front(), "1");
  EXPECT_EQ(all.back(), "4");
}

TEST(EventLogPower, damage_to_what_was_on_the_disk_is_an_error_and_never_cut) {
  FaultDisk disk(1);
  ManualClock clock;
  const std::string file = folder + "/persistent%3a%2f%2fdict%2fevents%2fkey-events/0/00000000000000000000.log";
  {
    auto bus = open_log(disk, clock);
    ASSERT_TRUE(bus->create_topic(topic, {}, soon()));
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(publish(*bus, topic, {.key = "k", .body = std::string(100, 'x')}, soon()));
  }
  disk.damage(file, 60);
  log::LogOptions options;
  options.folder = folder;
  const auto opened = log::LogBus::open(options, disk, clock, Logger{});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::corrupt);
  EXPECT_THAT(opened.error().message, testing::HasSubstr("00000000000000000000.log"));
  disk.damage(file, 60);
  EXPECT_EQ(everything(*open_log(disk, clock), "all").size(), 5u);
}

TEST(EventLog, lets_go_what_everybody_has_by_time_and_by_size_and_nothing_else) {
  FaultDisk disk(1);
  ManualClock clock;
  auto bus = open_log(disk, clock);
  ASSERT_TRUE(bus->create_topic(topic, {.retention_time = 1h, .retention_bytes = 40'000}, soon()));
  auto slow = bus->subscribe({.topics = {topic}, .name = "slow"}, soon());
  const auto send = [&](int count) {
    for (int i = 0; i < count; ++i)
      ASSERT_TRUE(publish(*bus, topic, {.key = "k", .body = std::string(1'000, 'x')}, soon()));
  };
  send(100);
  clock.advance(2h);
  ASSERT_TRUE(bus->maintain(soon()));
  EXPECT_EQ(everything(*bus, "a").size(), 100u) << "a subscription still needs it";
  const auto ack_all = [&] {
    for (auto some = (*slow)->receive(1'000, Deadline::in(0s)); some && !some->empty();
         some = (*slow)->receive(1'000, Deadline::in(0s)))
      for (const Received& one : *some) ASSERT_TRUE((*slow)->ack(one));
  };
  ack_all();
  ASSERT_TRUE(bus->maintain(soon()));
  EXPECT_EQ(everything(*bus, "b").size(), 0u) << "older than an hour, and everybody has it";
  send(100);
  ack_all();
  ASSERT_TRUE(bus->maintain(soon()));
  const std::size_t kept = everything(*bus, "c").size();
  EXPECT_LT(kept, 60u) << "about 40,000 bytes are kept";
  EXPECT_GT(kept, 20u);
}

TEST(EventLog, survives_being_closed_and_opened_with_its_cursors) {
  const TemporaryDirectory place;
  log::LocalDisk disk;
  ManualClock clock;
  log::LogOptions options;
  options.folder = place.path() + "/events";
  {
    auto bus = std::move(*log::LogBus::open(options, disk, clock, Logger{}));
    ASSERT_TRUE(bus->create_topic(topic, {.partitions = 3}, soon()));
    for (int i = 0; i < 90; ++i)
      ASSERT_TRUE(publish(*bus, topic, {.key = std::to_string(i), .body = std::to_string(i)}, soon()));
    auto subscription = std::move(*bus->subscribe({.topics = {topic}, .name = "sub"}, soon()));
    const auto some = subscription->receive(90, soon());
    for (std::size_t i = 0; i < some->size(); i += 2) ASSERT_TRUE(subscription->ack((*some)[i]));
    const auto other = log::LogBus::open(options, disk, clock, Logger{});
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().reason, "FolderInUse");
  }
  auto bus = std::move(*log::LogBus::open(options, disk, clock, Logger{}));
  EXPECT_EQ(bus->recovered().messages, 90u);
  EXPECT_EQ(bus->recovered().cut_bytes, 0u);
  const auto lags = bus->lags();
  ASSERT_EQ(lags.size(), 1u);
  EXPECT_LT(lags[0].lag.messages, 90u);
  EXPECT_GE(lags[0].lag.messages, 45u);
}

}  // namespace
}  // namespace chaveiro::contract
