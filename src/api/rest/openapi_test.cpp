#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "api/chain.h"
#include "api/rest/route.h"
#include "api/rest/schemas.h"
#include "base/text.h"
#include "tests/rest/openapi_checker.h"

namespace chaveiro::api::rest {
namespace {

using rest_test::OpenApi;

const OpenApi& document() {
  static const OpenApi read{openapi_document()};
  return read;
}

const Json& operation_of(const Route& route) {
  return document().at({"paths", route.path, lower_ascii(to_string(route.method))});
}

TEST(OpenApi, is_version_3_1_and_names_itself) {
  EXPECT_EQ(*document().at({"openapi"}).text(), "3.1.0");
  EXPECT_FALSE(document().at({"info", "title"}).is_null());
  EXPECT_FALSE(document().at({"info", "version"}).is_null());
}

TEST(OpenApi, holds_every_route_and_nothing_else) {
  std::size_t operations = 0;
  for (const JsonMember& path : *document().at({"paths"}).object()) operations += path.value.object()->size();
  EXPECT_EQ(operations, routes().size());
  for (const Route& route : routes()) {
    const Json* id = operation_of(route).find("operationId");
    ASSERT_NE(id, nullptr) << route.path;
    EXPECT_EQ(*id->text(), route.says.operation);
  }
}

TEST(OpenApi, has_no_reference_that_leads_nowhere) {
  const auto references = document().references();
  EXPECT_GT(references.size(), 100u);
  for (const std::string& reference : references) EXPECT_NE(document().follow(reference), nullptr) << reference;
}

// Examples of requests, answers and problems, wherever the document holds one beside a schema.
void check_examples(const Json& value, const std::string& path, std::size_t& checked) {
  if (const Json* example = value.find("example"))
    if (const Json* schema = value.find("schema")) {
      EXPECT_THAT(document().faults(*example, *schema, path), testing::IsEmpty());
      ++checked;
    }
  if (const auto* object = value.object())
    for (const JsonMember& member : *object) check_examples(member.value, path + "/" + member.name, checked);
}

TEST(OpenApi, has_examples_that_fit_their_schemas) {
  std::size_t checked = 0;
  check_examples(document().document(), "#", checked);
  EXPECT_GT(checked, 60u);
}

TEST(OpenApi, says_of_each_operation_who_may_call_it) {
  for (const Route& route : routes()) {
    const Json* roles = operation_of(route).find("x-roles");
    EXPECT_EQ(roles != nullptr, route.permission.has_value()) << route.says.operation;
    EXPECT_TRUE(!roles || !roles->list()->empty()) << route.says.operation;
    EXPECT_EQ(operation_of(route).find("security")->list()->empty(), !route.permission) << route.says.operation;
  }
}

TEST(OpenApi, declares_every_parameter_of_a_path) {
  for (const Route& route : routes()) {
    std::set<std::string> declared;
    for (const Parameter& parameter : route.parameters)
      if (parameter.place == Place::path) declared.insert("{" + std::string(parameter.name) + "}");
    std::set<std::string> used;
    for (std::size_t at = route.path.find('{'); at != std::string_view::npos; at = route.path.find('{', at + 1))
      used.insert(std::string(route.path.substr(at, route.path.find('}', at) - at + 1)));
    EXPECT_EQ(declared, used) << route.path;
  }
}

TEST(Routes, are_whole) {
  std::set<std::string_view> ids;
  const std::vector<std::string>& counted = operation_names();
  for (const Route& route : routes()) {
    EXPECT_TRUE(ids.insert(route.says.operation).second) << route.says.operation << " stands twice";
    EXPECT_FALSE(route.says.summary.empty()) << route.says.operation;
    EXPECT_FALSE(route.says.tag.empty()) << route.says.operation;
    EXPECT_NE(route.work.handle == nullptr, route.work.stream == nullptr) << route.says.operation;
    EXPECT_TRUE(route.response || route.work.stream || route.says.tag == "Documentation") << route.says.operation;
    const auto label = route.says.counted_as.empty() ? route.says.operation : route.says.counted_as;
    EXPECT_THAT(counted, testing::Contains(std::string(label)));
  }
}

// No parameter, in path or query, whose value could be a personal key or a tax id.
TEST(Routes, let_no_personal_key_into_a_url) {
  const std::set<std::string_view> harmless{
      "id",        "page_size", "page_token", "account_id", "key_type", "status", "resource_id", "actor",
      "operation", "from",      "until",      "format",     "topic",    "limit",  "reveal",      "subscription"};
  for (const Route& route : routes())
    for (const Parameter& parameter : route.parameters)
      EXPECT_TRUE(parameter.place == Place::header || harmless.contains(parameter.name)) << route.path;
}

TEST(Schemas, list_the_enum_texts_of_the_domain) {
  const auto all = [](const Schema& schema, auto parse) {
    for (const std::string_view value : schema.values) EXPECT_TRUE(parse(value)) << value;
  };
  all(key_type_value(), directory::key_type_of);
  all(entry_status_value(), directory::entry_status_of);
  all(claim_status_value(), directory::claim_status_of);
  EXPECT_EQ(key_type_value().values.size(), 5u);
  EXPECT_EQ(entry_status_value().values.size(), 4u);
  EXPECT_EQ(claim_status_value().values.size(), 5u);
}

}  // namespace
}  // namespace chaveiro::api::rest
