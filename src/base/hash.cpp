// The plain SHA functions are marked as deprecated in OpenSSL 3, and are the only ones without a look-up and a lock per
// call.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <cstring>

namespace chaveiro {
namespace {

static_assert(sizeof(SHA256_CTX) == Sha256::state_size && alignof(SHA256_CTX) <= 8);

constexpr std::size_t block_size = 64;

SHA256_CTX* context(std::array<std::uint8_t, Sha256::state_size>& state) {
  return reinterpret_cast<SHA256_CTX*>(state.data());
}

// SHA-NI instructions have no VEX form: while the upper halves of the vector registers are dirty each of them waits for
// a merge, which made one HMAC a hundred times slower. The ABI keeps them clean between compiled functions,
// hand-written ones may not.
void clean_vector_registers() {
#if defined(__x86_64__)
  static const bool has_avx = __builtin_cpu_supports("avx");
  if (has_avx) asm volatile("vzeroupper" ::: "memory");
#endif
}

// The key as one block, XORed with `pad`.
std::array<std::uint8_t, block_size> padded(ByteView key, std::uint8_t pad) {
  std::array<std::uint8_t, block_size> block{};
  if (key.size() > block_size) {
    const Digest256 digest = sha256(key);
    std::memcpy(block.data(), digest.data(), digest.size());
  } else if (!key.empty()) {
    std::memcpy(block.data(), key.data(), key.size());
  }
  for (auto& byte : block) byte ^= pad;
  return block;
}

}  // namespace

Sha256::Sha256() : state_{} { SHA256_Init(context(state_)); }

void Sha256::update(ByteView data) {
  clean_vector_registers();
  SHA256_Update(context(state_), data.data(), data.size());
}

Digest256 Sha256::digest() const {
  clean_vector_registers();
  auto copy = state_;
  Digest256 digest;
  SHA256_Final(digest.data(), context(copy));
  return digest;
}

Digest256 sha256(ByteView data) {
  Sha256 hash;
  hash.update(data);
  return hash.digest();
}

Digest256 hmac_sha256(ByteView key, ByteView message) { return HmacKey(key).sign(message); }

HmacKey::HmacKey(ByteView key) {
  auto block = padded(key, 0x36);
  inner_.update(block);
  for (auto& byte : block) byte ^= 0x36 ^ 0x5c;
  outer_.update(block);
  OPENSSL_cleanse(block.data(), block.size());
}

HmacKey::~HmacKey() {
  OPENSSL_cleanse(inner_.state_.data(), inner_.state_.size());
  OPENSSL_cleanse(outer_.state_.data(), outer_.state_.size());
}

Digest256 HmacKey::sign(ByteView message) const {
  Sha256 inner = inner_;
  inner.update(message);
  Sha256 outer = outer_;
  outer.update(inner.digest());
  return outer.digest();
}

Digest160 sha1_of_two(ByteView first, ByteView second) {
  clean_vector_registers();
  SHA_CTX state;
  SHA1_Init(&state);
  SHA1_Update(&state, first.data(), first.size());
  SHA1_Update(&state, second.data(), second.size());
  Digest160 digest;
  SHA1_Final(digest.data(), &state);
  return digest;
}

bool constant_time_equal(ByteView a, ByteView b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace chaveiro
