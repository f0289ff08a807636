// clients/redis/cache_tier.h
//
// CacheTier: the second level of the cache in Redis or Valkey, shared by all nodes. Keys lie there under a prefix and the names that
// cache/keys.h makes; {, }, % and a leading ! are written %7B %7D %25 %21, because the level's own keys begin with them:
//
//   PREFIX KEY               'T' '1' version(20 digits) era(16 hex) ttl_ms(13 digits) tags(2 digits) {length(4 digits) name stamp(16 hex)}… bytes
//   {PREFIX KEY}:fence       version(20 digits) of an erasure; in the slot of its value
//   PREFIX !era              16 hex digits, others after each clear(): what bears another era is not answered
//   PREFIX !tag:NAME         16 hex digits, others after each erase_tag(); likewise
//
// A versioned write is a script that compares and sets in one step; versions are digits of equal length, which compare as text, for Lua's
// numbers are doubles. Where memory is short the server may evict anything of this: a value, an era, a tag only make misses; an
// evicted fence lets an older value back in, for its time to live at most.
//
// After a fail-over to a replica that had not got the last writes, erasures may be undone: docs/invalidation.md.
//
// Guarantees: those of cache/tier.h. A batch is one pipeline for each node of a cluster; tags cost a second.
// Threads: any.
// Time:    one round trip; a second one for values with tags, and for the first write after a start or another's clear().
// Errors:  those of the client; maybe_applied for a write whose answer was lost. A value that is none of ours is a miss.
#pragma once

#include <string>

#include "base/guarded.h"
#include "base/metrics.h"
#include "cache/tier.h"
#include "clients/redis/client.h"

namespace chaveiro::redis {

struct CacheTierOptions {
  std::string prefix = "chaveiro:";               // of every key; no braces
  Micros ttl_max = std::chrono::hours{24 * 7};    // nothing is kept longer; 0: no bound
  std::size_t value_max = cache::tier_value_max;  // bytes; a larger one is refused
};

class CacheTier final : public cache::Tier {
 public:
  // Both outlive the tier. Errors: invalid (the prefix).
  static Result<std::unique_ptr<CacheTier>> create(CacheTierOptions options, Client& client, const Clock& clock,
                                                   Registry& metrics);

  std::string_view kind() const override { return "redis"; }
  std::uint64_t era() const override { return *era_.lock(); }
  Result<std::optional<cache::TierValue>> get(std::string_view key, Deadline deadline) override;
  Result<std::vector<std::optional<cache::TierValue>>> get_many(std::span<const std::string> keys,
                                                                Deadline deadline) override;
  Result<cache::TierStored> put(const cache::TierPut& put, Deadline deadline) override;
  Result<std::vector<cache::TierStored>> put_many(std::span<const cache::TierPut> puts, Deadline deadline) override;
  Result<void> erase(std::string_view key, std::uint64_t version, Deadline deadline) override;
  Result<void> erase_many(std::span<const std::string> keys, Deadline deadline) override;
  Result<void> erase_tag(std::string_view tag, Deadline deadline) override;
  Result<void> clear(Deadline deadline) override;

  // As the key lies on the server.
  std::string wire_key(std::string_view key) const;

 private:
  CacheTier(CacheTierOptions options, Client& client, const Clock& clock, Registry& metrics);
  struct Stored;
  Replies ask(std::vector<Command> commands, Deadline deadline);
  Result<std::uint64_t> know_era(Deadline deadline);
  Result<std::vector<std::string>> stamps(std::span<const cache::TierPut> puts, Deadline deadline);
  Result<std::vector<cache::TierStored>> put_in(std::span<const cache::TierPut> puts, std::uint64_t era,
                                                Deadline deadline, std::uint64_t& era_now);
  Result<void> keep_stamped(std::vector<std::optional<Stored>>& found, Deadline deadline);
  std::string era_key() const { return options_.prefix + "!era"; }
  std::string tag_key(std::string_view tag) const;

  const CacheTierOptions options_;
  Client& client_;
  const Clock& clock_;
  Guarded<std::uint64_t> era_;  // 0: not asked yet
  Counter& hits_;
  Counter& misses_;
};

// The scripts above, for a server double.
class Double;
void teach_cache_scripts(Double& twin);

}  // namespace chaveiro::redis
