// limits/leased_store.h
//
// Shares of hot buckets, held by this process: instead of a round trip for each call, a node takes a share of a bucket from the store
// behind and spends it by itself. A share is debited when it is taken, so that all nodes together never admit more than the bucket
// would: overshoot is 0. What nodes may hold at once is at most half a percent of the capacity, and the store's bucket is that much
// smaller, so that the bound holds in every stretch of time, not only from the beginning; both together, 1 % is what leasing strands at
// worst.
//
// Threads hold shares of their own of buckets that are large enough, so that they do not meet at one lock; together they hold no more than
// the node's.
//
// Only rules that say `lease`, with a token bucket or GCRA; small limits, whose 1 % is nothing, are asked directly.
//
// Threads: any number at once.
// Time:    from a share about 0.15 µs; else the store's.
// Errors:  the store's. While it is away, what is held can still be spent.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/guarded.h"
#include "limits/store.h"

namespace chaveiro::limits {

struct LeasedStoreOptions {
  std::int64_t nodes_max = 8;       // processes that may hold shares of one bucket
  Micros lease_time{1'000'000};     // a share that was not spent by then goes back
  std::size_t shares_max = 10'000;  // buckets of which shares are held; the others are asked directly
};

class LeasedStore final : public Store {
 public:
  LeasedStore(LeasedStoreOptions options, Store& behind, const Clock& clock);
  ~LeasedStore() override;

  Result<Verdict> take(std::span<const Ask> asks, Mode mode, Deadline deadline) override;
  Result<void> release(const Ask& ask, Deadline deadline) override { return behind_.release(ask, deadline); }
  Result<void> reset(std::string_view key, Deadline deadline) override;
  Result<std::vector<BucketView>> busiest(std::string_view rule, std::size_t most, Deadline deadline) override {
    return behind_.busiest(rule, most, deadline);
  }

  // Gives back what was not spent within its lease: call it now and then. Answers how many tokens went back.
  std::int64_t give_back(Deadline deadline);
  std::int64_t held() const;  // tokens, of all shares

  // How much of a bucket one node takes at once; 0: it is not leased.
  std::int64_t share_of(const Terms& terms) const;

 private:
  struct Share;
  struct Stripe;
  static constexpr std::size_t stripes = 16;
  static constexpr std::size_t lanes = 4;  // sets of stripes; a thread uses one of them

  std::size_t lane_of(const Terms& terms) const;
  Stripe& stripe_of(std::string_view key, std::size_t lane) const;
  std::int64_t share_of_lane(const Terms& terms) const;
  bool from_share(const Ask& ask, Decision& decision);
  Result<Verdict> ask_behind(std::span<const Ask> asks, Mode mode, Deadline deadline);

  const LeasedStoreOptions options_;
  Store& behind_;
  const Clock& clock_;
  std::unique_ptr<std::array<Stripe, stripes * lanes>> stripes_;
  const std::int64_t capacity_of_lanes_;  // from which on each thread holds a share of its own
};

}  // namespace chaveiro::limits
