#include "base/random.h"

#include <openssl/crypto.h>
#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace chaveiro {
namespace {

void from_kernel(std::uint8_t* out, std::size_t size) {
  while (size > 0) {
    const ssize_t got = ::getrandom(out, size, 0);
    CHECK(got > 0 || errno == EINTR);
    if (got <= 0) continue;
    out += got;
    size -= static_cast<std::size_t>(got);
  }
}

class Buffer {
 public:
  ~Buffer() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

  void take(std::uint8_t* out, std::size_t size) {
    if (bytes_.size() - used_ < size) {
      from_kernel(bytes_.data(), bytes_.size());
      used_ = 0;
    }
    std::memcpy(out, bytes_.data() + used_, size);
    std::memset(bytes_.data() + used_, 0, size);  // what was handed out cannot be read here later
    used_ += size;
  }

 private:
  std::array<std::uint8_t, 512> bytes_{};
  std::size_t used_ = bytes_.size();
};

thread_local Buffer buffer;

}  // namespace

void random_bytes(std::span<std::uint8_t> out) {
  if (out.size() > 64) return from_kernel(out.data(), out.size());
  if (!out.empty()) buffer.take(out.data(), out.size());
}

std::uint64_t random_u64() {
  std::uint64_t value = 0;
  buffer.take(reinterpret_cast<std::uint8_t*>(&value), sizeof value);
  return value;
}

}  // namespace chaveiro
