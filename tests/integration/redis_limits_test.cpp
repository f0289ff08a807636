// Limits in Redis decide what limits in memory decide, number for number.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "base/random.h"
#include "base/uuid.h"
#include "clients/redis/idempotency_store.h"
#include "clients/redis/limits_store.h"
#include "clients/redis/official_reapply.h"
#include "clients/redis/official_store.h"
#include "limits/limiter.h"
#include "limits/memory_store.h"
#include "limits/official.h"
#include "tests/contract/limit_property.h"
#include "tests/support/redis_server.h"

namespace chaveiro::limits {
namespace {

using namespace std::chrono_literals;

class RedisLimits : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new tests::RedisServer; }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }
  RedisLimits() {
    auto options = redis::parse_url(server_->url());
    client_ = *redis::Client::create(std::move(*options));
    EXPECT_TRUE(client_->wait_ready(Deadline::in(30s)));
    EXPECT_TRUE(client_->call(redis::Command("FLUSHALL"), Deadline::in(5s)));
  }
  static Deadline soon() { return Deadline::in(30s); }

  static inline tests::RedisServer* server_ = nullptr;
  std::unique_ptr<redis::Client> client_;
  SystemClock clock_;
};

TEST_F(RedisLimits, answer_what_the_literal_model_answers) {
  int number = 0;
  test::hold(
      [&](test::Case it) {
        for (test::Step& step : it.steps) step.later = std::max<std::int64_t>(0, step.later);
        return test::differs(it, [&](const Limit& limit, std::int64_t begin) -> test::Bucket {
          auto store = std::make_shared<redis::LimitsStore>(redis::LimitsStoreOptions{.time_for_tests = begin},
                                                            *client_, clock_);
          auto terms = *make_terms("rule", limit);
          return [store, terms, key = "subject" + std::to_string(++number)](const test::Step& step, std::int64_t now) {
            store->set_time_for_tests(now);
            const Ask ask{key, terms.get(), step.cost};
            auto verdict = store->take({&ask, 1}, step.mode, soon());
            CHECK(verdict);
            return verdict->decisions[0];
          };
        });
      },
      400);
}

TEST_F(RedisLimits, several_buckets_are_charged_together_or_not_at_all) {
  redis::LimitsStore store({}, *client_, clock_);
  const auto wide = *make_terms("wide", {.amount = 10, .period = 1h});
  const auto narrow = *make_terms("narrow", {.amount = 2, .period = 1h});
  const std::vector<Ask> both{{"w", wide.get(), 1}, {"n", narrow.get(), 1}};
  EXPECT_TRUE(store.take(both, Mode::take, soon())->allowed);
  EXPECT_TRUE(store.take(both, Mode::take, soon())->allowed);
  const auto refused = store.take(both, Mode::take, soon());
  EXPECT_FALSE(refused->allowed);
  EXPECT_EQ(refused->decisions[0].remaining, 8);
  ASSERT_TRUE(store.reset("n", soon()));
  EXPECT_TRUE(store.take(both, Mode::take, soon())->allowed);
}

TEST_F(RedisLimits, a_clock_that_steps_back_never_refills_and_keys_expire_by_themselves) {
  redis::LimitsStore store({.time_for_tests = 1'800'000'000'000'000}, *client_, clock_);
  const auto terms = *make_terms("r", {.amount = 1, .period = 1h});
  const Ask ask{"s", terms.get(), 1};
  EXPECT_TRUE(store.take({&ask, 1}, Mode::take, soon())->allowed);
  store.set_time_for_tests(1'700'000'000'000'000);
  EXPECT_FALSE(store.take({&ask, 1}, Mode::take, soon())->allowed);
  const auto left = redis::as_integer(client_->call(redis::Command("PTTL", "{limits}:s"), soon()));
  EXPECT_GT(*left, 3'600'000);
  EXPECT_LE(*left, 3'605'000);
}

TEST_F(RedisLimits, a_changed_rule_carries_its_counts_over_as_in_memory) {
  redis::LimitsStore store({.time_for_tests = 1'800'000'000'000'000}, *client_, clock_);
  ManualClock clock(UtcTime{Micros{1'800'000'000'000'000}});
  MemoryStore memory({}, clock);
  Random random(5);
  for (int i = 0; i < 300; ++i) {
    const std::string key = "k" + std::to_string(i);
    for (int change = 0; change < 3; ++change) {
      Limit limit{.algorithm = static_cast<Algorithm>(1 + random.below(5)),
                  .amount = static_cast<std::int64_t>(1 + random.below(300)),
                  .period = 60s};
      const auto terms = *make_terms("r", limit, static_cast<OnChange>(1 + random.below(4)));
      for (int ask = 0; ask < 3; ++ask) {
        const Ask one{key, terms.get(), static_cast<std::int64_t>(random.below(60))};
        const auto far = store.take({&one, 1}, Mode::take, soon());
        const auto near = memory.take({&one, 1}, Mode::take, soon());
        ASSERT_TRUE(far) << far.error().message;
        ASSERT_EQ(far->decisions[0], near->decisions[0]) << "case " << i;
      }
    }
  }
}

TEST_F(RedisLimits, a_place_is_given_back) {
  redis::LimitsStore store({}, *client_, clock_);
  const auto terms = *make_terms("r", {.algorithm = Algorithm::concurrency, .amount = 1, .period = 30s});
  const Ask first{"s", terms.get(), 1, Weight::binding, 7};
  const Ask second{"s", terms.get(), 1, Weight::binding, 8};
  EXPECT_TRUE(store.take({&first, 1}, Mode::take, soon())->allowed);
  EXPECT_FALSE(store.take({&second, 1}, Mode::take, soon())->allowed);
  ASSERT_TRUE(store.release(first, soon()));
  ASSERT_TRUE(store.release(first, soon()));
  EXPECT_TRUE(store.take({&second, 1}, Mode::take, soon())->allowed);
}

TEST_F(RedisLimits, eight_callers_together_never_pass_the_bound) {
  const auto terms = *make_terms("r", {.amount = 500, .period = 24h});
  Guarded<int> admitted(0);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t)
      threads.emplace_back([&] {
        redis::LimitsStore store({}, *client_, clock_);
        int mine = 0;
        for (int i = 0; i < 200; ++i) {
          const Ask ask{"s", terms.get(), 1};
          const auto verdict = store.take({&ask, 1}, Mode::take, soon());
          ASSERT_TRUE(verdict);
          mine += verdict->allowed ? 1 : 0;
        }
        admitted.with([&](int& all) { all += mine; });
      });
  }
  EXPECT_EQ(*admitted.lock(), 500);
}

// Both stores are asked the same at the same moments; whatever they answer must be equal.
TEST_F(RedisLimits, official_buckets_answer_what_they_answer_in_memory) {
  ASSERT_TRUE(client_->call(redis::Command("CONFIG", "RESETSTAT"), soon()));
  for (const Refill how : {Refill::whole_periods, Refill::continuous})
    for (std::uint64_t seed = 1; seed <= 24; ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      ASSERT_TRUE(client_->call(redis::Command("FLUSHALL"), soon()));
      Random random(seed);
      const bool busy = seed % 2 == 0;  // many calls in one slot of a period
      ManualClock clock(UtcTime{Micros{1'800'000'000'000'000}});
      OfficialMemoryStore memory({}, clock);
      redis::OfficialStore far({.time_for_tests = 1'800'000'000'000'000}, *client_, clock);
      UuidV7 ids;
      std::vector<std::string> open;
      const std::vector<OfficialAsk> asks{{"user", {2, 60s, 100, how}, 20, 0}, {"psp", {25, 60s, 250, how}, 3, 10}};
      int orders = 0;
      for (int step = 0; step < 150; ++step) {
        const std::uint64_t most = random.below(busy ? 40 : 10) == 0 ? 400'000'000 : busy ? 150'000 : 4'000'000;
        clock.advance(Micros{static_cast<std::int64_t>(random.below(most))});
        far.set_time_for_tests(clock.now().time_since_epoch().count());
        const auto kind = random.below(10);
        if (kind < 5) {
          const std::string id = to_string(ids.make(clock.now()));
          const auto a = memory.reserve(id, asks, 10s, soon());
          const auto b = far.reserve(id, asks, 10s, soon());
          ASSERT_TRUE(b) << b.error().message;
          ASSERT_EQ(a->allowed, b->allowed) << step;
          if (a->allowed) open.push_back(id);
          for (std::size_t i = 0; i < 2; ++i) {
            ASSERT_EQ(a->views[i].balance, b->views[i].balance) << step;
            ASSERT_EQ(a->views[i].held, b->views[i].held) << step;
            if (!a->allowed) {
              ASSERT_EQ(a->views[i].allowed_at, b->views[i].allowed_at) << step;
            }
          }
        } else if (kind < 8 && !open.empty()) {
          const std::size_t which = random.below(open.size());
          const bool found = random.below(2) == 0;
          const std::vector<OfficialCharge> charges{{found ? 1 : 20, random.below(20) == 0, {}, found ? 1 : 0},
                                                    {found ? 1 : 3, false, {}, found ? 1 : 0}};
          const std::string order = "E" + std::to_string(orders++);
          const auto a = memory.settle(open[which], asks, charges, order, soon());
          const auto b = far.settle(open[which], asks, charges, order, soon());
          ASSERT_TRUE(b) << b.error().message;
          ASSERT_EQ(a->repeated, b->repeated) << step;
          for (std::size_t i = 0; i < 2; ++i) ASSERT_EQ(a->views[i].balance, b->views[i].balance) << step;
          if (random.below(3) != 0) open.erase(open.begin() + static_cast<std::ptrdiff_t>(which));
        } else if (kind == 8 && orders > 0) {
          const std::string order = "E" + std::to_string(random.below(static_cast<std::uint64_t>(orders)));
          const auto a = memory.credit(order, soon());
          const auto b = far.credit(order, soon());
          ASSERT_EQ(a.has_value(), b.has_value()) << step;
          if (a) {
            ASSERT_EQ(*a, *b) << step;
          }
        } else {
          const auto tokens = static_cast<std::int64_t>(random.below(120)) - 20;
          const Correction correction = random.below(2) ? Correction::lower : Correction::raise;
          const auto before = memory.look(asks[0], soon());
          const auto a = memory.correct(asks[0], correction, tokens, before->charged, soon());
          const auto b = far.correct(asks[0], correction, tokens, before->charged, soon());
          ASSERT_TRUE(b) << b.error().message;
          ASSERT_EQ(a->balance, b->balance) << step;
        }
        if (step % 8 == 0)
          for (const OfficialAsk& ask : asks) {
            ASSERT_EQ(*memory.state(ask, soon()), *far.state(ask, soon())) << step;
          }
      }
    }
  // The quick way of the script writes parts of values, the whole one values: both were taken.
  const auto info = client_->call(redis::Command("INFO", "commandstats"), soon());
  ASSERT_TRUE(info);
  const auto calls = [&](const std::string& command) {
    const auto at = info->text.find("cmdstat_" + command + ":calls=");
    return at == std::string::npos ? 0 : std::atoi(info->text.c_str() + at + command.size() + 15);
  };
  EXPECT_GT(calls("setrange"), 500);
  EXPECT_GT(calls("set"), 1'000);
}

TEST_F(RedisLimits, an_unknown_reservation_is_told_apart_from_a_settled_one) {
  redis::OfficialStore store({}, *client_, clock_);
  Registry metrics;
  OfficialLimits limits({.category = Category::d}, store, HmacKey("names"), clock_, Logger(), metrics);
  auto permit = limits.reserve(
      {.call = {"getEntry", "CPF"}, .participant = "12345678", .payer_id = "11144477735", .end_to_end_id = "E1"},
      soon());
  ASSERT_TRUE(permit) << permit.error().message;
  EXPECT_TRUE(limits.settle(*permit, Outcome::status(200), soon()));
  EXPECT_TRUE(limits.settle(*permit, Outcome::status(404), soon()));
  EXPECT_EQ(
      limits.forecast({.call = {"getEntry", "CPF"}, .participant = "12345678", .payer_id = "11144477735"}, 0, soon())
          ->at(0)
          .balance,
      99);
  EXPECT_TRUE(*limits.payment_order("E1", soon()));
  EXPECT_FALSE(*limits.payment_order("E1", soon()));
  EXPECT_EQ(limits.payment_order("E2", soon()).error().reason, "LookupUnknown");
  permit->id = to_string(uuid_v4());
  EXPECT_EQ(limits.settle(*permit, Outcome::status(200), soon()).error().reason, "ReservationUnknown");
}

TEST_F(RedisLimits, official_buckets_are_never_passed_by_while_the_server_is_away) {
  tests::RedisServer own;
  auto options = redis::parse_url(own.url());
  auto client = *redis::Client::create(std::move(*options));
  ASSERT_TRUE(client->wait_ready(Deadline::in(30s)));
  redis::OfficialStore store({}, *client, clock_);
  Registry metrics;
  OfficialLimits limits({.category = Category::d}, store, HmacKey("names"), clock_, Logger(), metrics);
  const OfficialCall call{.call = {"createEntry"}, .participant = "12345678"};
  ASSERT_TRUE(limits.reserve(call, soon()));
  own.kill();
  const auto refused = limits.reserve(call, Deadline::in(300ms));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().code, Code::exhausted);
}

TEST_F(RedisLimits, nobody_hangs_on_a_server_that_stands_still) {
  tests::RedisServer own;
  auto client = *redis::Client::create(*redis::parse_url(own.url()));
  ASSERT_TRUE(client->wait_ready(Deadline::in(30s)));
  redis::LimitsStore store({}, *client, clock_);
  redis::OfficialStore policies({}, *client, clock_);
  Registry metrics;
  OfficialLimits official({.category = Category::d}, policies, HmacKey("names"), clock_, Logger(), metrics);
  const auto rules = *RuleSet::read(
      "rules: [{name: r, per: [ip], limit: {amount: 8, period: 1h}, without_store: share},"
      " {name: s, per: [ispb], limit: {amount: 8, period: 1h}, without_store: deny}]");
  Limiter limiter({.nodes_max = 4, .store_is_far = true}, store, rules, clock_, metrics);
  own.freeze();
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(limiter.ask({{"ip", "x"}}, 1, Deadline::in(60s)).allowed) << "its share";
  EXPECT_FALSE(limiter.ask({{"ispb", "1"}}, 1, Deadline::in(60s)).allowed);
  EXPECT_FALSE(official.reserve({.call = {"createEntry"}, .participant = "1"}, Deadline::in(300ms)));
  EXPECT_LT(std::chrono::steady_clock::now() - began, 2s + tests::slack);
  own.thaw();
}

// The line of docs/redis.md, word by word.
TEST_F(RedisLimits, need_no_more_than_the_smallest_access_list) {
  tests::RedisServer own;
  std::ifstream docs(std::string(CHAVEIRO_SOURCE) + "/docs/redis.md");
  std::vector<std::string> words;
  for (std::string line; std::getline(docs, line);) {
    if (!line.starts_with("ACL SETUSER chaveiro_state")) continue;
    std::istringstream split(line);
    words.assign(std::istream_iterator<std::string>(split), {});
  }
  ASSERT_GT(words.size(), 4U);
  ASSERT_FALSE(own.command(words).is_error()) << own.command(words).text;
  auto client = *redis::Client::create(*redis::parse_url("redis://chaveiro_state:PASSWORD@" + own.address()));
  ASSERT_TRUE(client->wait_ready(Deadline::in(30s)));
  EXPECT_EQ(client->call(redis::Command("GET", "other"), soon()).error().code, Code::forbidden);

  Registry metrics;
  redis::OfficialStore policies({}, *client, clock_);
  redis::OfficialReapply lasting({}, policies, *client, clock_, metrics);
  UuidV7 ids;
  const std::string id = to_string(ids.make(clock_.now()));
  const std::vector<OfficialAsk> asks{{"user", {2, 60s, 100, Refill::whole_periods}, 20, 0},
                                      {"psp", {25, 60s, 250, Refill::whole_periods}, 3, 0}};
  const std::vector<OfficialCharge> found{{1, false, {}, 1}, {1, false, {}, 1}};
  const auto reserved = lasting.reserve(id, asks, 10s, soon());
  ASSERT_TRUE(reserved) << reserved.error().message;
  EXPECT_TRUE(lasting.settle(id, asks, found, "E1", soon()));
  EXPECT_TRUE(*lasting.credit("E1", soon()));
  tests::wait_until("the watch knows its server", [&] { return lasting.watching(); });

  redis::LimitsStore store({}, *client, clock_);
  const auto terms = *make_terms("r", {.amount = 1, .period = 1h});
  const Ask ask{"s", terms.get(), 1};
  EXPECT_TRUE(store.take({&ask, 1}, Mode::take, soon()));
  EXPECT_TRUE(store.release(ask, soon()));
  EXPECT_TRUE(store.reset("s", soon()));
  const auto resets = store.resets(1, soon());
  ASSERT_TRUE(resets) << resets.error().message;
  EXPECT_EQ(resets->keys, std::vector<std::string>{"s"});

  redis::IdempotencyStore answers({}, *client);
  const IdempotencyKey key{"a", sha256("body")};
  const auto first = answers.begin(key, 30s, soon());
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_TRUE(answers.finish(key, first->fence, {200, "done"}, soon()));
}

TEST_F(RedisLimits, the_first_answer_of_a_request_id_is_kept_and_a_dead_first_is_taken_over) {
  redis::IdempotencyStore store({}, *client_);
  const IdempotencyKey key{"12345678|CreateKey|a", sha256("body")};
  const auto first = store.begin(key, 30s, soon());
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_EQ(first->kind, Begun::Kind::first);
  const auto second = store.begin(key, 30s, soon());
  EXPECT_EQ(second->kind, Begun::Kind::in_progress);
  EXPECT_GT(second->lease_left, 20s);
  EXPECT_EQ(store.begin({key.key, sha256("other")}, 30s, soon())->kind, Begun::Kind::other_body);
  ASSERT_TRUE(
      client_->call(redis::Command("HSET", "{idempotency}:" + key.key, "lease", "1"), soon()));  // its time is over
  const auto heir = store.begin(key, 30s, soon());
  ASSERT_EQ(heir->kind, Begun::Kind::first);
  EXPECT_GT(heir->fence, first->fence);
  EXPECT_EQ(store.finish(key, first->fence, {200, "late"}, soon()).error().reason, "LeaseLost");
  ASSERT_TRUE(store.finish(key, heir->fence, {201, "done"}, soon()));
  const auto again = store.begin(key, 30s, soon());
  EXPECT_EQ(again->kind, Begun::Kind::done);
  EXPECT_EQ(again->answer, (StoredAnswer{201, "done"}));
  const auto left = redis::as_integer(client_->call(redis::Command("PTTL", "{idempotency}:" + key.key), soon()));
  EXPECT_GT(*left, 86'000'000);
  const IdempotencyKey failed{"b", sha256("body")};
  ASSERT_TRUE(store.abandon(failed, store.begin(failed, 30s, soon())->fence, soon()));
  EXPECT_EQ(store.begin(failed, 30s, soon())->kind, Begun::Kind::first);
}

}  // namespace
}  // namespace chaveiro::limits
