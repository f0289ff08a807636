// What the caches must reach in the two scenarios that they are made for, and how much memory a million hot entries take.
//
//   gateway   a week of 1,000 calls a day from a trade dashboard of twenty questions: exports and imports of the current month (kept 6 h), of
//             the three closed months before (24 h), and the twelve months of the year before (7 days). Every answer is a hit or a load; the clock is moved by hand.
//   entries   look-ups at 200 a second by Zipf 0.99 over 100,000 keys for half an hour, one change of an entry every second, entries kept
//             5 min and 100 MiB of memory, over the store in memory.
//   million   a million entries under their keys, as look-ups find them, in a cache of 4 GiB: bytes counted by the cache, and of the process.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "app/record_cache.h"
#include "base/random.h"
#include "clients/memory/store.h"

namespace chaveiro::bench {
namespace {

using namespace std::chrono_literals;
namespace dir = directory;

void print(const char* name, double value, const char* unit, double goal) {
  std::fprintf(stderr, "%-22s %12.6g %-6s goal %g\n", name, value, unit, goal);
  std::printf(R"({"bench":"targets","case":"%s","value":%.6g,"unit":"%s","peer":"goal","peer_value":%.6g,"ratio":null})"
              "\n",
              name, value, unit, goal);
}

class Zipf {
 public:
  explicit Zipf(std::size_t count) : sums_(count) {
    for (std::size_t i = 0; i < count; ++i) sums_[i] = sum_ += std::pow(static_cast<double>(i + 1), -0.99);
  }
  std::size_t draw(Random& random) const {
    const auto at = std::lower_bound(sums_.begin(), sums_.end(), random.unit() * sum_);
    return static_cast<std::size_t>(at - sums_.begin());
  }

 private:
  std::vector<double> sums_;
  double sum_ = 0;
};

void gateway() {
  ManualClock clock;
  Registry metrics;
  auto cache = cache::Tiered<std::string>::make({.name = "comexstat", .ttl = 24h, .l1 = {.ttl_max = Micros{0}}},
                                                {.clock = clock, .metrics = metrics})
                   .value();
  struct Question {
    std::string key;
    Micros ttl;
  };
  std::vector<Question> questions;
  for (int i = 0; i < 2; ++i) questions.push_back({"comexstat:exp:2026:11:" + std::to_string(i) + ":160", 6h});
  for (int i = 0; i < 6; ++i) questions.push_back({"comexstat:exp:2026:10:" + std::to_string(i) + ":160", 24h});
  for (int i = 0; i < 12; ++i) questions.push_back({"comexstat:exp:2025:12:" + std::to_string(i) + ":160", 7 * 24h});
  const Zipf zipf(questions.size());
  Random random(3);
  std::uint64_t loads = 0;
  constexpr std::uint64_t days = 7, calls_a_day = 1'000;
  for (std::uint64_t call = 0; call < days * calls_a_day; ++call) {
    const Question& question = questions[zipf.draw(random)];
    const cache::Loader<std::string> loader = [&](std::string_view, const cache::LoadContext<std::string>&) {
      ++loads;
      auto loaded = cache::Loaded<std::string>::of("answer");
      loaded.ttl = question.ttl;
      return Result<cache::Loaded<std::string>>(std::move(loaded));
    };
    (void)cache->get_or_load(question.key, loader, Deadline::never());
    clock.advance(Micros{24h} / calls_a_day);
    cache->tick();
  }
  print("gateway/hit_rate", 1 - static_cast<double>(loads) / (days * calls_a_day), "share", 0.98);
  print("gateway/loads_a_day", static_cast<double>(loads) / days, "calls", 20);
}

dir::Entry entry_of(std::size_t number) {
  char phone[24];
  std::snprintf(phone, sizeof phone, "+55119%08zu", number);
  char uuid[40];
  std::snprintf(uuid, sizeof uuid, "%08zx-0000-7000-8000-%012zx", number, number);
  dir::Entry entry{.id = *dir::EntryId::parse(uuid), .key = *dir::Key::parse(dir::KeyType::phone, phone, {})};
  entry.account.id = *dir::AccountId::parse(uuid);
  entry.account.ispb = *dir::Ispb::parse("12345678");
  entry.account.branch = "0001";
  entry.account.number = std::to_string(1'000'000 + number);
  entry.account.holder.tax_id = "12345678909";
  entry.account.holder.name = "Maria Aparecida dos Santos " + std::to_string(number);
  entry.status = dir::EntryStatus::active;
  entry.version = 1;
  return entry;
}

// As many entries as are asked for, made when they are read.
class MadeEntries final : public dir::Reads {
 public:
  explicit MadeEntries(std::size_t count) : count_(count) {}
  Result<std::optional<dir::Entry>> live_entry(const dir::Key& key, Deadline) override {
    ++reads;
    const std::size_t number = std::stoul(key.value().substr(6));
    return number < count_ ? std::optional(entry_of(number)) : std::nullopt;
  }
  Result<std::optional<dir::Entry>> entry(const dir::EntryId&, Deadline) override {
    return std::optional<dir::Entry>{};
  }
  Result<std::optional<dir::Account>> account(const dir::AccountId&, Deadline) override {
    return std::optional<dir::Account>{};
  }
  Result<std::optional<dir::Claim>> claim(const dir::ClaimId&, Deadline) override {
    return std::optional<dir::Claim>{};
  }
  std::uint64_t reads = 0;

 private:
  const std::size_t count_;
};

void entries() {
  constexpr std::size_t count = 100'000;
  constexpr int seconds = 1'800, rate = 200;
  ManualClock clock;
  Registry metrics;
  MadeEntries store(count);
  const Secret secret("bench");
  const HmacKey hmac(secret.expose());
  auto cache =
      app::RecordCache::make({}, {.store = store, .installation_key = secret, .clock = clock, .metrics = metrics})
          .value();
  const Zipf zipf(count);
  Random random(5);
  std::uint64_t hits = 0, version = 1;
  for (int second = 0; second < seconds; ++second) {
    for (int i = 0; i < rate; ++i) {
      const dir::Entry entry = entry_of(zipf.draw(random));
      const dir::Digest hash = dir::lookup_hash_of(hmac, entry.key);
      if (cache->peek(entry.key, hash))
        ++hits;
      else
        (void)cache->get(entry.key, hash, Deadline::never());
    }
    dir::Change change;
    change.writes.push_back(dir::Put<dir::Entry>{std::nullopt, entry_of(zipf.draw(random))});
    cache->committed(++version, change);
    clock.advance(1s);
    cache->tick(false);
  }
  print("entries/hit_rate", static_cast<double>(hits) / (seconds * rate), "share", 0.70);
}

double resident_mib() {
  std::ifstream in("/proc/self/statm");
  double all = 0, resident = 0;
  in >> all >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

void million() {
  constexpr std::size_t count = 1'000'000;
  const SystemClock clock;
  Registry metrics;
  MadeEntries store(count);
  const Secret secret("bench");
  const double before = resident_mib();
  auto cache = app::RecordCache::make({.bytes_max = std::size_t{4} << 30, .times = {.entry = 1h}},
                                      {.store = store, .installation_key = secret, .clock = clock, .metrics = metrics})
                   .value();
  for (std::size_t i = 0; i < count; ++i) (void)cache->warm(entry_of(i).key, Deadline::never());
  const HmacKey hmac(secret.expose());
  std::size_t held = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const dir::Key key = entry_of(i).key;
    held += cache->peek(key, dir::lookup_hash_of(hmac, key)).has_value();
  }
  double bytes = 0;
  for (const auto& stats : cache->catalogue().stats())
    for (const auto& level : stats.levels) bytes += static_cast<double>(level.bytes);
  print("million/held", static_cast<double>(held), "keys", 1e6);
  print("million/counted", bytes / (1 << 20), "MiB", 4096);
  print("million/process", resident_mib() - before, "MiB", 4096);
}

}  // namespace
}  // namespace chaveiro::bench

int main() {
  chaveiro::bench::gateway();
  chaveiro::bench::entries();
  chaveiro::bench::million();
}
