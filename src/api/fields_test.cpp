#include "api/fields.h"

#include <gtest/gtest.h>

namespace chaveiro::api {
namespace {

using directory::KeyType;

struct FieldsTest : testing::Test {
  Fields fields{FieldRules{}};
  std::string description_of_only_fault() {
    const auto verdict = fields.verdict();
    if (verdict || verdict.error().violations.size() != 1) return "";
    return verdict.error().violations[0].description;
  }
};

TEST_F(FieldsTest, keys_are_taken_as_people_write_them) {
  EXPECT_EQ(fields.key("key", KeyType::cpf, "123.456.789-09")->value(), "12345678909");
  EXPECT_EQ(fields.key("key", KeyType::email, "Joana@Example.com")->value(), "joana@example.com");
  EXPECT_EQ(fields.key("key", KeyType::phone, "+55 (11) 98765-4321")->value(), "+5511987654321");
  EXPECT_TRUE(fields.verdict());
}

TEST_F(FieldsTest, control_and_full_width_characters_in_keys_are_refused_without_repeating_them) {
  fields.key("key", KeyType::cpf, std::string_view("1234567890\0009", 12));
  fields.key("key", KeyType::cpf, "１２３４５６７８９０９");
  fields.key("key", KeyType::email, "a\nb@example.com");
  const auto verdict = fields.verdict();
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().violations.size(), 3u);
  EXPECT_EQ(verdict.error().reason, "EntryInvalid");
  EXPECT_EQ(verdict.error().message.find("example.com"), std::string::npos);
}

TEST_F(FieldsTest, all_faults_are_told_at_once_by_field) {
  fields.entry_id("key_id", "nonsense");
  fields.key_type("key_type", "cpf");
  fields.account_id("account_id", "");
  const auto verdict = fields.verdict();
  ASSERT_FALSE(verdict);
  ASSERT_EQ(verdict.error().violations.size(), 3u);
  EXPECT_EQ(verdict.error().violations[0].field, "key_id");
  EXPECT_EQ(verdict.error().violations[1].field, "key_type");
  EXPECT_EQ(verdict.error().violations[2].description, "is required");
  EXPECT_EQ(verdict.error().reason, "BadRequest");
}

TEST_F(FieldsTest, a_request_id_is_a_uuid_of_version_4) {
  EXPECT_FALSE(fields.may_request_id("request_id", ""));
  EXPECT_TRUE(fields.ok());
  EXPECT_TRUE(fields.may_request_id("request_id", "7f1d9c1e-5b0a-4f3e-9c55-0d6d3c1f2a11"));
  EXPECT_FALSE(fields.may_request_id("request_id", "7f1d9c1e-5b0a-7f3e-9c55-0d6d3c1f2a11"));
  EXPECT_EQ(description_of_only_fault(), "is not a UUID of version 4");
}

TEST_F(FieldsTest, dates_beyond_range_are_refused) {
  EXPECT_TRUE(fields.time("at", 0, 0));
  EXPECT_TRUE(fields.time("at", -2'208'988'800, 0));  // 1900-01-01
  EXPECT_TRUE(fields.ok());
  EXPECT_FALSE(fields.time("at", -2'208'988'801, 0));
  EXPECT_FALSE(fields.time("at", INT64_MAX, 0));
  EXPECT_FALSE(fields.time("at", INT64_MIN, 0));
  EXPECT_FALSE(fields.time("at", 0, 1'000'000'000));
  EXPECT_FALSE(fields.time("at", 0, -1));
  EXPECT_FALSE(fields.time("at", "2026-02-30T00:00:00Z"));
  EXPECT_FALSE(fields.time("at", "9999-01-01T00:00:00Z"));
  EXPECT_EQ(fields.verdict().error().violations.size(), 7u);
}

TEST_F(FieldsTest, a_tax_id_needs_its_check_digits_unless_switched_off) {
  EXPECT_EQ(fields.tax_id("payer_id", "123.456.789-09"), "12345678909");
  EXPECT_EQ(fields.tax_id("payer_id", "11.222.333/0001-81"), "11222333000181");
  EXPECT_TRUE(fields.ok());
  EXPECT_FALSE(fields.tax_id("payer_id", "12345678901"));
  EXPECT_EQ(description_of_only_fault(), "its check digits do not hold");
  Fields lenient{FieldRules{.key = {.check_digits = false}}};
  EXPECT_EQ(lenient.tax_id("payer_id", "12345678901"), "12345678901");
}

TEST_F(FieldsTest, an_end_to_end_id_has_its_form) {
  EXPECT_TRUE(fields.may_end_to_end_id("e", "E12345678202601311200abcDEF12345"));
  EXPECT_TRUE(fields.ok());
  EXPECT_FALSE(fields.may_end_to_end_id("e", std::string(36, 'E')));
  EXPECT_FALSE(fields.may_end_to_end_id("e", "E12345678-2026"));
  EXPECT_EQ(fields.verdict().error().violations.size(), 2u);
}

TEST_F(FieldsTest, texts_are_utf8_without_control_characters_and_bounded) {
  EXPECT_EQ(fields.text("name", "João d'Ávila", 12), "João d'Ávila");
  EXPECT_TRUE(fields.ok());
  EXPECT_FALSE(fields.text("name", "João d'Ávila", 11));
  EXPECT_FALSE(fields.text("name", "a\xff", 11));
  EXPECT_FALSE(fields.text("name", "a\x01", 11));
  EXPECT_FALSE(fields.text("name", std::string(10'000'000, 'x'), 150));
  EXPECT_EQ(fields.verdict().error().violations.size(), 4u);
}

TEST_F(FieldsTest, a_check_digit_sent_apart_is_appended_and_a_letter_is_zero) {
  EXPECT_EQ(joined_account_number("12345", "6"), "123456");
  EXPECT_EQ(joined_account_number("12345", "X"), "123450");
  EXPECT_EQ(joined_account_number("12345", ""), "12345");
}

}  // namespace
}  // namespace chaveiro::api
