#include "base/encoding.h"

#include <array>

namespace chaveiro {
namespace {

constexpr std::string_view standard_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view url_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<std::int8_t, 256> reading_of(std::string_view alphabet) {
  std::array<std::int8_t, 256> values{};
  for (auto& value : values) value = -1;
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    values[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
  }
  return values;
}

constexpr auto standard_reading = reading_of(standard_alphabet);
constexpr auto url_reading = reading_of(url_alphabet);

std::string encode(ByteView bytes, std::string_view alphabet) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  std::uint32_t bits = 0;
  int held = 0;
  for (const std::uint8_t byte : bytes) {
    bits = bits << 8 | byte;
    for (held += 8; held >= 6; held -= 6) text.push_back(alphabet[bits >> (held - 6) & 63]);
  }
  if (held > 0) text.push_back(alphabet[bits << (6 - held) & 63]);
  return text;
}

Error bad(const char* what) { return fail(Code::invalid, "BadRequest", what); }

Result<std::string> decode(std::string_view text, const std::array<std::int8_t, 256>& reading) {
  if (text.size() % 4 == 1) return bad("is not base64: one character too many or too few");
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const int value = reading[static_cast<unsigned char>(c)];
    if (value < 0) return bad("is not base64: a character outside the alphabet");
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes.push_back(static_cast<char>(bits >> held & 0xff));
    }
  }
  if ((bits & ((1u << held) - 1)) != 0) return bad("is not base64: the bits after the last byte are not zero");
  return bytes;
}

}  // namespace

std::string to_hex(ByteView bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text.push_back(digits[byte >> 4]);
    text.push_back(digits[byte & 15]);
  }
  return text;
}

Result<std::string> parse_hex(std::string_view text) {
  if (text.size() % 2 != 0) return bad("is not hexadecimal: an odd number of digits");
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return bad("is not hexadecimal: a character that is no digit");
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return bytes;
}

std::string to_base64(ByteView bytes) {
  std::string text = encode(bytes, standard_alphabet);
  while (text.size() % 4 != 0) text.push_back('=');
  return text;
}

Result<std::string> parse_base64(std::string_view text) {
  if (text.size() % 4 != 0) return bad("is not base64: the length is no multiple of four");
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  return decode(text, standard_reading);
}

std::string to_base64url(ByteView bytes) { return encode(bytes, url_alphabet); }

Result<std::string> parse_base64url(std::string_view text) { return decode(text, url_reading); }

}  // namespace chaveiro
