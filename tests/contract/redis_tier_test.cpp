#include "clients/redis/cache_tier.h"
#include "clients/redis/double.h"
#include "tests/contract/tier_contract.h"
#include "tests/support/redis_server.h"

namespace chaveiro::contract {
namespace {

using redis::CacheTier;
using redis::Client;
using redis::Double;
using tests::RedisServer;

std::unique_ptr<Client> client_of(const std::string& url) {
  auto client = Client::create(redis::parse_url(url).value()).value();
  EXPECT_TRUE(client->wait_ready(Deadline::in(std::chrono::seconds(10))));
  return client;
}

class InADouble final : public TierHome {
 public:
  InADouble() { redis::teach_cache_scripts(*double_); }
  Tier& tier() override { return *tier_; }
  void pass(Micros time) override { clock_.advance(time); }

 private:
  ManualClock clock_;
  Registry metrics_;
  std::unique_ptr<Double> double_ = Double::start({}, clock_).value();
  std::unique_ptr<Client> client_ = client_of(double_->url());
  std::unique_ptr<CacheTier> tier_ = CacheTier::create({}, *client_, clock_, metrics_).value();
};

// A real server, on which time passes by moving the ends of its keys.
class OnAServer final : public TierHome {
 public:
  OnAServer(RedisServer& server, const std::string& url) : servers_{&server}, client_(client_of(url)) { clear(); }
  explicit OnAServer(tests::RedisCluster& cluster) : client_(client_of(cluster.url())) {
    for (std::size_t i = 0; i < 3; ++i) servers_.push_back(&cluster.nodes()[i]);
    clear();
  }
  Tier& tier() override { return *tier_; }
  Micros coarse() const override { return std::chrono::milliseconds{500}; }
  void pass(Micros time) override {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
    for (RedisServer* server : servers_) {
      tests::RespSocket socket(server->socket());
      for (const auto& key : socket.command({"KEYS", "*"}).items) {
        const std::int64_t left = socket.command({"PTTL", key.text}).number();
        if (left >= 0) socket.command({"PEXPIRE", key.text, std::to_string(left - ms)});
      }
    }
  }

 private:
  void clear() {
    for (RedisServer* server : servers_) server->command({"FLUSHALL"});
  }
  std::vector<RedisServer*> servers_;
  SystemClock clock_;
  Registry metrics_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<CacheTier> tier_ = CacheTier::create({}, *client_, clock_, metrics_).value();
};

std::unique_ptr<TierHome> on_redis() {
  static RedisServer server;
  return std::make_unique<OnAServer>(server, server.url());
}
std::unique_ptr<TierHome> on_redis_2() {
  static RedisServer server;
  return std::make_unique<OnAServer>(server, server.url() + "?protocol=2");
}
std::unique_ptr<TierHome> on_cluster() {
  static tests::RedisCluster cluster;
  return std::make_unique<OnAServer>(cluster);
}

std::vector<TierMaker> makers() {
  return {{"double", [] { return std::make_unique<InADouble>(); }},
          {"redis", on_redis},
          {"redis_resp2", on_redis_2},
          {"cluster", on_cluster}};
}

struct RedisTier : testing::Test {
  static Deadline soon() { return Deadline::in(std::chrono::seconds(10)); }
  SystemClock clock;
  Registry metrics;
  RedisServer server;
  std::unique_ptr<Client> client = client_of(server.url());
  std::unique_ptr<CacheTier> tier() { return CacheTier::create({}, *client, clock, metrics).value(); }
  void put(CacheTier& it, std::string_view key, std::string_view bytes, std::uint64_t version = 0) {
    ASSERT_TRUE(it.put({.key = key, .bytes = bytes, .ttl = std::chrono::minutes(1), .version = version}, soon()));
  }
  std::string text(CacheTier& it, std::string_view key) {
    const auto found = it.get(key, soon()).value();
    return found ? found->bytes : "(none)";
  }
};

TEST_F(RedisTier, shows_every_node_what_another_put_cleared_or_erased) {
  const auto one = tier(), two = tier();
  put(*one, "k", "v", 3);
  EXPECT_EQ(text(*two, "k"), "v");
  ASSERT_TRUE(two->clear(soon()));
  EXPECT_EQ(text(*one, "k"), "(none)");
  const auto late = tier();
  put(*late, "k", "w", 4);
  ASSERT_TRUE(one->clear(soon()));
  put(*late, "k", "x", 5);
  EXPECT_EQ(text(*one, "k"), "x") << "a node that has not heard of the clearing puts twice";
  ASSERT_TRUE(one->erase("k", 6, soon()));
  put(*two, "k", "old", 5);
  EXPECT_EQ(text(*late, "k"), "(none)");
}

TEST_F(RedisTier, misses_when_the_server_has_evicted_what_it_needs) {
  const auto it = tier();
  put(*it, "k", "v");
  const std::string tags[] = {"t"};
  ASSERT_TRUE(it->put({.key = "tagged", .bytes = "v", .ttl = std::chrono::minutes(1), .tags = tags}, soon()));
  server.command({"DEL", "chaveiro:!tag:t"});
  EXPECT_EQ(text(*it, "tagged"), "(none)");
  server.command({"DEL", "chaveiro:!era"});
  EXPECT_EQ(text(*it, "k"), "(none)");
  put(*it, "k", "again");
  EXPECT_EQ(text(*it, "k"), "again");
}

TEST_F(RedisTier, keeps_a_value_and_its_fence_in_one_slot_whatever_the_key) {
  tests::RedisCluster cluster;
  for (const char* key : {"plain", "a{b}c", "}{", "%7B", "!era", "{x"}) {
    const std::string wire = tier()->wire_key(key);
    const auto slot = [&](const std::string& name) {
      return cluster.nodes()[0].command({"CLUSTER", "KEYSLOT", name}).text;
    };
    EXPECT_EQ(slot(wire), slot("{" + wire + "}:fence")) << key;
  }
}

TEST_F(RedisTier, takes_what_is_not_its_own_for_nothing) {
  const auto it = tier();
  put(*it, "k", "v", 7);
  for (const std::string bytes : {"", "T", "T1", "hello", "T100000000000000000007"}) {
    server.command({"SET", "chaveiro:k", bytes, "PX", "60000"});
    EXPECT_EQ(text(*it, "k"), "(none)");
  }
}

TEST_F(RedisTier, keeps_nothing_longer_than_its_bound) {
  const auto it = tier();
  ASSERT_TRUE(it->put({.key = "k", .bytes = "v", .ttl = std::chrono::hours(24 * 365)}, soon()));
  EXPECT_LE(it->get("k", soon()).value()->ttl_left, std::chrono::hours(24 * 7));
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Redis, TierContract, testing::ValuesIn(makers()),
                         [](const auto& made) { return made.param.name; });

}  // namespace chaveiro::contract
