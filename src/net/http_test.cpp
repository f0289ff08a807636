#include "net/http.h"

#include <gmock/gmock.h>

namespace chaveiro::net {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(Headers, finds_names_in_any_case_and_keeps_the_order) {
  Headers headers{{"Content-Type", "a"}, {"X-One", "1"}, {"x-one", "2"}};
  EXPECT_EQ(headers.get("content-type"), "a");
  EXPECT_EQ(headers.get("X-ONE"), "1");
  EXPECT_EQ(headers.count("x-One"), 2u);
  EXPECT_EQ(headers[2].name, "x-one");
  EXPECT_FALSE(headers.find("Content").has_value());
}

TEST(Headers, refuses_what_would_end_its_line) {
  Headers headers;
  EXPECT_FALSE(headers.add("X", "a\r\nSet-Cookie: b"));
  EXPECT_FALSE(headers.add("X", std::string_view("\0", 1)));
  EXPECT_FALSE(headers.add("X:", "a"));
  EXPECT_FALSE(headers.add("", "a"));
  EXPECT_FALSE(headers.set("X\n", "a"));
  EXPECT_TRUE(headers.empty());
}

TEST(Headers, are_bounded) {
  Headers headers;
  for (std::size_t i = 0; i < Headers::fields_max; ++i) ASSERT_TRUE(headers.add("a", "b"));
  EXPECT_FALSE(headers.add("a", "b"));
  Headers wide;
  EXPECT_FALSE(wide.add("a", std::string(Headers::bytes_max, 'x')));
  EXPECT_TRUE(wide.add("a", std::string(Headers::bytes_max - 1, 'x')));
}

TEST(Headers, set_replaces_all_fields_of_the_name_even_by_a_view_of_themselves) {
  Headers headers{{"A", "1"}, {"B", "2"}, {"a", "3"}};
  EXPECT_TRUE(headers.set("a", headers.get("B")));
  EXPECT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers.get("A"), "2");
  headers.remove("b");
  EXPECT_EQ(headers.size(), 1u);
}

TEST(Headers, know_the_members_of_a_list) {
  Headers headers{{"Accept-Encoding", "br;q=1.0, GZIP ; q=0.5"}, {"Accept-Encoding", "zstd"}};
  EXPECT_TRUE(headers.lists("accept-encoding", "gzip"));
  EXPECT_TRUE(headers.lists("accept-encoding", "zstd"));
  EXPECT_FALSE(headers.lists("accept-encoding", "zip"));
}

TEST(Query, is_decoded_in_its_order) {
  const auto parameters = parse_query("a=1&b=x%20y+z&a=%C3%A7&empty=&bare");
  ASSERT_TRUE(parameters);
  EXPECT_THAT(parameters->items(),
              ElementsAre(Pair("a", "1"), Pair("b", "x y z"), Pair("a", "ç"), Pair("empty", ""), Pair("bare", "")));
  EXPECT_THAT(parameters->all("a"), ElementsAre("1", "ç"));
  EXPECT_EQ(parameters->find("b"), "x y z");
  EXPECT_FALSE(parameters->find("c").has_value());
}

TEST(Query, refuses_what_is_not_clear) {
  for (const std::string_view bad : {"a=%", "a=%2", "a=%zz", "=1", "a=1&&b=2", "a=%00", "a=%0A", "a=%FF", "a=%C0%AF"}) {
    EXPECT_FALSE(parse_query(bad)) << bad;
  }
  std::string many = "a=1";
  for (int i = 0; i < 100; ++i) many += "&a=1";
  EXPECT_FALSE(parse_query(many));
}

TEST(Query, comes_back_from_its_own_text) {
  Parameters parameters;
  parameters.add("a b", "=&+%");
  parameters.add("ç", "");
  const auto again = parse_query(format_query(parameters));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->items(), parameters.items());
}

TEST(Percent, leaves_only_unreserved_characters) {
  EXPECT_EQ(percent_encode("aZ09-._~/ +"), "aZ09-._~%2F%20%2B");
  EXPECT_EQ(*percent_decode("a%2Fb+c"), "a/b+c");
  EXPECT_FALSE(percent_decode("%4"));
}

TEST(Url, is_split_into_origin_and_target) {
  const auto url = parse_url("https://dict.example:8443/api/v2?x=1");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->origin, (Origin{true, "dict.example", 8443}));
  EXPECT_EQ(url->target, "/api/v2?x=1");
  EXPECT_EQ(parse_url("http://a?b")->target, "/?b");
  EXPECT_EQ(parse_url("http://a")->origin.authority(), "a");
  EXPECT_EQ(parse_url("http://[::1]:81/")->origin.authority(), "[::1]:81");
}

TEST(Url, refuses_what_it_would_not_connect_to) {
  for (const std::string_view bad :
       {"ftp://a", "a", "http://", "http://a:0", "http://a:65536", "http://a:x", "http://a b", "http://u:p@a/",
        "http://a/#f", "http://[::1", "http://[x]/", "http://a:"}) {
    EXPECT_FALSE(parse_url(bad)) << bad;
  }
}

TEST(Method, is_exact) {
  EXPECT_EQ(method_from("GET"), Method::get);
  EXPECT_EQ(method_from("get"), std::nullopt);
  EXPECT_EQ(to_string(Method::del), "DELETE");
  EXPECT_TRUE(is_idempotent(Method::put));
  EXPECT_FALSE(is_idempotent(Method::post));
  EXPECT_FALSE(is_safe(Method::del));
}

TEST(Problem, is_json_whatever_the_detail_holds) {
  const Response response = problem_response(404, "NotFound", "no \"x\"\n");
  EXPECT_EQ(response.headers.get("Content-Type"), "application/problem+json");
  EXPECT_EQ(response.body,
            R"({"type":"urn:chaveiro:error:NotFound","title":"Not Found","status":404,"detail":"no \"x\"\n"})");
}

}  // namespace
}  // namespace chaveiro::net
