// The primary dies and a replica is promoted by hand: what is lost, and that the store goes on by itself.
#include "tests/integration/postgres_days.h"
#include "tests/support/redis_server.h"

namespace chaveiro::contract {
namespace {

struct PostgresFailover : testing::Test {
  tests::PostgresServer primary{
      {.settings = {"wal_level=replica", "max_wal_senders=4"},
       .hba = "local all all trust\nhost all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n"}};
  std::unique_ptr<tests::PostgresServer> replica;
  std::unique_ptr<PostgresStore> store;
  std::vector<std::uint64_t> answered;

  PostgresFailover() {
    make_schema(primary, "chaveiro");
    replica = std::make_unique<tests::PostgresServer>(tests::PostgresServerOptions{
        .copy_of = "host=127.0.0.1 user=postgres application_name=second port=" + std::to_string(primary.port())});
    store = open(options_of("postgres://chaveiro_runtime@127.0.0.1:" + std::to_string(primary.port()) + ",127.0.0.1:" +
                            std::to_string(replica->port()) + "/chaveiro?target_session_attrs=read-write"));
  }
  std::string state_of_replica() { return primary.sql("SELECT string_agg(sync_state, '') FROM pg_stat_replication"); }
  void commit(std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t n = first; n < first + count; ++n)
      if (store->commit(registration_of(n), soon())) answered.push_back(n);
  }
  // The readers find the new primary by themselves, a moment after the writer at the latest.
  bool is_there(std::uint64_t n) {
    const auto entry = when_back([&] { return store->live_entry(phone_of(n), soon()); });
    EXPECT_TRUE(entry) << entry.error().message;
    return entry && entry->has_value();
  }
};

TEST_F(PostgresFailover, to_a_synchronous_replica_loses_nothing_that_was_answered) {
  primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'second'");
  primary.sql("SELECT pg_reload_conf()");
  tests::wait_until("the replica is synchronous", [&] { return state_of_replica() == "sync"; });
  commit(0, 200);
  EXPECT_EQ(answered.size(), 200u);
  const std::string database = store->database_id(soon()).value();
  primary.kill();
  replica->promote();
  EXPECT_TRUE(when_back([&] { return store->commit(registration_of(1000), Deadline::in(20s)); }));
  for (const std::uint64_t n : answered) ASSERT_TRUE(is_there(n)) << n;
  EXPECT_EQ(when_back([&] { return store->database_id(soon()); }).value(), database) << "it is the same database";
  expect_whole_chain(*store);
}

TEST_F(PostgresFailover, to_an_asynchronous_replica_goes_on_and_the_audit_tells_what_was_lost) {
  tests::wait_until("the replica streams", [&] { return state_of_replica() == "async"; });
  commit(0, 50);
  const std::string reached = primary.sql("SELECT pg_current_wal_flush_lsn()");
  tests::wait_until("the replica has them",
                    [&] { return replica->sql("SELECT pg_last_wal_replay_lsn() >= '" + reached + "'") == "t"; });
  replica->kill();
  commit(50, 50);
  EXPECT_EQ(answered.size(), 100u);
  ChainChecker before("changes");
  ASSERT_TRUE(store->each_audit_record([&](const AuditRecord& record) { before.feed(record); }, soon()));
  primary.kill();
  replica->start();
  replica->promote();
  EXPECT_TRUE(when_back([&] { return store->commit(registration_of(1000), Deadline::in(20s)); }));
  for (const std::uint64_t n : answered) EXPECT_EQ(is_there(n), n < 50) << n;
  expect_whole_chain(*store);
  // A head that was kept elsewhere is missed.
  ChainChecker after("changes");
  for (const Anchor& head : before.heads()) after.expect(head);
  ASSERT_TRUE(store->each_audit_record([&](const AuditRecord& record) { after.feed(record); }, soon()));
  EXPECT_FALSE(after.finish().empty());
}

}  // namespace
}  // namespace chaveiro::contract
