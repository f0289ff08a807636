#include "directory/audit_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "directory/record_text.h"

namespace chaveiro::directory {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Account account_of(const std::string& tax_id) {
  Account account;
  account.holder = {tax_id.size() == 11 ? PersonType::natural : PersonType::legal, tax_id, "Joana Souza", "Pães"};
  account.number = "0007654321";
  return account;
}
Entry entry_of(KeyType type, const std::string& key, const std::string& tax_id) {
  return Entry{.id = {}, .key = Key::parse(type, key, {}).value(), .account = account_of(tax_id)};
}
std::string masked(const auto& thing) { return masked_record_text(record_text(thing)).value(); }

TEST(AuditView, masks_tax_id_names_and_key_of_a_natural_person) {
  const std::string text = masked(entry_of(KeyType::cpf, "12345678909", "12345678909"));
  EXPECT_THAT(text, AllOf(Not(HasSubstr("12345678909")), Not(HasSubstr("Joana")), Not(HasSubstr("Pães"))));
  EXPECT_THAT(text, AllOf(HasSubstr(R"("tax_id":"***.456.789-**")"), HasSubstr(R"("key":"***.456.789-**")"),
                          HasSubstr(R"("name":"J*** S***")"), HasSubstr(R"("number":"0007654321")")));
  EXPECT_THAT(masked(entry_of(KeyType::email, "joana@example.com", "12345678909")), HasSubstr(R"("j***@e***")"));
  EXPECT_THAT(masked(entry_of(KeyType::phone, "+5511987654321", "12345678909")), HasSubstr(R"("+55*********21")"));
  EXPECT_THAT(masked(account_of("12345678909")), Not(HasSubstr("12345678909")));
  Claim claim{.id = {}, .key = Key::parse(KeyType::phone, "+5511987654321", {}).value()};
  claim.claimer_account = account_of("12345678909");
  EXPECT_THAT(masked(claim), AllOf(Not(HasSubstr("+5511987654321")), Not(HasSubstr("12345678909"))));
}

TEST(AuditView, leaves_what_is_public_or_random) {
  const std::string company = masked(entry_of(KeyType::cnpj, "11222333000181", "11222333000181"));
  EXPECT_THAT(company, AllOf(HasSubstr(R"("tax_id":"11222333000181")"), HasSubstr(R"("key":"11222333000181")"),
                             HasSubstr("Joana Souza")));
  const std::string evp = "0190a5b0-7c3e-4a11-8b22-0123456789ab";
  EXPECT_THAT(masked(entry_of(KeyType::evp, evp, "12345678909")), HasSubstr(evp));
}

TEST(AuditView, what_is_no_record_is_corrupt) {
  for (const char* text : {"", "[]", "{", "1"}) EXPECT_EQ(masked_record_text(text).error().code, Code::corrupt);
}

}  // namespace
}  // namespace chaveiro::directory
