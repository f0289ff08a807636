// api/jwks.h
//
// The public keys that tokens are checked against, from a JSON Web Key Set: RSA of 2048 to 8192 bits (RS256) and P-256
// (ES256). Keys of other kinds, and those meant for encryption, are passed over, as the RFC asks; a key of a known kind
// that cannot be read is an error.
//
// A key serves one algorithm, told by its kind: a token cannot choose another for it.
//
// Threads: a KeySet never changes after parse(); any number may use it at once.
// Time:    RS256 (2048 bits) about 20 µs, ES256 about 70 µs.
// Source:  RFC 7517, RFC 7518 §3.3, §3.4, §6.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/jwt.h"
#include "base/result.h"

namespace chaveiro::api {

class KeySet {
 public:
  // Errors: invalid, naming the key by its place and `kid`.
  static Result<KeySet> parse(std::string_view json_text);
  // Errors also: invalid, where the file cannot be read or is larger than 1 MiB.
  static Result<KeySet> read_file(const std::string& file);

  // Whether the signature was made by the key that the token names (or by the only one of its algorithm, where the token
  // names none).
  bool holds(const TokenParts& token) const;
  std::size_t size() const { return keys_.size(); }

 private:
  struct Key;
  std::vector<std::shared_ptr<const Key>> keys_;
};

}  // namespace chaveiro::api
