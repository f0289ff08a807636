// The client and Sentinels: it finds the master, follows it, and reads from replicas where told to.
#include <gtest/gtest.h>

#include "clients/redis/client.h"
#include "clients/redis/subscriber.h"
#include "tests/support/redis_server.h"

namespace chaveiro::redis {
namespace {

using namespace std::chrono_literals;
using tests::RedisSentinels;

Deadline soon() { return Deadline::in(10s); }

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
  Subscriber subscriber(*client, {.on_gap = [&] {
    gaps.with([](int& n) { ++n; });
    gaps.notify_all();
  }});
  ASSERT_TRUE(gaps.lock().wait(soon(), [](int n) { return n == 1; }));

  world.master().kill();
  const auto begin = std::chrono::steady_clock::now();
  std::chrono::steady_clock::duration longest{};
  Result<Value> written = Value{};
  do {
    const auto call = std::chrono::steady_clock::now();
    written = client->call(Command("SET", "k", "w"), Deadline::in(500ms));
    longest = std::max(longest, std::chrono::steady_clock::now() - call);
  } while (!written && std::chrono::steady_clock::now() - begin < 20s);
  const auto took = std::chrono::steady_clock::now() - begin;
  ASSERT_TRUE(written) << written.error().message;
  RecordProperty("recovery_ms", static_cast<int>(took / 1ms));
  EXPECT_LT(took, 10s);
  EXPECT_LT(longest, 1s);
  EXPECT_NE(client->masters().front().port, old_port);
  EXPECT_EQ(as_text(client->call(Command("GET", "k"), soon())).value_or(""), "w");
  EXPECT_TRUE(gaps.lock().wait(soon(), [](int n) { return n >= 2; })) << "the subscription must come back";
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
