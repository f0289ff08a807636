#include "cache/backplane_node.h"

#include <gtest/gtest.h>

namespace chaveiro::cache {
namespace {

using namespace std::chrono_literals;
using Kind = BackplaneAction::Kind;

// Two nodes and a time that is moved by hand.
struct BackplaneNodes : testing::Test {
  SteadyTime now{1h};
  BackplaneOptions options;
  BackplaneNode us{options, 1, 10};
  BackplaneNode them{options, 2, 20};

  // All that happens in `time`, in steps of 100 ms: our beats come back, theirs arrive.
  std::string pass(Micros time, bool echo = true, bool beats = true) {
    std::string did;
    for (Micros gone{0}; gone < time; gone += 100ms) {
      now += 100ms;
      const BackplaneActions ours = us.tick(now);
      did += told(ours);
      for (const auto& action : ours) {
        if (action.kind == Kind::publish && echo) did += told(us.heard(action.bulletin, now));
      }
      for (const auto& action : them.tick(now)) {
        if (action.kind == Kind::publish && beats) did += told(us.heard(action.bulletin, now));
      }
    }
    return did;
  }
  static std::string told(const BackplaneActions& actions) {
    std::string text;
    for (const auto& action : actions) {
      if (action.kind == Kind::publish) continue;
      static constexpr const char* names[] = {"publish", "apply", "drop", "drop_levels", "off", "on"};
      text += std::string(names[static_cast<int>(action.kind)]) + " " + action.invalidation.cache;
      if (action.kind == Kind::apply) text += "/" + action.invalidation.name;
      if (action.kind == Kind::drop || action.kind == Kind::drop_levels)
        text += " " + std::string(to_string(action.reason));
      text += "; ";
    }
    return text;
  }
  Bulletin write(std::string cache, std::string name, BackplaneNode* who = nullptr) {
    const Invalidation one{.cache = std::move(cache), .name = std::move(name)};
    return (who == nullptr ? them : *who).news({&one, 1}).at(0);
  }
  std::string hear(const Bulletin& bulletin) { return told(us.heard(bulletin, now)); }
  void settle() {
    (void)us.connected({}, now);
    EXPECT_EQ(pass(100ms, false), "off ; drop  deaf; ");
    EXPECT_EQ(pass(1s), "drop  deaf; drop_levels  missed; on ; ") << "what the life before left behind";
    ASSERT_TRUE(us.trusting());
  }
};

TEST_F(BackplaneNodes, apply_what_comes_in_its_order) {
  settle();
  EXPECT_EQ(hear(write("a", "1")), "apply a/1; ");
  EXPECT_EQ(hear(write("b", "2")), "apply b/2; ");
  EXPECT_EQ(pass(10s), "");
}

TEST_F(BackplaneNodes, drop_the_one_cache_of_which_a_number_is_missing) {
  settle();
  write("a", "lost");
  EXPECT_EQ(hear(write("b", "1")), "apply b/1; ");
  EXPECT_EQ(hear(write("a", "2")), "drop a gap; ");
  EXPECT_EQ(hear(write("a", "3")), "apply a/3; ");
}

TEST_F(BackplaneNodes, find_what_was_lost_last_by_the_next_beat) {
  settle();
  write("a", "lost");
  EXPECT_EQ(pass(options.beat_interval), "drop a gap; ");
  EXPECT_EQ(pass(10s), "");
}

TEST_F(BackplaneNodes, take_a_repeated_or_late_word_once) {
  settle();
  const Bulletin first = write("a", "1"), second = write("a", "2");
  EXPECT_EQ(hear(first), "apply a/1; ");
  EXPECT_EQ(hear(first), "");
  EXPECT_EQ(hear(second), "apply a/2; ");
  EXPECT_EQ(hear(first), "");
  EXPECT_EQ(us.figures().repeated, 2U);
}

TEST_F(BackplaneNodes, drop_everything_when_a_publisher_lives_anew_unless_it_had_said_goodbye) {
  settle();
  BackplaneNode again(options, 2, 21);
  EXPECT_EQ(told(us.heard(again.tick(now).at(0).bulletin, now)), "drop_levels  restart; ");
  EXPECT_EQ(hear(again.goodbye()), "");
  BackplaneNode third(options, 2, 22);
  EXPECT_EQ(told(us.heard(third.tick(now).at(0).bulletin, now)), "");
}

TEST_F(BackplaneNodes, find_in_the_goodbye_what_was_lost_before_it) {
  settle();
  write("a", "lost");
  EXPECT_EQ(hear(them.goodbye()), "drop a gap; ");
  EXPECT_EQ(pass(1min, true, false), "") << "who has gone is not missed";
  EXPECT_TRUE(us.trusting());
}

TEST_F(BackplaneNodes, trust_nothing_while_a_publisher_is_silent) {
  settle();
  EXPECT_EQ(pass(options.silence_max - 600ms, true, false), "");
  const std::string did = pass(1200ms, true, false);
  EXPECT_TRUE(did.starts_with("off ; drop  silent; ")) << did;
  EXPECT_FALSE(us.trusting());
  EXPECT_EQ(pass(1s, true, false), "drop  silent; drop  silent; ") << "again each distrust_interval";
  const std::string back = pass(600ms);
  EXPECT_TRUE(back.ends_with("drop_levels  missed; on ; ")) << back << ": it may have failed to tell the levels";
  EXPECT_TRUE(us.trusting());
}

TEST_F(BackplaneNodes, forget_a_publisher_that_stays_silent) {
  settle();
  pass(options.forget_after + 1s, true, false);
  EXPECT_EQ(us.publishers(), 0U);
  EXPECT_TRUE(us.trusting());
  EXPECT_EQ(pass(10s, true, false), "");
}

TEST_F(BackplaneNodes, trust_nothing_while_their_own_beats_do_not_come_back) {
  settle();
  const std::string did = pass(options.silence_max + 1s, false);
  EXPECT_NE(did.find("off ; drop  deaf; "), std::string::npos) << did;
  EXPECT_FALSE(us.trusting());
  EXPECT_TRUE(pass(600ms).ends_with("drop  missed; on ; ")) << "what was taken in meanwhile goes";
}

TEST_F(BackplaneNodes, believe_no_beat_from_before_the_connection_was_lost) {
  settle();
  const Bulletin before = us.tick(now + options.beat_interval).at(0).bulletin;
  EXPECT_EQ(told(us.lost(now)), "off ; drop  missed; ");
  (void)us.connected({}, now);
  EXPECT_EQ(told(us.heard(before, now)), "");
  EXPECT_FALSE(us.trusting());
  EXPECT_TRUE(pass(600ms).ends_with("drop  missed; on ; "));
}

TEST_F(BackplaneNodes, lose_nothing_over_a_connection_that_goes_on_where_it_stood) {
  options.replays = true;
  BackplaneNode node(options, 1, 10);
  (void)node.connected({}, now);
  (void)node.heard(node.tick(now).at(0).bulletin, now);
  ASSERT_TRUE(node.trusting());
  EXPECT_EQ(told(node.lost(now)), "");
  const Bulletin missed = write("a", "1");
  (void)node.connected({}, now + 1s);
  EXPECT_EQ(told(node.heard(missed, now + 1s)), "apply a/1; ");
  EXPECT_TRUE(node.trusting());
  EXPECT_EQ(told(node.missed(now + 1s)), "off ; drop  missed; ") << "unless it was cut";
}

TEST_F(BackplaneNodes, drop_the_levels_too_where_the_writer_could_not_tell_them) {
  settle();
  them.set_owing(true, now);
  write("a", "lost");
  EXPECT_EQ(hear(write("a", "2")), "drop_levels a gap; ");
}

TEST_F(BackplaneNodes, wait_for_those_whom_others_hear) {
  settle();
  BackplaneNode third(options, 3, 30);
  (void)them.heard(third.tick(now).at(0).bulletin, now);
  const std::string did = pass(options.silence_max + 1s);
  EXPECT_NE(did.find("off ; "), std::string::npos) << did;
  EXPECT_FALSE(us.trusting()) << "the third may be writing, cut off from us";
  (void)them.heard(third.goodbye(), now);
  pass(3 * options.silence_max);
  EXPECT_TRUE(us.trusting());
}

TEST_F(BackplaneNodes, wait_for_those_whom_the_backplane_names) {
  settle();
  BackplaneNode fresh(options, 4, 40);
  const std::uint64_t members[] = {2, 4};
  (void)fresh.connected(members, now);
  (void)fresh.heard(fresh.tick(now).at(0).bulletin, now);
  EXPECT_FALSE(fresh.trusting());
  (void)fresh.heard(them.tick(now + options.beat_interval).at(0).bulletin, now);
  EXPECT_TRUE(fresh.trusting());
}

TEST_F(BackplaneNodes, hold_no_more_publishers_than_their_bound) {
  options.publishers_max = 2;
  BackplaneNode node(options, 1, 10);
  std::string did;
  for (std::uint64_t id = 2; id < 5; ++id) {
    BackplaneNode one(options, id, 1);
    did += told(node.heard(one.tick(now).at(0).bulletin, now + std::chrono::seconds(id)));
  }
  EXPECT_NE(did.find("drop_levels  crowded; "), std::string::npos) << did;
  EXPECT_EQ(node.publishers(), 2U);
}

}  // namespace
}  // namespace chaveiro::cache
