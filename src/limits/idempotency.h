// limits/idempotency.h
//
// The same request twice is done once: the first answer is kept and given again. A request is known by its key (scope: ISPB, operation,
// and what the caller sent) and the hash of its body; the same key with another body is refused.
//
//   TRY(auto ran, idempotency.run({"12345678|CreateKey|" + key, sha256(body)}, deadline, [&] { return handle(); }));
//
// While the first is at work, duplicates wait for it, bounded, and else are told "in progress". The first holds a lease; when it dies,
// the next duplicate after the lease's end takes over, with a greater fence, and what the dead one might still want to store is
// refused. Kept are answers that stand (2xx, and 4xx but for 401 and 429); after any other answer a repetition tries again.
//
// The interface of the store is small, so that a fast one (Redis) can stand in front of one that forgets nothing (TieredIdempotencyStore):
// losing the fast one changes speed, not truth.
//
// Threads: any number at once.
// Errors:  conflict "RequestIdAlreadyUsed" (another body), conflict "RequestInProgress" with retry_after; those of the store.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/hash.h"
#include "base/result.h"

namespace chaveiro::limits {

struct IdempotencyKey {
  std::string key;
  Digest256 body;
};

struct StoredAnswer {
  int status = 0;    // HTTP
  std::string body;  // as it was sent
  bool operator==(const StoredAnswer&) const = default;
};

// What beginning with a key found.
struct Begun {
  enum class Kind : std::uint8_t {
    first = 1,    // it is ours to do, under `fence`
    done,         // here is the answer
    in_progress,  // somebody else does it, for `lease_left` at most
    other_body,   // the key was used for something else
  };
  Kind kind = Kind::first;
  std::uint64_t fence = 0;
  StoredAnswer answer;
  Micros lease_left{0};
};

class IdempotencyStore {
 public:
  virtual ~IdempotencyStore() = default;
  virtual Result<Begun> begin(const IdempotencyKey& key, Micros lease, Deadline deadline) = 0;
  // Errors: conflict "LeaseLost" (taken over: the answer of whoever took over counts).
  virtual Result<void> finish(const IdempotencyKey& key, std::uint64_t fence, const StoredAnswer& answer,
                              Deadline deadline) = 0;
  // Not done, may be tried again at once. Repeat-safe; after a take-over nothing happens.
  virtual Result<void> abandon(const IdempotencyKey& key, std::uint64_t fence, Deadline deadline) = 0;
};

struct IdempotencyOptions {
  Micros lease{30'000'000};        // how long the first may be silent before a duplicate takes over
  Micros wait_max{5'000'000};      // how long a duplicate waits for the first; 0: it is told "in progress" at once
  Micros ask_again{50'000};        // how often a duplicate asks a store elsewhere
  Micros store_time_max{500'000};  // the longest that a step waits for the store
};

class Idempotency {
 public:
  Idempotency(IdempotencyOptions options, IdempotencyStore& store);

  struct Ran {
    StoredAnswer answer;
    bool repeated = false;  // the answer of an earlier call
  };
  Result<Ran> run(const IdempotencyKey& key, Deadline deadline, const std::function<Result<StoredAnswer>()>& work);

  // Duplicates that wait look at the clock and the store again: for whoever moves the clock.
  void poke();
  std::size_t waiting() const;

 private:
  struct State {
    std::uint64_t finished = 0;  // calls of this process, and pokes
    std::size_t waiting = 0;
  };
  Result<Ran> work_as_first(const IdempotencyKey& key, std::uint64_t fence, Deadline deadline,
                            const std::function<Result<StoredAnswer>()>& work);

  const IdempotencyOptions options_;
  IdempotencyStore& store_;
  Guarded<State> state_;
};

// Is an answer with this status one that stands?
bool is_kept(int status);

struct IdempotencyMemoryOptions {
  Micros keep{std::int64_t{24} *
              3'600'000'000};                // so long an answer is given again; 0: for ever (as long as the process)
  std::size_t answers_max = 100'000;         // the oldest go first
  std::size_t answer_bytes_max = 64 * 1024;  // a longer answer is not kept: a repetition is then done again
};

class IdempotencyMemoryStore final : public IdempotencyStore {
 public:
  IdempotencyMemoryStore(IdempotencyMemoryOptions options, const Clock& clock);
  ~IdempotencyMemoryStore() override;
  Result<Begun> begin(const IdempotencyKey& key, Micros lease, Deadline deadline) override;
  Result<void> finish(const IdempotencyKey& key, std::uint64_t fence, const StoredAnswer& answer,
                      Deadline deadline) override;
  Result<void> abandon(const IdempotencyKey& key, std::uint64_t fence, Deadline deadline) override;

 private:
  struct Contents;
  const IdempotencyMemoryOptions options_;
  const Clock& clock_;
  std::unique_ptr<Guarded<Contents>> contents_;
};

// A fast store in front of one that forgets nothing. Leases and fences are those of the one behind; the front only answers what it knows
// to be done.
class TieredIdempotencyStore final : public IdempotencyStore {
 public:
  TieredIdempotencyStore(IdempotencyStore& front, IdempotencyStore& behind) : front_(front), behind_(behind) {}
  Result<Begun> begin(const IdempotencyKey& key, Micros lease, Deadline deadline) override;
  Result<void> finish(const IdempotencyKey& key, std::uint64_t fence, const StoredAnswer& answer,
                      Deadline deadline) override;
  Result<void> abandon(const IdempotencyKey& key, std::uint64_t fence, Deadline deadline) override;

 private:
  IdempotencyStore& front_;
  IdempotencyStore& behind_;
};

}  // namespace chaveiro::limits
