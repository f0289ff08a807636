// cache/duel.h
//
// Two ways to choose what goes, tried beside each other in miniature: `learned` (cache/reuse.h: least worth by what was seen of
// its class and age) and `keeping` (LIRS: what has proven a short distance between uses stays, newcomers pass through a
// fiftieth of the room). Each holds the bare marks of a sample of the keys, at most 384 residents and four times as many that
// it threw out. The one that would have had more hits of late is what the cache does; to change costs hits too, so the gain must
// outweigh a quarter of what the two hold apart.
//
// Why two: the first must see a pattern before it can use it. Where the same long rounds come again and again, in a short life,
// keeping what is there wins from the first round; everywhere else the first is the better one.
//
// Threads: any; request() is dropped where another one is at work.
// Time:    O(1) for keys outside the sample, for those inside O(384). Memory: 70 KB at most, whatever the cache's size.
// Source:  Jiang and Zhang, LIRS (SIGMETRICS 2002); Waldspurger et al., miniature simulations (USENIX ATC 2017); Qureshi et
//          al., set dueling (ISCA 2007).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "cache/use.h"

namespace chaveiro::cache {

// One policy on a sample of the keys. Not thread-safe.
class Miniature {
 public:
  // A hit? `worth(use)` chooses who goes, the least first; none: as LIRS does.
  template <class Worth>
  bool request(std::uint32_t tag, std::uint32_t now, std::uint32_t span, std::uint32_t reach, const Worth& worth);
  // Room for `capacity` residents from now on; marks outside the sample are forgotten. `weighed`: of how many the least goes, in turn;
  // 0: of all.
  void fit(std::uint32_t capacity, std::uint32_t sample, std::uint32_t weighed = 0);
  std::uint32_t capacity() const { return capacity_; }
  std::uint32_t apart(const Miniature& other) const;  // residents that are none there
  std::size_t residents() const { return residents_.size(); }
  std::size_t bytes() const;

  // How long ago the oldest tenth of the kept were used, in units; keys that come back sooner are kept too.
  std::uint32_t reach(std::uint32_t now);
  // Least first under LIRS: newcomers by age, then the kept by age; the other way round while too many are kept.
  float rank(Use use, std::uint32_t now) const { return use.rank(now, kept_ > keep_limit(capacity_)); }

 private:
  static constexpr std::uint16_t none = 0xFFFF;
  static constexpr std::uint32_t resident = 1U << 31;
  struct Node {
    std::uint32_t tag, use;
    std::uint16_t next, place;  // in its chain; among residents_, or in the ring of ghosts_
  };

  std::uint16_t find(std::uint32_t tag) const;
  std::uint16_t add(std::uint32_t tag);
  void drop(std::uint16_t node);  // from its chain, to the free ones
  void expel(std::uint32_t place);
  void rebuild(std::uint32_t room);
  Use use(std::uint16_t node) const { return {nodes_[node].use & Use::mask}; }

  std::uint32_t capacity_ = 0, sample_ = 0, kept_ = 0, ring_ = 0, weighed_ = 0, hand_ = 0;
  std::vector<Node> nodes_;
  std::vector<std::uint16_t> heads_, residents_, ghosts_, free_;
};

class Duel {
 public:
  // False: request() has nothing to do for this one.
  bool concerns(std::uint64_t hash) const { return (mixed(hash) >> 40 & sample_.load(std::memory_order_relaxed)) == 0; }
  // `hash` was used, or came in; at most once per unit of time and key. worth(use): the learned policy's.
  template <class Worth>
  void request(std::uint64_t hash, std::uint32_t now, std::uint32_t span, const Worth& worth);
  // The cache holds so many now, and so many are weighed for each that goes (0: enough to find nearly the least of all); what it cannot
  // find the miniatures must not find either. One at a time.
  void fit(std::uint64_t residents, std::uint32_t weighed = 0);

  bool keeping() const { return keeping_.load(std::memory_order_relaxed); }
  std::uint32_t reach() const { return reach_.load(std::memory_order_relaxed); }
  std::size_t bytes() const;

 private:
  static constexpr std::uint32_t residents_max = 384;

  static std::uint64_t mixed(std::uint64_t hash) { return hash * 0x9E3779B97F4A7C15; }
  void judge(int gained);

  std::atomic<bool> keeping_{true};  // until the other has learnt something
  std::atomic<std::uint32_t> reach_{0}, sample_{0};
  std::uint64_t fitted_ = 0;
  std::uint32_t weighed_ = 0;
  mutable std::mutex mutex_;
  Miniature learned_, kept_;
  double apart_ = 0;  // residents of one that the other has not
  double asked_ = 0;  // requests of sampled keys
  double score_ = 0;  // hits of the keeping one beyond the other's, the past fading
  std::uint32_t since_ = 0;
};

// Implementation ---------------------------------------------------------------------------------------------------------

template <class Worth>
bool Miniature::request(std::uint32_t tag, std::uint32_t now, std::uint32_t span, std::uint32_t reach,
                        const Worth& worth) {
  if (capacity_ == 0) return false;
  std::uint16_t node = find(tag);
  const bool known = node != none, hit = known && (nodes_[node].use & resident) != 0;
  const bool room = kept_ < keep_limit(capacity_);
  Use fresh = Use::make(now, 0, false, room);
  if (known) {
    fresh = use(node).again(now, span, reach, hit ? use(node).kept() : room);
    kept_ += static_cast<std::uint32_t>(fresh.kept()) - static_cast<std::uint32_t>(hit && use(node).kept());
    nodes_[node].use = fresh.bits | resident;
    if (hit) return true;
    ghosts_[nodes_[node].place] = none;
    nodes_[node].place = none;  // in between: neither may be expelled below
  }
  while (residents_.size() >= capacity_) {
    const auto count = static_cast<std::uint32_t>(residents_.size());
    const std::uint32_t some = weighed_ == 0 ? count : std::min(weighed_, count);
    if (weighed_ == 0) hand_ = count;
    std::uint32_t least = 0;
    float least_worth = 0;
    for (std::uint32_t i = 0; i < some; ++i) {
      if (++hand_ >= count) hand_ = 0;
      const float here = worth(use(residents_[hand_]));
      if (i == 0 || here < least_worth) least_worth = here, least = hand_;
    }
    expel(least);
  }
  if (!known) {
    node = add(tag);
    kept_ += fresh.kept() ? 1 : 0;
    nodes_[node].use = fresh.bits | resident;
  }
  nodes_[node].place = static_cast<std::uint16_t>(residents_.size());
  residents_.push_back(node);
  return false;
}

template <class Worth>
void Duel::request(std::uint64_t hash, std::uint32_t now, std::uint32_t span, const Worth& worth) {
  if (!concerns(hash)) return;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return;
  const auto tag = static_cast<std::uint32_t>(mixed(hash) >> 32);
  const std::uint32_t reach = this->reach();
  const bool learned = learned_.request(tag, now, span, reach, worth);
  const bool kept = kept_.request(tag, now, span, reach, [&](Use use) { return kept_.rank(use, now); });
  if (!kept && since_++ >= kept_.capacity() / 16) {
    since_ = 0;
    reach_.store(kept_.reach(now), std::memory_order_relaxed);
    apart_ = kept_.apart(learned_);
  }
  judge((kept ? 1 : 0) - (learned ? 1 : 0));
}

}  // namespace chaveiro::cache
