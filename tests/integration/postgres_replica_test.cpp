// Lists from a standby: only while it keeps up, and never at the price of an answer.
#include <gtest/gtest.h>

#include "clients/postgres/replica.h"
#include "tests/contract/postgres_home.h"
#include "tests/support/redis_server.h"

namespace chaveiro::contract {
namespace {

using namespace clients::postgres;
using namespace std::chrono_literals;

Deadline soon() { return Deadline::in(30s); }

struct PostgresReplica : testing::Test {
  tests::PostgresServer primary{
      {.settings = {"fsync=off", "wal_level=replica", "max_wal_senders=4"},
       .hba = "local all all trust\nhost all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n"}};
  std::unique_ptr<tests::PostgresServer> standby;
  std::unique_ptr<PostgresStore> store;
  PostgresReplica() {
    make_schema(primary, "chaveiro");
    standby = std::make_unique<tests::PostgresServer>(tests::PostgresServerOptions{
        .settings = {"fsync=off"}, .copy_of = "host=127.0.0.1 user=postgres port=" + std::to_string(primary.port())});
    PostgresOptions options;
    options.url = Secret(primary.url());
    options.replica_url = Secret(standby->url());
    options.replica_lag_max = 1s;
    options.served = {our_ispb, other_ispb};
    store = std::move(PostgresStore::open(options, person_key(), day_one, soon()).value());
    tests::wait_until("the standby is used", [&] { return listed().used_standby; });
  }

  struct Listed {
    std::size_t items;
    bool used_standby;
  };
  Listed listed() {
    const auto before = store->replica_counts();
    PageRequest page;
    page.limit = 200;
    page.from = PageRequest::From::may_lag;
    const auto found = store->entries({.ispb = our_ispb}, page, soon());
    EXPECT_TRUE(found) << (found ? "" : found.error().message);
    const auto after = store->replica_counts();
    return {found ? found->items.size() : 0, after.asked > before.asked && after.refused == before.refused};
  }
  std::size_t newest() { return store->entries({.ispb = our_ispb}, {.limit = 200}, soon())->items.size(); }
};

TEST_F(PostgresReplica, shows_every_commit_within_the_bound_and_what_asks_for_the_newest_at_once) {
  for (std::uint64_t n = 1; n <= 5; ++n) {
    ASSERT_TRUE(store->commit(registration_of(n), soon()));
    EXPECT_EQ(newest(), n);
    tests::wait_until("the list shows it", [&] { return listed().items == n; }, 2s);
  }
  EXPECT_TRUE(listed().used_standby);
}

TEST_F(PostgresReplica, is_not_read_while_it_lags_beyond_the_bound) {
  standby->sql("SELECT pg_wal_replay_pause()");
  ASSERT_TRUE(store->commit(registration_of(1), soon()));
  const auto answered = std::chrono::steady_clock::now();
  bool saw_it = false;
  while (std::chrono::steady_clock::now() - answered < 3s) {
    const SteadyTime asked = std::chrono::steady_clock::now();
    const Listed now = listed();
    saw_it |= now.items == 1;
    if (asked - answered > 1s) {
      EXPECT_EQ(now.items, 1u) << "older than the bound lets it be";
      EXPECT_FALSE(now.used_standby);
    }
  }
  EXPECT_TRUE(saw_it);
  standby->sql("SELECT pg_wal_replay_resume()");
  tests::wait_until("it is used again", [&] { return listed().used_standby; });
  EXPECT_EQ(listed().items, 1u);
}

TEST_F(PostgresReplica, that_is_gone_costs_nobody_an_answer) {
  ASSERT_TRUE(store->commit(registration_of(1), soon()));
  standby->kill();
  for (int i = 0; i < 20; ++i) EXPECT_LE(listed().items, 1u);  // each is answered
  tests::wait_until("the primary answers", [&] { return listed().items == 1; });
  EXPECT_FALSE(listed().used_standby);
  standby->start();
  tests::wait_until("it is used again", [&] { return listed().used_standby; });
}

}  // namespace
}  // namespace chaveiro::contract
