#include "cache/regulated.h"

#include <set>

#include "base/encoding.h"
#include "base/hash.h"
#include "cache/tiered_test.h"

namespace chaveiro::cache {
namespace {

constexpr UtcTime directory_date{std::chrono::seconds{1'700'000'000}};

struct Regulated : TieredTest {
  TieredOptions lawful{.ttl = 180s};
  std::string refusal(const TieredOptions& options) {
    const auto made = ForeignAnswers<std::string>::make(options, {.clock = clock, .metrics = metrics, .pool = &pool});
    return made ? "allowed" : made.error().reason + " " + made.error().message;
  }
  std::string section(Rule rule) {
    for (const RuleText& it : regulator_rules()) {
      if (it.rule == rule) return std::string(it.section);
    }
    return "no such rule";
  }
  std::unique_ptr<ExistenceCache> existence() {
    TieredOptions options{.name = "existence", .ttl = existence_ttl_max};
    options.l1.ttl_max = 0s;
    return ExistenceCache::make(options, {.clock = clock, .metrics = metrics, .l2 = &l2}).value();
  }
  std::unique_ptr<ForeignAnswers<std::string>> foreign() {
    return ForeignAnswers<std::string>::make(lawful, {.clock = clock, .metrics = metrics, .l2 = &l2}).value();
  }
};

TEST_F(Regulated, refuses_at_start_every_option_outside_the_rules_and_names_the_rule) {
  EXPECT_EQ(refusal(lawful), "allowed");
  const auto with = [&](auto change) {
    TieredOptions options = lawful;
    change(options);
    return refusal(options);
  };
  const auto names = [&](Rule rule) {
    return testing::AllOf(testing::StartsWith("RegulatorForbids"), testing::HasSubstr(section(rule)));
  };
  EXPECT_THAT(with([](auto& it) { it.ttl = 181s; }), names(Rule::foreign_ttl));
  EXPECT_THAT(with([](auto& it) { it.ttl = TieredOptions{}.ttl; }), names(Rule::foreign_ttl));
  EXPECT_THAT(with([](auto& it) { it.fail_safe = 1s; }), names(Rule::foreign_stale));
  EXPECT_THAT(with([](auto& it) { it.soft_timeout = 1s; }), names(Rule::foreign_stale));
  EXPECT_THAT(with([](auto& it) { it.negative_ttl = 1s; }), names(Rule::foreign_absence));
  EXPECT_THAT(with([](auto& it) { it.failure_ttl = 1s; }), names(Rule::foreign_absence));
  EXPECT_THAT(with([](auto& it) { it.eager_refresh = 0.9; }), names(Rule::foreign_ahead));
  EXPECT_THAT(with([](auto& it) { it.early_refresh = 1; }), names(Rule::foreign_ahead));
  const auto refused = [&](auto change) {
    TieredOptions options{.ttl = existence_ttl_max};
    change(options);
    const auto made = ExistenceCache::make(options, {.clock = clock, .metrics = metrics, .pool = &pool});
    return made ? "allowed" : made.error().reason + " " + made.error().message;
  };
  EXPECT_EQ(refused([](auto&) {}), "allowed");
  EXPECT_THAT(refused([](auto& it) { it.ttl += 1s; }), names(Rule::existence_ttl));
  EXPECT_THAT(refused([](auto& it) { it.fail_safe = 1s; }), names(Rule::existence_ttl));
  EXPECT_THAT(refused([](auto& it) { it.soft_timeout = 1s; }), names(Rule::existence_ttl));
}

TEST_F(Regulated, says_every_rule_with_name_section_and_text) {
  std::set<Rule> seen;
  for (const RuleText& it : regulator_rules()) {
    EXPECT_TRUE(seen.insert(it.rule).second);
    EXPECT_FALSE(it.name.empty() || it.section.empty() || it.text.empty());
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(Rule::existence_ttl) + 1);
}

TEST_F(Regulated, keeps_foreign_answers_of_legal_persons_only) {
  const auto cache = foreign();
  const auto value = std::make_shared<const std::string>("entry");
  const AnswerFields fields{.cache_control = "max-age=60"};
  EXPECT_FALSE(cache->keep("cpf", value, OwnerKind::natural_person, fields, soon()));
  EXPECT_TRUE(cache->keep("cnpj", value, OwnerKind::legal_person, fields, soon()));
  EXPECT_FALSE(cache->peek("cpf"));
  EXPECT_TRUE(cache->peek("cnpj"));
  EXPECT_EQ(l2.raw("cpf"), std::nullopt);
  EXPECT_FALSE(cache->keep("cnpj", value, OwnerKind::natural_person, fields, soon()));
  EXPECT_FALSE(cache->peek("cnpj")) << "the key belongs to a person now";
}

TEST_F(Regulated, keeps_foreign_answers_no_longer_than_180_s_and_their_cache_control) {
  const auto keep = [](std::string_view field, int age = 0, Micros own = foreign_ttl_max) {
    return foreign_keep(OwnerKind::legal_person, {.cache_control = field, .age = std::chrono::seconds(age)}, own);
  };
  EXPECT_EQ(keep("max-age=60"), 60s);
  EXPECT_EQ(keep("private, Max-Age=\"60\" , must-revalidate"), 60s);
  EXPECT_EQ(keep("max-age=3600"), 180s);
  EXPECT_EQ(keep("max-age=3600", 0, 20s), 20s);
  EXPECT_EQ(keep("max-age=60", 45), 15s);
  for (const char* none :
       {"", "no-store", "no-cache, max-age=60", "max-age=60, no-store", "max-age", "max-age=", "max-age=-1",
        "max-age=60s", "max-age=60, max-age=90", "public", "max-age=99999999999999999999"})
    EXPECT_EQ(keep(none), 0s) << none;
  EXPECT_EQ(keep("max-age=60", 60), 0s);
  EXPECT_EQ(keep("max-age=60", -1), 0s);
}

TEST_F(Regulated, forgets_a_foreign_answer_when_its_time_is_up_on_every_level) {
  const auto cache = foreign();
  (void)cache->keep("k", std::make_shared<const std::string>("v"), OwnerKind::legal_person,
                    {.cache_control = "max-age=600"}, soon());
  clock.advance(179s);
  EXPECT_TRUE(cache->peek("k"));
  EXPECT_EQ(text(foreign()->get("k", soon())), "v");
  clock.advance(1s);
  EXPECT_FALSE(cache->peek("k"));
  EXPECT_EQ(text(cache->get("k", soon())), "(none)");
  EXPECT_EQ(text(foreign()->get("k", soon())), "(none)");
}

TEST_F(Regulated, keeps_of_an_existing_key_its_digest_and_two_dates_for_thirty_days) {
  static_assert(sizeof(ExistenceDates) == 2 * sizeof(UtcTime), "two dates and nothing else");
  const auto cache = existence();
  cache->learn("+5511987654321", directory_date, soon());
  const auto found = cache->peek("+5511987654321");
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, (ExistenceDates{clock.now(), directory_date}));
  EXPECT_FALSE(cache->peek("+5511987654322"));
  clock.advance(24h * 30 - 1s);
  EXPECT_TRUE(cache->peek("+5511987654321"));
  EXPECT_EQ(existence()->find("+5511987654321", soon()).value(), found) << "another node has learnt it";
  clock.advance(1s);
  EXPECT_FALSE(cache->peek("+5511987654321"));
  EXPECT_FALSE(existence()->find("+5511987654321", soon()).value());
}

TEST_F(Regulated, writes_of_an_existing_key_nothing_but_its_digest_and_two_dates_into_the_levels) {
  existence()->learn("maria@example.com", directory_date, soon());
  const std::string name = "dict:existence:" + to_hex(sha256("maria@example.com"));
  EXPECT_EQ(ExistenceCache::name_of("maria@example.com"), name);
  const auto bytes = l2.raw(name);
  ASSERT_TRUE(bytes);
  const auto envelope = Codec::make({.keys = {}})->open(name, *bytes);
  ASSERT_TRUE(envelope.ok);
  EXPECT_EQ(envelope.envelope.value, to_rfc3339(clock.now()) + " " + to_rfc3339(directory_date));
  EXPECT_TRUE(envelope.envelope.tags.empty() && envelope.envelope.etag.empty());
  EXPECT_EQ(bytes->find("maria"), std::string::npos);
}

TEST_F(Regulated, keeps_what_checkKeys_said_no_longer_than_its_cache_control) {
  const auto cache = existence();
  const auto learn = [&](std::string_view key, std::string_view field) {
    return cache->learn_checked(key, directory_date, {.cache_control = field}, soon());
  };
  EXPECT_TRUE(learn("a", "max-age=60"));
  EXPECT_FALSE(learn("b", "no-store"));
  EXPECT_TRUE(learn("c", "max-age=99999999"));
  cache->learn("paid", directory_date, soon());
  EXPECT_TRUE(learn("paid", "max-age=60"));
  EXPECT_FALSE(cache->peek("b"));
  clock.advance(60s);
  EXPECT_FALSE(cache->peek("a"));
  EXPECT_TRUE(cache->peek("c"));
  EXPECT_TRUE(cache->peek("paid")) << "a payment told it for longer";
  clock.advance(24h * 30);
  EXPECT_FALSE(cache->peek("c"));
}

TEST_F(Regulated, asks_checkKeys_once_for_what_is_not_known_and_never_keeps_an_absence) {
  const auto cache = existence();
  cache->learn("known", directory_date, soon());
  std::vector<std::vector<std::size_t>> asked;
  const ExistenceCache::Ask ask = [&](std::span<const std::size_t> places, Deadline) -> Result<ExistenceAnswer> {
    asked.emplace_back(places.begin(), places.end());
    ExistenceAnswer answer{.there = {}, .directory_date = directory_date, .cache_control = "max-age=60"};
    for (const std::size_t place : places) answer.there.push_back(place != 2);
    return answer;
  };
  const std::vector<std::string_view> keys = {"new", "known", "none", "new"};
  EXPECT_EQ(cache->check(keys, ask, soon()).value(), (std::vector<bool>{true, true, false, true}));
  EXPECT_EQ(asked, (std::vector<std::vector<std::size_t>>{{0, 2}}));
  EXPECT_EQ(cache->check(keys, ask, soon()).value(), (std::vector<bool>{true, true, false, true}));
  EXPECT_EQ(asked.back(), std::vector<std::size_t>{2}) << "that there is none is asked each time";
  clock.advance(60s);
  (void)cache->check(keys, ask, soon());
  EXPECT_EQ(asked.back(), (std::vector<std::size_t>{0, 2}));
  const auto down = cache->check(
      keys, [](auto, Deadline) { return Result<ExistenceAnswer>(fail(Code::unavailable, "Away", "away")); }, soon());
  EXPECT_EQ(down.error().reason, "Away");
  const std::vector<std::string_view> one = {"known"};
  EXPECT_EQ(cache->check(one, nullptr, soon()).value(), std::vector<bool>{true}) << "nobody needs to be asked";
}

}  // namespace
}  // namespace chaveiro::cache
