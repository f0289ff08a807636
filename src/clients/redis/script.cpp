#include "clients/redis/script.h"

#include "base/encoding.h"
#include "base/hash.h"

namespace chaveiro::redis {

Script::Script(std::string_view text, Access access) : text_(text), access_(access) {
  sha_ = to_hex(sha1_of_two(as_bytes(text_), {}));
}

}  // namespace chaveiro::redis
