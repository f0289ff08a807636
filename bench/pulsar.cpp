// Our Pulsar client beside `pulsar-perf` (Java) on one real broker, and against a broker that only answers.
//
//   produce/200B produce/1K   messages a second that the broker has acknowledged: LZ4, batches of 100 or 10 ms, no keys, the client's
//                             memory bounded by 64 MiB; the two in turn
//   consume/200B consume/1K   a topic of such messages read and acknowledged from its beginning: exclusive, a queue of 1,000, as
//                             pulsar-perf has it
//   cpu_us/…                  microseconds of the client's CPU a message in the same runs
//   mock/produce              against tests/support/scripted_broker on the other core: client and caller on one core
//
// pulsar-perf's first eight seconds (loading, compiling) are left out of its figures, then four are measured, by the broker's counters;
// of ours it is one second, then three.
//
//   pulsar [mock] [produce] [consume] [consume/1K]…     a broker is started for it, and ended
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#include "base/random.h"
#include "bench/pulsar_perf.h"
#include "clients/pulsar/bus.h"
#include "tests/support/scripted_broker.h"

namespace chaveiro::bench {
namespace {

using namespace std::chrono_literals;
using namespace clients::pulsar;
using Seconds = std::chrono::duration<double>;

constexpr int turns = 2;
constexpr auto warm_up = 1s, measured = 3s;

double cpu_now() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& it) {
    return static_cast<double>(it.tv_sec) + 1e-6 * static_cast<double>(it.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

void tell(const std::string& name, const char* unit, double value, const char* peer, double peer_value, double ratio) {
  std::fprintf(stderr, "%-20s %12.2f %-11s %s %12.2f   ratio %.2f\n", name.c_str(), value, unit, peer, peer_value,
               ratio);
  std::printf(
      "{\"bench\":\"pulsar\",\"case\":\"%s\",\"value\":%.3f,\"unit\":\"%s\",\"peer\":\"%s\",\"peer_value\":%.3f,"
      "\"ratio\":%.3f}\n",
      name.c_str(), value, unit, peer, peer_value, ratio);
  std::fflush(stdout);
}

BusOptions options_for(const std::string& url, const std::string& admin_url) {
  BusOptions options;
  options.client.url = url;
  options.admin.url = admin_url;
  options.producer.when_full = WhenFull::block;
  options.producer.compress_bytes_min = 0;
  return options;
}

std::string payload_of(std::size_t size) {
  Random random(7);
  std::string text(size, 'A');
  for (char& c : text) c = static_cast<char>('A' + random() % 26);
  return text;
}

// Publishes for `warm_up` and then `time`; what was answered in between counts.
Rate produce(const std::string& url, const std::string& admin_url, const std::string& topic, std::size_t size,
             std::chrono::milliseconds time) {
  const auto bus = PulsarBus::make(options_for(url, admin_url), Logger{}).value();
  const std::string body = payload_of(size);
  Guarded<std::uint64_t> stored, failed;
  std::uint64_t before = 0;
  double cpu = 0;
  auto begin = std::chrono::steady_clock::now();
  bool warm = false;
  for (std::uint64_t n = 0;; ++n) {
    events::Message message;
    message.body = body;
    bus->publish(topic, std::move(message),
                 [&](const Result<events::MessageId>& id) { ++*(id ? stored : failed).lock(); });
    if (n % 256 != 0) continue;
    const auto now = std::chrono::steady_clock::now();
    if (!warm && now - begin > warm_up) {
      warm = true;
      begin = now;
      before = *stored.lock();
      cpu = cpu_now();
    } else if (warm && now - begin > time) {
      const double count = static_cast<double>(*stored.lock() - before);
      const Rate rate{count / Seconds(now - begin).count(), 1e6 * (cpu_now() - cpu) / count};
      CHECK(bus->flush(Deadline::in(60s)).has_value());
      CHECK(*failed.lock() == 0);
      return rate;
    }
  }
}

Rate consume(const std::string& url, const std::string& admin_url, const std::string& topic, const std::string& name) {
  const auto bus = PulsarBus::make(options_for(url, admin_url), Logger{}).value();
  auto subscription =
      bus->subscribe({.topics = {topic}, .name = name, .type = events::SubscriptionType::exclusive}, Deadline::in(30s));
  CHECK(subscription.has_value());
  std::vector<events::Delivery> done;
  std::uint64_t got = 0, before = 0;
  double cpu = 0;
  auto begin = std::chrono::steady_clock::now();
  bool warm = false;
  for (;;) {
    const auto some = (*subscription)->receive(1'000, Deadline::in(2s));
    CHECK(some.has_value());
    const auto now = std::chrono::steady_clock::now();
    if (some->empty() || (warm && now - begin > measured)) {
      const double count = static_cast<double>(got - before);
      return {count / Seconds(now - begin).count(), 1e6 * (cpu_now() - cpu) / count};
    }
    done.clear();
    for (const events::Received& one : *some) done.push_back(one.delivery);
    CHECK((*subscription)->ack(done).has_value());
    got += some->size();
    if (!warm && now - begin > warm_up) {
      warm = true;
      begin = now;
      before = got;
      cpu = cpu_now();
    }
  }
}

struct Sides {
  std::vector<double> ours, theirs, our_cpu, their_cpu;
  void add(const Rate& us, const Rate& them) {
    ours.push_back(us.messages_per_s), our_cpu.push_back(us.cpu_us);
    theirs.push_back(them.messages_per_s), their_cpu.push_back(them.cpu_us);
  }
  void tell_turn(const char* name, int turn) const {
    std::fprintf(stderr, "%s turn %d: ours %.0f/s %.2f µs, pulsar-perf %.0f/s %.2f µs\n", name, turn, ours.back(),
                 our_cpu.back(), theirs.back(), their_cpu.back());
  }
  void tell(const std::string& name) const {
    bench::tell(name, "messages/s", median(ours), "pulsar-perf", median(theirs), median(ours) / median(theirs));
    bench::tell("cpu_us/" + name, "µs", median(our_cpu), "pulsar-perf", median(their_cpu),
                median(their_cpu) / median(our_cpu));
  }
};

struct Case {
  const char* name;
  std::size_t size;
};

void produce_beside_java(const PerfBroker& broker, const Case& it) {
  Sides sides;
  for (int turn = 0; turn < turns; ++turn) {
    const std::string topic =
        "persistent://public/default/bench-" + std::to_string(it.size) + "-" + std::to_string(turn);
    const Rate us = produce(broker.url(), broker.admin_url(), topic + "a", it.size, measured);
    sides.add(
        us, broker.perf("produce -r 10000000 -z LZ4 -bm 100 -b 10 -ml 64M -s " + std::to_string(it.size), topic + "b"));
    sides.tell_turn(it.name, turn);
  }
  sides.tell(it.name);
}

void consume_beside_java(const PerfBroker& broker, const Case& it) {
  const std::string topic = "persistent://public/default/bench-read-" + std::to_string(it.size);
  broker.keep(topic);
  static_cast<void>(produce(broker.url(), broker.admin_url(), topic, it.size, 12s));
  Sides sides;
  for (int turn = 0; turn < turns; ++turn) {
    const std::string name = "sub" + std::to_string(turn);
    const Rate us = consume(broker.url(), broker.admin_url(), topic, name + "a");
    sides.add(us, broker.perf("consume -sp Earliest -ss " + name + "b", topic, name + "b"));
    sides.tell_turn(it.name, turn);
  }
  sides.tell(it.name);
}

void beside_java(const std::function<bool(const char*)>& wanted) {
  const PerfBroker broker;
  for (const Case& it : {Case{"produce/200B", 200}, Case{"produce/1K", 1024}})
    if (wanted(it.name)) produce_beside_java(broker, it);
  for (const Case& it : {Case{"consume/200B", 200}, Case{"consume/1K", 1024}})
    if (wanted(it.name)) consume_beside_java(broker, it);
}

void stay_on(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  ::sched_setaffinity(0, sizeof cores, &cores);
}

void against_the_mock() {
  cpu_set_t all;
  ::sched_getaffinity(0, sizeof all, &all);
  std::vector<double> rates;
  for (int turn = 0; turn < 5; ++turn) {
    stay_on(0);
    tests::ScriptedBroker broker;
    stay_on(1);
    rates.push_back(
        produce(broker.url(), "http://127.0.0.1:1", "persistent://public/default/mock", 200, 1s).messages_per_s);
  }
  ::sched_setaffinity(0, sizeof all, &all);
  tell("mock/produce", "messages/s", median(rates), "goal", 400'000, median(rates) / 400'000);
}

}  // namespace
}  // namespace chaveiro::bench

int main(int arguments, char** argument) {
  const auto wanted = [&](const char* name) {
    for (int i = 1; i < arguments; ++i)
      if (std::string_view(name).starts_with(argument[i])) return true;
    return arguments == 1;
  };
  if (wanted("mock/produce")) chaveiro::bench::against_the_mock();
  if (wanted("produce/200B") || wanted("produce/1K") || wanted("consume/200B") || wanted("consume/1K"))
    chaveiro::bench::beside_java(wanted);
}
