#include "clients/sqlite/cache_tier.h"
#include "tests/contract/temporary_directory.h"
#include "tests/contract/tier_contract.h"

namespace chaveiro::contract {
namespace {

using clients::sqlite::CacheTier;
using clients::sqlite::CacheTierOptions;

class InAFile final : public TierHome {
 public:
  InAFile() : tier_(open(path(), clock_)) {}
  Tier& tier() override { return *tier_; }
  void pass(Micros time) override { clock_.advance(time); }

  static std::unique_ptr<CacheTier> open(const std::string& path, const Clock& clock, CacheTierOptions options = {}) {
    options.path = path;
    return CacheTier::open(options, clock).value();
  }

 private:
  std::string path() const { return directory_.path() + "/cache.db"; }
  TemporaryDirectory directory_;
  ManualClock clock_;
  std::unique_ptr<CacheTier> tier_;
};

const auto maker = testing::Values(TierMaker{"sqlite", [] { return std::make_unique<InAFile>(); }});
const auto name_of = [](const auto& info) { return info.param.name; };

struct SqliteTier : testing::Test {
  TemporaryDirectory directory;
  ManualClock clock;
  std::string path = directory.path() + "/cache.db";
  static Deadline soon() { return Deadline::in(std::chrono::seconds(30)); }
  void put(CacheTier& tier, std::string_view key, Micros ttl = std::chrono::minutes(1)) {
    ASSERT_TRUE(tier.put({.key = key, .bytes = "v", .ttl = ttl, .tags = {}}, soon()));
  }
};

TEST_F(SqliteTier, keeps_its_values_over_a_restart) {
  put(*InAFile::open(path, clock), "k");
  clock.advance(std::chrono::seconds(20));
  const auto again = InAFile::open(path, clock);
  const auto found = again->get("k", soon()).value();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->ttl_left, std::chrono::seconds(40));
}

TEST_F(SqliteTier, believes_nothing_when_the_machine_went_down_without_closing_it) {
  put(*InAFile::open(path, clock), "k");
  {
    // As a file that another run of the machine left open.
    auto connection = clients::sqlite::Connection::open({.path = path, .vfs = {}}).value();
    ASSERT_TRUE(connection->run("UPDATE cache_state SET open_on = 'a run before'"));
  }
  EXPECT_EQ(InAFile::open(path, clock)->get("k", soon()).value(), std::nullopt);
}

TEST_F(SqliteTier, keeps_nothing_longer_than_its_bound) {
  const auto tier = InAFile::open(path, clock);
  put(*tier, "k", std::chrono::hours(24 * 365));
  EXPECT_EQ(tier->get("k", soon()).value()->ttl_left, std::chrono::hours(24 * 30));
}

TEST_F(SqliteTier, misses_rather_than_lives_longer_when_the_clock_goes_back) {
  const auto tier = InAFile::open(path, clock);
  put(*tier, "k");
  clock.set_utc(clock.now() - std::chrono::hours(1));
  EXPECT_EQ(tier->get("k", soon()).value(), std::nullopt);
}

TEST_F(SqliteTier, counts_reads_and_gives_room_back_in_small_steps) {
  CacheTierOptions options;
  options.purge_rows = 10;
  const auto tier = InAFile::open(path, clock, options);
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

TEST_F(SqliteTier, counts_what_is_hot_once_a_day) {
  const auto tier = InAFile::open(path, clock);
  put(*tier, "dict:entry:1"), put(*tier, "dict:entry:2"), put(*tier, "dict:claim:1"), put(*tier, "alone");
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(tier->get("dict:claim:1", soon()).value());
  ASSERT_TRUE(tier->get("dict:entry:1", soon()).value());
  ASSERT_TRUE(tier->write_hits(soon()));
  const Micros day = std::chrono::hours(20);
  EXPECT_TRUE(tier->rebuild_hot(day, soon()).value());
  EXPECT_FALSE(InAFile::open(path, clock)->rebuild_hot(day, soon()).value()) << "it was done already";
  const std::vector<cache::HotPrefix> expected = {
      {"dict:claim", 1, 5, 1, clock.now()}, {"dict:entry", 2, 1, 2, clock.now()}, {"alone", 1, 0, 1, clock.now()}};
  EXPECT_EQ(tier->hot(soon()).value(), expected);
  clock.advance(std::chrono::hours(24));
  EXPECT_TRUE(tier->rebuild_hot(day, soon()).value());
  EXPECT_TRUE(tier->hot(soon())->empty()) << "what was there is over";
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Sqlite, TierContract, maker, name_of);

}  // namespace chaveiro::contract
