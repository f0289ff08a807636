// directory/account.h
//
// An account at a participant, and the person who holds it.
//
// Threads: plain values and pure functions.
// Source:  API DICT 2.6.1, schemas BrazilianAccount, NaturalPerson, LegalPerson; Manual Operacional §1 (limits), §2.3
// (names).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "directory/ids.h"

namespace chaveiro::directory {

enum class PersonType : std::uint8_t { natural = 1, legal };
std::string_view to_string(PersonType type);  // NATURAL_PERSON LEGAL_PERSON
std::optional<PersonType> person_type_of(std::string_view text);

struct Person {
  PersonType type = PersonType::natural;
  std::string tax_id;                     // CPF or CNPJ, digits only (CNPJ also letters from API 2.12 on)
  std::string name;                       // at most 150 characters; kept byte for byte
  std::optional<std::string> trade_name;  // legal persons only, at most 100 characters
  bool operator==(const Person&) const = default;
};

enum class AccountType : std::uint8_t { cacc = 1, svgs, tran, slry };  // current, savings, payment, salary
std::string_view to_string(AccountType type);                          // CACC SVGS TRAN SLRY
std::optional<AccountType> account_type_of(std::string_view text);

enum class AccountStatus : std::uint8_t { open = 1, closed };
std::string_view to_string(AccountStatus status);  // OPEN CLOSED
std::optional<AccountStatus> account_status_of(std::string_view text);

struct Account {
  AccountId id;
  Ispb ispb;
  std::optional<std::string> branch;  // 1–4 digits, no check digit
  std::string number;                 // 1–20 digits with the check digit at the end (a letter there is written 0)
  AccountType type = AccountType::cacc;
  UtcTime opened_at{};
  Person holder;
  AccountStatus status = AccountStatus::open;
  UtcTime created_at{};
  UtcTime updated_at{};
  std::uint64_t version = 0;  // sequence of the commit that wrote it; 0: not stored yet
  bool operator==(const Account&) const = default;
};

// UUIDv5 over `ispb|branch|number|type`: the text as given, unpadded; no branch is the empty text. Its namespace is the
// UUIDv5 of "chaveiro.account" among DNS names: 7b905720-36d3-50d2-a443-dd2eeabfd17b.
AccountId account_id_of(const Ispb& ispb, const std::optional<std::string>& branch, std::string_view number,
                        AccountType type);

// How many keys an account may have: 5 for a natural person, 20 for a legal one.
std::uint32_t keys_max(PersonType holder);

// What the official patterns say about them; lengths count characters, not bytes. `prefix` is put before the field names
// of violations ("account.", "owner."); the holder's faults inside an account are always named "owner.…", as callers
// write them. All faults are told at once. Errors: invalid, reason EntryInvalid.
struct PersonRules {
  bool check_digits = true;
};
Result<void> validate(const Person& person, const PersonRules& rules, std::string_view prefix);
Result<void> validate(const Account& account, const PersonRules& rules, std::string_view prefix);

}  // namespace chaveiro::directory
