// limits/official_store.h
//
// Where the official buckets lie, and the steps on them that must happen at once: memory (here) or Redis. The arithmetic is that of
// official_bucket.h in both.
//
// Threads: any number at once.
// Errors:  unavailable, deadline: nothing changed; maybe_applied: the step may have happened. Each step is repeat-safe by its
//          reservation or EndToEndId. The memory store has none of these.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/guarded.h"
#include "limits/official_bucket.h"

namespace chaveiro::limits {

// A bucket that a call asks.
struct OfficialAsk {
  std::string key;
  OfficialTerms terms;
  std::int64_t worst = 1;  // the most that the answer can cost
  std::int64_t kept = 0;   // tokens that this call must leave to others
};

// A bucket as it stands.
struct OfficialView {
  std::int64_t balance = 0;
  std::int64_t held = 0;
  std::int64_t charged = 0;                // ever
  std::optional<std::int64_t> allowed_at;  // when the next call would be admitted; nothing: never
};

struct OfficialVerdict {
  bool allowed = false;
  std::vector<OfficialView> views;  // of the asks, in their order
};

// How a call was answered, for each of its buckets.
struct OfficialCharge {
  std::int64_t cost = 0;
  bool empties = false;               // a 429: whatever we thought, the registry's bucket is empty
  std::optional<std::int64_t> floor;  // the balance never falls below this
  std::int64_t credit = 0;            // what a payment order with this EndToEndId gives back; 0: nothing
};

struct OfficialSettled {
  bool repeated = false;  // was settled before, or its time-out had passed: nothing changed
  std::vector<OfficialView> views;
};

enum class Correction : std::uint8_t { lower = 1, raise };

class OfficialStore {
 public:
  virtual ~OfficialStore() = default;

  // Holds the worst case in all buckets, or in none. `id` is unique. The hold ends by itself, with the worst case, after `timeout`.
  virtual Result<OfficialVerdict> reserve(const std::string& id, const std::vector<OfficialAsk>& asks, Micros timeout,
                                          Deadline deadline) = 0;
  // `end_to_end` "" : no credit can follow.
  // Errors: not_found "ReservationUnknown".
  virtual Result<OfficialSettled> settle(const std::string& id, const std::vector<OfficialAsk>& asks,
                                         const std::vector<OfficialCharge>& charges, const std::string& end_to_end,
                                         Deadline deadline) = 0;
  // The payment order was sent: every bucket that a look-up with this EndToEndId was charged to gets its credit, once. True: now.
  // Errors: not_found "LookupUnknown" (none was charged, or too long ago).
  virtual Result<bool> credit(const std::string& end_to_end, Deadline deadline) = 0;
  virtual Result<OfficialView> look(const OfficialAsk& ask, Deadline deadline) = 0;
  // lower: the balance becomes at most `tokens`; raise: it becomes `tokens` more, as far as the capacity allows. What was charged
  // since `charged_then` is taken off first.
  virtual Result<OfficialView> correct(const OfficialAsk& ask, Correction correction, std::int64_t tokens,
                                       std::int64_t charged_then, Deadline deadline) = 0;
  // The state itself, for forecasts.
  virtual Result<OfficialState> state(const OfficialAsk& ask, Deadline deadline) = 0;
};

struct OfficialMemoryOptions {
  std::size_t buckets_max = 500'000;  // about 250 bytes each; beyond them payers share one strict bucket of their kind
  std::size_t look_ups_max = 1'000'000;  // charged look-ups remembered for their credit; the oldest go first
  Micros look_up_time{std::int64_t{7} * 86'400'000'000};  // so long a payment order brings its credit
  std::size_t settled_max = 100'000;                      // reservations remembered so that a repeated settle is known
};

class OfficialMemoryStore final : public OfficialStore {
 public:
  OfficialMemoryStore(OfficialMemoryOptions options, const Clock& clock);
  ~OfficialMemoryStore() override;

  Result<OfficialVerdict> reserve(const std::string& id, const std::vector<OfficialAsk>& asks, Micros timeout,
                                  Deadline deadline) override;
  Result<OfficialSettled> settle(const std::string& id, const std::vector<OfficialAsk>& asks,
                                 const std::vector<OfficialCharge>& charges, const std::string& end_to_end,
                                 Deadline deadline) override;
  Result<bool> credit(const std::string& end_to_end, Deadline deadline) override;
  Result<OfficialView> look(const OfficialAsk& ask, Deadline deadline) override;
  Result<OfficialView> correct(const OfficialAsk& ask, Correction correction, std::int64_t tokens,
                               std::int64_t charged_then, Deadline deadline) override;
  Result<OfficialState> state(const OfficialAsk& ask, Deadline deadline) override;

 private:
  struct Contents;
  std::int64_t now() const;

  const OfficialMemoryOptions options_;
  const Clock& clock_;
  const std::int64_t utc_begin_;
  const SteadyTime steady_begin_;
  std::unique_ptr<Guarded<Contents>> contents_;
};

OfficialView view_of(const OfficialTerms& terms, const OfficialState& state, std::int64_t kept);

}  // namespace chaveiro::limits
