#include "base/secret.h"

#include <openssl/crypto.h>

namespace chaveiro {

void Secret::wipe(std::string& text) noexcept {
  text.resize(text.capacity());  // never allocates: what lay beyond the end is wiped too
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

}  // namespace chaveiro
