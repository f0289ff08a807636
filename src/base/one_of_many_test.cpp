#include "base/one_of_many.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "base/log_sink.h"

namespace chaveiro {
namespace {

using namespace std::chrono_literals;

Deadline soon() { return Deadline::in(60s); }

// The store that the nodes ask. Ends leases by the clock of the test; may be away, and may make callers wait.
class Names final : public Leases {
 public:
  explicit Names(const Clock& clock) : clock_(clock) {}

  Result<std::unique_ptr<Lease>> take(std::string_view name, Micros duration, Deadline) override {
    auto state = state_.lock();
    ++state->asked;
    state_.notify_all();
    if (!state.wait(soon(), [](const State& it) { return !it.closed; }) || state->away) return away();
    Holder& holder = state->holders[std::string(name)];
    if (clock_.steady() < holder.until) return fail(Code::conflict, "LeaseHeld", "another holds it");
    holder = {++state->fences, clock_.steady() + duration};
    return std::unique_ptr<Lease>(std::make_unique<Held>(*this, std::string(name), holder, duration));
  }
  void set_away(bool away) { state_.lock()->away = away; }
  void close() { state_.lock()->closed = true; }
  void open() {
    state_.lock()->closed = false;
    state_.notify_all();
  }
  bool asked(int times) {
    return state_.lock().wait(soon(), [&](const State& it) { return it.asked >= times; });
  }
  // As an operator might who deletes the key, or a fail-over: somebody else has it now.
  void give_to_another(const std::string& name) {
    auto state = state_.lock();
    state->holders[name] = {++state->fences, clock_.steady() + 24h};
  }
  bool is_held(const std::string& name) const {
    return state_.with([&](const State& it) {
      const auto found = it.holders.find(name);
      return found != it.holders.end() && clock_.steady() < found->second.until;
    });
  }

 private:
  struct Holder {
    std::uint64_t fence = 0;
    SteadyTime until = SteadyTime::min();
  };
  class Held final : public Lease {
   public:
    Held(Names& names, std::string name, Holder holder, Micros duration)
        : names_(names), name_(std::move(name)), holder_(holder), duration_(duration) {}
    std::string_view name() const override { return name_; }
    std::uint64_t fence() const override { return holder_.fence; }
    SteadyTime held_until() const override { return holder_.until; }
    Result<void> renew(Deadline) override {
      auto state = names_.state_.lock();
      if (state->away) return away();
      Holder& now = state->holders[name_];
      if (now.fence != holder_.fence || names_.clock_.steady() >= now.until)
        return fail(Code::conflict, "LeaseLost", "another holds it");
      now.until = holder_.until = names_.clock_.steady() + duration_;
      return {};
    }
    Result<void> release(Deadline) override {
      auto state = names_.state_.lock();
      if (state->away) return away();
      Holder& now = state->holders[name_];
      if (now.fence == holder_.fence) now.until = SteadyTime::min();
      return {};
    }

   private:
    Names& names_;
    const std::string name_;
    Holder holder_;
    const Micros duration_;
  };
  struct State {
    std::map<std::string, Holder> holders;
    std::uint64_t fences = 0;
    int asked = 0;
    bool away = false, closed = false;
  };
  static Error away() { return fail(Code::unavailable, "LeasesDown", "the leases are away"); }

  const Clock& clock_;
  Guarded<State> state_;
};

struct OneOfManyTest : testing::Test {
  // One process. Its election moves only when it is told to: the lease is far longer than any test.
  struct Node {
    Node(OneOfManyTest& test, const std::string& installation = "base")
        : job({.job = "claims", .installation = installation, .lease_time = lease_time}, &test.names, test.clock,
              test.log.logger("jobs"), metrics) {
      settle();
    }
    void settle() { ASSERT_TRUE(job.election()->wait_for_steps(steps, soon())); }
    void step() {
      job.election()->poke();
      ++steps;
      settle();
    }
    // Does a round run here now?
    bool runs() {
      bool ran = false;
      EXPECT_TRUE(job.run(Deadline::in(-1us), [&](const OneOfMany::GoesOn& goes_on) {
        ran = true;
        EXPECT_TRUE(goes_on());
        return Result<void>();
      }));
      return ran;
    }
    std::uint64_t rounds(const char* as) {
      return metrics.counter("job_rounds_total", "", {{"job", "claims"}, {"as", as}}).value();
    }
    std::uint64_t terms() { return metrics.counter("job_terms_total", "", {{"job", "claims"}}).value(); }
    bool shows(const std::string& line) const { return metrics.expose().find(line + "\n") != std::string::npos; }

    Registry metrics;
    OneOfMany job;
    std::uint64_t steps = 1;
  };

  // In pieces after each of which the nodes step, so that none steps by itself meanwhile.
  template <class... Nodes>
  void pass(Micros time, Nodes&... nodes) {
    for (Micros piece{0}; time > Micros{0}; time -= piece) {
      piece = std::min(time, lease_time / 6);
      clock.advance(piece);
      (nodes.step(), ...);
    }
  }
  std::size_t said(const std::string& text) const {
    std::size_t count = 0;
    for (const std::string& line : sink.lines()) count += line.find(text) != std::string::npos ? 1 : 0;
    return count;
  }

  static constexpr Micros lease_time = 1h;
  ManualClock clock;
  MemorySink sink;
  Log log{clock, sink};
  Names names{clock};
};

TEST_F(OneOfManyTest, runs_every_round_where_there_is_no_other_node) {
  Registry metrics;
  OneOfMany alone({.job = "claims"}, nullptr, clock, log.logger("jobs"), metrics);
  int rounds = 0;
  const auto round = [&](const OneOfMany::GoesOn& goes_on) -> Result<void> {
    ++rounds;
    EXPECT_TRUE(goes_on());
    return fail(Code::unavailable, "Its", "own error");
  };
  EXPECT_EQ(alone.run(soon(), round).error().reason, "Its");
  EXPECT_FALSE(alone.run(soon(), round));
  EXPECT_EQ(rounds, 2);
  EXPECT_FALSE(alone.cut_off());
  EXPECT_TRUE(alone.leave(soon()));
  EXPECT_EQ(metrics.expose().find("job_"), std::string::npos);
}

TEST_F(OneOfManyTest, runs_on_one_node_and_leaves_it_alone_on_the_other) {
  Node one(*this), other(*this);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(one.runs());
    EXPECT_FALSE(other.runs());
    pass(lease_time / 2, one, other);
  }
  EXPECT_EQ(one.rounds("leader"), 3u);
  EXPECT_EQ(other.rounds("follower"), 3u);
  EXPECT_EQ(other.rounds("leader") + other.rounds("cut_off"), 0u);
  EXPECT_TRUE(one.shows(R"(job_leader{job="claims"} 1)"));
  EXPECT_TRUE(other.shows(R"(job_leader{job="claims"} 0)"));
}

TEST_F(OneOfManyTest, is_taken_over_when_the_lease_of_a_leader_that_died_has_ended) {
  auto one = std::make_unique<Node>(*this);
  Node other(*this);
  one.reset();  // gives nothing back, as kill -9
  pass(lease_time - 1s, other);
  EXPECT_FALSE(other.runs());
  pass(1s, other);
  EXPECT_TRUE(other.runs());
  EXPECT_EQ(other.terms(), 1u);
}

TEST_F(OneOfManyTest, is_taken_over_at_once_when_the_leader_leaves_and_it_runs_nothing_any_more) {
  Node one(*this), other(*this);
  EXPECT_FALSE(other.runs());
  ASSERT_TRUE(one.job.leave(soon()));
  EXPECT_FALSE(one.runs());
  other.step();
  EXPECT_TRUE(other.runs());
  names.set_away(true);
  pass(2 * lease_time, one);
  EXPECT_FALSE(one.runs()) << "a node that left does nothing, whether or not the leases answer";
}

TEST_F(OneOfManyTest, gives_back_what_it_gets_while_it_leaves) {
  names.close();
  Registry metrics;
  OneOfMany job({.job = "claims", .installation = "base", .lease_time = lease_time}, &names, clock, log.logger("jobs"),
                metrics);
  ASSERT_TRUE(names.asked(1));
  ASSERT_TRUE(job.leave(soon()));
  names.open();
  ASSERT_TRUE(job.election()->wait_for_steps(1, soon()));
  EXPECT_FALSE(names.is_held("claims:base"));
}

TEST_F(OneOfManyTest, stops_its_round_when_the_lease_is_lost) {
  Node one(*this);
  int steps = 0;
  ASSERT_TRUE(one.job.run(soon(), [&](const OneOfMany::GoesOn& goes_on) {
    for (; goes_on() && steps < 10; ++steps) {
      if (steps != 2) continue;
      names.give_to_another("claims:base");
      one.step();
    }
    return Result<void>();
  }));
  EXPECT_EQ(steps, 3);
  EXPECT_FALSE(one.runs());
  EXPECT_TRUE(one.shows(R"(job_leader{job="claims"} 0)"));
}

TEST_F(OneOfManyTest, stops_its_round_when_the_lease_is_over_and_nobody_could_renew_it) {
  Node one(*this);
  ASSERT_TRUE(one.job.run(soon(), [&](const OneOfMany::GoesOn& goes_on) {
    EXPECT_TRUE(goes_on());
    clock.advance(lease_time);  // this process stood still for so long; another may lead
    EXPECT_FALSE(goes_on());
    return Result<void>();
  }));
  EXPECT_FALSE(one.runs());
  one.step();  // lost
  one.step();  // and taken again
  EXPECT_TRUE(one.runs());
  EXPECT_EQ(one.terms(), 2u);
}

TEST_F(OneOfManyTest, runs_on_every_node_while_the_leases_are_away) {
  Node one(*this), other(*this);
  names.set_away(true);
  one.step(), other.step();
  EXPECT_TRUE(one.runs()) << "its lease goes on";
  EXPECT_FALSE(other.runs()) << "that of the other goes on";
  EXPECT_FALSE(other.job.cut_off());
  pass(lease_time, one, other);
  for (int i = 0; i < 5; ++i) {
    pass(lease_time, one, other);
    EXPECT_TRUE(one.runs());
    EXPECT_TRUE(other.runs());
  }
  EXPECT_TRUE(other.job.cut_off());
  EXPECT_EQ(one.rounds("cut_off"), 5u);
  EXPECT_EQ(other.rounds("cut_off"), 5u);
  EXPECT_TRUE(one.shows(R"(job_leader{job="claims"} 0)"));
  EXPECT_EQ(said("nobody knows who leads"), 2u) << "once by each node, not by each round";
  names.set_away(false);
  one.step(), other.step();
  EXPECT_TRUE(one.runs());
  EXPECT_FALSE(other.runs());
  EXPECT_EQ(said("leases answer again"), 2u);
}

TEST_F(OneOfManyTest, goes_on_with_a_round_during_which_the_leases_went_away) {
  Node one(*this);
  ASSERT_TRUE(one.job.run(soon(), [&](const OneOfMany::GoesOn& goes_on) {
    names.set_away(true);
    pass(lease_time, one);
    EXPECT_TRUE(goes_on());
    return Result<void>();
  }));
}

TEST_F(OneOfManyTest, runs_from_the_start_where_the_leases_are_away) {
  names.set_away(true);
  Node one(*this);
  EXPECT_TRUE(one.runs());
  EXPECT_EQ(one.rounds("cut_off"), 1u);
}

TEST_F(OneOfManyTest, waits_for_the_first_answer_and_does_nothing_without_it) {
  names.close();
  Registry metrics;
  OneOfMany job({.job = "claims", .installation = "base", .lease_time = lease_time}, &names, clock, log.logger("jobs"),
                metrics);
  ASSERT_TRUE(names.asked(1));
  int rounds = 0;
  const auto round = [&](const OneOfMany::GoesOn&) { return ++rounds, Result<void>(); };
  EXPECT_TRUE(job.run(Deadline::in(-1us), round));
  EXPECT_EQ(rounds, 0);
  std::jthread later([&] { names.open(); });
  EXPECT_TRUE(job.run(soon(), round));
  EXPECT_EQ(rounds, 1);
}

TEST_F(OneOfManyTest, has_a_leader_in_each_installation) {
  Node one(*this, "base"), other(*this, "copy");
  EXPECT_TRUE(one.runs());
  EXPECT_TRUE(other.runs());
}

}  // namespace
}  // namespace chaveiro
