#include "tests/simulation/directory_world.h"

namespace chaveiro::directory {
namespace {

// Appends the pair of check digits that holds; found by trying, so that the code under test is its own witness only for
// texts that key_test.cpp has judged.
std::string with_check_digits(std::string root, bool (*hold)(std::string_view)) {
  for (int pair = 0; pair < 100; ++pair) {
    std::string text = root + std::string{static_cast<char>('0' + pair / 10), static_cast<char>('0' + pair % 10)};
    if (hold(text)) return text;
  }
  CHECK(!"no check digits");
  return {};
}

std::string padded(unsigned number, std::size_t length) {
  std::string digits = std::to_string(number);
  return std::string(length - digits.size(), '0') + digits;
}

}  // namespace

std::string cpf_of(unsigned number) { return with_check_digits(padded(number, 9), cpf_check_digits_hold); }
std::string cnpj_of(unsigned number) { return with_check_digits(padded(number, 12), cnpj_check_digits_hold); }
std::string phone_of(unsigned number) { return "+55619" + padded(number, 8); }

Account World::account(const Ispb& at, const Person& holder, std::string number) {
  if (number.empty()) number = holder.tax_id;
  return accounts.create(staff(at), {at, "0001", number, AccountType::cacc, UtcTime{}, holder}).value();
}

Result<Entry> World::try_phone(const Account& account, unsigned number, std::optional<RequestId> request) {
  return entries.create(staff(account.ispb),
                        {KeyType::phone, phone_of(number), account.id, Reason::user_requested, request});
}

Entry World::phone(const Account& account, unsigned number) { return try_phone(account, number).value(); }

Result<Claim> World::try_claim(const Account& claimer, unsigned phone, std::optional<ClaimType> type) {
  return claims.start(staff(claimer.ispb), {KeyType::phone, phone_of(phone), claimer.id, type});
}

Claim World::claim(const Account& claimer, unsigned phone) { return try_claim(claimer, phone).value(); }

std::optional<Entry> World::holder_of(unsigned phone) {
  return store.live_entry(*Key::parse(KeyType::phone, phone_of(phone), {}), Deadline::never()).value();
}

}  // namespace chaveiro::directory
