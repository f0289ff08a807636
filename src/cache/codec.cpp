#include "cache/codec.h"

#include <zstd.h>

#include <bit>
#include <cstring>
#include <memory>
#include <optional>

#include "base/random.h"
#include "cache/cipher.h"

namespace chaveiro::cache {
namespace {

constexpr std::size_t head_bytes = 16;
constexpr std::size_t check_bytes = 8;
constexpr std::uint8_t format_now = 1;
constexpr std::uint8_t flag_compressed = 1, flag_encrypted = 2, flag_negative = 4;
constexpr std::uint8_t flags_known = flag_compressed | flag_encrypted | flag_negative;

template <class Number>
void put(std::string& out, Number number) {
  for (std::size_t i = 0; i < sizeof number; ++i)
    out += static_cast<char>(static_cast<std::make_unsigned_t<Number>>(number) >> (8 * i) & 0xFF);
}

// Reads from the front; once something was missing, everything is.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}

  std::string_view bytes(std::size_t count) {
    if (count > left_.size()) {
      good_ = false;
      left_ = {};
      return {};
    }
    const std::string_view taken = left_.substr(0, count);
    left_.remove_prefix(count);
    return taken;
  }
  template <class Number>
  Number number() {
    std::make_unsigned_t<Number> value = 0;
    const std::string_view raw = bytes(sizeof(Number));
    for (std::size_t i = 0; i < raw.size(); ++i)
      value = static_cast<decltype(value)>(value | static_cast<decltype(value)>(static_cast<std::uint8_t>(raw[i]))
                                                       << (8 * i));
    return static_cast<Number>(value);
  }
  std::string_view rest() { return bytes(left_.size()); }
  bool good() const { return good_; }

 private:
  std::string_view left_;
  bool good_ = true;
};

struct Head {
  std::uint8_t flags = 0;
  std::uint32_t schema = 0, key_id = 0, plain_bytes = 0;

  std::string text() const {
    std::string out = "CV";
    put(out, format_now);
    put(out, flags);
    put(out, schema);
    put(out, key_id);
    put(out, plain_bytes);
    return out;
  }
};

std::string plain_of(const Envelope& envelope) {
  std::string out;
  out.reserve(64 + envelope.value.size());
  put(out, std::int64_t{envelope.fresh_for.count()});
  put(out, std::int64_t{envelope.keep_stale.count()});
  put(out, std::int64_t{envelope.cost.count()});
  put(out, envelope.version);
  put(out, static_cast<std::uint16_t>(envelope.etag.size()));
  out += envelope.etag;
  put(out, static_cast<std::uint8_t>(envelope.tags.size()));
  for (const std::string& tag : envelope.tags) {
    put(out, static_cast<std::uint16_t>(tag.size()));
    out += tag;
  }
  return out += envelope.value;
}

std::optional<Envelope> parse_plain(std::string_view plain, bool negative) {
  Reader in(plain);
  Envelope envelope;
  envelope.fresh_for = Micros{in.number<std::int64_t>()};
  envelope.keep_stale = Micros{in.number<std::int64_t>()};
  envelope.cost = std::chrono::nanoseconds{in.number<std::int64_t>()};
  envelope.version = in.number<std::uint64_t>();
  envelope.etag = in.bytes(in.number<std::uint16_t>());
  const int tags = in.number<std::uint8_t>();
  for (int i = 0; i < tags && in.good(); ++i) envelope.tags.emplace_back(in.bytes(in.number<std::uint16_t>()));
  envelope.value = in.rest();
  envelope.negative = negative;
  constexpr Micros longest = std::chrono::hours{24 * 366 * 100};
  const auto sane = [&](Micros time) { return time >= Micros{0} && time <= longest; };
  if (!in.good() || !sane(envelope.fresh_for) || !sane(envelope.keep_stale) || envelope.cost.count() < 0)
    return std::nullopt;
  return envelope;
}

std::uint64_t check_of(std::string_view key, std::string_view sealed) { return checksum64(sealed, checksum64(key)); }

std::string compress(std::string_view plain, int level) {
  std::string out(ZSTD_compressBound(plain.size()), '\0');
  const std::size_t size = ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), level);
  if (ZSTD_isError(size) != 0) return {};
  out.resize(size);
  return out;
}

std::optional<std::string> decompress(std::string_view body, std::size_t plain_bytes) {
  // The frame must promise exactly what the head says before a byte is allocated for it.
  if (ZSTD_getFrameContentSize(body.data(), body.size()) != plain_bytes) return std::nullopt;
  std::string plain(plain_bytes, '\0');
  if (ZSTD_decompress(plain.data(), plain.size(), body.data(), body.size()) != plain_bytes) return std::nullopt;
  return plain;
}

}  // namespace

std::uint64_t checksum64(std::string_view bytes, std::uint64_t seed) {
  // Each step is a bijection of the state for a given word, and of the word for a given state.
  constexpr std::uint64_t odd1 = 0x9E3779B185EBCA87, odd2 = 0xC2B2AE3D27D4EB4F;
  std::uint64_t state = seed ^ (bytes.size() * odd1);
  const auto step = [&](std::uint64_t word) { state = std::rotl(state ^ word * odd2, 29) * odd1; };
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + at, 8);
    step(word);
  }
  std::uint64_t last = 0;
  if (at < bytes.size()) std::memcpy(&last, bytes.data() + at, bytes.size() - at);
  step(last);
  state ^= state >> 33;
  state *= odd2;
  return state ^ state >> 29;
}

std::string_view to_string(CodecFault fault) {
  switch (fault) {
    case CodecFault::foreign:
      return "foreign";
    case CodecFault::schema:
      return "schema";
    case CodecFault::damaged:
      return "damaged";
    case CodecFault::unknown_key:
      return "unknown_key";
  }
  return "";
}

Result<Codec> Codec::make(CodecOptions options) {
  for (const auto& [id, key] : options.keys) {
    if (key.expose().size() != cipher_key_bytes)
      return fail_field("keys." + std::to_string(id), "an AES-256 key has 32 bytes", "CacheKeyring");
  }
  if (!options.keys.empty() && !options.keys.contains(options.key_id))
    return fail_field("key_id", "the key that writes is not among the keys", "CacheKeyring");
  return Codec(std::move(options));
}

Result<std::string> Codec::seal(std::string_view key, const Envelope& envelope) const {
  if (envelope.etag.size() > UINT16_MAX || envelope.tags.size() > UINT8_MAX)
    return fail(Code::invalid, "CacheValue", "too many tags, or too long an etag");
  for (const std::string& tag : envelope.tags) {
    if (tag.size() > UINT16_MAX) return fail(Code::invalid, "CacheValue", "a tag is too long");
  }
  std::string body = plain_of(envelope);
  if (body.size() > options_.plain_max)
    return fail(Code::invalid, "CacheValue", "the value is too large for the cache");

  Head head{.schema = options_.schema, .plain_bytes = static_cast<std::uint32_t>(body.size())};
  if (envelope.negative) head.flags |= flag_negative;
  if (body.size() > options_.compress_above) {
    if (std::string smaller = compress(body, options_.compress_level);
        !smaller.empty() && smaller.size() < body.size()) {
      body = std::move(smaller);
      head.flags |= flag_compressed;
    }
  }
  std::string out;
  if (!options_.keys.empty()) {
    head.flags |= flag_encrypted;
    head.key_id = options_.key_id;
    out = head.text();
    out += encrypt(options_.keys.at(options_.key_id), {.key = key, .head = out}, body);
  } else {
    out = head.text();
    out += body;
  }
  put(out, check_of(key, out));
  return out;
}

Codec::Opened Codec::open(std::string_view key, std::string_view bytes) const {
  const auto bad = [](CodecFault fault) { return Opened{{}, fault, false}; };
  if (bytes.size() < head_bytes + check_bytes || !bytes.starts_with("CV") || bytes[2] != static_cast<char>(format_now))
    return bad(CodecFault::foreign);
  const std::string_view sealed = bytes.substr(0, bytes.size() - check_bytes);
  if (Reader(bytes.substr(sealed.size())).number<std::uint64_t>() != check_of(key, sealed))
    return bad(CodecFault::damaged);

  Reader in(sealed.substr(3));
  Head head;
  head.flags = in.number<std::uint8_t>();
  head.schema = in.number<std::uint32_t>();
  head.key_id = in.number<std::uint32_t>();
  head.plain_bytes = in.number<std::uint32_t>();
  if (head.schema != options_.schema) return bad(CodecFault::schema);
  if ((head.flags & ~flags_known) != 0) return bad(CodecFault::foreign);
  if (head.plain_bytes > options_.plain_max) return bad(CodecFault::damaged);

  std::string_view body = in.rest();
  std::string clear;
  const bool encrypted = (head.flags & flag_encrypted) != 0;
  if (encrypted != !options_.keys.empty()) return bad(CodecFault::unknown_key);
  if (encrypted) {
    const auto found = options_.keys.find(head.key_id);
    if (found == options_.keys.end()) return bad(CodecFault::unknown_key);
    auto opened = decrypt(found->second, {.key = key, .head = sealed.substr(0, head_bytes)}, body);
    if (!opened) return bad(CodecFault::damaged);
    clear = std::move(*opened);
    body = clear;
  }
  std::string plain;
  if ((head.flags & flag_compressed) != 0) {
    auto grown = decompress(body, head.plain_bytes);
    if (!grown) return bad(CodecFault::damaged);
    plain = std::move(*grown);
    body = plain;
  }
  if (body.size() != head.plain_bytes) return bad(CodecFault::damaged);
  auto envelope = parse_plain(body, (head.flags & flag_negative) != 0);
  if (!envelope) return bad(CodecFault::damaged);
  return {std::move(*envelope), CodecFault::damaged, true};
}

}  // namespace chaveiro::cache
