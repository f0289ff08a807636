// clients/postgres/cache_tier.h
//
// CacheTier: the third level of the cache in tables of the PostgreSQL database, shared by every node. It counts how often each value was
// read, gives room back in small steps, and once a day counts what it holds by the first parts of the keys (hot()).
//
// The values lie in an unlogged table: after a crash of the server, or a fail-over, the level is empty, and no erasure can have come undone.
//
// Guarantees: those of cache/tier.h. Time is the clock's UTC; nodes whose clocks differ see values live longer or shorter by as much.
// Threads: any.
// Time:    a read one trip, shared with the reads of others; a write one trip; purge_step() bounded by its number of rows.
// Errors:  those of cache/tier.h and of errors.h.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "base/guarded.h"
#include "cache/tier.h"
#include "cache/upkeep.h"
#include "clients/postgres/pipeline.h"
#include "clients/postgres/pool.h"

namespace chaveiro::clients::postgres {

struct CacheTierOptions {
  Target target;                                 // role chaveiro_runtime
  Micros ttl_max = std::chrono::hours{24 * 30};  // nothing is kept longer; 0: no bound
  std::size_t connections_max = 8;               // that write
  std::size_t hits_held =
      10'000;  // keys whose reads are counted in memory until write_hits() writes them; 0: not counted
  std::uint32_t purge_rows = 500;  // rows that one purge_step() removes at most
};

class CacheTier final : public cache::Tier, public cache::DurableTier {
 public:
  CacheTier(CacheTierOptions options, const Clock& clock);

  std::string_view kind() const override { return "postgres"; }
  Result<std::optional<cache::TierValue>> get(std::string_view key, Deadline deadline) override;
  Result<std::vector<std::optional<cache::TierValue>>> get_many(std::span<const std::string> keys,
                                                                Deadline deadline) override;
  Result<cache::TierStored> put(const cache::TierPut& put, Deadline deadline) override;
  Result<std::vector<cache::TierStored>> put_many(std::span<const cache::TierPut> puts, Deadline deadline) override;
  Result<void> erase(std::string_view key, std::uint64_t version, Deadline deadline) override;
  Result<void> erase_many(std::span<const std::string> keys, Deadline deadline) override;
  Result<void> erase_tag(std::string_view tag, Deadline deadline) override;
  Result<void> clear(Deadline deadline) override;

  Result<bool> purge_step(Deadline deadline) override;
  Result<void> write_hits(Deadline deadline) override;
  struct Usage {
    std::uint64_t rows = 0;   // also those that are over and not yet removed
    std::uint64_t bytes = 0;  // of the table with its indexes
    std::uint64_t epoch = 0;
  };
  Result<Usage> usage(Deadline deadline);
  // How often the value was read since it was put, as far as write_hits() has written it.
  Result<std::uint64_t> hits(std::string_view key, Deadline deadline);

  Result<bool> rebuild_hot(Micros not_before, Deadline deadline) override;
  Result<std::vector<cache::HotPrefix>> hot(Deadline deadline) override;

 private:
  using Hits = std::unordered_map<std::string, std::uint64_t>;
  Result<Rows> write(std::string_view sql, const Params& params, Deadline deadline);
  Result<Rows> read(std::string_view sql, Params params, Deadline deadline);
  void count_hits(std::span<const std::string_view> keys);
  std::int64_t now() const { return clock_.now().time_since_epoch().count(); }

  const CacheTierOptions options_;
  const Clock& clock_;
  Pool pool_;
  Pipeline pipeline_;
  Guarded<Hits> hits_;
};

}  // namespace chaveiro::clients::postgres
