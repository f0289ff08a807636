// Tokens as strangers send them: whatever is taken apart and read can be written and read again as the same claims.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/jwt.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace chaveiro;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Secret secret("a secret that only this fuzzer knows");
  if (const auto parts = api::split_token(text)) {
    CHECK(text.starts_with(parts->signing_input));
    CHECK(!api::hs256_holds(secret, parts->signing_input, parts->signature));
  }
  const auto payload = api::split_token(text);
  const auto claims = api::read_claims(payload ? std::string_view(payload->payload) : text);
  if (!claims) return 0;
  const std::string again = api::write_hs256_token(*claims, secret);
  const auto parts = api::split_token(again);
  if (!parts) return 0;  // longer than 8 KiB now
  CHECK(api::hs256_holds(secret, parts->signing_input, parts->signature));
  const auto second = api::read_claims(parts->payload);
  CHECK(second && second->subject == claims->subject && second->ispb == claims->ispb && second->roles == claims->roles);
  CHECK(second->accounts == claims->accounts && second->audiences == claims->audiences && second->id == claims->id);
  return 0;
}
