#include "clients/postgres/cache_tier.h"
#include "tests/contract/postgres_home.h"
#include "tests/contract/tier_contract.h"

namespace chaveiro::contract {
namespace {

using clients::postgres::CacheTier;
using clients::postgres::CacheTierOptions;

std::unique_ptr<CacheTier> open(const FreshDatabase& database, const Clock& clock, CacheTierOptions options = {}) {
  options.target = contract::target_of(database.url());
  return std::make_unique<CacheTier>(options, clock);
}

class OnAServer final : public TierHome {
 public:
  Tier& tier() override { return *tier_; }
  void pass(Micros time) override { clock_.advance(time); }

 private:
  FreshDatabase database_;
  ManualClock clock_;
  std::unique_ptr<CacheTier> tier_ = open(database_, clock_);
};

const auto maker = testing::Values(TierMaker{"postgres", [] { return std::make_unique<OnAServer>(); }});
const auto name_of = [](const auto& info) { return info.param.name; };

struct PostgresTier : testing::Test {
  FreshDatabase database;
  ManualClock clock;
  static Deadline soon() { return Deadline::in(std::chrono::seconds(30)); }
  static void put(CacheTier& tier, std::string_view key, Micros ttl = std::chrono::minutes(1)) {
    ASSERT_TRUE(tier.put({.key = key, .bytes = "value", .ttl = ttl, .tags = {}}, soon()));
  }
};

TEST_F(PostgresTier, is_shared_by_the_nodes) {
  const auto one = open(database, clock), other = open(database, clock);
  put(*one, "k");
  EXPECT_TRUE(other->get("k", soon()).value());
  ASSERT_TRUE(other->clear(soon()));
  EXPECT_FALSE(one->get("k", soon()).value());
  put(*one, "k");
  EXPECT_TRUE(other->get("k", soon()).value());
}

TEST_F(PostgresTier, keeps_nothing_longer_than_its_bound) {
  const auto tier = open(database, clock);
  put(*tier, "k", std::chrono::hours(24 * 365));
  EXPECT_EQ(tier->get("k", soon()).value()->ttl_left, std::chrono::hours(24 * 30));
}

TEST_F(PostgresTier, counts_reads_and_gives_room_back_in_small_steps) {
  CacheTierOptions options;
  options.purge_rows = 10;
  const auto tier = open(database, clock, options);
  for (int i = 0; i < 25; ++i) put(*tier, "short" + std::to_string(i), std::chrono::seconds(1));
  put(*tier, "k");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(tier->get("k", soon()).value());
  clock.advance(std::chrono::seconds(2));
  EXPECT_TRUE(tier->purge_step(soon()).value());
  EXPECT_EQ(tier->usage(soon())->rows, 16U);
  EXPECT_TRUE(tier->purge_step(soon()).value());
  EXPECT_FALSE(tier->purge_step(soon()).value());
  EXPECT_EQ(tier->usage(soon())->rows, 1U);
  EXPECT_EQ(tier->hits("k", soon()).value(), 0U);
  ASSERT_TRUE(tier->write_hits(soon()));
  EXPECT_EQ(tier->hits("k", soon()).value(), 3U);
  ASSERT_TRUE(tier->clear(soon()));
  EXPECT_EQ(tier->usage(soon())->rows, 1U) << "clear() is O(1): the room comes back by steps";
  EXPECT_FALSE(tier->purge_step(soon()).value());
  EXPECT_EQ(tier->usage(soon())->rows, 0U);
}

TEST_F(PostgresTier, counts_what_is_hot_once_a_day_on_one_node) {
  const auto one = open(database, clock), other = open(database, clock);
  put(*one, "dict:entry:1"), put(*one, "dict:entry:2"), put(*one, "dict:claim:1"), put(*one, "alone");
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(one->get("dict:claim:1", soon()).value());
  ASSERT_TRUE(one->get("dict:entry:1", soon()).value());
  ASSERT_TRUE(one->write_hits(soon()));
  const Micros day = std::chrono::hours(20);
  EXPECT_TRUE(one->rebuild_hot(day, soon()).value());
  EXPECT_FALSE(other->rebuild_hot(day, soon()).value()) << "it was done already";
  const auto hot = other->hot(soon()).value();
  ASSERT_EQ(hot.size(), 3U);
  EXPECT_EQ(hot[0].prefix, "dict:claim");
  EXPECT_EQ(hot[0].hits, 5U);
  EXPECT_EQ(hot[1].prefix, "dict:entry");
  EXPECT_EQ(hot[1].keys, 2U);
  EXPECT_EQ(hot[1].bytes, 10U);
  EXPECT_EQ(hot[0].built_at, clock.now());
  {
    const auto holder = clients::postgres::Connection::open(contract::target_of(database.url()), soon()).value();
    ASSERT_TRUE(holder->script("BEGIN; SELECT pg_advisory_xact_lock(7230415002)", soon()));
    clock.advance(std::chrono::hours(24));
    EXPECT_FALSE(other->rebuild_hot(day, soon()).value()) << "somebody else is at it";
  }
}

TEST_F(PostgresTier, a_crash_of_the_server_empties_it) {
  tests::PostgresServer server({.settings = {"fsync=off"}});
  make_schema(server, "chaveiro");
  CacheTierOptions options;
  options.target = contract::target_of(server.url());
  CacheTier tier(options, clock);
  put(tier, "k");
  server.kill();
  EXPECT_EQ(tier.get("k", Deadline::in(std::chrono::seconds(5))).error().code, Code::unavailable);
  server.start();
  Result<std::optional<TierValue>> found = std::optional<TierValue>();
  do found = tier.get("k", soon());
  while (!found && found.error().code == Code::unavailable);
  EXPECT_EQ(found.value(), std::nullopt);
  put(tier, "k");
  EXPECT_TRUE(tier.get("k", soon()).value());
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Postgres, TierContract, maker, name_of);

}  // namespace chaveiro::contract
