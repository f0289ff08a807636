#include "limits/official.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <fstream>
#include <queue>
#include <sstream>

#include "base/random.h"
#include "tests/contract/literal_registry.h"

namespace chaveiro::limits {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr std::string_view person = "11144477735";
constexpr std::string_view company = "11222333000181";

struct World {
  explicit World(OfficialOptions options = {.category = Category::d}, OfficialMemoryOptions store_options = {})
      : store(store_options, clock), limits(std::move(options), store, HmacKey("names"), clock, Logger(), metrics) {}

  static OfficialCall look_up(std::string_view payer, std::string_view e2e = "E1", std::string_view type = "CPF") {
    return {.call = {"getEntry", type}, .participant = "12345678", .payer_id = payer, .end_to_end_id = e2e};
  }
  Result<OfficialPermit> reserve(const OfficialCall& call) { return limits.reserve(call, Deadline::never()); }
  // A whole call; false: refused.
  bool call(const OfficialCall& it, int status) {
    auto permit = reserve(it);
    if (!permit) return false;
    EXPECT_TRUE(limits.settle(*permit, Outcome::status(status), Deadline::never()));
    return true;
  }
  std::int64_t tokens(const OfficialCall& it, std::size_t which) {
    return limits.forecast(it, 0, Deadline::never())->at(which).balance;
  }

  ManualClock clock;
  Registry metrics;
  OfficialMemoryStore store;
  OfficialLimits limits;
};

TEST(Policies, are_those_of_the_official_tables) {
  std::ifstream file("tests/data/policies.json");
  std::stringstream text;
  text << file.rdbuf();
  const auto tables = boost::json::parse(text.str()).as_object();
  for (const auto& [table, version] : {std::pair{"v2_6_1", ApiVersion::v2_6_1}, {"v2_12_1", ApiVersion::v2_12_1}}) {
    std::size_t count = 0;
    for (const auto& row : tables.at(table).as_array()) {
      const auto& official = row.as_object();
      const std::string name(official.at("name").as_string());
      const Policy* ours = find_policy(name);
      ASSERT_NE(ours, nullptr) << name;
      EXPECT_LE(ours->since, version) << name;
      ++count;
      EXPECT_EQ(ours->scope == PolicyScope::user, official.at("scope").as_string() == "USER");
      for (const auto& operation : official.at("operations").as_array()) {
        bool found = false;
        for (const bool with_role : {false, true})
          for (const std::string_view type : {"CPF", "PHONE"})
            for (const Policy* it : policies_of({operation.as_string(), type, with_role}, version)) found |= it == ours;
        EXPECT_TRUE(found) << name << " " << operation;
      }
      const auto size = [&](const boost::json::object& it, Payer payer, Category category) {
        const OfficialTerms terms = terms_of(*ours, payer, category, Refill::whole_periods);
        EXPECT_EQ(terms.refill, it.at("refillTokens").as_int64()) << name;
        EXPECT_EQ(terms.period, std::chrono::seconds(it.at("refillPeriodSec").as_int64())) << name;
        EXPECT_EQ(terms.capacity, it.at("capacity").as_int64()) << name;
      };
      if (const auto* by = official.if_contains("byCategory")) {
        for (const auto& [letter, it] : by->as_object()) size(it.as_object(), Payer::natural, *parse_category(letter));
      } else if (const auto* payers = official.if_contains("byPayer")) {
        for (const auto& [letters, it] : payers->as_object()) {
          const Payer payer = letters == "PF" ? Payer::natural : Payer::legal;
          size(it.as_object(), payer, Category::a);
          EXPECT_EQ(credit_of(*ours, payer), it.as_object().at("creditOnPaymentOrder").as_int64());
        }
      } else {
        size(official, Payer::natural, Category::a);
      }
      for (const auto& [status, cost] : official.at("cost").as_object()) {
        const SilentPoints silent;
        if (status == "200" || status == "404") {
          EXPECT_EQ(cost_of(*ours, std::stoi(status), silent), cost.as_int64()) << name;
        } else {
          for (const int any : {200, 201, 400, 403, 404, 409, 429, 503})
            EXPECT_EQ(cost_of(*ours, any, silent), 1) << name;
          EXPECT_EQ(cost_of(*ours, 500, silent), 0) << name;
        }
      }
    }
    std::size_t known = 0;
    for (const Policy& policy : all_policies()) known += policy.since <= version ? 1 : 0;
    EXPECT_EQ(known, count) << table;
  }
}

TEST(OfficialLimits, charge_a_look_up_by_what_was_answered) {
  World world;
  const auto by_cpf = World::look_up(person);
  EXPECT_TRUE(world.call(by_cpf, 200));
  EXPECT_EQ(world.tokens(by_cpf, 0), 99);
  EXPECT_EQ(world.tokens(by_cpf, 1), 15'999);
  EXPECT_TRUE(world.call(by_cpf, 404));
  EXPECT_EQ(world.tokens(by_cpf, 0), 79);
  EXPECT_EQ(world.tokens(by_cpf, 1), 15'996);
  EXPECT_TRUE(world.call(by_cpf, 503));
  EXPECT_EQ(world.tokens(by_cpf, 0), 78);
  EXPECT_EQ(world.tokens(World::look_up(person, "E2", "PHONE"), 0), 100) << "phones and e-mails have their own bucket";
  EXPECT_EQ(world.tokens(World::look_up(company), 0), 1000);
}

TEST(OfficialLimits, refuse_by_name_and_tell_when) {
  World world;
  const auto call = World::look_up(person);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(world.call(call, 404));
  const auto refused = world.reserve(call);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::exhausted);
  EXPECT_EQ(refused.error().violations.at(0).field, "ENTRIES_READ_USER_ANTISCAN_V2");
  EXPECT_EQ(*refused.error().retry_after, 60s);
  EXPECT_THAT(refused.error().message, HasSubstr("allowed at 2026-01-01T00:01:00.000Z"));
  EXPECT_EQ(world.tokens(call, 1), 16'000 - 15) << "a refusal costs the other bucket nothing";
  world.clock.advance(60s);
  EXPECT_TRUE(world.call(call, 200));
}

TEST(OfficialLimits, a_refusal_names_every_empty_bucket_and_the_time_when_the_last_has_room) {
  World world({.category = Category::h});
  const auto call = World::look_up(person);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(world.call(call, 404));
  for (int i = 0; i < 15; ++i) ASSERT_TRUE(world.call(call, 200));
  ASSERT_TRUE(world.call(call, 404));
  EXPECT_EQ(world.tokens(call, 0), -15);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(world.call(World::look_up("52998224725"), 200));
  EXPECT_EQ(world.tokens(call, 1), 0);
  const auto refused = world.reserve(call);
  ASSERT_FALSE(refused);
  ASSERT_EQ(refused.error().violations.size(), 2u);
  EXPECT_EQ(refused.error().violations[0].field, "ENTRIES_READ_USER_ANTISCAN_V2");
  EXPECT_EQ(refused.error().violations[1].field, "ENTRIES_READ_PARTICIPANT_ANTISCAN");
  EXPECT_EQ(*refused.error().retry_after, 8min);
}

TEST(OfficialLimits, hold_the_worst_case_while_a_call_is_in_flight) {
  World world;
  const auto call = World::look_up(person);
  std::vector<OfficialPermit> permits;
  while (auto permit = world.reserve(call)) permits.push_back(std::move(*permit));
  EXPECT_EQ(permits.size(), 5u) << "100 tokens, 20 held for each";
  ASSERT_TRUE(world.limits.settle(permits[0], Outcome::status(200), Deadline::never()));
  ASSERT_TRUE(world.limits.settle(permits[1], Outcome::never_sent(), Deadline::never()));
  EXPECT_EQ(world.tokens(call, 0), 99);
  ASSERT_TRUE(world.limits.settle(permits[2], Outcome::unanswered(), Deadline::never()));
  EXPECT_EQ(world.tokens(call, 0), 79);
  world.clock.advance(10s);
  EXPECT_EQ(world.tokens(call, 0), 39) << "two were never settled";
  ASSERT_TRUE(world.limits.settle(permits[3], Outcome::status(200), Deadline::never())) << "late, and harmless";
  ASSERT_TRUE(world.limits.settle(permits[0], Outcome::status(404), Deadline::never())) << "repeated, and harmless";
  EXPECT_EQ(world.tokens(call, 0), 39);
  permits[0].id = "unknown";
  EXPECT_EQ(world.limits.settle(permits[0], Outcome::status(200), Deadline::never()).error().reason,
            "ReservationUnknown");
}

TEST(OfficialLimits, a_payment_order_brings_its_credit_once_and_only_to_what_was_charged) {
  World world;
  const auto call = World::look_up(company, "E7");
  ASSERT_TRUE(world.call(World::look_up(company, "E8"), 404));
  ASSERT_TRUE(world.call(call, 200));
  EXPECT_EQ(world.tokens(call, 0), 979);
  EXPECT_TRUE(*world.limits.payment_order("E7", Deadline::never()));
  EXPECT_EQ(world.tokens(call, 0), 981) << "a company gets two";
  EXPECT_EQ(world.tokens(call, 1), 16'000 - 4 + 1);
  EXPECT_FALSE(*world.limits.payment_order("E7", Deadline::never()));
  EXPECT_EQ(world.tokens(call, 0), 981);
  EXPECT_EQ(world.limits.payment_order("E8", Deadline::never()).error().reason, "LookupUnknown") << "nobody was found";
  EXPECT_EQ(world.limits.payment_order("E9", Deadline::never()).error().code, Code::not_found);
}

TEST(OfficialLimits, a_429_empties_the_bucket_of_the_user_and_counts) {
  World world;
  const auto call = World::look_up(person);
  ASSERT_TRUE(world.call(call, 429));
  EXPECT_EQ(world.tokens(call, 0), 0);
  EXPECT_EQ(world.tokens(call, 1), 15'999);
  EXPECT_FALSE(world.reserve(call));
  EXPECT_THAT(world.metrics.expose(), HasSubstr("dict_policy_limited_total 1"));
}

TEST(OfficialLimits, a_bucket_that_is_nearly_empty_is_told_of_once) {
  World world({.category = Category::h});
  const auto call = World::look_up(company);
  const auto alarms = [&](int count) {
    return HasSubstr(
        "dict_policy_headroom_alarms_total{ispb=\"12345678\",policy=\"ENTRIES_READ_PARTICIPANT_ANTISCAN\"} " +
        std::to_string(count));
  };
  for (int i = 0; i < 42; ++i) ASSERT_TRUE(world.call(call, 200));
  EXPECT_THAT(world.metrics.expose(), ::testing::Not(HasSubstr("dict_policy_headroom_alarms_total{")));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(world.call(call, 200));
  EXPECT_THAT(world.metrics.expose(), alarms(1));
  world.clock.advance(std::chrono::hours{2});
  for (int i = 0; i < 48; ++i) ASSERT_TRUE(world.call(call, 200));
  EXPECT_THAT(world.metrics.expose(), alarms(2));
}

TEST(OfficialLimits, batches_are_refused_first) {
  World world({.category = Category::h, .kept_share = 0.2});
  auto call = World::look_up(company);
  call.urgency = Urgency::batch;
  int batch = 0;
  while (world.call(call, 200)) ++batch;
  EXPECT_EQ(batch, 40) << "of 50 ten are kept";
  call.urgency = Urgency::interactive;
  int interactive = 0;
  while (world.call(call, 200)) ++interactive;
  EXPECT_EQ(batch + interactive, 50);
}

TEST(OfficialLimits, four_thousand_distinct_look_ups_a_minute_pass_for_ten_minutes_in_category_d) {
  World world({.category = Category::d});
  int refused = 0;
  for (int i = 0; i < 40'000; ++i) {
    std::string payer = std::to_string(10'000'000'000 + i);
    refused += world.call(World::look_up(payer, "E" + std::to_string(i)), 200) ? 0 : 1;
    world.clock.advance(15ms);
  }
  EXPECT_EQ(refused, 0);
}

TEST(OfficialLimits, forecast_the_end_of_a_run) {
  World world({.category = Category::f});
  const auto forecast =
      *world.limits.forecast({.call = {"getEntryStatistics"}, .participant = "12345678"}, 5'000, Deadline::never());
  ASSERT_EQ(forecast.size(), 1u);
  EXPECT_EQ(*forecast[0].run_ends, world.clock.now() + 18min);
  EXPECT_EQ(*forecast[0].allowed_at, world.clock.now());
}

TEST(OfficialLimits, follow_the_registry_down_at_once_and_up_only_with_evidence) {
  World world({.category = Category::d, .evidence = 3});
  const auto tell = [&](std::int64_t available) {
    const auto probe = *world.limits.begin_mirror("12345678", Deadline::never());
    return world.limits.mirror(probe, {{"CLAIMS_LIST_WITH_ROLE", available, 200}}, Deadline::never())->at(0);
  };
  const OfficialCall call{.call = {"listClaims", "", true}, .participant = "12345678"};
  EXPECT_TRUE(tell(150).corrected);
  EXPECT_EQ(world.tokens(call, 0), 150);
  EXPECT_FALSE(tell(170).corrected);
  EXPECT_FALSE(tell(180).corrected);
  EXPECT_EQ(world.tokens(call, 0), 150);
  EXPECT_TRUE(tell(190).corrected);
  EXPECT_EQ(world.tokens(call, 0), 170) << "by the least that was seen";
  EXPECT_FALSE(tell(200).corrected);
  auto permit = *world.reserve(call);
  EXPECT_FALSE(tell(200).corrected) << "a call is in flight: nothing is proven";
  EXPECT_FALSE(tell(169).corrected) << "it may have been charged there already";
  ASSERT_TRUE(world.limits.settle(permit, Outcome::status(200), Deadline::never()));
  EXPECT_TRUE(tell(100).corrected);
  EXPECT_EQ(world.tokens(call, 0), 100);
}

TEST(OfficialLimits, indirect_participants_may_share_the_buckets_of_the_direct_one) {
  World world({.category = Category::d, .rolls_up_to = {{"87654321", "12345678"}}});
  auto call = World::look_up(person);
  call.participant = "87654321";
  ASSERT_TRUE(world.call(call, 200));
  EXPECT_EQ(world.tokens(World::look_up(company), 1), 15'999);
}

TEST(OfficialLimits, more_payers_than_memory_share_one_strict_bucket) {
  World world({.category = Category::a}, {.buckets_max = 4});
  int admitted = 0;
  for (int i = 0; i < 50; ++i)
    admitted += world.call(World::look_up(std::to_string(10'000'000'000 + i), "E" + std::to_string(i)), 404) ? 1 : 0;
  EXPECT_EQ(admitted, 3 + 5) << "three have a bucket beside the participant's, all others one together";
}

TEST(OfficialLimits, name_no_payer) {
  World world;
  ASSERT_TRUE(world.call(World::look_up(person), 200));
  EXPECT_THAT(world.metrics.expose(), ::testing::Not(HasSubstr(std::string(person))));
  EXPECT_THAT(world.reserve(World::look_up(person))->asks[0].key, ::testing::Not(HasSubstr(std::string(person))));
}

// A day of calls is made up and given to the engine; every call that it admits must pass at a registry that follows the text
// literally, whatever the text leaves open.
class Replay {
 public:
  explicit Replay(std::uint64_t seed, SilentPoints silent = {})
      : random_(seed), category_(static_cast<Category>(5 + random_.below(3))) {
    options_.category = category_;
    options_.silent = silent;
    const Policy& policy = *find_policy("ENTRIES_READ_PARTICIPANT_ANTISCAN");
    const OfficialTerms size = terms_of(policy, Payer::natural, category_, Refill::whole_periods);
    for (const bool steps : {false, true})
      for (const std::int64_t other : {0, 1})
        for (const bool limited_costs : {false, true})
          for (const bool floor : {false, true})
            for (const bool over_all : {false, true})
              for (int phases = steps ? 4 : 1; phases > 0; --phases)
                registries_.emplace_back(
                    test::LiteralRegistry::Setting{steps, static_cast<std::int64_t>(random_.below(60'000'000)), other,
                                                   limited_costs, floor ? std::optional<std::int64_t>(0) : std::nullopt,
                                                   over_all},
                    test::LiteralRegistry::Size{size.refill, size.period.count(), size.capacity});
  }

  void run(int calls) {
    World world(options_);
    begin_ = world.clock.now();
    for (int i = 0; i < calls; ++i) {
      const auto quiet = random_.below(10);
      const auto pause = quiet == 0  ? random_.below(180'000'000)
                         : quiet < 4 ? random_.below(3'000'000)
                                     : random_.below(50'000);
      happen(world, world.clock.now() + Micros{static_cast<std::int64_t>(pause)});
      start(world, i);
    }
    happen(world, world.clock.now() + 24h);
  }
  int admitted = 0;
  int refused = 0;
  int limited = 0;  // 429 that a literal registry would have answered

 private:
  struct Event {
    UtcTime at;
    std::uint64_t order;
    std::function<void(World&)> happens;
    bool operator<(const Event& other) const { return std::tie(other.at, other.order) < std::tie(at, order); }
  };

  void later(UtcTime at, std::function<void(World&)> happens) { events_.push({at, order_++, std::move(happens)}); }
  void happen(World& world, UtcTime until) {
    while (!events_.empty() && events_.top().at <= until) {
      Event event = events_.top();
      events_.pop();
      if (event.at > world.clock.now()) world.clock.advance(event.at - world.clock.now());
      event.happens(world);
    }
    world.clock.advance(until - world.clock.now());
  }
  std::int64_t time(const World& world) const { return (world.clock.now() - begin_).count() + 60'000'000; }

  void start(World& world, int number) {
    test::LiteralRegistry::Call call;
    call.participant = random_.below(2) ? "12345678" : "87654321";
    call.payer = random_.below(3) ? std::to_string(10'000'000'000 + random_.below(3))
                                  : std::to_string(10'000'000'000'000 + random_.below(2));
    call.by_phone = random_.below(2) == 0;
    call.end_to_end = "E" + std::to_string(number);
    auto permit = world.limits.reserve({.call = {"getEntry", call.by_phone ? "PHONE" : "EVP"},
                                        .participant = call.participant,
                                        .payer_id = call.payer,
                                        .end_to_end_id = call.end_to_end},
                                       Deadline::never());
    if (!permit) {
      ++refused;
      return;
    }
    ++admitted;
    if (random_.below(50) == 0) {
      ASSERT_TRUE(world.limits.settle(*permit, Outcome::never_sent(), Deadline::never()));
      return;
    }
    const auto micros = [&](std::uint64_t most) { return Micros{static_cast<std::int64_t>(random_.below(most))}; };
    const UtcTime arrives = world.clock.now() + micros(1'500'000);
    const UtcTime answers = arrives + micros(1'500'000);
    const UtcTime settles = answers + micros(1'500'000);
    const int status = std::array{200, 200, 200, 200, 404, 404, 400, 503, 500}[random_.below(9)];
    const bool lost = random_.below(20) == 0;
    later(arrives, [this, call](World& w) {
      for (std::size_t i = 0; i < registries_.size(); ++i) limited += registries_[i].passes(call, time(w)) ? 0 : 1;
    });
    later(answers, [this, call, status](World& w) {
      for (auto& registry : registries_) registry.answered(call, status, time(w));
    });
    if (lost) return;  // the hold ends by itself, at the worst case
    later(settles, [permit = *permit, status](World& w) {
      ASSERT_TRUE(w.limits.settle(permit, Outcome::status(status), Deadline::never()));
    });
    if (status != 200 || random_.below(3) == 0) return;
    const UtcTime ordered = settles + micros(random_.below(4) == 0 ? 600'000'000 : 5'000'000);
    later(ordered, [this, call](World& w) {
      for (auto& registry : registries_) registry.payment_order(call, time(w));
    });
    later(ordered + micros(random_.below(4) == 0 ? 900'000'000 : 2'000'000),
          [call](World& w) { EXPECT_TRUE(w.limits.payment_order(call.end_to_end, Deadline::never())); });
  }

  Random random_;
  Category category_;
  OfficialOptions options_;
  std::vector<test::LiteralRegistry> registries_;
  std::priority_queue<Event> events_;
  std::uint64_t order_ = 0;
  UtcTime begin_{};
};

TEST(OfficialReplay, every_call_that_we_admit_passes_a_literal_registry_under_every_setting_of_its_silent_points) {
  int admitted = 0;
  int refused = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Replay day(seed);
    day.run(1'500);
    ASSERT_EQ(day.limited, 0);
    admitted += day.admitted;
    refused += day.refused;
  }
  EXPECT_GT(admitted, 1'000);
  EXPECT_GT(refused, 1'000) << "a day on which nobody is refused shows nothing";
}

TEST(OfficialReplay, catches_an_engine_that_reads_any_silent_point_in_its_own_favour) {
  for (const SilentPoints& loose : {SilentPoints{.refill = Refill::continuous}, SilentPoints{.other_status = 0},
                                    SilentPoints{.floor = 0}, SilentPoints{.payer_over_all = false}}) {
    int limited = 0;
    for (std::uint64_t seed = 1; limited == 0 && seed <= 12; ++seed) {
      Replay day(seed, loose);
      day.run(1'500);
      limited += day.limited;
    }
    EXPECT_GT(limited, 0);
  }
}

}  // namespace
}  // namespace chaveiro::limits
