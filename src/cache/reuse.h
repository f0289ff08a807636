// cache/reuse.h
//
// Which entry is worth least? It learns, for each class of entries (how often seen, how far apart the last two times), how
// likely a use is at each age, from what happens: uses of residents, uses of keys that were thrown out not long ago (so that
// what eviction hides is seen as well), and the time that entries spend unused at each age. An entry's worth is the best rate
// of hits per time that keeping it can still bring, the Gittins index of its class and age. Scans sink at once, loops are held
// in part, recency and frequency each count for as much as they have proven; there is no queue whose size must be chosen.
//
// A hit touches the entry's own header only, and that at most once per unit of time (1/256 of the entries, in requests).
//
// Threads: touch(), worth() and now() any; learn() one at a time (it locks itself and is skipped when busy).
// Time:    touch and worth O(1); learn about 50 µs, once per quarter of the entries in requests.
// Source:  Beckmann, Chen, Cidon, LHD (NSDI 2018): hit density by age and class; Gittins (1979): the index; Megiddo and Modha,
//          ARC (FAST 2003): ghosts; Jiang and Zhang, LIRS (SIGMETRICS 2002): distance between uses; Yang et al., S3-FIFO
//          (SOSP 2023): quick demotion, no shared write on a hit.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <mutex>

#include "cache/duel.h"
#include "cache/epoch.h"
#include "cache/use.h"

namespace chaveiro::cache {

class ReuseModel {
 public:
  static constexpr std::uint32_t groups = 11;
  static constexpr std::uint32_t bins = 64;  // four to an octave of age
  using Table = std::array<std::array<std::atomic<std::uint32_t>, bins>, groups>;

  // Written by one thread (or, for the last, by all that have none of their own), read by learn().
  struct alignas(128) Stripe {
    Table used{}, seen{}, seen_ghost{};
    std::atomic<std::uint64_t> residents_seen{0}, ghosts_seen{0};
  };

  ReuseModel();
  ~ReuseModel();
  ReuseModel(const ReuseModel&) = delete;
  ReuseModel& operator=(const ReuseModel&) = delete;

  struct alignas(128) Tally {
    std::atomic<std::uint64_t> hits{0}, misses{0}, inserts{0};
  };

  Tally& tally(const Epochs::Reader& reader) { return tallies_[reader.stripe]; }
  Stripe& stripe(const Epochs::Reader& reader) {
    Stripe* mine = stripes_[reader.stripe].load(std::memory_order_acquire);
    if (mine == nullptr) [[unlikely]]
      mine = &add_stripe(reader.stripe);
    return *mine;
  }
  template <class Counter>
  static void count_own(Counter& counter, std::uint32_t more = 1) {
    counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }
  template <class Counter>
  static void count(const Epochs::Reader& reader, Counter& counter, std::uint32_t more = 1) {
    if (reader.stripe < Epochs::own_stripes) [[likely]] {
      count_own(counter, more);
    } else {
      counter.fetch_add(more, std::memory_order_relaxed);
    }
  }

  std::uint32_t now() const { return now_.load(std::memory_order_relaxed) & Use::time_mask; }

  // What the entry's bits become by a use now; notes the age at which it was used. `keep`: see Use::again().
  Use touch(Use before, std::uint64_t hash, bool keep, const Epochs::Reader& reader) {
    const std::uint32_t now = this->now();
    count(reader, stripe(reader).used[before.group()][bin(before.age(now))]);
    if (duel_.concerns(hash)) [[unlikely]]
      tell_duel(hash);
    return before.again(now, span_.load(std::memory_order_relaxed), duel_.reach(), keep);
  }
  // The bits of one that nothing is known of.
  Use fresh(std::uint64_t hash, bool keep);
  // What keeping it is worth, under the policy that does better of late.
  float worth(Use use, bool too_many_kept) const { return keeping() ? use.rank(now(), too_many_kept) : learned(use); }
  bool keeping() const { return duel_.keeping(); }
  // The sweep met a resident (or a ghost) of this kind: that is how the time spent at each age is estimated.
  void met(Use use, const Epochs::Reader& reader, Stripe& mine) {
    count(reader, mine.seen[use.group()][bin(use.age(now()))]);
  }
  void met_ghost(Use use, const Epochs::Reader& reader, Stripe& mine) {
    count(reader, mine.seen_ghost[use.group()][bin(use.age(now()))]);
  }
  static void met_in_all(std::uint32_t residents, std::uint32_t ghosts, const Epochs::Reader& reader, Stripe& mine) {
    count(reader, mine.residents_seen, residents);
    count(reader, mine.ghosts_seen, ghosts);
  }

  // Moves the clock of requests on; call by writers, with the number of residents and of ghosts now. `weighed`: see Duel::fit().
  void advance(std::uint64_t residents, std::uint64_t ghosts, std::uint32_t weighed);

  struct Totals {
    std::uint64_t hits = 0, misses = 0, inserts = 0;
  };
  Totals totals() const;
  std::size_t bytes() const;  // of memory

 private:
  static std::uint32_t bin(std::uint32_t age) {
    return (std::bit_cast<std::uint32_t>(static_cast<float>(age + 1)) >> 21) - (127U << 2);
  }
  float learned(Use use) const { return worth_[use.group()][bin(use.age(now()))].load(std::memory_order_relaxed); }
  void tell_duel(std::uint64_t hash);
  Stripe& add_stripe(std::uint32_t index);
  void learn(double residents, double ghosts, double elapsed);
  void judge(std::uint32_t group, const std::array<double, bins>& hazard);

  std::atomic<std::uint32_t> now_{0};
  std::atomic<std::uint32_t> span_{1};  // residents, in units
  std::array<std::array<std::atomic<float>, bins + 1>, groups> worth_;
  std::array<std::atomic<Stripe*>, Epochs::own_stripes + 1> stripes_{};
  std::array<Tally, Epochs::own_stripes + 1> tallies_;
  Duel duel_;

  std::mutex learning_;  // everything below
  struct Sums {
    std::array<std::array<double, bins>, groups> used{}, exposed{};
  };
  std::unique_ptr<Sums> sums_;
  std::array<std::array<std::uint64_t, bins>, groups> used_before_{}, seen_before_{}, ghost_before_{};
  std::uint64_t residents_before_ = 0, ghosts_before_ = 0;
  std::uint32_t unit_ = 1;
  std::uint64_t clock_ = 0;        // requests seen
  double units_ = 0;               // the same in units, unwrapped
  double learnt_at_ = 0;           // units_ at the last learn()
  std::uint64_t learn_next_ = 32;  // clock_ for the next learn()
  std::uint64_t learn_gap_ = 32;
};

}  // namespace chaveiro::cache
