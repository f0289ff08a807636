// What the small things cost that every request touches: counters, histograms, log lines, permits, ids, digests.
//
// Each figure is nanoseconds a call: the median of seven rounds of 0.2 s, with minimum and maximum in the table on stderr. "/2" is
// two threads at once on the same object, each paying for its own calls; its peer is one atomic shared by both.
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/hash.h"
#include "base/log.h"
#include "base/log_sink.h"
#include "base/metrics.h"
#include "base/overload.h"
#include "base/pool.h"
#include "base/uuid.h"

namespace chaveiro {
namespace {

using namespace std::chrono_literals;

template <class T>
void keep(T& value) {
  asm volatile("" : "+m"(value) : : "memory");
}

// Runs blocks of calls until the time is over; nanoseconds a call.
double round_of(const std::function<void(int)>& block) {
  constexpr int calls = 1'000;
  const auto begin = std::chrono::steady_clock::now();
  std::int64_t count = 0;
  std::chrono::nanoseconds took{0};
  do {
    block(calls);
    count += calls;
    took = std::chrono::steady_clock::now() - begin;
  } while (took < 200ms);
  return static_cast<double>(took.count()) / static_cast<double>(count);
}

struct Figure {
  double median, minimum, maximum;
};

Figure measure(int threads, const std::function<void(int)>& block) {
  std::vector<double> rounds;
  for (int round = 0; round < 7; ++round) {
    std::vector<double> each(static_cast<std::size_t>(threads));
    {
      std::vector<std::jthread> running;
      for (double& mine : each) running.emplace_back([&mine, &block] { mine = round_of(block); });
    }
    rounds.push_back(*std::max_element(each.begin(), each.end()));
  }
  std::sort(rounds.begin(), rounds.end());
  return {rounds[3], rounds.front(), rounds.back()};
}

void tell(const char* name, Figure ours) {
  std::fprintf(stderr, "%-24s %9.1f ns   (%.1f – %.1f)\n", name, ours.median, ours.minimum, ours.maximum);
  std::printf("{\"bench\":\"base\",\"case\":\"%s\",\"value\":%.1f,\"unit\":\"ns\"}\n", name, ours.median);
}

void tell(const char* name, Figure ours, const char* peer, Figure theirs) {
  const double ratio = theirs.median / ours.median;
  std::fprintf(stderr, "%-24s %9.1f ns   (%.1f – %.1f)   %s %.1f (%.1f – %.1f): %.2f\n", name, ours.median,
               ours.minimum, ours.maximum, peer, theirs.median, theirs.minimum, theirs.maximum, ratio);
  std::printf(
      "{\"bench\":\"base\",\"case\":\"%s\",\"value\":%.1f,\"unit\":\"ns\",\"peer\":\"%s\",\"peer_value\":%.1f,"
      "\"ratio\":%.2f}\n",
      name, ours.median, peer, theirs.median, ratio);
}

template <class Fn>
std::function<void(int)> repeated(Fn fn) {
  return [fn](int calls) {
    for (int i = 0; i < calls; ++i) fn();
  };
}

class NowhereSink final : public LogSink {
 public:
  void write(std::string_view line) override { keep(line); }
};

void metrics() {
  Registry registry;
  Counter& counter = registry.counter("a_total", "A.");
  Histogram& histogram = registry.histogram("a_seconds", "A.");
  std::atomic<std::uint64_t> shared{0};
  const auto increment = repeated([&] { counter.add(); });
  const auto shared_increment = repeated([&] { shared.fetch_add(1, std::memory_order_relaxed); });
  tell("counter/1", measure(1, increment), "atomic", measure(1, shared_increment));
  tell("counter/2", measure(2, increment), "atomic", measure(2, shared_increment));
  const auto record = repeated([&] { histogram.record(123'456ns); });
  tell("histogram/1", measure(1, record));
  tell("histogram/2", measure(2, record));
}

void logs() {
  const SystemClock clock;
  NowhereSink nowhere;
  Log log(clock, nowhere);
  const Logger logger = log.logger("edge");
  const auto line = [](const Logger& to) {
    to.info("request", {{"operation", "GetEntry"}, {"code", "ok"}, {"took_ms", 123us}, {"bytes", 512}});
  };
  tell("log/line", measure(1, repeated([&] { line(logger); })));
  QueuedSink queue(clock, nowhere);
  Log queued(clock, queue);
  const Logger queued_logger = queued.logger("edge");
  tell("log/queued", measure(1, repeated([&] { line(queued_logger); })));
  log.set_level(Level::error);
  tell("log/unwanted", measure(1, repeated([&] { line(logger); })));
}

void permits() {
  const SystemClock clock;
  AdaptiveLimit limit({}, clock);
  const auto pass = repeated([&] {
    auto permit = limit.try_enter();
    keep(permit);
  });
  tell("overload/1", measure(1, pass));
  tell("overload/2", measure(2, pass));
}

void ids() {
  const SystemClock clock;
  UuidV7 generator;
  tell("uuid/v7", measure(1, repeated([&] {
                            Uuid id = generator.make(clock.now());
                            keep(id);
                          })));
  tell("uuid/v4", measure(1, repeated([] {
                            Uuid id = uuid_v4();
                            keep(id);
                          })));
}

void digests() {
  const std::string key(16, 'k');
  const std::string message(150, 'm');
  const HmacKey ready(key);
  const auto openssl = measure(1, repeated([&] {
                                 Digest256 digest;
                                 unsigned size = 0;
                                 HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), as_bytes(message).data(),
                                      message.size(), digest.data(), &size);
                                 keep(digest);
                               }));
  tell("hmac/150B", measure(1, repeated([&] {
                              Digest256 digest = hmac_sha256(key, message);
                              keep(digest);
                            })),
       "openssl HMAC()", openssl);
  tell("hmac_ready/150B", measure(1, repeated([&] {
                                    Digest256 digest = ready.sign(message);
                                    keep(digest);
                                  })),
       "openssl HMAC()", openssl);
  tell("sha256/150B", measure(1, repeated([&] {
                                Digest256 digest = sha256(message);
                                keep(digest);
                              })));
}

// Submission to completion, a thousand at a time: what a hand-over costs when the pool is busy.
void pools() {
  const SystemClock clock;
  Registry registry;
  Pool pool({.name = "bench", .workers = 1, .queue_max = 2'000}, clock, Logger{}, registry);
  tell("pool/job", measure(1, [&](int calls) {
         Guarded<int> left{calls};
         for (int i = 0; i < calls; ++i) {
           const auto accepted = pool.submit(Deadline::never(), [&left](Turn) {
             if (left.with([](int& count) { return --count; }) == 0) left.notify_all();
           });
           CHECK(accepted.has_value());
         }
         left.lock().wait(Deadline::never(), [](int count) { return count == 0; });
       }));
}

}  // namespace
}  // namespace chaveiro

int main() {
  chaveiro::metrics();
  chaveiro::logs();
  chaveiro::permits();
  chaveiro::ids();
  chaveiro::digests();
  chaveiro::pools();
}
