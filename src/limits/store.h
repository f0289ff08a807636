// limits/store.h
//
// Where the state of buckets lies, and who decides on it in one step: memory (memory_store.h) or Redis. Both do the arithmetic of
// arithmetic.h and nothing else, so that they decide the same.
//
// take() with several buckets is all or nothing: either every binding one has room and all are charged, or none is. A shadow bucket
// never refuses: its decision says what it would have said, and it is charged when the call is admitted and it would have said yes,
// so that it stands where it would stand if it were binding.
//
// Threads: any number at once.
// Time:    one round trip for all buckets of a call.
// Errors:  unavailable, deadline (nothing is known to be charged), maybe_applied (it may be), all of a store that is elsewhere; the
//          memory store has none.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "limits/arithmetic.h"

namespace chaveiro::limits {

enum class Weight : std::uint8_t { binding = 1, shadow };

// One bucket that a call asks: which, by what terms, how much.
struct Ask {
  std::string_view key;  // of the bucket, unique over all rules
  const Terms* terms = nullptr;
  std::int64_t cost = 1;  // 0: only look
  Weight weight = Weight::binding;
  std::int64_t holder = 0;  // concurrency: who takes the place; positive, below 2^52
};

enum class Mode : std::uint8_t {
  take = 1,  // charge if there is room in all
  peek,      // charge nothing
  force,     // charge whether there is room or not; a negative cost gives back
};

struct Verdict {
  bool allowed = false;
  std::vector<Decision> decisions;  // one for each Ask, in their order
  bool overflow = false;            // a subject had no bucket of its own (memory store at its bound)

  // Of the decisions that count: the one that admits last, else the one with least left. Never null for a non-empty call.
  const Decision* tightest(std::span<const Ask> asks) const;
};

// One bucket, for people.
struct BucketView {
  std::string key;
  std::string rule;
  Decision decision;
};

// Buckets that were made new by reset(), and the mark to ask from next time.
struct Resets {
  std::int64_t mark = 0;  // 0: this store does not tell
  std::vector<std::string> keys;
};

class Store {
 public:
  virtual ~Store() = default;

  virtual Result<Verdict> take(std::span<const Ask> asks, Mode mode, Deadline deadline) = 0;
  // A holder of a concurrency limit has ended. Repeat-safe.
  virtual Result<void> release(const Ask& ask, Deadline deadline) = 0;
  // The bucket is as new. Repeat-safe.
  virtual Result<void> reset(std::string_view key, Deadline deadline) = 0;
  // What was reset since, by any process; since 0: only the mark. A store of one process has nobody to tell.
  virtual Result<Resets> resets([[maybe_unused]] std::int64_t since, [[maybe_unused]] Deadline deadline) {
    return Resets{};
  }
  // The buckets of a rule ("" : of all) that are in use most, at most `most` of them.
  virtual Result<std::vector<BucketView>> busiest(std::string_view rule, std::size_t most, Deadline deadline) = 0;
};

}  // namespace chaveiro::limits
