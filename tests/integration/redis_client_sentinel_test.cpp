// The client and Sentinels: it finds the master, follows it, and reads from replicas where told to.
#include <gtest/gtest.h>

#include "clients/redis/client.h"
#include "clients/redis/subscriber.h"
#include "tests/support/redis_server.h"

namespace chaveiro::redis {
namespace {

using namespace std::chrono_literals;
using tests::RedisSentinels;

Deadline soon() { return Deadline::in(30s); }

std::unique_ptr<Client> client_of(const std::string& url) {
  auto read = parse_url(url);
  EXPECT_TRUE(read) << read.error().message;
  auto client = Client::create(std::move(*read));
  EXPECT_TRUE(client) << client.error().message;
  return std::move(*client);
}

TEST(RedisSentinel, is_followed_to_the_new_master_within_ten_seconds) {
  RedisSentinels world;
  const auto client = client_of(world.url());
  ASSERT_TRUE(client->wait_ready(soon()));
  const std::uint16_t old_port = world.master().port();
  ASSERT_EQ(client->masters().front().port, old_port);
  ASSERT_TRUE(expect_ok(client->call(Command("SET", "k", "v"), soon())));
  ASSERT_TRUE(client->call(Command("WAIT", 1, 1000), soon()));
  Guarded<int> gaps(0);
  Guarded<std::string> heard;
  Subscriber subscriber(*client, {.on_message =
                                      [&](const Message& message) {
                                        heard.with([&](std::string& it) { it = message.payload; });
                                        heard.notify_all();
                                      },
                                  .on_gap =
                                      [&] {
                                        gaps.with([](int& n) { ++n; });
                                        gaps.notify_all();
                                      }});
  ASSERT_TRUE(gaps.lock().wait(soon(), [](int n) { return n == 1; }));
  tests::wait_until("it is subscribed", [&] { return subscriber.subscribe("news", soon()).has_value(); });

  world.master().kill();
  const auto begin = std::chrono::steady_clock::now();
  std::chrono::steady_clock::duration longest{};
  Result<Value> written = Value{};
  do {
    const auto call = std::chrono::steady_clock::now();
    written = client->call(Command("SET", "k", "w"), Deadline::in(500ms));
    longest = std::max(longest, std::chrono::steady_clock::now() - call);
  } while (!written && std::chrono::steady_clock::now() - begin < 60s);
  const auto took = std::chrono::steady_clock::now() - begin;
  ASSERT_TRUE(written) << written.error().message;
  RecordProperty("recovery_ms", static_cast<int>(took / 1ms));
  EXPECT_LT(took, 10s + tests::slack);
  EXPECT_LT(longest, 500ms + tests::slack);
  EXPECT_NE(client->masters().front().port, old_port);
  EXPECT_EQ(as_text(client->call(Command("GET", "k"), soon())).value_or(""), "w");
  EXPECT_TRUE(gaps.lock().wait(soon(), [](int n) { return n >= 2; })) << "the subscription must come back";
  ASSERT_TRUE(client->call(Command("PUBLISH", "news", "again"), soon()));
  EXPECT_TRUE(heard.lock().wait(soon(), [](const std::string& it) { return it == "again"; }));
}

// As docs/redis.md tells it.
TEST(RedisSentinel, loses_without_a_word_what_was_acknowledged_and_no_replica_had) {
  RedisSentinels world(1);
  const auto client = client_of(world.url());
  const auto careful = client_of(world.url() + "?wait_replicas=1");
  ASSERT_TRUE(client->wait_ready(soon()));
  ASSERT_TRUE(expect_ok(careful->call(Command("SET", "k", "older"), soon()))) << "one replica has it";
  tests::RedisServer& master = world.master();
  tests::RedisServer& replica = &master == &world.servers()[0] ? world.servers()[1] : world.servers()[0];
  replica.freeze();
  master.command({"CLIENT", "KILL", "TYPE", "replica"});
  EXPECT_TRUE(expect_ok(client->call(Command("SET", "k", "newer"), soon()))) << "the master said OK";
  const auto unsure = careful->call(Command("SET", "other", "v"), soon());
  ASSERT_FALSE(unsure);
  EXPECT_EQ(unsure.error().code, Code::maybe_applied);
  EXPECT_EQ(unsure.error().reason, "NOTREPLICATED");
  EXPECT_EQ(as_text(client->call(Command("GET", "k"), soon())).value_or(""), "newer");

  Guarded<std::vector<std::string>> run_ids;
  DedicatedOptions watch;
  watch.setup = {Command("INFO", "server")};
  watch.on_up = [&](const Endpoint&, const std::vector<Value>& replies) {
    const std::size_t at = replies.front().text.find("run_id:");
    run_ids.with([&](auto& all) { all.push_back(replies.front().text.substr(at, 47)); });
    run_ids.notify_all();
  };
  const auto watching = client->dedicate(std::move(watch));
  ASSERT_TRUE(run_ids.lock().wait(soon(), [](const auto& all) { return all.size() == 1; }));
  master.kill();
  replica.thaw();
  tests::wait_until(
      "the replica has taken over",
      [&] { return expect_ok(client->call(Command("SET", "after", "v"), Deadline::in(1s))).has_value(); }, 60s);
  EXPECT_EQ(as_text(client->call(Command("GET", "k"), soon())).value_or(""), "older");
  EXPECT_EQ(as_text(client->call(Command("GET", "other"), soon())).error().code, Code::not_found);
  ASSERT_TRUE(run_ids.lock().wait(soon(), [](const auto& all) { return all.size() >= 2; }));
  const std::vector<std::string> ids = *run_ids.lock();
  EXPECT_NE(ids.front(), ids.back()) << "by that it is told";
}

TEST(RedisSentinel, lets_replicas_answer_reads) {
  RedisSentinels world;
  const auto client = client_of(world.url() + "?replicas=prefer");
  ASSERT_TRUE(client->wait_ready(soon()));
  ASSERT_TRUE(expect_ok(client->call(Command("SET", "k", "v"), soon())));
  ASSERT_TRUE(client->call(Command("WAIT", 2, 5000), soon()));
  const auto reads = [&] {
    int count = 0;
    for (auto& server : world.servers()) {
      if (server.info("replication", "role") == "slave" &&
          server.info("commandstats", "cmdstat_get").find("calls=") != std::string::npos) {
        ++count;
      }
    }
    return count;
  };
  tests::wait_until("both replicas were asked", [&] {
    EXPECT_EQ(as_text(client->call(Command("GET", "k"), soon())).value_or(""), "v");
    return reads() == 2;
  });
}

}  // namespace
}  // namespace chaveiro::redis
