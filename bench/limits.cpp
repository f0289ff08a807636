// What limits cost: one hot key in this process, leased shares of a bucket in Redis, and both official buckets of a look-up in one call of
// Redis, each beside the plainest thing that could do some of it.
//
//   limits                measures; needs redis-server on the PATH
//   limits --plot FILE    draws what each algorithm does to a burst (SVG), from the arithmetic itself
//
// Redis runs on core 0, the client on core 1, 128 calls under way. Seven rounds, ours and the peers by turns; the median counts.
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "base/atomic_rate.h"
#include "base/encoding.h"
#include "base/guarded.h"
#include "base/uuid.h"
#include "clients/redis/client.h"
#include "clients/redis/limits_store.h"
#include "clients/redis/official_script.h"
#include "limits/leased_store.h"
#include "tests/support/redis_server.h"

namespace chaveiro {
namespace {

using namespace std::chrono_literals;
using Rate = double;  // a second

constexpr int rounds = 7;
constexpr auto round_time = 400ms;

template <class T>
void keep(T& value) {
  asm volatile("" : "+m"(value) : : "memory");
}

struct Figure {
  Rate median, least, most;
};
Figure figure_of(std::vector<Rate> rates) {
  std::sort(rates.begin(), rates.end());
  return {rates[rates.size() / 2], rates.front(), rates.back()};
}

void tell(const char* name, Figure ours, const char* peer, Figure theirs) {
  const double ratio = ours.median / theirs.median;
  std::fprintf(stderr, "%-24s %12.0f/s (%.0f – %.0f)   %-14s %12.0f/s (%.0f – %.0f)   %.2f\n", name, ours.median,
               ours.least, ours.most, peer, theirs.median, theirs.least, theirs.most, ratio);
  std::printf(
      "{\"bench\":\"limits\",\"case\":\"%s\",\"value\":%.0f,\"unit\":\"1/"
      "s\",\"peer\":\"%s\",\"peer_value\":%.0f,\"ratio\":%.3f}\n",
      name, ours.median, peer, theirs.median, ratio);
}

void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof set, &set);
}

// --- one hot key -----------------------------------------------------------------------------------------------------

// The plainest atomic GCRA: nanoseconds, one word, yes or no.
struct BareGcra {
  bool take(std::int64_t now) {
    std::int64_t arrives = word.load(std::memory_order_relaxed);
    for (;;) {
      const std::int64_t next = std::max(arrives, now) + step;
      if (next - now > depth) return false;
      if (word.compare_exchange_weak(arrives, next, std::memory_order_relaxed)) return true;
    }
  }
  std::int64_t step = 10;
  std::int64_t depth = 1'000'000;
  alignas(64) std::atomic<std::int64_t> word{0};
};

Rate on_threads(int threads, const std::function<std::uint64_t(const std::atomic<bool>&)>& work) {
  std::atomic<bool> stop{false};
  std::vector<std::uint64_t> counts(static_cast<std::size_t>(threads));
  const auto begin = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> all;
    for (int t = 0; t < threads; ++t)
      all.emplace_back([&, t] {
        if (threads > 1) pin(t);
        counts[static_cast<std::size_t>(t)] = work(stop);
      });
    std::this_thread::sleep_for(round_time);
    stop = true;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::uint64_t sum = 0;
  for (const auto count : counts) sum += count;
  return static_cast<double>(sum) / took.count();
}

void local_hot(int threads) {
  std::vector<Rate> ours, theirs;
  for (int round = 0; round < rounds; ++round) {
    AtomicRate rate(100'000, 1s, 100'000);
    ours.push_back(on_threads(threads, [&](const std::atomic<bool>& stop) {
      std::uint64_t calls = 0;
      for (std::int64_t now = 0; !stop.load(std::memory_order_relaxed); now += 500)
        for (int i = 0; i < 64; ++i, ++calls) {
          auto answer = rate.take(now);
          keep(answer);
        }
      return calls;
    }));
    BareGcra bare;
    theirs.push_back(on_threads(threads, [&](const std::atomic<bool>& stop) {
      std::uint64_t calls = 0;
      for (std::int64_t now = 0; !stop.load(std::memory_order_relaxed); now += 500)
        for (int i = 0; i < 64; ++i, ++calls) {
          bool answer = bare.take(now);
          keep(answer);
        }
      return calls;
    }));
  }
  tell(("local_hot/" + std::to_string(threads)).c_str(), figure_of(ours), "bare atomic GCRA", figure_of(theirs));
}

// --- Redis -----------------------------------------------------------------------------------------------------------

// GCRA as everybody writes it: one key, one time, one SET.
const redis::Script& plain_gcra() {
  static const redis::Script script(R"lua(
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000000 + tonumber(t[2])
local step, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local tat = tonumber(redis.call('GET', KEYS[1]) or now)
if tat < now then tat = now end
local new = tat + step
if new - now > burst then return {0, 0, math.ceil((new - now - burst) / 1000)} end
redis.call('SET', KEYS[1], string.format('%.0f', new), 'PX', math.ceil((new - now) / 1000) + 1)
return {1, math.floor((burst - (new - now)) / step), 0}
)lua");
  return script;
}

// Calls of `send`, 128 under way, for the time of a round.
Rate pipelined(const std::function<void(redis::Callback)>& send) {
  struct Shared {
    int under_way = 0;
    std::uint64_t answered = 0;
    std::uint64_t failed = 0;
  };
  Guarded<Shared> shared;
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < round_time) {
    int room = 0;
    {
      auto it = shared.lock();
      it.wait(Deadline::in(1s), [](const Shared& now) { return now.under_way <= 96; });
      room = 128 - it->under_way;
      it->under_way += room;
    }
    for (int i = 0; i < room; ++i)
      send([&shared](Result<redis::Value>&& reply) {
        const bool enough = shared.with([&](Shared& it) {
          ++it.answered;
          it.failed += !reply || reply->is_error() ? 1 : 0;
          return --it.under_way <= 96;
        });
        if (enough) shared.notify_one();
      });
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  auto it = shared.lock();
  it.wait(Deadline::in(5s), [](const Shared& now) { return now.under_way == 0; });
  if (it->failed > 0) std::fprintf(stderr, "%llu calls failed\n", static_cast<unsigned long long>(it->failed));
  return static_cast<double>(it->answered) / took.count();
}

struct Pair {
  std::string user = "{policies}:user|0001|V2", psp = "{policies}:psp|12345678|ANTISCAN";
  limits::OfficialTerms terms{1'000'000, 60s, 1'000'000'000, limits::Refill::whole_periods};
  UuidV7 ids;
  std::vector<std::string> waiting;  // reserved, not settled
  std::uint64_t number = 0;
  bool new_users = false;  // each look-up is the first of its payer, whose bucket must be made

  // Reservations and settlements by turns: each is one call over both buckets.
  void send(redis::Client& client, UtcTime now, redis::Callback done) {
    const bool reserves = number++ % 2 == 0;
    if (new_users && reserves) user = "{policies}:user|" + std::to_string(number) + "|V2";
    redis::OfficialArgument argument(reserves ? redis::OfficialStep::reserve : redis::OfficialStep::settle,
                                     now.time_since_epoch().count(), {}, 2, reserves ? 10'000'000 : 1'000);
    argument.add(terms, {.a = reserves ? 20 : 1});
    argument.add(terms, {.a = reserves ? 3 : 1});
    if (reserves) {
      waiting.emplace_back(as_text(ids.make(now).bytes()));
      const std::string_view keys[] = {user, psp};
      const std::string_view args[] = {waiting.back(), argument.bytes()};
      client.send_script(redis::official_script(), keys, args, Deadline::in(2s), std::move(done));
      return;
    }
    const std::string settled = waiting.back();
    waiting.pop_back();
    const std::string noted = redis::settled_key("{policies}:", settled);
    const std::string_view keys[] = {user, psp, noted};
    const std::string_view args[] = {settled, argument.bytes()};
    client.send_script(redis::official_script(), keys, args, Deadline::in(2s), std::move(done));
  }
};

void over_redis() {
  pin(0);
  tests::RedisServer server;  // inherits the core
  pin(1);
  auto client = *redis::Client::create(*redis::parse_url(server.url()));
  if (!client->wait_ready(Deadline::in(10s))) return void(std::fprintf(stderr, "limits: no Redis\n"));
  const SystemClock clock;
  std::vector<Rate> pair, one, two, incr, users, leased;
  Pair calls, first_calls;
  first_calls.new_users = true;
  for (int round = 0; round < rounds; ++round) {
    pair.push_back(pipelined([&](redis::Callback done) { calls.send(*client, clock.now(), std::move(done)); }));
    users.push_back(pipelined([&](redis::Callback done) { first_calls.send(*client, clock.now(), std::move(done)); }));
    const std::string_view key[] = {"gcra"};
    const std::string_view args[] = {"1", "100000000"};
    one.push_back(pipelined([&](redis::Callback done) {
      client->send_script(plain_gcra(), key, args, Deadline::in(2s), std::move(done));
    }));
    two.push_back(one.back() / 2);  // two calls are needed for one look-up
    incr.push_back(pipelined([&](redis::Callback done) {
      client->send(redis::Command("INCR", "counter"), Deadline::in(2s), std::move(done));
    }));
  }
  tell("official_pair/redis", figure_of(pair), "one Lua GCRA", figure_of(one));
  tell("official_pair/two", figure_of(pair), "two Lua GCRA", figure_of(two));
  tell("official_pair/new_users", figure_of(users), "two Lua GCRA", figure_of(two));
  tell("official_pair/incr", figure_of(pair), "INCR", figure_of(incr));

  redis::LimitsStore store({}, *client, clock);
  limits::LeasedStore node({.nodes_max = 2}, store, clock);
  const auto terms = *limits::make_terms("hot", {.amount = 20'000'000, .period = 1s, .burst = 20'000'000},
                                         limits::OnChange::as_is, limits::Lease::yes);
  for (int round = 0; round < rounds; ++round)
    leased.push_back(on_threads(2, [&](const std::atomic<bool>& stop) {
      std::uint64_t count = 0;
      while (!stop.load(std::memory_order_relaxed))
        for (int i = 0; i < 64; ++i) {
          const limits::Ask ask{"hot|subject", terms.get(), 1};
          const auto verdict = node.take({&ask, 1}, limits::Mode::take, Deadline::in(1s));
          count += verdict && verdict->allowed ? 1 : 0;
        }
      return count;
    }));
  tell("leased/2", figure_of(leased), "Lua GCRA", figure_of(one));
}

// --- pictures --------------------------------------------------------------------------------------------------------

// A row of the picture: what is asked and admitted in each of 180 seconds.
struct Row {
  const char* said;
  limits::Limit limit;
  int begins_at = 0;   // second of the hour, so that the window of a calendar ends within the picture
  int call_takes = 0;  // seconds; concurrency only
};

const std::vector<Row>& rows() {
  using limits::Algorithm;
  static const std::vector<Row> all{
      {"60 a minute, 20 at once", {.algorithm = Algorithm::token_bucket, .amount = 60, .period = 1min, .burst = 20}},
      {"60 a minute, 20 at once", {.algorithm = Algorithm::gcra, .amount = 60, .period = 1min, .burst = 20}},
      {"60 a minute", {.algorithm = Algorithm::sliding_log, .amount = 60, .period = 1min}},
      {"60 a minute", {.algorithm = Algorithm::sliding_window, .amount = 60, .period = 1min}},
      {"60 a minute", {.algorithm = Algorithm::fixed_window, .amount = 60, .period = 1min}},
      {"120 an hour, over at 1:30",
       {.algorithm = Algorithm::calendar, .amount = 120, .unit = limits::CalendarUnit::hour},
       3'510},
      {"20 at once, 5 s each", {.algorithm = Algorithm::concurrency, .amount = 20, .period = 1h}, 0, 5},
  };
  return all;
}

constexpr int plotted_seconds = 180;
int asked_in(int second) { return second >= 50 && second < 70 ? 20 : second % 2; }

std::vector<int> admitted_by(const Row& row) {
  const limits::Numbers numbers = *limits::numbers_of(row.limit);
  const auto moment = [&](std::int64_t micros) {
    return limits::moment_of(row.limit, row.begins_at * 1'000'000LL + micros);
  };
  limits::State state = limits::fresh(numbers, moment(0));
  std::vector<int> admitted(plotted_seconds, 0);
  std::multimap<std::int64_t, std::int64_t> at_work;  // when it ends, which
  std::int64_t number = 0;
  for (int second = 0; second < plotted_seconds; ++second) {
    const int asked = asked_in(second);
    for (int i = 0; i < asked; ++i) {
      const std::int64_t now = second * 1'000'000LL + i * 1'000'000LL / asked;
      for (; !at_work.empty() && at_work.begin()->first <= now; at_work.erase(at_work.begin()))
        limits::release(state, at_work.begin()->second);
      limits::roll(numbers, state, moment(now));
      if (limits::room(numbers, state) < 1) continue;
      limits::spend(numbers, state, 1, ++number);
      if (row.call_takes > 0) at_work.emplace(now + row.call_takes * 1'000'000LL, number);
      ++admitted[static_cast<std::size_t>(second)];
    }
  }
  return admitted;
}

int most_in(const std::vector<int>& admitted, int seconds) {
  int most = 0;
  for (int from = 0; from + seconds <= plotted_seconds; ++from)
    most = std::max(most, std::accumulate(admitted.begin() + from, admitted.begin() + from + seconds, 0));
  return most;
}

// Asked every other second, and 20 a second from 0:50 to 1:10.
int plot(const char* path) {
  constexpr int width = 760, height = 92, left = 170;
  std::string svg;
  const auto text = [&](int x, int y, const char* colour, const std::string& line) {
    svg += "<text x=\"" + std::to_string(x) + "\" y=\"" + std::to_string(y) + "\" fill=\"" + colour + "\">" + line +
           "</text>\n";
  };
  const auto x_of = [&](int second) { return left + second * (width - left - 10) / plotted_seconds; };
  int base = 10;
  for (const Row& row : rows()) {
    base += height;
    const std::vector<int> admitted = admitted_by(row);
    std::string grey, blue;
    const auto bar = [&](std::string& line, int second, int count) {
      if (count > 0)
        line += "M" + std::to_string(x_of(second)) + " " + std::to_string(base) + "v-" + std::to_string(count * 3);
    };
    for (int second = 0; second < plotted_seconds; ++second) {
      bar(grey, second, asked_in(second));
      bar(blue, second, admitted[static_cast<std::size_t>(second)]);
    }
    for (const auto& [line, colour] : {std::pair(grey, "#dddddd"), std::pair(blue, "#2266aa")})
      svg += "<path d=\"" + line + "\" stroke=\"" + colour + "\" stroke-width=\"2\"/>\n";
    svg += "<path d=\"M" + std::to_string(left) + " " + std::to_string(base) + "H" + std::to_string(width - 10) +
           "\" stroke=\"#999999\"/>\n";
    text(4, base - 44, "#000000", std::string(to_string(row.limit.algorithm)));
    text(4, base - 26, "#666666", row.said);
    const int window = row.call_takes > 0 ? row.call_takes : 60;
    text(4, base - 8, "#666666",
         "most in " + std::to_string(window) + " s: " + std::to_string(most_in(admitted, window)));
  }
  for (int second = 0; second < plotted_seconds; second += 30) {
    const std::string rest = second % 60 == 0 ? ":00" : ":30";
    text(x_of(second) - 8, base + 16, "#666666", std::to_string(second / 60) + rest);
  }
  std::ofstream out(path);
  out << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << width << "\" height=\"" << base + 26
      << "\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
      << svg << "</svg>\n";
  return out ? 0 : 1;
}

}  // namespace
}  // namespace chaveiro

int main(int argc, char** argv) {
  using namespace chaveiro;
  if (argc == 3 && std::strcmp(argv[1], "--plot") == 0) return plot(argv[2]);
  for (const int threads : {1, 2}) local_hot(threads);
  over_redis();
  return 0;
}
