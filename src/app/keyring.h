// app/keyring.h
//
// The secrets of this installation. There is no default secret: the first start makes one 32-byte key in the data folder
// (installation.key, mode 0600) and everything else is derived from it, each use under its own label: the secret of HS256 tokens (unless
// JWT_SECRET is set), the key of page tokens, the key under which the audit knows persons and look-ups know keys. Whoever may read
// the file may act as administrator: the command line on the same machine does.
//
// The file belongs to every backup: without it nobody can check old anchors or find a person's old audit records.
//
// Threads: immutable once loaded.
// Errors:  unavailable (cannot be read or written, naming the path), corrupt (not 64 hexadecimal digits), forbidden (readable by
//          others: the message says which chmod mends it).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

namespace chaveiro::app {

class Keyring {
 public:
  // Reads data/installation.key, and makes it (and the folder, mode 0700) first where it is missing.
  static Result<Keyring> open_or_make(const std::string& data_folder);
  // Only reads: for the command line. Errors: not_found where there is none.
  static Result<Keyring> open(const std::string& data_folder);

  // HMAC-SHA-256 of the label under the installation's key, as 64 hexadecimal digits.
  Secret derive(std::string_view label) const;

  Secret token_secret() const { return derive("token"); }
  Secret page_key() const { return derive("page"); }
  Secret person_key() const { return derive("person"); }
  Secret anchor_key() const { return derive("anchor"); }

 private:
  explicit Keyring(Secret key) : key_(std::move(key)) {}
  Secret key_;
};

inline constexpr std::string_view keyring_file = "installation.key";

}  // namespace chaveiro::app
