#include "cache/invalidator.h"

#include "base/random.h"

namespace chaveiro::cache {

Result<std::unique_ptr<Invalidator>> Invalidator::make(InvalidatorOptions options, Backplane& backplane,
                                                       const Catalogue& caches, const Clock& clock, Registry& metrics,
                                                       Logger log) {
  const BackplaneOptions& node = options.node;
  if (node.beat_interval <= Micros{0}) return fail_field("beat_interval", "above 0", "CacheOptions");
  if (node.silence_max < 2 * node.beat_interval) return fail_field("silence_max", "at least two beats", "CacheOptions");
  if (options.publisher == 0) options.publisher = random_u64() | 1;
  options.node.replays = backplane.replays();
  std::unique_ptr<Invalidator> made(new Invalidator(options, backplane, caches, clock, metrics, std::move(log)));
  made->tick();  // shared levels are passed over from the first moment
  TRY(made->following_, backplane.follow(*made, options.publisher));
  return made;
}

Invalidator::Invalidator(const InvalidatorOptions& options, Backplane& backplane, const Catalogue& caches,
                         const Clock& clock, Registry& metrics, Logger log)
    : backplane_(backplane),
      caches_(caches),
      clock_(clock),
      log_(std::move(log)),
      publisher_(options.publisher),
      tick_interval_(std::min(options.node.beat_interval, options.node.distrust_interval) / 4),
      post_time_max_(options.node.post_time_max),
      state_(std::in_place, options.node, options.publisher, random_u64()),
      applied_(metrics.counter("cache_backplane_applied_total", "Writes of other nodes that memory was told.")),
      unreadable_(metrics.counter("cache_backplane_unreadable_total", "Bulletins that could not be read.")) {
  for (std::size_t i = 0; i < drops_.size(); ++i) {
    drops_[i] = &metrics.counter("cache_backplane_drops_total", "Memory that was dropped because it might be old.",
                                 {{"reason", std::string(to_string(static_cast<DropReason>(i)))}});
  }
  trusting_watch_ = metrics.watch_gauge("cache_backplane_trusting", "1: every write of other nodes is heard in time.",
                                        {}, [this] { return trusting() ? 1.0 : 0.0; });
}

Invalidator::~Invalidator() { following_.reset(); }

void Invalidator::wrote(std::span<const Invalidation> invalidations) {
  if (invalidations.empty()) return;
  // Numbered and handed over under one lock, so that the numbers arrive in their order.
  auto state = state_.lock();
  state->node.set_owing(owes(), clock_.steady());
  for (const Bulletin& bulletin : state->node.news(invalidations))
    backplane_.post(to_bytes(bulletin), Deadline::in(post_time_max_));
}

bool Invalidator::owes() const {
  bool any = false;
  caches_.each([&](const Administered& cache) { any |= cache.owes(); });
  return any;
}

void Invalidator::leave() {
  auto state = state_.lock();
  backplane_.post(to_bytes(state->node.goodbye()), Deadline::in(post_time_max_));
  backplane_.leave(publisher_);
}

void Invalidator::tick() {
  auto state = state_.lock();
  state->node.set_owing(owes(), clock_.steady());
  carry_out(state->node.tick(clock_.steady()));
}

void Invalidator::connected(std::span<const std::uint64_t> members) {
  auto state = state_.lock();
  carry_out(state->node.connected(members, clock_.steady()));
}

void Invalidator::lost() {
  auto state = state_.lock();
  carry_out(state->node.lost(clock_.steady()));
}

void Invalidator::missed() {
  auto state = state_.lock();
  carry_out(state->node.missed(clock_.steady()));
}

void Invalidator::heard(std::string_view bytes) {
  const auto bulletin = read_bulletin(bytes);
  if (!bulletin) {
    unreadable_.add();
    return missed();  // of another version, perhaps: nobody knows what it said
  }
  auto state = state_.lock();
  carry_out(state->node.heard(*bulletin, clock_.steady()));
}

void Invalidator::carry_out(BackplaneActions actions) {
  for (BackplaneAction& action : actions) {
    switch (action.kind) {
      case BackplaneAction::Kind::publish:
        backplane_.post(to_bytes(action.bulletin), Deadline::in(post_time_max_));
        break;
      case BackplaneAction::Kind::apply:
        applied_.add();
        caches_.with(action.invalidation.cache, [&](Administered& cache) { cache.heard(action.invalidation); });
        break;
      case BackplaneAction::Kind::drop:
      case BackplaneAction::Kind::drop_levels: {
        const Forget what = action.kind == BackplaneAction::Kind::drop ? Forget::memory : Forget::levels;
        drops_[static_cast<std::size_t>(action.reason)]->add();
        if (action.invalidation.cache.empty())
          caches_.each([&](Administered& cache) { cache.forget(what); });
        else
          caches_.with(action.invalidation.cache, [&](Administered& cache) { cache.forget(what); });
        break;
      }
      case BackplaneAction::Kind::levels_off:
      case BackplaneAction::Kind::levels_on:
        caches_.each(
            [&](Administered& cache) { cache.pass_over_shared(action.kind == BackplaneAction::Kind::levels_off); });
        log_.info(action.kind == BackplaneAction::Kind::levels_on
                      ? "writes of other nodes are heard in time again"
                      : "writes of other nodes may be missed: memory is kept for moments only, shared levels are "
                        "passed over");
        break;
    }
  }
}

}  // namespace chaveiro::cache
