// clients/sqlite/cache_tier.h
//
// CacheTier: the third level of the cache in a SQLite file of its own. What it holds survives a restart; it counts how often each value
// was read, and gives room back in small steps, so that nobody waits long for it.
//
// A cache need not be durable, but an erasure must not come undone: after the machine (not only the process) went down without
// closing the file, everything in it counts as erased.
//
// Guarantees: those of cache/tier.h. Time is the clock's UTC; a clock that was set back makes values miss, never live longer.
// Threads: any; one connection, whose users take turns until their deadlines.
// Time:    reads and writes O(log n), tens of microseconds; purge_step() bounded by its number of rows.
// Errors:  those of cache/tier.h and of Connection.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "base/guarded.h"
#include "cache/tier.h"
#include "cache/upkeep.h"
#include "clients/sqlite/connection.h"

namespace chaveiro::clients::sqlite {

struct CacheTierOptions {
  std::string path;                              // of the file; made when it is missing
  Micros ttl_max = std::chrono::hours{24 * 30};  // nothing is kept longer; 0: no bound
  std::size_t cache_bytes = 8U << 20;            // of pages in memory
  std::size_t hits_held =
      10'000;  // keys whose reads are counted in memory until write_hits() writes them; 0: not counted
  std::uint32_t purge_rows = 500;  // rows that one purge_step() removes at most
};

class CacheTier final : public cache::Tier, public cache::DurableTier {
 public:
  static Result<std::unique_ptr<CacheTier>> open(CacheTierOptions options, const Clock& clock);
  ~CacheTier() override;

  std::string_view kind() const override { return "sqlite"; }
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
    std::uint64_t bytes = 0;  // of the file
    std::uint64_t epoch = 0;
  };
  Result<Usage> usage(Deadline deadline);
  // How often the value was read since it was put, as far as write_hits() has written it.
  Result<std::uint64_t> hits(std::string_view key, Deadline deadline);

  Result<bool> rebuild_hot(Micros not_before, Deadline deadline) override;
  Result<std::vector<cache::HotPrefix>> hot(Deadline deadline) override;

 private:
  struct Turn {
    bool busy = false;
  };
  struct Row {
    std::uint64_t version = 0;
    bool holds = false;  // its epoch and time; a fence too
  };

  CacheTier(CacheTierOptions options, std::unique_ptr<Connection> connection, std::int64_t epoch, const Clock& clock);
  template <class Work>
  auto in_turn(Deadline deadline, Work work) -> decltype(work());
  template <class Work>
  Result<void> in_transaction(Work work);
  Result<std::optional<cache::TierValue>> read(std::string_view key);
  Result<Row> look(std::string_view key);
  Result<cache::TierStored> write(const cache::TierPut& put);
  Result<void> remove(std::string_view key);
  std::int64_t now() const { return clock_.now().time_since_epoch().count(); }

  const CacheTierOptions options_;
  const Clock& clock_;
  const std::unique_ptr<Connection> connection_;  // of whoever has the turn, as the two below
  std::int64_t epoch_;
  std::unordered_map<std::string, std::uint64_t> hits_;
  Guarded<Turn> turn_;
};

}  // namespace chaveiro::clients::sqlite
