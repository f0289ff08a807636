// limits/memory_store.h
//
// Buckets in this process: a striped table from keys to states. Memory is bounded: a bucket is forgotten only when it is as new, for
// forgetting must never refill. When no such bucket is near and the stripe is full, further new subjects of a rule share one bucket,
// the overflow bucket, which is as strict as one subject's own; how often that happened is counted.
//
// Time is what passed on the steady clock since the store began, so that a step of the wall clock changes no balance; calendar windows
// follow the wall clock, and never go back.
//
// Threads: any number at once; a call locks the stripes of its keys, in their order.
// Time:    a hit about 100 ns. A new subject looks at no more than sweep_max other buckets to find one to forget.
#pragma once

#include <memory>

#include "base/guarded.h"
#include "limits/store.h"

namespace chaveiro::limits {

struct MemoryStoreOptions {
  std::size_t buckets_max =
      1'000'000;              // about 200 bytes each and the key; 0: every subject shares its rule's overflow bucket
  std::size_t sweep_max = 8;  // buckets that a new subject may look at to find one to forget; 0: none is forgotten
};

class MemoryStore final : public Store {
 public:
  MemoryStore(MemoryStoreOptions options, const Clock& clock);
  ~MemoryStore() override;

  Result<Verdict> take(std::span<const Ask> asks, Mode mode, Deadline deadline) override;
  Result<void> release(const Ask& ask, Deadline deadline) override;
  Result<void> reset(std::string_view key, Deadline deadline) override;
  Result<std::vector<BucketView>> busiest(std::string_view rule, std::size_t most, Deadline deadline) override;

  struct Figures {
    std::size_t buckets = 0;
    std::uint64_t overflowed = 0;  // calls in which a subject had no bucket of its own
    std::uint64_t forgotten = 0;   // buckets that were as new
  };
  Figures figures() const;

 private:
  struct Stripe;
  struct Stripes;
  struct Call;
  static constexpr std::size_t stripes = 64;

  std::int64_t now_for(const Terms& terms) const;
  std::size_t stripe_of(std::string_view key) const;

  const MemoryStoreOptions options_;
  const Clock& clock_;
  const std::int64_t utc_begin_;
  const SteadyTime steady_begin_;
  std::unique_ptr<Stripes> stripes_;
};

}  // namespace chaveiro::limits
