#include "cache/tiered_test.h"

namespace chaveiro::cache {
namespace {

struct TieredReads : TieredTest {};

TEST_F(TieredReads, says_which_level_gave_the_answer) {
  origin.set("k", "v");
  const auto cache = make();
  EXPECT_EQ(level(cache->get("k", soon())), Level::origin);
  EXPECT_EQ(level(cache->get("k", soon())), Level::l1);

  const auto second = make();  // another process: its memory is empty
  EXPECT_EQ(level(second->get("k", soon())), Level::l2);
  EXPECT_EQ(level(second->get("k", soon())), Level::l1);

  (void)l2.clear(soon());
  EXPECT_EQ(level(make()->get("k", soon())), Level::l3);
  EXPECT_EQ(level(make()->get("k", soon())), Level::l2) << "the third level's value was taken into the second";
  EXPECT_EQ(origin.loads(), 1U);
}

TEST_F(TieredReads, promotes_with_the_time_that_is_left) {
  origin.set("k", "v");
  const TieredOptions options{.ttl = 100s};
  (void)make(options)->get("k", soon());
  (void)l2.clear(soon());
  clock.advance(60s);
  const auto cache = make(options);
  auto answer = cache->get("k", soon());
  EXPECT_EQ(level(answer), Level::l3);
  EXPECT_EQ(answer->age, 60s);
  EXPECT_EQ(answer->fresh_left, 40s);
  clock.advance(39s);
  EXPECT_EQ(level(cache->get("k", soon())), Level::l1);
  EXPECT_EQ(level(make(options)->get("k", soon())), Level::l2);
  clock.advance(1s);
  EXPECT_EQ(level(cache->get("k", soon())), Level::origin);
  EXPECT_EQ(origin.loads(), 2U);
}

TEST_F(TieredReads, is_not_misled_by_a_wrong_wall_clock) {
  origin.set("k", "v");
  (void)make({.ttl = 100s})->get("k", soon());
  clock.set_utc(UtcTime{} + std::chrono::hours(24 * 365 * 90));
  EXPECT_EQ(make({.ttl = 100s})->get("k", soon())->fresh_left, 100s);
}

TEST_F(TieredReads, keeps_each_level_to_its_own_longest_time) {
  origin.set("k", "v");
  TieredOptions options{.ttl = 1h};
  options.l1.ttl_max = 1min;
  options.l2.ttl_max = 10min;
  const auto cache = make(options);
  (void)cache->get("k", soon());
  clock.advance(61s);
  EXPECT_EQ(level(cache->get("k", soon())), Level::l2);
  clock.advance(10min);
  EXPECT_EQ(level(cache->get("k", soon())), Level::l3);
  EXPECT_EQ(origin.loads(), 1U);
}

TEST_F(TieredReads, works_with_any_level_switched_off) {
  for (int off = 0; off < 8; ++off) {
    origin.set("k", "v");
    (void)l2.clear(soon()), (void)l3.clear(soon());
    TieredOptions options;
    options.l1.enabled = (off & 1) == 0;
    options.l2.enabled = (off & 2) == 0;
    options.l3.enabled = (off & 4) == 0;
    const auto cache = make(options);
    EXPECT_EQ(level(cache->get("k", soon())), Level::origin);
    const Level expected = (off & 1) == 0   ? Level::l1
                           : (off & 2) == 0 ? Level::l2
                           : (off & 4) == 0 ? Level::l3
                                            : Level::origin;
    EXPECT_EQ(level(cache->get("k", soon())), expected) << "off: " << off;
    EXPECT_EQ(cache->invalidate("k", 0, soon()), Reached::everywhere);
    EXPECT_EQ(level(cache->get("k", soon())), Level::origin) << "off: " << off;
  }
}

TEST_F(TieredReads, peeks_into_memory_only) {
  origin.set("k", "v");
  const auto cache = make();
  EXPECT_FALSE(cache->peek("k"));
  EXPECT_EQ(origin.loads(), 0U);
  (void)cache->get("k", soon());
  ASSERT_TRUE(cache->peek("k"));
  EXPECT_EQ(*cache->peek("k")->value, "v");
  std::string seen;
  EXPECT_TRUE(cache->peek_with("k", [&](const std::string* value) { seen = *value; }));
  EXPECT_EQ(seen, "v");
  EXPECT_FALSE(cache->peek_with("other", [](const std::string*) {}));
}

TEST_F(TieredReads, packed_values_are_read_where_they_lie) {
  const Packing<std::string> packing{
      .pack = [](const std::string& value, std::string& out) { out += value; },
      .unpack = [](std::string_view bytes) { return std::make_shared<const std::string>(bytes); }};
  const auto cache = Cache::make({.negative_ttl = 10s},
                                 {.clock = clock, .metrics = metrics, .packing = packing, .loader = origin.loader()})
                         .value();
  std::string seen;
  const auto peek = [&](std::string_view key) {
    return cache->peek_packed(key, [&](std::string_view bytes) { seen = bytes; });
  };
  EXPECT_FALSE(peek("k"));
  (void)cache->put("k", "value", {.ttl = 1min, .tags = {"t", "u"}, .etag = "e"}, soon());
  ASSERT_TRUE(peek("k"));
  EXPECT_EQ(seen, "value");
  (void)cache->invalidate_tag("u", soon());
  EXPECT_FALSE(peek("k"));
  (void)cache->put("k", "", {.ttl = 1min}, soon());
  ASSERT_TRUE(peek("k"));
  EXPECT_EQ(seen, "");
  clock.advance(1min);
  EXPECT_FALSE(peek("k"));
  EXPECT_TRUE(cache->get("missing", soon())->known());
  EXPECT_FALSE(peek("missing")) << "known that there is none";
  const auto refused = Cache::make({.failure_ttl = 1s}, {.clock = clock, .metrics = metrics, .packing = packing});
  EXPECT_EQ(refused.error().violations.at(0).field, "failure_ttl");
}

TEST_F(TieredReads, caches_nothing_unless_negative_ttl_says_so) {
  const auto plain = memory_only();
  EXPECT_EQ(text(plain->get("k", soon())), "(none)");
  EXPECT_EQ(text(plain->get("k", soon())), "(none)");
  EXPECT_EQ(origin.loads(), 2U);

  const auto cache = make({.negative_ttl = 10s});
  EXPECT_TRUE(cache->get("k", soon())->known());
  EXPECT_EQ(level(cache->get("k", soon())), Level::l1);
  EXPECT_EQ(level(make()->get("k", soon())), Level::l2) << "the other levels hold it too";
  EXPECT_EQ(origin.loads(), 3U);
  clock.advance(10s);
  origin.set("k", "now there");
  EXPECT_EQ(text(cache->get("k", soon())), "now there");
}

TEST_F(TieredReads, shares_a_failure_once_and_keeps_it_only_if_told) {
  origin.set_failure(outage());
  const auto plain = memory_only();
  EXPECT_EQ(text(plain->get("k", soon())), "error SourceDown");
  EXPECT_EQ(text(plain->get("k", soon())), "error SourceDown");
  EXPECT_EQ(origin.loads(), 2U);

  const auto cache = memory_only({.failure_ttl = 5s});
  EXPECT_EQ(text(cache->get("k", soon())), "error SourceDown");
  EXPECT_EQ(text(cache->get("k", soon())), "error SourceDown");
  EXPECT_EQ(origin.loads(), 3U);
  EXPECT_FALSE(cache->peek("k"));
  clock.advance(5s);
  origin.set_failure({});
  origin.set("k", "v");
  EXPECT_EQ(text(cache->get("k", soon())), "v");
}

TEST_F(TieredReads, answers_a_stale_value_with_its_age_while_the_source_fails) {
  origin.set("k", "v");
  const auto cache = make({.ttl = 10s, .fail_safe = 60s, .fail_safe_pause = 5s});
  (void)cache->get("k", soon());
  clock.advance(15s);
  origin.set_failure(outage());
  auto answer = cache->get("k", soon());
  ASSERT_EQ(text(answer), "v");
  EXPECT_TRUE(answer->stale);
  EXPECT_EQ(answer->age, 15s);
  EXPECT_EQ(answer->fresh_left, 0s);
  ASSERT_NE(answer->error, nullptr);
  EXPECT_EQ(answer->error->reason, "SourceDown");

  (void)cache->get("k", soon());
  EXPECT_EQ(origin.loads(), 2U) << "the source is left alone for fail_safe_pause";
  clock.advance(5s);
  (void)cache->get("k", soon());
  EXPECT_EQ(origin.loads(), 3U);

  clock.advance(50s);
  EXPECT_EQ(text(cache->get("k", soon())), "error SourceDown") << "beyond ttl + fail_safe";
}

TEST_F(TieredReads, finds_the_stale_value_of_a_slower_level_too) {
  origin.set("k", "v");
  const TieredOptions options{.ttl = 10s, .fail_safe = 60s};
  (void)make(options)->get("k", soon());
  clock.advance(20s);
  origin.set_failure(outage());
  auto answer = make(options)->get("k", soon());
  EXPECT_EQ(text(answer), "v");
  EXPECT_TRUE(answer->stale);
  EXPECT_EQ(answer->age, 20s);
}

TEST_F(TieredReads, does_not_hide_an_answer_of_the_source_behind_a_stale_value) {
  origin.set("k", "v");
  const auto cache = make({.ttl = 10s, .fail_safe = 60s});
  (void)cache->get("k", soon());
  clock.advance(15s);
  origin.set_failure(fail(Code::forbidden, "Forbidden", "no"));
  EXPECT_EQ(text(cache->get("k", soon())), "error Forbidden");
  origin.set_failure({});
  origin.remove("k");
  EXPECT_EQ(text(cache->get("k", soon())), "(none)");
}

TEST_F(TieredReads, extends_a_value_that_was_not_modified) {
  int full = 0, unchanged = 0;
  const Loader<std::string> loader = [&](std::string_view,
                                         const LoadContext<std::string>& context) -> Result<Loaded<std::string>> {
    if (context.etag == "e1") return ++unchanged, Loaded<std::string>::not_modified();
    auto loaded = Loaded<std::string>::of("v");
    loaded.etag = "e1";
    return ++full, loaded;
  };
  const auto cache = make({.ttl = 10s, .fail_safe = 1min});
  (void)cache->get_or_load("k", loader, soon());
  clock.advance(11s);
  auto answer = cache->get_or_load("k", loader, soon());
  EXPECT_EQ(text(answer), "v");
  EXPECT_EQ(answer->fresh_left, 10s);
  EXPECT_EQ(level(cache->get_or_load("k", loader, soon())), Level::l1);
  EXPECT_EQ(full, 1);
  EXPECT_EQ(unchanged, 1);
  EXPECT_EQ(level(make()->get("k", soon())), Level::l2);
}

TEST_F(TieredReads, lets_the_result_say_how_it_is_cached) {
  const auto with = [](auto change) -> Loader<std::string> {
    return [change](std::string_view, const LoadContext<std::string>&) -> Result<Loaded<std::string>> {
      auto loaded = Loaded<std::string>::of("v");
      change(loaded);
      return loaded;
    };
  };
  const auto cache = make({.ttl = 10s});
  (void)cache->get_or_load("long", with([](auto& it) { it.ttl = 60s; }), soon());
  (void)cache->get_or_load("never", with([](auto& it) { it.keep = Loaded<std::string>::Keep::no; }), soon());
  (void)cache->get_or_load("zero", with([](auto& it) { it.ttl = 0s; }), soon());
  (void)cache->get_or_load("tagged", with([](auto& it) { it.tags = {"t"}; }), soon());
  EXPECT_FALSE(cache->peek("never"));
  EXPECT_FALSE(cache->peek("zero"));
  EXPECT_TRUE(cache->peek("tagged"));
  (void)cache->invalidate_tag("t", soon());
  EXPECT_FALSE(cache->peek("tagged"));
  clock.advance(59s);
  EXPECT_TRUE(cache->peek("long"));
}

TEST_F(TieredReads, shortens_times_at_random_and_never_lengthens_them) {
  const auto cache = memory_only({.ttl = 100s, .ttl_jitter = 0.5});
  std::set<Micros> seen;
  for (int i = 0; i < 100; ++i) {
    origin.set(std::to_string(i), "v");
    const Micros left = cache->get(std::to_string(i), soon())->fresh_left;
    EXPECT_GE(left, 50s);
    EXPECT_LE(left, 100s);
    seen.insert(left);
  }
  EXPECT_GT(seen.size(), 90U);
}

TEST_F(TieredReads, calls_the_loader_once_for_all_that_is_missing) {
  const auto cache = make();
  (void)cache->put("memory", "m", {}, soon());
  {
    const auto other = make();
    (void)other->put("second", "s", {}, soon());
  }
  std::vector<std::vector<std::string>> asked;
  const ManyLoader<std::string> loader = [&](std::span<const std::string> keys, Deadline) {
    asked.emplace_back(keys.begin(), keys.end());
    std::vector<Result<Loaded<std::string>>> all;
    for (const std::string& key : keys) {
      if (key == "bad")
        all.emplace_back(outage());
      else if (key == "none")
        all.emplace_back(Loaded<std::string>::nothing());
      else
        all.emplace_back(Loaded<std::string>::of("loaded " + key));
    }
    return Result<std::vector<Result<Loaded<std::string>>>>(std::move(all));
  };
  const std::vector<std::string> keys = {"memory", "a", "second", "bad", "none", "a"};
  const auto outcomes = cache->get_or_load_many(keys, loader, soon());
  ASSERT_EQ(outcomes.size(), keys.size());
  EXPECT_EQ(level(outcomes[0]), Level::l1);
  EXPECT_EQ(text(outcomes[1]), "loaded a");
  EXPECT_EQ(level(outcomes[2]), Level::l2);
  EXPECT_EQ(text(outcomes[3]), "error SourceDown");
  EXPECT_EQ(text(outcomes[4]), "(none)");
  EXPECT_EQ(text(outcomes[5]), "loaded a");
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0], (std::vector<std::string>{"a", "bad", "none"}));
  EXPECT_EQ(level(cache->get("a", soon())), Level::l1);
}

TEST_F(TieredReads, writes_what_a_batch_brought_in_one_call_to_each_level) {
  const auto cache = make();
  std::vector<std::string> keys;
  for (int i = 0; i < 300; ++i) keys.push_back("k" + std::to_string(i));
  const ManyLoader<std::string> loader = [&](std::span<const std::string> asked, Deadline) {
    (void)cache->invalidate("k7", 0, soon());  // what is being loaded is out of date
    std::vector<Result<Loaded<std::string>>> all;
    for (const std::string& key : asked) all.emplace_back(Loaded<std::string>::of("loaded " + key));
    return Result<std::vector<Result<Loaded<std::string>>>>(std::move(all));
  };
  const auto puts = [](const MapTier& tier) { return tier.calls().puts - tier.calls().erases; };
  const auto before2 = puts(l2), before3 = puts(l3);
  for (const auto& outcome : cache->get_or_load_many(keys, loader, soon())) EXPECT_EQ(level(outcome), Level::origin);
  EXPECT_EQ(puts(l2) - before2, 1U);
  EXPECT_EQ(puts(l3) - before3, 1U);
  EXPECT_EQ(l2.raw("k7"), std::nullopt);
  EXPECT_NE(l2.raw("k8"), std::nullopt);

  // What only the third level has goes into the second together as well.
  (void)l2.clear(soon());
  const auto other = make();
  const auto again = puts(l2);
  const auto outcomes = other->get_or_load_many(keys, nullptr, soon());
  EXPECT_EQ(level(outcomes[8]), Level::l3);
  EXPECT_EQ(text(outcomes[299]), "loaded k299");
  EXPECT_FALSE(outcomes[7]->found());
  EXPECT_EQ(puts(l2) - again, 1U);
  EXPECT_EQ(level(make()->get("k8", soon())), Level::l2);
}

TEST_F(TieredReads, survives_a_loader_that_throws_or_miscounts) {
  const auto cache = memory_only();
  const Loader<std::string> throws = [](std::string_view,
                                        const LoadContext<std::string>&) -> Result<Loaded<std::string>> { throw 1; };
  EXPECT_EQ(text(cache->get_or_load("k", throws, soon())), "error LoaderThrew");
  const ManyLoader<std::string> miscounts = [](std::span<const std::string>, Deadline) {
    return Result<std::vector<Result<Loaded<std::string>>>>(std::vector<Result<Loaded<std::string>>>{});
  };
  const std::vector<std::string> keys = {"a"};
  EXPECT_EQ(text(cache->get_or_load_many(keys, miscounts, soon())[0]), "error LoaderMiscounts");
}

TEST_F(TieredReads, refreshes_ahead_of_time_in_the_background) {
  origin.set("k", "old");
  const auto cache = memory_only({.ttl = 100s, .eager_refresh = 0.8});
  (void)cache->get("k", soon());
  origin.set("k", "new");
  clock.advance(79s);
  EXPECT_EQ(text(cache->get("k", soon())), "old");
  EXPECT_TRUE(cache->idle(soon()));
  EXPECT_EQ(origin.loads(), 1U);
  clock.advance(2s);
  EXPECT_EQ(text(cache->get("k", soon())), "old") << "the hit does not wait";
  EXPECT_TRUE(cache->idle(soon()));
  EXPECT_EQ(text(cache->get("k", soon())), "new");
  EXPECT_EQ(origin.loads(), 2U);
}

// The share of refreshes at a given time before the end is exp(-left / (cost · β)).
TEST_F(TieredReads, refreshes_early_as_often_as_the_paper_says) {
  const auto cache = memory_only({.ttl = 100s, .early_refresh = 1});
  int early = 0;
  constexpr int tries = 2'000;
  for (int i = 0; i < tries; ++i) {
    const std::string key = std::to_string(i);
    int loads = 0;
    const Loader<std::string> slow = [&](std::string_view,
                                         const LoadContext<std::string>&) -> Result<Loaded<std::string>> {
      if (++loads == 1) clock.advance(2s);
      return Loaded<std::string>::of("v");
    };
    (void)cache->get_or_load(key, slow, soon());
    clock.advance(98s);  // 2 s are left, as long as a load took
    (void)cache->get_or_load(key, slow, soon());
    EXPECT_TRUE(cache->idle(soon()));
    early += loads - 1;
  }
  EXPECT_NEAR(static_cast<double>(early) / tries, std::exp(-1.0), 0.05);
}

TEST_F(TieredReads, gives_the_stale_value_after_the_soft_timeout_and_goes_on_loading) {
  origin.set("k", "old");
  const auto cache = memory_only({.ttl = 10s, .fail_safe = 60s, .soft_timeout = 1ms});
  (void)cache->get("k", soon());
  clock.advance(11s);
  origin.set("k", "new");
  origin.close();
  auto answer = cache->get("k", soon());
  EXPECT_EQ(text(answer), "old");
  EXPECT_TRUE(answer->stale);
  origin.open();
  EXPECT_TRUE(cache->idle(soon()));
  EXPECT_EQ(text(cache->get("k", soon())), "new");
  EXPECT_EQ(origin.loads(), 2U);
}

TEST_F(TieredReads, gives_up_after_the_hard_timeout_and_goes_on_loading) {
  origin.set("k", "v");
  const auto cache = memory_only({.hard_timeout = 1ms});
  origin.close();
  EXPECT_EQ(text(cache->get("k", soon())), "error LoadTimeout");
  origin.open();
  EXPECT_TRUE(cache->idle(soon()));
  EXPECT_EQ(level(cache->get("k", soon())), Level::l1);
}

TEST_F(TieredReads, explains_where_a_key_is) {
  origin.set("k", "v", 7);
  const auto cache = make({.ttl = 100s});
  EXPECT_EQ(cache->explain("k", soon()).answers, Level::none);
  (void)cache->get("k", soon());
  clock.advance(30s);
  const Explanation told = cache->explain("k", soon());
  EXPECT_EQ(told.answers, Level::l1);
  ASSERT_EQ(told.levels.size(), 3U);
  for (const auto& at : told.levels) {
    EXPECT_EQ(at.state, "fresh");
    EXPECT_EQ(at.age, 30s);
    EXPECT_EQ(at.fresh_left, 70s);
    EXPECT_EQ(at.version, 7U);
  }
  EXPECT_THAT(told.why, testing::StartsWith("L1 answers"));
}

TEST_F(TieredReads, tells_its_metrics_by_level) {
  origin.set("k", "v");
  const auto cache = make({.name = "comexstat", .endpoint = "exportacao_mes"});
  (void)cache->get("k", soon());
  (void)cache->get("k", soon());
  const std::string shown = metrics.expose();
  const auto line = [](std::string_view family, std::string_view level, std::string_view value) {
    return testing::HasSubstr(std::string("integration_gateway_cache_") + std::string(family) +
                              "{connector=\"comexstat\",endpoint=\"exportacao_mes\",level=\"" + std::string(level) +
                              "\"} " + std::string(value));
  };
  EXPECT_THAT(shown, line("hits_total", "L1", "1\n"));
  EXPECT_THAT(shown, line("misses_total", "L2", "1\n"));
  EXPECT_THAT(shown, line("hits_total", "origin", "1\n"));
  EXPECT_THAT(shown, line("hit_rate", "L1", "0.5\n"));
  EXPECT_THAT(shown, line("entries", "L1", "1\n"));
  EXPECT_THAT(shown, line("evictions_total", "L1", "0\n"));
  EXPECT_THAT(shown, testing::HasSubstr("integration_gateway_cache_latency_seconds_bucket"));
}

TEST_F(TieredReads, refuses_options_that_cannot_work) {
  const auto reason = [&](TieredOptions options, Pool* with) {
    const auto made = Cache::make(std::move(options), {.clock = clock, .metrics = metrics, .pool = with});
    return made ? std::string("made") : made.error().violations.at(0).field;
  };
  EXPECT_EQ(reason({.ttl_jitter = 2}, &pool), "ttl_jitter");
  EXPECT_EQ(reason({.soft_timeout = 1s}, nullptr), "soft_timeout");
  EXPECT_EQ(reason({.ttl = -1s}, &pool), "durations");
  EXPECT_EQ(reason({}, nullptr), "made");
}

}  // namespace
}  // namespace chaveiro::cache
