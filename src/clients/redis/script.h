// clients/redis/script.h
//
// Script: a Lua script with the SHA-1 that EVALSHA knows it by.
#pragma once

#include <string>
#include <string_view>

#include "clients/redis/wire/command.h"

namespace chaveiro::redis {

class Script {
 public:
  // `access` says what repeating it means; a script counts as a write unless told otherwise.
  explicit Script(std::string_view text, Access access = Access::write);

  const std::string& text() const { return text_; }
  const std::string& sha() const { return sha_; }  // 40 hexadecimal digits
  Access access() const { return access_; }

 private:
  std::string text_;
  std::string sha_;
  Access access_;
};

}  // namespace chaveiro::redis
