// tests/contract/event_consumer_contract.h
//
// What events/consumer.h promises, on whatever bus: order, exactly one effect, retries in the lane of the key, dead letters.
//
// Threads: one test at a time; nothing here waits for time but where the bus does.
#pragma once

#include "events/consumer.h"
#include "events/dead_letter_desk.h"
#include "tests/contract/event_bus_contract.h"

namespace chaveiro::contract {

class EventConsumer : public EventBus {
 protected:
  EventConsumer() : dead(home->topic("dead")) {
    make_topic(2);
    make_topic(dead, 1);
    options.topics = {topic};
    options.subscription = "consumer";
    options.dead_letter_topic = dead;
    options.backoff_min = options.backoff_max = 1ms;
  }

  DomainEvent event(const std::string& key, std::uint64_t version, std::uint64_t previous,
                    const std::string& type = "key.updated") {
    DomainEvent made;
    made.event_id = uuid_v5(Uuid{}, key + "/" + std::to_string(version));
    made.event_type = type;
    made.aggregate_id = key;
    made.aggregate_type = "entry";
    made.timestamp = home->now();
    made.version = version;
    made.previous_version = previous;
    made.metadata = {{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}};
    return made;
  }
  void tell(const DomainEvent& told) { ASSERT_TRUE(publish(bus, topic, to_message(told), soon())); }

  // Notes "key/version", or fails where `poison` says so.
  Handlers noting() {
    Handlers handlers;
    handlers.on("*", [this](const DomainEvent& told, const Mark& mark, Deadline) -> Result<Effect> {
      const std::string name = told.aggregate_id + "/" + std::to_string(told.version);
      ++calls[name];
      EXPECT_EQ(mark.version, told.version);
      if (poison.contains(name)) return fail(Code::unavailable, "NeighbourAway", "the neighbour did not answer");
      applied[told.aggregate_id].push_back(told.version);
      return Effect::plain;
    });
    return handlers;
  }
  std::unique_ptr<Consumer> consumer() { return consumer(noting()); }
  std::unique_ptr<Consumer> consumer(Handlers handlers) {
    auto made = std::make_unique<Consumer>(options, std::move(handlers), bus, *inbox, *memory, home->clock(), Logger{},
                                           metrics);
    const auto opened = made->open(soon());
    EXPECT_TRUE(opened) << opened.error().message;
    return made;
  }
  // Works until the condition holds.
  template <class Condition>
  void work(Consumer& with, Condition condition) {
    for (const Deadline end = soon(); !condition() && !end.expired();) {
      const auto done = with.run_once(Deadline::in(10ms));
      ASSERT_TRUE(done) << done.error().message;
      home->pass(1ms);
    }
    ASSERT_TRUE(condition());
  }
  std::vector<Received> dead_letters(std::size_t count) {
    auto sub = subscribe({.topics = {dead}, .name = "look", .type = SubscriptionType::exclusive});
    auto found = take(*sub, count);
    EXPECT_TRUE(silent(*sub));
    return found;
  }

  using Versions = std::vector<std::uint64_t>;
  const std::string dead;
  ConsumerOptions options;
  std::unique_ptr<Inbox> inbox = memory_inbox();
  std::unique_ptr<ConsumerMemory> memory = memory_consumer_memory();
  Registry metrics;
  std::map<std::string, int> calls;
  std::map<std::string, Versions> applied;
  std::set<std::string> poison;
};

TEST_P(EventConsumer, applies_each_event_once_in_the_order_of_its_key) {
  for (std::uint64_t version = 1; version <= 5; ++version)
    for (const char* key : {"a", "b", "c"}) tell(event(key, version, version - 1));
  tell(event("a", 2, 1));  // the relay repeats itself
  tell(event("a", 5, 4));
  tell(event("b", 6, 5));
  auto with = consumer();
  work(*with, [&] { return applied["b"].size() == 6 && applied["a"].size() == 5 && applied["c"].size() == 5; });
  work(*with, [&] {
    return metrics.expose().find("events_duplicate_total{subscription=\"consumer\"} 2") != std::string::npos;
  });
  EXPECT_EQ(applied["a"], (Versions{1, 2, 3, 4, 5}));
  EXPECT_EQ(applied["b"], (Versions{1, 2, 3, 4, 5, 6}));
  for (const auto& [name, count] : calls) EXPECT_EQ(count, 1) << name;
}

TEST_P(EventConsumer, tells_late_missing_and_duplicate_events_apart) {
  tell(event("a", 10, 0));
  tell(event("a", 30, 20));  // 20 is missing
  tell(event("a", 40, 30));
  tell(event("b", 1, 0));
  auto with = consumer();
  work(*with, [&] {
    return applied["a"].size() == 1 && applied["b"].size() == 1 &&
           memory->parked("consumer", "a", 9, soon())->size() == 2;
  });
  with.reset();
  with = consumer();         // what is parked survives its consumer
  tell(event("a", 10, 0));   // a duplicate
  tell(event("a", 20, 10));  // the late one
  work(*with, [&] { return applied["a"].size() == 4; });
  EXPECT_EQ(applied["a"], (Versions{10, 20, 30, 40}));
  EXPECT_TRUE(memory->parked("consumer", "a", 9, soon())->empty());
  for (const auto& [name, count] : calls) EXPECT_EQ(count, 1) << name;
}

TEST_P(EventConsumer, alarms_when_a_gap_stays_open) {
  tell(event("a", 30, 20));
  auto with = consumer();
  work(*with, [&] { return memory->parked("consumer", "a", 9, soon())->size() == 1; });
  ASSERT_TRUE(with->look_for_gaps(soon()));
  EXPECT_NE(metrics.expose().find("events_gaps_total{subscription=\"consumer\"} 0"), std::string::npos);
  with.reset();
  options.gap_alarm = 0s;
  with = consumer();
  ASSERT_TRUE(with->look_for_gaps(soon()));
  EXPECT_NE(metrics.expose().find("events_gaps_total{subscription=\"consumer\"} 1"), std::string::npos);
}

TEST_P(EventConsumer, gives_a_poison_event_up_after_its_tries_and_parks_its_key_only) {
  poison.insert("a/2");
  const DomainEvent poisonous = event("a", 2, 1);
  tell(event("a", 1, 0));
  tell(poisonous);
  tell(event("a", 3, 2));
  tell(event("b", 1, 0));
  auto with = consumer();
  work(*with, [&] {
    return calls["a/2"] == 5 && memory->parked("consumer", "a", 9, soon())->size() == 1 && !applied["b"].empty();
  });
  EXPECT_EQ(calls["a/2"], 5);
  EXPECT_EQ(calls["a/3"], 0);
  EXPECT_EQ(applied["b"], Versions{1});
  tell(event("a", 4, 3));
  tell(event("c", 1, 0));
  work(*with, [&] { return applied["c"] == Versions{1} && memory->parked("consumer", "a", 9, soon())->size() == 2; });

  const auto letters = dead_letters(1);
  ASSERT_EQ(letters.size(), 1u);
  const auto letter = dead_letter_of(letters[0].message);
  ASSERT_TRUE(letter) << letter.error().message;
  EXPECT_EQ(letter->reason, "NeighbourAway");
  EXPECT_EQ(letter->topic, topic);
  EXPECT_EQ(letter->subscription, "consumer");
  ASSERT_EQ(letter->attempts.size(), 5u);
  for (const Attempt& attempt : letter->attempts) {
    EXPECT_EQ(attempt.code, "unavailable");
    EXPECT_EQ(attempt.message, "the neighbour did not answer");
  }
  EXPECT_THAT(letter->original.headers, testing::UnorderedElementsAreArray(to_message(poisonous).headers));
  EXPECT_EQ(letter->original.body, to_json(poisonous));
  EXPECT_EQ(letter->original.key, "a");

  // Mended and replayed: it is applied first, what waited follows.
  poison.clear();
  ASSERT_TRUE(publish(bus, letter->topic, replay_of(*letter), soon()));
  work(*with, [&] { return applied["a"].size() == 4; });
  EXPECT_EQ(applied["a"], (Versions{1, 2, 3, 4}));
}

TEST_P(EventConsumer, lets_a_key_go_on_when_its_dead_letter_is_discarded) {
  poison.insert("a/1");
  options.tries_max = 3;
  tell(event("a", 1, 0));
  tell(event("a", 2, 1));
  auto with = consumer();
  work(*with, [&] { return memory->parked("consumer", "a", 9, soon())->size() == 1; });
  EXPECT_EQ(calls["a/1"], 3);
  const auto letters = dead_letters(1);
  ASSERT_EQ(letters.size(), 1u);
  ASSERT_TRUE(with->discarded(*dead_letter_of(letters[0].message), soon()));
  work(*with, [&] { return applied["a"].size() == 1; });
  EXPECT_EQ(applied["a"], Versions{2});
  EXPECT_EQ(calls["a/1"], 3);
}

TEST_P(EventConsumer, counts_tries_over_restarts) {
  poison.insert("a/1");
  tell(event("a", 1, 0));
  for (int calls_before : {1, 2, 3, 4}) {
    auto with = consumer();
    work(*with, [&] { return calls["a/1"] >= calls_before; });
  }
  auto with = consumer();
  work(*with, [&] { return *memory->key_state("consumer", "a", soon()) == KeyState::dead; });
  EXPECT_EQ(calls["a/1"], 5);
  EXPECT_EQ(dead_letters(1).size(), 1u);
}

TEST_P(EventConsumer, is_rebuilt_from_a_time_and_goes_on_after_a_pause) {
  const auto tell_all = [&](std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t version = first; version <= last; ++version)
      for (const char* key : {"a", "b", "c"}) tell(event(key, version, version - 1));
  };
  const auto count = [&] { return applied["a"].size() + applied["b"].size() + applied["c"].size(); };
  tell_all(1, 2);
  home->pass(1s);
  const UtcTime from = home->now();
  home->pass(1s);
  tell_all(3, 6);
  {
    auto with = consumer();
    work(*with, [&] { return count() == 18; });
    ASSERT_TRUE(with->stop(soon()));
  }
  applied.clear();
  calls.clear();
  // As the administration puts a subscription at a time.
  auto at_time = subscribe({.topics = {topic}, .name = "rebuilt"});
  ASSERT_TRUE(at_time->seek(from, soon()));
  ASSERT_TRUE(at_time->close(soon()));
  options.subscription = "rebuilt";
  options.begin_anywhere = true;
  options.ahead_max = 2;
  inbox = memory_inbox();
  memory = memory_consumer_memory();
  {
    auto with = consumer();
    work(*with, [&] { return count() >= 5; });
    ASSERT_TRUE(with->stop(soon()));
  }
  EXPECT_LT(count(), 12u) << "nothing was left to go on with";
  auto with = consumer();
  work(*with, [&] { return count() == 12; });
  for (const char* key : {"a", "b", "c"}) EXPECT_EQ(applied[key], (Versions{3, 4, 5, 6})) << key;
  for (const auto& [name, times] : calls) EXPECT_EQ(times, 1) << name;
}

TEST_P(EventConsumer, goes_on_trying_where_nobody_takes_dead_letters) {
  options.dead_letter_topic.clear();
  const DomainEvent told = event("a", 1, 0);
  for (std::uint32_t begun = 0; begun < 2 * options.tries_max; ++begun)  // as many processes ended during the call
    ASSERT_TRUE(memory->begin_try("consumer", told.event_id, soon()));
  tell(told);
  auto with = consumer();
  work(*with, [&] { return applied["a"].size() == 1; });
}

TEST_P(EventConsumer, gives_up_at_once_what_cannot_be_read) {
  ASSERT_TRUE(publish(bus, topic, {.key = "k", .body = "{not json"}, soon()));
  tell(event("b", 1, 0));
  auto with = consumer();
  work(*with,
       [&] { return applied["b"].size() == 1 && *memory->key_state("consumer", "k", soon()) == KeyState::dead; });
  const auto letters = dead_letters(1);
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(dead_letter_of(letters[0].message)->reason, "EventInvalid");
  EXPECT_EQ(letters[0].message.body, "{not json");
}

TEST_P(EventConsumer, survives_a_handler_that_throws) {
  Handlers handlers;
  handlers.on("key.updated",
              [](const DomainEvent&, const Mark&, Deadline) -> Result<Effect> { throw std::runtime_error("secret"); });
  handlers.on(".created", [this](const DomainEvent& told, const Mark&, Deadline) -> Result<Effect> {
    applied[told.event_type].push_back(told.version);
    return Effect::plain;
  });
  options.tries_max = 2;
  tell(event("a", 1, 0));
  tell(event("b", 1, 0, "claim.created"));
  tell(event("c", 1, 0, "account.closed"));  // nobody wants it
  auto with = consumer(std::move(handlers));
  work(*with, [&] {
    return applied["claim.created"].size() == 1 && *memory->key_state("consumer", "a", soon()) == KeyState::dead;
  });
  const auto letters = dead_letters(1);
  ASSERT_EQ(letters.size(), 1u);
  const auto letter = dead_letter_of(letters[0].message);
  EXPECT_EQ(letter->reason, "HandlerThrew");
  EXPECT_EQ(letter->attempts.size(), 2u);
  EXPECT_EQ(letters[0].message.body.find("secret"), std::string::npos);
}

TEST_P(EventConsumer, has_a_desk_where_dead_letters_are_seen_replayed_and_discarded) {
  poison = {"a/1", "b/1"};
  options.tries_max = 1;
  DomainEvent first = event("a", 1, 0);
  first.data =
      R"({"key":"joana@example.com","owner_name":"Joana Souza","owner_tax_id":"12345678909","status":"ACTIVE","new":"x"})";
  tell(first);
  tell(event("b", 1, 0));
  tell(event("a", 2, 1));
  auto with = consumer();
  work(*with, [&] {
    return calls["a/1"] == 1 && calls["b/1"] == 1 && memory->parked("consumer", "a", 9, soon())->size() == 1;
  });
  auto desk = DeadLetterDesk::open(
      {.topic = dead}, bus, [&](const DeadLetter& letter, Deadline until) { return with->discarded(letter, until); },
      soon());
  ASSERT_TRUE(desk) << desk.error().message;
  for (int tries = 0; tries < 100 && (*desk)->depth(soon())->letters < 2; ++tries) {}
  auto all = (*desk)->list("", 10, soon());
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 2u);
  EXPECT_TRUE((*desk)->list("another", 10, soon())->empty());
  if (all->front().letter.original.key != "a") std::swap((*all)[0], (*all)[1]);
  const LetterView& a = all->front();
  const std::string shown = masked_body(a.letter.original);
  for (const char* personal : {"joana@", "Souza", "12345678909", R"("new":"x")"})
    EXPECT_EQ(shown.find(personal), std::string::npos) << shown;
  EXPECT_NE(shown.find("ACTIVE"), std::string::npos);
  EXPECT_EQ((*desk)->show("9:9:9:9", soon()).error().code, Code::not_found);

  poison.clear();
  EXPECT_EQ((*desk)->replay({.ids = {a.id}, .dry_run = true}, {}, soon())->wanted, 1u);
  EXPECT_EQ((*desk)->depth(soon())->letters, 2u) << "a dry run changes nothing";
  const auto replayed = (*desk)->replay({.ids = {a.id}, .rate_max = 0}, {}, soon());
  ASSERT_TRUE(replayed);
  EXPECT_EQ(replayed->replayed, 1u);
  work(*with, [&] { return applied["a"] == Versions{1, 2}; });
  EXPECT_EQ(*(*desk)->discard({(*all)[1].id}, soon()), 1u);
  EXPECT_EQ((*desk)->depth(soon())->letters, 0u);
  tell(event("b", 2, 1));
  work(*with, [&] { return applied["b"] == Versions{2}; });
}

TEST_P(EventConsumer, works_with_threads_of_its_own_and_drains) {
  Guarded<std::map<std::string, Versions>> seen;
  Handlers handlers;
  handlers.on("*", [&](const DomainEvent& told, const Mark&, Deadline) -> Result<Effect> {
    seen.lock()->operator[](told.aggregate_id).push_back(told.version);
    seen.notify_all();
    return Effect::plain;
  });
  auto with = consumer(std::move(handlers));
  with->start();
  std::vector<Message> messages;
  for (std::uint64_t version = 1; version <= 20; ++version)
    for (int key = 0; key < 50; ++key)
      messages.push_back(to_message(event("k" + std::to_string(key), version, version - 1)));
  for (const auto& answer : publish_all(bus, topic, std::move(messages), soon())) ASSERT_TRUE(answer);
  {
    auto all = seen.lock();
    const auto complete = [](const std::map<std::string, Versions>& now) {
      return now.size() == 50 &&
             std::all_of(now.begin(), now.end(), [](const auto& key) { return key.second.size() == 20; });
    };
    ASSERT_TRUE(all.wait(soon(), complete));
    for (const auto& [key, versions] : *all) EXPECT_TRUE(std::is_sorted(versions.begin(), versions.end())) << key;
  }
  ASSERT_TRUE(with->stop(soon()));
  EXPECT_EQ(*memory->key_state("consumer", "k1", soon()), KeyState::free);
}

TEST_P(EventConsumer, keeps_ten_thousand_keys_apart_while_one_handler_is_slow) {
  constexpr std::size_t keys = 10'000;
  struct Seen {
    std::map<std::string, Versions> by_key;
    std::size_t in_order = 0;
    bool slow_may_end = false;
  };
  Guarded<Seen> seen;
  Handlers handlers;
  handlers.on("*", [&](const DomainEvent& told, const Mark&, Deadline) -> Result<Effect> {
    auto now = seen.lock();
    if (told.aggregate_id == "k0") now.wait(soon(), [](const Seen& it) { return it.slow_may_end; });
    Versions& versions = now->by_key[told.aggregate_id];
    if (told.version == versions.size() + 1) ++now->in_order;
    versions.push_back(told.version);
    seen.notify_all();
    return Effect::plain;
  });
  auto with = consumer(std::move(handlers));
  with->start();
  std::vector<Message> messages;
  for (std::uint64_t version = 1; version <= 2; ++version)
    for (std::size_t key = 0; key < keys; ++key)
      messages.push_back(to_message(event("k" + std::to_string(key), version, version - 1)));
  for (const auto& answer : publish_all(bus, topic, std::move(messages), soon())) ASSERT_TRUE(answer);
  {
    auto now = seen.lock();
    EXPECT_TRUE(now.wait(soon(), [](const Seen& it) { return it.in_order >= 2 * (keys - 1); }))
        << "the slow key holds up others";
    now->slow_may_end = true;
  }
  seen.notify_all();
  EXPECT_TRUE(seen.lock().wait(soon(), [](const Seen& it) { return it.in_order == 2 * keys; }));
  ASSERT_TRUE(with->stop(soon()));
}

}  // namespace chaveiro::contract
