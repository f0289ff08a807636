// The schema's steps on a real server: up, down and up again with rows in it, two runners at once, a step that dies half-way, a database
// that is newer or was made by another build; and the audit's months.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/contract/postgres_home.h"
#include "tests/support/redis_server.h"

namespace chaveiro::contract {
namespace {

using namespace clients::postgres;
using testing::HasSubstr;

Deadline soon() { return Deadline::in(std::chrono::seconds(30)); }

struct PostgresMigrations : testing::Test {
  FreshDatabase database;
  std::unique_ptr<Connection> connection = connect();

  std::unique_ptr<Connection> connect(const std::string& role = "maintenance") const {
    auto made = Connection::open(contract::target_of(database.url(role)), soon());
    if (!made) throw std::runtime_error(made.error().message);
    return std::move(*made);
  }
  Result<void> go(SchemaVersion target) const { return migrate(*connection, migrations(), target, day_one, soon()); }
  std::string shape() const {
    return database.sql(
        "SELECT string_agg(line, E'\\n' ORDER BY line) FROM ("
        "SELECT relname || ' ' || attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull AS line FROM "
        "pg_attribute JOIN pg_class ON "
        "pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND relname !~ "
        "'^audit_[0-9]' UNION ALL "
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename !~ '^audit_[0-9]' UNION ALL "
        "SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace "
        "AND conrelid::regclass::text !~ "
        "'^audit_[0-9]' UNION ALL "
        "SELECT tablename || policyname || qual FROM pg_policies UNION ALL "
        "SELECT relname || coalesce(relacl::text, '') FROM pg_class WHERE relnamespace = 'public'::regnamespace AND "
        "relname !~ '^audit_[0-9]') AS lines");
  }
  std::unique_ptr<PostgresStore> open() const {
    auto made = PostgresStore::open(database.options(), person_key(), day_one, soon());
    if (!made) throw std::runtime_error(made.error().message);
    return std::move(*made);
  }
};

TEST_F(PostgresMigrations, go_down_and_up_again_and_the_rows_are_the_same) {
  {
    const auto store = open();
    std::vector<Change> changes;
    for (std::uint64_t n = 0; n < 200; ++n) changes.push_back(registration_of(n));
    for (const auto& answer : store->commit_all(changes, soon())) ASSERT_TRUE(answer);
  }
  const auto rows = [&] {
    return database.sql("SELECT md5(string_agg(e::text, '|' ORDER BY id)) FROM entries AS e") +
           database.sql("SELECT md5(string_agg(a::text, '|' ORDER BY position)) FROM audit AS a");
  };
  const std::string before = shape(), rows_before = rows();
  ASSERT_TRUE(go({1, 0}));
  EXPECT_NE(shape(), before);
  EXPECT_EQ(rows(), rows_before);
  ASSERT_TRUE(go(newest_schema()));
  EXPECT_EQ(shape(), before);
  EXPECT_EQ(rows(), rows_before);
}

TEST_F(PostgresMigrations, go_down_to_nothing_and_up_again) {
  const std::string before = shape();
  ASSERT_TRUE(go({0, 0}));
  EXPECT_EQ(database.sql(
                "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"),
            "1");
  ASSERT_TRUE(go(newest_schema()));
  EXPECT_EQ(shape(), before);
}

TEST_F(PostgresMigrations, run_once_where_two_start_at_once) {
  ASSERT_TRUE(go({0, 0}));
  std::vector<std::thread> runners;
  for (int i = 0; i < 4; ++i) {
    runners.emplace_back([&] {
      const auto mine = connect();
      const auto done = migrate(*mine, migrations(), newest_schema(), day_one, soon());
      EXPECT_TRUE(done) << done.error().message;
    });
  }
  for (std::thread& runner : runners) runner.join();
  EXPECT_EQ(database.sql("SELECT count(*) FROM schema_migrations"), std::to_string(migrations().size()));
}

TEST_F(PostgresMigrations, a_step_that_fails_leaves_nothing_of_itself) {
  std::vector<Migration> steps(migrations().begin(), migrations().end());
  steps.push_back(
      {{1, 90}, "broken", "CREATE TABLE half (n int); INSERT INTO half VALUES (1); SELECT 1 / 0;", "DROP TABLE half;"});
  const auto done = migrate(*connection, steps, {1, 90}, day_one, soon());
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("1.90"));
  EXPECT_EQ(database.sql("SELECT to_regclass('half') IS NULL"), "t");
  EXPECT_TRUE(go(newest_schema()));
}

TEST_F(PostgresMigrations, a_step_beside_others_that_died_half_way_is_run_again) {
  std::vector<Migration> steps(migrations().begin(), migrations().end());
  const char* const good =
      "DROP INDEX IF EXISTS entries_names;\nCREATE INDEX CONCURRENTLY entries_names ON entries "
      "(account_holder_name);\nSELECT 1;\n";
  steps.push_back({{1, 90}, "an index", good, "DROP INDEX entries_names;\n", Migration::How::beside_others});
  auto dying = steps;
  dying.back().up =
      "DROP INDEX IF EXISTS entries_names;\nCREATE INDEX CONCURRENTLY entries_names ON entries "
      "(account_holder_name);\nSELECT 1 / 0;\n";
  ASSERT_FALSE(migrate(*connection, dying, {1, 90}, day_one, soon()));
  EXPECT_EQ(database.sql("SELECT to_regclass('entries_names') IS NOT NULL"), "t");
  const auto again = migrate(*connection, steps, {1, 90}, day_one, soon());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(database.sql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'entries_names'::regclass"), "t");
  ASSERT_TRUE(migrate(*connection, steps, newest_schema(), day_one, soon()));
  EXPECT_EQ(database.sql("SELECT to_regclass('entries_names') IS NULL"), "t");
}

TEST_F(PostgresMigrations, a_program_goes_on_beside_the_steps_of_the_next_one) {
  const auto store = open();
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> commits = 0, faults = 0;
  std::thread busy([&] {
    for (std::uint64_t n = 0; !stop; ++n) {
      const bool good = store->commit(registration_of(n), soon()) && store->live_entry(phone_of(n), soon()).value();
      good ? ++commits : ++faults;
    }
  });
  std::vector<Migration> steps(migrations().begin(), migrations().end());
  steps.push_back({{1, 90}, "expand", "ALTER TABLE entries ADD COLUMN nickname text;\n", ""});
  steps.push_back({{1, 91},
                   "an index beside others",
                   "DROP INDEX IF EXISTS entries_nickname;\nCREATE INDEX CONCURRENTLY entries_nickname ON entries "
                   "(nickname);\n",
                   "",
                   Migration::How::beside_others});
  const auto after = [&](std::uint64_t more) {
    const std::uint64_t goal = commits + more;
    tests::wait_until("commits go on", [&] { return commits >= goal || faults > 0; });
  };
  after(20);
  const auto expanded = migrate(*connection, steps, {1, 91}, day_one, soon());
  ASSERT_TRUE(expanded) << expanded.error().message;
  after(20);
  EXPECT_EQ(faults, 0u);
  stop = true;
  busy.join();
  EXPECT_TRUE(open()->live_entry(phone_of(0), soon()).value()) << "and may be started again";
  // Only when no node runs the program before: contract.
  steps.push_back({{2, 0}, "contract", "ALTER TABLE entries DROP COLUMN block_order;\n", ""});
  ASSERT_TRUE(migrate(*connection, steps, {2, 0}, day_one, soon()));
  const auto refused = PostgresStore::open(database.options(), person_key(), day_one, soon());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "SchemaTooNew");
}

TEST_F(PostgresMigrations, a_table_in_long_use_is_not_waited_for) {
  const auto holder = connect();
  ASSERT_TRUE(holder->script("BEGIN; SELECT count(*) FROM entries", soon()));
  std::vector<Migration> steps(migrations().begin(), migrations().end());
  steps.push_back({{1, 90}, "expand", "ALTER TABLE entries ADD COLUMN nickname text;\n", ""});
  const auto refused = migrate(*connection, steps, {1, 90}, day_one, soon(), std::chrono::milliseconds{100});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "DatabaseLocked") << refused.error().message;
  ASSERT_TRUE(holder->script("ROLLBACK", soon()));
  EXPECT_TRUE(migrate(*connection, steps, {1, 90}, day_one, soon()));
}

TEST_F(PostgresMigrations, nothing_in_the_schema_makes_times_or_acts_by_itself) {
  EXPECT_EQ(database.sql("SELECT count(*) FROM pg_attrdef JOIN pg_class ON pg_class.oid = adrelid WHERE relnamespace = "
                         "'public'::regnamespace"),
            "0");
  EXPECT_EQ(database.sql("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"), "0");
}

TEST_F(PostgresMigrations, the_plan_is_the_sql_that_would_run_and_runs_nothing) {
  EXPECT_EQ(migration_plan(*connection, migrations(), newest_schema(), soon()).value(), "");
  const std::string down = migration_plan(*connection, migrations(), {1, 0}, soon()).value();
  EXPECT_THAT(down, HasSubstr("DROP INDEX entries_list"));
  EXPECT_EQ(database.sql("SELECT to_regclass('entries_list') IS NOT NULL"), "t");
  database.sql("CREATE DATABASE planned_elsewhere OWNER chaveiro_maintenance");
  const auto other =
      Connection::open(contract::target_of(database.server().url("maintenance", "planned_elsewhere")), soon()).value();
  const std::string plan = migration_plan(*other, migrations(), newest_schema(), soon()).value();
  ASSERT_TRUE(other->script(plan, soon())) << "the printed SQL can be run by hand";
}

TEST_F(PostgresMigrations, a_database_of_a_newer_major_is_refused_and_of_a_newer_minor_is_not) {
  database.sql("INSERT INTO schema_migrations VALUES (1, 99, 'later', '', now())");
  EXPECT_TRUE(check_schema(*connection, soon()));
  database.sql("INSERT INTO schema_migrations VALUES (2, 0, 'much later', '', now())");
  EXPECT_EQ(check_schema(*connection, soon()).error().reason, "SchemaTooNew");
  EXPECT_EQ(go(newest_schema()).error().reason, "SchemaTooNew");
}

TEST_F(PostgresMigrations, a_step_of_another_build_is_noticed) {
  database.sql("UPDATE schema_migrations SET checksum = '\\x00' WHERE minor = 1");
  EXPECT_EQ(check_schema(*connection, soon()).error().reason, "SchemaChanged");
}

TEST_F(PostgresMigrations, a_store_without_its_schema_says_what_to_run) {
  ASSERT_TRUE(go({1, 0}));
  PostgresOptions options = database.options();
  options.maintenance_url = Secret();
  const auto opened = PostgresStore::open(options, person_key(), day_one, soon());
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("chaveiro db migrate"));
}

TEST_F(PostgresMigrations, a_plan_prepared_before_a_change_of_the_schema_is_made_again) {
  const auto store = open();
  ASSERT_TRUE(store->commit(registration_of(1), soon()));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(store->live_entry(phone_of(1), soon()).value());
  ASSERT_TRUE(connection->script("ALTER TABLE entries ALTER COLUMN account_number TYPE varchar(40)", soon()));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(store->live_entry(phone_of(1), soon()).value());
  ASSERT_TRUE(store->commit(registration_of(2), soon()));
}

TEST_F(PostgresMigrations, months_are_made_ahead_and_take_what_came_before_them) {
  const auto store = open();
  const UtcTime later = day_one + std::chrono::days(250);  // September 2026: no month was made for it
  Change change = registration_of(1);
  change.at = later;
  ASSERT_TRUE(store->commit(change, soon()));
  EXPECT_EQ(database.sql("SELECT count(*) FROM audit_rest"), "2");
  PartitionHealth health = look_at_partitions(*connection, later, soon()).value();
  EXPECT_TRUE(health.next_is_missing);
  EXPECT_EQ(health.rows_without, 2u);
  EXPECT_EQ(make_partitions(*connection, later, 2, soon()).value(), 3u);
  EXPECT_EQ(make_partitions(*connection, later, 2, soon()).value(), 0u);
  EXPECT_EQ(database.sql("SELECT count(*) FROM audit_202609"), "2");
  health = look_at_partitions(*connection, later, soon()).value();
  EXPECT_FALSE(health.next_is_missing);
  EXPECT_EQ(health.rows_without, 0u);
  const UtcTime last = UtcTime(std::chrono::sys_days(std::chrono::year(2026) / 11 / 28));
  EXPECT_TRUE(look_at_partitions(*connection, last, soon())->next_is_missing) << "the seven days before";
}

TEST_F(PostgresMigrations, old_months_are_detached_by_a_purge_and_dropped_in_a_step_of_its_own) {
  const auto store = open();
  ASSERT_TRUE(store->commit(registration_of(1), soon()));
  Change late = registration_of(2);
  late.at = day_one + std::chrono::days(250);  // lies in audit_rest
  ASSERT_TRUE(store->commit(late, soon()));
  Change last = registration_of(3);
  last.at = day_one + std::chrono::days(400);
  ASSERT_TRUE(store->commit(last, soon()));
  ASSERT_TRUE(store->purge(day_one + std::chrono::days(380), {"admin", "c"}, last.at, soon()));
  EXPECT_EQ(database.sql("SELECT count(*) FROM audit WHERE month < 202701"), "0");
  const auto detached = detached_months(*connection, soon()).value();
  const auto records_of = [&](Month month) {
    const auto found = std::ranges::find(detached, month, &DetachedMonth::month);
    return found == detached.end() ? 0 : found->records;
  };
  EXPECT_EQ(records_of(202601), 2u);
  EXPECT_EQ(records_of(202609), 2u);
  EXPECT_EQ(database.sql("SELECT count(*) FROM audit_detached_202601"), "2") << "kept until somebody drops it";
  const auto runtime = connect("runtime");
  EXPECT_EQ(runtime->run_as("12345678", "SELECT * FROM audit_detached_202601", {}, soon()).error().code,
            Code::forbidden);
  ASSERT_TRUE(drop_month(*connection, detached.front(), soon()));
  EXPECT_EQ(detached_months(*connection, soon())->size(), detached.size() - 1);
  ChainChecker checker("changes");
  ASSERT_TRUE(store->each_audit_record([&](const AuditRecord& record) { checker.feed(record); }, soon()));
  EXPECT_TRUE(checker.finish().empty()) << "what is left begins where the last month ended";
}

TEST_F(PostgresMigrations, months_that_were_kept_for_long_enough_are_detached_by_whoever_owns_them_and_told_of) {
  const auto at = [](int days) { return day_one + std::chrono::days(days); };
  {
    const auto store = open();
    for (const int days : {0, 40, 80, 130}) {
      ASSERT_TRUE(store->keep_months(at(days), soon()));
      Change change = registration_of(static_cast<std::uint64_t>(days) + 1);
      change.at = at(days);
      ASSERT_TRUE(store->commit(change, soon()));
    }
  }
  PostgresOptions options = database.options();
  options.months_kept = 2;
  options.maintenance_url = Secret();
  {
    const auto store = PostgresStore::open(options, person_key(), at(130), soon()).value();
    ASSERT_TRUE(store->keep_months(at(130), soon()));
    const auto months = store->months(at(130), soon()).value();
    EXPECT_EQ(
        std::to_string(months.overdue),
        database.sql("SELECT count(*) FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = "
                     "'audit'::regclass AND relname < 'audit_202603'"))
        << "the runtime role may only look";
    EXPECT_GE(months.overdue, 2u) << "January and February";
    EXPECT_GE(months.ahead, 1u);
    EXPECT_EQ(database.sql("SELECT count(*) FROM audit WHERE month < 202603"), "4");
  }
  options.maintenance_url = database.options().maintenance_url;
  const auto store = PostgresStore::open(options, person_key(), at(130), soon()).value();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(store->keep_months(at(130), soon()));
    const auto months = store->months(at(130), soon()).value();
    EXPECT_EQ(months.overdue, 0u);
    EXPECT_EQ(months.ahead, 4u);
  }
  EXPECT_EQ(database.sql("SELECT count(*) FROM audit WHERE month < 202603"), "0");
  EXPECT_EQ(database.sql("SELECT count(*) FROM audit_detached_202601"), "2");
  EXPECT_EQ(database.sql("SELECT count(*) FROM audit_detached_202602"), "2");
  EXPECT_EQ(database.sql("SELECT count(*) FROM audit WHERE operation = 'detach_months'"), "1");
  ChainChecker checker("changes");
  ASSERT_TRUE(store->each_audit_record([&](const AuditRecord& record) { checker.feed(record); }, soon()));
  EXPECT_TRUE(checker.finish().empty());
}

TEST(PostgresMonths, are_counted_back_over_the_turn_of_a_year) {
  EXPECT_EQ(first_month_kept(day_one, 0), month_of(day_one));
  EXPECT_EQ(first_month_kept(day_one, 1), 202512u);
  EXPECT_EQ(first_month_kept(day_one, 13), 202412u);
  EXPECT_EQ(first_month_kept(day_one, 60), 202101u);
}

}  // namespace
}  // namespace chaveiro::contract
