// tests/contract/store_contract_events.h
//
// What a store promises about events (events/outbox.h, events/inbox.h): what happened is kept with the change that it tells of, and the
// effect of an event with the mark that it was applied, all or nothing.
//
// Threads: one test at a time.
#pragma once

#include "directory/happened.h"
#include "tests/contract/store_contract.h"

namespace chaveiro::contract {

class StoreEvents : public StoreContract {
 protected:
  void SetUp() override {
    ASSERT_NE(store, nullptr);
    ASSERT_NE(store->outbox(), nullptr);
    ASSERT_NE(store->inbox(), nullptr);
  }
  std::vector<events::OutboxEvent> waiting(std::uint64_t after = 0, std::size_t limit = 10'000) {
    auto found = store->outbox()->unpublished(after, limit, soon());
    EXPECT_TRUE(found) << (found ? "" : found.error().message);
    return found ? *std::move(found) : std::vector<events::OutboxEvent>{};
  }
  static events::Mark mark_of(const std::string& aggregate, std::uint64_t version) {
    return {"consumer", uuid_of(version, 7), aggregate, version, day_one};
  }
  static events::DomainEvent some_event(const std::string& aggregate, std::uint64_t version) {
    events::DomainEvent event;
    event.event_id = uuid_of(version, 7);
    event.aggregate_id = aggregate;
    event.version = version;
    return event;
  }
  std::uint64_t applied(const std::string& aggregate) {
    return store->inbox()->standing("consumer", some_event(aggregate, 1), soon()).value().applied;
  }
  static Change effect_of(std::uint64_t n, const events::Mark& mark) {
    Change change = registration_of(n);
    change.mark = mark;
    return change;
  }
};

TEST_P(StoreEvents, each_commit_leaves_its_events_in_the_order_of_commits) {
  std::vector<Change> changes;
  for (std::uint64_t n = 0; n < 20; ++n) changes.push_back(registration_of(n));
  const auto answers = store->commit_all(changes, soon());
  std::vector<std::string> expected;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    ASSERT_TRUE(answers[i]) << answers[i].error().message;
    stamp(changes[i], answers[i]->sequence);
    for (const auto& event : events_of(changes[i], answers[i]->sequence))
      expected.push_back(std::to_string(event.position) + " " + event.topic + " " + event.message.key);
  }
  ASSERT_GE(expected.size(), 40u) << "an account and a key each";
  std::vector<std::string> found;
  for (const auto& event : waiting()) {
    found.push_back(std::to_string(event.position) + " " + event.topic + " " + event.message.key);
    const auto told = events::event_of(event.message);
    ASSERT_TRUE(told) << told.error().message;
    EXPECT_EQ(told->version, event.position / events::outbox_places);
    EXPECT_EQ(events::to_message(*told).headers, event.message.headers);
  }
  EXPECT_EQ(found, expected);
}

TEST_P(StoreEvents, what_was_published_is_gone_and_the_rest_waits) {
  for (std::uint64_t n = 0; n < 3; ++n) must(registration_of(n));
  const auto all = waiting();
  const auto depth = store->outbox()->depth(soon()).value();
  EXPECT_EQ(depth.events, all.size());
  EXPECT_EQ(depth.oldest, all.front().message.event_time);
  const std::uint64_t published[] = {all[1].position, all[2].position};
  ASSERT_TRUE(store->outbox()->published(published, soon()));
  ASSERT_TRUE(store->outbox()->published(published, soon())) << "once more does no harm";
  ASSERT_TRUE(store->outbox()->published({}, soon()));
  EXPECT_EQ(waiting().size(), all.size() - 2);
  EXPECT_EQ(waiting(all[0].position).front().position, all[3].position);
  EXPECT_EQ(waiting(0, 1).size(), 1u);
  std::vector<std::uint64_t> rest;
  for (const auto& event : waiting()) rest.push_back(event.position);
  ASSERT_TRUE(store->outbox()->published(rest, soon()));
  EXPECT_TRUE(waiting().empty());
  EXPECT_FALSE(store->outbox()->depth(soon()).value().oldest);
}

TEST_P(StoreEvents, a_change_that_was_refused_leaves_no_event) {
  must(registration_of(1));
  const std::size_t before = waiting().size();
  must_be_stale(registration_of(1));
  EXPECT_EQ(waiting().size(), before);
}

TEST_P(StoreEvents, an_event_is_applied_once_with_its_effect) {
  must(effect_of(1, mark_of("entry", 5)));
  EXPECT_EQ(applied("entry"), 5u);
  const std::size_t before = waiting().size();
  for (const std::uint64_t version : {5u, 4u}) {
    const auto again = store->commit(effect_of(2, mark_of("entry", version)), soon());
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().reason, "AlreadyApplied");
    EXPECT_FALSE(store->account(account_of(2).id, soon()).value()) << "its effect was stored a second time";
  }
  EXPECT_EQ(waiting().size(), before);
  EXPECT_EQ(applied("entry"), 5u);
  must(effect_of(2, mark_of("entry", 6)));
  EXPECT_EQ(applied("entry"), 6u);
  EXPECT_EQ(applied("another"), 0u);
}

TEST_P(StoreEvents, an_effect_that_could_not_be_stored_leaves_no_mark) {
  must(registration_of(1));
  must_be_stale(effect_of(1, mark_of("entry", 5)));
  EXPECT_EQ(applied("entry"), 0u);
  must(effect_of(2, mark_of("entry", 5)));
}

TEST_P(StoreEvents, a_repeated_event_fails_alone_among_many) {
  must(effect_of(100, mark_of("3", 9)));
  std::vector<Change> changes;
  for (std::uint64_t n = 0; n < 40; ++n)
    changes.push_back(effect_of(n, mark_of(std::to_string(n % 20), n < 20 ? 9 : 8)));
  changes[7].writes = registration_of(100).writes;  // stale
  const auto answers = store->commit_all(changes, soon());
  for (std::uint64_t n = 0; n < 40; ++n) {
    // Of 7 the effect did not go, so that the older event is the first one that does.
    const bool goes = (n < 20 && n != 3 && n != 7) || n == 27;
    EXPECT_EQ(answers[n].has_value(), goes) << n;
    if (!goes) {
      EXPECT_EQ(answers[n].error().reason, n == 7 ? "Stale" : "AlreadyApplied") << n;
    }
    EXPECT_EQ(store->account(account_of(n).id, soon()).value().has_value(), goes) << n;
  }
  EXPECT_EQ(applied("7"), 8u);
}

TEST_P(StoreEvents, an_event_without_effect_here_is_marked_by_itself) {
  events::Inbox& inbox = *store->inbox();
  EXPECT_TRUE(inbox.mark(mark_of("entry", 5), soon()).value());
  EXPECT_FALSE(inbox.mark(mark_of("entry", 5), soon()).value());
  EXPECT_FALSE(inbox.mark(mark_of("entry", 4), soon()).value());
  EXPECT_TRUE(inbox.mark(mark_of("entry", 6), soon()).value());
  EXPECT_EQ(applied("entry"), 6u);
  EXPECT_EQ(inbox.standing("another", some_event("entry", 1), soon()).value().applied, 0u) << "of another subscription";
}

TEST_P(StoreEvents, an_event_without_version_is_known_by_its_id_until_that_is_forgotten) {
  events::Inbox& inbox = *store->inbox();
  const events::DomainEvent event = some_event("entry", 0);
  const events::Mark mark = mark_of("entry", 0);
  EXPECT_FALSE(inbox.standing("consumer", event, soon()).value().seen);
  must(effect_of(1, mark));
  EXPECT_TRUE(inbox.standing("consumer", event, soon()).value().seen);
  EXPECT_FALSE(inbox.mark(mark, soon()).value());
  EXPECT_EQ(store->commit(effect_of(2, mark), soon()).error().reason, "AlreadyApplied");
  EXPECT_EQ(inbox.forget_ids(day_one, soon()).value(), 0u);
  EXPECT_EQ(inbox.forget_ids(day_one + Micros(1), soon()).value(), 1u);
  EXPECT_FALSE(inbox.standing("consumer", event, soon()).value().seen);
  EXPECT_TRUE(inbox.mark(mark, soon()).value());
}

TEST_P(StoreEvents, what_waits_and_what_was_applied_outlive_the_store) {
  if (!home->survives()) GTEST_SKIP() << "this store forgets";
  must(effect_of(1, mark_of("entry", 5)));
  const std::size_t before = waiting().size();
  store.reset();
  store = home->open();
  EXPECT_EQ(waiting().size(), before);
  EXPECT_EQ(applied("entry"), 5u);
}

}  // namespace chaveiro::contract
