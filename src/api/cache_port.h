// api/cache_port.h
//
// What an operator may do with the caches of a running process, as the edges see it; app/ implements it. Authorisation (operator or admin)
// and the audit record are the implementation's.
//
// Keys are given as people write them (dict:entry:key:CPF:12345678901) or as they are on the wire. A cache is named, or, where the
// name is "", found by how the key begins.
//
// Threads: any number at once; blocking, until the context's deadline.
// Errors:  forbidden; not_found "NoSuchCache", "NotCached"; invalid.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/administered.h"
#include "directory/caller.h"
#include "directory/key.h"

namespace chaveiro::api {

struct CachedValue {
  std::string wire;  // the key as the levels know it
  cache::Shown shown;
  bool value_hidden = false;  // it is another participant's, and the caller is no admin
};

struct CacheExplanation {
  std::string cache, wire;
  cache::Explanation explanation;
};

struct CacheKeyName {
  std::string name, wire, cache;
  Micros ttl{0};
};

struct CacheInvalidation {
  std::string cache;
  std::string key, tag;     // one of them, or
  bool everything = false;  // of the cache; without a name, of all
};

struct CacheWarming {
  std::uint64_t loaded = 0, present = 0, failed = 0;
  std::string next;  // to be handed in again; empty: that was all
};

class CachePort {
 public:
  using Context = directory::Context;

  virtual ~CachePort() = default;
  // `cache` "": of all.
  virtual Result<std::vector<cache::CacheStats>> stats(const Context& context, std::string_view cache) = 0;
  virtual Result<CachedValue> get(const Context& context, std::string_view cache, std::string_view key) = 0;
  virtual Result<CacheExplanation> explain(const Context& context, std::string_view cache, std::string_view key) = 0;
  virtual Result<cache::Reached> invalidate(const Context& context, const CacheInvalidation& what) = 0;
  // Brings entries of the caller's participant in, oldest first, at most `limit` (1 to 1,000) in one call.
  virtual Result<CacheWarming> warm(const Context& context, std::uint32_t limit, std::string_view next) = 0;
  virtual Result<CacheKeyName> key_of(const Context& context, const directory::Key& key) = 0;
};

}  // namespace chaveiro::api
