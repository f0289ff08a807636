// Masks of personal data: whatever comes in, what comes out is short valid UTF-8, shows no more than the mask allows, and
// stays as it is when it is masked again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/mask.h"
#include "base/text.h"

namespace {

using chaveiro::valid_utf8;

std::size_t digits(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }));
}

std::string checked(std::string (*mask)(std::string_view), std::string_view text, std::size_t size_max) {
  std::string masked = mask(text);
  CHECK(!masked.empty() && masked.size() <= size_max && valid_utf8(masked));
  CHECK(mask(masked) == masked);
  return masked;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CHECK(digits(checked(chaveiro::mask_cpf, text, 64)) <= 6);
  checked(chaveiro::mask_cnpj, text, 64);
  checked(chaveiro::mask_email, text, 64);
  CHECK(digits(checked(chaveiro::mask_phone, text, 64)) <= 4);
  CHECK(checked(chaveiro::mask_evp, text, 64).size() <= 36);
  checked(chaveiro::mask_name, text, 256);
  const std::string like = chaveiro::mask_key_like(text);
  CHECK(like.size() <= 64 && valid_utf8(like) && chaveiro::mask_key_like(like) == like);
  if (text.size() > 3) CHECK(like != text || like.find('*') != std::string::npos);
  return 0;
}
