// Real servers that break under load. Held throughout: no call hangs past its deadline, no answer goes to the wrong caller (every value
// names its key), a write that failed without maybe_applied was not made, and what is in flight goes back to nothing.
#include <gtest/gtest.h>

#include <thread>

#include "clients/redis/client.h"
#include "tests/chaos/fault_proxy.h"
#include "tests/support/redis_server.h"

namespace chaveiro::redis {
namespace {

using namespace std::chrono_literals;
using tests::FaultProxy;
using tests::RedisServer;
using Time = std::chrono::steady_clock;
// These run alone.
constexpr double allowance = tests::sanitized ? std::chrono::duration<double>(tests::slack).count() : 0;

enum class Data : std::uint8_t { stays, may_be_lost };

class Load {
 public:
  explicit Load(const std::string& url, Options options = {}) {
    options.reconnect_delay_max = 200ms;
    client_ = Client::create(parse_url(url, std::move(options)).value()).value();
    EXPECT_TRUE(client_->wait_ready(Deadline::in(30s)));
    for (std::size_t t = 0; t < threads; ++t) {
      callers_.emplace_back([this, t](const std::stop_token& stop) {
        for (std::uint64_t n = 1; !stop.stop_requested(); ++n) one(t, n);
      });
    }
  }
  ~Load() { callers_.clear(); }

  // Goes on for so long, whatever becomes of it.
  void run(Micros time) { std::this_thread::sleep_for(time); }
  // Goes on until every caller has been answered so often.
  void succeed(std::uint64_t times) {
    const std::array before = succeeded();
    tests::wait_until(
        "every caller is answered",
        [&] {
          const std::array now = succeeded();
          for (std::size_t t = 0; t < threads; ++t) {
            if (now[t] < before[t] + times) return false;
          }
          return true;
        },
        std::chrono::seconds{60});
  }
  // How long until every caller has succeeded again.
  double recovers() {
    const auto begin = Time::now();
    succeed(2);
    return std::chrono::duration<double>(Time::now() - begin).count();
  }

  void judge(const char* what, double recovery, Data data = Data::stays) {
    callers_.clear();
    std::uint64_t done = 0, maybe = 0, failed = 0;
    for (std::size_t t = 0; t < threads; ++t) {
      const Caller& caller = callers_state_[t];
      done += caller.done, maybe += caller.maybe, failed += caller.failed;
      const auto counted = as_optional_integer(client_->call(Command("GET", counter(t)), Deadline::in(30s)));
      ASSERT_TRUE(counted) << what << ": " << counted.error().message;
      const auto count = static_cast<std::uint64_t>(counted->value_or(0));
      EXPECT_LE(count, caller.done + caller.maybe) << what << ": a write was made that was said to have failed";
      if (data == Data::stays) {
        EXPECT_GE(count, caller.done) << what << ": a write that was acknowledged is not there";
      }
    }
    EXPECT_EQ(wrong_.load(), 0U) << what << ": an answer of somebody else";
    EXPECT_LT(overrun_us_.load(), std::chrono::microseconds(tests::slack).count())
        << what << ": a call hung past its deadline";
    EXPECT_GT(done, 0U) << what;
    // A connection may just be greeting its server again, for as long as the dial time-out.
    tests::wait_until(
        "nothing is in flight", [&] { return client_->figures().in_flight == 0; }, std::chrono::seconds(60));
    std::printf(
        "%-28s recovered after %.3f s · %llu written, %llu maybe, %llu refused · longest past a deadline %.1f ms\n",
        what, recovery, static_cast<unsigned long long>(done), static_cast<unsigned long long>(maybe),
        static_cast<unsigned long long>(failed), static_cast<double>(overrun_us_.load()) / 1e3);
  }

  Client& client() { return *client_; }

 private:
  static constexpr std::size_t threads = 4;
  static constexpr Micros patience = 300ms;
  struct Caller {
    std::uint64_t done = 0, maybe = 0, failed = 0;
  };

  static std::string counter(std::size_t t) { return "count:" + std::to_string(t); }
  std::array<std::uint64_t, threads> succeeded() const {
    std::array<std::uint64_t, threads> all{};
    for (std::size_t t = 0; t < threads; ++t) all[t] = succeeded_[t].load();
    return all;
  }

  Result<Value> timed(Command command) {
    const Deadline deadline = Deadline::in(patience);
    auto reply = client_->call(std::move(command), deadline);
    const auto late = std::chrono::duration_cast<Micros>(Time::now() - deadline.when()).count();
    std::int64_t longest = overrun_us_.load();
    while (late > longest && !overrun_us_.compare_exchange_weak(longest, late)) {}
    return reply;
  }

  void one(std::size_t t, std::uint64_t n) {
    Caller& mine = callers_state_[t];
    const auto counted = timed(Command("INCR", counter(t)));
    if (counted) {
      ++mine.done;
      ++succeeded_[t];
    } else {
      ++(counted.error().code == Code::maybe_applied ? mine.maybe : mine.failed);
    }
    const std::string key = "value:" + std::to_string(t) + ":" + std::to_string(n % 50);
    (void)timed(Command("SET", key, key + "#" + std::to_string(n)));
    const auto read = as_optional_text(timed(Command("GET", key)));
    if (read && *read && !(*read)->starts_with(key + "#")) ++wrong_;
  }

  std::unique_ptr<Client> client_;
  std::array<Caller, threads> callers_state_;
  std::array<std::atomic<std::uint64_t>, threads> succeeded_{};
  std::atomic<std::uint64_t> wrong_{0};
  std::atomic<std::int64_t> overrun_us_{0};
  std::vector<std::jthread> callers_;
};

TEST(RedisChaos, kill_and_restart) {
  RedisServer server;
  Load load(server.url());
  load.succeed(50);
  server.kill();
  load.run(500ms);
  server.start();
  const double recovery = load.recovers();
  EXPECT_LT(recovery, 1.0 + allowance);
  load.judge("kill -9 and restart", recovery, Data::may_be_lost);
}

TEST(RedisChaos, hanging_server) {
  RedisServer server;
  Load load(server.url());
  load.succeed(50);
  server.freeze();
  load.run(1s);
  server.thaw();
  load.judge("SIGSTOP", load.recovers());
}

TEST(RedisChaos, killed_connections) {
  RedisServer server;
  Load load(server.url());
  for (int i = 0; i < 10; ++i) {
    load.run(50ms);
    server.command({"CLIENT", "KILL", "TYPE", "normal"});
  }
  load.judge("CLIENT KILL", load.recovers());
}

void bend_the_wire(const char* what, FaultProxy::Fault fault) {
  RedisServer server;
  FaultProxy proxy(server.port());
  Load load("redis://127.0.0.1:" + std::to_string(proxy.port()) + "/0");
  load.succeed(50);
  proxy.set_fault(fault);
  load.run(1s);
  proxy.set_fault(FaultProxy::Fault::none);
  load.judge(what, load.recovers());
}

TEST(RedisChaos, partition) { bend_the_wire("partition", FaultProxy::Fault::partition); }
TEST(RedisChaos, halved_frames) { bend_the_wire("halved frames", FaultProxy::Fault::halve); }
TEST(RedisChaos, garbage) { bend_the_wire("garbage", FaultProxy::Fault::garbage); }
TEST(RedisChaos, half_closed_sockets) { bend_the_wire("half-closed sockets", FaultProxy::Fault::half_closed); }
TEST(RedisChaos, cut_answers) { bend_the_wire("cut answers", FaultProxy::Fault::cut); }

TEST(RedisChaos, slow_script) {
  RedisServer server({.arguments = {"--busy-reply-threshold", "100"}});
  Load load(server.url());
  load.succeed(50);
  std::jthread slow([&] {
    server.command({"EVAL",
                    "local t = redis.call('TIME') repeat local n = redis.call('TIME') until n[1] * 1e6 + n[2] > t[1] * "
                    "1e6 + t[2] + 800000",
                    "0"});
  });
  load.run(1s);
  slow.join();
  load.judge("slow Lua", load.recovers());
}

TEST(RedisChaos, full_memory) {
  RedisServer server;
  Load load(server.url());
  load.succeed(50);
  server.command({"CONFIG", "SET", "maxmemory", "1"});
  load.run(300ms);
  server.command({"CONFIG", "SET", "maxmemory", "0"});
  load.judge("out of memory", load.recovers());
}

TEST(RedisChaos, changed_password) {
  RedisServer server;
  Guarded<std::string> password;
  Options options;
  options.current_credentials = [&] { return Credentials{.password = Secret(*password.lock())}; };
  Load load(server.url(), options);
  load.succeed(50);
  *password.lock() = "second";
  server.command({"CONFIG", "SET", "requirepass", "second"});
  tests::RespSocket admin(server.socket());
  admin.command({"AUTH", "second"});
  admin.command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  load.judge("password change", load.recovers());
}

TEST(RedisChaos, fail_over_by_sentinels) {
  tests::RedisSentinels sentinels;
  Load load(sentinels.url());
  load.succeed(50);
  sentinels.master().kill();
  const double recovery = load.recovers();
  EXPECT_LT(recovery, 10.0 + allowance);
  load.judge("Sentinel fail-over", recovery, Data::may_be_lost);
}

TEST(RedisChaos, resharding_and_loss_of_a_node) {
  tests::RedisCluster cluster;
  Load load(cluster.url());
  load.succeed(50);
  cluster.move_slots(0, 300, 1);
  const double moved = load.recovers();
  load.run(200ms);
  cluster.nodes()[0].kill();
  const double recovery = load.recovers();
  EXPECT_LT(recovery, 10.0 + allowance);
  std::printf("after 301 slots moved: %.3f s\n", moved);
  load.judge("cluster node lost", recovery, Data::may_be_lost);
}

}  // namespace
}  // namespace chaveiro::redis
