#include "base/uuid.h"

#include <gtest/gtest.h>

#include <thread>
#include <unordered_set>
#include <vector>

namespace chaveiro {
namespace {

using namespace std::chrono_literals;

constexpr UtcTime noon{std::chrono::seconds{1'767'268'800}};

Uuid uuid(std::string_view text) { return Uuid::parse(text).value(); }

TEST(Uuid, reads_what_it_writes_in_lower_case) {
  EXPECT_EQ(to_string(uuid("0190A5B0-7C3E-7B1A-9F00-2F3A4B5C6D7E")), "0190a5b0-7c3e-7b1a-9f00-2f3a4b5c6d7e");
  EXPECT_EQ(to_string(Uuid{}), "00000000-0000-0000-0000-000000000000");
  EXPECT_TRUE(uuid("00000000-0000-0000-0000-000000000000").is_nil());
  EXPECT_EQ(uuid("0190a5b0-7c3e-7b1a-9f00-2f3a4b5c6d7e").bytes()[15], 0x7e);
}

TEST(Uuid, refuses_every_other_spelling_without_repeating_it) {
  for (const char* text : {"", "0190a5b07c3e7b1a9f002f3a4b5c6d7e", "{0190a5b0-7c3e-7b1a-9f00-2f3a4b5c6d7e}",
                           "0190a5b0-7c3e-7b1a-9f00-2f3a4b5c6d7", "0190a5b0-7c3e-7b1a-9f00-2f3a4b5c6d7e0",
                           "0190a5b0-7c3e-7b1a-9f00-2f3a4b5c6d7g", "0190a5b07-c3e-7b1a-9f00-2f3a4b5c6d7e",
                           "-190a5b0-7c3e-7b1a-9f00-2f3a4b5c6d7e", " 190a5b0-7c3e-7b1a-9f00-2f3a4b5c6d7e"}) {
    const auto result = Uuid::parse(text);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().code, Code::invalid);
    if (*text != '\0') {
      EXPECT_EQ(result.error().message.find(text), std::string::npos) << text;
    }
  }
}

TEST(Uuid, version_5_gives_the_published_example) {
  const Uuid dns = uuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  EXPECT_EQ(to_string(uuid_v5(dns, "www.example.com")), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
  EXPECT_EQ(uuid_v5(dns, "x").version(), 5);
  EXPECT_NE(uuid_v5(dns, "x"), uuid_v5(uuid_v5(dns, "x"), "x"));
}

TEST(Uuid, version_4_is_marked_and_never_repeats) {
  std::unordered_set<Uuid> seen;
  for (int i = 0; i < 5'000; ++i) {
    const Uuid made = uuid_v4();
    ASSERT_EQ(made.version(), 4);
    ASSERT_EQ(made.bytes()[8] & 0xc0, 0x80);
    ASSERT_TRUE(seen.insert(made).second);
  }
}

TEST(UuidV7, carries_its_moment_and_grows_inside_a_millisecond) {
  UuidV7 ids;
  Uuid last = ids.make(noon);
  EXPECT_EQ(last.version(), 7);
  EXPECT_EQ(time_of(last), noon);
  for (int i = 0; i < 10'000; ++i) {
    const Uuid next = ids.make(noon);
    ASSERT_LT(last, next);
    ASSERT_LT(to_string(last), to_string(next));
    last = next;
  }
  EXPECT_LE(time_of(last) - noon, 3ms) << "10,000 ids in one millisecond borrow at most three";
}

TEST(UuidV7, keeps_growing_while_the_clock_steps_back) {
  UuidV7 ids;
  const Uuid before = ids.make(noon);
  EXPECT_LT(before, ids.make(noon - 1h));
  EXPECT_LT(before, ids.make(UtcTime{-5s}));
  const Uuid later = ids.make(noon + 1s);
  EXPECT_EQ(time_of(later), noon + 1s);
}

TEST(UuidV7, gives_each_thread_its_own_growing_ids) {
  UuidV7 ids;
  std::vector<std::vector<Uuid>> made(4);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : made) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1'000; ++i) mine.push_back(ids.make(noon));
      });
    }
  }
  std::unordered_set<std::uint64_t> heads;
  for (const auto& mine : made) {
    EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
    for (const Uuid& id : mine) {
      std::uint64_t head;
      std::memcpy(&head, id.bytes().data(), 8);
      EXPECT_TRUE(heads.insert(head).second) << "two ids share time and counter";
    }
  }
}

}  // namespace
}  // namespace chaveiro
