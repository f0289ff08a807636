// api/jwt.h
//
// A JSON Web Token taken apart: three base64url parts, header, claims. Whether its signature holds is asked of a key
// (jwks.h); whether it may pass is decided in auth.h. Taking apart proves nothing.
//
// Read strictly: at most 8 KiB, canonical base64url without padding, JSON of bounded depth, algorithms from the closed set
// below (`none` is not in it), no `crit` header, `exp` present, claims of the right types.
//
// Threads: plain values and pure functions.
// Errors:  unauthenticated "TokenInvalid"; messages name the part and never repeat it.
// Source:  RFC 7515 §5.2, RFC 7519 §4, RFC 8725.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"
#include "directory/caller.h"

namespace chaveiro::api {

enum class TokenAlgorithm : std::uint8_t { rs256 = 1, es256, hs256 };
std::string_view to_string(TokenAlgorithm algorithm);  // RS256 ES256 HS256

struct TokenParts {
  TokenAlgorithm algorithm = TokenAlgorithm::hs256;
  std::string kid;                 // "": none
  std::string_view signing_input;  // header.payload, inside the text that was split
  std::string signature;           // decoded
  std::string payload;             // decoded, not read yet
};
Result<TokenParts> split_token(std::string_view token);

struct TokenClaims {
  std::string subject;
  directory::Ispb ispb;
  directory::Roles roles;  // known ones; at least one
  std::optional<std::vector<directory::AccountId>> accounts;
  std::string issuer;
  std::vector<std::string> audiences;
  std::string id;  // jti
  UtcTime expires_at{};
  std::optional<UtcTime> not_before;
  UtcTime issued_at{};  // 1970 where the token does not say
};
Result<TokenClaims> read_claims(std::string_view payload);

bool hs256_holds(const Secret& secret, std::string_view signing_input, std::string_view signature);

// A token with these claims, signed with HS256.
std::string write_hs256_token(const TokenClaims& claims, const Secret& secret);

}  // namespace chaveiro::api
