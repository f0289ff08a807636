#include "base/guarded.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace chaveiro {
namespace {

using namespace std::chrono_literals;

TEST(Guarded, lets_one_thread_at_a_time_at_the_value) {
  Guarded<int> count{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5'000; ++i) {
        if (i % 2 == 0) {
          count.with([](int& it) { ++it; });
        } else {
          ++*count.lock();
        }
      }
    });
  }
  threads.clear();
  EXPECT_EQ(*std::as_const(count).lock(), 20'000);
}

TEST(Guarded, returns_copies_and_never_references) {
  Guarded<std::vector<int>> list{std::vector{1, 2, 3}};
  auto front = list.with([](std::vector<int>& it) -> int& { return it.front(); });
  static_assert(std::is_same_v<decltype(front), int>);
  front = 9;
  EXPECT_EQ(list.lock()->front(), 1);
}

TEST(Guarded, holds_values_that_cannot_move) {
  struct Pinned {
    explicit Pinned(int start) : value(start) {}
    Pinned(const Pinned&) = delete;
    int value;
  };
  const Guarded<Pinned> pinned{std::in_place, 3};
  EXPECT_EQ(pinned.lock()->value, 3);
  const Guarded<std::unique_ptr<int>> movable{std::make_unique<int>(4)};
  EXPECT_EQ(**movable.lock(), 4);
  EXPECT_EQ(movable.with([](const std::unique_ptr<int>& it) { return *it; }), 4);
}

TEST(Guarded, waits_until_the_value_is_ready) {
  Guarded<int> stage{0};
  std::jthread other([&] {
    auto it = stage.lock();
    ASSERT_TRUE(it.wait(Deadline::never(), [](int now) { return now == 1; }));
    *it = 2;
    stage.notify_all();
  });
  stage.with([](int& it) { it = 1; });
  stage.notify_all();
  auto it = stage.lock();
  EXPECT_TRUE(it.wait(Deadline::in(60s), [](int now) { return now == 2; }));
  EXPECT_EQ(*it, 2);
}

TEST(Guarded, stops_waiting_at_the_deadline_and_still_holds_the_lock) {
  Guarded<int> value{7};
  auto it = value.lock();
  EXPECT_FALSE(it.wait(Deadline::in(-1s), [](int now) { return now == 8; }));
  EXPECT_TRUE(it.wait(Deadline::in(-1s), [](int now) { return now == 7; }))
      << "a value that is ready is ready, late or not";
  *it = 8;
  EXPECT_EQ(*it, 8);
}

}  // namespace
}  // namespace chaveiro
