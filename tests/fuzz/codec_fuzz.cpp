// Envelopes of cached values. The first byte chooses the codec (in the clear, encrypted) and whether the checksum is mended before
// opening, so that what lies behind the check is reached too.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "cache/codec.h"

using namespace chaveiro;
using namespace chaveiro::cache;

namespace {

Codec codec_of(bool encrypted) {
  CodecOptions options{.compress_above = 64, .plain_max = 1U << 16};
  if (encrypted) {
    options.keys.emplace(7, Secret(std::string(32, 'k')));
    options.key_id = 7;
  }
  return Codec::make(std::move(options)).value();
}

std::string mended(std::string bytes) {
  if (bytes.size() < 8) return bytes;
  const std::string_view inside(bytes.data(), bytes.size() - 8);
  const std::uint64_t check = checksum64(inside, checksum64("key"));
  for (std::size_t i = 0; i < 8; ++i) bytes[inside.size() + i] = static_cast<char>(check >> 8 * i);
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Codec codecs[] = {codec_of(false), codec_of(true)};
  if (size == 0) return 0;
  const Codec& codec = codecs[data[0] & 1];
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if ((data[0] & 2) != 0) bytes = mended(std::move(bytes));

  const auto opened = codec.open("key", bytes);
  if (!opened.ok) return 0;
  // What opens can be sealed again and says the same; under another key it never opens.
  const auto sealed = codec.seal("key", opened.envelope);
  CHECK(sealed.has_value());
  const auto again = codec.open("key", *sealed);
  CHECK(again.ok && again.envelope == opened.envelope);
  CHECK(!codec.open("another", *sealed).ok);
  return 0;
}
