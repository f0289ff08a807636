#include "directory/account.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace chaveiro::directory {
namespace {

constexpr PersonRules strict{.check_digits = true};
constexpr PersonRules lenient{.check_digits = false};

Person natural() { return {PersonType::natural, "11122233396", "João Silva", std::nullopt}; }
Person legal() { return {PersonType::legal, "11222333000181", "Padaria Tres Irmãos Ltda", "Padaria 3 Irmãos"}; }

Account account() {
  return {.ispb = *Ispb::parse("12345678"), .branch = "0001", .number = "0007654321", .holder = natural()};
}

std::vector<std::string> fields(const Result<void>& result) {
  std::vector<std::string> names;
  if (!result) {
    for (const auto& violation : result.error().violations) names.push_back(violation.field);
  }
  return names;
}

bool name_holds(Person person, std::string name) {
  person.name = std::move(name);
  return validate(person, strict, "").has_value();
}

std::string repeated(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(Person, the_official_examples_are_valid_without_check_digits) {
  EXPECT_TRUE(validate({PersonType::natural, "11122233300", "João Silva", {}}, lenient, ""));
  EXPECT_TRUE(
      validate({PersonType::legal, "11222333000150", "Padaria Tres Irmãos Ltda", "Padaria 3 Irmãos"}, lenient, ""));
  EXPECT_EQ(fields(validate({PersonType::natural, "11122233300", "João Silva", {}}, strict, "owner.")),
            std::vector<std::string>{"owner.tax_id"});
}

TEST(Person, names_of_natural_persons_are_latin_letters_apostrophes_spaces_and_hyphens) {
  for (const char* name : {"João Silva", "Ana-Lúcia D'Ávila", "ÀÖØöøÿ", "a", " "})
    EXPECT_TRUE(name_holds(natural(), name));
  for (const char* name : {"", "J. Silva", "João 2", "A×B", "A÷B", "Łukasz", "Ａｎａ", "A\nB", "A\tB", "A\x01", "A_B",
                           "\xc3", "\xc3\x28", "\xff", "Jo\xe3o", "\xc2\xa0", "😀"}) {
    EXPECT_FALSE(name_holds(natural(), name)) << name;
  }
}

TEST(Person, names_of_legal_persons_are_printable_latin_1) {
  for (const char* name : {"Padaria & Cia. 3 Irmãos/RJ", "~", "¡ÿ", "100% Pão"}) EXPECT_TRUE(name_holds(legal(), name));
  for (const char* name : {"", "A\nB", "A\x7f", "\xc2\x85", "\xc2\xa0", "€", "Ａ", "\xc3", "\xed\xa0\x80"}) {
    EXPECT_FALSE(name_holds(legal(), name)) << name;
  }
}

TEST(Person, length_is_counted_in_characters) {
  EXPECT_TRUE(name_holds(natural(), repeated("ã", 150)));
  EXPECT_FALSE(name_holds(natural(), repeated("ã", 151)));
  EXPECT_FALSE(name_holds(natural(), std::string(10'000'000, 'a')));
  Person person = legal();
  person.trade_name = repeated("é", 100);
  EXPECT_TRUE(validate(person, strict, ""));
  person.trade_name = repeated("é", 101);
  EXPECT_FALSE(validate(person, strict, ""));
}

TEST(Person, only_legal_persons_have_a_trade_name) {
  Person person = natural();
  person.trade_name = "Loja";
  EXPECT_EQ(fields(validate(person, strict, "owner.")), std::vector<std::string>{"owner.trade_name"});
  person = legal();
  person.trade_name = std::nullopt;
  EXPECT_TRUE(validate(person, strict, ""));
  person.trade_name = "";
  EXPECT_FALSE(validate(person, strict, ""));
}

TEST(Person, tax_id_fits_the_type) {
  Person person = natural();
  person.tax_id = legal().tax_id;
  EXPECT_FALSE(validate(person, strict, ""));
  person = legal();
  person.tax_id = natural().tax_id;
  EXPECT_FALSE(validate(person, strict, ""));
}

TEST(Account, all_faults_are_told_at_once_with_their_paths) {
  Account faulty = account();
  faulty.branch = "00012";
  faulty.number = "12-3";
  faulty.holder = {PersonType::natural, "123", "R2D2", "Loja"};
  const auto result = validate(faulty, strict, "account.");
  EXPECT_EQ(fields(result), (std::vector<std::string>{"account.branch", "account.number", "owner.tax_id", "owner.name",
                                                      "owner.trade_name"}));
  EXPECT_EQ(result.error().code, Code::invalid);
  EXPECT_EQ(result.error().reason, "EntryInvalid");
  EXPECT_EQ(result.error().message.find("R2D2"), std::string::npos);
}

TEST(Account, branch_is_one_to_four_digits_or_absent) {
  for (const auto& [branch, holds] : std::vector<std::pair<std::optional<std::string>, bool>>{{std::nullopt, true},
                                                                                              {"1", true},
                                                                                              {"0001", true},
                                                                                              {"", false},
                                                                                              {"00001", false},
                                                                                              {"12a", false},
                                                                                              {"１", false}}) {
    Account candidate = account();
    candidate.branch = branch;
    EXPECT_EQ(validate(candidate, strict, "").has_value(), holds) << branch.value_or("absent");
  }
}

TEST(Account, number_is_one_to_twenty_digits) {
  for (const auto& [number, holds] : std::vector<std::pair<std::string, bool>>{
           {"1", true}, {std::string(20, '9'), true}, {"", false}, {std::string(21, '9'), false}, {"12X", false}}) {
    Account candidate = account();
    candidate.number = number;
    EXPECT_EQ(validate(candidate, strict, "").has_value(), holds) << number;
  }
}

TEST(Account, id_is_the_same_everywhere_and_always) {
  // Made with Python's uuid.uuid5.
  EXPECT_EQ(to_string(account_id_of(*Ispb::parse("12345678"), "0001", "0007654321", AccountType::cacc)),
            "073c3cad-b443-5940-8419-d5e11147ad2c");
  EXPECT_EQ(to_string(account_id_of(*Ispb::parse("12345678"), std::nullopt, "0007654321", AccountType::tran)),
            "890361ee-3478-5bf7-ab99-dd235cf7717c");
}

TEST(Account, id_does_not_pad) {
  const Ispb ispb = *Ispb::parse("12345678");
  EXPECT_NE(account_id_of(ispb, "1", "7", AccountType::cacc), account_id_of(ispb, "0001", "7", AccountType::cacc));
  EXPECT_NE(account_id_of(ispb, "1", "7", AccountType::cacc), account_id_of(ispb, "1", "07", AccountType::cacc));
}

TEST(Account, five_keys_for_a_natural_person_twenty_for_a_legal_one) {
  EXPECT_EQ(keys_max(PersonType::natural), 5u);
  EXPECT_EQ(keys_max(PersonType::legal), 20u);
}

TEST(Account, texts_read_back) {
  for (const auto type : {AccountType::cacc, AccountType::svgs, AccountType::tran, AccountType::slry}) {
    EXPECT_EQ(account_type_of(to_string(type)), type);
  }
  for (const auto type : {PersonType::natural, PersonType::legal}) EXPECT_EQ(person_type_of(to_string(type)), type);
  for (const auto status : {AccountStatus::open, AccountStatus::closed}) {
    EXPECT_EQ(account_status_of(to_string(status)), status);
  }
  EXPECT_EQ(account_type_of("OTHR"), std::nullopt);
}

TEST(Ispb, is_eight_letters_or_digits_in_upper_case) {
  EXPECT_EQ(to_string(*Ispb::parse("12345678")), "12345678");
  EXPECT_EQ(to_string(*Ispb::parse("1234abcd")), "1234ABCD");
  for (const char* text : {"", "1234567", "123456789", "1234 678", "1234-678", "１２３45678", "1234567\xff"}) {
    EXPECT_FALSE(Ispb::parse(text)) << text;
  }
}

}  // namespace
}  // namespace chaveiro::directory
