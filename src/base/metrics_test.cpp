#include "base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <thread>

namespace chaveiro {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

TEST(Counter, loses_nothing_between_threads) {
  Registry registry;
  Counter& counter = registry.counter("dict_requests_total", "Requests.", {{"edge", "grpc"}});
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 20; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1'000; ++i) counter.add();
      });
    }
  }
  counter.add(5);
  EXPECT_EQ(counter.value(), 20'005u);
}

TEST(Registry, gives_the_same_series_for_the_same_labels_in_any_order) {
  Registry registry;
  Counter& one = registry.counter("a_total", "A.", {{"x", "1"}, {"y", "2"}});
  EXPECT_EQ(&one, &registry.counter("a_total", "A.", {{"y", "2"}, {"x", "1"}}));
  EXPECT_NE(&one, &registry.counter("a_total", "A.", {{"y", "1"}, {"x", "2"}}));
  EXPECT_NE(&one, &registry.counter("a_total", "A.", {{"x", "1\",y=\"2"}})) << "a value cannot pass for another label";
}

TEST(Registry, shows_prometheus_text) {
  Registry registry;
  registry.counter("b_total", "Back\\slash\nand \"quotes\".", {{"text", "a\"b\\c\nd\xff"}}).add(3);
  registry.gauge("a_bytes", "Size.").set(1.5);
  registry.gauge("c_ratio", "Ratio.").set(std::numeric_limits<double>::infinity());
  EXPECT_EQ(registry.expose(),
            "# HELP a_bytes Size.\n# TYPE a_bytes gauge\na_bytes 1.5\n"
            "# HELP b_total Back\\\\slash\\nand \"quotes\".\n# TYPE b_total counter\n"
            "b_total{text=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\"} 3\n"
            "# HELP c_ratio Ratio.\n# TYPE c_ratio gauge\nc_ratio +Inf\n");
}

TEST(Registry, shows_histograms_in_seconds_with_growing_buckets) {
  Registry registry;
  Histogram& histogram = registry.histogram("took_seconds", "Time.", {{"edge", "rest"}});
  histogram.record(1ms);
  histogram.record(3s);
  const std::string text = registry.expose();
  EXPECT_THAT(text, HasSubstr("took_seconds_bucket{edge=\"rest\",le=\"0.0005\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("took_seconds_bucket{edge=\"rest\",le=\"0.001\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("took_seconds_bucket{edge=\"rest\",le=\"5\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("took_seconds_bucket{edge=\"rest\",le=\"+Inf\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("took_seconds_sum{edge=\"rest\"} 3.001\ntook_seconds_count{edge=\"rest\"} 2\n"));
}

TEST(Registry, bounds_the_series_of_a_family_and_counts_the_rest) {
  Registry registry{{.series_max = 3}};
  for (int i = 0; i < 10; ++i) registry.counter("by_caller_total", "Calls.", {{"caller", std::to_string(i)}}).add();
  registry.counter("by_caller_total", "Calls.", {{"caller", "1"}}).add();
  const std::string text = registry.expose();
  EXPECT_THAT(text, HasSubstr("by_caller_total{caller=\"1\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("by_caller_total{caller=\"overflow\"} 7\n"));
  EXPECT_THAT(text, Not(HasSubstr("caller=\"3\"")));
  EXPECT_THAT(text, HasSubstr("metrics_series_overflow_total{family=\"by_caller_total\"} 7\n"));
}

TEST(Registry, asks_watched_values_while_their_watch_lives) {
  Registry registry;
  int depth = 4;
  {
    const auto watch = registry.watch_gauge("queue_depth", "Waiting.", {}, [&] { return static_cast<double>(depth); });
    depth = 5;
    EXPECT_THAT(registry.expose(), HasSubstr("queue_depth 5\n"));
  }
  EXPECT_THAT(registry.expose(), Not(HasSubstr("queue_depth 5\n")));
  auto first = registry.watch_counter("done_total", "Done.", {}, [] { return 1.0; });
  const auto second = registry.watch_counter("done_total", "Done.", {}, [] { return 2.0; });
  first = Registry::Watch{};
  EXPECT_THAT(registry.expose(), HasSubstr("done_total 2\n")) << "the later callback stays";
}

TEST(RegistryDeathTest, stops_on_names_that_prometheus_would_refuse) {
  Registry registry;
  registry.counter("fine_total", "Fine.");
  EXPECT_DEATH(registry.gauge("fine_total", "Another kind."), "CHECK");
  EXPECT_DEATH(registry.counter("9lives", "No."), "CHECK");
  EXPECT_DEATH(registry.counter("a_total", "No.", {{"la-bel", "x"}}), "CHECK");
}

TEST(Registry, is_understood_by_promtool) {
  ASSERT_EQ(std::system("command -v promtool > /dev/null 2>&1"), 0)
      << "./dev setup test brings promtool (package prometheus)";
  Registry registry;
  registry
      .counter("dict_requests_total", "Requests, \"quoted\" \\ and\nbroken.", {{"edge", "gr\"p\\c\n"}, {"code", "ok"}})
      .add();
  registry.gauge("redis_connections_active", "Connections.").set(3);
  registry.histogram("dict_request_duration_seconds", "Time of a request.", {{"edge", "grpc"}}).record(3ms);
  const auto watch = registry.watch_gauge("build_info", "Version.", {{"version", "1.0"}}, [] { return 1.0; });
  FILE* promtool = ::popen("promtool check metrics 2>&1", "w");
  ASSERT_NE(promtool, nullptr);
  const std::string text = registry.expose();
  ASSERT_EQ(std::fwrite(text.data(), 1, text.size(), promtool), text.size());
  EXPECT_EQ(::pclose(promtool), 0) << text;
}

}  // namespace
}  // namespace chaveiro
