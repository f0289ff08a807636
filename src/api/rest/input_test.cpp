#include "api/rest/input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/rest/schemas.h"

namespace chaveiro::api::rest {
namespace {

using testing::Contains;
using testing::Field;

struct Asked {
  std::vector<Parameter> parameters;
  const Schema* body = nullptr;
  net::Request request;

  Input input() const { return Input(FieldRules{}, InputForm{&parameters, body}, request, {}); }
  std::vector<std::string> faulty_fields() const {
    std::vector<std::string> names;
    const auto verdict = input().verdict();
    if (!verdict)
      for (const FieldViolation& fault : verdict.error().violations) names.push_back(fault.field);
    return names;
  }
};

Asked page(std::string target) {
  Asked asked{.parameters = {{.name = "page_size", .schema = &page_size_value()},
                             {.name = "page_token", .schema = &page_token_value()}}};
  asked.request.target = std::move(target);
  return asked;
}

Asked posted(std::string body) {
  Asked asked{.body = &lookup_batch_request_schema()};
  asked.request.method = net::Method::post;
  asked.request.body = std::move(body);
  return asked;
}

using Names = std::vector<std::string>;

TEST(Input, reads_the_query) {
  const Asked asked = page("/x?page_size=7&page_token=a%2Bb");
  const Input in = asked.input();
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(in.integer("page_size"), 7);
  EXPECT_EQ(in.text("page_token"), "a+b");
}

TEST(Input, refuses_what_the_query_should_not_hold) {
  EXPECT_EQ(page("/x?page_size=0").faulty_fields(), Names{"page_size"});
  EXPECT_EQ(page("/x?page_size=201").faulty_fields(), Names{"page_size"});
  EXPECT_EQ(page("/x?page_size=99999999999999999999").faulty_fields(), Names{"page_size"});
  EXPECT_EQ(page("/x?page_size=ten").faulty_fields(), Names{"page_size"});
  EXPECT_EQ(page("/x?page_size=1&page_size=2").faulty_fields(), Names{"page_size"});
  EXPECT_EQ(page("/x?size=1&page_size=-1").faulty_fields(), (Names{"size", "page_size"}));
  EXPECT_EQ(page("/x?page_size=%zz").faulty_fields(), Names{"query"});
}

TEST(Input, reads_members_of_the_body_by_their_path) {
  const Asked asked = posted(R"({"lookups":[{"key_type":"EMAIL","key":"a@b"},{"key_type":"CPF","key":"x"}]})");
  const Input in = asked.input();
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(in.items("lookups"), 2u);
  EXPECT_EQ(in.text("lookups[0].key"), "a@b");
  EXPECT_EQ(in.text("lookups[1].key_type"), "CPF");
  EXPECT_EQ(in.text("lookups[2].key"), std::nullopt);
  EXPECT_EQ(in.text("lookups[0].payer_id"), std::nullopt);
}

TEST(Input, tells_faults_of_form_and_of_meaning_together_and_none_twice) {
  const Asked asked = posted(R"({"lookups":[{"key_type":"MAIL","key":"a@b"},{"key_type":7,"key":"x","colour":1}]})");
  Input in = asked.input();
  in.read("lookups[0].key_type", &Fields::key_type);
  in.read("lookups[1].key_type", &Fields::key_type);
  Names names;
  const auto verdict = in.verdict();
  for (const FieldViolation& fault : verdict.error().violations) names.push_back(fault.field);
  EXPECT_EQ(names, (Names{"lookups[1].key_type", "lookups[1].colour", "lookups[0].key_type"}));
}

TEST(Input, reads_nothing_of_a_body_that_is_no_json) {
  const Asked asked = posted("{\"lookups\":");
  EXPECT_EQ(asked.input().items("lookups"), 0u);
  EXPECT_EQ(asked.faulty_fields(), Names{"lookups"});
}

TEST(Input, wants_no_body_where_the_route_takes_none) {
  Asked asked = posted("{}");
  asked.body = nullptr;
  EXPECT_TRUE(asked.input().ok());
  asked.request.body = R"({"a":1})";
  EXPECT_EQ(asked.faulty_fields(), Names{"a"});
}

TEST(Input, takes_json_and_nothing_else) {
  Asked asked = posted("{}");
  asked.request.headers.add("Content-Type", "Application/JSON; charset=utf-8");
  EXPECT_EQ(asked.faulty_fields(), Names{"lookups"});
  asked.request.headers.set("Content-Type", "text/plain");
  EXPECT_EQ(asked.faulty_fields(), Names{"Content-Type"});
}

}  // namespace
}  // namespace chaveiro::api::rest
