// What the tiered cache adds to its levels: hits and writes in memory beside the memory level alone, hits in a second level beside that
// level alone.
//
// 32 K keys of 36 bytes, values of 64 bytes, keys asked by Zipf 0.99 from a buffer of their own. Each figure is nanoseconds a call,
// the median of seven rounds of 0.3 s, ours and the peer's in turn; `over_ns` is the difference that the goal speaks of. A hit of the
// tiered cache answers level, age and a value that may be kept; get/l1_in_place reads the value where it lies.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "cache/map_tier.h"
#include "cache/tiered.h"
#include "clients/redis/cache_tier.h"
#include "clients/sqlite/cache_tier.h"

namespace chaveiro::cache {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t keys = 32'768;
constexpr std::size_t asked = 1U << 20;

std::string key_of(std::size_t i) {
  char text[40];
  std::snprintf(text, sizeof text, "%08zx-7c3e-4f1a-9b2d-%012zx", i * 2'654'435'761U % 0xffffffffU, i);
  return text;
}

// Zipf 0.99 by inversion of a table.
std::vector<std::string> stream(std::size_t count) {
  std::vector<double> sums(keys);
  double sum = 0;
  for (std::size_t i = 0; i < keys; ++i) sums[i] = sum += std::pow(static_cast<double>(i + 1), -0.99);
  Random random(7);
  std::vector<std::string> all;
  all.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto rank = std::lower_bound(sums.begin(), sums.end(), random.unit() * sum) - sums.begin();
    all.push_back(key_of(static_cast<std::size_t>(rank)));
  }
  return all;
}

double round_of(const std::function<std::uint64_t(std::size_t from, std::size_t count)>& block,
                std::size_t stream_size) {
  constexpr std::size_t calls = 1'024;
  const auto begin = std::chrono::steady_clock::now();
  std::size_t at = 0;
  std::uint64_t count = 0, sum = 0;
  std::chrono::nanoseconds took{0};
  do {
    sum += block(at, calls);
    at = (at + calls) % (stream_size - calls);
    count += calls;
    took = std::chrono::steady_clock::now() - begin;
  } while (took < 300ms);
  asm volatile("" : : "r"(sum) : "memory");
  return static_cast<double>(took.count()) / static_cast<double>(count);
}

struct Figure {
  double median, minimum, maximum;
};
Figure figure(std::vector<double> rounds) {
  std::sort(rounds.begin(), rounds.end());
  return {rounds[rounds.size() / 2], rounds.front(), rounds.back()};
}

using Block = std::function<std::uint64_t(std::size_t, std::size_t)>;
void compare(const char* name, const Block& ours, const char* peer_name, const Block& peer, std::size_t stream_size) {
  std::vector<double> mine, theirs;
  for (int round = 0; round < 7; ++round) {
    mine.push_back(round_of(ours, stream_size));
    theirs.push_back(round_of(peer, stream_size));
  }
  const Figure a = figure(mine), b = figure(theirs);
  std::fprintf(stderr, "%-18s %8.1f ns (%.1f – %.1f)   %s %.1f (%.1f – %.1f)   over: %.1f ns\n", name, a.median,
               a.minimum, a.maximum, peer_name, b.median, b.minimum, b.maximum, a.median - b.median);
  std::printf(
      "{\"bench\":\"tiered\",\"case\":\"%s\",\"value\":%.1f,\"unit\":\"ns\",\"peer\":\"%s\",\"peer_value\":%.1f,"
      "\"ratio\":%.3f,"
      "\"over_ns\":%.1f}\n",
      name, a.median, peer_name, b.median, b.median / a.median, a.median - b.median);
}

// A redis-server on a unix socket in the folder; none where it is not installed.
class RedisServer {
 public:
  explicit RedisServer(const std::string& folder) : path_(folder + "/redis.sock"), pid_(::fork()) {
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", path_.c_str(), "--save", "", "--appendonly",
             "no", "--dir", folder.c_str(), "--logfile", "/dev/null", nullptr);
    ::_exit(127);
  }
  ~RedisServer() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;
  // Nothing: there is no server.
  std::unique_ptr<redis::Client> client() const {
    redis::Options options;
    options.endpoints = {{.host = {}, .path = path_}};
    auto made = redis::Client::create(std::move(options));
    return made && (*made)->wait_ready(Deadline::in(5s)) ? std::move(*made) : nullptr;
  }

 private:
  const std::string path_;
  const pid_t pid_;
};

void run() {
  const SystemClock clock;
  Registry metrics;
  const std::vector<std::string> requests = stream(asked);
  const std::string value(64, 'v');
  const auto soon = [] { return Deadline::never(); };
  const TieredOptions in_memory{.name = "l1", .ttl = 1h};
  auto cache = Tiered<std::string>::make(in_memory, {.clock = clock, .metrics = metrics}).value();
  Memory<std::string, std::string> memory({.ttl = 1h}, clock);
  const auto shared_value = std::make_shared<const std::string>(value);
  for (std::size_t i = 0; i < keys; ++i) {
    (void)cache->put(key_of(i), value, {}, soon());
    (void)memory.put(key_of(i), value);
  }
  std::string out;
  const Block memory_get = [&](std::size_t from, std::size_t count) {
    std::uint64_t sum = 0;
    for (std::size_t i = from; i < from + count; ++i)
      sum += memory.get(requests[i], out) ? static_cast<std::uint64_t>(out[3]) : 0;
    return sum;
  };
  compare(
      "get/l1",
      [&](std::size_t from, std::size_t count) {
        std::uint64_t sum = 0;
        for (std::size_t i = from; i < from + count; ++i) {
          const auto answer = cache->get(requests[i], soon());
          sum += static_cast<std::uint64_t>((*answer->value)[3]);
        }
        return sum;
      },
      "cache::Memory get", memory_get, asked);
  compare(
      "get/l1_in_place",
      [&](std::size_t from, std::size_t count) {
        std::uint64_t sum = 0;
        for (std::size_t i = from; i < from + count; ++i)
          (void)cache->peek_with(requests[i],
                                 [&](const std::string* it) { sum += static_cast<std::uint64_t>((*it)[3]); });
        return sum;
      },
      "cache::Memory get", memory_get, asked);
  compare(
      "set/l1",
      [&](std::size_t from, std::size_t count) {
        for (std::size_t i = from; i < from + count; ++i) (void)cache->put(requests[i], shared_value, {}, soon());
        return std::uint64_t{1};
      },
      "cache::Memory put",
      [&](std::size_t from, std::size_t count) {
        for (std::size_t i = from; i < from + count; ++i) (void)memory.put(requests[i], value);
        return std::uint64_t{1};
      },
      asked);

  const auto beside = [&](const char* name, const char* peer, Tier& tier, std::size_t size) {
    TieredOptions options{.name = name, .ttl = 1h};
    options.l1.enabled = false;
    auto far = Tiered<std::string>::make(options, {.clock = clock, .metrics = metrics, .l2 = &tier}).value();
    for (std::size_t i = 0; i < keys; ++i) (void)far->put(key_of(i), value, {}, soon());
    compare(
        name,
        [&](std::size_t from, std::size_t count) {
          std::uint64_t sum = 0;
          for (std::size_t i = from; i < from + count; ++i)
            sum += static_cast<std::uint64_t>((*far->get(requests[i], soon())->value)[3]);
          return sum;
        },
        peer,
        [&](std::size_t from, std::size_t count) {
          std::uint64_t sum = 0;
          for (std::size_t i = from; i < from + count; ++i) sum += tier.get(requests[i], soon()).value()->bytes.size();
          return sum;
        },
        size);
  };
  MapTier map(clock);
  beside("get/l2", "the level in memory", map, asked);
  const std::string folder = "/tmp/tiered_bench_" + std::to_string(getpid());
  std::filesystem::create_directory(folder);
  {
    const auto sqlite = clients::sqlite::CacheTier::open({.path = folder + "/cache.db"}, clock).value();
    beside("get/l2_sqlite", "the level in SQLite", *sqlite, asked);
  }
  {
    const RedisServer server(folder);
    if (const auto client = server.client()) {
      const auto redis = redis::CacheTier::create({}, *client, clock, metrics).value();
      beside("get/l2_redis", "the level in Redis", *redis, asked);
    }
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace chaveiro::cache

int main() { chaveiro::cache::run(); }
