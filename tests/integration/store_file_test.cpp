// The SQLite file in good and bad hands: locked, torn, unreadable, of another schema, copied, put back, shared.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/guarded.h"
#include "clients/sqlite/connection.h"
#include "clients/sqlite/lock_holder.h"
#include "clients/sqlite/maintenance.h"
#include "clients/sqlite/store.h"
#include "tests/contract/samples.h"
#include "tests/contract/temporary_directory.h"

namespace chaveiro::contract {
namespace {

namespace fs = std::filesystem;
using namespace clients::sqlite;
using testing::HasSubstr;

const Secret key("key of the tests");

Deadline soon() { return Deadline::in(std::chrono::seconds(20)); }

class StoreFile : public testing::Test {
 protected:
  std::string path() const { return folder.path() + "/chaveiro.db"; }
  SqliteOptions options() const {
    SqliteOptions made;
    made.path = path();
    made.cache_bytes = 1u << 20;
    made.readers = 1;
    made.busy_limit = Micros(20'000);
    return made;
  }
  std::unique_ptr<SqliteStore> open(const SqliteOptions& wanted) {
    auto store = SqliteStore::open(wanted, key, day_one);
    EXPECT_TRUE(store) << store.error().message;
    return store ? std::move(*store) : nullptr;
  }
  std::unique_ptr<SqliteStore> open() { return open(options()); }
  Error open_fails() {
    auto store = SqliteStore::open(options(), key, day_one);
    EXPECT_FALSE(store);
    return store ? Error{} : store.error();
  }
  void fill(std::uint64_t from, std::uint64_t until) {
    const auto store = open();
    std::vector<Change> changes;
    for (std::uint64_t n = from; n < until; ++n) changes.push_back(registration_of(n));
    for (const auto& answer : store->commit_all(changes, soon())) ASSERT_TRUE(answer) << answer.error().message;
  }
  // Every row of every table, as text.
  std::string dump() {
    const auto connection = Connection::open({.path = path()}).value();
    std::string all;
    for (const char* table : {"accounts", "entries", "claims", "requests", "writers", "audit", "seal_keys", "meta"}) {
      const auto rows = connection->prepare_once(std::string("SELECT * FROM ") + table).value();
      const auto width = connection->number(std::string("SELECT count(*) FROM pragma_table_info('") + table + "')");
      while (rows->step().value()) {
        for (std::int64_t column = 0; column < *width; ++column) all += std::string(rows->text()) + "|";
        all += "\n";
      }
    }
    return all;
  }
  void run(std::string_view sql) { ASSERT_TRUE(Connection::open({.path = path()}).value()->run(sql)); }
  void damage(std::uint64_t offset, std::string_view bytes) {
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file << bytes;
  }

  TemporaryDirectory folder;
};

TEST_F(StoreFile, is_for_its_owner_only) {
  const auto store = open();
  ASSERT_TRUE(store->commit(registration_of(1), soon()));
  for (const char* part : {"", "-wal", "-shm", "-use"}) {
    struct stat info{};
    ASSERT_EQ(::stat((path() + part).c_str(), &info), 0) << part;
    EXPECT_EQ(info.st_mode & 0777, 0600u) << part;
  }
}

TEST_F(StoreFile, locked_by_somebody_else_names_him) {
  const auto store = open();
  const auto other = Connection::open({.path = path()}).value();
  ASSERT_TRUE(other->run("BEGIN IMMEDIATE"));
  const auto answer = store->commit(registration_of(1), soon());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::unavailable);
  EXPECT_EQ(answer.error().reason, "DatabaseLocked");
  EXPECT_THAT(answer.error().message, HasSubstr("process " + std::to_string(::getpid())));
  EXPECT_EQ(store->check(soon()).error().reason, "DatabaseLocked");
  EXPECT_TRUE(store->live_entry(phone_of(1), soon())) << "reading goes on";
  ASSERT_TRUE(other->run("ROLLBACK"));
  EXPECT_TRUE(store->commit(registration_of(1), soon()));
  EXPECT_TRUE(store->check(soon()));
}

TEST_F(StoreFile, that_is_no_database_is_not_opened) {
  std::ofstream(path()) << std::string(10'000, 'x');
  const Error error = open_fails();
  EXPECT_EQ(error.code, Code::corrupt);
  EXPECT_THAT(error.message, HasSubstr("restore the last backup"));
}

TEST_F(StoreFile, cut_short_is_not_opened) {
  fill(0, 300);
  fs::resize_file(path(), fs::file_size(path()) / 2);
  EXPECT_EQ(open_fails().code, Code::corrupt);
}

TEST_F(StoreFile, with_flipped_bytes_is_not_opened) {
  fill(0, 300);
  const std::uint64_t pages = fs::file_size(path()) / 4096;
  int found = 0;
  const TemporaryDirectory backup;
  fs::copy_file(path(), backup.path() + "/whole");
  for (std::uint64_t page = 1; page < pages; page += pages / 10) {
    fs::copy_file(backup.path() + "/whole", path(), fs::copy_options::overwrite_existing);
    damage(page * 4096, std::string(64, '\xa5'));  // the head of a page
    const auto store = SqliteStore::open(options(), key, day_one);
    if (store) continue;  // a page that nothing uses
    ++found;
    EXPECT_EQ(store.error().code, Code::corrupt) << store.error().message;
  }
  EXPECT_GE(found, 8);
}

TEST_F(StoreFile, folds_its_log_into_the_database_while_it_serves) {
  SqliteOptions wanted = options();
  wanted.log_pages_max = 50;
  const auto store = open(wanted);
  for (std::uint64_t n = 0; n < 100; ++n) ASSERT_TRUE(store->commit(registration_of(n), soon()));
  EXPECT_LT(fs::file_size(path() + "-wal"), 1u << 20) << "100 commits of some ten pages each";
  EXPECT_GT(fs::file_size(path()), 100u * 1024);
}

TEST_F(StoreFile, with_a_torn_log_keeps_what_came_before_the_tear) {
  const TemporaryDirectory copied;
  {
    const auto store = open();
    for (std::uint64_t n = 0; n < 20; ++n) ASSERT_TRUE(store->commit(registration_of(n), soon()));
    fs::copy_file(path(), copied.path() + "/chaveiro.db");
    fs::copy_file(path() + "-wal", copied.path() + "/chaveiro.db-wal");
  }
  const std::string log = copied.path() + "/chaveiro.db-wal";
  fs::resize_file(log, fs::file_size(log) - 5000);
  SqliteOptions there = options();
  there.path = copied.path() + "/chaveiro.db";
  const auto store = open(there);
  EXPECT_TRUE(*store->live_entry(phone_of(0), soon()));
  EXPECT_FALSE(*store->live_entry(phone_of(19), soon()));
  ASSERT_TRUE(store->commit(registration_of(19), soon()));
}

TEST_F(StoreFile, in_a_directory_that_is_not_there_says_so) {
  SqliteOptions elsewhere = options();
  elsewhere.path = folder.path() + "/nowhere/chaveiro.db";
  const auto store = SqliteStore::open(elsewhere, key, day_one);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, Code::unavailable);
  EXPECT_THAT(store.error().message, HasSubstr("directory must exist"));
}

TEST_F(StoreFile, in_a_read_only_directory_says_so) {
  SqliteOptions elsewhere = options();
  if (::geteuid() == 0) {
    elsewhere.path = "/sys/kernel/chaveiro.db";  // not even root can make files there
  } else {
    fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec);
  }
  const auto store = SqliteStore::open(elsewhere, key, day_one);
  fs::permissions(folder.path(), fs::perms::owner_all);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, Code::unavailable) << store.error().message;
  EXPECT_THAT(store.error().message, HasSubstr("writable"));
}

TEST_F(StoreFile, goes_down_and_up_through_its_schema_and_is_the_same) {
  fill(0, 200);
  const std::string before = dump();
  ASSERT_GT(before.size(), 50'000u);
  ASSERT_TRUE(migrate_file(path(), {1, 0}, day_one));
  EXPECT_EQ(schema_of(*Connection::open({.path = path()}).value()).value(), (SchemaVersion{1, 0}));
  EXPECT_EQ(dump(), before);
  ASSERT_TRUE(migrate_file(path(), newest_schema(), day_one));
  EXPECT_EQ(dump(), before);
  const auto store = open();
  EXPECT_EQ(store->entries({.ispb = our_ispb}, {10, {}}, soon())->total, 200u);
}

TEST_F(StoreFile, goes_down_to_nothing_and_up_again) {
  fill(0, 3);
  ASSERT_TRUE(migrate_file(path(), {}, day_one));
  const auto tables =
      Connection::open({.path = path()})
          .value()
          ->number("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
  EXPECT_EQ(*tables, 1) << "only the list of steps is left";
  fill(0, 3);
}

TEST_F(StoreFile, of_an_older_schema_is_brought_up_when_opened) {
  fill(0, 3);
  ASSERT_TRUE(migrate_file(path(), {1, 0}, day_one));
  fill(3, 6);
  EXPECT_EQ(schema_of(*Connection::open({.path = path()}).value()).value(), newest_schema());
}

TEST_F(StoreFile, of_a_newer_minor_schema_is_used_as_it_is) {
  fill(0, 3);
  run("ALTER TABLE accounts ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue';"
      "CREATE TABLE colours (name TEXT);"
      "INSERT INTO schema_migrations VALUES (1, 99, 'colours', x'00', 0)");
  fill(3, 6);
  EXPECT_EQ(schema_of(*Connection::open({.path = path()}).value()).value(), (SchemaVersion{1, 99}));
  EXPECT_EQ(migrate_file(path(), {1, 0}, day_one).error().reason, "SchemaTooNew");
}

TEST_F(StoreFile, of_a_newer_major_schema_is_refused) {
  fill(0, 3);
  run("INSERT INTO schema_migrations VALUES (2, 0, 'all is new', x'00', 0)");
  const Error error = open_fails();
  EXPECT_EQ(error.reason, "SchemaTooNew");
  EXPECT_THAT(error.message, HasSubstr("schema 2.0"));
}

TEST_F(StoreFile, whose_steps_are_not_ours_is_refused) {
  fill(0, 3);
  run("UPDATE schema_migrations SET checksum = x'00' WHERE minor = 1");
  EXPECT_EQ(open_fails().reason, "SchemaChanged");
}

TEST_F(StoreFile, is_shared_by_two_processes_as_during_an_upgrade) {
  SqliteOptions patient = options();
  patient.busy_limit = Micros(5'000'000);
  SqliteOptions second = patient;
  second.writer = "second";
  const auto old_store = open(patient);
  const auto new_store = open(second);
  std::vector<std::uint64_t> sequences;
  for (std::uint64_t n = 0; n < 20; ++n) {
    const auto answer = (n % 2 == 0 ? *old_store : *new_store).commit(registration_of(n), soon());
    ASSERT_TRUE(answer) << answer.error().message;
    sequences.push_back(answer->sequence);
  }
  EXPECT_TRUE(std::is_sorted(sequences.begin(), sequences.end()));
  EXPECT_EQ(std::adjacent_find(sequences.begin(), sequences.end()), sequences.end());
  EXPECT_TRUE(*old_store->live_entry(phone_of(19), soon()));
  ChainChecker checker("changes");
  ASSERT_TRUE(old_store->each_audit_record([&](const AuditRecord& record) { checker.feed(record); }, soon()));
  EXPECT_TRUE(checker.finish().empty());
  EXPECT_EQ(checker.heads().size(), 2u);
}

TEST_F(StoreFile, is_copied_while_it_is_written_and_put_back) {
  const std::string copy = folder.path() + "/backup.db";
  std::uint64_t before = 0;
  {
    const auto store = open();
    for (std::uint64_t n = 0; n < 200; ++n) ASSERT_TRUE(store->commit(registration_of(n), soon()));
    Guarded<bool> stop(false);
    std::thread committer([&] {
      for (std::uint64_t n = 1000; !*stop.lock(); ++n) EXPECT_TRUE(store->commit(registration_of(n), soon()));
    });
    const auto copied = store->backup(copy, soon());
    stop.with([](bool& it) { it = true; });
    committer.join();
    ASSERT_TRUE(copied) << copied.error().message;
    EXPECT_EQ(store->backup(copy, soon()).error().code, Code::exists);
    EXPECT_EQ(restore(copy, path(), soon()).error().reason, "DatabaseInUse");
    EXPECT_EQ(migrate_file(path(), {1, 0}, day_one).error().reason, "DatabaseInUse");
    ASSERT_TRUE(store->commit(registration_of(999), soon()));
    before = store->statistics(our_ispb, soon())->accounts;
  }
  ASSERT_TRUE(restore(copy, path(), soon()));
  const auto store = open();
  EXPECT_TRUE(*store->live_entry(phone_of(199), soon()));
  EXPECT_FALSE(*store->live_entry(phone_of(999), soon()));
  EXPECT_LT(store->statistics(our_ispb, soon())->accounts, before);
  ASSERT_TRUE(store->commit(registration_of(999), soon()));
  EXPECT_TRUE(fs::exists(path() + ".replaced")) << "what was there is kept";
}

TEST_F(StoreFile, is_not_replaced_by_a_damaged_copy) {
  fill(0, 300);
  const std::string copy = folder.path() + "/backup.db";
  ASSERT_TRUE(open()->backup(copy, soon()));
  fs::resize_file(copy, fs::file_size(copy) / 2);
  EXPECT_EQ(restore(copy, path(), soon()).error().code, Code::corrupt);
  std::ofstream(folder.path() + "/text") << "hello";
  EXPECT_EQ(restore(folder.path() + "/text", path(), soon()).error().code, Code::corrupt);
  EXPECT_EQ(restore(folder.path() + "/nothing", path(), soon()).error().code, Code::not_found);
  EXPECT_TRUE(*open()->live_entry(phone_of(299), soon()));
}

TEST_F(StoreFile, is_not_half_copied_when_time_runs_out) {
  fill(0, 300);
  const std::string copy = folder.path() + "/backup.db";
  EXPECT_EQ(open()->backup(copy, Deadline::in(Micros(-1))).error().code, Code::deadline);
  EXPECT_FALSE(fs::exists(copy));
  EXPECT_FALSE(fs::exists(copy + ".unfinished"));
}

TEST_F(StoreFile, holds_nothing_of_an_erased_person) {
  const auto store = open();
  Account account = account_of(7);
  account.holder.name = "Zacarias Quaresma";
  account.version = store->commit(change_of("create_account", {put(account)}), soon())->sequence;
  Account closed = account;
  closed.status = AccountStatus::closed;
  ASSERT_TRUE(store->commit(change_of("close_account", {put(account, closed)}), soon()));
  const auto holds = [&](std::string_view text) {
    for (const char* part : {"", "-wal"}) {
      std::ifstream file(path() + part, std::ios::binary);
      const std::string content(std::istreambuf_iterator<char>(file), {});
      if (content.find(text) != std::string::npos) return true;
    }
    return false;
  };
  EXPECT_TRUE(holds("Zacarias"));
  const Digest person = person_of(key, account.holder.tax_id);
  const SealKey seal = **store->seal_key(person, soon());
  const std::string_view seal_text(reinterpret_cast<const char*>(seal.data()), seal.size());
  EXPECT_TRUE(holds(seal_text));
  EXPECT_EQ(*store->erase_person(account.holder.tax_id, {}, day_one, soon()), 1u);
  EXPECT_FALSE(holds("Zacarias"));
  EXPECT_FALSE(holds(seal_text));
}

TEST_F(StoreFile, finds_the_few_of_many_by_an_index) {
  fill(0, 1);
  const auto connection = Connection::open({.path = path()}).value();
  const auto plan_of = [&](std::string_view query) {
    const auto rows = connection->prepare_once("EXPLAIN QUERY PLAN " + std::string(query)).value();
    std::string plan;
    while (rows->step().value()) {
      for (int i = 0; i < 3; ++i) rows->skip();
      plan += std::string(rows->text()) + "\n";
    }
    return plan;
  };
  const std::string order = " ORDER BY created_at, id LIMIT 21";
  EXPECT_THAT(plan_of("SELECT * FROM entries WHERE +account_ispb = ? AND account_id IN (?, ?) AND +status = ? AND "
                      "status <> 4" +
                      order),
              HasSubstr("entries_live_slot"));
  EXPECT_THAT(plan_of("SELECT * FROM entries WHERE account_ispb = ? AND +key_type = ? AND status <> 4" + order),
              HasSubstr("entries_list"));
  EXPECT_THAT(plan_of("SELECT key_type, status, count(*) FROM entries WHERE account_ispb = ? GROUP BY key_type, status "
                      "ORDER BY key_type, status"),
              HasSubstr("COVERING INDEX entries_counts"));
  EXPECT_THAT(plan_of("SELECT * FROM accounts WHERE +ispb = ? AND holder_tax_id = ?" + order),
              HasSubstr("accounts_holder"));
  EXPECT_THAT(plan_of("SELECT * FROM audit WHERE +ispb = ? AND resource = ? ORDER BY at DESC, position DESC"),
              HasSubstr("audit_resource"));
}

// The hook holds the writer's thread until it is let go.
class Gate {
 public:
  void pass() {
    auto state = state_.lock();
    state.wait(Deadline::never(), [](const bool& open) { return open; });
  }
  void open() {
    state_.with([](bool& it) { it = true; });
    state_.notify_all();
  }

 private:
  Guarded<bool> state_{false};
};

TEST_F(StoreFile, answers_callers_whose_time_runs_out_and_refuses_those_who_find_the_queue_full) {
  SqliteOptions small = options();
  small.queue_max = 3;
  const auto store = open(small);
  Gate gate;
  store->on_commit([&](std::uint64_t, const Change&) { gate.pass(); });
  const auto in_time = [] { return Deadline::in(Micros(20'000)); };
  EXPECT_EQ(store->commit(registration_of(1), in_time()).error().code, Code::maybe_applied);
  for (std::uint64_t n = 2; n <= 4; ++n)
    EXPECT_EQ(store->commit(registration_of(n), in_time()).error().code, Code::deadline);
  const auto refused = store->commit(registration_of(5), soon());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::exhausted);
  EXPECT_EQ(refused.error().reason, "CommitQueueFull");
  EXPECT_TRUE(refused.error().retry_after);
  gate.open();
  const std::vector<Change> patient = {registration_of(6)};  // commit_all waits for room
  ASSERT_TRUE(store->commit_all(patient, soon()).front());
  EXPECT_TRUE(*store->live_entry(phone_of(1), soon())) << "it was being written";
  for (std::uint64_t n = 2; n <= 5; ++n) EXPECT_FALSE(*store->live_entry(phone_of(n), soon())) << n;
}

TEST_F(StoreFile, writes_what_waits_in_one_group_and_takes_back_only_what_fails) {
  const auto store = open();
  Gate gate;
  store->on_commit([&](std::uint64_t, const Change&) { gate.pass(); });
  std::vector<std::thread> callers;
  Guarded<std::vector<std::pair<std::uint64_t, bool>>> answers;
  const auto call = [&](std::uint64_t n, const Change& change) {
    callers.emplace_back([&, n, change] {
      const bool applied = store->commit(change, soon()).has_value();
      answers.with([&](auto& all) { all.emplace_back(n, applied); });
    });
  };
  call(0, registration_of(0));
  for (std::uint64_t n = 1; n <= 8; ++n) {
    Change change = registration_of(n);
    if (n == 4) change.writes.push_back(put(account_of(4)));  // fails there, after two writes were applied
    call(n, change);
  }
  gate.open();
  for (std::thread& caller : callers) caller.join();
  const auto all = answers.lock();
  for (const auto& [n, applied] : *all) {
    EXPECT_EQ(applied, n != 4) << n;
    EXPECT_EQ(store->account(account_of(n).id, soon())->has_value(), n != 4) << n;
  }
  ChainChecker checker("changes");
  ASSERT_TRUE(store->each_audit_record([&](const AuditRecord& record) { checker.feed(record); }, soon()));
  EXPECT_TRUE(checker.finish().empty());
  EXPECT_EQ(checker.records(), 16u);
}

TEST_F(StoreFile, does_not_make_caches_forget_when_an_event_leaves) {
  SqliteOptions with_events = options();
  with_events.keep_events = true;
  const auto store = open(with_events);
  int forgotten = 0;
  store->on_forget([&] { ++forgotten; });
  ASSERT_TRUE(store->commit(registration_of(1), soon()));
  const auto waiting = store->outbox()->unpublished(0, 10, soon());
  ASSERT_TRUE(waiting);
  ASSERT_FALSE(waiting->empty());
  std::vector<std::uint64_t> positions;
  for (const auto& event : *waiting) positions.push_back(event.position);
  ASSERT_TRUE(store->outbox()->published(positions, soon()));
  EXPECT_EQ(store->outbox()->depth(soon())->events, 0u);
  const auto event = events::event_of(waiting->front().message);
  ASSERT_TRUE(event);
  EXPECT_TRUE(*store->inbox()->mark(events::mark_of("somebody", *event, day_one), soon()));
  EXPECT_EQ(forgotten, 0);
}

}  // namespace
}  // namespace chaveiro::contract
