#include "cache/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace chaveiro::cache {
namespace {

using namespace std::chrono_literals;

const KeyBuilder& plain() {
  static const KeyBuilder keys(Secret("installation"), PersonalKeys::plain);
  return keys;
}
const KeyBuilder& hidden() {
  static const KeyBuilder keys(Secret("installation"), PersonalKeys::hidden);
  return keys;
}

TEST(Keys, are_spelled_to_the_letter_with_their_times) {
  const auto expect = [](const CacheKey& key, std::string_view wire, Micros ttl) {
    EXPECT_EQ(key.wire, wire);
    EXPECT_EQ(key.ttl, ttl) << wire;
  };
  expect(plain().entry_by_id("7"), "dict:entry:id:7", 5min);
  expect(plain().entry_by_key("CPF", "12345678909"), "dict:entry:key:CPF:12345678909", 5min);
  expect(plain().account_by_id("7"), "dict:account:id:7", 10min);
  expect(plain().claim_by_id("7"), "dict:claim:id:7", 1min);
  expect(plain().claim_status("7"), "dict:claim:status:7", 1min);
  expect(plain().claims_of_entry("7"), "dict:claim:index:entry:7", 1min);
  expect(plain().workflow_status("7"), "workflow:claim:7:status", 30s);
  expect(plain().workflow_metadata("7"), "workflow:claim:7:metadata", 24h * 30);
  expect(plain().idempotency("r"), "bridge:idempotency:r", 24h);
}

TEST(Keys, take_their_times_from_the_options) {
  const KeyBuilder keys(Secret("installation"), PersonalKeys::plain, {.entry = 7s, .account = 8s, .claim = 9s});
  EXPECT_EQ(keys.entry_by_id("1").ttl, 7s);
  EXPECT_EQ(keys.entry_by_key("EVP", "1").ttl, 7s);
  EXPECT_EQ(keys.account_by_id("1").ttl, 8s);
  EXPECT_EQ(keys.claim_status("1").ttl, 9s);
}

TEST(Keys, find_the_wire_name_of_what_people_write) {
  const std::string wire = hidden().entry_by_key("CPF", "12345678909").wire;
  EXPECT_EQ(hidden().wire_of("dict:entry:key:CPF:12345678909"), wire);
  EXPECT_EQ(hidden().wire_of(wire), wire);
  EXPECT_EQ(hidden().wire_of("dict:entry:id:7"), "dict:entry:id:7");
  EXPECT_EQ(plain().wire_of("dict:entry:key:CPF:12345678909"), "dict:entry:key:CPF:12345678909");
}

TEST(Keys, hide_personal_values_on_the_wire) {
  for (const auto& [type, value] : {std::pair{"CPF", "12345678909"}, {"PHONE", "+5511987654321"}, {"EMAIL", "a@b.c"}}) {
    const std::string wire = hidden().entry_by_key(type, value).wire;
    EXPECT_THAT(wire, testing::MatchesRegex("dict:entry:key:" + std::string(type) + ":[0-9a-f]+"));
    EXPECT_THAT(wire, testing::Not(testing::HasSubstr(value)));
    EXPECT_EQ(wire, hidden().entry_by_key(type, value).wire);
    EXPECT_NE(wire, KeyBuilder(Secret("another"), PersonalKeys::hidden).entry_by_key(type, value).wire);
  }
  EXPECT_EQ(hidden().entry_by_key("CNPJ", "12345678000195").wire, "dict:entry:key:CNPJ:12345678000195");
  const Digest256 expected = hmac_sha256("installation", "CPF:12345678909");
  EXPECT_EQ(hidden().entry_by_key("CPF", "12345678909").wire, "dict:entry:key:CPF:" + to_hex(expected).substr(0, 32));
  EXPECT_THAT(hidden().entry_by_key("NEW", "secret").wire, testing::Not(testing::HasSubstr("secret")));
}

TEST(Keys, put_a_value_and_its_fence_into_one_slot) {
  EXPECT_EQ(KeyBuilder::fence_of("dict:entry:id:7"), "{dict:entry:id:7}:fence");
}

}  // namespace
}  // namespace chaveiro::cache
