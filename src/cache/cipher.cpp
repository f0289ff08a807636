#include "cache/cipher.h"

#include <openssl/evp.h>

#include <memory>

#include "base/check.h"
#include "base/random.h"

namespace chaveiro::cache {
namespace {

constexpr int nonce_bytes = 12;
constexpr int tag_bytes = 16;

struct Free {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, Free>;

const unsigned char* raw(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* raw(std::string& text, std::size_t at) { return reinterpret_cast<unsigned char*>(text.data()) + at; }

// The cache key's length stands before it, so that no two pairs of key and head read the same.
bool bind(EVP_CIPHER_CTX* context, BoundTo to, bool encrypting) {
  std::string bound = std::to_string(to.key.size());
  bound += ':';
  bound += to.key;
  bound += to.head;
  int ignored = 0;
  const auto update = encrypting ? EVP_EncryptUpdate : EVP_DecryptUpdate;
  return update(context, nullptr, &ignored, raw(bound), static_cast<int>(bound.size())) == 1;
}

}  // namespace

std::string encrypt(const Secret& key, BoundTo to, std::string_view plain) {
  CHECK(key.expose().size() == cipher_key_bytes);
  std::string out(nonce_bytes + plain.size() + tag_bytes, '\0');
  random_bytes({raw(out, 0), nonce_bytes});
  const Context context(EVP_CIPHER_CTX_new());
  int size = 0, last = 0;
  CHECK(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, raw(key.expose()), raw(out, 0)) == 1);
  CHECK(bind(context.get(), to, true));
  CHECK(EVP_EncryptUpdate(context.get(), raw(out, nonce_bytes), &size, raw(plain), static_cast<int>(plain.size())) ==
        1);
  CHECK(EVP_EncryptFinal_ex(context.get(), raw(out, nonce_bytes + static_cast<std::size_t>(size)), &last) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, tag_bytes, raw(out, nonce_bytes + plain.size())) == 1);
  return out;
}

std::optional<std::string> decrypt(const Secret& key, BoundTo to, std::string_view sealed) {
  CHECK(key.expose().size() == cipher_key_bytes);
  if (sealed.size() < nonce_bytes + tag_bytes) return std::nullopt;
  const std::string_view text = sealed.substr(nonce_bytes, sealed.size() - nonce_bytes - tag_bytes);
  std::string tag(sealed.substr(sealed.size() - tag_bytes));
  std::string out(text.size(), '\0');
  const Context context(EVP_CIPHER_CTX_new());
  int size = 0, last = 0;
  if (EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, raw(key.expose()), raw(sealed)) != 1 ||
      !bind(context.get(), to, false) ||
      EVP_DecryptUpdate(context.get(), raw(out, 0), &size, raw(text), static_cast<int>(text.size())) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, tag_bytes, tag.data()) != 1)
    return std::nullopt;
  unsigned char beyond[EVP_MAX_BLOCK_LENGTH];
  if (EVP_DecryptFinal_ex(context.get(), beyond, &last) != 1) return std::nullopt;
  return out;
}

}  // namespace chaveiro::cache
