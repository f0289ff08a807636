// What the embedded event log writes and reads, and what events cost those who commit:
// `events [embedded/produce] [embedded/consume] [embedded/both] [cost]`.
//
// Messages of 500 bytes with six headers and a key out of 10,000, four partitions, every answer waited for (so every message was
// synced). consume: one key_shared consumer that acknowledges each message. both: at once. cost: events_cost.cpp.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/events_cost.h"
#include "events/log/bus.h"

namespace {

using namespace chaveiro;
using namespace chaveiro::events;
using namespace std::chrono_literals;

constexpr std::size_t count = 1'000'000;
constexpr std::size_t in_a_call = 50'000;
const std::string topic = "persistent://dict/events/key-events";

Message message_of(std::size_t n) {
  Message message;
  message.key = "0190a5b0-7c3e-7abc-8def-" + std::to_string(100'000'000'000 + n % 10'000);
  message.body.assign(500, 'x');
  message.headers = {{"event_id", "0190a5b0-7c3e-7abc-8def-0123456789ab"},
                     {"event_type", "key.updated"},
                     {"aggregate_id", message.key},
                     {"version", std::to_string(n)},
                     {"content-type", "application/json"}};
  message.event_time = UtcTime(Micros(static_cast<std::int64_t>(n)));
  return message;
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void tell(const char* name, double seconds) {
  const double rate = static_cast<double>(count) / seconds;
  std::fprintf(stderr, "%-20s %9.0f messages/s  (%zu in %.2f s)\n", name, rate, count, seconds);
  std::printf("{\"bench\":\"events\",\"case\":\"%s\",\"value\":%.0f,\"unit\":\"messages/s\"}\n", name, rate);
  std::fflush(stdout);
}

void produce(Bus& bus) {
  for (std::size_t n = 0; n < count;) {
    std::vector<Message> some;
    some.reserve(in_a_call);
    for (std::size_t i = 0; i < in_a_call; ++i, ++n) some.push_back(message_of(n));
    for (const auto& answer : publish_all(bus, topic, std::move(some), Deadline::in(60s))) CHECK(answer.has_value());
  }
}

void consume(Bus& bus, const std::string& name) {
  auto subscription = bus.subscribe({.topics = {topic}, .name = name}, Deadline::in(5s));
  CHECK(subscription.has_value());
  std::vector<Delivery> done;
  for (std::size_t got = 0; got < count;) {
    const auto some = (*subscription)->receive(1'000, Deadline::in(30s));
    CHECK(some.has_value() && !some->empty());
    done.clear();
    for (const Received& one : *some) done.push_back(one.delivery);
    CHECK((*subscription)->ack(done).has_value());
    got += some->size();
  }
}

using Wanted = std::function<bool(std::string_view)>;

void embedded(const std::string& folder, const Wanted& wanted) {
  SystemClock clock;
  log::LocalDisk disk;
  log::LogOptions options;
  options.folder = folder;
  auto opened = log::LogBus::open(options, disk, clock, Logger{});
  CHECK(opened.has_value());
  Bus& bus = **opened;
  CHECK(bus.create_topic(topic, {.partitions = 4}, Deadline::in(5s)).has_value());
  auto begin = std::chrono::steady_clock::now();
  produce(bus);
  if (wanted("embedded/produce")) tell("embedded/produce", seconds_since(begin));
  begin = std::chrono::steady_clock::now();
  if (wanted("embedded/consume")) {
    consume(bus, "one");
    tell("embedded/consume", seconds_since(begin));
  }
  if (wanted("embedded/both")) {
    CHECK(bus.unsubscribe(topic, "one", Deadline::in(5s)).has_value());
    begin = std::chrono::steady_clock::now();
    std::thread reader([&] { consume(bus, "two"); });
    produce(bus);
    reader.join();
    tell("embedded/both", seconds_since(begin));
  }
}

}  // namespace

int main(int arguments, char** argument) {
  const Wanted wanted = [&](std::string_view name) {
    for (int i = 1; i < arguments; ++i)
      if (std::string_view(argument[i]).starts_with(name)) return true;
    return arguments == 1;
  };
  std::string folder = (std::filesystem::current_path() / "bench-events-XXXXXX").string();
  CHECK(::mkdtemp(folder.data()) != nullptr);
  if (wanted("embedded")) embedded(folder + "/log", wanted);
  if (wanted("cost")) bench::events_cost(folder);
  std::filesystem::remove_all(folder);
}
