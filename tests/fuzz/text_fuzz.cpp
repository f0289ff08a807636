// The UTF-8 check against a decoder that computes code points, and JSON strings, which must be valid UTF-8 on one line.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/text.h"

namespace {

// How many bytes the character at the front has, by decoding it; 0: none. Slow and plain, from the definition.
std::size_t decoded_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  const std::uint32_t first = byte(0);
  const auto ones = static_cast<std::size_t>(std::countl_one(static_cast<std::uint8_t>(first)));
  const std::size_t length = ones == 0 ? 1 : ones;
  if (ones == 1) return 0;
  if (ones == 0) return 1;
  if (length > 4 || text.size() < length) return 0;
  std::uint32_t code = first & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0u) != 0x80u) return 0;
    code = code << 6 | (byte(i) & 0x3fu);
  }
  constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code < least[length] || code > 0x10ffff || surrogate ? 0 : length;
}

bool decodes(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = decoded_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CHECK(chaveiro::utf8_length(text) == decoded_length(text));
  CHECK(chaveiro::valid_utf8(text) == decodes(text));
  const std::string json = chaveiro::to_json_string(text);
  CHECK(json.size() >= 2 && json.front() == '"' && json.back() == '"' && decodes(json));
  for (const char c : json) CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  const std::string_view trimmed = chaveiro::trim(text);
  CHECK(trimmed.size() <= text.size() && chaveiro::trim(trimmed) == trimmed);
  if (const auto number = chaveiro::parse_int(text))
    CHECK(chaveiro::parse_int(std::to_string(*number)).value() == *number);
  return 0;
}
