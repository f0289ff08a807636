// tests/contract/consumer_memory_contract.h
//
// What a memory of consumers promises (events/inbox.h).
//
// Threads: one test at a time.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "events/inbox.h"
#include "tests/contract/samples.h"

namespace chaveiro::contract {

// `home` holds what `memory` stands on.
struct ConsumerMemoryHome {
  std::shared_ptr<void> home;
  std::shared_ptr<events::ConsumerMemory> memory;
};
struct ConsumerMemoryMaker {
  const char* name;
  std::function<ConsumerMemoryHome()> make;
};

class ConsumerMemory : public testing::TestWithParam<ConsumerMemoryMaker> {
 protected:
  ConsumerMemoryHome home = GetParam().make();
  events::ConsumerMemory& memory = *home.memory;
  const Uuid first = uuid_of(1, 7), second = uuid_of(2, 7);

  static Deadline soon() { return Deadline::in(std::chrono::seconds(20)); }
  static events::Parked parked_event(const std::string& key, const Uuid& id) {
    events::Parked parked;
    parked.subscription = "s";
    parked.key = parked.message.key = key;
    parked.topic = "topic";
    parked.event_id = id;
    parked.since = day_one;
    parked.message.body = std::string("{\"a\":\"\xc3\xa9\"}") + '\0' + "\xff";
    parked.message.headers = {{"event_id", to_string(id)}};
    parked.message.event_time = day_one;
    return parked;
  }
};

TEST_P(ConsumerMemory, counts_tries_of_each_event_and_subscription_for_itself) {
  EXPECT_EQ(memory.begin_try("s", first, soon()).value(), 1u);
  EXPECT_EQ(memory.begin_try("s", first, soon()).value(), 2u);
  EXPECT_EQ(memory.begin_try("s", second, soon()).value(), 1u);
  EXPECT_EQ(memory.begin_try("t", first, soon()).value(), 1u);
  ASSERT_TRUE(memory.forget_tries("s", first, soon()));
  EXPECT_EQ(memory.begin_try("s", first, soon()).value(), 1u);
  EXPECT_EQ(memory.begin_try("t", first, soon()).value(), 2u);
}

TEST_P(ConsumerMemory, tells_attempts_in_their_order_until_they_are_forgotten) {
  const events::Attempt one{day_one, "unavailable", "NeighbourAway", "the neighbour did not answer"},
      two{day_one + std::chrono::seconds(1), "conflict", "Stale", "it changed meanwhile"};
  ASSERT_TRUE(memory.begin_try("s", first, soon()));
  ASSERT_TRUE(memory.failed("s", first, one, soon()));
  ASSERT_TRUE(memory.failed("s", first, two, soon()));
  ASSERT_TRUE(memory.failed("t", first, one, soon()));
  EXPECT_EQ(memory.attempts("s", first, soon()).value(), (std::vector{one, two}));
  ASSERT_TRUE(memory.forget_tries("s", first, soon()));
  EXPECT_TRUE(memory.attempts("s", first, soon()).value().empty());
  EXPECT_EQ(memory.attempts("t", first, soon()).value().size(), 1u);
}

TEST_P(ConsumerMemory, frees_a_dead_key_only_for_the_event_that_killed_it) {
  EXPECT_EQ(memory.key_state("s", "k", soon()).value(), events::KeyState::free);
  ASSERT_TRUE(memory.set_dead("s", "k", first, soon()));
  EXPECT_EQ(memory.key_state("s", "k", soon()).value(), events::KeyState::dead);
  EXPECT_EQ(memory.key_state("t", "k", soon()).value(), events::KeyState::free);
  EXPECT_FALSE(memory.revive("s", "k", second, soon()).value());
  EXPECT_TRUE(memory.revive("s", "k", first, soon()).value());
  EXPECT_FALSE(memory.revive("s", "k", first, soon()).value());
  EXPECT_EQ(memory.key_state("s", "k", soon()).value(), events::KeyState::free);
}

TEST_P(ConsumerMemory, keeps_parked_events_whole_once_and_in_order) {
  ASSERT_TRUE(memory.park(parked_event("k", second), soon()));
  ASSERT_TRUE(memory.park(parked_event("k", first), soon()));
  ASSERT_TRUE(memory.park(parked_event("k", second), soon()));
  EXPECT_EQ(memory.key_state("s", "k", soon()).value(), events::KeyState::waiting_for_gap);
  const auto parked = memory.parked("s", "k", 10, soon()).value();
  ASSERT_EQ(parked.size(), 2u);
  EXPECT_EQ(parked[0].event_id, second);
  EXPECT_EQ(parked[1].event_id, first);
  EXPECT_LT(parked[0].number, parked[1].number);
  const events::Parked wanted = parked_event("k", second);
  EXPECT_EQ(parked[0].message.body, wanted.message.body);
  EXPECT_EQ(parked[0].message.headers, wanted.message.headers);
  EXPECT_EQ(parked[0].message.key, "k");
  EXPECT_EQ(parked[0].since, wanted.since);
  EXPECT_EQ(parked[0].message.event_time, wanted.message.event_time);
  EXPECT_EQ(memory.parked("s", "k", 1, soon()).value().size(), 1u);
  ASSERT_TRUE(memory.unpark("s", "k", second, soon()));
  EXPECT_EQ(memory.parked("s", "k", 10, soon()).value().size(), 1u);
}

TEST_P(ConsumerMemory, lists_keys_that_are_dead_or_wait_with_what_waits_behind_them) {
  ASSERT_TRUE(memory.park(parked_event("a", first), soon()));
  ASSERT_TRUE(memory.park(parked_event("b", first), soon()));
  ASSERT_TRUE(memory.park(parked_event("b", second), soon()));
  ASSERT_TRUE(memory.set_dead("s", "b", first, soon()));
  ASSERT_TRUE(memory.set_dead("s", "c", first, soon()));
  ASSERT_TRUE(memory.set_dead("t", "d", first, soon()));
  const auto keys = memory.parked_keys("s", 10, soon()).value();
  ASSERT_EQ(keys.size(), 3u);
  const auto told = [&](std::size_t i) {
    return keys[i].key + (keys[i].dead ? " dead " : " ") + std::to_string(keys[i].events);
  };
  EXPECT_EQ(told(0), "a 1");
  EXPECT_EQ(told(1), "b dead 2");
  EXPECT_EQ(told(2), "c dead 0");
  EXPECT_EQ(keys[1].since, day_one);
  EXPECT_EQ(memory.parked_keys("s", 2, soon()).value().size(), 2u);
}

}  // namespace chaveiro::contract
