#include "cache/memory.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <thread>

namespace chaveiro::cache {
namespace {

using namespace std::chrono_literals;

// CHAVEIRO_SEED=n replays a run.
std::uint64_t test_seed() {
  static const std::uint64_t seed = [] {
    const char* given = std::getenv("CHAVEIRO_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  }();
  return seed;
}

struct Validated {
  explicit Validated(const auto& cache) : check([&cache] { cache.validate(); }) {}
  ~Validated() { check(); }
  std::function<void()> check;
};

std::string key_of(std::uint64_t i) { return "key-" + std::to_string(i) + std::string(i % 40, 'k'); }

TEST(Memory, answers_what_was_put_until_it_is_removed_or_replaced) {
  ManualClock clock;
  Memory<std::string, std::string> cache({}, clock);
  Validated at_end(cache);
  EXPECT_EQ(cache.get("a"), std::nullopt);
  EXPECT_EQ(cache.put("a", "1"), Stored::fresh);
  EXPECT_EQ(cache.put("a", "22"), Stored::replaced);
  EXPECT_EQ(cache.put("", ""), Stored::fresh);
  EXPECT_EQ(cache.get("a"), "22");
  EXPECT_EQ(cache.get(""), "");
  EXPECT_TRUE(cache.remove("a"));
  EXPECT_FALSE(cache.remove("a"));
  EXPECT_EQ(cache.get("a"), std::nullopt);
  EXPECT_EQ(cache.stats().entries, 1U);
}

TEST(Memory, agrees_with_a_simple_map_over_random_operations) {
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE("CHAVEIRO_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  ManualClock clock;
  Memory<std::string, std::string> cache({.bytes = 32 << 20, .jitter = 0, .shards = 2}, clock);
  Validated at_end(cache);
  struct Known {
    std::string value;
    SteadyTime until;
  };
  std::map<std::string, Known> model;
  for (int step = 0; step < 40'000; ++step) {
    const std::string key = key_of(random() % 3'000);
    const auto dice = random() % 100;
    if (dice < 50) {
      const auto known = model.find(key);
      const bool holds = known != model.end() && known->second.until > clock.steady();
      const auto got = cache.get(key);
      ASSERT_EQ(got.has_value(), holds) << "step " << step;
      if (holds) {
        ASSERT_EQ(*got, known->second.value) << "step " << step;
      }
    } else if (dice < 85) {
      const std::string value(random() % (dice == 84 ? 9'000 : 300), static_cast<char>('a' + step % 26));
      const auto ttl = 10ms * (1 + random() % 20'000);
      ASSERT_LE(cache.put(key, value, {.ttl = ttl, .pinned = dice == 83}), Stored::replaced);
      model[key] = {value, clock.steady() + ttl};
    } else if (dice < 95) {
      const auto known = model.find(key);
      ASSERT_EQ(cache.remove(key), known != model.end() && known->second.until > clock.steady()) << "step " << step;
      model.erase(key);
    } else {
      clock.advance(10ms * (random() % 200));
      cache.tick();
      if (step % 100 == 0) cache.validate();
    }
    if (random() % 10'000 == 0) cache.clear(), model.clear();
  }
  clock.advance(1h);
  for (int i = 0; i < 40; ++i) cache.tick();
  EXPECT_EQ(cache.stats().entries, 0U) << "expired memory is given back without a read";
  EXPECT_EQ(cache.stats().payload, 0U);
}

TEST(Memory, stays_below_its_bytes_whatever_the_sizes) {
  ManualClock clock;
  constexpr std::size_t bound = 2 << 20;
  Memory<std::string, std::string> cache({.bytes = bound}, clock);
  Validated at_end(cache);
  for (std::size_t length : {20, 900, 60, 3'000, 200, 20'000, 1}) {
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      cache.put(key_of(i), std::string(length, 'x'));
      ASSERT_LE(cache.stats().bytes, bound) << "values of " << length;
    }
    EXPECT_EQ(cache.get(key_of(19'999)), std::string(length, 'x'));
    EXPECT_GT(cache.stats().payload, bound / 8) << "values of " << length;
    cache.validate();
  }
  EXPECT_GT(cache.stats().evicted, 0U);
}

TEST(Memory, stays_below_its_bytes_while_its_index_grows) {
  ManualClock clock;
  constexpr std::size_t bound = 3 << 20;
  Memory<std::uint64_t, std::uint64_t> cache({.bytes = bound, .shards = 1, .seed = 11}, clock);
  Validated at_end(cache);
  std::size_t most = 0;
  for (std::uint64_t i = 0; i < 120'000; ++i) {
    cache.put(i, i);
    if (i % 8 == 0) most = std::max(most, cache.stats().bytes);
  }
  EXPECT_LE(most, bound);
  EXPECT_GT(cache.stats().payload, bound / 3);
}

TEST(Memory, throws_out_of_a_large_full_cache_no_more_than_new_keys_ask_for) {
  ManualClock clock;
  Memory<std::uint64_t, std::uint64_t> cache({.bytes = 2 << 20, .shards = 1}, clock);
  std::uint64_t next = 0;
  while (cache.stats().evicted < 1000) {
    for (int i = 0; i < 500; ++i, ++next) cache.put(next, next);
  }
  const MemoryStats full = cache.stats();
  ASSERT_GT(full.entries, 16'384U);
  const std::uint64_t last = next - 1;
  for (int i = 0; i < 20'000; ++i) cache.put(last, static_cast<std::uint64_t>(i));
  for (int i = 0; i < 20'000; ++i, ++next) cache.put(next, next), cache.remove(next);
  const MemoryStats after = cache.stats();
  EXPECT_LE(after.evicted - full.evicted, 512U);
  EXPECT_GE(after.entries + 512, full.entries);
  EXPECT_LE(after.bytes, std::size_t{2} << 20);
  cache.validate();
}

TEST(Memory, refuses_what_is_larger_than_its_biggest_value_and_forgets_the_old_one) {
  ManualClock clock;
  Memory<std::string, std::string> cache({.bytes = 1 << 20}, clock);
  Validated at_end(cache);
  cache.put("k", "old");
  EXPECT_EQ(cache.put("k", std::string(cache.value_max() + 1, 'x')), Stored::too_large);
  EXPECT_EQ(cache.get("k"), std::nullopt);
  EXPECT_EQ(cache.put(std::string(1'985, 'k'), "v"), Stored::too_large);
  EXPECT_EQ(cache.put(std::string(1'984, 'k'), "v"), Stored::fresh);
}

TEST(Memory, takes_jitter_off_the_time_to_live_and_never_adds) {
  ManualClock clock;
  Memory<std::uint64_t, std::uint64_t> cache({.ttl = 100s, .jitter = 0.5}, clock);
  Validated at_end(cache);
  for (std::uint64_t i = 0; i < 1'000; ++i) cache.put(i, i);
  const auto alive = [&] {
    int count = 0;
    for (std::uint64_t i = 0; i < 1'000; ++i) count += cache.get(i).has_value() ? 1 : 0;
    return count;
  };
  clock.advance(49s);
  cache.tick();
  EXPECT_EQ(alive(), 1'000);
  clock.advance(26s);
  cache.tick();
  EXPECT_GT(alive(), 300);
  EXPECT_LT(alive(), 700);
  clock.advance(25s);
  cache.tick();
  EXPECT_EQ(alive(), 0);
}

TEST(Memory, slides_the_deadline_of_what_is_used) {
  ManualClock clock;
  Memory<std::string, int> cache({.ttl = 10s, .jitter = 0, .sliding = true}, clock);
  Validated at_end(cache);
  cache.put("used", 1);
  cache.put("idle", 2);
  for (int i = 0; i < 5; ++i) {
    clock.advance(6s);
    cache.tick();
    EXPECT_EQ(cache.get("used"), 1) << i;
  }
  EXPECT_EQ(cache.get("idle"), std::nullopt);
}

TEST(Memory, tells_that_a_value_is_stale_before_it_goes) {
  ManualClock clock;
  Memory<std::string, std::string> cache({.ttl = 10s, .jitter = 0, .soft_ttl = 4s}, clock);
  Validated at_end(cache);
  cache.put("k", "v");
  EXPECT_FALSE(cache.read("k").stale());
  EXPECT_EQ(cache.read("k").left(), 10s);
  clock.advance(4s);
  cache.tick();
  const auto view = cache.read("k");
  EXPECT_TRUE(view.stale());
  EXPECT_EQ(*view, "v");
  EXPECT_EQ(view.left(), 6s);
}

TEST(Memory, keeps_a_viewed_value_alive_after_its_key_is_gone) {
  ManualClock clock;
  Memory<std::string, std::string> cache({.bytes = 1 << 20}, clock);
  Validated at_end(cache);
  cache.put("k", "first value");
  {
    const auto view = cache.read("k");
    cache.remove("k");
    for (std::uint64_t i = 0; i < 2'000; ++i) cache.put(key_of(i), "another");
    EXPECT_EQ(*view, "first value");
  }
  EXPECT_EQ(cache.get("k"), std::nullopt);
}

TEST(Memory, holds_values_that_only_move_and_frees_each_once) {
  ManualClock clock;
  auto alive = std::make_shared<int>();
  {
    struct Held {
      std::shared_ptr<int> count;
      std::unique_ptr<int> number;
    };
    Memory<std::uint32_t, Held> cache({.bytes = 256 << 10}, clock);
    Validated at_end(cache);
    for (std::uint32_t i = 0; i < 5'000; ++i) cache.put(i, Held{alive, std::make_unique<int>(i)});
    const auto view = cache.read(4'999);
    ASSERT_TRUE(view);
    EXPECT_EQ(*(*view).number, 4'999);
    EXPECT_LT(cache.stats().entries, 5'000U);
    EXPECT_LE(cache.stats().bytes, 256U << 10);
    cache.clear();
  }
  EXPECT_EQ(alive.use_count(), 1);
}

TEST(Memory, never_throws_pinned_entries_out_for_room) {
  ManualClock clock;
  Memory<std::string, std::string> cache({.bytes = 1 << 20}, clock);
  Validated at_end(cache);
  for (std::uint64_t i = 0; i < 100; ++i) cache.put("pin" + std::to_string(i), "held", {.ttl = 0s, .pinned = true});
  for (std::uint64_t i = 0; i < 50'000; ++i) cache.put(key_of(i), "passing");
  for (std::uint64_t i = 0; i < 100; ++i) EXPECT_EQ(cache.get("pin" + std::to_string(i)), "held");
  EXPECT_EQ(cache.put("heavy pin", "", {.pinned = true, .weight = 600'000}), Stored::too_large);
}

TEST(Memory, charges_declared_weights) {
  ManualClock clock;
  Memory<std::uint64_t, std::uint64_t> cache({.bytes = 1 << 20}, clock);
  Validated at_end(cache);
  for (std::uint64_t i = 0; i < 1'000; ++i) cache.put(i, i, {.weight = 10'000});
  EXPECT_LE(cache.stats().bytes, 1U << 20);
  EXPECT_LT(cache.stats().entries, 105U);
  EXPECT_GT(cache.stats().entries, 50U);
}

TEST(Memory, tells_the_listener_each_removal_with_its_cause) {
  ManualClock clock;
  std::map<std::string, std::pair<std::string, Cause>> told;
  Memory<std::string, std::string> cache({.ttl = 10s, .jitter = 0, .shards = 1}, clock,
                                         [&](std::string_view key, std::string_view value, Cause cause) {
                                           told[std::string(key)] = {std::string(value), cause};
                                         });
  Validated at_end(cache);
  cache.put("replaced", "1");
  cache.put("replaced", "2", {.ttl = 0s});
  cache.put("removed", "3");
  cache.remove("removed");
  cache.put("expired", "4");
  clock.advance(11s);
  cache.tick();
  EXPECT_EQ(told["replaced"], std::pair(std::string("1"), Cause::replaced));
  EXPECT_EQ(told["removed"], std::pair(std::string("3"), Cause::removed));
  EXPECT_EQ(told["expired"], std::pair(std::string("4"), Cause::expired));
  cache.clear();
  EXPECT_EQ(told["replaced"], std::pair(std::string("2"), Cause::cleared));
  cache.resize(64 << 10, 1);
  cache.put("x", "5");
  cache.put("y", "6");
  EXPECT_EQ(told["x"].second, Cause::evicted);
}

// Whether somebody is told or not, what is thrown out for room is what the room needs.
TEST(Memory, throws_out_no_more_where_a_listener_is_told) {
  ManualClock clock;
  struct Boxed {  // no copies: it lies beside its entry
    std::unique_ptr<std::string> text;
  };
  const auto fill = [&](auto& cache, auto value_of) {
    std::uint64_t most = 0, before = 0;
    for (std::uint64_t i = 0; i < 40'000; ++i) {
      cache.put(i, value_of(i));
      const std::uint64_t evicted = cache.stats().evicted;
      most = std::max(most, evicted - before);
      before = evicted;
    }
    cache.validate();
    return most;
  };
  const MemoryOptions options{.bytes = 1 << 20, .shards = 1, .seed = 9};
  std::uint64_t told = 0, wrong = 0;
  const auto text_of = [](std::uint64_t i) { return std::to_string(i) + std::string(90, 'v'); };
  Memory<std::uint64_t, std::string> plain(options, clock);
  Memory<std::uint64_t, std::string> heard(options, clock, [&](std::uint64_t key, std::string_view value, Cause) {
    ++told;
    wrong += value == text_of(key) ? 0 : 1;
  });
  const std::uint64_t most = fill(plain, text_of), most_heard = fill(heard, text_of);
  EXPECT_LE(most_heard, most + 4);
  EXPECT_GE(heard.stats().entries * 100, plain.stats().entries * 97);
  EXPECT_EQ(told, heard.stats().evicted);

  told = 0;
  const auto box_of = [&](std::uint64_t i) { return Boxed{std::make_unique<std::string>(text_of(i))}; };
  Memory<std::uint64_t, Boxed> boxes(options, clock);
  Memory<std::uint64_t, Boxed> boxes_heard(options, clock, [&](std::uint64_t key, const Boxed& value, Cause) {
    ++told;
    wrong += *value.text == text_of(key) ? 0 : 1;
  });
  const std::uint64_t most_boxes = fill(boxes, box_of), most_boxes_heard = fill(boxes_heard, box_of);
  EXPECT_LE(most_boxes_heard, most_boxes + 4);
  EXPECT_GE(boxes_heard.stats().entries * 100, boxes.stats().entries * 97);
  EXPECT_EQ(told, boxes_heard.stats().evicted);
  EXPECT_EQ(wrong, 0U);
}

TEST(Memory, waits_once_for_a_view_that_holds_everything_back_and_not_each_time) {
  ManualClock clock;
  Memory<std::uint64_t, std::string> cache({.bytes = 256 << 10, .ttl = 0s, .shards = 1}, clock);
  Validated at_end(cache);
  for (std::uint64_t i = 0; i < 5'000; ++i) cache.put(i, std::string(100, 'v'));
  std::uint64_t refused = 0;
  {
    const auto view = cache.read(4'999);
    ASSERT_TRUE(view);
    for (std::uint64_t i = 0; i < 2'000; ++i) refused += cache.put(10'000 + i, std::string(100, 'w')) == Stored::full;
    EXPECT_EQ(*view, std::string(100, 'v'));
    EXPECT_LE(cache.stats().bytes, std::size_t{256} << 10);
  }
  EXPECT_GT(refused, 0U);
  EXPECT_EQ(cache.put(1, "again"), Stored::fresh) << "the view has gone";
}

TEST(Memory, misses_everything_of_an_invalidated_tag) {
  ManualClock clock;
  Memory<std::string, int> cache({.seed = 5}, clock);
  Validated at_end(cache);
  const std::string_view both[] = {"red", "blue"}, blue[] = {"blue"};
  cache.put("a", 1, {.tags = both});
  cache.put("b", 2, {.tags = blue});
  cache.put("c", 3);
  cache.invalidate("red");
  EXPECT_EQ(cache.get("a"), std::nullopt);
  EXPECT_EQ(cache.get("b"), 2);
  EXPECT_EQ(cache.get("c"), 3);
  cache.put("a", 4, {.tags = both});
  EXPECT_EQ(cache.get("a"), 4);
}

TEST(Memory, counts_what_tags_take_within_its_bytes) {
  ManualClock clock;
  constexpr std::size_t bound = 1 << 20;
  Memory<std::uint64_t, std::string> cache({.bytes = bound, .ttl = 0s}, clock);
  Validated at_end(cache);
  const auto fill = [&] {
    for (std::uint64_t i = 0; i < 20'000; ++i) cache.put(i, std::string(100, 'v'));
  };
  fill();
  EXPECT_LE(cache.stats().bytes, bound);
  const std::string_view tag[] = {"red"};
  cache.invalidate("red");  // nobody has it: nothing is made for it
  cache.put(77, "tagged", {.tags = tag});
  EXPECT_LE(cache.stats().bytes, bound) << "the cells take their room from the entries";
  fill();
  EXPECT_LE(cache.stats().bytes, bound);
  cache.put(77, "tagged", {.tags = tag});
  cache.invalidate("red");
  EXPECT_EQ(cache.get(77), std::nullopt);
  EXPECT_LT(cache.stats().tables, std::size_t{200} << 10);
}

TEST(Memory, shrinks_and_grows_while_it_runs) {
  ManualClock clock;
  Memory<std::uint64_t, std::string> cache({.bytes = 8 << 20, .bytes_max = 64 << 20}, clock);
  Validated at_end(cache);
  const auto fill = [&] {
    for (std::uint64_t i = 0; i < 200'000; ++i) cache.put(i, "0123456789abcdef");
  };
  fill();
  const auto before = cache.stats().entries;
  cache.resize(2 << 20);
  EXPECT_LE(cache.stats().bytes, 2U << 20);
  cache.validate();
  cache.resize(16 << 20);
  fill();
  EXPECT_GT(cache.stats().entries, before);
  EXPECT_LE(cache.stats().bytes, 16U << 20);
}

TEST(Memory, says_what_more_room_would_bring) {
  ManualClock clock;
  Memory<std::uint32_t, std::uint32_t> cache({.bytes = 1 << 20, .entries = 500, .seed = 3}, clock);
  Validated at_end(cache);
  std::mt19937 random(1);
  for (int i = 0; i < 50'000; ++i) {
    const std::uint32_t key = random() % 1'500;
    if (!cache.get(key)) cache.put(key, key);
  }
  const Advice advice = cache.advise();
  EXPECT_GT(advice.hit_ratio_larger, advice.hit_ratio + 0.2);
  EXPECT_GT(advice.bytes_advised, std::size_t{1} << 20);
}

TEST(Memory, keeps_what_is_used_through_a_scan_and_part_of_a_loop) {
  ManualClock clock;
  Memory<std::uint32_t, std::uint32_t> cache({.bytes = 1 << 20, .entries = 500, .seed = 3}, clock);
  Validated at_end(cache);
  const auto ask = [&](std::uint32_t key) {
    if (cache.get(key)) return 1;
    cache.put(key, key);
    return 0;
  };
  for (int round = 0; round < 50; ++round)
    for (std::uint32_t key = 0; key < 300; ++key) ask(key);
  for (std::uint32_t key = 0; key < 20'000; ++key) {
    ask(1'000'000 + key);
    if (key % 10 == 0) ask(key / 10 % 300);
  }
  int kept = 0;
  for (std::uint32_t key = 0; key < 300; ++key) kept += cache.get(key) ? 1 : 0;
  EXPECT_GT(kept, 200) << "of 300 used once in 3,300 requests throughout a scan, where LRU has none";

  cache.clear();
  int hits = 0;
  for (int round = 0; round < 100; ++round)
    for (std::uint32_t key = 0; key < 700; ++key) hits += ask(5'000 + key);
  EXPECT_GT(hits, 100 * 350) << "a loop of 700 through 500 places, where LRU has none";
}

TEST(Memory, reads_many_at_once) {
  ManualClock clock;
  Memory<std::uint64_t, std::uint64_t> cache({}, clock);
  Validated at_end(cache);
  for (std::uint64_t i = 0; i < 100; i += 2) cache.put(i, i * 10);
  std::vector<std::uint64_t> keys(64), values(64);
  for (std::uint64_t i = 0; i < 64; ++i) keys[i] = i;
  EXPECT_EQ(cache.get_many(keys, values), 0x5555555555555555U);
  for (std::uint64_t i = 0; i < 64; i += 2) EXPECT_EQ(values[i], i * 10);
}

// Writers of a key number their values; nobody else writes it. A read must answer the last value that was complete before it
// began, or a later one that had begun before it ended; reads of one thread never go back; a removal likewise. Room is ample,
// so a miss is right only where a removal may explain it.
TEST(Memory, is_linearisable_for_each_key_under_threads) {
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE("CHAVEIRO_SEED=" + std::to_string(seed));
  ManualClock clock;
  constexpr std::uint32_t keys = 64, writers = 2, readers = 3, rounds = 15'000;
  struct Value {
    std::uint64_t version, check[6];
  };
  struct alignas(64) History {
    std::atomic<std::uint64_t> begun{0}, done{0};  // odd versions are values, even ones removals
  };
  Memory<std::uint32_t, Value> cache({.bytes = 8 << 20, .shards = 1}, clock);
  Validated at_end(cache);
  std::vector<History> history(keys);
  std::atomic<std::uint32_t> writing{writers}, wrong{0};
  std::vector<std::thread> threads;
  for (std::uint32_t w = 0; w < writers; ++w) {
    threads.emplace_back([&, w] {
      std::mt19937_64 random(seed + w);
      for (std::uint32_t i = 0; i < rounds; ++i) {
        const auto key = static_cast<std::uint32_t>(random() % (keys / writers) * writers + w);
        History& mine = history[key];
        const std::uint64_t version = mine.begun.load() + 1;
        mine.begun.store(version);
        if (version % 2 == 1) {
          Value value{version, {}};
          for (std::uint64_t& c : value.check) c = version * 31 + key;
          cache.put(key, value);
        } else if (i % 3 == 0) {
          cache.remove(key);
        } else {
          Value value{version, {}};  // replaces without a gap
          for (std::uint64_t& c : value.check) c = version * 31 + key;
          cache.put(key, value);
        }
        mine.done.store(version);
        // Others come and go, so that segments split and slots are used again.
        const auto other = static_cast<std::uint32_t>(1'000 + random() % 20'000);
        cache.put(other, Value{0, {}});
        if (i % 2 == 0) cache.remove(static_cast<std::uint32_t>(1'000 + random() % 20'000));
      }
      --writing;
    });
  }
  for (std::uint32_t r = 0; r < readers; ++r) {
    threads.emplace_back([&, r] {
      std::mt19937_64 random(seed + 100 + r);
      std::vector<std::uint64_t> seen(keys, 0);
      while (writing > 0) {
        const auto key = static_cast<std::uint32_t>(random() % keys);
        const std::uint64_t before = history[key].done.load();
        Value value;
        const bool hit = cache.get(key, value);
        const std::uint64_t after = history[key].begun.load();
        if (!hit) {
          // Some removal (an even version) must lie between, or nothing was ever there.
          const bool removal = before == 0 || before % 2 == 0 || after > before;
          if (!removal) ++wrong;
          continue;
        }
        for (const std::uint64_t c : value.check)
          if (c != value.version * 31 + key) ++wrong;
        if (value.version < before || value.version > after || value.version < seen[key]) ++wrong;
        seen[key] = value.version;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0U);
}

TEST(Memory, bears_many_threads_that_evict_each_other) {
  ManualClock clock;
  std::atomic<std::uint64_t> told{0};
  Memory<std::string, std::string> cache({.bytes = 1 << 20, .ttl = 50ms, .shards = 2}, clock,
                                         [&](std::string_view, std::string_view, Cause) { ++told; });
  Validated at_end(cache);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(test_seed() + t);
      for (int i = 0; i < 8'000; ++i) {
        const std::uint64_t number = random() % 20'000;
        const std::string key = key_of(number);
        if (const auto view = cache.read(key)) {
          if ((*view).substr(0, key.size()) != key) ++wrong;
        } else {
          cache.put(key, key + std::string(number % 500, 'v'));
        }
        if (i % 500 == 0) clock.advance(10ms), cache.tick();
        if (i % 4'000 == 3'999) cache.clear();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_GT(told.load(), 0U);
  EXPECT_LE(cache.stats().bytes, (1U << 20) + (64U << 10));
}

}  // namespace
}  // namespace chaveiro::cache
