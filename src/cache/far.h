// cache/far.h
//
// Far: a slower level as a tiered cache sees it: asked within a time budget, passed over while it fails, never the reason why a
// request fails. It opens envelopes, so that only what is whole, of this schema and of this key counts as a hit.
//
// What it owes: an erasure that did not reach the level leaves something there that must not be believed. Such keys and tags are
// remembered and passed over until the erasure was made good; when there are too many, or clear() failed, the whole level is passed over
// until it has been cleared.
//
// Threads: any. Writes of one key are made one after the other by the caller (cache/fences.h).
// Time:    at most `budget` a call, less when the caller's deadline is nearer.
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.h"
#include "base/log.h"
#include "cache/circuit.h"
#include "cache/codec.h"
#include "cache/fences.h"
#include "cache/level_metrics.h"
#include "cache/tier.h"
#include "cache/tiered_options.h"

namespace chaveiro::cache {

// Who may write slower levels now.
struct FarWriters {
  Fences& fences;   // for a key: whoever has its turn
  WriteGate& gate;  // at all: whoever is inside
};

class Far {
 public:
  Far(Level level, Tier& tier, FarOptions options, std::string prefix, Codec codec, FarWriters writers,
      const Clock& clock, Logger log, LevelMetrics& metrics);

  struct Found {
    Envelope envelope;
    Micros age{0};
    Micros fresh_left{0};  // 0 or less: stale
    Micros keep_left{0};   // how much longer it may be shown where the source fails; above 0
  };
  std::optional<Found> get(std::string_view key, Deadline deadline);
  std::vector<std::optional<Found>> get_many(std::span<const std::string> keys, Deadline deadline);

  enum class Put : std::uint8_t { stored, superseded, failed };
  // Debts up to here. A writer asks before it waits for its turn: what is owed from then on may be because of what it is about to
  // write, and its own success does not pay it.
  using Mark = std::uint64_t;
  Mark mark() const;

  // `fresh` of its time to live is left; the envelope says what it was at the beginning. A write that failed leaves the key owed.
  Put put(std::string_view key, const Envelope& envelope, Micros fresh, Mark mark, Deadline deadline);
  // What was loaded or promoted: only where nothing is owed, and its failure owes nothing, for it adds nothing that was not there.
  // `era`: that of the level when the load began.
  Put fill(std::string_view key, const Envelope& envelope, Micros fresh, std::uint64_t era, Deadline deadline);
  struct Filling {
    std::string_view key;
    Envelope envelope;
    Micros fresh{0};
    std::uint64_t era = 0;
  };
  // The same for many, in one call to the level for each thousand; one answer for each, in their order.
  std::vector<Put> fill_many(std::span<const Filling> all, Deadline deadline);
  std::uint64_t era() const { return tier_.era(); }

  // False: it is owed now.
  bool erase(std::string_view key, std::uint64_t version, Mark mark, Deadline deadline);
  bool erase_tag(std::string_view tag, Deadline deadline);
  bool clear(Deadline deadline);
  // The key's writer could not get its turn: as an erasure that failed.
  void owe(std::string_view key) { note(key); }
  void owe_tag(std::string_view tag);
  void owe_everything();

  // True: the level may hold what others could not erase there; nothing is read from it and nothing loaded is kept in it. Writes go on.
  void pass_over(bool on) { passed_over_.store(on, std::memory_order_release); }

  // Makes good what is owed, in small steps; also done in passing. False: something is still owed.
  bool settle(Deadline deadline);
  std::size_t owed() const;
  bool is_open() const { return circuit_.is_open(); }
  std::string_view kind() const { return tier_.kind(); }
  Level level() const { return level_; }
  const Codec& codec() const { return codec_; }

 private:
  // Each debt has a number: what is made good is only what was owed when the call to the level began.
  struct Owed {
    using Debts = std::map<std::string, std::uint64_t, std::less<>>;
    Debts keys;  // with the prefix
    Debts tags;
    std::uint64_t everything = 0;  // 0: no
    std::uint64_t last = 0;
    std::uint64_t payments = 0;
    std::string round;  // the last key that next_keys() named
    bool settling = false;
    bool any() const { return everything != 0 || !keys.empty() || !tags.empty(); }
    void add(Debts& to, std::string name, std::size_t most);
    void owe_everything();
    std::vector<std::string> next_keys(std::size_t most);
    void cleared(std::uint64_t until);
    void pay(Debts& of, std::string_view name, std::uint64_t until);
    bool believes(std::string_view name) const { return everything == 0 && !keys.contains(name); }
  };

  struct Payment {
    bool nothing = false;
    bool everything = false;
    std::optional<std::string> tag;
    std::vector<std::string> keys;
    std::uint64_t begin = 0;
  };

  std::string full(std::string_view key) const { return options_prefix_ + std::string(key); }
  std::optional<Found> opened(std::string_view key, const TierValue& value);
  void note(std::string_view key);
  Result<TierStored> store(std::string_view name, const Envelope& envelope, Micros fresh, std::uint64_t era,
                           Deadline deadline);
  bool believes(std::string_view full_key) const;
  // Debts that are paid while the level answers spoil the answer: it may have read before, and we look for the debt after.
  std::uint64_t payments() const;
  // Calls the tier unless it is passed over; counts, times, and tells the circuit.
  template <class Call>
  auto ask(Deadline deadline, Call call) -> decltype(call(deadline));
  void failed(const Error& error);

  const Level level_;
  Tier& tier_;
  const FarOptions options_;
  const std::string options_prefix_;
  const Codec codec_;
  Fences& fences_;
  WriteGate& gate_;
  const Clock& clock_;
  const Logger log_;
  LevelMetrics& metrics_;
  Circuit circuit_;
  Guarded<Owed> owed_;
  std::atomic<bool> passed_over_{false};
};

}  // namespace chaveiro::cache
