#include "cache/warming.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <set>

namespace chaveiro::cache {
namespace {

using namespace std::chrono_literals;
using End = WarmProgress::End;

struct Warming : testing::Test {
  Warming() {
    std::string pattern = testing::TempDir() + "/warmXXXXXX";
    folder = mkdtemp(pattern.data());
  }
  ~Warming() override { std::filesystem::remove_all(folder); }

  Warmer::Load load() {
    return [this](std::string_view key, Deadline) -> Result<Warmer::Step> {
      const std::scoped_lock lock(mutex);
      tried.emplace_back(key);
      if (fails.contains(std::string(key))) return fail(Code::unavailable, "SourceDown", "down");
      return present.contains(std::string(key)) ? Warmer::Step::present : Warmer::Step::loaded;
    };
  }
  WarmProgress run(WarmPlan plan) { return Warmer(std::move(plan), clock).run(load(), {}, Deadline::in(30s)).value(); }
  std::set<std::string> seen() const { return {tried.begin(), tried.end()}; }

  const SystemClock clock;
  std::string folder;
  std::mutex mutex;
  std::vector<std::string> tried;
  std::set<std::string> fails, present;
};

TEST_F(Warming, makes_keys_from_lists_ranges_and_products) {
  const KeySpace product = KeySpace::product("exp:{0}:{1}:{0}", {{"a", "b"}, {"1", "2", "3"}});
  ASSERT_EQ(product.size(), 6U);
  EXPECT_EQ(product.at(0), "exp:a:1:a");
  EXPECT_EQ(product.at(1), "exp:a:2:a");
  EXPECT_EQ(product.at(5), "exp:b:3:b");
  EXPECT_EQ(KeySpace::range("k", 7, 9).at(2), "k9");
  EXPECT_EQ(KeySpace::range("k", 9, 7).size(), 0U);
  const KeySpace chain = KeySpace::chain({KeySpace::list({"x"}), product});
  EXPECT_EQ(chain.size(), 7U);
  EXPECT_EQ(chain.at(1), "exp:a:1:a");
  EXPECT_EQ(KeySpace::product("{0}", {{}}).size(), 0U);
}

TEST_F(Warming, tries_every_key_once_in_each_order) {
  for (const auto order : {WarmPlan::Order::forward, WarmPlan::Order::backward, WarmPlan::Order::scattered}) {
    for (const std::uint64_t count : {1U, 2U, 3U, 60U, 97U, 600U}) {
      tried.clear();
      const WarmProgress progress = run({.keys = KeySpace::range("k", 1, count), .order = order, .concurrency = 3});
      EXPECT_EQ(progress.end, End::complete);
      EXPECT_EQ(progress.position, count);
      EXPECT_EQ(tried.size(), count);
      EXPECT_EQ(seen().size(), count);
    }
  }
  tried.clear();
  (void)run({.keys = KeySpace::range("k", 1, 3), .order = WarmPlan::Order::backward, .concurrency = 1});
  EXPECT_EQ(tried, (std::vector<std::string>{"k3", "k2", "k1"}));
}

TEST_F(Warming, spends_its_budget_on_real_loads_and_not_more) {
  for (int i = 1; i <= 50; ++i) present.insert("k" + std::to_string(i));
  const WarmProgress progress = run({.keys = KeySpace::range("k", 1, 200), .concurrency = 4, .loads_max = 20});
  EXPECT_EQ(progress.end, End::budget);
  EXPECT_EQ(progress.loaded, 20U);
  EXPECT_EQ(progress.present, 50U);
}

TEST_F(Warming, goes_on_where_it_was_stopped) {
  const std::string file = folder + "/position";
  const WarmPlan plan{.keys = KeySpace::range("k", 1, 100), .concurrency = 2, .loads_max = 30, .resume_file = file};
  EXPECT_EQ(run(plan).position, 30U);
  EXPECT_EQ(run(plan).position, 60U);
  EXPECT_EQ(run(plan).position, 90U);
  EXPECT_EQ(run(plan).end, End::complete);
  EXPECT_EQ(tried.size(), 100U);
  EXPECT_EQ(seen().size(), 100U);
  EXPECT_EQ(run(plan).position, 30U) << "a complete plan begins anew";
}

TEST_F(Warming, stops_when_the_source_fails_again_and_again) {
  for (int i = 10; i <= 100; ++i) fails.insert("k" + std::to_string(i));
  const WarmProgress progress = run({.keys = KeySpace::range("k", 1, 100), .concurrency = 1, .failures_max = 5});
  EXPECT_EQ(progress.end, End::failures);
  EXPECT_EQ(progress.failed, 5U);
  EXPECT_EQ(progress.loaded, 9U);
}

TEST_F(Warming, stops_when_told_and_at_its_deadline) {
  EXPECT_EQ(Warmer({.keys = KeySpace::range("k", 1, 10)}, clock).run(load(), {}, Deadline::in(-1s))->end,
            End::deadline);
  Warmer warmer({.keys = KeySpace::range("k", 1, 1'000'000'000), .concurrency = 2, .failures_max = 0}, clock);
  const auto stops = [&](std::string_view key, Deadline) -> Result<Warmer::Step> {
    if (key == "k50") warmer.stop();
    return Warmer::Step::loaded;
  };
  const WarmProgress progress = warmer.run(stops, {}, Deadline::in(30s)).value();
  EXPECT_EQ(progress.end, End::stopped);
  EXPECT_GE(progress.loaded, 50U);
}

TEST_F(Warming, keeps_to_its_rate) {
  const WarmProgress progress = run({.keys = KeySpace::range("k", 1, 21), .concurrency = 4, .rate = 1'000});
  EXPECT_GE(progress.elapsed, 20ms);
}

TEST_F(Warming, tells_its_progress) {
  std::vector<WarmProgress> told;
  (void)Warmer({.keys = KeySpace::range("k", 1, 200), .concurrency = 2}, clock)
      .run(load(), [&](const WarmProgress& progress) { told.push_back(progress); }, Deadline::in(30s));
  EXPECT_GE(told.size(), 100U);
  for (std::size_t i = 1; i < told.size(); ++i) EXPECT_GE(told[i].position, told[i - 1].position);
  EXPECT_EQ(told.back().end, End::complete);
  EXPECT_THAT(
      progress_bar({.total = 200, .position = 100, .loaded = 90, .present = 7, .failed = 3}),
      testing::AllOf(testing::HasSubstr("50 %"), testing::HasSubstr("100/200"), testing::HasSubstr("failed 3")));
}

}  // namespace
}  // namespace chaveiro::cache
