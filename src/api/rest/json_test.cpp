#include "api/rest/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace chaveiro::api::rest {
namespace {

std::vector<FieldViolation> faults_of(std::string_view text, const JsonLimits& limits = {}) {
  const auto parsed = parse_json(text, limits);
  EXPECT_FALSE(parsed) << text;
  if (parsed) return {};
  EXPECT_EQ(parsed.error().code, Code::invalid);
  EXPECT_EQ(parsed.error().reason, "BadRequest");
  return parsed.error().violations;
}

TEST(Json, reads_every_kind_of_value_and_writes_it_back) {
  const std::string text = R"({"a":null,"b":true,"c":-12,"d":1.5,"e":"João","f":[1,[],{}],"g":{"h":"x"}})";
  const auto parsed = parse_json(text);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(to_text(*parsed), text);
  EXPECT_EQ(*parsed->find("c")->integer(), -12);
  EXPECT_EQ(*parsed->find("g")->find("h")->text(), "x");
  EXPECT_EQ(parsed->find("z"), nullptr);
}

TEST(Json, escapes_what_json_cannot_hold) {
  EXPECT_EQ(JsonWriter()
                .text("a\"\\\n\x01"
                      "b")
                .take(),
            R"("a\"\\\n\u0001b")");
  EXPECT_EQ(JsonWriter().text("x\xff\xc3").take(), "\"x\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(Json, names_the_place_of_a_name_that_stands_twice) {
  const auto faults = faults_of(R"({"owner":{"name":"a","tax_id":"1","name":"b"},"l":[{"k":1},{"k":1,"k":2}]})");
  EXPECT_EQ(faults, (std::vector<FieldViolation>{{"owner.name", "stands twice"}, {"l[1].k", "stands twice"}}));
}

TEST(Json, names_the_number_that_is_out_of_range) {
  for (const std::string_view number :
       {"9223372036854775808", "-9223372036854775809", "1e400", "123456789012345678901234567890"})
    EXPECT_EQ(faults_of(R"({"page":{"size":)" + std::string(number) + "}}").at(0).field, "page.size") << number;
}

TEST(Json, names_the_body_where_the_number_stands_alone) {
  EXPECT_EQ(faults_of("01").at(0).field, "body");
  EXPECT_EQ(faults_of("11111111111111111111111111").at(0).field, "body");
}

TEST(Json, reads_what_it_has_written) {
  for (const std::string_view text : {"11.111011111111111111111111111", "1e-7", "0.1", "123456789.125", "5e-324"}) {
    const std::string written = to_text(parse_json(text).value());
    EXPECT_EQ(to_text(parse_json(written).value()), written) << text;
  }
}

TEST(Json, writes_no_negative_zero) { EXPECT_EQ(to_text(parse_json("[-0.0,-0]").value()), "[0,0]"); }

TEST(Json, names_the_field_that_is_no_utf_8) {
  for (const std::string bytes : {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    const auto faults = faults_of(R"({"key_type":"EMAIL","key":"a)" + bytes + "\"}");
    ASSERT_EQ(faults.size(), 1u);
    EXPECT_EQ(faults[0].field, "key");
    EXPECT_THAT(faults[0].description, testing::HasSubstr("is not UTF-8 (line 1, column"));
  }
}

TEST(Json, tells_where_the_syntax_breaks) {
  EXPECT_THAT(faults_of("{\n  \"a\": tru\n}").at(0).description, testing::HasSubstr("line 2"));
  EXPECT_THAT(faults_of("{\"a\":1").at(0).description, testing::HasSubstr("ends too early"));
  EXPECT_THAT(faults_of("{} {}").at(0).description, testing::HasSubstr("goes on"));
  EXPECT_THAT(faults_of("").at(0).description, testing::HasSubstr("ends too early"));
  EXPECT_EQ(faults_of("").at(0).field, "body");
  for (const std::string_view text :
       {"{a:1}", "[1,]", "{\"a\":01}", "// c\n{}", "\xef\xbb\xbf{}", "{\"a\":\"\t\"}", "NaN", "{\"a\":\"\\ud800\"}"})
    faults_of(text);
}

TEST(Json, bounds_depth_values_and_names) {
  EXPECT_THAT(faults_of(std::string(100'000, '[')).at(0).description, testing::HasSubstr("deeper than 16"));
  std::string many = "[0";
  for (int i = 0; i < 30'000; ++i) many += ",0";
  EXPECT_THAT(faults_of(many + "]").at(0).description, testing::HasSubstr("more than 20000 values"));
  std::string names = "{";
  for (int i = 0; i < 300; ++i) names += "\"n" + std::to_string(i) + "\":0,";
  EXPECT_THAT(faults_of(names + "\"z\":0}").at(0).description, testing::HasSubstr("more than 200 names"));
  EXPECT_THAT(faults_of("{\"" + std::string(1000, 'a') + "\":0}").at(0).description, testing::HasSubstr("256 bytes"));
}

TEST(Json, never_repeats_a_value_in_a_message) {
  for (const auto& fault : faults_of(R"({"key":"12345678909","key":"98765432100","x":99999999999999999999})"))
    EXPECT_THAT(fault.description, testing::Not(testing::ContainsRegex("[0-9]{5}")));
}

}  // namespace
}  // namespace chaveiro::api::rest
