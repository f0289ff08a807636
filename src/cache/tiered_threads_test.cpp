#include <atomic>
#include <cstdlib>

#include "cache/tiered_test.h"

namespace chaveiro::cache {
namespace {

std::uint64_t seed_of_run() {
  const char* told = std::getenv("CHAVEIRO_SEED");
  const std::uint64_t seed = told != nullptr ? std::strtoull(told, nullptr, 10) : random_u64();
  std::fprintf(stderr, "seed: CHAVEIRO_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

struct TieredThreads : TieredTest {};

TEST_F(TieredThreads, make_one_load_of_a_thousand_concurrent_misses) {
  constexpr int askers = 1'000;
  const auto cache = make();
  origin.set("k", "v");
  origin.close();
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < askers; ++i) {
      threads.emplace_back([&] {
        if (text(cache->get("k", soon())) == "v") ++right;
      });
    }
    ASSERT_TRUE(origin.waits_for(1));
    origin.open();
  }
  EXPECT_EQ(right, askers);
  EXPECT_EQ(origin.loads(), 1U);
  EXPECT_EQ(l2.calls().gets, 1U) << "the slower levels were asked once as well";
}

TEST_F(TieredThreads, do_not_fail_when_the_leader_gives_up) {
  const auto cache = memory_only();
  origin.set("k", "v");
  origin.close();
  std::jthread leader([&] { EXPECT_EQ(cache->get("k", Deadline::in(20ms)).error().code, Code::deadline); });
  ASSERT_TRUE(origin.waits_for(1));
  std::vector<std::jthread> others;
  for (int i = 0; i < 8; ++i) others.emplace_back([&] { EXPECT_EQ(text(cache->get("k", soon())), "v"); });
  leader.join();
  ASSERT_TRUE(origin.waits_for(1)) << "one of the others leads now";
  origin.open();
  others.clear();
  EXPECT_EQ(origin.loads(), 2U);
}

TEST_F(TieredThreads, wait_no_longer_than_their_own_deadline) {
  const auto cache = memory_only();
  origin.close();
  std::jthread leader([&] { (void)cache->get("k", soon()); });
  ASSERT_TRUE(origin.waits_for(1));
  EXPECT_EQ(cache->get("k", Deadline::in(5ms)).error().code, Code::deadline);
  origin.open();
}

TEST_F(TieredThreads, begin_a_second_load_when_the_first_is_older_than_the_window) {
  const auto cache = memory_only({.coalescing_window = 10s});
  origin.set("k", "v");
  origin.close();
  std::jthread stuck([&] { (void)cache->get("k", soon()); });
  ASSERT_TRUE(origin.waits_for(1));
  clock.advance(11s);
  std::jthread second([&] { EXPECT_EQ(text(cache->get("k", soon())), "v"); });
  ASSERT_TRUE(origin.waits_for(2));
  origin.open();
}

// The rule that must hold for every reader: what a read answers is no older than the last write that had returned before it began.
TEST_F(TieredThreads, read_their_writes_while_levels_fail) {
  const std::uint64_t seed = seed_of_run();
  TieredOptions options;
  options.l1.bytes_max = 64U << 10;
  options.l2.budget = options.l3.budget = 1ms;
  options.l2.failures_max = options.l3.failures_max = 3;
  options.l2.pause = options.l3.pause = 1ms;
  const auto cache = make(options);
  constexpr std::size_t keys = 12;
  struct Key {
    std::atomic<std::uint64_t> in_source{0};  // what the source says now
    std::atomic<std::uint64_t> written{0};    // a write of this had returned
  };
  std::array<Key, keys> all;
  const Loader<std::string> loader = [&](std::string_view key,
                                         const LoadContext<std::string>&) -> Result<Loaded<std::string>> {
    return Loaded<std::string>::of(std::to_string(all[std::stoul(std::string(key))].in_source.load()));
  };
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> reads = 0;
  {
    std::vector<std::jthread> readers, writers;
    for (std::uint64_t r = 0; r < 3; ++r) {
      readers.emplace_back([&, r] {
        Random random(seed + r);
        while (!stop) {
          const std::size_t i = random.below(keys);
          const std::uint64_t least = all[i].written.load();
          const auto outcome = cache->get_or_load(std::to_string(i), loader, soon());
          ASSERT_TRUE(outcome && outcome->found());
          ASSERT_GE(std::stoull(*outcome->value), least)
              << "key " << i << " from " << to_string(outcome->level) << ", seed " << seed;
          ++reads;
        }
      });
    }
    for (std::uint64_t w = 0; w < 2; ++w) {
      writers.emplace_back([&, w] {  // each writes its own keys, so that the order of writes is known
        Random random(seed + 100 + w);
        for (std::uint64_t n = 1; n <= 1'500; ++n) {
          const std::size_t i = random.below(keys / 2) * 2 + w;
          all[i].in_source = n;
          const std::string key = std::to_string(i);
          switch (random.below(8)) {
            case 0:
              (void)cache->clear(soon());
              break;
            case 1:
            case 2:
            case 3:
              (void)cache->invalidate(key, 0, soon());
              break;
            default:
              (void)cache->put(key, std::to_string(n), {}, soon());
          }
          all[i].written = n;
          clock.advance(Micros{200});
          if (n % 50 == 0) {
            constexpr MapTier::Fault faults[] = {MapTier::Fault::none, MapTier::Fault::dead, MapTier::Fault::none,
                                                 MapTier::Fault::loses_answer, MapTier::Fault::hung};
            (w == 0 ? l2 : l3).set_fault(faults[random.below(5)]);
          }
        }
      });
    }
    writers.clear();
    stop = true;
  }
  EXPECT_GT(reads, 100U);
}

// Random operations by one thread against a map that knows what must be answered.
TEST_F(TieredThreads, agree_with_a_simple_model_as_time_is_moved) {
  const std::uint64_t seed = seed_of_run();
  Random random(seed);
  TieredOptions options{.ttl = 60s};
  const auto cache = make(options);
  struct Known {
    std::string value;
    SteadyTime until;
    std::set<std::string> tags;
  };
  std::map<std::string, Known> model;
  for (int step = 0; step < 20'000; ++step) {
    const std::string key = "k" + std::to_string(random.below(40));
    switch (random.below(10)) {
      case 0:
      case 1:
      case 2: {
        const Micros ttl = 1s * static_cast<int>(1 + random.below(90));
        const std::string value = std::to_string(random());
        std::vector<std::string> tags;
        for (int t = 0; t < 3; ++t)
          if (random.below(3) == 0) tags.push_back("t" + std::to_string(t));
        model[key] = {value, clock.steady() + ttl, {tags.begin(), tags.end()}};
        (void)cache->put(key, value, {.ttl = ttl, .tags = tags}, soon());
        break;
      }
      case 3:
        model.erase(key);
        (void)cache->invalidate(key, 0, soon());
        break;
      case 4:
        if (random.below(10) == 0) {
          const std::string tag = "t" + std::to_string(random.below(3));
          std::erase_if(model, [&](const auto& it) { return it.second.tags.contains(tag); });
          (void)cache->invalidate_tag(tag, soon());
        } else if (random.below(50) == 0) {
          model.clear();
          (void)cache->clear(soon());
        }
        break;
      case 5:
        clock.advance(1ms * static_cast<int>(random.below(5'000)));
        break;
      case 6:
        if (random.below(20) == 0) (void)l2.clear(soon());  // a level that forgets loses nothing
        break;
      default: {
        const auto found = model.find(key);
        const bool there = found != model.end() && found->second.until > clock.steady();
        const auto answer = cache->get_or_load(key, {}, soon());
        ASSERT_TRUE(answer);
        ASSERT_EQ(answer->found(), there) << "seed " << seed << ", step " << step << ", " << key;
        if (there) {
          ASSERT_EQ(*answer->value, found->second.value) << "seed " << seed << ", step " << step;
          ASSERT_EQ(answer->fresh_left, std::chrono::duration_cast<Micros>(found->second.until - clock.steady()));
        }
      }
    }
  }
}

}  // namespace
}  // namespace chaveiro::cache
