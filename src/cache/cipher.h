// cache/cipher.h
//
// AES-256-GCM over one cached value: what comes out can be read only with the key, and only if neither it nor what it was bound to
// was changed.
//
// Threads: any.
// Source:  NIST SP 800-38D; 96-bit random nonces.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/secret.h"

namespace chaveiro::cache {

inline constexpr std::size_t cipher_key_bytes = 32;

// What is authenticated along with the text: under another cache key or head it does not open.
struct BoundTo {
  std::string_view key;
  std::string_view head;
};

// nonce(12) ‖ cipher-text ‖ tag(16). The key has 32 bytes: anything else is a bug.
std::string encrypt(const Secret& key, BoundTo to, std::string_view plain);
std::optional<std::string> decrypt(const Secret& key, BoundTo to, std::string_view sealed);

}  // namespace chaveiro::cache
