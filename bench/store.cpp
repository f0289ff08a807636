// What the directory's store in SQLite and the look-up log cost.
//
//   commit/N      registrations a second (account, entry, RequestId, two audit records, seal key), N callers one at a time each
//   commit_all    the same in calls of 1,000; beside it the plainest inserts of the same rows (raw_copy.h), in turn
//   live_entry/N  reads by key a second on N threads, all in memory
//   append/N      nanoseconds a look-up record on N threads, each paying for its own calls; synced every 40 ms
//
// Median of the rounds, with minimum and maximum on stderr.   store [FOLDER]
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <thread>

#include "base/guarded.h"
#include "base/random.h"
#include "bench/raw_copy.h"
#include "clients/sqlite/store.h"
#include "directory/lookup_file.h"
#include "tests/contract/samples.h"

namespace chaveiro::bench {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using clients::sqlite::SqliteStore;

constexpr std::size_t per_call = 1'000;
const Secret key("0123456789abcdef0123456789abcdef");

std::unique_ptr<SqliteStore> open(const std::string& path) {
  clients::sqlite::SqliteOptions options;
  options.path = path;
  options.check = clients::sqlite::SqliteOptions::Check::none;
  auto store = SqliteStore::open(options, key, contract::day_one);
  if (!store) stop(store.error().message);
  return std::move(*store);
}

struct Figure {
  std::vector<double> rounds;
  double at(std::size_t i) const {
    auto sorted = rounds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[i];
  }
  double median() const { return at(rounds.size() / 2); }
  double minimum() const { return at(0); }
  double maximum() const { return at(rounds.size() - 1); }
};

void tell(const std::string& name, const Figure& ours, const char* unit) {
  std::fprintf(stderr, "%-14s %10.0f %-4s (%.0f – %.0f)\n", name.c_str(), ours.median(), unit, ours.minimum(),
               ours.maximum());
  std::printf("{\"bench\":\"store\",\"case\":\"%s\",\"value\":%.1f,\"unit\":\"%s\"}\n", name.c_str(), ours.median(),
              unit);
  std::fflush(stdout);
}

// Calls one(n) with fresh numbers from `threads` threads for `time`; calls a second of all together.
double rate_of(int threads, std::chrono::milliseconds time, Guarded<std::uint64_t>& next,
               const std::function<void(std::uint64_t)>& one) {
  std::vector<std::uint64_t> done(static_cast<std::size_t>(threads));
  const auto begin = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> running;
    for (std::uint64_t& mine : done)
      running.emplace_back([&] {
        while (std::chrono::steady_clock::now() - begin < time) {
          const std::uint64_t first = next.with([](std::uint64_t& it) { return std::exchange(it, it + 32); });
          for (std::uint64_t n = first; n < first + 32; ++n) one(n);
          mine += 32;
        }
      });
  }
  const double seconds = Seconds(std::chrono::steady_clock::now() - begin).count();
  double all = 0;
  for (const std::uint64_t mine : done) all += static_cast<double>(mine);
  return all / seconds;
}

void commits(const std::string& folder) {
  const auto store = open(folder + "/commits");
  Guarded<std::uint64_t> next(0);
  for (const int callers : {1, 8, 64}) {
    Figure figure;
    for (int round = 0; round < 5; ++round)
      figure.rounds.push_back(rate_of(callers, 500ms, next, [&](std::uint64_t n) {
        if (auto done = store->commit(contract::registration_of(n), Deadline::never()); !done)
          stop(done.error().message);
      }));
    tell("commit/" + std::to_string(callers), figure, "/s");
  }
}

double many_commits(SqliteStore& store, std::span<const directory::Change> changes) {
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t at = 0; at < changes.size(); at += per_call)
    for (const auto& done : store.commit_all(changes.subspan(at, per_call), Deadline::never()))
      if (!done) stop(done.error().message);
  return static_cast<double>(changes.size()) / Seconds(std::chrono::steady_clock::now() - begin).count();
}

void bulk(const std::string& folder) {
  std::vector<directory::Change> changes;
  for (std::uint64_t n = 0; n < 100 * per_call; ++n) changes.push_back(contract::registration_of(n));
  Figure ours, raw;
  Copy copy;
  for (int round = 0; round < 5; ++round) {
    const std::string path = folder + "/bulk" + std::to_string(round);
    {
      const auto store = open(path);
      ours.rounds.push_back(many_commits(*store, changes));
    }
    if (round == 0) copy = read_copy(path);
    fs::remove(path);
    raw.rounds.push_back(static_cast<double>(changes.size()) / run_raw(path + "raw", copy, changes.size()));
    fs::remove(path + "raw");
  }
  const double ratio = ours.median() / raw.median();
  std::fprintf(stderr, "%-14s %10.0f /s   (%.0f – %.0f)   raw inserts %.0f (%.0f – %.0f): %.2f\n", "commit_all",
               ours.median(), ours.minimum(), ours.maximum(), raw.median(), raw.minimum(), raw.maximum(), ratio);
  std::printf(
      "{\"bench\":\"store\",\"case\":\"commit_all\",\"value\":%.0f,\"unit\":\"/s\",\"peer\":\"raw batch inserts\","
      "\"peer_value\":%.0f,\"ratio\":%.3f}\n",
      ours.median(), raw.median(), ratio);
}

void reads(const std::string& folder) {
  const auto store = open(folder + "/reads");
  constexpr std::uint64_t entries = 50 * per_call;
  std::vector<directory::Change> changes;
  std::vector<directory::Key> keys;
  for (std::uint64_t n = 0; n < entries; ++n) changes.push_back(contract::registration_of(n));
  for (std::uint64_t n = 0; n < entries; ++n) keys.push_back(contract::phone_of(n));
  many_commits(*store, changes);
  Guarded<std::uint64_t> next(0);
  for (const int threads : {1, 2}) {
    Figure figure;
    for (int round = 0; round < 7; ++round)
      figure.rounds.push_back(rate_of(threads, 300ms, next, [&](std::uint64_t n) {
        const auto entry = store->live_entry(keys[Random(n)() % entries], Deadline::in(1s));
        if (!entry || !*entry) stop("an entry is gone");
      }));
    tell("live_entry/" + std::to_string(threads), figure, "/s");
  }
}

void appends(const std::string& folder) {
  const auto log = directory::LookupFile::open({.folder = folder, .unsynced_max = 1u << 30});
  if (!log) stop(log.error().message);
  directory::LookupRecord record;
  record.at = contract::day_one;
  record.ispb = contract::our_ispb;
  record.actor = "service-payments";
  record.correlation_id = "0190c2f4-7e1b-7abc-8def-0123456789ab";
  record.end_to_end_id = "E1234567820260101120000000000001";
  Guarded<std::uint64_t> next(0);
  for (const int threads : {1, 2}) {
    Figure figure;
    for (int round = 0; round < 7; ++round)
      figure.rounds.push_back(1e9 * threads / rate_of(threads, 300ms, next, [&](std::uint64_t n) {
                                directory::LookupRecord mine = record;
                                mine.key_hash[0] = static_cast<std::uint8_t>(n);
                                if (auto done = (*log)->append(mine); !done) stop(done.error().message);
                              }));
    tell("append/" + std::to_string(threads), figure, "ns");
  }
}

}  // namespace
}  // namespace chaveiro::bench

int main(int count, char** arguments) {
  using namespace chaveiro::bench;
  const fs::path folder = (count > 1 ? fs::path(arguments[1]) : fs::temp_directory_path()) /
                          ("chaveiro-bench-store-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  commits(folder.string());
  bulk(folder.string());
  reads(folder.string());
  appends(folder.string());
  fs::remove_all(folder);
}
