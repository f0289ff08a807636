// bench/keys.h
//
// Invented keys with valid check digits, the same for the same number, as import lines: what benchmarks and the million-key run feed.
//
// Line n is an account (four lines share one) of a natural person, with a CPF, e-mail, phone or random key in turn.
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace chaveiro::bench {

inline std::string cpf_of(std::uint64_t n) {
  char digits[12];
  std::snprintf(digits, sizeof digits, "%09u00", static_cast<unsigned>(n % 1'000'000'000));
  for (int length = 9; length < 11; ++length) {
    int sum = 0;
    for (int i = 0; i < length; ++i) sum += (digits[i] - '0') * (length + 1 - i);
    const int rest = sum % 11;
    digits[length] = static_cast<char>('0' + (rest < 2 ? 0 : 11 - rest));
  }
  return digits;
}

struct GeneratedKey {
  const char* type;
  std::string value;
};

inline GeneratedKey key_of(std::uint64_t n) {
  char text[64];
  switch (n % 4) {
    case 0:
      return {"CPF", cpf_of(100'000'000 + n / 4)};
    case 1:
      std::snprintf(text, sizeof text, "cliente-%07llu@example.com", static_cast<unsigned long long>(n));
      return {"EMAIL", text};
    case 2:
      std::snprintf(text, sizeof text, "+55619%08llu", static_cast<unsigned long long>(n));
      return {"PHONE", text};
    default:
      std::snprintf(text, sizeof text, "%08llx-0000-4000-8000-000000000000", static_cast<unsigned long long>(n));
      return {"EVP", text};
  }
}

inline std::string line_of(std::uint64_t n, const char* ispb = "12345678") {
  const GeneratedKey key = key_of(n);
  const std::string tax_id = cpf_of(100'000'000 + n / 4);
  char text[640];
  std::snprintf(
      text, sizeof text,
      R"({"key_type":"%s","key":"%s","account":{"ispb":"%s","branch":"0001","number":"%010llu","type":"CACC","opening_date":"2015-03-02T03:00:00Z"},)"
      R"("owner":{"type":"NATURAL_PERSON","tax_id":"%s","name":"Cliente de Teste","trade_name":null},)"
      R"("creation_date":"2021-02-01T12:00:00.000Z","key_ownership_date":"2021-02-01T12:00:00.000Z","request_id":"%08llx-1111-4111-8111-111111111111"})",
      key.type, key.value.c_str(), ispb, static_cast<unsigned long long>(n / 4), tax_id.c_str(),
      static_cast<unsigned long long>(n));
  return text;
}

}  // namespace chaveiro::bench
