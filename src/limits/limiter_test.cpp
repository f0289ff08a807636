#include "limits/limiter.h"

#include <gmock/gmock.h>

namespace chaveiro::limits {
namespace {

using namespace std::chrono_literals;

// A store in memory that can be taken away.
class FarStore final : public Store {
 public:
  explicit FarStore(const Clock& clock) : store_({}, clock) {}
  Result<Verdict> take(std::span<const Ask> asks, Mode mode, Deadline deadline) override {
    ++questions;
    if (away) return fail(Code::unavailable, "StoreAway", "away");
    return store_.take(asks, mode, deadline);
  }
  Result<void> release(const Ask& ask, Deadline deadline) override { return store_.release(ask, deadline); }
  Result<void> reset(std::string_view key, Deadline deadline) override { return store_.reset(key, deadline); }
  Result<std::vector<BucketView>> busiest(std::string_view rule, std::size_t most, Deadline deadline) override {
    return store_.busiest(rule, most, deadline);
  }

  bool away = false;
  int questions = 0;

 private:
  MemoryStore store_;
};

std::shared_ptr<const RuleSet> rules(std::string_view yaml) {
  auto read = RuleSet::read(yaml);
  EXPECT_TRUE(read) << read.error().message;
  return *read;
}

struct World {
  explicit World(std::string_view yaml, LimiterOptions options = {})
      : store(clock), limiter(options, store, rules(yaml), clock, metrics) {}
  Answer ask(const Descriptor& descriptor, std::int64_t hits = 1) {
    return limiter.ask(descriptor, hits, Deadline::never());
  }
  int admitted(const Descriptor& descriptor, int calls) {
    int count = 0;
    for (int i = 0; i < calls; ++i) count += ask(descriptor).allowed ? 1 : 0;
    return count;
  }

  ManualClock clock;
  Registry metrics;
  FarStore store;
  Limiter limiter;
};

constexpr std::string_view two_rules = R"(
rules:
  - {name: account, per: [account], limit: {amount: 3, period: 1m}}
  - {name: ispb, per: [ispb], limit: {amount: 5, period: 1m}}
)";

TEST(Limiter, asks_all_rules_that_apply_and_tells_which_is_tightest) {
  World world(two_rules);
  const Descriptor a{{"ispb", "12345678"}, {"account", "a"}};
  const Descriptor b{{"ispb", "12345678"}, {"account", "b"}};
  EXPECT_EQ(world.admitted(a, 10), 3);
  const Answer refused = world.ask(a);
  EXPECT_EQ(refused.tightest->rule, "account");
  const Error error = refusal(refused);
  EXPECT_EQ(error.code, Code::exhausted);
  EXPECT_EQ(*error.retry_after, 20s);
  EXPECT_EQ(world.admitted(b, 10), 2) << "seven refusals of a cost the participant nothing";
  EXPECT_EQ(world.ask(b).tightest->rule, "ispb");
}

TEST(Limiter, admits_what_no_rule_speaks_of) {
  World world(two_rules);
  const Answer answer = world.ask({{"ip", "10.0.0.1"}});
  EXPECT_TRUE(answer.allowed);
  EXPECT_EQ(answer.tightest, nullptr);
  EXPECT_EQ(world.store.questions, 0);
}

TEST(Limiter, new_rules_keep_what_was_counted) {
  World world("rules: [{name: r, per: [ip], limit: {amount: 10, period: 1m}}]");
  EXPECT_EQ(world.admitted({{"ip", "x"}}, 4), 4);
  world.limiter.replace(rules("rules: [{name: r, per: [ip], on_change: additive, limit: {amount: 12, period: 1m}}]"));
  EXPECT_EQ(world.admitted({{"ip", "x"}}, 20), 8);
  world.limiter.replace(rules("rules: [{name: r, per: [ip], on_change: reset, limit: {amount: 13, period: 1m}}]"));
  EXPECT_EQ(world.admitted({{"ip", "x"}}, 20), 13);
}

TEST(Limiter, each_rule_says_what_happens_while_the_store_is_away) {
  World world(R"(
rules:
  - {name: strict, per: [strict], limit: {amount: 100, period: 1m}, without_store: deny}
  - {name: open, per: [open], limit: {amount: 100, period: 1m}, without_store: allow}
  - {name: part, per: [part], limit: {amount: 100, period: 1m}, without_store: share}
)",
              {.nodes_max = 8});
  world.store.away = true;
  EXPECT_EQ(world.admitted({{"strict", "x"}}, 50), 0);
  EXPECT_EQ(world.admitted({{"open", "x"}}, 50), 50);
  EXPECT_EQ(world.admitted({{"part", "x"}}, 50), 12) << "a hundred shared by eight nodes";
  EXPECT_EQ(world.admitted({{"part", "y"}, {"strict", "x"}}, 50), 0);
  EXPECT_EQ(world.admitted({{"part", "y"}}, 50), 12) << "what strict refused cost the other nothing";
  EXPECT_TRUE(world.ask({{"open", "x"}}).without_store);
  world.store.away = false;
  EXPECT_EQ(world.admitted({{"strict", "x"}}, 50), 50);
}

TEST(Limiter, a_refusal_is_known_without_asking_a_far_store_again_until_it_may_have_changed) {
  World world("rules: [{name: r, per: [ip], limit: {amount: 2, period: 1s}}]", {.store_is_far = true});
  EXPECT_EQ(world.admitted({{"ip", "x"}}, 3), 2);
  const int asked = world.store.questions;
  EXPECT_EQ(world.admitted({{"ip", "x"}}, 1'000), 0);
  EXPECT_EQ(world.store.questions, asked);
  EXPECT_EQ(world.admitted({{"ip", "y"}}, 1), 1);
  world.clock.advance(500ms);
  EXPECT_EQ(world.admitted({{"ip", "x"}}, 3), 1);
  ASSERT_TRUE(world.limiter.reset("r|x", Deadline::never()));
  EXPECT_EQ(world.admitted({{"ip", "x"}}, 3), 2) << "a reset is not hidden by what was remembered";
}

TEST(Limiter, counts_by_rule_and_tells_what_shadow_rules_would_have_refused) {
  World world(R"(
rules:
  - {name: try_it, per: [ip], shadow: true, limit: {amount: 1, period: 1h}}
  - {name: real, per: [ip], limit: {amount: 2, period: 1h}}
)");
  EXPECT_EQ(world.admitted({{"ip", "x"}}, 4), 2);
  const std::string text = world.metrics.expose();
  EXPECT_THAT(text, ::testing::HasSubstr("rate_limit_requests_total{allowed=\"false\",rule=\"real\"} 2"));
  EXPECT_THAT(text, ::testing::HasSubstr("rate_limit_requests_total{allowed=\"true\",rule=\"real\"} 2"));
  EXPECT_THAT(text, ::testing::HasSubstr("rate_limit_shadow_refusals_total{rule=\"try_it\"} 3"));
  EXPECT_THAT(text, ::testing::Not(::testing::HasSubstr("\"x\""))) << "no subject in a label";
}

TEST(Limiter, a_place_of_a_concurrency_limit_is_given_back) {
  World world("rules: [{name: r, per: [ispb], limit: {algorithm: concurrency, amount: 1, period: 30s}}]");
  const Descriptor who{{"ispb", "1"}};
  EXPECT_TRUE(world.limiter.ask(who, 1, Deadline::never(), Mode::take, 77).allowed);
  EXPECT_FALSE(world.limiter.ask(who, 1, Deadline::never(), Mode::take, 78).allowed);
  world.limiter.release(who, 77, Deadline::never());
  EXPECT_TRUE(world.limiter.ask(who, 1, Deadline::never(), Mode::take, 78).allowed);
}

TEST(Limiter, hits_multiply_the_cost_and_too_many_are_simply_refused) {
  World world("rules: [{name: r, per: [ip], cost: 2, limit: {amount: 10, period: 1h}}]");
  EXPECT_TRUE(world.ask({{"ip", "x"}}, 4).allowed);
  EXPECT_FALSE(world.ask({{"ip", "x"}}, INT64_MAX).allowed);
  EXPECT_TRUE(world.ask({{"ip", "x"}}, 1).allowed);
}

}  // namespace
}  // namespace chaveiro::limits
