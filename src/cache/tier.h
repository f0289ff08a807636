// cache/tier.h
//
// Tier: a slower level of a cache, shared by processes or kept over restarts: Redis, PostgreSQL, SQLite. It holds bytes and knows
// nothing of what they mean; cache/tiered.h decides what is asked and what an answer is worth. tests/contract/tier_contract.h
// holds every implementation to what stands here.
//
// Versions: a value may carry the version of what it shows (0: none). A level never replaces a higher version with a lower one:
// that put answers `superseded`. erase() with a version leaves a fence behind, so that a value older than the erasure cannot come
// back for `fence_time` at least. Values of one cache carry versions always or never.
//
// Guarantees: a value is answered whole or not at all, and only while its time to live, by the level's own clock, is left. What was
//             erased, by key, tag or clear(), is not answered by a call that begins after the erasure returned without error.
// Threads: all of it, any.
// Time:    clear() is O(1) for whoever calls it. Every call returns by its deadline; one that has passed touches nothing.
// Errors:  deadline, unavailable, exhausted: nothing was changed · maybe_applied: a write whose answer was lost · corrupt.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace chaveiro::cache {

struct TierValue {
  std::string bytes;
  Micros ttl_left{0};         // until it is no longer answered; above 0
  UtcTime stored_at;          // when it was put, by the level's clock
  std::uint64_t version = 0;  // 0: none

  bool operator==(const TierValue&) const = default;
};

// What is put is borrowed for the length of the call.
struct TierPut {
  std::string_view key;
  std::string_view bytes;
  Micros ttl{0};  // 0 or less: nothing is stored, and what was there goes
  std::uint64_t version = 0;
  std::span<const std::string> tags = {};
  std::uint64_t era = 0;  // of the level when what is put was read at the source; 0: that does not matter
};

enum class TierStored : std::uint8_t { stored, superseded };

// Also of the memory double: how long a fence outlives its erasure at least.
inline constexpr Micros fence_time = std::chrono::hours{1};
inline constexpr std::size_t tier_key_max = 512;          // bytes
inline constexpr std::size_t tier_value_max = 16U << 20;  // bytes
inline constexpr std::size_t tier_tags_max = 16;          // of one value
inline constexpr std::size_t tier_batch_max = 1'000;      // keys of one call

class Tier {
 public:
  virtual ~Tier() = default;

  // "redis", "sqlite": for people, in logs and explanations.
  virtual std::string_view kind() const = 0;

  // The time between two clearings, as far as is known here; 0: the level does not tell. A put of an era that is over answers
  // `superseded` or is never answered: a clearing takes fences along, and what was read before it must not come after it. Never waits.
  virtual std::uint64_t era() const { return 0; }

  virtual Result<std::optional<TierValue>> get(std::string_view key, Deadline deadline) = 0;
  // One answer for each key, in their order.
  virtual Result<std::vector<std::optional<TierValue>>> get_many(std::span<const std::string> keys,
                                                                 Deadline deadline) = 0;

  // Errors: also invalid, above the bounds that stand before this class.
  virtual Result<TierStored> put(const TierPut& put, Deadline deadline) = 0;
  // One answer for each, in their order. After an error any of them may have been stored.
  virtual Result<std::vector<TierStored>> put_many(std::span<const TierPut> puts, Deadline deadline) = 0;

  // Repeat-safe; a key that is not there is no error. With a version only what is not newer goes, and a fence stays.
  virtual Result<void> erase(std::string_view key, std::uint64_t version, Deadline deadline) = 0;
  virtual Result<void> erase_many(std::span<const std::string> keys, Deadline deadline) = 0;
  // Everything that was put with this tag.
  virtual Result<void> erase_tag(std::string_view tag, Deadline deadline) = 0;
  // Everything: what was written in an earlier epoch is answered no longer, and its place is given back later. Fences may go.
  virtual Result<void> clear(Deadline deadline) = 0;
};

}  // namespace chaveiro::cache
