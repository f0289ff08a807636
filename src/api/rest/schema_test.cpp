#include "api/rest/schema.h"

#include <gtest/gtest.h>

#include "api/rest/schemas.h"

namespace chaveiro::api::rest {
namespace {

std::vector<FieldViolation> faults_of(std::string_view text, const Schema& schema) {
  const auto value = parse_json(text);
  EXPECT_TRUE(value) << text;
  return value ? check_shape(*value, schema) : std::vector<FieldViolation>{};
}

const Schema& order_schema() {
  static const Schema name{.length_min = 1, .length_max = 3};
  static const Schema size{.shape = Shape::integer, .minimum = 1, .maximum = 9};
  static const Schema flag{.shape = Shape::boolean};
  static const Schema inner = object("", {must("name", name), may_or_null("nick", name)});
  static const Schema many = list_of(inner, 2);
  static const Schema schema =
      object("Order", {must("size", size), may("flag", flag), may("inner", inner), may("many", many)});
  return schema;
}

using Faults = std::vector<FieldViolation>;

TEST(Schema, lets_through_what_fits) {
  EXPECT_EQ(faults_of(R"({"size":1})", order_schema()), Faults{});
  EXPECT_EQ(faults_of(R"({"size":9,"flag":true,"inner":{"name":"abc","nick":null},"many":[]})", order_schema()),
            Faults{});
}

TEST(Schema, tells_every_fault_with_its_path) {
  EXPECT_EQ(
      faults_of(R"({"flag":"yes","inner":{"nick":7,"color":1},"many":[{"name":""},3],"extra":{}})", order_schema()),
      (Faults{{"flag", "must be true or false"},
              {"inner.nick", "must be a text"},
              {"inner.color", "is not a known field"},
              {"inner.name", "is missing"},
              {"many[0].name", "must not be empty"},
              {"many[1]", "must be an object"},
              {"extra", "is not a known field"},
              {"size", "is missing"}}));
}

TEST(Schema, bounds_numbers_texts_and_lists) {
  EXPECT_EQ(faults_of(R"({"size":0})", order_schema()), (Faults{{"size", "must be at least 1"}}));
  EXPECT_EQ(faults_of(R"({"size":10})", order_schema()), (Faults{{"size", "must be at most 9"}}));
  EXPECT_EQ(faults_of(R"({"size":1.0})", order_schema()), (Faults{{"size", "must be a whole number"}}));
  EXPECT_EQ(faults_of(R"({"size":1,"inner":{"name":"açãõ"}})", order_schema()),
            (Faults{{"inner.name", "must have at most 3 characters"}}));
  EXPECT_EQ(faults_of(R"({"size":1,"inner":{"name":"açã"}})", order_schema()), Faults{});
  EXPECT_EQ(faults_of(R"({"size":1,"many":[{},{},{}]})", order_schema()),
            (Faults{{"many", "must have at most 2 items"}}));
}

TEST(Schema, refuses_null_where_it_has_no_meaning) {
  EXPECT_EQ(faults_of(R"({"size":null})", order_schema()), (Faults{{"size", "must be a whole number"}}));
}

TEST(Schema, names_the_body_when_it_is_no_object_at_all) {
  EXPECT_EQ(faults_of("[]", order_schema()), (Faults{{"body", "must be an object"}}));
}

TEST(Schema, bounds_the_faults_that_it_tells) {
  std::string text = "{";
  for (int i = 0; i < 199; ++i) text += "\"x" + std::to_string(i) + "\":1,";
  EXPECT_EQ(faults_of(text + "\"size\":1}", order_schema()).size(), 100u);
}

TEST(Schema, cuts_a_long_unknown_name_short) {
  const auto faults = faults_of("{\"size\":1,\"" + std::string(200, 'z') + "\":1}", order_schema());
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].field.size(), 64u);
}

TEST(Schemas, have_examples_that_fit_themselves) {
  for (const Schema* schema :
       {&create_entry_schema(), &entry_list_schema(), &create_account_schema(), &claim_schema(), &lookup_schema(),
        &lookup_batch_request_schema(), &statistics_schema(), &audit_list_schema(), &health_schema(), &problem_schema(),
        &revocation_list_schema(), &audit_verification_schema()})
    EXPECT_EQ(faults_of(example_of(*schema), *schema), Faults{}) << schema->name;
}

}  // namespace
}  // namespace chaveiro::api::rest
