// cache/invalidator.h
//
// Invalidator: the caches of this node, kept in step with those of the others over a backplane. Whoever commits a write tells it once;
// what the others commit is forgotten here.
//
//   Invalidator invalidator(options, backplane, catalogue, clock, metrics, log);
//   store.on_commit(… invalidator.wrote({{.cache = "entries", .name = key, .version = sequence}}));
//   Periodic beat({.interval = invalidator.tick_interval()}, … invalidator.tick());
//
// Guarantees: that of cache/backplane_node.h: bound() after a write was told here, no node that ticks reads what was there before it.
// Threads: all of it, any. wrote() and tick() never wait.
// Time:    wrote() about a microsecond beside what the backplane's post() costs.
#pragma once

#include <array>

#include "base/guarded.h"
#include "base/log.h"
#include "base/metrics.h"
#include "cache/administered.h"
#include "cache/backplane.h"
#include "cache/backplane_node.h"

namespace chaveiro::cache {

struct InvalidatorOptions {
  std::uint64_t publisher = 0;  // this node's number, the same after a restart; 0: a random one
  BackplaneOptions node;        // `replays` is the backplane's to say
};

class Invalidator final : public BackplaneListener {
 public:
  // Everything is borrowed. Caches enter the catalogue before; they may leave it at any time.
  static Result<std::unique_ptr<Invalidator>> make(InvalidatorOptions options, Backplane& backplane,
                                                   const Catalogue& caches, const Clock& clock, Registry& metrics,
                                                   Logger log);
  ~Invalidator() override;

  // After the commit, and after this node's own caches were told.
  void wrote(std::span<const Invalidation> invalidations);
  // Every tick_interval() or sooner.
  void tick();
  Micros tick_interval() const { return tick_interval_; }
  // Says goodbye: the last word, when nothing is written any more.
  void leave();

  bool trusting() const { return state_.lock()->node.trusting(); }
  Micros bound() const { return state_.lock()->node.bound() + tick_interval_; }
  BackplaneNode::Figures figures() const { return state_.lock()->node.figures(); }

  // BackplaneListener
  void connected(std::span<const std::uint64_t> members) override;
  void lost() override;
  void missed() override;
  void heard(std::string_view bytes) override;

 private:
  struct State {
    State(const BackplaneOptions& options, std::uint64_t publisher, std::uint64_t epoch)
        : node(options, publisher, epoch) {}
    BackplaneNode node;
  };
  Invalidator(const InvalidatorOptions& options, Backplane& backplane, const Catalogue& caches, const Clock& clock,
              Registry& metrics, Logger log);
  bool owes() const;
  // In the order in which the node decided: under its lock, memory only.
  void carry_out(BackplaneActions actions);

  Backplane& backplane_;
  const Catalogue& caches_;
  const Clock& clock_;
  const Logger log_;
  const std::uint64_t publisher_;
  const Micros tick_interval_;
  const Micros post_time_max_;
  Guarded<State> state_;
  std::array<Counter*, 6> drops_{};
  Counter& applied_;
  Counter& unreadable_;
  Registry::Watch trusting_watch_;
  std::unique_ptr<Backplane::Following> following_;
};

}  // namespace chaveiro::cache
