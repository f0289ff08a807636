// cache/tiered.h
//
// Tiered<V>: one named cache of several levels: memory, a second and a third level (cache/tier.h), and behind them the source, which
// a loader asks. What a slower level gives is taken into the faster ones for the time that it has left. No level can make a request
// fail: one that is dead, slow or damaged is passed over, and the answer says which level gave it.
//
// Read-your-writes: once put(), invalidate(), invalidate_tag(), invalidate_group() or clear() has returned, every call on this object that
// begins afterwards, on any thread, answers what was written or something newer, or asks the source; never what was there before. A load that began
// before is answered to those who asked before, and kept nowhere. This holds while levels are dead, hung or lose answers (what they
// may hold wrongly is passed over until it has been erased there), with one exception: a hung write without a version
// that the level carries out after a later one. Give versions where that matters. Other processes see a write when their memory is told or its
// time is over.
//
// Guarantees: one load of a key at a time, whoever asks; each caller waits to its own deadline; a leader that gives up does not fail
//             the others. A value is never shown beyond fresh time + fail_safe. With fail_safe, an error of the source is answered
//             by the stale value, marked so, with its age and the error.
// Threads: any, for everything. The object must outlive the jobs that it gave its pool: the destructor waits for them.
// Time:    peek() and hits in memory O(1), about 50 ns more than the memory level's own, no lock, no shared write but the reference count of
//          the value (peek_with(): none). Misses: the levels' budgets, then the loader.
// Source:  A. Vattani, F. Chierichetti, K. Lowenstein, Optimal Probabilistic Cache Stampede Prevention (VLDB 2015): early_refresh.
//          R. Nishtala et al., Scaling Memcache at Facebook (NSDI 2013): leases. Fail-safe, soft and hard time-outs, eager refresh: as FusionCache
//          names them.
#pragma once

#include <cmath>

#include "base/lease.h"
#include "base/pool.h"
#include "base/random.h"
#include "cache/administered.h"
#include "cache/far.h"
#include "cache/fences.h"
#include "cache/flights.h"
#include "cache/near.h"
#include "cache/snapshot.h"

namespace chaveiro::cache {

// How values become bytes for the slower levels and for snapshots; needed where there is one of these.
template <class V>
struct ValueCodec {
  std::function<std::string(const V&)> encode;
  std::function<std::optional<V>(std::string_view)> decode;  // nothing: damaged, a miss
  std::function<std::size_t(const V&)> bytes;  // of memory beyond sizeof(V); empty: 0, for text its length
};

// What a cache works with; borrowed, and outliving it.
template <class V>
struct TieredParts {
  const Clock& clock;
  Registry& metrics;
  Logger log = {};
  Tier* l2 = nullptr;
  Tier* l3 = nullptr;
  Pool* pool = nullptr;      // for refreshes and for loads that go on; null: there are none
  Leases* leases = nullptr;  // shared by the nodes; null: each node loads for itself
  ValueCodec<V> values = {};
  Packing<V> packing = {};  // how values lie in memory (cache/near.h); empty: as objects
  Loader<V> loader = {};    // of get(); empty: get() knows only what is cached
};

template <class V>
class Tiered final : public Administered {
 public:
  using Outcome = Result<Answer<V>>;

  // Errors: invalid, naming the option.
  static Result<std::unique_ptr<Tiered>> make(TieredOptions options, TieredParts<V> parts);
  ~Tiered() override;

  // Memory only; never waits, never loads. Nothing: memory has nothing fresh (a kept failure counts as nothing).
  std::optional<Answer<V>> peek(std::string_view key);
  // fn(const V*), or fn(const std::shared_ptr<const V>&), with the value where it lies (null: known that there is none); false: not in
  // memory.
  template <class Fn>
  bool peek_with(std::string_view key, Fn&& fn);

  // A look at this key will follow: its place in memory is asked for ahead, which costs a few nanoseconds and saves a wait.
  void expect(std::string_view key) { near_.expect(key); }
  // fn(bytes) with the packed value where it lies, when memory has one that is fresh; false: not in memory, or known that there is none.
  // Only with parts.packing.
  template <class Fn>
  bool peek_packed(std::string_view key, Fn&& fn);

  // Through the levels; then the cache's own loader, if it has one (read-through).
  // Errors: those of the loader; deadline.
  Outcome get(std::string_view key, Deadline deadline);
  // Through the levels; then this loader (cache-aside).
  Outcome get_or_load(std::string_view key, const Loader<V>& loader, Deadline deadline);
  // The loader is called at most once, for all that is missing; one outcome for each key, in their order.
  std::vector<Outcome> get_or_load_many(std::span<const std::string> keys, const ManyLoader<V>& loader,
                                        Deadline deadline);
  // Asks the source whatever is cached, together with whoever loads already.
  Outcome refresh(std::string_view key, const Loader<V>& loader, Deadline deadline);

  // What is written is what was read or written at the source: see strategies.h for the order of the two.
  Reached put(std::string_view key, std::shared_ptr<const V> value, const WriteOptions& write, Deadline deadline);
  Reached put(std::string_view key, V value, const WriteOptions& write, Deadline deadline) {
    return put(key, std::make_shared<const V>(std::move(value)), write, deadline);
  }

  // The version, where there is one, is that of the change: an older value cannot come back by a late load.
  Reached invalidate(std::string_view key, std::uint64_t version, Deadline deadline) override;
  Reached invalidate_tag(std::string_view tag, Deadline deadline) override;
  Reached invalidate_group(std::string_view group, Deadline deadline) {
    return invalidate_tag(group_tag(group), deadline);
  }
  // O(1) whatever is held.
  Reached clear(Deadline deadline) override;
  void heard(const Invalidation& invalidation) override;
  void forget(Forget what) override;
  void pass_over_shared(bool on) override;
  bool owes() const override;

  // Writes what memory holds fresh; `position` tells the owner, on restore, from where invalidations must be caught up.
  Result<std::size_t> save(const std::string& path, std::uint64_t position) const;
  struct Restored {
    std::size_t taken = 0, too_old = 0, unreadable = 0;
    std::uint64_t position = 0;
  };
  // Before the first request: nothing that is held already is replaced. Time that passed while stopped has aged the values.
  Result<Restored> restore(const std::string& path);

  const std::string& name() const override { return options_.name; }
  const TieredOptions& options() const { return options_; }
  CacheStats stats() const override;
  MemoryStats memory() const override { return near_.stats(); }
  void resize_memory(std::size_t bytes) override { near_.resize(bytes); }
  Result<std::optional<Shown>> show(std::string_view key, Deadline deadline) override;
  Explanation explain(std::string_view key, Deadline deadline) override;
  // Makes good what slower levels are owed, one small step each. True: nothing is owed.
  bool settle(Deadline deadline);
  // For the memory level's clock and wheel: every 10 to 100 ms.
  void tick() { near_.tick(); }
  // CHECKs the memory level's invariants. For tests.
  void validate() const { near_.validate(); }
  // Waits until no load or refresh runs in the background.
  bool idle(Deadline deadline);

 private:
  using Flight = typename Flights<Outcome>::Ref;
  enum class State : std::uint8_t { miss, fresh, stale };
  struct Looked {
    State state = State::miss;
    bool wants_refresh = false;
    bool pausing = false;  // the source failed a moment ago
    Answer<V> answer;
  };
  struct Landing {
    Outcome outcome;
    bool abandoned = false;  // the leader's time was over: others try again
  };
  // What a batch brought, to be written to the slower levels together.
  struct Filling {
    std::string_view key;
    Held<V> held;
    LoadTicket ticket;
    bool l3_too = false;
  };
  enum class Force : std::uint8_t { no, yes };

  Tiered(TieredOptions options, TieredParts<V> parts, Codec codec);

  Looked look(std::string_view key);
  bool wants_refresh(const Held<V>& held, SteadyTime now) const;
  std::optional<Held<V>> held(std::string_view key);
  Outcome miss(std::string_view key, const Loader<V>& loader, Deadline deadline, Looked seen);
  static Outcome outcome_of(Answer<V>&& answer);

  LoadTicket ticket_of(std::string_view key) const {
    return {fences_.ticket(key), stamps_.now(), l2_ ? l2_->era() : 0, l3_ ? l3_->era() : 0};
  }
  Landing load(std::string_view key, const Loader<V>& loader, LoadTicket ticket, Force force, Deadline deadline);
  Landing ask_source(std::string_view key, const Loader<V>& loader, LoadTicket ticket, std::optional<Held<V>> stale,
                     Deadline deadline);
  Landing failed(std::string_view key, LoadTicket ticket, const std::optional<Held<V>>& stale, Error error,
                 Deadline deadline);
  Outcome landed(std::string_view key, LoadTicket ticket, Loaded<V> loaded, const LoadContext<V>& context,
                 const std::optional<Held<V>>& stale, std::chrono::nanoseconds cost, Deadline deadline,
                 std::vector<Filling>* later = nullptr);
  std::unique_ptr<Lease> take_turn(std::string_view key, LoadTicket ticket, Deadline deadline,
                                   std::optional<Answer<V>>& found, std::optional<Held<V>>& stale);
  bool in_background(std::string_view key, const Loader<V>& loader, const Flight& flight, Force force);
  void job_ended();
  void refresh_behind(std::string_view key, const Loader<V>& loader);

  // Slower levels.
  bool is_shared(const Far& far) const { return &far == l2_.get() ? options_.l2.shared : options_.l3.shared; }
  bool has_far() const { return l2_ != nullptr || l3_ != nullptr; }
  std::optional<Answer<V>> from_far(std::string_view key, LoadTicket ticket, Deadline deadline,
                                    std::optional<Held<V>>& stale);
  std::optional<Held<V>> held_of(Far::Found& found, std::uint64_t stamp);
  void promote(std::string_view key, const Held<V>& held, const Far& from, LoadTicket ticket, Deadline deadline,
               std::vector<Filling>* later = nullptr);
  void fill_far(std::string_view key, const Held<V>& held, LoadTicket ticket, std::initializer_list<Far*> levels,
                Deadline deadline);
  void fill_far_many(std::span<const Filling> all, Deadline deadline);
  Envelope envelope_of(const Held<V>& held) const;
  Micros far_budget() const;
  struct Marks {
    Far::Mark l2 = 0, l3 = 0;
  };
  Marks marks() const { return {l2_ ? l2_->mark() : 0, l3_ ? l3_->mark() : 0}; }

  // Memory.
  bool knows_newer(std::string_view key, std::uint64_t version);
  bool keep(std::string_view key, const Held<V>& held, LoadTicket ticket);
  void put_near(std::string_view key, Held<V>&& held, SteadyTime now);
  Held<V> make_held(std::string_view key, std::shared_ptr<const V> value, Micros ttl,
                    std::vector<std::string> tags) const;
  Answer<V> answer_of(const Held<V>& held, Level level, SteadyTime now) const;
  Micros jittered(Micros ttl) const;
  const std::string& connector() const { return options_.connector.empty() ? options_.name : options_.connector; }
  static std::string group_tag(std::string_view group) { return "group\x1f" + std::string(group); }

  const TieredOptions options_;
  const TieredParts<V> parts_;
  const Clock& clock_;
  mutable LevelMetrics l1_metrics_, l2_metrics_, l3_metrics_, origin_metrics_;
  Fences fences_;
  Stamps stamps_;
  WriteGate gate_;
  mutable Near<V> near_;
  const Codec codec_;
  std::unique_ptr<Far> l2_, l3_;
  Flights<Outcome> flights_;
  Guarded<std::size_t> jobs_;
  std::vector<Registry::Watch> watches_;
};

}  // namespace chaveiro::cache

#include "cache/tiered_read.h"
#include "cache/tiered_write.h"
