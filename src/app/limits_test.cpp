#include "app/limits.h"

#include <gmock/gmock.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "app/limited_registry.h"
#include "app/replay.h"

namespace chaveiro::app {
namespace {

using namespace std::chrono_literals;
namespace dir = directory;

dir::Caller caller_of(dir::Roles roles, std::string subject = "joana") {
  return {std::move(subject), *dir::Ispb::parse("12345678"), roles, {}};
}
dir::Context context_of(dir::Roles roles) { return {caller_of(roles), "test", Deadline::never()}; }

struct World {
  explicit World(LimitsOptions options = {}, const PlatformLimits::Shared& shared = {}) {
    auto made = PlatformLimits::make(
        std::move(options), shared, Secret(std::string(32, 'k')),
        [this](const dir::Context&, std::string operation, std::string) {
          noted.push_back(operation);
          return Result<void>{};
        },
        clock, Logger(), metrics);
    if (made)
      limits = std::move(*made);
    else
      fault = made.error().message;
  }
  int admitted(dir::Roles roles, std::string_view operation, int calls, std::string subject = "joana") {
    int count = 0;
    for (int i = 0; i < calls; ++i) count += limits->ask_caller(caller_of(roles, subject), operation).allowed ? 1 : 0;
    return count;
  }

  ManualClock clock;
  Registry metrics;
  std::vector<std::string> noted;
  std::string fault;
  std::unique_ptr<PlatformLimits> limits;
};

TEST(PlatformLimits, users_have_their_own_limits_and_participants_those_of_the_regulator) {
  World world;
  EXPECT_EQ(world.admitted({dir::Role::user}, "CreateKey", 300), 100);
  EXPECT_EQ(world.admitted({dir::Role::user}, "StartClaim", 300), 50);
  EXPECT_EQ(world.admitted({dir::Role::user}, "LookupKey", 900), 500);
  EXPECT_EQ(world.admitted({dir::Role::user}, "LookupKey", 10, "pedro"), 10);
  EXPECT_EQ(world.admitted({dir::Role::user}, "ListKeys", 900), 900);
  EXPECT_EQ(world.admitted({dir::Role::operator_}, "LookupKey", 4'000), 4'000);
}

TEST(PlatformLimits, processes_that_share_count_together) {
  ManualClock clock;
  limits::MemoryStore shared({}, clock);
  World one({}, {nullptr, &shared, 4}), two({}, {nullptr, &shared, 4});
  EXPECT_EQ(one.admitted({dir::Role::user}, "CreateKey", 70), 70);
  EXPECT_EQ(two.admitted({dir::Role::user}, "CreateKey", 10), 10);
  ASSERT_TRUE(one.limits->follow(Deadline::never()));
  ASSERT_TRUE(two.limits->follow(Deadline::never()));
  EXPECT_EQ(two.admitted({dir::Role::user}, "CreateKey", 70), 20);
}

TEST(PlatformLimits, calls_at_once_are_limited_and_a_call_that_ends_makes_room) {
  const std::string path = ::testing::TempDir() + "places.yaml";
  std::ofstream(path) << "rules: [{name: slow, match: {operation: Export}, per: [caller],"
                         " limit: {algorithm: concurrency, amount: 2, period: 10m}}]";
  World world({.rules_file = path});
  const dir::Caller caller = caller_of({dir::Role::admin});
  const api::RateAnswer first = world.limits->ask_caller(caller, "Export");
  const api::RateAnswer second = world.limits->ask_caller(caller, "Export");
  EXPECT_TRUE(first.allowed && second.allowed);
  EXPECT_NE(first.holder, second.holder);
  const api::RateAnswer third = world.limits->ask_caller(caller, "Export");
  EXPECT_FALSE(third.allowed);
  EXPECT_EQ(third.holder, 0);
  world.limits->give_back(caller, "Export", first.holder);
  world.limits->give_back(caller, "Export", first.holder);
  EXPECT_TRUE(world.limits->ask_caller(caller, "Export").allowed);
  EXPECT_FALSE(world.limits->ask_caller(caller, "Export").allowed);
  EXPECT_EQ(world.limits->ask_caller(caller, "GetKey").holder, 0);
}

TEST(PlatformLimits, an_address_pays_for_unknown_callers_only) {
  World world({.per_ip_and_minute = 3});
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(world.limits->ask_ip("10.0.0.1").allowed) << "asking counts nothing";
  for (int i = 0; i < 3; ++i) world.limits->count_ip("10.0.0.1");
  const api::RateAnswer refused = world.limits->ask_ip("10.0.0.1");
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.limit, 3u);
  EXPECT_EQ(refused.rule, "ip");
  EXPECT_EQ(refused.reset_after, 20s);
  EXPECT_TRUE(world.limits->ask_ip("10.0.0.2").allowed);
  world.clock.advance(20s);
  EXPECT_TRUE(world.limits->ask_ip("10.0.0.1").allowed);
}

TEST(PlatformLimits, can_be_switched_off_but_for_the_regulators) {
  World world({.enabled = false, .per_ip_and_minute = 1});
  for (int i = 0; i < 5; ++i) world.limits->count_ip("x");
  EXPECT_TRUE(world.limits->ask_ip("x").allowed);
  EXPECT_EQ(world.admitted({dir::Role::user}, "StartClaim", 300), 300);
  for (int i = 0; i < 50; ++i)
    ASSERT_TRUE(world.limits->official().reserve({.call = {"listClaims"}, .participant = "1"}, Deadline::never()));
  EXPECT_FALSE(world.limits->official().reserve({.call = {"listClaims"}, .participant = "1"}, Deadline::never()));
}

TEST(PlatformLimits, a_rules_file_is_read_again_and_a_faulty_one_changes_nothing) {
  const std::string path = ::testing::TempDir() + "rules.yaml";
  const auto write = [&](std::string_view text) { std::ofstream(path) << text; };
  write("rules: [{name: mine, match: {operation: GetKey}, per: [ispb], limit: {amount: 2, period: 1m}}]");
  World world({.rules_file = path});
  EXPECT_EQ(world.admitted({dir::Role::operator_}, "GetKey", 9), 2);
  write(
      "rules: [{name: mine, match: {operation: GetKey}, per: [ispb], on_change: additive, limit: {amount: 5, period: "
      "1m}}]");
  EXPECT_EQ(*world.limits->reload_rules(context_of({dir::Role::admin})), 2u) << "and the rule for addresses";
  EXPECT_EQ(world.admitted({dir::Role::operator_}, "GetKey", 9), 3);
  write("rules: [{name: mine");
  EXPECT_FALSE(world.limits->reload());
  EXPECT_EQ(world.admitted({dir::Role::operator_}, "GetKey", 9), 0);
  EXPECT_THAT(World({.rules_file = path}).fault, ::testing::HasSubstr("rules.yaml"));
  EXPECT_THAT(World({.rules_file = path + ".none"}).fault, ::testing::HasSubstr("cannot read"));
}

TEST(PlatformLimits, an_admin_resets_our_buckets_and_nobody_those_of_the_regulator) {
  World world;
  ASSERT_EQ(world.admitted({dir::Role::user}, "StartClaim", 60), 50);
  const auto shown = *world.limits->show(context_of({dir::Role::operator_}), "create_claim", 5);
  ASSERT_EQ(shown.busiest.size(), 1u);
  const std::string key = shown.busiest[0].key;
  EXPECT_THAT(world.metrics.expose(), ::testing::HasSubstr("rate_limit_active_limiters 1\n"));
  EXPECT_THAT(world.metrics.expose(), ::testing::Not(::testing::HasSubstr("joana"))) << "a subject is no label";
  EXPECT_EQ(world.limits->reset(context_of({dir::Role::operator_}), key).error().code, Code::forbidden);
  ASSERT_TRUE(world.limits->reset(context_of({dir::Role::admin}), key));
  EXPECT_EQ(world.noted, std::vector<std::string>{"ResetLimit"});
  EXPECT_EQ(world.admitted({dir::Role::user}, "StartClaim", 60), 50);
  EXPECT_EQ(world.limits->reset(context_of({dir::Role::admin}), "psp|12345678|ENTRIES_WRITE").error().code,
            Code::not_found);
  EXPECT_EQ(world.limits->show(context_of({dir::Role::user}), "", 5).error().code, Code::forbidden);
}

// A registry that answers what it is told to.
class PreparedRegistry final : public dir::Registry {
 public:
  Result<Registered> register_entry(const Registration&, Deadline) override {
    return fail(Code::unavailable, "Away", "away");
  }
  Result<ForeignEntry> lookup(const dir::ForeignLookup& lookup, Deadline) override {
    ++asked;
    if (code) return fail(*code, "NotFound", "no such key");
    return ForeignEntry{dir::Entry{.id = {}, .key = lookup.key, .account = {.ispb = lookup.requesting}}};
  }
  Result<KeysChecked> check_keys(const KeysCheck& check, Deadline) override {
    ++asked;
    return KeysChecked{.there = std::vector<bool>(check.keys.size(), true)};
  }
  Result<std::vector<PolicyState>> policies(const dir::Ispb&, Deadline) override {
    if (states.empty()) return fail(Code::unavailable, "NotSupported", "not told");
    return states;
  }
  std::optional<Code> code = Code::not_found;
  std::vector<PolicyState> states;
  std::atomic<int> asked = 0;
};

dir::ForeignLookup look_up_for(std::string payer, dir::Urgency urgency = dir::Urgency::interactive) {
  return {*dir::Key::parse(dir::KeyType::email, "ana@example.com", {}), *dir::Ispb::parse("12345678"), std::move(payer),
          "E1", urgency};
}

TEST(LimitedRegistry, a_look_up_is_charged_by_its_answer_and_a_refused_one_never_leaves) {
  World world;
  PreparedRegistry behind;
  LimitedRegistry registry({}, behind, *world.limits, world.clock, Logger());
  const dir::ForeignLookup lookup = look_up_for("11144477735");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(registry.lookup(lookup, Deadline::never()).error().code, Code::not_found);
  const auto refused = registry.lookup(lookup, Deadline::never());
  EXPECT_EQ(refused.error().code, Code::exhausted);
  EXPECT_EQ(refused.error().violations.at(0).field, "ENTRIES_READ_USER_ANTISCAN");
  EXPECT_EQ(behind.asked, 5);
  EXPECT_THAT(
      world.metrics.expose(),
      ::testing::HasSubstr("dict_policy_tokens{ispb=\"12345678\",policy=\"ENTRIES_READ_PARTICIPANT_ANTISCAN\"} 35"));
}

TEST(LimitedRegistry, four_thousand_distinct_look_ups_a_minute_pass_for_ten_minutes_in_category_d) {
  World world({.official = {.category = limits::Category::d}});
  PreparedRegistry behind;
  behind.code.reset();
  LimitedRegistry registry({}, behind, *world.limits, world.clock, Logger());
  const dir::Caller caller = caller_of({dir::Role::operator_});
  for (int call = 0; call < 40'000; ++call) {
    world.clock.advance(15ms);
    ASSERT_TRUE(world.limits->ask_ip("10.0.0.1").allowed);
    ASSERT_TRUE(world.limits->ask_caller(caller, "LookupKey").allowed);
    const auto found = registry.lookup(look_up_for(std::to_string(10'000'000'000 + call)), Deadline::never());
    ASSERT_TRUE(found) << "call " << call << ": " << found.error().message;
  }
  EXPECT_EQ(behind.asked, 40'000);
}

TEST(LimitedRegistry, a_share_of_the_bucket_is_kept_for_those_who_wait) {
  World world;
  PreparedRegistry behind;
  behind.code.reset();
  LimitedRegistry registry({.waiting_max = 0}, behind, *world.limits, world.clock, Logger());
  const auto made = [&](dir::Urgency urgency) {
    int count = 0;
    while (registry.lookup(look_up_for(std::to_string(10'000'000'000 + behind.asked), urgency), Deadline::never()))
      ++count;
    return count;
  };
  EXPECT_EQ(made(dir::Urgency::batch), 40) << "of the 50 of category H";
  EXPECT_EQ(made(dir::Urgency::interactive), 10);
}

TEST(LimitedRegistry, a_batch_waits_for_its_turn_as_long_as_it_may) {
  World world;
  PreparedRegistry behind;
  behind.code.reset();
  LimitedRegistry registry({.waiting_max = 1}, behind, *world.limits, world.clock, Logger());
  const auto batch = [&](Deadline deadline) {
    return registry.lookup(look_up_for("11144477735", dir::Urgency::batch), deadline);
  };
  while (batch(Deadline::in(1ms)));
  const int before = behind.asked;
  EXPECT_EQ(batch(Deadline::in(1s)).error().code, Code::exhausted) << "tokens come at the next minute";
  std::jthread waiter([&] { EXPECT_TRUE(batch(Deadline::in(1h))); });
  while (registry.waiting() == 0) std::this_thread::yield();
  EXPECT_EQ(batch(Deadline::in(1h)).error().code, Code::exhausted) << "one waits, and no more";
  world.clock.advance(2min);
  while (registry.waiting() > 0) {
    registry.poke();
    std::this_thread::yield();
  }
  waiter.join();
  EXPECT_EQ(behind.asked, before + 1);
}

TEST(LimitedRegistry, checks_keys_within_the_ration_of_the_user) {
  World world;
  PreparedRegistry behind;
  LimitedRegistry registry({}, behind, *world.limits, world.clock, Logger());
  const auto check = [&](std::size_t keys, std::string user = "11144477735") {
    return registry.check_keys(
        {*dir::Ispb::parse("12345678"), std::move(user), std::vector<dir::Key>(keys, look_up_for("1").key)},
        Deadline::never());
  };
  EXPECT_EQ(check(200)->there.size(), 200u);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(check(200));
  EXPECT_EQ(check(1).error().reason, "KeysCheckLimitExceeded");
  EXPECT_TRUE(check(1, "52998224725")) << "of another user";
  EXPECT_EQ(check(201).error().code, Code::invalid);
  EXPECT_EQ(behind.asked, 6);
  const auto tokens = world.limits->official().show("12345678", Deadline::never());
  for (const auto& it : *tokens)
    if (it.policy == "KEYS_CHECK") {
      EXPECT_EQ(it.balance, it.capacity - 6) << "what was not sent costs nothing";
    }
}

TEST(LimitedRegistry, follows_the_registry_down_at_once_and_says_nothing_where_it_does_not_tell) {
  World world;
  PreparedRegistry behind;
  LimitedRegistry registry({}, behind, *world.limits, world.clock, Logger());
  EXPECT_EQ(*registry.mirror_once(Deadline::never()), 0u) << "nobody called yet";
  static_cast<void>(registry.lookup(look_up_for("11144477735"), Deadline::never()));
  EXPECT_EQ(*registry.mirror_once(Deadline::never()), 0u);
  behind.states = {{"ENTRIES_READ_PARTICIPANT_ANTISCAN", 7, 50}, {"ENTRIES_WRITE", 36'000, 36'000}};
  EXPECT_EQ(*registry.mirror_once(Deadline::never()), 1u);
  for (const auto& it : *world.limits->official().show("12345678", Deadline::never())) {
    if (it.policy == "ENTRIES_READ_PARTICIPANT_ANTISCAN") {
      EXPECT_EQ(it.balance, 7);
    }
    if (it.policy == "POLICIES_LIST") {
      EXPECT_EQ(it.balance, it.capacity - 1) << "only the answered one was charged";
    }
  }
}

TEST(Replay, tells_which_calls_of_a_day_would_have_been_refused) {
  std::string day;
  for (int i = 0; i < 7; ++i)
    day +=
        R"({"at":"2026-11-21T10:00:0)" + std::to_string(i) +
        R"(Z","operation":"getEntry","key_type":"CPF","participant":"12345678","payer_id":"11144477735","end_to_end_id":"E1","status":404,"took_ms":40})" +
        "\n";
  const auto report = replay_calls(day, limits::Category::d);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->calls, 7u);
  EXPECT_EQ(report->allowed, 5u);
  ASSERT_EQ(report->refused.size(), 2u);
  EXPECT_EQ(report->refused[0].line, 6u);
  EXPECT_EQ(report->refused[0].policy, "ENTRIES_READ_USER_ANTISCAN_V2");
  EXPECT_EQ(report->refused[0].allowed_at.substr(0, 17), "2026-11-21T10:01:");
  EXPECT_EQ(replay_calls("{}", limits::Category::d).error().violations.at(0).field, "line 1");
  EXPECT_FALSE(replay_calls("[[[[[[[[", limits::Category::d));
}

}  // namespace
}  // namespace chaveiro::app
