#include "directory/audit.h"

#include <openssl/evp.h>

#include <memory>
#include <string>

#include "base/hash.h"
#include "base/random.h"
#include "directory/bytes.h"

namespace chaveiro::directory {

Month month_of(UtcTime time) {
  const std::chrono::year_month_day date{std::chrono::floor<std::chrono::days>(time)};
  return static_cast<Month>(static_cast<int>(date.year()) * 100) + static_cast<unsigned>(date.month());
}

Digest chain_hash(const AuditRecord& record) {
  std::string bytes;
  bytes.reserve(record.before.size() + record.after.size() + 384);
  BytesOut out(bytes);
  out.text(record.writer);
  out.u32(record.month);
  out.u64(record.number);
  out.u64(record.sequence);
  out.i64(record.at.time_since_epoch().count());
  out.text(record.ispb.view());
  out.text(record.actor);
  out.text(record.correlation_id);
  out.text(record.operation);
  out.text(record.resource_type);
  out.raw(record.resource.bytes());
  out.raw(record.person);
  out.text(record.before);
  out.text(record.after);
  out.raw(record.previous);
  return sha256(bytes);
}

SealKey new_seal_key() {
  SealKey key;
  random_bytes(key);
  return key;
}

// sealed ::= version:u8 (= 1) nonce:12 ciphertext tag:16        AES-256-GCM, random nonce
namespace {

constexpr char seal_version = 1;
constexpr std::size_t nonce_size = 12, tag_size = 16, seal_overhead = 1 + nonce_size + tag_size;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

// One cipher context a thread: making one costs more than sealing a record.
EVP_CIPHER_CTX* cipher_context() {
  static EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  thread_local const std::unique_ptr<EVP_CIPHER_CTX, FreeContext> context = [] {
    std::unique_ptr<EVP_CIPHER_CTX, FreeContext> made(EVP_CIPHER_CTX_new());
    CHECK(made && EVP_CipherInit_ex2(made.get(), cipher, nullptr, nullptr, 1, nullptr) == 1);
    return made;
  }();
  return context.get();
}

unsigned char* bytes_of(std::string& text, std::size_t at) {
  return reinterpret_cast<unsigned char*>(text.data() + at);
}
const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

}  // namespace

std::string seal(const SealKey& key, std::string_view plain, std::string_view associated) {
  std::string sealed(plain.size() + seal_overhead, '\0');
  sealed[0] = seal_version;
  random_bytes({bytes_of(sealed, 1), nonce_size});
  EVP_CIPHER_CTX* context = cipher_context();
  int length = 0;
  const std::size_t text_at = 1 + nonce_size;
  CHECK(EVP_CipherInit_ex2(context, nullptr, key.data(), bytes_of(sealed, 1), 1, nullptr) == 1);
  CHECK(EVP_CipherUpdate(context, nullptr, &length, bytes_of(associated), static_cast<int>(associated.size())) == 1);
  CHECK(EVP_CipherUpdate(context, bytes_of(sealed, text_at), &length, bytes_of(plain),
                         static_cast<int>(plain.size())) == 1);
  CHECK(EVP_CipherFinal_ex(context, bytes_of(sealed, text_at + plain.size()), &length) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, tag_size, bytes_of(sealed, text_at + plain.size())) == 1);
  return sealed;
}

Result<std::string> unseal(const SealKey& key, std::string_view sealed, std::string_view associated) {
  const Error broken = fail(Code::corrupt, "Seal", "the sealed text does not open: wrong key, or it was changed");
  if (sealed.size() < seal_overhead || sealed[0] != seal_version) return broken;
  const std::string_view body = sealed.substr(1 + nonce_size, sealed.size() - seal_overhead);
  std::string tag(sealed.substr(sealed.size() - tag_size));
  std::string plain(body.size() + 1, '\0');
  EVP_CIPHER_CTX* context = cipher_context();
  int length = 0;
  CHECK(EVP_CipherInit_ex2(context, nullptr, key.data(), bytes_of(sealed.substr(1)), 0, nullptr) == 1);
  CHECK(EVP_CipherUpdate(context, nullptr, &length, bytes_of(associated), static_cast<int>(associated.size())) == 1);
  CHECK(EVP_CipherUpdate(context, bytes_of(plain, 0), &length, bytes_of(body), static_cast<int>(body.size())) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, tag_size, tag.data()) == 1);
  if (EVP_CipherFinal_ex(context, bytes_of(plain, body.size()), &length) != 1) return broken;
  plain.resize(body.size());
  return plain;
}

std::string seal_context(const AuditRecord& record, AuditSide side) {
  std::string context;
  context.reserve(64);
  BytesOut out(context);
  out.u8(static_cast<std::uint8_t>(side));
  out.u64(record.sequence);
  out.text(record.resource_type);
  out.raw(record.resource.bytes());
  return context;
}

Digest person_of(const Secret& installation_key, std::string_view tax_id) {
  return hmac_sha256(installation_key.expose(), std::string("person:").append(tax_id));
}

}  // namespace chaveiro::directory
