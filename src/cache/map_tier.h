// cache/map_tier.h
//
// MapTier: a Tier in the memory of this process, bounded by entries, with faults on command. It stands where a level is wanted
// without a server: tests, examples, several caches of one process that share a level.
//
// Threads: any; one lock.
// Time:    every call O(log n) a key; clear() O(1) for its answer, its memory goes with the next calls.
#pragma once

#include <list>
#include <map>
#include <set>
#include <string>
#include <unordered_map>

#include "base/guarded.h"
#include "cache/tier.h"

namespace chaveiro::cache {

struct MapTierOptions {
  std::size_t entries_max = 100'000;  // beyond that the one that was put first goes; 0: nothing is held
};

class MapTier final : public Tier {
 public:
  explicit MapTier(const Clock& clock, MapTierOptions options = {}) : clock_(clock), options_(options) {}

  // What the next calls meet, until it is changed.
  enum class Fault : std::uint8_t {
    none,
    dead,         // every call answers unavailable at once
    hung,         // every call waits for its deadline
    loses_answer  // writes are made and answer maybe_applied; reads answer unavailable
  };
  void set_fault(Fault fault);
  // Every byte of a value is at the caller's mercy: what a bad disk or a stranger may do.
  void overwrite(std::string_view key, std::string bytes);
  std::optional<std::string> raw(std::string_view key) const;

  struct Calls {
    std::uint64_t gets = 0, puts = 0, erases = 0;  // calls, not keys
  };
  Calls calls() const { return state_.lock()->calls; }
  std::size_t size() const { return state_.lock()->entries.size(); }

  std::string_view kind() const override { return "map"; }
  std::uint64_t era() const override { return state_.lock()->era; }
  Result<std::optional<TierValue>> get(std::string_view key, Deadline deadline) override;
  Result<std::vector<std::optional<TierValue>>> get_many(std::span<const std::string> keys, Deadline deadline) override;
  Result<TierStored> put(const TierPut& put, Deadline deadline) override;
  Result<std::vector<TierStored>> put_many(std::span<const TierPut> puts, Deadline deadline) override;
  Result<void> erase(std::string_view key, std::uint64_t version, Deadline deadline) override;
  Result<void> erase_many(std::span<const std::string> keys, Deadline deadline) override;
  Result<void> erase_tag(std::string_view tag, Deadline deadline) override;
  Result<void> clear(Deadline deadline) override;

 private:
  struct Entry {
    std::string bytes;  // of no meaning in a fence
    SteadyTime until;
    UtcTime stored_at;
    std::uint64_t version = 0;
    std::vector<std::string> tags;
    bool is_fence = false;
    std::list<std::string>::iterator place;  // in `order`
  };
  struct State {
    std::map<std::string, Entry, std::less<>> entries;
    std::list<std::string> order;  // oldest first
    std::map<std::string, std::set<std::string>, std::less<>> tagged;
    Fault fault = Fault::none;
    Calls calls;
    std::uint64_t era = 1;
  };

  enum class Kind : std::uint8_t { read, write };
  // Nothing: go on. `lost`: go on, then say maybe_applied.
  Result<void> admit(Deadline deadline, bool& lost, Kind kind);
  std::optional<TierValue> look_up(State& state, std::string_view key) const;
  TierStored store(State& state, const TierPut& put) const;
  void fence(State& state, std::string_view key, std::uint64_t version) const;
  static void drop(State& state, std::string_view key);
  Entry& place(State& state, std::string_view key) const;

  const Clock& clock_;
  const MapTierOptions options_;
  Guarded<State> state_;
};

}  // namespace chaveiro::cache
