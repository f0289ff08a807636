// limits/followed_store.h
//
// Buckets that several processes share, for callers that must not wait: each process decides at once by buckets of its own, tells the store
// that all share what it admitted, and follows it down where the others have used more. So a subject that comes through several
// processes is admitted at most what its limit allows, and what each further process lets pass in one round: with n processes and a
// capacity c at most (n − 1) × c too many, where all are asked for everything within one round. What was too many is a debt that comes
// off what follows, so that it passes once and not again.
//
// While the store is away, take() says so after `patience`, and each rule decides what that means (limiter.h).
//
// Own buckets are never raised, but by a reset: it holds in the process that was asked and in the store at once, in the others after
// their next round. Places of concurrency limits are not shared.
//
// Threads: any number at once; run_once, one at a time.
// Time:    take: that of memory and 0.1 µs. run_once: a round trip for each 64 buckets that were used.
// Errors:  unavailable "StoreAway".
#pragma once

#include <array>
#include <memory>
#include <string>

#include "limits/memory_store.h"

namespace chaveiro::limits {

struct FollowedStoreOptions {
  MemoryStoreOptions own;
  Micros patience{2'000'000};      // rounds that fail for so long: the store is away
  std::size_t told_max = 100'000;  // buckets that a round tells of; what is used of more is not told
};

class FollowedStore final : public Store {
 public:
  FollowedStore(FollowedStoreOptions options, Store& shared, const Clock& clock);
  ~FollowedStore() override;

  Result<Verdict> take(std::span<const Ask> asks, Mode mode, Deadline deadline) override;
  Result<void> release(const Ask& ask, Deadline deadline) override { return own_.release(ask, deadline); }
  Result<void> reset(std::string_view key, Deadline deadline) override;
  Result<std::vector<BucketView>> busiest(std::string_view rule, std::size_t most, Deadline deadline) override {
    return own_.busiest(rule, most, deadline);
  }
  MemoryStore::Figures figures() const { return own_.figures(); }

  // A round: tells and follows. Answers how many buckets it told of.
  Result<std::size_t> run_once(Deadline deadline);

 private:
  struct Used;
  struct Stripe;
  static constexpr std::size_t stripes = 16;

  Stripe& stripe_of(std::string_view key) const;
  void note(const Ask& ask);
  void follow(const Used& used, const Decision& shared);
  Result<void> hear_of_resets(Deadline deadline);
  void failed(std::vector<Used>& all, std::size_t from, const Error& error);
  void set_away(bool away);

  const FollowedStoreOptions options_;
  Store& shared_;
  const Clock& clock_;
  MemoryStore own_;
  std::unique_ptr<std::array<Stripe, stripes>> stripes_;
  Guarded<SteadyTime> answered_;           // when the shared store was heard of last
  Guarded<std::int64_t> resets_heard_{0};  // their mark
};

}  // namespace chaveiro::limits
