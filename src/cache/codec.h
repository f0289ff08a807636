// cache/codec.h
//
// The envelope in which a value travels to a slower level: what the value is, how long it is good for, and proof that it is still
// what was written, for this key. A damaged, foreign, older or newer envelope is a miss that says why, never a crash or a guess.
//
//   envelope = head body check
//   head     = 'C' 'V' format(1) flags(1) schema(4) key_id(4) plain_bytes(4)         little-endian throughout
//   flags    = 1: body compressed (zstd) | 2: body encrypted (AES-256-GCM) | 4: there is no such thing (negative)
//   body     = plain, or what compressing and then encrypting made of it; encrypted = nonce(12) cipher-text tag(16)
//   plain    = fresh_for(8) keep_stale(8) cost(8) version(8) etag tags value
//   etag     = length(2) bytes        tags = count(1) {length(2) bytes}…        value = the rest
//   check    = checksum64(key ‖ head ‖ body)(8)
//
// The head and the cache key are authenticated with the cipher-text: neither a bit nor the key of an encrypted value can be changed.
// Nonces are random: rotate a key before 2^32 values were written with it.
//
// Threads: a Codec is immutable once made: any.
// Time:    linear; about 0.1 ns a byte for the check, 0.3 for encryption, 2–5 for compression.
// Source:  AES-GCM: NIST SP 800-38D. Zstandard: RFC 8878.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"

namespace chaveiro::cache {

struct Envelope {
  Micros fresh_for{0};               // time to live when it was written
  Micros keep_stale{0};              // so much longer it may be shown where the source fails
  std::chrono::nanoseconds cost{0};  // how long it took to make
  std::uint64_t version = 0;         // 0: none
  std::string etag;                  // of the source, for conditional refresh; at most 65,535 bytes
  std::vector<std::string> tags;     // at most 255, of at most 65,535 bytes
  bool negative = false;             // the source said that there is no such thing
  std::string value;

  bool operator==(const Envelope&) const = default;
};

enum class CodecFault : std::uint8_t {
  foreign,     // not an envelope of ours, or of another format
  schema,      // written by an older or newer program
  damaged,     // the check, the cipher's tag or the form does not hold
  unknown_key  // encrypted with a key that we do not have, or in the clear where encryption is required
};
std::string_view to_string(CodecFault fault);

struct CodecOptions {
  std::uint32_t schema = 1;              // of the values: raise it when their form changes
  std::size_t compress_above = 1'024;    // bytes; 0: everything; SIZE_MAX: nothing
  int compress_level = 1;                // of zstd
  std::size_t plain_max = 16U << 20;     // bytes; what claims to be larger is damaged
  std::map<std::uint32_t, Secret> keys;  // AES-256 keys of 32 bytes by id; empty: values travel in the clear
  std::uint32_t key_id = 0;              // the key that writes; every one of `keys` reads
};

class Codec {
 public:
  // Errors: invalid (a key that is not 32 bytes long, a key_id that is not among the keys).
  static Result<Codec> make(CodecOptions options);

  // Errors: invalid "CacheValue" (beyond the bounds above).
  Result<std::string> seal(std::string_view key, const Envelope& envelope) const;

  struct Opened {
    Envelope envelope;
    CodecFault fault = CodecFault::damaged;  // of no meaning when ok
    bool ok = false;
  };
  Opened open(std::string_view key, std::string_view bytes) const;

 private:
  explicit Codec(CodecOptions options) : options_(std::move(options)) {}
  CodecOptions options_;
};

// Finds every change that is confined to eight aligned bytes, others but for one in 2^64. No defence against intent.
std::uint64_t checksum64(std::string_view bytes, std::uint64_t seed = 0);

}  // namespace chaveiro::cache
