// cache/fences.h
//
// Fences: who may write what is cached under a key. A load takes a ticket before it asks the source; a write or an invalidation
// ends all tickets of the key, so that what the load brings then goes nowhere. Writes to slower levels take turns.
//
// Keys share stripes: a stranger's write may end a ticket (the load is then answered, but not kept) or make a turn wait.
// The last invalidations of each stripe are remembered with their versions, so that a load that began later but read an older copy
// (a replica, a level that was owed) is refused as well.
//
// Threads: any. The functions handed in run under the stripe's lock: memory only, no I/O.
// Time:    O(1); enter() waits for the turn.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/guarded.h"

namespace chaveiro::cache {

class Fences {
  struct Erased {
    std::uint64_t hash = 0, version = 0;
  };
  struct State {
    bool busy = false;  // somebody's turn
    std::array<Erased, 8> erased{};
    std::size_t next = 0;
  };
  struct alignas(64) Stripe {
    std::atomic<std::uint64_t> generation{0};  // changed under the lock
    Guarded<State> state;
  };

 public:
  static constexpr std::size_t stripes = 1'024;

  std::uint64_t ticket(std::string_view key) const {
    return stripe(hash(key)).generation.load(std::memory_order_acquire);
  }

  // Ends all tickets of the key and runs change(). A version is remembered against older fills.
  template <class Change>
  void invalidate(std::string_view key, std::uint64_t version, Change change) {
    const std::uint64_t mark = hash(key);
    Stripe& mine = stripe(mark);
    mine.state.with([&](State& state) {
      mine.generation.fetch_add(1, std::memory_order_acq_rel);
      if (version != 0) remember(state, {mark, version});
      change();
    });
  }
  // Runs change() if the ticket holds and `version` (0: none) is no older than what was invalidated.
  template <class Change>
  bool fill(std::string_view key, std::uint64_t ticket, std::uint64_t version, Change change) {
    const std::uint64_t mark = hash(key);
    Stripe& mine = stripe(mark);
    return mine.state.with([&](State& state) {
      if (mine.generation.load(std::memory_order_relaxed) != ticket || is_older(state, {mark, version})) return false;
      change();
      return true;
    });
  }
  // A write: ends all tickets and runs change(), unless a newer version was invalidated.
  template <class Change>
  bool write(std::string_view key, std::uint64_t version, Change change) {
    const std::uint64_t mark = hash(key);
    Stripe& mine = stripe(mark);
    return mine.state.with([&](State& state) {
      if (is_older(state, {mark, version})) return false;
      mine.generation.fetch_add(1, std::memory_order_acq_rel);
      return change();
    });
  }

  class [[nodiscard]] Turn {
   public:
    Turn(Turn&& other) noexcept : stripe_(std::exchange(other.stripe_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (stripe_ == nullptr) return;
      stripe_->state.with([](State& state) { state.busy = false; });
      stripe_->state.notify_all();
    }

   private:
    friend class Fences;
    explicit Turn(Stripe& stripe) : stripe_(&stripe) {}
    Stripe* stripe_;
  };
  // Keys of one place have their turns together.
  static std::size_t place_of(std::string_view key) { return hash(key) % stripes; }
  // The right to write slower levels for this key; nothing when the deadline passed first.
  std::optional<Turn> enter(std::string_view key, Deadline deadline) {
    Stripe& mine = stripe(hash(key));
    auto state = mine.state.lock();
    if (!state.wait(deadline, [](const State& it) { return !it.busy; })) return std::nullopt;
    state->busy = true;
    return Turn(mine);
  }

 private:
  static std::uint64_t hash(std::string_view key) { return std::hash<std::string_view>{}(key); }
  Stripe& stripe(std::uint64_t hash) const { return stripes_[hash % stripes]; }

  static void remember(State& state, Erased erased) {
    for (Erased& known : state.erased) {
      if (known.hash == erased.hash) {
        known.version = std::max(known.version, erased.version);
        return;
      }
    }
    state.erased[state.next++ % state.erased.size()] = erased;
  }
  static bool is_older(const State& state, Erased filled) {
    if (filled.version == 0) return false;
    for (const Erased& known : state.erased) {
      if (known.hash == filled.hash && known.version > filled.version) return true;
    }
    return false;
  }

  std::unique_ptr<Stripe[]> stripes_ = std::make_unique<Stripe[]>(stripes);
};

// Many may write to the slower levels at once; whoever erases much of them waits until they are out and keeps them out meanwhile.
class WriteGate {
 public:
  class [[nodiscard]] Pass {
   public:
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)), closes_(other.closes_) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() {
      if (gate_ == nullptr) return;
      gate_->state_.with([&](State& state) {
        if (closes_)
          state.closed = false;
        else
          --state.inside;
      });
      gate_->state_.notify_all();
    }

   private:
    friend class WriteGate;
    Pass(WriteGate& gate, bool closes) : gate_(&gate), closes_(closes) {}
    WriteGate* gate_;
    bool closes_;
  };

  std::optional<Pass> enter(Deadline deadline) {
    auto state = state_.lock();
    if (!state.wait(deadline, [](const State& it) { return !it.closed; })) return std::nullopt;
    ++state->inside;
    return Pass(*this, false);
  }
  // Nothing: the deadline passed; those inside may still write.
  std::optional<Pass> close(Deadline deadline) {
    auto state = state_.lock();
    if (!state.wait(deadline, [](const State& it) { return !it.closed; })) return std::nullopt;
    state->closed = true;
    if (state.wait(deadline, [](const State& it) { return it.inside == 0; })) return Pass(*this, true);
    state->closed = false;
    state_.notify_all();
    return std::nullopt;
  }

 private:
  struct State {
    int inside = 0;
    bool closed = false;
  };
  Guarded<State> state_;
};

}  // namespace chaveiro::cache
