// tests/contract/sync_answers_contract.h
//
// What a store promises about the registry's answers on synchronisation (vsync/sync_answers.h).
//
// Threads: one test at a time; the one about many writers starts its own.
#pragma once

#include "tests/contract/store_contract.h"
#include "vsync/sync_answers.h"

namespace chaveiro::contract {

struct SyncAnswersMaker : StoreMaker {
  std::function<vsync::SyncAnswers&(Store&)> of;
};

class SyncAnswers : public testing::TestWithParam<SyncAnswersMaker> {
 protected:
  SyncAnswers() : home(GetParam().make()), store(home->open()), answers(&GetParam().of(*store)) {}
  static Deadline soon() { return Deadline::in(std::chrono::seconds(30)); }

  static vsync::SyncAnswer answer_of(KeyType type, vsync::Agreement agreement, std::uint8_t first, UtcTime at) {
    vsync::SyncAnswer answer{
        .participant = our_ispb, .key_type = type, .agreement = agreement, .vsync = {}, .verified_at = at};
    answer.vsync.front() = first;
    return answer;
  }
  static events::Mark mark_of(std::uint64_t n) { return {"responses", uuid_of(n, 9), "about", 0, day_one}; }
  bool keep(const vsync::SyncAnswer& answer, std::uint64_t event) {
    const auto kept = answers->keep(answer, mark_of(event), soon());
    EXPECT_TRUE(kept) << (kept ? "" : kept.error().message);
    return kept.value_or(false);
  }
  std::vector<vsync::SyncAnswer> last() {
    const auto found = answers->last(soon());
    EXPECT_TRUE(found) << (found ? "" : found.error().message);
    return found.value_or(std::vector<vsync::SyncAnswer>{});
  }

  std::unique_ptr<Home> home;
  std::unique_ptr<Store> store;
  vsync::SyncAnswers* answers;
};

TEST_P(SyncAnswers, the_last_one_of_each_key_type_is_known) {
  EXPECT_TRUE(last().empty());
  const auto phones = answer_of(KeyType::phone, vsync::Agreement::in_sync, 1, day_one);
  const auto emails = answer_of(KeyType::email, vsync::Agreement::diverging, 2, day_one);
  EXPECT_TRUE(keep(phones, 1));
  EXPECT_TRUE(keep(emails, 2));
  EXPECT_EQ(last(), (std::vector{emails, phones}));
  const auto mended = answer_of(KeyType::email, vsync::Agreement::in_sync, 3, day_one + Micros(1));
  EXPECT_TRUE(keep(mended, 3));
  EXPECT_EQ(last(), (std::vector{mended, phones}));
}

TEST_P(SyncAnswers, an_event_that_comes_again_changes_nothing) {
  const auto first = answer_of(KeyType::cpf, vsync::Agreement::in_sync, 1, day_one);
  EXPECT_TRUE(keep(first, 1));
  EXPECT_FALSE(keep(answer_of(KeyType::cpf, vsync::Agreement::diverging, 2, day_one + Micros(1)), 1));
  EXPECT_EQ(last(), std::vector{first});
  events::DomainEvent event;
  event.event_id = uuid_of(1, 9);
  EXPECT_TRUE(store->inbox()->standing("responses", event, soon()).value().seen) << "the mark is the inbox's";
}

TEST_P(SyncAnswers, one_that_is_older_than_what_is_known_counts_as_applied_and_changes_nothing) {
  const auto newest = answer_of(KeyType::evp, vsync::Agreement::diverging, 1, day_one + Micros(5));
  EXPECT_TRUE(keep(newest, 1));
  EXPECT_TRUE(keep(answer_of(KeyType::evp, vsync::Agreement::in_sync, 2, day_one), 2));
  EXPECT_FALSE(keep(newest, 2));
  EXPECT_EQ(last(), std::vector{newest});
}

TEST_P(SyncAnswers, events_with_a_version_are_told_apart_by_it) {
  const auto first = answer_of(KeyType::cnpj, vsync::Agreement::in_sync, 1, day_one);
  const auto second = answer_of(KeyType::cnpj, vsync::Agreement::diverging, 2, day_one + Micros(1));
  events::Mark mark = mark_of(1);
  mark.version = 2;
  EXPECT_TRUE(answers->keep(first, mark, soon()).value());
  EXPECT_FALSE(answers->keep(second, mark, soon()).value());
  mark.version = 3;
  EXPECT_TRUE(answers->keep(second, mark, soon()).value());
  EXPECT_EQ(last(), std::vector{second});
}

TEST_P(SyncAnswers, of_many_at_once_with_one_event_one_is_stored) {
  Guarded<int> stored;
  std::vector<std::thread> threads;
  for (std::uint8_t n = 1; n <= 4; ++n)
    threads.emplace_back([&, n] {
      if (keep(answer_of(KeyType::phone, vsync::Agreement::in_sync, n, day_one), 1)) ++*stored.lock();
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(*stored.lock(), 1);
  EXPECT_EQ(last().size(), 1u);
}

TEST_P(SyncAnswers, survive_a_restart) {
  if (!home->survives()) GTEST_SKIP() << "this store does not survive anything";
  const auto phones = answer_of(KeyType::phone, vsync::Agreement::diverging, 7, day_one);
  EXPECT_TRUE(keep(phones, 1));
  store.reset();
  store = home->open();
  answers = &GetParam().of(*store);
  EXPECT_EQ(last(), std::vector{phones});
  EXPECT_FALSE(keep(phones, 1));
}

}  // namespace chaveiro::contract
