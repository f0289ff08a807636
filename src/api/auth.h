// api/auth.h
//
// Who is calling? A bearer token (JWT) or an API key becomes a directory::Caller, or an error.
//
// Tokens: RS256 and ES256 against a JWKS file (the key is chosen by `kid`; a token without `kid` is taken only while
// the file holds one single key for its algorithm), HS256 against one secret. The algorithm must fit the kind of the
// key, so that `alg: none`, and a public key used as an HMAC secret, cannot pass. Issuer and audience are compared
// where configured; `exp` is required, `nbf` is honoured, both with a leeway.
//
// A token that was verified is remembered by its SHA-256 until it expires (bounded; all are forgotten when keys are
// reloaded or anything is revoked), so that a signature is checked once.
//
// API keys: "lb-connect" acts as operator, "backoffice" as operator and auditor, for the first served participant
// or for the served one that `pi-requesting-participant` names. Only hashes are kept; all of them are compared, each in
// constant time.
//
// Threads: any number at once.
// Time:    a remembered token about 1 µs; RS256 about 20 µs, ES256 about 70 µs.
// Errors:  unauthenticated: "Unauthenticated" (nothing given), "TokenInvalid", "TokenExpired", "TokenNotYetValid",
//          "TokenRevoked", "ApiKeyInvalid"; forbidden: "Forbidden" (a participant that is not served).
// Source:  RFC 7515, 7517, 7518, 7519; RFC 8725 (what goes wrong with JWT).
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/revocations.h"
#include "base/clock.h"
#include "base/secret.h"
#include "directory/caller.h"

namespace chaveiro::api {

struct ApiKeyOptions {
  std::string name;  // "lb-connect", "backoffice"; stands in the audit as "api-key:NAME"
  Secret key;        // the key itself, or `sha256:` and its hash in hexadecimal digits
  directory::Roles roles;
};
// The roles that these two names have; nothing for any other name.
std::optional<directory::Roles> api_key_roles(std::string_view name);

struct AuthOptions {
  std::optional<Secret> hs256_secret;    // absent: HS256 is refused; at least 32 bytes
  std::optional<std::string> jwks_file;  // absent: RS256 and ES256 are refused
  std::string issuer;                    // "": any
  std::string audience;                  // "": any; otherwise one of the token's `aud` must be equal
  std::chrono::seconds leeway{30};       // 0: clocks agree to the second
  std::size_t remembered_max = 10'000;   // verified tokens; 0: none, every call checks the signature
  std::vector<ApiKeyOptions> api_keys;
  std::vector<directory::Ispb> served;  // at least one; the first is our own
};

// What an edge found in the request, "" where there was nothing.
struct Credentials {
  std::string_view authorization;           // "Bearer …"
  std::string_view api_key;                 // x-api-key
  std::string_view requesting_participant;  // pi-requesting-participant; only for API keys
};

class Authenticator {
 public:
  // `revocations` is asked on every call that is not answered from memory, and clears the memory when it changes.
  Authenticator(AuthOptions options, const Clock& clock, Revocations& revocations);
  ~Authenticator();

  // Reads the JWKS file (again). On an error the keys read last stay in force. Call once before the first
  // authenticate(). Errors: invalid, naming the file, the key and what is wrong with it.
  Result<void> reload();

  Result<directory::Caller> authenticate(const Credentials& credentials);
  // Who it is, where that costs no more than looking: a token that is remembered and still holds. Nothing says nothing.
  std::optional<directory::Caller> known(const Credentials& credentials);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Makes a token signed with HS256 (the command line on the same machine; tests).
struct TokenRequest {
  std::string subject;
  directory::Ispb ispb;
  directory::Roles roles;
  std::optional<std::vector<directory::AccountId>> accounts;
  std::string issuer;    // "": no claim
  std::string audience;  // "": no claim
  Micros lifetime = std::chrono::hours{24};
};
// Errors: invalid (no subject, no roles, a lifetime that is not positive).
Result<std::string> issue_token(const TokenRequest& request, const Secret& hs256_secret, UtcTime now);

}  // namespace chaveiro::api
