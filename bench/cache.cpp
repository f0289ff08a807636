// bench/cache.cpp
//
// Reads, inserts and memory of cache::Memory beside others in the same run: a mutex with a list LRU, oneTBB's concurrent map with
// second-chance eviction, an unsynchronised flat map (the floor: no cache), and the programs under bench/peers where they have
// been built (`./dev bench peers`). Keys of 36 bytes, values of 64 copied out, Zipf 0.99, every read a hit, one hour to live (but for
// quick_cache, which knows no time to live, and the floor, which knows nothing); every read hashes its key, but for Caffeine, whose
// strings remember their hash.
//
//   cache [--size 32K|1M|insert] [--rounds 7] [--seconds 0.3] [--peers 2]
//
// Rounds are interleaved and the figures medians; the programs under bench/peers take part in the first `peers` rounds (0: none),
// with a million keys, which they need seconds to take in, in half of those. All in about three minutes.
#include <oneapi/tbb/concurrent_hash_map.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <deque>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "cache/memory.h"

namespace {

using namespace chaveiro::cache;
using Clock = std::chrono::steady_clock;

struct Key {
  char text[36];
  bool operator==(const Key&) const = default;
};
struct Value {
  char bytes[64];
};
struct KeyHash {
  std::size_t operator()(const Key& key) const { return hash_bytes({key.text, sizeof key.text}, HashSeed(7)); }
  static std::size_t hash(const Key& key) { return KeyHash{}(key); }
  static bool equal(const Key& a, const Key& b) { return a == b; }
};

Key key_of(std::uint64_t i) {
  Key key;
  std::memcpy(key.text, "entry:000000000000000000000000000000", 36);
  for (int at = 35; i > 0; --at, i /= 10) key.text[at] = static_cast<char>('0' + i % 10);
  return key;
}

constexpr std::size_t request_count = 1 << 20;
std::vector<Key> zipf(std::size_t keys) {
  std::mt19937_64 random(7);
  std::vector<double> sum(keys);
  double total = 0;
  for (std::size_t i = 0; i < keys; ++i) sum[i] = total += std::pow(static_cast<double>(i + 1), -0.99);
  std::vector<std::uint32_t> order(keys);
  for (std::uint32_t i = 0; i < keys; ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), random);
  std::vector<Key> requests(request_count);
  std::uniform_real_distribution<double> dice(0, total);
  for (Key& key : requests) {
    const auto at = static_cast<std::size_t>(std::lower_bound(sum.begin(), sum.end(), dice(random)) - sum.begin());
    key = key_of(order[std::min(at, keys - 1)]);
  }
  return requests;
}

// The time that deadlines are held against, as ours: a word that somebody moves on now and then.
std::atomic<std::uint32_t> coarse{1};
constexpr std::uint32_t hour = 360'000;

struct Ours {
  chaveiro::SystemClock clock;
  Memory<Key, Value> cache;
  explicit Ours(std::size_t entries)
      : cache({.bytes = entries * 128 + (1 << 18), .ttl = std::chrono::hours{1}}, clock) {}
  bool get(const Key& key, Value& out) { return cache.get(key, out); }
  void set(const Key& key, const Value& value) { cache.put(key, value); }
};

struct MutexLru {
  struct Node {
    Key key;
    Value value;
    std::uint32_t until;
  };
  std::mutex mutex;
  std::list<Node> order;
  std::unordered_map<Key, std::list<Node>::iterator, KeyHash> map;
  std::size_t capacity;
  explicit MutexLru(std::size_t entries) : capacity(entries) { map.reserve(entries); }
  bool get(const Key& key, Value& out) {
    std::scoped_lock lock(mutex);
    const auto it = map.find(key);
    if (it == map.end() || it->second->until <= coarse.load(std::memory_order_relaxed)) return false;
    order.splice(order.begin(), order, it->second);
    out = it->second->value;
    return true;
  }
  void set(const Key& key, const Value& value) {
    std::scoped_lock lock(mutex);
    const std::uint32_t until = coarse.load(std::memory_order_relaxed) + hour;
    if (const auto it = map.find(key); it != map.end()) {
      it->second->value = value;
      it->second->until = until;
      order.splice(order.begin(), order, it->second);
      return;
    }
    order.push_front({key, value, until});
    map[key] = order.begin();
    if (map.size() > capacity) {
      map.erase(order.back().key);
      order.pop_back();
    }
  }
};

struct Tbb {
  struct Held {
    Value value;
    std::uint32_t until = 0;
    mutable std::atomic<bool> used{false};
    Held() = default;
    Held(const Held& other) : value(other.value), until(other.until) {}
  };
  using Map = oneapi::tbb::concurrent_hash_map<Key, Held, KeyHash>;
  Map map;
  std::mutex mutex;
  std::deque<Key> queue;
  std::size_t capacity;
  explicit Tbb(std::size_t entries) : map(entries), capacity(entries) {}
  bool get(const Key& key, Value& out) {
    Map::const_accessor at;
    if (!map.find(at, key) || at->second.until <= coarse.load(std::memory_order_relaxed)) return false;
    out = at->second.value;
    if (!at->second.used.load(std::memory_order_relaxed)) at->second.used.store(true, std::memory_order_relaxed);
    return true;
  }
  void set(const Key& key, const Value& value) {
    bool fresh;
    {
      Map::accessor at;
      fresh = map.insert(at, key);
      at->second.value = value;
      at->second.until = coarse.load(std::memory_order_relaxed) + hour;
    }
    if (!fresh) return;
    std::scoped_lock lock(mutex);
    queue.push_back(key);
    while (queue.size() > capacity) {
      const Key oldest = queue.front();
      queue.pop_front();
      Map::accessor at;
      if (!map.find(at, oldest)) continue;
      if (at->second.used.exchange(false))
        queue.push_back(oldest);
      else
        map.erase(at);
    }
  }
};

// Reads only, by threads that take no care of each other.
struct Flat {
  struct Slot {
    Key key;
    bool used = false;
    Value value;
  };
  std::vector<Slot> slots;
  explicit Flat(std::size_t entries) : slots(std::bit_ceil(entries * 2)) {}
  Slot& at(const Key& key) {
    std::size_t i = KeyHash{}(key) & (slots.size() - 1);
    while (slots[i].used && !(slots[i].key == key)) i = (i + 1) & (slots.size() - 1);
    return slots[i];
  }
  bool get(const Key& key, Value& out) {
    const Slot& slot = at(key);
    out = slot.value;
    return slot.used;
  }
  void set(const Key& key, const Value& value) { at(key) = {key, true, value}; }
};

// What was read counts as used, and nothing is written that threads share.
void use(char read) { asm volatile("" : : "r"(read)); }

template <class Step>
double run(int threads, double seconds, bool writer, Step step, auto write) {
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> total{0};
  std::vector<std::thread> all;
  const auto begin = Clock::now();
  for (int w = 0; w < threads; ++w) {
    all.emplace_back([&, w] {
      std::uint64_t done = 0;
      for (std::size_t at = static_cast<std::size_t>(w) * request_count / 2; !stop.load(std::memory_order_relaxed);
           at += 64)
        done += step(at);
      total += done;
    });
  }
  if (writer)
    all.emplace_back([&] {
      for (std::size_t i = 0; !stop.load(std::memory_order_relaxed); ++i) write(i);
    });
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  const double took = std::chrono::duration<double>(Clock::now() - begin).count();
  for (std::thread& thread : all) thread.join();
  return static_cast<double>(total.load()) / took / 1e6;
}

std::atomic<std::uint64_t> missed{0};

template <class Cache>
double gets(Cache& cache, const std::vector<Key>& requests, int threads, double seconds, bool writer) {
  return run(
      threads, seconds, writer,
      [&](std::size_t at) {
        Value value{};
        std::uint64_t none = 0;
        char sum = 0;
        for (std::size_t k = 0; k < 64; ++k) {
          none += cache.get(requests[(at + k) % request_count], value) ? 0 : 1;
          sum = static_cast<char>(sum + value.bytes[k]);
        }
        use(sum);
        if (none > 0) missed += none;
        return std::uint64_t{64};
      },
      [&](std::size_t i) { cache.set(requests[i * 7 % request_count], Value{{2}}); });
}

double many(Ours& ours, const std::vector<Key>& requests, int threads, double seconds) {
  return run(
      threads, seconds, false,
      [&](std::size_t at) {
        std::array<Value, 16> values;
        for (std::size_t k = 0; k < 64; k += 16) {
          const std::size_t from = (at + k) % request_count;
          if (ours.cache.get_many({&requests[from], 16}, values) != 0xFFFF) ++missed;
          use(values[k / 4].bytes[1]);
        }
        return std::uint64_t{64};
      },
      [](std::size_t) {});
}

template <class Cache>
double inserts(Cache& cache, std::uint64_t& next, double seconds) {
  const auto begin = Clock::now();
  std::uint64_t done = 0;
  double took = 0;
  for (; took < seconds; took = std::chrono::duration<double>(Clock::now() - begin).count()) {
    for (int i = 0; i < 256; ++i) cache.set(key_of(next++), Value{{1}});
    done += 256;
  }
  return static_cast<double>(done) / took / 1e6;
}

// p99.9 of one read, nanoseconds, while another thread writes; the clock's own cost is in it.
double slow_read(Ours& ours, const std::vector<Key>& requests, double seconds) {
  std::vector<std::uint32_t> took;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (std::size_t i = 0; !stop; ++i) ours.set(requests[i * 7 % request_count], Value{{2}});
  });
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  Value value;
  for (std::size_t i = 0;; ++i) {
    const auto begin = Clock::now();
    if (begin > end) break;
    ours.get(requests[i % request_count], value);
    took.push_back(static_cast<std::uint32_t>((Clock::now() - begin).count()));
  }
  stop = true;
  writer.join();
  std::nth_element(took.begin(), took.begin() + static_cast<std::ptrdiff_t>(took.size() * 999 / 1000), took.end());
  return took[took.size() * 999 / 1000];
}

struct Peer {
  std::string name, command;
};
std::vector<Peer> peers() {
  namespace fs = std::filesystem;
  fs::path folder = ".cache/peers";
  std::vector<Peer> found;
  if (fs::exists(folder / "go"))
    for (const char* name : {"otter", "ristretto"}) found.push_back({name, (folder / "go").string() + " " + name});
  if (fs::exists(folder / "rust"))
    for (const char* name : {"quick_cache", "moka"}) found.push_back({name, (folder / "rust").string() + " " + name});
  if (fs::exists(folder / "java"))
    found.push_back({"caffeine", "java -cp '" + (folder / "java/classes").string() + ":" +
                                     (folder / "java/lib").string() + "/*' Peer caffeine"});
  return found;
}
double ask(const Peer& peer, const std::string& what) {
  FILE* out = popen((peer.command + " " + what + " 2>/dev/null").c_str(), "r");
  double value = 0;
  if (out == nullptr || std::fscanf(out, "%lf", &value) != 1) value = 0;
  if (out != nullptr) pclose(out);
  return value;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

using Rounds = std::map<std::string, std::vector<double>>;

void say(const std::string& name, const char* unit, const Rounds& rounds, double goal, bool less_is_better = false) {
  std::string best;
  double best_value = 0;
  for (const auto& [who, values] : rounds) {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    std::fprintf(stderr, "  %-18s %-14s %9.2f  (%.2f – %.2f) %s\n", name.c_str(), who.c_str(), median(values), *low,
                 *high, unit);
    if (who == "ours" || who == "flat floor") continue;
    if (median(values) > best_value) best = who, best_value = median(values);
  }
  const double ours = median(rounds.at("ours"));
  const double ratio = best_value == 0 ? 0 : less_is_better ? best_value / ours : ours / best_value;
  std::fprintf(stderr, "  %-18s ratio to %s %.2f, goal %.2f\n", name.c_str(), best.c_str(), ratio, goal);
  std::printf(
      "{\"bench\":\"cache\",\"case\":\"%s\",\"value\":%.3f,\"unit\":\"%s\",\"peer\":\"%s\",\"peer_value\":%.3f,"
      "\"ratio\":%.3f}\n",
      name.c_str(), ours, unit, best.c_str(), best_value, ratio);
  std::fflush(stdout);
}

template <class Cache>
void fill(Cache& cache, std::size_t keys) {
  for (std::size_t i = 0; i < keys; ++i) cache.set(key_of(i), Value{{1}});
}

struct Settings {
  std::string size;  // empty: both
  int rounds = 7, peers = 2;
  double seconds = 0.3;
};

void reads(const char* label, std::size_t keys, const Settings& settings, const std::vector<Peer>& others) {
  const std::vector<Key> requests = zipf(keys);
  const double seconds = settings.seconds;
  const bool small = keys < 100'000;
  Rounds one, two, mixed, sixteen;
  auto ours = std::make_unique<Ours>(keys * 5 / 4);
  auto lru = std::make_unique<MutexLru>(keys * 5 / 4);
  auto tbb = std::make_unique<Tbb>(keys * 5 / 4);
  auto flat = std::make_unique<Flat>(keys);
  fill(*ours, keys), fill(*lru, keys), fill(*tbb, keys), fill(*flat, keys);
  const MemoryStats stats = ours->cache.stats();
  const std::string size = std::to_string(keys), time = std::to_string(seconds);
  for (int round = 0; round < settings.rounds; ++round) {
    const auto each = [&](const char* who, auto& cache) {
      one[who].push_back(gets(cache, requests, 1, seconds, false));
      two[who].push_back(gets(cache, requests, 2, seconds, false));
    };
    each("ours", *ours);
    each("mutex+LRU", *lru);
    each("oneTBB", *tbb);
    each("flat floor", *flat);
    mixed["ours"].push_back(gets(*ours, requests, 1, seconds, true));
    mixed["mutex+LRU"].push_back(gets(*lru, requests, 1, seconds, true));
    mixed["oneTBB"].push_back(gets(*tbb, requests, 1, seconds, true));
    sixteen["ours"].push_back(many(*ours, requests, 2, seconds));
    sixteen["own single gets"].push_back(two["ours"].back());
    if (round >= (small ? settings.peers : (settings.peers + 1) / 2)) continue;
    for (const Peer& peer : others) {
      one[peer.name].push_back(ask(peer, "get " + size + " 1 " + time));
      two[peer.name].push_back(ask(peer, "get " + size + " 2 " + time));
      mixed[peer.name].push_back(ask(peer, "mixed " + size + " 1 " + time));
    }
  }
  if (missed > 0) std::fprintf(stderr, "  %lu reads missed\n", static_cast<unsigned long>(missed.exchange(0)));
  say(std::string("get/") + label + "/1", "M/s", one, small ? 1.4 : 2.2);
  say(std::string("get/") + label + "/2", "M/s", two, small ? 2.4 : 3);
  say(std::string("mixed/") + label + "/1r1w", "M/s", mixed, 2);
  say(std::string("multiget16/") + label + "/2", "M/s", sixteen, 1.6);
  const std::string of_small = small ? "/32K" : "";
  std::vector<double> slow;
  for (int round = 0; round < settings.rounds; ++round) slow.push_back(slow_read(*ours, requests, seconds));
  say("get_p999_beside_writer" + of_small, "ns", {{"ours", slow}, {"bound", {2000}}}, 1, true);
  const double metadata = static_cast<double>(stats.bytes - stats.payload) / static_cast<double>(stats.entries);
  say("metadata_bytes" + of_small, "B", {{"ours", {metadata}}, {"bound", {24}}}, 1, true);
}

void inserts_with_eviction(std::size_t keys, const Settings& settings, const std::vector<Peer>& others) {
  Rounds insert;
  const auto ours = std::make_unique<Ours>(keys);
  fill(*ours, keys * 5 / 4);
  const auto lru = std::make_unique<MutexLru>(keys);
  fill(*lru, keys);
  std::uint64_t next[2] = {2 * keys, 2 * keys};
  for (int round = 0; round < settings.rounds; ++round) {
    insert["ours"].push_back(inserts(*ours, next[0], settings.seconds));
    insert["mutex+LRU"].push_back(inserts(*lru, next[1], settings.seconds));
    if (round >= settings.peers) continue;
    for (const Peer& peer : others)
      if (peer.name == "quick_cache" || peer.name == "moka")
        insert[peer.name].push_back(
            ask(peer, "insert " + std::to_string(keys) + " 1 " + std::to_string(settings.seconds)));
  }
  say("insert/evict", "M/s", insert, 1.5);
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--size") settings.size = argv[i + 1];
    if (name == "--rounds") settings.rounds = std::max(1, std::atoi(argv[i + 1]));
    if (name == "--seconds") settings.seconds = std::atof(argv[i + 1]);
    if (name == "--peers") settings.peers = std::atoi(argv[i + 1]);
  }
  const std::vector<Peer> others = peers();
  if (others.empty()) std::fprintf(stderr, "no outside peers: ./dev bench peers builds them\n");
  if (settings.size.empty() || settings.size == "32K") reads("32K", 32'768, settings, others);
  if (settings.size.empty() || settings.size == "1M") reads("1M", 1'048'576, settings, others);
  if (settings.size.empty() || settings.size == "insert") inserts_with_eviction(1'048'576, settings, others);
}
