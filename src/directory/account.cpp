#include "directory/account.h"

#include <algorithm>
#include <vector>

#include "directory/key.h"
#include "directory/names.h"

namespace chaveiro::directory {
namespace {

constexpr Names<PersonType, 2> person_types{
    {{PersonType::natural, "NATURAL_PERSON"}, {PersonType::legal, "LEGAL_PERSON"}}};
constexpr Names<AccountType, 4> account_types{{{AccountType::cacc, "CACC"},
                                               {AccountType::svgs, "SVGS"},
                                               {AccountType::tran, "TRAN"},
                                               {AccountType::slry, "SLRY"}}};
constexpr Names<AccountStatus, 2> account_statuses{{{AccountStatus::open, "OPEN"}, {AccountStatus::closed, "CLOSED"}}};

constexpr std::size_t name_length_max = 150;
constexpr std::size_t trade_name_length_max = 100;

// The namespace of account ids: the UUIDv5 of "chaveiro.account" in the namespace of DNS names (RFC 9562).
constexpr Uuid account_namespace{
    Uuid::Bytes{0x7b, 0x90, 0x57, 0x20, 0x36, 0xd3, 0x50, 0xd2, 0xa4, 0x43, 0xdd, 0x2e, 0xea, 0xbf, 0xd1, 0x7b}};

bool digits(std::string_view text, std::size_t length_min, std::size_t length_max) {
  return text.size() >= length_min && text.size() <= length_max &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Both name patterns lie within Latin-1, so that a character is one byte, or C2/C3 and one more. What is anything else
// in UTF-8, or no UTF-8 at all, is no character of a name.
std::optional<char32_t> take_latin1(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) {
    text.remove_prefix(1);
    return first;
  }
  if ((first != 0xC2 && first != 0xC3) || text.size() < 2) return std::nullopt;
  const auto second = static_cast<unsigned char>(text[1]);
  if ((second & 0xC0) != 0x80) return std::nullopt;
  text.remove_prefix(2);
  return static_cast<char32_t>((first & 0x03) << 6 | (second & 0x3F));
}

// ^([A-Za-zÀ-ÖØ-öø-ÿ' -]+)$
bool natural_name_character(char32_t c) {
  if ((c >= U'A' && c <= U'Z') || (c >= U'a' && c <= U'z')) return true;
  if (c == U'\'' || c == U' ' || c == U'-') return true;
  return c >= 0xC0 && c != 0xD7 && c != 0xF7;  // without × and ÷
}

// ^[\u0020-\u007E\u00A1-\u00FF]+$
bool legal_name_character(char32_t c) { return (c >= 0x20 && c <= 0x7E) || c >= 0xA1; }

enum class NameFault : std::uint8_t { none, empty, long_, characters };

NameFault name_fault(std::string_view text, std::size_t length_max, bool (*allowed)(char32_t)) {
  if (text.empty()) return NameFault::empty;
  std::size_t length = 0;
  while (!text.empty()) {
    const auto c = take_latin1(text);
    if (!c || !allowed(*c)) return NameFault::characters;
    if (++length > length_max) return NameFault::long_;
  }
  return NameFault::none;
}

// Collects faults until all are known.
class Faults {
 public:
  explicit Faults(std::string_view prefix) : prefix_(prefix) {}

  void add(std::string_view field, std::string description) {
    faults_.push_back({prefix_ + std::string(field), std::move(description)});
  }

  void name(std::string_view field, std::string_view text, PersonType type, std::size_t length_max) {
    const bool natural = type == PersonType::natural;
    switch (name_fault(text, length_max, natural ? natural_name_character : legal_name_character)) {
      case NameFault::none:
        return;
      case NameFault::empty:
        return add(field, "must not be empty");
      case NameFault::long_:
        return add(field, "has more than " + std::to_string(length_max) + " characters");
      case NameFault::characters:
        return add(field, natural ? "may hold letters (also À-Ö Ø-ö ø-ÿ), apostrophes, spaces and hyphens only"
                                  : "may hold characters from U+0020 to U+007E and U+00A1 to U+00FF only");
    }
  }

  void take(Result<void> other) {
    if (other) return;
    for (auto& violation : other.error().violations) faults_.push_back(std::move(violation));
  }

  Result<void> result(std::string_view of_what) && {
    if (faults_.empty()) return {};
    Error error = fail(Code::invalid, "EntryInvalid", std::string(of_what) + " has invalid fields:");
    for (const auto& fault : faults_) error.message += " " + fault.field + " " + fault.description + ";";
    error.message.pop_back();
    error.violations = std::move(faults_);
    return error;
  }

 private:
  std::string prefix_;
  std::vector<FieldViolation> faults_;
};

}  // namespace

std::string_view to_string(PersonType type) { return name_of(person_types, type); }
std::optional<PersonType> person_type_of(std::string_view text) { return value_of(person_types, text); }
std::string_view to_string(AccountType type) { return name_of(account_types, type); }
std::optional<AccountType> account_type_of(std::string_view text) { return value_of(account_types, text); }
std::string_view to_string(AccountStatus status) { return name_of(account_statuses, status); }
std::optional<AccountStatus> account_status_of(std::string_view text) { return value_of(account_statuses, text); }

AccountId account_id_of(const Ispb& ispb, const std::optional<std::string>& branch, std::string_view number,
                        AccountType type) {
  std::string name = to_string(ispb);
  name.append("|").append(branch.value_or("")).append("|").append(number).append("|").append(to_string(type));
  return AccountId{uuid_v5(account_namespace, name)};
}

std::uint32_t keys_max(PersonType holder) { return holder == PersonType::natural ? 5 : 20; }

Result<void> validate(const Person& person, const PersonRules& rules, std::string_view prefix) {
  Faults faults(prefix);
  const bool natural = person.type == PersonType::natural;
  const std::size_t tax_id_length = natural ? 11 : 14;
  if (!digits(person.tax_id, tax_id_length, tax_id_length)) {
    faults.add("tax_id", natural ? "must be the 11 digits of a CPF" : "must be the 14 digits of a CNPJ");
  } else if (rules.check_digits &&
             !(natural ? cpf_check_digits_hold(person.tax_id) : cnpj_check_digits_hold(person.tax_id))) {
    faults.add("tax_id",
               natural ? "the check digits of the CPF do not hold" : "the check digits of the CNPJ do not hold");
  }
  faults.name("name", person.name, person.type, name_length_max);
  if (person.trade_name) {
    if (natural) {
      faults.add("trade_name", "only legal persons have one");
    } else {
      faults.name("trade_name", *person.trade_name, person.type, trade_name_length_max);
    }
  }
  return std::move(faults).result("the owner");
}

Result<void> validate(const Account& account, const PersonRules& rules, std::string_view prefix) {
  Faults faults(prefix);
  if (account.branch && !digits(*account.branch, 1, 4)) faults.add("branch", "must be 1 to 4 digits, or absent");
  if (!digits(account.number, 1, 20)) {
    faults.add("number", "must be 1 to 20 digits, the check digit at the end (a letter there is written 0)");
  }
  faults.take(validate(account.holder, rules, "owner."));
  return std::move(faults).result("the account");
}

}  // namespace chaveiro::directory
