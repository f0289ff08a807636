// Row-level security on a real server, as the ordinary role: every table as another participant and as none; what each role may do; and
// what the constraints say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "clients/postgres/pipeline.h"
#include "clients/postgres/pool.h"
#include "tests/contract/postgres_home.h"
#include "tests/support/redis_server.h"

namespace chaveiro::contract {
namespace {

using namespace clients::postgres;

Deadline soon() { return Deadline::in(std::chrono::seconds(20)); }

struct PostgresSecurity : testing::Test {
  FreshDatabase database;
  std::unique_ptr<PostgresStore> store = open({our_ispb, other_ispb});

  std::unique_ptr<PostgresStore> open(std::vector<Ispb> served, const std::string& writer = "main") const {
    PostgresOptions options = database.options();
    options.served = std::move(served);
    options.writer = writer;
    options.keep_events = true;
    auto made = PostgresStore::open(options, person_key(), day_one, soon());
    if (!made) throw std::runtime_error(made.error().message);
    return std::move(*made);
  }
  std::unique_ptr<Connection> connect(const std::string& role = "runtime") const {
    auto made = Connection::open(contract::target_of(database.url(role)), soon());
    if (!made) throw std::runtime_error(made.error().message);
    return std::move(*made);
  }
  std::vector<std::string> tables() const {
    const auto connection = connect();
    const Rows rows = connection
                          ->run(
                              "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND "
                              "relkind IN ('r', 'p') "
                              "AND NOT relispartition AND relname <> 'schema_migrations' ORDER BY 1",
                              {}, soon())
                          .value();
    std::vector<std::string> names;
    for (std::size_t i = 0; i < rows.size(); ++i) names.emplace_back(rows[i].text());
    return names;
  }
  void fill() const {
    database.sql(
        "INSERT INTO cache_value VALUES ('k', 'v', 0, 0, 0, 1, 0); INSERT INTO cache_hot VALUES ('k', 1, 1, 1, 1)");
    const Account account = account_of(1);
    Change change = registration_of(1);
    ASSERT_TRUE(store->commit(change, soon()));
    for (const std::uint64_t version : {0, 1})
      ASSERT_TRUE(store->inbox()->mark({"consumer", uuid_of(1, 7), "aggregate", version, day_one}, soon()));
    ASSERT_TRUE(store->sync_answers().keep({our_ispb, KeyType::phone, vsync::Agreement::in_sync, Digest256{}, day_one},
                                           {"consumer", uuid_of(2, 7), "aggregate", 0, day_one}, soon()));
    events::ConsumerMemory& memory = store->consumer_memory();
    const Uuid event = uuid_of(1, 7);
    ASSERT_TRUE(memory.begin_try("consumer", event, soon()));
    ASSERT_TRUE(memory.failed("consumer", event, {day_one, "conflict", "Stale", ""}, soon()));
    ASSERT_TRUE(memory.set_dead("consumer", "key", event, soon()));
    ASSERT_TRUE(memory.park({.subscription = "consumer", .key = "key", .topic = "topic", .event_id = event}, soon()));
    const Entry entry = (*store->live_entry(phone_of(1), soon())).value();
    ASSERT_TRUE(store->commit(change_of("start_claim", {put(claim_of(1, entry, account_of(2, our_ispb)))}), soon()));
  }
};

// Belong to no participant, hold no personal data, and open to whoever says for whom it works.
const std::set<std::string> of_nobody = {"state",          "writers",           "seal_keys",      "cache_value",
                                         "cache_state",    "cache_hot",         "inbox_versions", "inbox_ids",
                                         "consumer_tries", "consumer_attempts", "consumer_dead"};

TEST_F(PostgresSecurity, no_table_shows_a_row_without_a_participant) {
  fill();
  const auto connection = connect();
  const auto all = tables();
  EXPECT_GE(all.size(), 8u);
  for (const std::string& table : all) {
    EXPECT_GT(std::stoi(database.sql("SELECT count(*) FROM " + table)), 0) << table << " is empty: this shows nothing";
    EXPECT_EQ(connection->run("SELECT count(*) FROM " + table, {}, soon()).value()[0].number(), 0) << table;
    EXPECT_EQ(connection->run_as("", "SELECT count(*) FROM " + table, {}, soon()).value()[0].number(), 0) << table;
  }
}

TEST_F(PostgresSecurity, no_table_shows_a_row_of_another_participant) {
  fill();
  const auto connection = connect();
  for (const std::string& table : tables()) {
    const auto seen = [&](std::string_view ispbs) {
      return connection->run_as(ispbs, "SELECT count(*) FROM " + table, {}, soon()).value()[0].number();
    };
    EXPECT_GT(seen("12345678"), 0) << table;
    EXPECT_GT(seen("00000000,12345678"), 0) << table;
    const bool shared = of_nobody.contains(table) || table == "consumer_parked";  // parked: of all whom its node serves
    EXPECT_EQ(seen("87654321"), shared ? seen("12345678") : 0) << table;
    for (const char* wrong : {"11111111", "1234567", "12345678 ", "%", "'12345678'"})
      EXPECT_EQ(seen(wrong), of_nobody.contains(table) ? seen("12345678") : 0) << table << " as " << wrong;
    EXPECT_EQ(connection->run("SELECT count(*) FROM " + table, {}, soon()).value()[0].number(), 0)
        << table << ": the setting outlived its transaction";
  }
}

TEST_F(PostgresSecurity, callers_of_one_pipeline_see_their_own_rows_alone) {
  fill();
  Pipeline pipeline({.target = contract::target_of(database.url()), .connections = 1});
  std::vector<std::thread> callers;
  for (const auto& [ispbs, rows] : {std::pair<const char*, std::int64_t>{"12345678", 1}, {"87654321", 0}, {"", 0}}) {
    callers.emplace_back([&pipeline, ispbs = ispbs, rows = rows] {
      for (int i = 0; i < 200; ++i) {
        const auto seen = pipeline.run("SELECT count(*) FROM entries", {}, ispbs, soon());
        ASSERT_TRUE(seen) << seen.error().message;
        EXPECT_EQ((*seen)[0].number(), rows) << ispbs;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

TEST_F(PostgresSecurity, nothing_of_another_participant_is_written_changed_or_deleted) {
  fill();
  const auto connection = connect();
  const auto touched = [&](const std::string& sql) -> std::string {
    const auto done = connection->run_as("87654321", sql, {}, soon());
    return done ? std::to_string(done->affected()) : std::string(to_string(done.error().code));
  };
  for (const char* table : {"accounts", "entries", "claims"})
    EXPECT_EQ(touched("UPDATE " + std::string(table) + " SET version = version + 1"), "0") << table;
  EXPECT_EQ(touched("DELETE FROM entries"), "0");
  EXPECT_EQ(touched("DELETE FROM claims"), "0");
  EXPECT_EQ(touched("INSERT INTO requests VALUES ('12345678', gen_random_uuid(), '', 'x', gen_random_uuid(), 1)"),
            "forbidden");
  EXPECT_EQ(touched("INSERT INTO requests VALUES ('87654321', gen_random_uuid(), '', 'x', gen_random_uuid(), 1)"), "1");
  const auto other = open({other_ispb}, "second");
  const auto refused = other->commit(registration_of(5), soon());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::forbidden) << refused.error().message;
}

TEST_F(PostgresSecurity, the_runtime_role_owns_nothing_and_cannot_touch_the_past) {
  fill();
  EXPECT_EQ(database.sql("SELECT count(*) FROM pg_class WHERE relowner = 'chaveiro_runtime'::regrole"), "0");
  const auto connection = connect();
  for (const char* sql :
       {"UPDATE audit SET actor = 'somebody else'", "DELETE FROM audit", "DELETE FROM requests",
        "UPDATE requests SET operation = ''", "TRUNCATE entries", "ALTER TABLE entries DISABLE ROW LEVEL SECURITY",
        "DROP TABLE audit", "CREATE TABLE mine (n int)", "DELETE FROM accounts", "SELECT * FROM audit_rest",
        "SET ROLE chaveiro_maintenance"}) {
    const auto done = connection->run_as("12345678", sql, {}, soon());
    ASSERT_FALSE(done) << sql;
    EXPECT_EQ(done.error().code, Code::forbidden) << sql << ": " << done.error().message;
  }
}

TEST_F(PostgresSecurity, the_import_role_adds_and_reads_nothing) {
  const auto connection = connect("import");
  for (const char* sql :
       {"SELECT * FROM entries", "DELETE FROM entries", "UPDATE accounts SET number = ''", "SELECT * FROM seal_keys"})
    EXPECT_EQ(connection->run(sql, {}, soon()).error().code, Code::forbidden) << sql;
}

TEST_F(PostgresSecurity, events_of_another_participant_are_not_relayed) {
  fill();
  EXPECT_GE(store->outbox()->unpublished(0, 100, soon()).value().size(), 3u);
  const auto other = open({other_ispb}, "second");
  EXPECT_TRUE(other->outbox()->unpublished(0, 100, soon()).value().empty());
  EXPECT_EQ(other->outbox()->depth(soon()).value().events, 0u);
}

TEST_F(PostgresSecurity, one_node_at_a_time_is_told_what_waits_and_another_follows_when_it_goes) {
  fill();
  auto first = open({our_ispb}, "first");
  const auto second = open({our_ispb}, "second");
  const std::size_t all = first->outbox()->unpublished(0, 100, soon()).value().size();
  EXPECT_GE(all, 3u);
  EXPECT_TRUE(second->outbox()->unpublished(0, 100, soon()).value().empty());
  EXPECT_EQ(first->outbox()->unpublished(0, 100, soon()).value().size(), all) << "it stays its turn";
  first.reset();
  tests::wait_until("the second one's turn",
                    [&] { return second->outbox()->unpublished(0, 100, soon()).value().size() == all; });
  // The server ends the connection that holds the turn.
  database.sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1869964386");
  tests::wait_until("its turn again", [&] {
    const auto told = second->outbox()->unpublished(0, 100, soon());
    return told && told->size() == all;
  });
}

// What one node hears of the others.
struct Heard {
  Guarded<std::vector<ForeignCommits>> all;
  void listen(PostgresStore& store) {
    store.on_foreign_commits([this](const ForeignCommits& news) { all.lock()->push_back(news); });
    tests::wait_until("it hears", [&] { return store.hears_others(); });
    all.lock()->clear();
  }
  std::vector<Write> records() {
    std::vector<Write> found;
    const auto locked = all.lock();  // outlives the loop
    for (const ForeignCommits& news : *locked) found.insert(found.end(), news.records.begin(), news.records.end());
    return found;
  }
  bool lost() {
    return std::ranges::any_of(*all.lock(),
                               [](const auto& news) { return news.lost != ForeignCommits::Lost::nothing; });
  }
};

TEST_F(PostgresSecurity, a_node_is_told_of_what_others_changed_as_it_is_now_and_not_of_its_own) {
  const auto other = open({our_ispb, other_ispb}, "second");
  Heard heard;
  heard.listen(*other);
  ASSERT_TRUE(other->commit(registration_of(7), soon()));
  ASSERT_TRUE(store->commit(registration_of(1), soon()));
  const Entry entry = (*store->live_entry(phone_of(1), soon())).value();
  ASSERT_TRUE(store->commit(change_of("start_claim", {put(claim_of(1, entry, account_of(2, our_ispb)))}), soon()));
  tests::wait_until("all three are told", [&] { return heard.records().size() >= 3; });
  EXPECT_FALSE(heard.lost());
  const auto holds = [&](const auto& wanted) {
    using Kind = std::decay_t<decltype(wanted)>;
    return std::ranges::any_of(heard.records(), [&](const Write& write) {
      const auto* put = std::get_if<Put<Kind>>(&write);
      return put != nullptr && put->after == wanted;
    });
  };
  EXPECT_TRUE(holds(store->account(account_of(1).id, soon()).value().value()));
  EXPECT_TRUE(holds(entry));
  EXPECT_TRUE(holds(store->live_claim(phone_of(1), soon()).value().value()));
  EXPECT_EQ(heard.records().size(), 3u) << "its own are not among them";
}

TEST_F(PostgresSecurity, a_node_is_told_of_its_own_records_that_another_participant_changed_and_of_no_others) {
  fill();
  const auto ours = open({our_ispb}, "second"), theirs = open({other_ispb}, "third");
  Heard heard, unrelated;
  heard.listen(*ours);
  unrelated.listen(*theirs);
  const Claim claim = (*store->live_claim(phone_of(1), soon())).value();
  Claim confirmed = claim;
  confirmed.status = ClaimStatus::confirmed;
  Change change = change_of("confirm_claim", {put(claim, confirmed)});
  change.ispb = other_ispb;
  ASSERT_TRUE(store->commit(change, soon()));
  tests::wait_until("the donor is told", [&] { return heard.records().size() == 1; });
  EXPECT_EQ(std::get<Put<Claim>>(heard.records()[0]).after.status, ClaimStatus::confirmed);
  EXPECT_TRUE(unrelated.records().empty());
}

TEST_F(PostgresSecurity, a_node_that_heard_nothing_for_a_while_is_told_to_forget) {
  const auto other = open({our_ispb, other_ispb}, "second");
  Heard heard;
  heard.listen(*other);
  database.sql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND (query LIKE "
      "'%chaveiro_commits%' OR "
      "query LIKE '%FROM state%')");
  tests::wait_until("it knows of the gap", [&] { return heard.lost(); });
  tests::wait_until("it hears again", [&] { return other->hears_others(); });
  Change purge = registration_of(1);
  purge.operation = "erase_person";
  ASSERT_TRUE(store->commit(purge, soon()));
  const auto losses = [&] {
    return std::ranges::count_if(*heard.all.lock(),
                                 [](const auto& news) { return news.lost == ForeignCommits::Lost::memory; });
  };
  tests::wait_until("a sweep is told as one", [&] { return losses() >= 2; });
}

TEST_F(PostgresSecurity, a_database_tells_all_who_use_it_the_same_and_a_copy_of_it_something_else) {
  const std::string id = store->database_id(soon()).value();
  EXPECT_THAT(id, testing::MatchesRegex("[0-9a-f]+-[0-9]+"));
  EXPECT_EQ(open({other_ispb}, "other")->database_id(soon()).value(), id);
  const FreshDatabase copy;
  PostgresOptions options = copy.options();
  EXPECT_NE(PostgresStore::open(options, person_key(), day_one, soon()).value()->database_id(soon()).value(), id);
}

TEST_F(PostgresSecurity, who_holds_a_key_is_told_also_of_another_participant) {
  fill();
  const auto other = open({other_ispb}, "second");
  EXPECT_FALSE(other->live_entry(phone_of(1), soon()).value());
  const auto holder = other->who_holds(phone_of(1), soon()).value();
  ASSERT_TRUE(holder);
  EXPECT_EQ(holder->ispb, our_ispb);
  EXPECT_EQ(holder->owner, sha256(account_of(1).holder.tax_id));
  EXPECT_FALSE(other->who_holds(phone_of(2), soon()).value());
}

TEST_F(PostgresSecurity, a_role_that_nothing_holds_back_is_refused) {
  PostgresOptions options = database.options();
  for (const char* role : {"postgres", "import"}) {
    options.url = Secret(database.url(role));
    const auto opened = PostgresStore::open(options, person_key(), day_one, soon());
    ASSERT_FALSE(opened) << role;
    EXPECT_THAT(opened.error().message, testing::HasSubstr("row-level security")) << role;
  }
}

TEST_F(PostgresSecurity, the_key_limit_holds_in_sql) {
  const Account natural = account_of(1);
  ASSERT_TRUE(store->commit(change_of("create_account", {put(natural)}), soon()));
  for (std::uint8_t slot = 0; slot < 5; ++slot)
    ASSERT_TRUE(store->commit(change_of("create_entry", {put(entry_of(slot, natural, phone_of(slot), slot))}), soon()));
  EXPECT_EQ(
      store->commit(change_of("create_entry", {put(entry_of(9, natural, phone_of(9), 5))}), soon()).error().reason,
      "Stale");
  Account legal = account_of(2);
  legal.holder.type = PersonType::legal;
  ASSERT_TRUE(store->commit(change_of("create_account", {put(legal)}), soon()));
  ASSERT_TRUE(store->commit(change_of("create_entry", {put(entry_of(30, legal, phone_of(30), 19))}), soon()));
  EXPECT_FALSE(store->commit(change_of("create_entry", {put(entry_of(31, legal, phone_of(31), 20))}), soon()));
}

TEST_F(PostgresSecurity, text_that_cannot_be_stored_is_the_fault_of_its_change_alone) {
  std::vector<Change> changes;
  for (std::uint64_t n = 0; n < 40; ++n) changes.push_back(registration_of(n));
  std::get<Put<Account>>(changes[7].writes[0]).after.holder.name = std::string("a\0b", 3);
  std::get<Put<Entry>>(changes[23].writes[1]).after.account.holder.name = "\xff\xfe";
  const auto answers = store->commit_all(changes, soon());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (i != 7 && i != 23) {
      EXPECT_TRUE(answers[i]) << i;
      continue;
    }
    ASSERT_FALSE(answers[i]) << i;
    EXPECT_EQ(answers[i].error().code, Code::invalid) << answers[i].error().message;
    EXPECT_EQ(answers[i].error().reason, "BadText");
  }
  EXPECT_FALSE(store->account(account_of(7).id, soon()).value());
  EXPECT_FALSE(store->account(account_of(23).id, soon()).value());
}

TEST_F(PostgresSecurity, a_request_id_that_is_taken_fails_its_own_change_alone) {
  ASSERT_TRUE(store->commit(registration_of(100), soon()));
  std::vector<Change> changes;
  for (std::uint64_t n = 0; n < 20; ++n) changes.push_back(registration_of(n));
  changes[11].request->id = {uuid_of(100, 9)};
  const auto answers = store->commit_all(changes, soon());
  for (std::size_t i = 0; i < answers.size(); ++i) EXPECT_EQ(answers[i].has_value(), i != 11) << i;
  EXPECT_FALSE(store->account(account_of(11).id, soon()).value());
}

}  // namespace
}  // namespace chaveiro::contract
