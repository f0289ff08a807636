#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "cache/tiered_test.h"
#include "cache/write_journal.h"

namespace chaveiro::cache {
namespace {

struct TieredWrites : TieredTest {};

TEST_F(TieredWrites, reads_its_own_writes_on_every_level) {
  const auto cache = make();
  EXPECT_EQ(cache->put("k", "one", {}, soon()), Reached::everywhere);
  EXPECT_EQ(text(cache->get("k", soon())), "one");
  EXPECT_EQ(text(make()->get("k", soon())), "one");
  EXPECT_EQ(cache->put("k", "two", {}, soon()), Reached::everywhere);
  EXPECT_EQ(text(cache->get("k", soon())), "two");
  (void)l2.clear(soon());
  EXPECT_EQ(text(make()->get("k", soon())), "two");
  EXPECT_EQ(cache->invalidate("k", 0, soon()), Reached::everywhere);
  EXPECT_EQ(text(cache->get("k", soon())), "(none)");
  EXPECT_EQ(l2.size() + l3.size(), 0U);
}

TEST_F(TieredWrites, never_puts_a_lower_version_over_a_higher_one) {
  const auto cache = make();
  EXPECT_EQ(cache->put("k", "five", {.version = 5}, soon()), Reached::everywhere);
  EXPECT_EQ(cache->put("k", "four", {.version = 4}, soon()), Reached::superseded);
  EXPECT_EQ(text(cache->get("k", soon())), "five");
  const auto memory = memory_only();
  EXPECT_EQ(memory->put("k", "five", {.version = 5}, soon()), Reached::everywhere);
  EXPECT_EQ(memory->put("k", "four", {.version = 4}, soon()), Reached::superseded);
  EXPECT_EQ(text(memory->get("k", soon())), "five");
}

TEST_F(TieredWrites, does_not_keep_what_a_late_loader_brings_after_an_invalidation) {
  for (const bool far : {false, true}) {
    const auto cache = far ? make() : memory_only();
    origin.set("k", "old");
    origin.close();
    std::jthread late([&] { EXPECT_EQ(text(cache->get("k", soon())), "old"); });
    ASSERT_TRUE(origin.waits_for(1));
    origin.set("k", "new");
    (void)cache->invalidate("k", 0, soon());
    origin.open();
    late.join();
    EXPECT_EQ(text(cache->get("k", soon())), "new") << "far: " << far;
    EXPECT_EQ(far ? text(make()->get("k", soon())) : "new", "new");
  }
}

TEST_F(TieredWrites, does_not_join_a_load_that_began_before_the_invalidation) {
  const auto cache = memory_only();
  origin.set("k", "old");
  origin.close();
  std::jthread late([&] { EXPECT_EQ(text(cache->get("k", soon())), "old"); });
  ASSERT_TRUE(origin.waits_for(1));
  origin.set("k", "new");
  (void)cache->invalidate("k", 0, soon());
  std::jthread asks_afterwards([&] { EXPECT_EQ(text(cache->get("k", soon())), "new"); });
  ASSERT_TRUE(origin.waits_for(2)) << "a second load runs beside the first";
  origin.open();
  late.join();
  asks_afterwards.join();
  EXPECT_EQ(text(cache->get("k", soon())), "new");
}

TEST_F(TieredWrites, does_not_keep_what_a_late_loader_brings_after_a_put_a_tag_or_a_clear) {
  for (int how = 0; how < 3; ++how) {
    const auto cache = make();
    const Loader<std::string> loader = [&](std::string_view key, const LoadContext<std::string>& context) {
      auto loaded = origin.load(std::string(key), context);
      if (loaded) loaded->tags = {"t"};
      return loaded;
    };
    origin.set("k", "old");
    origin.close();
    std::jthread late([&] { EXPECT_EQ(text(cache->get_or_load("k", loader, soon())), "old"); });
    ASSERT_TRUE(origin.waits_for(1));
    origin.set("k", "new");
    if (how == 0) (void)cache->put("k", "new", {}, soon());
    if (how == 1) (void)cache->invalidate_tag("t", soon());
    if (how == 2) (void)cache->clear(soon());
    origin.open();
    late.join();
    EXPECT_EQ(text(cache->get("k", soon())), "new") << how;
    (void)cache->clear(soon());
  }
}

TEST_F(TieredWrites, refuses_an_older_version_from_a_loader_that_began_after_the_invalidation) {
  const auto cache = memory_only();
  origin.set("k", "old copy of a replica", 4);
  (void)cache->invalidate("k", 5, soon());
  EXPECT_EQ(text(cache->get("k", soon())), "old copy of a replica");
  EXPECT_FALSE(cache->peek("k")) << "it is answered, but not kept";
  origin.set("k", "new", 5);
  (void)cache->get("k", soon());
  EXPECT_TRUE(cache->peek("k"));
}

TEST_F(TieredWrites, invalidates_tags_and_groups_everywhere) {
  TieredOptions options;
  options.group_of = [](std::string_view key) { return std::string(key.substr(0, key.find(':'))); };
  const auto cache = make(options);
  (void)cache->put("a:1", "1", {.tags = {"x"}}, soon());
  (void)cache->put("a:2", "2", {.tags = {"y"}}, soon());
  (void)cache->put("b:1", "3", {.tags = {"x", "y"}}, soon());
  EXPECT_EQ(cache->invalidate_tag("x", soon()), Reached::everywhere);
  const auto fresh = [&](const char* key) { return text(cache->get(key, soon())); };
  EXPECT_EQ(fresh("a:1"), "(none)");
  EXPECT_EQ(fresh("a:2"), "2");
  EXPECT_EQ(fresh("b:1"), "(none)");
  EXPECT_EQ(cache->invalidate_group("a", soon()), Reached::everywhere);
  EXPECT_EQ(fresh("a:2"), "(none)");
  EXPECT_EQ(text(make(options)->get("a:2", soon())), "(none)");
}

TEST_F(TieredWrites, clears_everything_and_goes_on) {
  const auto cache = make();
  for (int i = 0; i < 100; ++i) (void)cache->put(std::to_string(i), "v", {}, soon());
  EXPECT_EQ(cache->clear(soon()), Reached::everywhere);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(text(cache->get(std::to_string(i), soon())), "(none)");
  (void)cache->put("1", "new", {}, soon());
  EXPECT_TRUE(cache->peek("1"));
}

TEST_F(TieredWrites, never_believes_what_a_level_kept_through_an_erasure_that_it_missed) {
  for (const auto fault : {MapTier::Fault::dead, MapTier::Fault::hung, MapTier::Fault::loses_answer}) {
    TieredOptions options;
    options.l2.budget = options.l3.budget = 2ms;
    options.l2.failures_max = options.l3.failures_max = 0;
    const auto cache = make(options);
    origin.set("k", "old");
    (void)cache->get("k", soon());
    origin.set("k", "new");
    l2.set_fault(fault);
    EXPECT_EQ(cache->invalidate("k", 0, soon()), Reached::owed);
    EXPECT_EQ(text(cache->get("k", soon())), "new");
    l2.set_fault(MapTier::Fault::none);
    EXPECT_TRUE(cache->settle(soon()));
    EXPECT_EQ(text(make()->get("k", soon())), "new") << "the level was told when it came back";
    (void)cache->clear(soon());
  }
}

TEST_F(TieredWrites, never_believes_what_a_level_kept_through_a_tag_or_a_clear_that_it_missed) {
  for (const bool all : {false, true}) {
    TieredOptions options;
    options.l1.enabled = false;  // so that every read would see the level
    const auto cache = make(options);
    (void)cache->put("k", "old", {.tags = {"t"}}, soon());
    l2.set_fault(MapTier::Fault::dead);
    l3.set_fault(MapTier::Fault::dead);
    EXPECT_EQ(all ? cache->clear(soon()) : cache->invalidate_tag("t", soon()), Reached::owed);
    l2.set_fault(MapTier::Fault::none);
    l3.set_fault(MapTier::Fault::none);
    EXPECT_EQ(text(cache->get("k", soon())), "(none)");
  }
}

TEST_F(TieredWrites, distrusts_the_whole_level_when_it_is_owed_too_much) {
  TieredOptions options;
  options.l2.owed_max = 3;
  options.l2.failures_max = 0;
  options.l3.enabled = options.l1.enabled = false;
  const auto cache = make(options);
  for (int i = 0; i < 10; ++i) (void)cache->put(std::to_string(i), "old", {}, soon());
  l2.set_fault(MapTier::Fault::dead);
  for (int i = 0; i < 5; ++i) (void)cache->invalidate(std::to_string(i), 0, soon());
  l2.set_fault(MapTier::Fault::none);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(text(cache->get(std::to_string(i), soon())), "(none)");
  EXPECT_TRUE(cache->settle(soon()));
  EXPECT_EQ(l2.size(), 0U);
}

TEST_F(TieredWrites, serves_while_levels_are_dead_or_hung) {
  for (const auto fault : {MapTier::Fault::dead, MapTier::Fault::hung, MapTier::Fault::loses_answer}) {
    TieredOptions options;
    options.name = "cache" + std::to_string(static_cast<int>(fault));
    options.l2.budget = options.l3.budget = 1ms;
    const auto cache = make(options);
    l2.set_fault(fault);
    l3.set_fault(fault);
    for (int i = 0; i < 50; ++i) {
      const std::string key = std::to_string(i);
      origin.set(key, "v" + key);
      EXPECT_EQ(text(cache->get(key, soon())), "v" + key);
      (void)cache->put(key, "w" + key, {}, soon());
      EXPECT_EQ(text(cache->get(key, soon())), "w" + key);
    }
    const CacheStats stats = cache->stats();
    EXPECT_TRUE(stats.levels[1].skipping);
    EXPECT_GT(stats.levels[1].skipped, 40U) << "the circuit spares the level, and us the wait";
    EXPECT_LE(stats.levels[1].errors, 10U);
    l2.set_fault(MapTier::Fault::none);
    l3.set_fault(MapTier::Fault::none);
    clock.advance(1min);
    for (int i = 0; i < 100 && !cache->settle(soon()); ++i) clock.advance(1min);
    EXPECT_EQ(cache->stats().levels[1].owed, 0U);
    (void)cache->clear(soon());
    EXPECT_EQ(text(cache->get("1", soon())), "v1");
    EXPECT_EQ(level(make()->get("1", soon())), Level::l2) << "the level takes part again";
    (void)l2.clear(soon()), (void)l3.clear(soon());
  }
}

TEST_F(TieredWrites, takes_damaged_values_as_misses_and_counts_them) {
  origin.set("k", "v");
  TieredOptions options;
  options.l3.enabled = false;
  (void)make(options)->get("k", soon());
  std::string sealed = *l2.raw("k");
  sealed[sealed.size() / 2] = static_cast<char>(sealed[sealed.size() / 2] ^ 4);
  l2.overwrite("k", sealed);
  const auto cache = make(options);
  EXPECT_EQ(level(cache->get("k", soon())), Level::origin);
  EXPECT_EQ(cache->stats().levels[1].damaged, 1U);
  EXPECT_EQ(level(make(options)->get("k", soon())), Level::l2) << "the load mended it";

  TieredOptions newer = options;
  newer.codec.schema = 2;
  EXPECT_EQ(level(make(newer)->get("k", soon())), Level::origin);
}

TEST_F(TieredWrites, keeps_values_secret_in_slower_levels) {
  TieredOptions options;
  options.codec.keys.emplace(1, Secret(std::string(32, 'k')));
  options.codec.key_id = 1;
  const auto cache = make(options);
  (void)cache->put("k", "the secret value", {}, soon());
  EXPECT_EQ(l2.raw("k")->find("secret"), std::string::npos);
  EXPECT_EQ(text(make(options)->get("k", soon())), "the secret value");
}

struct TieredSnapshots : TieredTest {
  TieredSnapshots() {
    std::string pattern = testing::TempDir() + "/cacheXXXXXX";
    folder = mkdtemp(pattern.data());
  }
  ~TieredSnapshots() override { std::filesystem::remove_all(folder); }
  std::string path() const { return folder + "/cache.snapshot"; }
  std::string folder;
};

TEST_F(TieredSnapshots, begin_warm_with_aged_values) {
  const auto before = memory_only({.ttl = 100s});
  origin.set("k", "v", 9);
  (void)before->get("k", soon());
  clock.advance(20s);
  (void)before->put("young", "y", {}, soon());
  EXPECT_EQ(before->save(path(), 4711).value(), 2U);
  clock.advance(70s);  // stopped
  const auto after = memory_only({.ttl = 100s});
  const auto restored = after->restore(path()).value();
  EXPECT_EQ(restored.taken, 2U);
  EXPECT_EQ(restored.position, 4711U);
  auto answer = after->peek("k");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->age, 90s);
  EXPECT_EQ(answer->fresh_left, 10s);
  EXPECT_EQ(answer->version, 9U);
  clock.advance(10s);
  EXPECT_FALSE(after->peek("k"));
  EXPECT_TRUE(after->peek("young"));
}

TEST_F(TieredSnapshots, bring_back_nothing_too_old_and_nothing_when_the_clock_went_back) {
  const auto before = memory_only({.ttl = 100s});
  (void)before->put("k", "v", {}, soon());
  ASSERT_TRUE(before->save(path(), 0));
  const UtcTime saved = clock.now();
  clock.set_utc(saved - 1s);
  EXPECT_EQ(memory_only()->restore(path()).value().too_old, 1U);
  clock.set_utc(saved + 100s);
  EXPECT_EQ(memory_only()->restore(path()).value().too_old, 1U);
}

TEST_F(TieredSnapshots, are_refused_when_a_bit_is_wrong_or_the_end_is_missing) {
  const auto before = memory_only();
  (void)before->put("k", "v", {}, soon());
  ASSERT_TRUE(before->save(path(), 0));
  const std::string whole = read_file(path(), 1'000'000).value();
  for (std::size_t bit = 0; bit < whole.size() * 8; bit += 131) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    ASSERT_TRUE(write_file(path(), flipped));
    const auto cache = memory_only();
    ASSERT_FALSE(cache->restore(path())) << "bit " << bit;
    ASSERT_FALSE(cache->peek("k"));
  }
  ASSERT_TRUE(write_file(path(), whole.substr(0, whole.size() - 1)));
  EXPECT_EQ(memory_only()->restore(path()).error().reason, "SnapshotDamaged");
  EXPECT_EQ(memory_only()->restore(folder + "/none").error().reason, "FileMissing");
}

TEST(WriteJournals, let_all_who_accept_at_once_wait_for_one_sync) {
  std::string folder = std::filesystem::temp_directory_path() / "journal-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  std::vector<QueuedWrite> undone;
  auto journal = WriteJournal::open(folder + "/journal", undone).value();
  const auto write = [](std::uint64_t sequence) { return QueuedWrite{.sequence = sequence, .key = "k", .bytes = "v"}; };
  std::vector<WriteJournal::Place> places;
  for (std::uint64_t i = 1; i <= 100; ++i) places.push_back(journal->append(write(i)).value());
  ASSERT_TRUE(journal->wait(places[0]));
  for (const auto place : places) ASSERT_TRUE(journal->wait(place));
  EXPECT_EQ(journal->syncs(), 1U) << "the first waited for all that stood there";
  std::vector<std::jthread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < 25; ++i) ASSERT_TRUE(journal->accept(write(1'000 * (t + 1) + i)));
    });
  }
  threads.clear();
  EXPECT_LE(journal->syncs(), 101U);
  journal.reset();
  (void)WriteJournal::open(folder + "/journal", undone).value();
  EXPECT_EQ(undone.size(), 200U);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace chaveiro::cache
