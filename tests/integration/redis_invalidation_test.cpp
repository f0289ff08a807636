// Nodes over a real server: the same sentences over pub/sub and over a stream.
#include <gtest/gtest.h>

#include <thread>

#include "cache/invalidator.h"
#include "cache/tiered.h"
#include "clients/redis/backplane.h"
#include "clients/redis/cache_tier.h"
#include "tests/support/redis_server.h"

namespace chaveiro {
namespace {

using namespace std::chrono_literals;
using cache::Invalidation;
using redis::RedisBackplaneOptions;
using Cache = cache::Tiered<std::string>;
using Way = RedisBackplaneOptions::Way;

Deadline soon() { return Deadline::in(30s); }

// The source of all nodes.
struct Source {
  Guarded<std::map<std::string, std::pair<std::string, std::uint64_t>>> values;
  cache::Loader<std::string> loader() {
    return [this](std::string_view key, const auto&) -> Result<cache::Loaded<std::string>> {
      const auto found = values.with([&](auto& it) { return it[std::string(key)]; });
      auto loaded = cache::Loaded<std::string>::of(found.first);
      loaded.version = found.second;
      return loaded;
    };
  }
};

class Node {
 public:
  Node(Source& source, const std::string& url, Way way, std::uint64_t number) : source_(source) {
    client_ = redis::Client::create(redis::parse_url(url).value()).value();
    EXPECT_TRUE(client_->wait_ready(soon()));
    tier_ = redis::CacheTier::create({}, *client_, clock_, metrics_).value();
    cache =
        Cache::make({.name = "entries", .ttl = 1h}, {.clock = clock_, .metrics = metrics_, .l2 = tier_.get()}).value();
    catalogue_.add(*cache);
    RedisBackplaneOptions options;
    options.way = way;
    backplane_ = std::make_unique<redis::RedisBackplane>(options, *client_, clock_);
    cache::InvalidatorOptions mine{.publisher = number, .node = {}};
    mine.node.beat_interval = 100ms, mine.node.silence_max = 600ms, mine.node.distrust_interval = 100ms;
    invalidator = cache::Invalidator::make(mine, *backplane_, catalogue_, clock_, metrics_, {}).value();
    ticker_ = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        invalidator->tick();
        std::this_thread::sleep_for(invalidator->tick_interval());
      }
    });
  }
  ~Node() {
    ticker_ = {};
    invalidator.reset();
    cache.reset();
  }

  std::string read(const std::string& key) {
    const auto answer = cache->get_or_load(key, source_.loader(), soon());
    return answer && answer->found() ? *answer->value : "(none)";
  }
  void write(const std::string& key, const std::string& value) {
    const std::uint64_t version = ++versions_;
    source_.values.with([&](auto& it) { it[key] = {value, version}; });
    const auto reached = cache->put(key, value, {.version = version}, soon());
    const Invalidation news{.cache = "entries",
                            .name = key,
                            .version = version,
                            .told = reached == cache::Reached::owed ? cache::Told::memory_only : cache::Told::levels};
    invalidator->wrote({&news, 1});
  }
  bool trusts() {
    tests::wait_until("the node trusts what it hears", [&] { return invalidator->trusting(); });
    return true;
  }

  std::unique_ptr<Cache> cache;
  std::unique_ptr<cache::Invalidator> invalidator;

 private:
  static inline std::atomic<std::uint64_t> versions_{0};
  Source& source_;
  SystemClock clock_;
  Registry metrics_;
  std::unique_ptr<redis::Client> client_;
  std::unique_ptr<redis::CacheTier> tier_;
  cache::Catalogue catalogue_;
  std::unique_ptr<redis::RedisBackplane> backplane_;
  std::jthread ticker_;
};

struct RedisInvalidation : testing::TestWithParam<Way> {
  Source source;
  std::unique_ptr<Node> node(const std::string& url, std::uint64_t number) {
    return std::make_unique<Node>(source, url, GetParam(), number);
  }
  // Both hold what the first wrote.
  static void share(Node& one, Node& two, const std::string& key) {
    one.write(key, "first");
    ASSERT_TRUE(one.trusts() && two.trusts());
    ASSERT_EQ(two.read(key), "first");
  }
  static void heals(Node& two, const std::string& key, const std::string& value) {
    const auto begin = std::chrono::steady_clock::now();
    tests::wait_until("the other reads " + value, [&] { return two.read(key) == value; });
    const auto took = std::chrono::steady_clock::now() - begin;
    EXPECT_LT(took, two.invalidator->bound() + tests::slack);
    std::printf("seen after %.1f ms\n", std::chrono::duration<double, std::milli>(took).count());
  }
};

TEST_P(RedisInvalidation, tells_the_other_node_at_once) {
  tests::RedisServer server;
  const auto one = node(server.url(), 1), two = node(server.url(), 2);
  share(*one, *two, "k");
  one->write("k", "second");
  heals(*two, "k", "second");
}

TEST_P(RedisInvalidation, heals_after_connections_were_killed) {
  tests::RedisServer server;
  const auto one = node(server.url(), 1), two = node(server.url(), 2);
  share(*one, *two, "k");
  server.command({"CLIENT", "KILL", "TYPE", "normal"});
  server.command({"CLIENT", "KILL", "TYPE", "pubsub"});
  one->write("k", "second");
  heals(*two, "k", "second");
  EXPECT_TRUE(two->trusts());
}

TEST_P(RedisInvalidation, heals_while_the_server_hangs_and_when_it_is_back) {
  tests::RedisServer server;
  const auto one = node(server.url(), 1), two = node(server.url(), 2);
  share(*one, *two, "k");
  server.freeze();
  one->write("k", "second");
  heals(*two, "k", "second");
  server.thaw();
  EXPECT_TRUE(one->trusts() && two->trusts());
  one->write("k", "third");
  heals(*two, "k", "third");
}

TEST_P(RedisInvalidation, heals_over_a_restart_that_forgets_everything) {
  tests::RedisServer server;
  const auto one = node(server.url(), 1), two = node(server.url(), 2);
  share(*one, *two, "k");
  server.kill();
  one->write("k", "second");
  heals(*two, "k", "second");
  server.start();
  EXPECT_TRUE(one->trusts() && two->trusts());
  one->write("k", "third");
  heals(*two, "k", "third");
}

TEST_P(RedisInvalidation, is_not_fooled_by_a_writer_that_died) {
  tests::RedisServer server;
  auto one = node(server.url(), 1);
  const auto two = node(server.url(), 2);
  share(*one, *two, "k");
  source.values.with([&](auto& it) { it["k"] = {"second", 1'000}; });
  one.reset();  // without a word
  heals(*two, "k", "second");
  EXPECT_FALSE(two->invalidator->trusting()) << "it might still be writing";
  one = node(server.url(), 1);
  EXPECT_TRUE(two->trusts());
  EXPECT_EQ(two->read("k"), "second");
}

TEST_P(RedisInvalidation, works_over_a_cluster) {
  tests::RedisCluster cluster;
  const auto one = node(cluster.url(), 1), two = node(cluster.url(), 2);
  share(*one, *two, "k");
  one->write("k", "second");
  heals(*two, "k", "second");
}

INSTANTIATE_TEST_SUITE_P(Over, RedisInvalidation, testing::Values(Way::pubsub, Way::stream),
                         [](const auto& way) { return way.param == Way::pubsub ? "pubsub" : "stream"; });

}  // namespace
}  // namespace chaveiro
