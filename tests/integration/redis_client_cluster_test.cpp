// The client and a cluster: slots, redirections, keys of many slots, resharding under load, a dead node.
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "clients/redis/client.h"
#include "clients/redis/commands.h"
#include "clients/redis/scan.h"
#include "clients/redis/subscriber.h"
#include "clients/redis/wire/slots.h"
#include "tests/support/redis_server.h"

namespace chaveiro::redis {
namespace {

using namespace std::chrono_literals;
using tests::RedisCluster;

Deadline soon() { return Deadline::in(30s); }

class RedisClusterTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { cluster_ = new RedisCluster; }
  static void TearDownTestSuite() { delete std::exchange(cluster_, nullptr); }

  static std::unique_ptr<Client> client_of(const std::string& parameters = "") {
    auto read = parse_url(cluster_->url() + parameters);
    EXPECT_TRUE(read) << read.error().message;
    auto client = Client::create(std::move(*read));
    EXPECT_TRUE(client) << client.error().message;
    EXPECT_TRUE((*client)->wait_ready(soon()));
    return std::move(*client);
  }
  static inline RedisCluster* cluster_ = nullptr;
};

TEST_F(RedisClusterTest, finds_every_key) {
  const auto client = client_of();
  EXPECT_EQ(client->masters().size(), 3U);
  for (int i = 0; i < 200; ++i) {
    const std::string key = "find:" + std::to_string(i);
    ASSERT_TRUE(expect_ok(client->call(Command("SET", key, i), soon()))) << key;
    EXPECT_EQ(as_integer(client->call(Command("GET", key), soon())).value_or(-1), i);
  }
}

TEST_F(RedisClusterTest, splits_keys_of_many_slots_and_joins_the_answers) {
  const auto client = client_of();
  Commands redis(*client);
  std::vector<std::string> names;
  for (int i = 0; i < 50; ++i) names.push_back("many:" + std::to_string(i));
  Command mset("MSET");
  for (const auto& name : names) mset.add(name).add("v" + name);
  ASSERT_TRUE(expect_ok(client->call(std::move(mset), soon())));
  std::vector<std::string_view> keys(names.begin(), names.end());
  keys.insert(keys.begin() + 20, "many:none");
  const auto values = redis.mget(keys, soon());
  ASSERT_TRUE(values) << values.error().message;
  ASSERT_EQ(values->size(), keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ((*values)[i], i == 20 ? std::nullopt : std::optional("v" + std::string(keys[i])));
  }
  EXPECT_EQ(redis.del(keys, soon()).value_or(0), 50);
}

TEST_F(RedisClusterTest, runs_a_pipeline_over_all_nodes_and_keeps_its_order) {
  const auto client = client_of();
  std::vector<Command> commands;
  for (int i = 0; i < 300; ++i) commands.emplace_back("ECHO", std::to_string(i));
  for (int i = 0; i < 300; ++i) commands.emplace_back("SET", "pipe:" + std::to_string(i), i);
  for (int i = 0; i < 300; ++i) commands.emplace_back("GET", "pipe:" + std::to_string(i));
  Replies replies = client->pipeline(std::move(commands), soon());
  for (std::size_t i = 0; i < 300; ++i) {
    ASSERT_TRUE(replies[i]);
    EXPECT_EQ(replies[i]->text, std::to_string(i));
    ASSERT_TRUE(replies[i + 600]);
    EXPECT_EQ(replies[i + 600]->text, std::to_string(i));
  }
}

TEST_F(RedisClusterTest, scans_all_masters) {
  const auto client = client_of();
  std::vector<Command> commands;
  for (int i = 0; i < 300; ++i) commands.emplace_back("SET", "scan:" + std::to_string(i), "v");
  (void)client->pipeline(std::move(commands), soon());
  std::set<std::string> seen;
  Scan keys(*client, {.match = "scan:*"}, soon());
  for (const std::string& key : keys) seen.insert(key);
  EXPECT_TRUE(keys.status());
  EXPECT_EQ(seen.size(), 300U);
}

// Hears what is said to one shard channel.
struct ShardListener {
  Guarded<std::set<std::string>> heard;
  Guarded<int> gaps{0};
  Subscriber subscriber;

  ShardListener(Client& client, const std::string& channel)
      : subscriber(client, {.on_message =
                                [this](const Message& message) {
                                  heard.with([&](auto& all) { all.emplace(message.payload); });
                                  heard.notify_all();
                                },
                            .on_gap =
                                [this] {
                                  gaps.with([](int& it) { ++it; });
                                  gaps.notify_all();
                                },
                            .shard_key = channel}) {
    EXPECT_TRUE(gaps.lock().wait(soon(), [](int it) { return it > 0; }));
    tests::wait_until("it is subscribed", [&] { return subscriber.ssubscribe(channel, soon()).has_value(); });
  }
  // Said again and again: what is said to the node before the listener is there is lost, as it is with every pub/sub.
  bool hears(Client& client, const std::string& channel, const std::string& word) {
    const Deadline deadline = Deadline::in(60s);
    while (!deadline.expired()) {
      (void)client.call(Command("SPUBLISH", channel, word), Deadline::in(1s));
      if (heard.lock().wait(Deadline::in(100ms), [&](const auto& all) { return all.contains(word); })) return true;
    }
    return false;
  }
};

TEST_F(RedisClusterTest, delivers_shard_channels_also_after_their_slot_moved) {
  const auto client = client_of();
  ShardListener listener(*client, "news");
  EXPECT_TRUE(listener.hears(*client, "news", "hello"));
  const unsigned slot = slot_of("news");
  cluster_->move_slots(slot, slot, &cluster_->nodes()[0] == &cluster_->master_of(slot) ? 1 : 0);
  EXPECT_TRUE(listener.hears(*client, "news", "moved"));
  EXPECT_GE(*listener.gaps.lock(), 2) << "what was said meanwhile may be lost, and it is told so";
}

TEST_F(RedisClusterTest, executes_a_transaction_of_one_slot) {
  const auto client = client_of();
  std::vector<Command> commands;
  commands.emplace_back("SET", "{t}a", "1");
  commands.emplace_back("INCR", "{t}a");
  const auto values = client->transaction(std::move(commands), soon());
  ASSERT_TRUE(values) << values.error().message;
  EXPECT_EQ(values->back().integer, 2);
}

TEST_F(RedisClusterTest, gives_right_answers_while_slots_move) {
  const auto client = client_of();
  Commands redis(*client);
  // One slot of many keys, moved to and fro while they are read and counted up.
  const std::string tag = "{moving}";
  const unsigned slot = slot_of(tag);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(client->call(Command("SET", tag + std::to_string(i), i), soon()));
  Guarded<std::string> fault(std::string{});
  Guarded<bool> stop(false);
  std::int64_t counted = 0;
  const auto blame = [&](const std::string& what) {
    fault.with([&](std::string& it) { it = it.empty() ? what : it; });
  };
  std::thread load([&] {
    for (int n = 0; !*stop.lock() && fault.lock()->empty(); ++n) {
      const int i = n % 100;
      const auto value = as_integer(client->call(Command("GET", tag + std::to_string(i)), soon()));
      if (!value) blame(value.error().reason + " " + value.error().message);
      if (value && *value != i) blame("wrong value");
      const auto count = redis.incr(tag + "counter", soon());
      if (!count) blame(count.error().reason + " " + count.error().message);
      if (count && *count != n + 1)
        blame("counted to " + std::to_string(*count) + " instead of " + std::to_string(n + 1));
      if (count) counted = *count;
    }
  });
  std::size_t from = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    if (&cluster_->nodes()[i] == &cluster_->master_of(slot)) from = i;
  }
  for (std::size_t turn = 1; turn <= 30; ++turn) cluster_->move_slots(slot, slot, (from + turn) % 3);
  stop.with([](bool& it) { it = true; });
  load.join();
  EXPECT_EQ(*fault.lock(), "");
  EXPECT_GT(counted, 0);
}

TEST_F(RedisClusterTest, gives_a_redirected_caller_its_answer_when_it_comes) {
  const auto client = client_of();
  const std::string key = "{redirected}";
  ASSERT_TRUE(client->call(Command("SET", key, "v"), soon()));
  const unsigned slot = slot_of(key);
  const std::size_t to = &cluster_->nodes()[0] == &cluster_->master_of(slot) ? 1 : 0;
  cluster_->move_slots(slot, slot, to);
  // Alone on its connection, the caller itself reads the redirection; the answer comes on another one.
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(as_text(client->call(Command("GET", key), soon())).value_or(""), "v");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 20s) << "and not at its deadline";
}

// Of all servers that live.
std::uint64_t maps_asked_for(tests::RedisCluster& cluster) {
  std::uint64_t sum = 0;
  for (tests::RedisServer& node : cluster.nodes()) {
    if (!node.running()) continue;
    const std::string line = node.info("commandstats", "cmdstat_cluster|slots");  // calls=12,usec=…
    if (line.starts_with("calls=")) sum += std::stoull(line.substr(6));
  }
  return sum;
}

TEST_F(RedisClusterTest, is_asked_for_its_map_a_few_times_when_a_thousand_callers_are_redirected) {
  const auto client = client_of();
  const std::string key = "{storm}";
  ASSERT_TRUE(client->call(Command("SET", key, "v"), soon()));
  const unsigned slot = slot_of(key);
  cluster_->move_slots(slot, slot, &cluster_->nodes()[0] == &cluster_->master_of(slot) ? 1 : 0);
  const std::uint64_t before = maps_asked_for(*cluster_);
  const auto begin = std::chrono::steady_clock::now();
  std::vector<Command> commands;
  for (int i = 0; i < 1000; ++i) commands.emplace_back("GET", key);
  for (const auto& reply : client->pipeline(std::move(commands), soon())) ASSERT_TRUE(reply) << reply.error().message;
  // On a machine that takes long over a thousand redirections, one more for each shortest pause meanwhile.
  const auto most = 2 + static_cast<std::uint64_t>((std::chrono::steady_clock::now() - begin) / 50ms);
  Guarded<bool> nothing(false);
  nothing.lock().wait(Deadline::in(700ms), [](bool it) { return it; });
  const std::uint64_t asked = maps_asked_for(*cluster_) - before;
  RecordProperty("maps_asked_for", static_cast<int>(asked));
  EXPECT_GE(asked, 1U);
  EXPECT_LE(asked, most);
}

TEST_F(RedisClusterTest, goes_on_when_a_master_has_died) {
  const auto client = client_of();
  const std::string key = "survivor";
  ShardListener listener(*client, key);
  // This write is answered when a replica has it.
  ASSERT_TRUE(expect_ok(client_of("?wait_replicas=1")->call(Command("SET", key, "v"), soon())));
  EXPECT_EQ(as_text(client->call(Command("GET", key), soon())).value_or(""), "v");
  tests::RedisServer& victim = cluster_->master_of(slot_of(key));
  victim.kill();
  const std::uint64_t before = maps_asked_for(*cluster_);
  const auto begin = std::chrono::steady_clock::now();
  Result<Value> written = Value{};
  do {
    written = client->call(Command("SET", key, "w"), Deadline::in(500ms));
  } while (!written && std::chrono::steady_clock::now() - begin < 60s);
  const auto took = std::chrono::steady_clock::now() - begin;
  RecordProperty("recovery_ms", static_cast<int>(took / 1ms));
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_LT(took, 10s + tests::slack);
  const std::uint64_t asked = maps_asked_for(*cluster_) - before;
  RecordProperty("maps_asked_for", static_cast<int>(asked));
  EXPECT_LE(asked, 8 + static_cast<std::uint64_t>(took / 250ms)) << "the pause is half a second after four questions";
  EXPECT_EQ(as_text(client->call(Command("GET", key), soon())).value_or(""), "w");
  EXPECT_TRUE(listener.hears(*client, key, "again")) << "a shard channel comes back with its slot";
}

}  // namespace
}  // namespace chaveiro::redis
