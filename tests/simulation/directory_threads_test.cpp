// Many at once: what holds for one caller after another must hold for callers that meet.
#include <thread>

#include "tests/simulation/directory_world.h"

namespace chaveiro::directory {
namespace {

constexpr unsigned callers = 8;

// As World, with a registry that may be asked by all of them.
struct ThreadsTest : ::testing::Test {
  World world;
  EmbeddedRegistry registry{world.clock};
  Entries entries{world.store, registry, world.clock, KeyRules{}};
  Claims claims{world.store, registry, world.clock, KeyRules{}, {bank_a, bank_b, bank_c}};

  template <class Answer>
  std::vector<Answer> all_at_once(const std::function<Answer(unsigned)>& call) {
    std::vector<std::optional<Answer>> answers(callers);
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < callers; ++i) threads.emplace_back([&, i] { answers[i] = call(i); });
    for (auto& thread : threads) thread.join();
    std::vector<Answer> all;
    for (auto& answer : answers) all.push_back(std::move(*answer));
    return all;
  }
};

TEST_F(ThreadsTest, one_of_many_gets_the_key) {
  std::vector<Account> accounts;
  for (unsigned i = 0; i < callers; ++i) accounts.push_back(world.account(bank_a, legal(i + 1)));
  for (unsigned key = 0; key < 20; ++key) {
    const auto answers = all_at_once<Result<Entry>>([&](unsigned i) {
      return entries.create(staff(bank_a),
                            {KeyType::phone, phone_of(key), accounts[i % 3 + key % 5].id, Reason::user_requested, {}});
    });
    int winners = 0;
    for (const auto& answer : answers) {
      if (answer) {
        ++winners;
      } else {
        EXPECT_EQ(answer.error().code, Code::exists) << answer.error().reason;
      }
    }
    EXPECT_EQ(winners, 1);
  }
}

TEST_F(ThreadsTest, one_request_id_from_many_makes_one_entry) {
  const Account bakery = world.account(bank_a, legal(1));
  for (int round = 0; round < 15; ++round) {
    const RequestId request{uuid_v4()};
    const auto answers = all_at_once<Result<Entry>>([&](unsigned) {
      return entries.create(staff(bank_a), {KeyType::evp, {}, bakery.id, Reason::user_requested, request});
    });
    for (const auto& answer : answers) {
      ASSERT_TRUE(answer) << answer.error().reason;
      EXPECT_EQ(*answer, *answers[0]);
    }
  }
}

TEST_F(ThreadsTest, the_key_limit_holds_and_is_reached) {
  for (unsigned person = 1; person <= 10; ++person) {
    const Account account = world.account(bank_a, natural(person));
    unsigned made = 0;
    while (made < 5) {
      const auto answers = all_at_once<Result<Entry>>([&](unsigned) {
        return entries.create(staff(bank_a), {KeyType::evp, {}, account.id, Reason::user_requested, {}});
      });
      for (const auto& answer : answers) {
        if (answer) {
          ++made;
        } else {
          EXPECT_TRUE(answer.error().reason == "EntryLimitExceeded" || answer.error().reason == "ResourceConflict")
              << answer.error().reason;
        }
      }
    }
    EXPECT_EQ(made, 5u);
  }
}

TEST_F(ThreadsTest, no_entry_comes_into_an_account_that_closes) {
  for (unsigned person = 1; person <= 40; ++person) {
    const Account account = world.account(bank_a, natural(person));
    all_at_once<bool>([&](unsigned i) {
      if (i == 0) return world.accounts.close(staff(bank_a), account.id).has_value();
      return entries.create(staff(bank_a), {KeyType::evp, {}, account.id, Reason::user_requested, {}}).has_value();
    });
    const bool closed = world.accounts.get(staff(bank_a), account.id).value().status == AccountStatus::closed;
    const auto live = world.store.slots_taken(account.id, Deadline::never()).value();
    EXPECT_TRUE(!closed || live == 0);
  }
}

TEST_F(ThreadsTest, a_claim_ends_one_way_only) {
  const Account ana = world.account(bank_a, natural(1));
  const Account bruno = world.account(bank_b, natural(2));
  for (unsigned key = 0; key < 5; ++key) {
    world.phone(ana, key);
    const Claim claim = world.claim(bruno, key);
    ASSERT_TRUE(claims.acknowledge(staff(bank_a), claim.id));
    ASSERT_TRUE(claims.confirm(staff(bank_a), claim.id, Reason::user_requested));
    const auto answers = all_at_once<Result<Claim>>([&](unsigned i) {
      return i % 2 == 0 ? claims.complete(staff(bank_b), {claim.id, {}})
                        : claims.cancel(staff(bank_b), claim.id, std::nullopt, Reason::user_requested);
    });
    const auto end = claims.get(staff(bank_b), claim.id).value();
    for (const auto& answer : answers) {
      if (answer) {
        EXPECT_EQ(*answer, end);
      }
    }
    EXPECT_FALSE(end.live());
    EXPECT_EQ(world.holder_of(key).has_value(), end.status == ClaimStatus::completed);
    if (const auto made = world.holder_of(key)) {
      ASSERT_TRUE(entries.remove(staff(bank_b), made->id, Reason::user_requested));
    }
  }
}

}  // namespace
}  // namespace chaveiro::directory
