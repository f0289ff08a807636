// cost/commit   registrations a second of eight callers, the relay publishing into the embedded log beside them
// cost/import   lines a second of an import that leaves its events in the outbox
// cost/relay    events a second that the relay takes from that outbox into the embedded log
#include "bench/events_cost.h"

#include <algorithm>
#include <filesystem>
#include <thread>

#include "app/import.h"
#include "base/guarded.h"
#include "bench/keys.h"
#include "bench/raw_copy.h"
#include "clients/sqlite/store.h"
#include "events/log/bus.h"
#include "events/relay.h"
#include "events/topics.h"
#include "tests/contract/samples.h"

namespace chaveiro::bench {
namespace {

using namespace std::chrono_literals;
using clients::sqlite::SqliteStore;
enum class Events : std::uint8_t { off, on };

constexpr int rounds = 5;
constexpr std::size_t lines_count = 50'000;

struct Rates {
  std::vector<double> on, off;
  std::vector<double>& of(Events events) { return events == Events::on ? on : off; }
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void tell(const char* name, const char* unit, const Rates& rates) {
  const double on = median(rates.on), off = median(rates.off);
  const auto [low, high] = std::ranges::minmax(rates.on);
  const auto [low_off, high_off] = std::ranges::minmax(rates.off);
  std::fprintf(stderr, "%-20s with events %8.0f (%.0f – %.0f), without %8.0f (%.0f – %.0f): %.2f\n", name, on, low,
               high, off, low_off, high_off, on / off);
  std::printf(
      "{\"bench\":\"events\",\"case\":\"%s\",\"value\":%.0f,\"unit\":\"%s\",\"peer\":\"without events\","
      "\"peer_value\":%.0f,\"ratio\":%.3f}\n",
      name, on, unit, off, on / off);
  std::fflush(stdout);
}

std::unique_ptr<SqliteStore> open_store(const std::string& path, Events events) {
  clients::sqlite::SqliteOptions options;
  options.path = path;
  options.check = clients::sqlite::SqliteOptions::Check::none;
  options.keep_events = events == Events::on;
  auto store = SqliteStore::open(options, Secret("0123456789abcdef0123456789abcdef"), contract::day_one);
  if (!store) stop(store.error().message);
  return std::move(*store);
}

// The embedded log with the topics of the platform, and a relay into it.
class Log {
 public:
  Log(const std::string& folder, events::Outbox& outbox) {
    events::log::LogOptions options;
    options.folder = folder;
    auto opened = events::log::LogBus::open(options, disk_, clock_, Logger{});
    if (!opened) stop(opened.error().message);
    bus_ = std::move(*opened);
    for (const std::string_view topic : events::topics::all)
      if (!bus_->create_topic(std::string(topic), {.partitions = 4}, Deadline::never())) stop("no topic");
    relay_.emplace(events::RelayOptions{.copies = {{std::string(events::topics::key_events),
                                                    std::string(events::topics::vsync_events)}}},
                   outbox, *bus_, nullptr, Logger{});
  }
  std::uint64_t relay() {
    const auto left = relay_->run_once(Deadline::in(100s));
    if (!left) stop(left.error().message);
    return *left;
  }

 private:
  SystemClock clock_;
  events::log::LocalDisk disk_;
  std::unique_ptr<events::log::LogBus> bus_;
  std::optional<events::Relay> relay_;
};

double commits(const std::string& folder, Events events) {
  const auto store = open_store(folder + "/store", events);
  std::optional<Log> log;
  if (events == Events::on) log.emplace(folder + "/log", *store->outbox());
  constexpr auto time = 1500ms;
  Guarded<std::uint64_t> next(0), done(0);
  const auto begin = std::chrono::steady_clock::now();
  const auto running = [&] { return std::chrono::steady_clock::now() - begin < time; };
  std::vector<std::jthread> threads;
  for (int caller = 0; caller < 8; ++caller)
    threads.emplace_back([&] {
      std::uint64_t mine = 0;
      for (; running(); ++mine) {
        const std::uint64_t n = next.with([](std::uint64_t& it) { return it++; });
        if (auto stored = store->commit(contract::registration_of(n), Deadline::never()); !stored)
          stop(stored.error().message);
      }
      *done.lock() += mine;
    });
  while (log && running())
    if (log->relay() == 0) std::this_thread::sleep_for(1ms);
  threads.clear();
  return static_cast<double>(*done.lock()) / Seconds(std::chrono::steady_clock::now() - begin).count();
}

double import(const std::string& folder, Events events, const std::vector<std::string>& lines, Rates& relayed) {
  const SystemClock clock;
  const auto store = open_store(folder + "/store", events);
  const auto begin = std::chrono::steady_clock::now();
  app::Importer importer(*store, clock,
                         {.served = {*directory::Ispb::parse("12345678")}, .rules = {}, .actor = {"bench", "bench"}});
  std::uint64_t number = 0;
  for (const std::string& line : lines)
    if (auto added = importer.add_json(++number, line, Deadline::never()); !added) stop(added.error().message);
  const auto report = importer.finish(Deadline::never());
  if (!report || report->entries_created != lines.size()) stop("not every line was imported");
  const double rate = static_cast<double>(lines.size()) / Seconds(std::chrono::steady_clock::now() - begin).count();
  if (events == Events::on) {
    Log log(folder + "/log", *store->outbox());
    const auto from = std::chrono::steady_clock::now();
    std::uint64_t all = 0;
    while (const std::uint64_t some = log.relay()) all += some;
    relayed.on.push_back(static_cast<double>(all) / Seconds(std::chrono::steady_clock::now() - from).count());
  }
  return rate;
}

}  // namespace

void events_cost(const std::string& folder) {
  namespace fs = std::filesystem;
  std::vector<std::string> lines;
  for (std::size_t n = 0; n < lines_count; ++n) lines.push_back(line_of(n));
  Rates commit_rates, import_rates, relayed;
  for (int round = 0; round < rounds; ++round)
    for (const Events events : {Events::off, Events::on}) {
      const auto fresh = [&] {
        fs::remove_all(folder + "/cost");
        fs::create_directories(folder + "/cost");
        return folder + "/cost";
      };
      commit_rates.of(events).push_back(commits(fresh(), events));
      import_rates.of(events).push_back(import(fresh(), events, lines, relayed));
    }
  tell("cost/commit", "commits/s", commit_rates);
  tell("cost/import", "lines/s", import_rates);
  std::fprintf(stderr, "%-20s %9.0f events/s out of an outbox of %zu lines\n", "cost/relay", median(relayed.on),
               lines_count);
  std::printf("{\"bench\":\"events\",\"case\":\"cost/relay\",\"value\":%.0f,\"unit\":\"events/s\"}\n",
              median(relayed.on));
}

}  // namespace chaveiro::bench
