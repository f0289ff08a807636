#include "clients/redis/names.h"

#include <gtest/gtest.h>

#include <set>

namespace chaveiro::redis {
namespace {

using namespace std::chrono_literals;

SteadyTime later() { return std::chrono::steady_clock::now() + 60s; }
Deadline soon() { return Deadline::in(20s); }

// Look-ups that end when they are told to.
struct NameServer {
  struct State {
    std::set<std::string> slow;
    std::size_t asked = 0;
    std::size_t running = 0;
    std::size_t running_most = 0;
  };
  std::shared_ptr<Guarded<State>> state = std::make_shared<Guarded<State>>();

  net::LookUp look_up() const {
    return [state = state](const std::string& host, std::uint16_t port) -> Names::Addresses {
      auto it = state->lock();
      ++it->asked;
      it->running_most = std::max(it->running_most, ++it->running);
      state->notify_all();
      it.wait(Deadline::never(), [&](const State& now) { return !now.slow.contains(host); });
      --it->running;
      state->notify_all();
      return std::vector{*Names::in_digits("127.0.0.1", port)};
    };
  }
  void slow_down(const std::string& host) const {
    state->with([&](State& it) { it.slow.insert(host); });
  }
  void wake_up() const {
    state->with([](State& it) { it.slow.clear(); });
    state->notify_all();
  }
  bool asked(std::size_t count) const {
    return state->lock().wait(soon(), [&](const State& it) { return it.asked == count; });
  }
  std::size_t asked() const { return state->lock()->asked; }
};

struct Answers {
  Guarded<std::size_t> count{std::size_t{0}};

  Once<const Names::Addresses&> one() {
    return [this](const Names::Addresses& found) {
      EXPECT_TRUE(found);
      count.with([](std::size_t& it) { ++it; });
      count.notify_all();
    };
  }
  bool have(std::size_t all) {
    return count.lock().wait(soon(), [&](std::size_t it) { return it == all; });
  }
};

TEST(RedisNames, a_slow_name_holds_up_no_other) {
  NameServer server;
  server.slow_down("slow");
  Answers slow, quick;
  Names names(server.look_up());
  names.resolve("slow", 1, later(), slow.one());
  names.resolve("quick", 1, later(), quick.one());
  EXPECT_TRUE(quick.have(1));
  EXPECT_EQ(*slow.count.lock(), 0U);
  server.wake_up();
  EXPECT_TRUE(slow.have(1));
}

TEST(RedisNames, are_looked_up_once_for_all_who_ask_meanwhile_and_again_for_who_asks_later) {
  NameServer server;
  server.slow_down("host");
  Answers answers;
  Names names(server.look_up());
  for (int i = 0; i < 10; ++i) names.resolve("host", 1, later(), answers.one());
  EXPECT_TRUE(server.asked(1));
  server.wake_up();
  EXPECT_TRUE(answers.have(10));
  EXPECT_EQ(server.asked(), 1U);
  names.resolve("host", 1, later(), answers.one());
  EXPECT_TRUE(answers.have(11));
  EXPECT_EQ(server.asked(), 2U) << "nothing is remembered: the name may have moved";
}

TEST(RedisNames, keep_few_threads_however_many_names_hang) {
  NameServer server;
  Answers answers;
  Names names(server.look_up());
  for (int i = 0; i < 100; ++i) server.slow_down("host" + std::to_string(i));
  for (int i = 0; i < 100; ++i) names.resolve("host" + std::to_string(i), 1, later(), answers.one());
  EXPECT_TRUE(server.asked(Names::running_max));
  server.wake_up();
  EXPECT_TRUE(answers.have(100));
  EXPECT_LE(server.state->lock()->running_most, Names::running_max);
}

TEST(RedisNames, give_up_a_look_up_that_hangs_and_drop_who_waited_for_it) {
  NameServer server;
  server.slow_down("host");
  Answers early, answers;
  Names names(server.look_up());
  names.resolve("host", 1, std::chrono::steady_clock::now(), early.one());
  EXPECT_TRUE(server.asked(1));
  names.resolve("host", 1, later(), answers.one());
  EXPECT_TRUE(server.asked(2)) << "the first one's time is over";
  server.wake_up();
  EXPECT_TRUE(answers.have(1));
  EXPECT_EQ(*early.count.lock(), 0U);
}

TEST(RedisNames, wait_for_nobody_when_they_stop) {
  NameServer server;
  server.slow_down("host");
  Answers answers;
  {
    Names names(server.look_up());
    names.resolve("host", 1, later(), answers.one());
    EXPECT_TRUE(server.asked(1));
  }
  server.wake_up();
  EXPECT_TRUE(server.state->lock().wait(soon(), [](const auto& it) { return it.running == 0; }));
  EXPECT_EQ(*answers.count.lock(), 0U);
}

}  // namespace
}  // namespace chaveiro::redis
