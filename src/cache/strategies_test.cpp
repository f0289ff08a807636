#include "cache/strategies.h"

#include <cstdlib>
#include <filesystem>

#include "cache/tiered_test.h"
#include "cache/write_behind.h"

namespace chaveiro::cache {
namespace {

// A store with versions that fails on command.
class Shelf final : public Source<std::string> {
 public:
  Result<Loaded<std::string>> load(std::string_view key, const LoadContext<std::string>&) override {
    return state_.with([&](State& it) -> Result<Loaded<std::string>> {
      ++it.loads;
      const auto found = it.values.find(std::string(key));
      if (found == it.values.end()) return Loaded<std::string>::nothing();
      auto loaded = Loaded<std::string>::of(found->second);
      loaded.version = it.versioned ? it.version : 0;
      return loaded;
    });
  }
  Result<std::uint64_t> store(std::string_view key, const std::string& value, Deadline) override {
    return change(
        [&](State& it) { it.values[std::string(key)] = value, it.order.push_back(std::string(key) + "=" + value); });
  }
  Result<std::uint64_t> remove(std::string_view key, Deadline) override {
    return change(
        [&](State& it) { it.values.erase(std::string(key)), it.order.push_back(std::string(key) + " gone"); });
  }

  struct State {
    std::map<std::string, std::string> values;
    std::vector<std::string> order;
    std::uint64_t version = 0, loads = 0, tries = 0;
    bool versioned = true;
    std::optional<Error> failure;
    bool lose_answer = false;
  };
  Guarded<State> state_;

 private:
  Result<std::uint64_t> change(const std::function<void(State&)>& apply) {
    return state_.with([&](State& it) -> Result<std::uint64_t> {
      ++it.tries;
      if (it.failure) return *it.failure;
      apply(it);
      ++it.version;
      if (it.lose_answer) return fail(Code::maybe_applied, "AnswerLost", "the store's answer was lost");
      return it.versioned ? it.version : 0;
    });
  }
};

std::shared_ptr<const std::string> text_of(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

struct Strategies : TieredTest {
  Shelf shelf;
  Cached cache = make();
  std::string stored(const std::string& key) {
    return shelf.state_.with([&](Shelf::State& it) { return it.values.contains(key) ? it.values[key] : "(none)"; });
  }
  std::uint64_t loads() { return shelf.state_.lock()->loads; }
};

TEST_F(Strategies, cache_aside_loads_on_a_miss_and_forgets_on_a_change) {
  CacheAside<std::string> aside(*cache);
  origin.set("k", "one", 1);
  EXPECT_EQ(text(aside.get_or_load("k", origin.loader(), soon())), "one");
  origin.set("k", "two", 2);
  EXPECT_EQ(aside.changed("k", 2, soon()), Reached::everywhere);
  EXPECT_EQ(text(aside.get_or_load("k", origin.loader(), soon())), "two");
  EXPECT_EQ(origin.loads(), 2U);
}

TEST_F(Strategies, read_through_asks_the_source_by_itself) {
  ReadThrough<std::string> through(*cache, shelf);
  shelf.state_.lock()->values["k"] = "v";
  EXPECT_EQ(level(through.get("k", soon())), Level::origin);
  EXPECT_EQ(level(through.get("k", soon())), Level::l1);
  EXPECT_EQ(loads(), 1U);
}

TEST_F(Strategies, write_through_changes_the_store_and_whoever_reads_next_hits) {
  WriteThrough<std::string> through(*cache, shelf);
  EXPECT_EQ(through.put("k", text_of("v"), {}, soon()).value(), Reached::everywhere);
  EXPECT_EQ(stored("k"), "v");
  EXPECT_EQ(level(through.get("k", soon())), Level::l1);
  EXPECT_EQ(through.get("k", soon())->version, 1U);
  EXPECT_TRUE(through.remove("k", soon()));
  EXPECT_EQ(stored("k"), "(none)");
  EXPECT_EQ(text(through.get("k", soon())), "(none)");
  EXPECT_EQ(loads(), 1U);
}

TEST_F(Strategies, write_through_keeps_the_old_value_when_the_store_refuses_and_forgets_when_it_does_not_know) {
  WriteThrough<std::string> through(*cache, shelf);
  ASSERT_TRUE(through.put("k", text_of("old"), {}, soon()));
  shelf.state_.lock()->failure = fail(Code::conflict, "Conflict", "no");
  EXPECT_EQ(through.put("k", text_of("new"), {}, soon()).error().reason, "Conflict");
  EXPECT_EQ(text(through.get("k", soon())), "old");

  shelf.state_.lock()->failure.reset();
  shelf.state_.lock()->lose_answer = true;
  EXPECT_EQ(through.put("k", text_of("new"), {}, soon()).error().code, Code::maybe_applied);
  EXPECT_EQ(text(through.get("k", soon())), "new") << "asked at the store again, which had it";
}

TEST_F(Strategies, write_through_leaves_cache_and_store_equal_after_a_race) {
  for (const bool versioned : {true, false}) {
    shelf.state_.lock()->versioned = versioned;
    WriteThrough<std::string> through(*cache, shelf);
    std::vector<std::jthread> writers;
    for (int w = 0; w < 4; ++w) {
      writers.emplace_back([&, w] {
        for (int i = 0; i < 200; ++i)
          ASSERT_TRUE(through.put("k", text_of(std::to_string(w) + "." + std::to_string(i)), {}, soon()));
      });
    }
    writers.clear();
    EXPECT_EQ(text(through.get("k", soon())), stored("k"));
    EXPECT_EQ(text(make()->get("k", soon())), stored("k"));
    (void)cache->clear(soon());
  }
}

TEST_F(Strategies, write_around_changes_the_store_and_only_forgets) {
  WriteAround<std::string> around(*cache, shelf);
  EXPECT_TRUE(around.put("k", "one", soon()));
  EXPECT_EQ(loads(), 0U);
  EXPECT_FALSE(cache->peek("k"));
  EXPECT_EQ(text(around.get("k", soon())), "one");
  EXPECT_TRUE(around.put("k", "two", soon()));
  EXPECT_EQ(text(around.get("k", soon())), "two");
  EXPECT_TRUE(around.remove("k", soon()));
  EXPECT_EQ(text(around.get("k", soon())), "(none)");
}

struct WriteBehindTest : Strategies {
  WriteBehindTest() {
    std::string pattern = testing::TempDir() + "/queueXXXXXX";
    folder = mkdtemp(pattern.data());
  }
  ~WriteBehindTest() override { std::filesystem::remove_all(folder); }
  std::unique_ptr<WriteBehind<std::string>> behind(WriteQueueOptions options = {}) {
    options.workers = workers;
    return WriteBehind<std::string>::open(std::move(options), *cache, shelf, {}, clock, {}, metrics).value();
  }
  void put(WriteBehind<std::string>& it, const std::string& key, const std::string& value) {
    ASSERT_TRUE(it.put(key, text_of(value), {}, soon()));
  }
  std::string folder;
  std::size_t workers = 0;
};

TEST_F(WriteBehindTest, answers_what_was_written_before_the_store_has_it) {
  const auto it = behind();
  put(*it, "k", "v");
  EXPECT_EQ(stored("k"), "(none)");
  EXPECT_EQ(text(it->get("k", soon())), "v");
  (void)cache->clear(soon());
  EXPECT_EQ(text(it->get("k", soon())), "v") << "also when the cache has thrown it out";
  EXPECT_TRUE(it->queue().run_once());
  EXPECT_EQ(stored("k"), "v");
  EXPECT_FALSE(it->queue().run_once());
  ASSERT_TRUE(it->remove("k", soon()));
  EXPECT_EQ(text(it->get("k", soon())), "(none)");
  EXPECT_EQ(it->queue().flush(soon()).waiting, 0U);
  EXPECT_EQ(stored("k"), "(none)");
}

TEST_F(WriteBehindTest, writes_only_the_newest_of_each_key_in_the_order_of_acceptance) {
  const auto it = behind();
  put(*it, "a", "1"), put(*it, "b", "1"), put(*it, "a", "2"), put(*it, "c", "1"), put(*it, "a", "3");
  while (it->queue().run_once()) {}
  EXPECT_EQ(shelf.state_.lock()->order.size(), 3U);
  EXPECT_EQ(stored("a"), "3");
}

TEST_F(WriteBehindTest, tries_again_with_growing_pauses) {
  const auto it = behind({.tries_max = 0, .pause = 1s, .pause_max = 4s});
  shelf.state_.lock()->failure = outage();
  put(*it, "k", "v");
  std::vector<int> at;
  for (int second = 0; second < 20; ++second) {
    if (it->queue().run_once()) at.push_back(second);
    clock.advance(1s);
  }
  EXPECT_EQ(at, (std::vector<int>{0, 1, 3, 7, 11, 15, 19}));
  shelf.state_.lock()->failure.reset();
  clock.advance(10s);
  EXPECT_TRUE(it->queue().run_once());
  EXPECT_EQ(stored("k"), "v");
}

TEST_F(WriteBehindTest, keeps_dead_letters_until_somebody_decides) {
  const auto it = behind({.tries_max = 2, .pause = 1s});
  shelf.state_.lock()->failure = outage();
  put(*it, "a", "1"), put(*it, "b", "1");
  for (int i = 0; i < 10; ++i) (void)it->queue().run_once(), clock.advance(1s);
  ASSERT_EQ(it->queue().dead_letters().size(), 2U);
  EXPECT_EQ(it->queue().dead_letters()[0].error.reason, "SourceDown");
  shelf.state_.lock()->failure.reset();
  EXPECT_TRUE(it->queue().replay("a"));
  EXPECT_FALSE(it->queue().replay("a"));
  EXPECT_TRUE(it->queue().run_once());
  EXPECT_EQ(stored("a"), "1");
  EXPECT_TRUE(it->queue().discard("b"));
  EXPECT_EQ(it->queue().dead_letters().size(), 0U);
}

TEST_F(WriteBehindTest, does_not_try_again_what_the_store_refuses_for_good) {
  const auto it = behind();
  shelf.state_.lock()->failure = fail(Code::invalid, "Bad", "no");
  put(*it, "k", "v");
  EXPECT_TRUE(it->queue().run_once());
  EXPECT_EQ(it->queue().dead_letters().size(), 1U);
  EXPECT_EQ(shelf.state_.lock()->tries, 1U);
}

TEST_F(WriteBehindTest, refuses_new_keys_when_full_and_loses_nothing) {
  const auto it = behind({.queue_max = 2, .tries_max = 1, .dead_max = 1});
  shelf.state_.lock()->failure = outage();
  put(*it, "a", "1"), put(*it, "b", "1"), put(*it, "a", "2");
  const auto refused = it->put("c", text_of("1"), {}, soon());
  EXPECT_EQ(refused.error().reason, "WriteQueueFull");
  EXPECT_TRUE(refused.error().retry_after);
  EXPECT_FALSE(cache->peek("c")) << "a write that was not accepted is not answered";
  for (int i = 0; i < 5; ++i) (void)it->queue().run_once(), clock.advance(1min);
  EXPECT_EQ(it->queue().dead_letters().size(), 1U);
  EXPECT_EQ(it->queue().waiting(), 1U) << "the other stays, since there is no place for its letter";
}

TEST_F(WriteBehindTest, flushes_on_stop_and_names_what_is_left) {
  workers = 2;
  const auto it = behind();
  for (int i = 0; i < 100; ++i) put(*it, "k" + std::to_string(i), "v");
  EXPECT_EQ(it->queue().stop(soon()).waiting, 0U);
  EXPECT_EQ(shelf.state_.lock()->values.size(), 100U);
  EXPECT_EQ(it->put("late", text_of("v"), {}, soon()).error().reason, "WriteQueueStopped");

  workers = 0;
  const auto stuck = behind({.tries_max = 0});
  shelf.state_.lock()->failure = outage();
  put(*stuck, "k", "w");
  const auto left = stuck->queue().stop(Deadline::in(5ms));
  EXPECT_EQ(left.waiting, 1U);
  EXPECT_EQ(left.keys, std::vector<std::string>{"k"});
  EXPECT_EQ(stuck->queue().durability(), WriteQueue::Durability::memory_only);
}

TEST_F(WriteBehindTest, writes_after_a_restart_what_a_killed_process_had_accepted) {
  const WriteQueueOptions options{.tries_max = 1, .journal = folder + "/journal"};
  {
    const auto it = behind(options);
    EXPECT_EQ(it->queue().durability(), WriteQueue::Durability::journal);
    put(*it, "done", "1");
    EXPECT_TRUE(it->queue().run_once());
    put(*it, "a", "1"), put(*it, "b", "1"), put(*it, "a", "2");
    ASSERT_TRUE(it->remove("c", soon()));
    shelf.state_.lock()->failure = outage();
    put(*it, "dead", "1");
    while (it->queue().dead_letters().empty() && it->queue().run_once()) clock.advance(1s);
  }  // killed: nothing was flushed
  shelf.state_.lock()->failure.reset();
  {
    // A crash tore the last record.
    File file = File::open(options.journal, File::Open::append).value();
    ASSERT_TRUE(file.append("\x40\x00\x00\x00torn"));
  }
  const auto again = behind(options);
  while (again->queue().run_once()) {}
  EXPECT_EQ(stored("a"), "2");
  EXPECT_EQ(stored("b"), "1");
  EXPECT_EQ(stored("dead"), "1") << "dead letters wait anew";
  const auto order = shelf.state_.lock()->order;
  EXPECT_EQ(std::count(order.begin(), order.end(), "done=1"), 1);
  EXPECT_EQ(std::count(order.begin(), order.end(), "a=1"), 0);
  const auto third = behind(options);
  EXPECT_EQ(third->queue().waiting(), 0U);
}

TEST_F(WriteBehindTest, keeps_each_keys_order_under_many_writers_and_workers) {
  workers = 3;
  const auto it = behind();
  {
    std::vector<std::jthread> writers;
    for (int w = 0; w < 4; ++w) {
      writers.emplace_back([&, w] {
        for (int i = 0; i < 300; ++i) put(*it, "k" + std::to_string(w), std::to_string(i));
      });
    }
  }
  EXPECT_EQ(it->queue().stop(soon()).waiting, 0U);
  std::map<std::string, int> last;
  const auto shelved = shelf.state_.lock();
  for (const std::string& line : shelved->order) {
    const std::string key = line.substr(0, line.find('='));
    const int value = std::stoi(line.substr(line.find('=') + 1));
    EXPECT_TRUE(!last.contains(key) || value > last[key]) << line;
    last[key] = value;
  }
  for (const auto& [key, value] : last) EXPECT_EQ(value, 299);
}

}  // namespace
}  // namespace chaveiro::cache
