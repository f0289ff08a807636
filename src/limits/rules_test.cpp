#include "limits/rules.h"

#include <gmock/gmock.h>

namespace chaveiro::limits {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> names(const RuleSet& set, const Descriptor& descriptor) {
  std::vector<std::string> found;
  for (const Applied& it : set.match(descriptor)) found.push_back(it.key);
  return found;
}

constexpr std::string_view example = R"(
version: 1
rules:
  - name: everybody
    per: [ispb, operation]
    limit: {amount: 100, period: 1m}
  - name: reads
    match: {operation: [GetKey, LookupKey]}
    per: [ispb, operation]
    priority: 10
    limit: {amount: 500, period: 1m, burst: 800}
    on_change: proportion
    without_store: share
    overrides:
      - match: {ispb: "12345678"}
        limit: {amount: 9000, period: 1m}
      - match: {ispb: "00000000"}
        unlimited: true
  - name: day
    match: {operation: CreateKey}
    shadow: true
    cost: 2
    limit: {algorithm: calendar, amount: 10, calendar: day, zone: America/Sao_Paulo}
)";

TEST(Rules, apply_by_what_a_call_is_and_the_higher_priority_takes_the_place_of_the_lower) {
  const auto set = RuleSet::read(example);
  ASSERT_TRUE(set) << set.error().message;
  using V = std::vector<std::string>;
  EXPECT_EQ(names(**set, {{"ispb", "87654321"}, {"operation", "CreateKey"}}),
            (V{"everybody|87654321|CreateKey", "day"}));
  EXPECT_EQ(names(**set, {{"ispb", "87654321"}, {"operation", "GetKey"}}), (V{"reads|87654321|GetKey"}));
  EXPECT_EQ(names(**set, {{"ip", "10.0.0.1"}}), V{});
}

TEST(Rules, hold_an_override_for_one_subject) {
  const auto set = *RuleSet::read(example);
  const auto limit_for = [&](std::string_view ispb) {
    const auto found = set->match({{"ispb", ispb}, {"operation", "GetKey"}});
    return found.at(0).terms == nullptr ? -1 : found[0].terms->numbers.capacity;
  };
  EXPECT_EQ(limit_for("87654321"), 800);
  EXPECT_EQ(limit_for("12345678"), 9000);
  EXPECT_EQ(limit_for("00000000"), -1);
}

TEST(Rules, two_subjects_never_share_a_key) {
  EXPECT_NE(bucket_key("r", {"a|b", "c"}), bucket_key("r", {"a", "b|c"}));
  EXPECT_NE(bucket_key("r", {"a\\", "b"}), bucket_key("r", {"a\\|b"}));
  EXPECT_LT(bucket_key("r", {std::string(100'000, 'x')}).size(), 100u);
}

TEST(Rules, tell_all_faults_at_once_with_line_and_column) {
  const auto set = RuleSet::read(R"(version: 2
rules:
  - name: "a b"
    limit: {amount: -1, period: 1x}
    colour: blue
  - per: [ip]
    limit: {amount: 1000000007, period: 24h}
    unlimited: true
  - name: z
    limit: {algorithm: calendar, amount: 3, zone: Mars}
)");
  ASSERT_FALSE(set);
  std::vector<std::string> found;
  for (const auto& it : set.error().violations) found.push_back(it.field);
  EXPECT_THAT(found, ::testing::UnorderedElementsAre("line 1, column 10", "line 3, column 11", "line 4, column 21",
                                                     "line 4, column 33", "line 5, column 5", "line 6, column 5",
                                                     "line 6, column 5", "line 10, column 12", "line 10, column 51"));
}

TEST(Rules, name_the_field_of_a_limit_that_cannot_be_counted) {
  const auto set = RuleSet::read("rules:\n  - name: a\n    limit: {amount: 999999999989, period: 24h}\n");
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().violations.at(0).field, "line 3, column 21");
  EXPECT_THAT(set.error().violations.at(0).description, HasSubstr("too large"));
}

TEST(Rules, a_policy_of_the_regulator_is_never_allowed_while_the_store_is_away) {
  const auto set = RuleSet::read(
      "rules:\n  - {name: ENTRIES_WRITE, per: [ispb], limit: {amount: 1, period: 1m}, without_store: allow}\n");
  ASSERT_FALSE(set);
  EXPECT_THAT(set.error().message, HasSubstr("ENTRIES_WRITE"));
  EXPECT_FALSE(
      RuleSet::read("rules: [{name: a, limit: {algorithm: fixed_window, amount: 1, period: 1m}, lease: true}]"));
}

TEST(Rules, an_empty_file_is_refused_and_an_empty_list_is_none) {
  EXPECT_FALSE(RuleSet::read(""));
  EXPECT_THAT((*RuleSet::read("rules: []"))->rules(), IsEmpty());
  EXPECT_THAT((*RuleSet::read("rules:\n"))->rules(), IsEmpty());
}

TEST(Yaml, bombs_are_refused_before_they_go_off) {
  std::string laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'k'; ++c)
    laughs +=
        std::string(1, c) + ": &" + c + " [*" + static_cast<char>(c - 1) + ",*" + static_cast<char>(c - 1) + "]\n";
  EXPECT_THAT(RuleSet::read(laughs).error().message, HasSubstr("anchors"));
  EXPECT_THAT(RuleSet::read(std::string(200'000, '[')).error().message, HasSubstr("too deep"));
  EXPECT_THAT(RuleSet::read(std::string(2 << 20, 'x')).error().message, HasSubstr("longer than"));
  std::string many = "rules:\n";
  for (int i = 0; i < 230'000; ++i) many += "- 1\n";
  EXPECT_THAT(RuleSet::read(many).error().message, HasSubstr("too many nodes"));
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  EXPECT_THAT(RuleSet::read(deep).error().message, HasSubstr("too deep"));
  EXPECT_FALSE(RuleSet::read("rules: []\nrules: []\n"));
  EXPECT_FALSE(RuleSet::read("rules: []\n---\nrules: []\n"));
  EXPECT_FALSE(RuleSet::read("rules: [\n"));
  EXPECT_FALSE(RuleSet::read("\xff\xfe\x00"));
}

constexpr std::string_view envoy_example = R"(
domain: messaging
descriptors:
  - key: message_type
    value: marketing
    descriptors:
      - key: to_number
        rate_limit: {unit: day, requests_per_unit: 5}
  - key: to_number
    rate_limit: {unit: minute, requests_per_unit: 100}
    shadow_mode: true
  - key: path
    value: /static*
    rate_limit: {unlimited: true}
  - key: path
    rate_limit: {unit: SECOND, requests_per_unit: 3}
)";

TEST(EnvoyRules, the_path_of_pairs_decides_which_one_rule_applies) {
  const auto set = RuleSet::read_envoy(envoy_example);
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_EQ((*set)->domain(), "messaging");
  const auto one = [&](const Descriptor& it) { return (*set)->match(it); };
  EXPECT_THAT(one({{"message_type", "marketing"}}), IsEmpty());
  EXPECT_THAT(one({{"message_type", "personal"}, {"to_number", "1"}}), IsEmpty());
  const auto nested = one({{"message_type", "marketing"}, {"to_number", "555"}});
  ASSERT_THAT(nested, SizeIs(1));
  EXPECT_EQ(nested[0].terms->limit.algorithm, Algorithm::calendar);
  EXPECT_EQ(nested[0].terms->numbers.capacity, 5);
  EXPECT_NE(nested[0].key, one({{"message_type", "marketing"}, {"to_number", "556"}})[0].key);
  EXPECT_EQ(one({{"to_number", "555"}})[0].rule->weight, Weight::shadow);
  EXPECT_EQ(one({{"path", "/static/logo"}})[0].terms, nullptr);
  EXPECT_EQ(one({{"path", "/api"}})[0].terms->numbers.capacity, 3);
}

TEST(EnvoyRules, tell_faults_with_line_and_column) {
  const auto set = RuleSet::read_envoy(
      "domain: d\ndescriptors:\n  - value: x\n  - key: k\n    rate_limit: {unit: eon, requests_per_unit: 1}\n");
  ASSERT_FALSE(set);
  ASSERT_THAT(set.error().violations, SizeIs(2));
  EXPECT_EQ(set.error().violations[0].field, "line 3, column 5");
  EXPECT_EQ(set.error().violations[1].field, "line 5, column 24");
}

}  // namespace
}  // namespace chaveiro::limits
