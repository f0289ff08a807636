// Client tracking on a real server: the same sentences in the default mode and with prefixes.
#include <gtest/gtest.h>

#include <thread>

#include "clients/redis/tracked.h"
#include "tests/support/redis_server.h"

namespace chaveiro::redis {
namespace {

using namespace std::chrono_literals;

Deadline soon() { return Deadline::in(30s); }

struct RedisTracking : testing::TestWithParam<bool> {
  SystemClock clock;
  tests::RedisServer server;
  std::unique_ptr<Client> client = [&] {
    auto made = Client::create(parse_url(server.url()).value()).value();
    EXPECT_TRUE(made->wait_ready(soon()));
    return made;
  }();
  TrackedOptions options{.prefixes = GetParam() ? std::vector<std::string>{"user:"} : std::vector<std::string>{},
                         .silence_max = 2s};
  std::unique_ptr<Tracked> tracked = make();

  std::unique_ptr<Tracked> make() {
    auto made = std::make_unique<Tracked>(options, *client, clock, Logger{});
    tests::wait_until("it is tracked", [&] { return made->trusting(); });
    return made;
  }
  std::string read(const std::string& key) {
    const auto found = tracked->get(key, soon());
    return found ? found->value_or("(none)") : found.error().reason;
  }
  std::string memory(const std::string& key) {
    std::string seen = "(nothing)";
    tracked->peek(key, [&](std::string_view value) { seen = value; });
    return seen;
  }
  void holds(const std::string& key, const std::string& value) {
    server.command({"SET", key, value});
    tests::wait_until("memory holds it", [&] { return read(key) == value && memory(key) == value; });
  }
};

TEST_P(RedisTracking, answers_from_memory_until_the_key_changes) {
  holds("user:1", "one");
  const std::string calls = server.info("commandstats", "cmdstat_get");
  for (int i = 0; i < 100; ++i) EXPECT_EQ(read("user:1"), "one");
  EXPECT_EQ(server.info("commandstats", "cmdstat_get"), calls) << "the server was not asked";
  server.command({"SET", "user:1", "two"});
  tests::wait_until("memory forgets it", [&] { return memory("user:1") != "one"; });
  EXPECT_EQ(read("user:1"), "two");
  EXPECT_EQ(read("user:none"), "(none)");
}

TEST_P(RedisTracking, never_keeps_a_value_longer_than_the_server) {
  tests::wait_until("it is read while the server has it", [&] {
    server.command({"SET", "user:1", "short", "PX", "150"});
    return read("user:1") == "short";
  });
  // What the server has let go is no longer in memory either: its time was counted from before the server was asked.
  tests::wait_until("it is over", [&] { return server.command({"EXISTS", "user:1"}).number() == 0; });
  EXPECT_EQ(memory("user:1"), "(nothing)");
  EXPECT_EQ(read("user:1"), "(none)");
}

TEST_P(RedisTracking, drops_everything_with_the_connection) {
  holds("user:1", "one");
  server.command({"CLIENT", "KILL", "TYPE", "normal"});
  tests::wait_until("memory is empty", [&] { return memory("user:1") == "(nothing)"; });
  tests::wait_until("it is tracked again", [&] { return tracked->trusting(); });
  holds("user:1", "two");
}

TEST_P(RedisTracking, serves_nothing_after_the_bound_while_the_server_hangs) {
  holds("user:1", "one");
  server.freeze();
  const auto begin = clock.steady();
  tests::wait_until("nothing is served", [&] { return memory("user:1") == "(nothing)"; });
  EXPECT_LT(clock.steady() - begin, options.silence_max + tests::slack);
  server.thaw();
  tests::wait_until("it answers again", [&] { return read("user:1") == "one"; });
}

TEST_P(RedisTracking, drops_everything_when_the_server_forgets_everything) {
  holds("user:1", "one");
  server.command({"FLUSHALL"});
  tests::wait_until("memory is empty", [&] { return memory("user:1") == "(nothing)"; });
  EXPECT_EQ(read("user:1"), "(none)");
  holds("user:1", "two");
  server.kill();
  tests::wait_until("memory is empty", [&] { return memory("user:1") == "(nothing)"; });
  server.start();
  tests::wait_until("the new one is asked", [&] { return read("user:1") == "(none)"; });
}

// A writer and readers, each value with its number: a reader never goes back by more than the message takes.
TEST_P(RedisTracking, shows_no_reader_an_old_value_beside_a_busy_writer) {
  std::atomic<int> written{0};
  std::jthread writer([&] {
    tests::RespSocket socket(server.socket());
    for (int i = 1; i <= 2'000; ++i) {
      socket.command({"SET", "user:n", std::to_string(i)});
      written = i;
    }
  });
  while (written == 0) std::this_thread::yield();
  int last = 0;
  while (written < 2'000) {
    const std::string seen = read("user:n");
    ASSERT_GE(std::stoi(seen), last) << "never back";
    last = std::stoi(seen);
  }
  tests::wait_until("the last is seen", [&] { return read("user:n") == "2000"; });
}

INSTANTIATE_TEST_SUITE_P(By, RedisTracking, testing::Bool(),
                         [](const auto& way) { return way.param ? "prefixes" : "keys"; });

}  // namespace
}  // namespace chaveiro::redis
