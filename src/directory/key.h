// directory/key.h
//
// A Pix key: its type and its text in the one form that the directory of the central bank accepts. A Key that exists is
// valid; there is no other way to make one than parse(), but for reading back what this process packed (packed.h).
//
// Normalising (dropping the dots of a CPF, lower-casing an e-mail) is a kindness to people and happens at the edges
// only: normalise() first, then parse(). What is parsed is never changed, because a CID is made over these very bytes.
//
// Threads: plain values and pure functions. Time: O(length).
// Source:  API DICT 2.6.1, schema Key; check digits: Receita Federal (the directory itself does not check them).
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace chaveiro::directory {

enum class KeyType : std::uint8_t { cpf = 1, cnpj, email, phone, evp };

std::string_view to_string(KeyType type);  // CPF CNPJ EMAIL PHONE EVP
std::optional<KeyType> key_type_of(std::string_view text);

struct KeyRules {
  bool check_digits = true;  // false: accept CPF and CNPJ whose check digits are wrong (the official examples are such)
};

class Key {
 public:
  // Errors: invalid with reason EntryInvalid, naming the pattern; the value itself is never repeated in the message.
  static Result<Key> parse(KeyType type, std::string_view value, const KeyRules& rules);

  KeyType type() const { return type_; }
  const std::string& value() const { return value_; }
  auto operator<=>(const Key&) const = default;

 private:
  friend struct PackedKey;
  Key(KeyType type, std::string value) : type_(type), value_(std::move(value)) {}
  KeyType type_;
  std::string value_;
};

// The form in which a person may have typed the key → the form that parse() accepts, or the text as it is where nothing
// helps: punctuation of CPF and CNPJ goes, phones lose spaces, hyphens and parentheses, e-mails and EVPs become lower
// case.
std::string normalise(KeyType type, std::string_view text);

// The type that a text must have, where it can be told from its form alone (a phone has its +, an e-mail its @, an EVP
// its hyphens, 11 and 14 digits are CPF and CNPJ). For people at a command line; programs say the type.
std::optional<KeyType> guess_key_type(std::string_view text);

bool cpf_check_digits_hold(std::string_view cpf);    // 11 digits; repdigits such as 00000000000 do not hold
bool cnpj_check_digits_hold(std::string_view cnpj);  // 14 characters, letters count as ASCII − 48

}  // namespace chaveiro::directory

template <>
struct std::hash<chaveiro::directory::Key> {
  std::size_t operator()(const chaveiro::directory::Key& key) const noexcept {
    return std::hash<std::string>{}(key.value()) * 31 + static_cast<std::size_t>(key.type());
  }
};
