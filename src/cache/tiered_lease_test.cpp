#include <set>

#include "cache/tiered_test.h"

namespace chaveiro::cache {
namespace {

// Leases of one process; may be away.
class Names final : public Leases {
 public:
  Result<std::unique_ptr<Lease>> take(std::string_view name, Micros, Deadline deadline) override {
    auto state = state_.lock();
    if (state->away) return fail(Code::unavailable, "LeasesDown", "the leases are away");
    ++state->asked;
    state_.notify_all();
    const std::string wanted(name);
    if (!state.wait(deadline, [&](const State& it) { return !it.held.contains(wanted); }))
      return fail(Code::conflict, "LeaseHeld", "another holds it");
    state->held.insert(wanted);
    return std::unique_ptr<Lease>(std::make_unique<Held>(*this, wanted));
  }
  void set_away() { state_.lock()->away = true; }
  bool asked(int times) {
    return state_.lock().wait(soon(), [&](const State& it) { return it.asked >= times; });
  }

 private:
  class Held final : public Lease {
   public:
    Held(Names& names, std::string name) : names_(names), name_(std::move(name)) {}
    std::string_view name() const override { return name_; }
    std::uint64_t fence() const override { return 1; }
    SteadyTime held_until() const override { return SteadyTime::max(); }
    Result<void> renew(Deadline) override { return {}; }
    Result<void> release(Deadline) override {
      names_.state_.with([&](State& it) { it.held.erase(name_); });
      names_.state_.notify_all();
      return {};
    }

   private:
    Names& names_;
    const std::string name_;
  };
  struct State {
    std::set<std::string> held;
    int asked = 0;
    bool away = false;
  };
  Guarded<State> state_;
};

struct TieredLeases : TieredTest {
  Names names;
  std::unique_ptr<Cache> node(Micros wait = 30s) {
    TieredOptions options{.lease_time = 10s, .lease_wait = wait};
    return Cache::make(options,
                       {.clock = clock, .metrics = metrics, .l2 = &l2, .leases = &names, .loader = origin.loader()})
        .value();
  }
};

TEST_F(TieredLeases, make_one_load_of_the_misses_of_two_nodes) {
  const auto first = node(), second = node();
  origin.set("k", "v");
  origin.close();
  std::jthread one([&] { EXPECT_EQ(level(first->get("k", soon())), Level::origin); });
  ASSERT_TRUE(origin.waits_for(1));
  std::jthread two([&] { EXPECT_EQ(level(second->get("k", soon())), Level::l2); });
  ASSERT_TRUE(names.asked(3)) << "the second node waits for the lease";
  origin.open();
  one.join(), two.join();
  EXPECT_EQ(origin.loads(), 1U);
}

TEST_F(TieredLeases, load_anyway_when_the_other_node_takes_too_long_or_the_leases_are_away) {
  origin.set("k", "v");
  const auto held = names.take("load:cache:k", 10s, soon());
  EXPECT_EQ(text(node(1ms)->get("k", soon())), "v");
  (void)l2.clear(soon());
  names.set_away();
  EXPECT_EQ(text(node()->get("k", soon())), "v");
  EXPECT_EQ(origin.loads(), 2U);
}

}  // namespace
}  // namespace chaveiro::cache
