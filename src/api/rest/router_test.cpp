#include "api/rest/router.h"

#include <gtest/gtest.h>

namespace chaveiro::api::rest {
namespace {

using net::Method;

Route route(Method method, std::string_view path) {
  Route made;
  made.method = method;
  made.path = path;
  return made;
}

const std::vector<Route>& table() {
  static const std::vector<Route> routes{route(Method::get, "/"), route(Method::get, "/claims/{id}"),
                                         route(Method::patch, "/claims/{id}"), route(Method::get, "/claims/incoming"),
                                         route(Method::post, "/claims/{id}/confirm")};
  return routes;
}

TEST(Router, finds_a_path_and_decodes_its_values) {
  const Match match = Router(table()).find(Method::post, "/claims/a%2Fb/confirm");
  ASSERT_NE(match.route, nullptr);
  EXPECT_EQ(match.route->path, "/claims/{id}/confirm");
  ASSERT_EQ(match.values.size(), 1u);
  EXPECT_EQ(match.values[0].first, "id");
  EXPECT_EQ(match.values[0].second, "a/b");
}

TEST(Router, prefers_the_literal_segment) {
  EXPECT_EQ(Router(table()).find(Method::get, "/claims/incoming").route->path, "/claims/incoming");
  EXPECT_EQ(Router(table()).find(Method::get, "/claims/other").route->path, "/claims/{id}");
}

TEST(Router, says_which_methods_a_path_takes) {
  const Router router(table());
  EXPECT_EQ(router.find(Method::del, "/claims/1").allow, "GET, HEAD, PATCH, OPTIONS");
  EXPECT_EQ(router.find(Method::del, "/claims/1").route, nullptr);
  EXPECT_EQ(router.find(Method::patch, "/claims/incoming").allow, "GET, HEAD, OPTIONS");
  EXPECT_EQ(router.find(Method::head, "/claims/1").route->method, Method::get);
}

TEST(Router, knows_no_other_path) {
  const Router router(table());
  for (const std::string_view path :
       {"", "*", "claims", "/claims", "/claims/", "/claims//confirm", "/claims/1/", "//", "/nothing"})
    EXPECT_EQ(router.find(Method::get, path).allow, "") << path;
  EXPECT_EQ(router.find(Method::get, "/claims/" + std::string(5'000, 'a')).allow, "");
  EXPECT_NE(router.find(Method::get, "/").route, nullptr);
}

}  // namespace
}  // namespace chaveiro::api::rest
