// cache/keys.h
//
// The keys of the directory's caches, made in one place, with the time that each is kept.
//
//   dict:entry:id:{id}                  5 min    write-through
//   dict:entry:key:{type}:{value}       5 min    write-through
//   dict:entry:foreign:{hash}           180 s    what the regulator allows of other participants' entries
//   dict:existence:{sha256}             30 days   that a key exists: its SHA-256 and two dates (cache/regulated.h)
//   dict:account:id:{id}                10 min   write-through
//   dict:claim:id:{id}                  1 min    write-through
//   dict:claim:status:{id}              1 min    write-through
//   dict:claim:index:entry:{entry}      1 min    write-through
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

// How long each kind is kept; 0: not at all.
struct KeyTimes {
  Micros entry = std::chrono::minutes{5};
  Micros foreign = std::chrono::seconds{180};      // the regulator's most
  Micros existence = std::chrono::hours{24 * 30};  // the regulator's most
  Micros account = std::chrono::minutes{10};
  Micros claim = std::chrono::minutes{1};
};

class KeyBuilder {
 public:
  KeyBuilder(const Secret& installation_key, PersonalKeys personal, KeyTimes times = {});

  CacheKey entry_by_id(std::string_view id) const { return {join("dict:entry:id:", id), times_.entry}; }
  // The type in its official spelling: CPF CNPJ PHONE EMAIL EVP.
  CacheKey entry_by_key(std::string_view type, std::string_view value) const;
  // The same for who has the HMAC of "TYPE:value" at hand, written over `name`, whose memory is used again.
  Micros entry_by_key(std::string& name, std::string_view type, std::string_view value, const Digest256& hmac) const;
  CacheKey foreign_entry(const Digest256& hmac) const;
  CacheKey foreign_entry(std::string_view type, std::string_view value) const {
    return foreign_entry(hmac_.sign(join(type, ":", value)));
  }
  CacheKey account_by_id(std::string_view id) const { return {join("dict:account:id:", id), times_.account}; }
  CacheKey claim_by_id(std::string_view id) const { return {join("dict:claim:id:", id), times_.claim}; }
  CacheKey claim_status(std::string_view id) const { return {join("dict:claim:status:", id), times_.claim}; }
  CacheKey claims_of_entry(std::string_view entry) const {
    return {join("dict:claim:index:entry:", entry), times_.claim};
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

  // What people write, as it is on the wire: "dict:entry:key:CPF:12345678901" loses the number. What is no such name, or is on the wire
  // so already, stays as it is.
  std::string wire_of(std::string_view name) const;
  const KeyTimes& times() const { return times_; }

  // The key of a value's fence: in the same slot of a cluster as the value.
  static std::string fence_of(std::string_view wire) { return join("{", wire, "}:fence"); }

 private:
  static std::string join(std::string_view front, std::string_view middle, std::string_view back = {});
  const HmacKey hmac_;
  const PersonalKeys personal_;
  const KeyTimes times_;
};

}  // namespace chaveiro::cache
