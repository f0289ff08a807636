// A SQLite database moved into PostgreSQL: whole, in pieces with breaks between, and never into somebody else's data.
#include <gtest/gtest.h>

#include "app/database_copy.h"
#include "clients/sqlite/consumer_memory.h"
#include "clients/sqlite/store.h"
#include "tests/contract/postgres_home.h"
#include "tests/contract/temporary_directory.h"

namespace chaveiro::contract {
namespace {

using app::copy_database;
using app::CopyOptions;

Deadline soon() { return Deadline::in(std::chrono::seconds(60)); }

struct DatabaseCopy : testing::Test {
  TemporaryDirectory folder;
  FreshDatabase database;
  CopyOptions options;
  DatabaseCopy() {
    options.source = folder.path() + "/chaveiro.db";
    options.target = Secret(database.url("maintenance"));
    options.rows_at_once = 70;
  }

  std::unique_ptr<clients::sqlite::SqliteStore> source(const std::string& writer = "main") const {
    clients::sqlite::SqliteOptions sqlite;
    sqlite.path = options.source;
    sqlite.writer = writer;
    sqlite.keep_events = true;
    return std::move(clients::sqlite::SqliteStore::open(sqlite, person_key(), day_one).value());
  }
  std::unique_ptr<clients::postgres::PostgresStore> target() const {
    clients::postgres::PostgresOptions server = database.options();
    server.keep_events = true;
    auto store = clients::postgres::PostgresStore::open(server, person_key(), day_one, soon());
    if (!store) throw std::runtime_error(store.error().message);
    return std::move(*store);
  }
  // Three months, two writers, a deleted entry and a claim.
  void fill() const {
    {
      const auto store = source();
      std::vector<Change> changes;
      for (std::uint64_t n = 0; n < 300; ++n) {
        changes.push_back(registration_of(n));
        changes.back().at = day_one + std::chrono::days(n / 4);
      }
      changes[5].mark = {"consumer", uuid_of(5, 7), "an aggregate", 5, day_one};
      for (const auto& answer : store->commit_all(changes, soon())) ASSERT_TRUE(answer);
      for (std::uint64_t n = 0; n < 150; ++n) {
        const std::string subscription = n % 2 == 0 ? "consumer" : "consumers";
        ASSERT_TRUE(store->inbox()->mark({subscription, uuid_of(n, 7), uuid_text(n), n % 3, day_one}, soon()));
      }
    }
    const auto store = source("next");
    for (const KeyType type : {KeyType::cpf, KeyType::phone, KeyType::evp})
      ASSERT_TRUE(store->sync_answers().keep({our_ispb, type, vsync::Agreement::diverging, sha256("all"), day_one},
                                             {"answers", uuid_of(static_cast<std::uint64_t>(type), 8), "", 0, day_one},
                                             soon()));
    const Entry first = store->live_entry(phone_of(1), soon()).value().value();
    ASSERT_TRUE(
        store->commit(change_of("start_claim", {put(claim_of(1, first, account_of(900, other_ispb)))}), soon()));
    const Entry second = store->live_entry(phone_of(2), soon()).value().value();
    Entry gone = second;
    gone.status = EntryStatus::deleted;
    gone.deleted_at = day_one;
    ASSERT_TRUE(store->commit(change_of("delete_entry", {put(second, gone)}), soon()));
  }
  static std::string uuid_text(std::uint64_t n) { return to_string(uuid_of(n, 3)); }
  static void expect_same_events(Store& ours, Store& theirs) {
    const auto here = ours.outbox()->unpublished(0, 10'000, soon()).value();
    const auto there = theirs.outbox()->unpublished(0, 10'000, soon()).value();
    ASSERT_GT(there.size(), 600u);
    ASSERT_EQ(here.size(), there.size());
    for (std::size_t i = 0; i < here.size(); ++i) {
      EXPECT_EQ(here[i].position, there[i].position);
      EXPECT_EQ(here[i].topic, there[i].topic);
      EXPECT_EQ(here[i].message.key, there[i].message.key);
      EXPECT_EQ(here[i].message.body, there[i].message.body);
      EXPECT_EQ(here[i].message.headers, there[i].message.headers);
      EXPECT_EQ(here[i].message.event_time, there[i].message.event_time);
    }
    int known = 0;
    for (std::uint64_t n = 0; n < 150; ++n) {
      events::DomainEvent event;
      event.event_id = uuid_of(n, 7);
      event.aggregate_id = uuid_text(n);
      event.version = n % 3;
      const auto mine = ours.inbox()->standing("consumers", event, soon()).value();
      const auto its = theirs.inbox()->standing("consumers", event, soon()).value();
      EXPECT_EQ(mine.applied, its.applied) << n;
      EXPECT_EQ(mine.seen, its.seen) << n;
      known += its.seen || its.applied > 0 ? 1 : 0;
    }
    EXPECT_EQ(known, 75);
  }
  void expect_same() const {
    const auto ours = target();
    const auto theirs = source();
    for (std::uint64_t n = 0; n < 300; ++n) {
      EXPECT_EQ(ours->live_entry(phone_of(n), soon()).value(), theirs->live_entry(phone_of(n), soon()).value()) << n;
      EXPECT_EQ(ours->account(account_of(n).id, soon()).value(), theirs->account(account_of(n).id, soon()).value())
          << n;
      const auto used = ours->request(our_ispb, {uuid_of(n, 9)}, soon()).value();
      ASSERT_TRUE(used) << n;
      EXPECT_EQ(used->sequence, theirs->request(our_ispb, {uuid_of(n, 9)}, soon()).value()->sequence) << n;
    }
    EXPECT_EQ(ours->live_claim(phone_of(1), soon()).value(), theirs->live_claim(phone_of(1), soon()).value());
    expect_same_events(*ours, *theirs);
    EXPECT_EQ(theirs->sync_answers().last(soon()).value().size(), 3u);
    EXPECT_EQ(ours->sync_answers().last(soon()).value(), theirs->sync_answers().last(soon()).value());
    std::vector<Digest> hashes[2];
    ASSERT_TRUE(ours->each_audit_record([&](const AuditRecord& record) { hashes[0].push_back(record.hash); }, soon()));
    ASSERT_TRUE(
        theirs->each_audit_record([&](const AuditRecord& record) { hashes[1].push_back(record.hash); }, soon()));
    EXPECT_EQ(hashes[0], hashes[1]);
    const auto next = ours->commit(registration_of(5000), soon());
    ASSERT_TRUE(next) << "and life goes on";
    EXPECT_GT(next->sequence, theirs->live_claim(phone_of(1), soon()).value()->version);
  }
};

TEST_F(DatabaseCopy, carries_everything_over_as_it_was) {
  fill();
  const auto report = copy_database(options, soon());
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->audit, 602u);
  EXPECT_EQ(report->chains, 2u);
  EXPECT_EQ(database.sql("SELECT count(*) FROM audit_rest"), "0") << "every month has its partition";
  expect_same();
}

TEST_F(DatabaseCopy, goes_on_where_it_broke_off) {
  fill();
  std::uint64_t copied = 0;
  int breaks = 0;
  options.progress = [&, pieces = 0](const std::string&, std::uint64_t) mutable -> Result<void> {
    return ++pieces % 4 == 0 ? Result<void>(fail(Code::cancelled, "Broke", "off")) : Result<void>();
  };
  for (;; ++breaks) {
    ASSERT_LT(breaks, 100);
    const auto report = copy_database(options, soon());
    if (report) {
      copied = report->rows;
      break;
    }
    EXPECT_EQ(report.error().reason, "Broke") << report.error().message;
  }
  EXPECT_GT(breaks, 3);
  EXPECT_LT(copied, 1000u) << "the last run did not begin anew";
  expect_same();
}

TEST_F(DatabaseCopy, never_copies_into_what_is_not_empty) {
  fill();
  ASSERT_TRUE(target()->commit(registration_of(7000), soon()));
  EXPECT_EQ(copy_database(options, soon()).error().reason, "TargetNotEmpty");
}

TEST_F(DatabaseCopy, leaves_no_event_behind_that_waits) {
  fill();
  options.consumers = folder.path() + "/consumers.db";
  {
    const auto memory = clients::sqlite::SqliteConsumerMemory::open(options.consumers).value();
    ASSERT_TRUE(memory->set_dead("dict-core-responses", "key", uuid_of(1, 7), soon()));
    EXPECT_EQ(copy_database(options, soon()).error().reason, "EventsWait");
    ASSERT_TRUE(memory->revive("dict-core-responses", "key", uuid_of(1, 7), soon()));
  }
  EXPECT_TRUE(copy_database(options, soon()));
}

TEST_F(DatabaseCopy, notices_a_copy_that_differs) {
  fill();
  options.progress = [&](const std::string& table, std::uint64_t rows) -> Result<void> {
    if (table == "audit" && rows > 500)
      database.sql("UPDATE audit SET actor = 'somebody else' WHERE number = 3 AND writer = 'main'");
    return {};
  };
  const auto report = copy_database(options, soon());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().reason, "CopyDiffers") << report.error().message;
}

TEST_F(DatabaseCopy, waits_for_no_server_that_runs_on_the_source) {
  const auto running = source();
  EXPECT_EQ(copy_database(options, soon()).error().reason, "DatabaseInUse");
}

}  // namespace
}  // namespace chaveiro::contract
