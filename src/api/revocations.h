// api/revocations.h
//
// What no longer opens the door: single tokens (by `jti` or by the SHA-256 of the token), all tokens of a subject
// issued before a moment, signing keys (by `kid`), API keys (by name). Kept in one small file, one JSON object a line,
// written and fsynced before revoke() answers, so that a restart does not forget.
//
// Revocations of single tokens go when `expires_at` has passed, because the token is dead by then anyway.
//
// Threads: any number at once.
// Errors:  invalid (nothing named, or more than one thing), unavailable (the file cannot be written), corrupt (a line
// of
//          the file cannot be read: start refuses, since a revoked token might pass), exhausted (100,000 are kept at
//          most).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace chaveiro::api {

enum class RevocationKind : std::uint8_t { token_id = 1, token_hash, subject, signing_key, api_key };
std::string_view to_string(RevocationKind kind);  // jti token_sha256 subject kid api_key
std::optional<RevocationKind> revocation_kind_of(std::string_view text);

struct Revocation {
  RevocationKind kind = RevocationKind::token_id;
  std::string value;                  // jti, SHA-256 in hexadecimal digits, subject, kid or name of the API key
  UtcTime at{};                       // when it was revoked; subject: tokens issued before this no longer hold
  std::optional<UtcTime> expires_at;  // forgotten after this; absent: kept for ever
  std::string by;                     // who revoked it
};

// What a token is, as far as it can be revoked.
struct RevocableToken {
  std::string_view sha256_hex;
  std::string_view jti;  // "": none
  std::string_view subject;
  std::string_view kid;  // "": none
  UtcTime issued_at{};   // without `iat`: 1970, so that any revocation of its subject meets it
};

class Revocations {
 public:
  // `file` "" keeps them in memory only (tests).
  static Result<std::unique_ptr<Revocations>> open(std::string file, const Clock& clock);
  ~Revocations();

  Result<void> revoke(const Revocation& revocation);
  std::vector<Revocation> list() const;

  bool revoked(const RevocableToken& token) const;
  bool api_key_revoked(std::string_view name) const;
  // Rises with every change: whoever remembers an answer forgets it when this is another number.
  std::uint64_t generation() const;

 private:
  struct Impl;
  explicit Revocations(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace chaveiro::api
