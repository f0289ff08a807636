// base/encoding.h
//
// Bytes as text: hexadecimal, base64 and base64url, read strictly: every text has at most one reading and every reading
// one text.
//
// Threads: any.
// Errors:  invalid; messages never repeat the text, which may be a secret.
// Source:  RFC 4648.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace chaveiro {

using ByteView = std::span<const std::uint8_t>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// The value of one hexadecimal digit; -1 for any other character.
constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
std::string to_hex(ByteView bytes);                    // lower case
Result<std::string> parse_hex(std::string_view text);  // either case, an even number of digits

// The standard alphabet, padded with `=`; a missing or superfluous `=`, white space and non-zero rest bits are errors.
std::string to_base64(ByteView bytes);
Result<std::string> parse_base64(std::string_view text);

// The alphabet for URLs and tokens, never padded; otherwise as strict.
std::string to_base64url(ByteView bytes);
Result<std::string> parse_base64url(std::string_view text);

}  // namespace chaveiro
