#include "api/page_token.h"

#include <gtest/gtest.h>

namespace chaveiro::api {
namespace {

using namespace std::chrono_literals;

directory::Ispb ispb(std::string_view text) { return directory::Ispb::parse(text).value(); }

struct PageToken : testing::Test {
  ManualClock clock;
  PageTokens tokens{Secret("an installation's key"), clock};
  directory::EntryFilter filter{.ispb = ispb("12345678")};
  directory::Position position{clock.now() - 5h, uuid_v4()};

  std::string reason_of(const PageScope& scope, std::string_view token) {
    const auto read = tokens.read(scope, token);
    if (read) return "";
    EXPECT_EQ(read.error().code, Code::invalid);
    EXPECT_EQ(read.error().violations.at(0).field, "page_token");
    return read.error().reason;
  }
};

TEST_F(PageToken, brings_back_where_the_page_ended) {
  const std::string token = tokens.make(page_scope(filter), position);
  const auto read = tokens.read(page_scope(filter), token);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, position);
}

TEST_F(PageToken, every_changed_character_is_noticed) {
  const std::string token = tokens.make(page_scope(filter), position);
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string forged = token;
    forged[i] = forged[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(reason_of(page_scope(filter), forged), "PageTokenInvalid") << i;
  }
}

TEST_F(PageToken, every_truncation_is_noticed) {
  const std::string token = tokens.make(page_scope(filter), position);
  for (std::size_t length = 0; length < token.size(); ++length)
    EXPECT_EQ(reason_of(page_scope(filter), token.substr(0, length)), "PageTokenInvalid");
  EXPECT_EQ(reason_of(page_scope(filter), token + "A"), "PageTokenInvalid");
}

TEST_F(PageToken, cannot_be_carried_to_another_filter_list_or_participant) {
  const std::string token = tokens.make(page_scope(filter), position);
  directory::EntryFilter other = filter;
  other.key_type = directory::KeyType::cpf;
  EXPECT_EQ(reason_of(page_scope(other), token), "PageTokenInvalid");
  other = filter;
  other.ispb = ispb("87654321");
  EXPECT_EQ(reason_of(page_scope(other), token), "PageTokenInvalid");
  other = filter;
  other.accounts.emplace();
  EXPECT_EQ(reason_of(page_scope(other), token), "PageTokenInvalid");
  EXPECT_EQ(reason_of(page_scope(directory::AccountFilter{.ispb = filter.ispb}), token), "PageTokenInvalid");
  const directory::ClaimFilter incoming{.ispb = filter.ispb, .role = directory::ClaimRole::donor};
  const directory::ClaimFilter outgoing{.ispb = filter.ispb, .role = directory::ClaimRole::claimer};
  EXPECT_EQ(reason_of(page_scope(outgoing), tokens.make(page_scope(incoming), position)), "PageTokenInvalid");
}

TEST_F(PageToken, of_another_installation_is_refused) {
  const PageTokens others{Secret("another installation's key"), clock};
  EXPECT_EQ(reason_of(page_scope(filter), others.make(page_scope(filter), position)), "PageTokenInvalid");
}

TEST_F(PageToken, holds_for_a_day) {
  const std::string token = tokens.make(page_scope(filter), position);
  clock.advance(24h);
  EXPECT_EQ(reason_of(page_scope(filter), token), "");
  clock.advance(2s);
  EXPECT_EQ(reason_of(page_scope(filter), token), "PageTokenExpired");
}

TEST_F(PageToken, endless_page_sizes_are_refused_by_name) {
  for (const std::int64_t size : {std::int64_t{-1}, std::int64_t{201}, INT64_MAX, INT64_MIN}) {
    const auto page = tokens.request(page_scope(filter), size, "");
    ASSERT_FALSE(page);
    EXPECT_EQ(page.error().violations.at(0).field, "page_size");
  }
  EXPECT_EQ(tokens.request(page_scope(filter), 0, "")->limit, 20u);
  EXPECT_EQ(tokens.request(page_scope(filter), 200, "")->limit, 200u);
}

}  // namespace
}  // namespace chaveiro::api
