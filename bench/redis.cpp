// Our Redis client beside others in the same run: GET, SET and INCR with 1, 16, 128 and 1,000 commands in flight, values of 200 bytes,
// 100,000 keys. The server stands alone on core 0, the client with all its threads on core 1. At 1 in flight a thread calls and waits,
// above that each callback sends the next command. Peers: rueidis (goroutines that call and wait; `bench/peers/build redis`),
// `redis-benchmark -P 16`, and for 1 in flight a bare socket that spins.
//
// Tracked hits are answered from the memory of the client, 1,000 keys of one thread: copied out (get), or read where the value lies.
//
//   redis [ROUNDS [SECONDS [CASE]]]     default 7 rounds of 0.4 s, interleaved; medians; all cases, or one such as get/128
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "bench/redis_figures.h"
#include "bench/redis_peers.h"
#include "clients/redis/client.h"
#include "clients/redis/tracked.h"

namespace chaveiro::bench {
namespace {

using namespace std::chrono_literals;
using redis::Client;
using redis::Tracked;
using redis::Value;

// One lane sends the next command when the answer of the last has come.
class Lanes {
 public:
  Lanes(Client& client, std::string_view operation) : client_(client), operation_(operation) {}

  Figure run(int lanes, double seconds) {
    for (int i = 0; i < lanes; ++i) next(static_cast<std::uint64_t>(i));
    std::this_thread::sleep_for(100ms);
    const auto begin = std::chrono::steady_clock::now();
    const double cpu_begin = cpu_us_used();
    const std::uint64_t count_begin = count_.load();
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const double cpu = cpu_us_used() - cpu_begin;
    const auto count = static_cast<double>(count_.load() - count_begin);
    stop_ = true;
    while (running_.load() > 0) std::this_thread::sleep_for(1ms);
    CHECK(wrong_.load() == 0);
    return {count / took, cpu / count, median(latencies_)};
  }

 private:
  // Everything but the first command of a lane is sent on the client's one I/O thread.
  void next(std::uint64_t n) {
    running_.fetch_add(1, std::memory_order_relaxed);
    thread_local std::string key;
    const bool timed = n % 32 == 0;
    const SteadyTime begin = timed ? std::chrono::steady_clock::now() : SteadyTime{};
    client_.send(make_command(operation_, key, n), Deadline::at(until_), [this, n, begin](Result<Value>&& reply) {
      if (!reply || (operation_ == "get" && reply->text.size() != redis_value_size)) wrong_.fetch_add(1);
      if (begin != SteadyTime{}) {
        latencies_.push_back(
            std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
      }
      count_.fetch_add(1, std::memory_order_relaxed);
      if (!stop_) next(n + 1009);
      running_.fetch_sub(1, std::memory_order_relaxed);
    });
  }

  Client& client_;
  const std::string operation_;
  const SteadyTime until_ = std::chrono::steady_clock::now() + 60s;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> count_{0};
  std::atomic<int> running_{0};
  std::atomic<int> wrong_{0};
  std::vector<double> latencies_;
};

Figure ours_waiting(Client& client, std::string_view operation, double seconds) {
  std::string key;
  std::vector<double> latencies;
  const double cpu_begin = cpu_us_used();
  const auto begin = std::chrono::steady_clock::now();
  auto now = begin;
  std::uint64_t n = 0;
  for (; now - begin < std::chrono::duration<double>(seconds); ++n) {
    CHECK(client.call(make_command(operation, key, n), Deadline::in(5s)));
    const auto after = std::chrono::steady_clock::now();
    latencies.push_back(std::chrono::duration<double, std::micro>(after - now).count());
    now = after;
  }
  const double took = std::chrono::duration<double>(now - begin).count();
  return {static_cast<double>(n) / took, (cpu_us_used() - cpu_begin) / static_cast<double>(n), median(latencies)};
}

Figure ours(const RedisServer& server, std::string_view operation, int in_flight, double seconds) {
  auto options = redis::parse_url("redis://" + server.address());
  auto client = Client::create(std::move(*options));
  CHECK(client && (*client)->wait_ready(Deadline::in(5s)));
  if (in_flight == 1) return ours_waiting(**client, operation, seconds);
  return Lanes(**client, operation).run(in_flight, seconds);
}

void fill(const RedisServer& server) {
  auto client = Client::create(*redis::parse_url("redis://" + server.address()));
  CHECK(client && (*client)->wait_ready(Deadline::in(10s)));
  std::string key;
  for (std::uint64_t from = 0; from < redis_keys; from += 1000) {
    std::vector<redis::Command> commands;
    for (std::uint64_t n = from; n < from + 1000; ++n) commands.push_back(make_command("set", key, n));
    for (const auto& reply : (*client)->pipeline(std::move(commands), Deadline::in(10s))) CHECK(reply);
  }
}

void run_case(const RedisServer& server, std::string_view operation, int in_flight, int rounds, double seconds) {
  Rounds own, go, tool, socket;
  for (int round = 0; round < rounds; ++round) {
    own.add(ours(server, operation, in_flight, seconds));
    go.add(rueidis(server, operation, in_flight, seconds));
    if (in_flight == 128) tool.add(redis_benchmark(server, operation, seconds));
    if (in_flight == 1 && operation == "get") socket.add(bare_socket(server, seconds));
  }
  std::fprintf(stderr, "%.*s, %d in flight\n", static_cast<int>(operation.size()), operation.data(), in_flight);
  show("chaveiro", own);
  show("rueidis", go);
  show("redis-benchmark -P 16", tool);
  show("bare spinning socket", socket);
  const std::string depth = std::to_string(in_flight);
  const std::string name = std::string(operation) + "/" + depth;
  report(name, median(own.per_second), "commands/s", "rueidis", median(go.per_second), Better::more);
  if (!socket.p50_us.empty()) {
    report("latency_us/1", median(own.p50_us), "us", "bare spinning socket", median(socket.p50_us), Better::less);
  }
  if (operation == "get")
    report("cpu_us/" + depth, median(own.cpu_us), "us", "rueidis", median(go.cpu_us), Better::less);
  if (!tool.per_second.empty()) {
    report(name + "/redis-benchmark", median(own.per_second), "commands/s", "redis-benchmark -P 16",
           median(tool.per_second), Better::more);
  }
}

enum class Hit : std::uint8_t { copied, in_place };

// Hits in memory of what the server would tell to be changed; nothing else: each key has been read before.
Figure ours_tracked(const RedisServer& server, double seconds, Hit hit) {
  const SystemClock clock;
  const auto client = Client::create(*redis::parse_url("redis://" + server.address())).value();
  CHECK(client->wait_ready(Deadline::in(5s)));
  Tracked tracked({}, *client, clock, {});
  const auto warm = Deadline::in(5s);
  std::vector<std::string> names(redis_tracked_keys);
  for (std::uint64_t n = 0; n < redis_tracked_keys; ++n) {
    write_key(names[n], n, redis_tracked_keys);
    while (!tracked.peek(names[n], [](std::string_view) {})) {
      CHECK(!warm.expired());
      (void)tracked.get(names[n], Deadline::in(1s));
    }
  }
  const std::uint64_t misses_before = tracked.stats().misses;
  std::uint64_t n = 0;
  const double cpu_begin = cpu_us_used();
  const auto begin = std::chrono::steady_clock::now();
  auto now = begin;
  for (; now - begin < std::chrono::duration<double>(seconds); now = std::chrono::steady_clock::now()) {
    for (const std::uint64_t end = n + 256; n < end; ++n) {
      const std::string& key = names[n * 2'654'435'761 % redis_tracked_keys];
      if (hit == Hit::copied) {
        const auto got = tracked.get(key, Deadline::never());
        CHECK(got && *got && (*got)->size() == redis_value_size);
      } else {
        std::size_t size = 0;
        CHECK(
            tracked.read(key, Deadline::never(), [&](std::string_view value) { size = value.size(); }).value_or(false));
        CHECK(size == redis_value_size);
      }
    }
  }
  CHECK(tracked.stats().misses - misses_before < n / 1000);
  const double took = std::chrono::duration<double>(now - begin).count();
  return {static_cast<double>(n) / took, (cpu_us_used() - cpu_begin) / static_cast<double>(n),
          took / static_cast<double>(n) * 1e6};
}

void run_tracked(const RedisServer& server, int rounds, double seconds) {
  Rounds own, in_place, go;
  for (int round = 0; round < rounds; ++round) {
    own.add(ours_tracked(server, seconds, Hit::copied));
    in_place.add(ours_tracked(server, seconds, Hit::in_place));
    go.add(rueidis(server, "tracked", 1, seconds));
  }
  std::fprintf(stderr, "tracked hits\n");
  show("chaveiro, copied out", own);
  show("chaveiro, in place", in_place);
  show("rueidis", go);
  report("tracked_hit", median(own.per_second), "hits/s", "rueidis", median(go.per_second), Better::more);
  report("tracked_hit/in_place", median(in_place.per_second), "hits/s", "rueidis", median(go.per_second), Better::more);
}

}  // namespace
}  // namespace chaveiro::bench

int main(int argc, char** argv) {
  using namespace chaveiro::bench;
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 7;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 0.4;
  const std::string_view only = argc > 3 ? argv[3] : "";
  const RedisServer server;
  pin_to(1);
  fill(server);
  struct Case {
    std::string_view operation;
    int in_flight;
  };
  for (const auto& [operation, in_flight] :
       {Case{"get", 1}, Case{"get", 16}, Case{"get", 128}, Case{"get", 1000}, Case{"set", 128}, Case{"incr", 128}}) {
    const std::string name = std::string(operation) + "/" + std::to_string(in_flight);
    if (only.empty() || only == name) run_case(server, operation, in_flight, rounds, seconds);
  }
  if (only.empty() || only == "tracked_hit") run_tracked(server, rounds, seconds);
}
