#include "directory/key.h"

#include <algorithm>

#include "base/text.h"
#include "directory/names.h"

namespace chaveiro::directory {
namespace {

constexpr Names<KeyType, 5> key_types{{{KeyType::cpf, "CPF"},
                                       {KeyType::cnpj, "CNPJ"},
                                       {KeyType::email, "EMAIL"},
                                       {KeyType::phone, "PHONE"},
                                       {KeyType::evp, "EVP"}}};

constexpr std::size_t key_length_max = 77;
constexpr std::size_t label_length_max = 63;  // of a domain name

// By hand instead of <cctype>: independent of the locale, and a full-width digit is no digit.
constexpr bool digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool lower_letter(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool lower_hex(char c) { return digit(c) || (c >= 'a' && c <= 'f'); }
constexpr bool lower_alnum(char c) { return digit(c) || lower_letter(c); }
constexpr bool upper_letter(char c) { return c >= 'A' && c <= 'Z'; }

constexpr char lower(char c) { return upper_letter(c) ? static_cast<char>(c - 'A' + 'a') : c; }

bool digits(std::string_view text, std::size_t length) {
  return text.size() == length && std::all_of(text.begin(), text.end(), digit);
}

bool local_part_character(char c) {
  return lower_alnum(c) || std::string_view(".!#$'*+/=?^_`{|}~-").find(c) != std::string_view::npos;
}

bool domain(std::string_view text) {
  while (true) {
    const auto label = text.substr(0, text.find('.'));
    if (label.empty() || label.size() > label_length_max) return false;
    if (!lower_alnum(label.front()) || !lower_alnum(label.back())) return false;
    if (!std::all_of(label.begin(), label.end(), [](char c) { return lower_alnum(c) || c == '-'; })) return false;
    if (label.size() == text.size()) return true;
    text.remove_prefix(label.size() + 1);
  }
}

bool email(std::string_view text) {
  const auto at = text.find('@');
  if (at == std::string_view::npos || at == 0 || text.size() > key_length_max) return false;
  const auto local = text.substr(0, at);
  return std::all_of(local.begin(), local.end(), local_part_character) && domain(text.substr(at + 1));
}

bool phone(std::string_view text) {
  if (text.size() < 3 || text.size() > 16 || text[0] != '+' || text[1] == '0') return false;
  return std::all_of(text.begin() + 1, text.end(), digit);
}

constexpr bool hyphen_of_uuid(std::size_t place) { return place == 8 || place == 13 || place == 18 || place == 23; }

template <class Hex>
bool uuid_form(std::string_view text, Hex hex) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (hyphen_of_uuid(i) ? text[i] != '-' : !hex(text[i])) return false;
  }
  return true;
}

bool matches(KeyType type, std::string_view value) {
  switch (type) {
    case KeyType::cpf:
      return digits(value, 11);
    case KeyType::cnpj:
      return digits(value, 14);
    case KeyType::email:
      return email(value);
    case KeyType::phone:
      return phone(value);
    case KeyType::evp:
      return uuid_form(value, lower_hex);
  }
  return false;
}

std::string_view pattern(KeyType type) {
  switch (type) {
    case KeyType::cpf:
      return "must be 11 digits: ^[0-9]{11}$";
    case KeyType::cnpj:
      return "must be 14 digits: ^[0-9]{14}$";
    case KeyType::email:
      return "must be an e-mail address in lower case of at most 77 characters: "
             "^[a-z0-9.!#$'*+\\/=?^_`{|}~-]+@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
             "(?:\\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$";
    case KeyType::phone:
      return "must be + and the number with its country code: ^\\+[1-9]\\d{1,14}$";
    case KeyType::evp:
      return "must be a UUID in lower case: ^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
  }
  return "unknown key type";
}

std::string without(std::string_view text, std::string_view characters) {
  std::string kept;
  kept.reserve(text.size());
  for (const char c : text) {
    if (characters.find(c) == std::string_view::npos) kept += c;
  }
  return kept;
}

std::string cleaned(KeyType type, std::string_view text) {
  text = trim(text);
  switch (type) {
    case KeyType::cpf:
    case KeyType::cnpj:
      return without(text, ".-/ ");
    case KeyType::phone:
      return without(text, " -()");
    case KeyType::email:
    case KeyType::evp:
      return lower_ascii(text);
  }
  return std::string(text);
}

bool all_equal(std::string_view text) { return text.find_first_not_of(text.front()) == std::string_view::npos; }

// Both registers: the weighted sum modulo 11; remainders below 2 give 0. Weights run from the right, 2, 3, … and start
// again at 2 after `weight_max`.
char check_digit(std::string_view text, int weight_max) {
  int sum = 0;
  int weight = 2;
  for (auto c = text.rbegin(); c != text.rend(); ++c) {
    sum += (*c - '0') * weight;
    weight = weight == weight_max ? 2 : weight + 1;
  }
  const int rest = sum % 11;
  return static_cast<char>('0' + (rest < 2 ? 0 : 11 - rest));
}

bool check_digits_end(std::string_view text, int weight_max) {
  const auto length = text.size();
  return text[length - 2] == check_digit(text.substr(0, length - 2), weight_max) &&
         text[length - 1] == check_digit(text.substr(0, length - 1), weight_max);
}

}  // namespace

std::string_view to_string(KeyType type) { return name_of(key_types, type); }
std::optional<KeyType> key_type_of(std::string_view text) { return value_of(key_types, text); }

Result<Key> Key::parse(KeyType type, std::string_view value, const KeyRules& rules) {
  if (!matches(type, value)) return fail_field("key", std::string(pattern(type)), "EntryInvalid");
  if (rules.check_digits) {
    if (type == KeyType::cpf && !cpf_check_digits_hold(value)) {
      return fail_field("key", "the check digits of the CPF do not hold", "EntryInvalid");
    }
    if (type == KeyType::cnpj && !cnpj_check_digits_hold(value)) {
      return fail_field("key", "the check digits of the CNPJ do not hold", "EntryInvalid");
    }
  }
  return Key(type, std::string(value));
}

std::string normalise(KeyType type, std::string_view text) {
  std::string clean = cleaned(type, text);
  return matches(type, clean) ? clean : std::string(text);
}

std::optional<KeyType> guess_key_type(std::string_view text) {
  text = trim(text);
  if (text.find('@') != std::string_view::npos) return KeyType::email;
  if (cleaned(KeyType::phone, text).starts_with('+')) return KeyType::phone;
  if (uuid_form(text, [](char c) { return lower_hex(lower(c)); })) return KeyType::evp;
  if (matches(KeyType::cpf, cleaned(KeyType::cpf, text))) return KeyType::cpf;
  if (matches(KeyType::cnpj, cleaned(KeyType::cnpj, text))) return KeyType::cnpj;
  return std::nullopt;
}

bool cpf_check_digits_hold(std::string_view cpf) {
  return digits(cpf, 11) && !all_equal(cpf) && check_digits_end(cpf, 11);
}

bool cnpj_check_digits_hold(std::string_view cnpj) {
  if (cnpj.size() != 14 || !digits(cnpj.substr(12), 2) || all_equal(cnpj)) return false;
  const auto root = cnpj.substr(0, 12);
  if (!std::all_of(root.begin(), root.end(), [](char c) { return digit(c) || upper_letter(c); })) return false;
  return check_digits_end(cnpj, 9);
}

}  // namespace chaveiro::directory
