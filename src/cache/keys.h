// cache/keys.h
//
// The keys of the directory's caches, made in one place, with the time that each is kept.
//
//   dict:entry:id:{id}                  5 min    write-through
//   dict:entry:key:{type}:{value}       5 min    write-through
//   dict:account:id:{id}                10 min
//   dict:claim:id:{id}                  1 min
//   dict:claim:status:{id}              1 min
//   dict:claim:index:entry:{entry}      1 min
//   workflow:claim:{id}:status          30 s
//   workflow:claim:{id}:metadata        30 days
//   bridge:idempotency:{request}        24 h     written once
//
// A CPF, a phone and an e-mail are personal: on the wire their {value} is the HMAC-SHA-256 of "TYPE:value" under a key of the
// installation, 32 hexadecimal digits, so that whoever reads a level's keys learns nobody's (docs and people speak of the names above).
// Where data belongs to one participant, its ISPB stands in the prefix of the cache.
//
// Threads: any.
// Time:    about 0.3 µs for a personal key, else one allocation.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/hash.h"
#include "base/secret.h"

namespace chaveiro::cache {

struct CacheKey {
  std::string wire;
  Micros ttl{0};
};

enum class PersonalKeys : std::uint8_t {
  hidden,  // as an HMAC
  plain    // as they are (CACHE_PLAIN_KEYS=true): for debugging, never in production
};

class KeyBuilder {
 public:
  KeyBuilder(const Secret& installation_key, PersonalKeys personal);

  CacheKey entry_by_id(std::string_view id) const { return {join("dict:entry:id:", id), std::chrono::minutes{5}}; }
  // The type in its official spelling: CPF CNPJ PHONE EMAIL EVP.
  CacheKey entry_by_key(std::string_view type, std::string_view value) const;
  CacheKey account_by_id(std::string_view id) const { return {join("dict:account:id:", id), std::chrono::minutes{10}}; }
  CacheKey claim_by_id(std::string_view id) const { return {join("dict:claim:id:", id), std::chrono::minutes{1}}; }
  CacheKey claim_status(std::string_view id) const { return {join("dict:claim:status:", id), std::chrono::minutes{1}}; }
  CacheKey claims_of_entry(std::string_view entry) const {
    return {join("dict:claim:index:entry:", entry), std::chrono::minutes{1}};
  }
  CacheKey workflow_status(std::string_view claim) const {
    return {join("workflow:claim:", claim, ":status"), std::chrono::seconds{30}};
  }
  CacheKey workflow_metadata(std::string_view claim) const {
    return {join("workflow:claim:", claim, ":metadata"), std::chrono::hours{24 * 30}};
  }
  CacheKey idempotency(std::string_view request) const {
    return {join("bridge:idempotency:", request), std::chrono::hours{24}};
  }

  // The key of a value's fence: in the same slot of a cluster as the value.
  static std::string fence_of(std::string_view wire) { return join("{", wire, "}:fence"); }

 private:
  static std::string join(std::string_view front, std::string_view middle, std::string_view back = {});
  const HmacKey hmac_;
  const PersonalKeys personal_;
};

}  // namespace chaveiro::cache
