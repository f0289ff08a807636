// What happens to a store when its server dies, stops, fills up, moves or was never right: nothing answered is lost, nothing stands twice,
// nobody hangs past a deadline, and it comes back by itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "base/random.h"
#include "clients/postgres/pool.h"
#include "tests/integration/postgres_days.h"
#include "tests/support/redis_server.h"

namespace chaveiro::contract {
namespace {

using testing::HasSubstr;

// What four committers were told, outside of the database.
struct Ledger {
  std::mutex mutex;
  std::map<std::uint64_t, std::uint64_t> applied;  // registration → sequence
  std::set<std::uint64_t> unclear;                 // maybe_applied
  std::map<std::string, int> refused;
};

TEST(PostgresKilled, a_server_that_is_killed_a_hundred_times_has_lost_nothing_that_was_answered) {
  const char* const wanted = std::getenv("POSTGRES_KILLS");
  const int kills = wanted == nullptr ? 100 : std::atoi(wanted);
  tests::PostgresServer server;
  make_schema(server, "chaveiro");
  const auto store = open(options_of(server.url()));
  Ledger ledger;
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> next = 1, answered = 0;
  std::vector<std::thread> committers;
  for (int t = 0; t < 4; ++t) {
    committers.emplace_back([&] {
      while (!stop) {
        const std::uint64_t n = next++;
        const auto answer = store->commit(registration_of(n), Deadline::in(20s));
        const std::scoped_lock lock(ledger.mutex);
        if (answer) {
          ledger.applied[n] = answer->sequence;
          ++answered;
        } else if (answer.error().code == Code::maybe_applied) {
          ledger.unclear.insert(n);
        } else {
          ++ledger.refused[answer.error().reason];
        }
      }
    });
  }
  Random random(20260101);
  std::string fault;  // the committers end whatever happens
  int killed = 0;
  try {
    for (; killed < kills; ++killed) {
      const std::uint64_t goal = answered + 5 + random.below(40);
      tests::wait_until("so many are answered", [&] { return answered >= goal; }, 60s);
      server.kill();
      server.start();
    }
  } catch (const std::exception& error) {
    fault = error.what();
  }
  stop = true;
  for (std::thread& committer : committers) committer.join();
  ASSERT_EQ(fault, "") << "after " << killed << " kills";

  std::set<std::uint64_t> sequences;
  for (const auto& [n, sequence] : ledger.applied) {
    EXPECT_TRUE(sequences.insert(sequence).second) << "two commits with one sequence";
    const auto entry = when_back([&] { return store->live_entry(phone_of(n), soon()); });
    ASSERT_TRUE(entry && *entry) << "registration " << n << " was answered and is gone";
    EXPECT_EQ((*entry)->version, sequence) << n;
  }
  // Each entry of the store was answered, or said to be unclear; the RequestId tells which.
  std::uint64_t found = 0;
  for (const std::uint64_t n : ledger.unclear) {
    const auto used = store->request(our_ispb, {uuid_of(n, 9)}, soon());
    ASSERT_TRUE(used);
    const auto entry = store->live_entry(phone_of(n), soon());
    ASSERT_TRUE(entry);
    EXPECT_EQ(used->has_value(), entry->has_value()) << n;
    if (*entry) ++found;
  }
  EXPECT_EQ(std::stoull(server.sql("SELECT count(*) FROM entries")), ledger.applied.size() + found);
  EXPECT_EQ(server.sql("SELECT count(*) FROM (SELECT 1 FROM audit GROUP BY resource HAVING count(*) > 1) AS twice"),
            "0");
  expect_whole_chain(*store);
  const auto counts = store->writer_counts();
  std::printf(
      "%d kills, %zu answered, %zu unclear (%llu of them applied), %llu groups done again, %llu resolved by the "
      "chain\n",
      kills, ledger.applied.size(), ledger.unclear.size(), static_cast<unsigned long long>(found),
      static_cast<unsigned long long>(counts.repeated), static_cast<unsigned long long>(counts.resolved));
  for (const auto& [reason, count] : ledger.refused) std::printf("  refused %s: %d\n", reason.c_str(), count);
}

struct PostgresBadDay : testing::Test {
  tests::PostgresServer server{{.settings = {"fsync=off"}}};
  PostgresBadDay() { make_schema(server, "chaveiro"); }
};

TEST_F(PostgresBadDay, nobody_hangs_on_a_server_that_stands_still) {
  const auto store = open(options_of(server.url()));
  ASSERT_TRUE(store->commit(registration_of(1), soon()));
  ASSERT_TRUE(store->entries({.ispb = our_ispb}, {}, soon()));
  server.freeze();
  const auto within = [](const auto& ask) {
    const auto began = std::chrono::steady_clock::now();
    const auto answer = ask(Deadline::in(300ms));
    EXPECT_LT(std::chrono::steady_clock::now() - began, 3s);
    EXPECT_FALSE(answer);
    return answer.error().code;
  };
  EXPECT_EQ(within([&](Deadline d) { return store->live_entry(phone_of(1), d); }), Code::deadline);
  EXPECT_EQ(within([&](Deadline d) { return store->account(account_of(1).id, d); }), Code::deadline);
  EXPECT_EQ(within([&](Deadline d) { return store->entries({.ispb = our_ispb}, {}, d); }), Code::deadline);
  EXPECT_EQ(within([&](Deadline d) { return store->commit(registration_of(2), d); }), Code::maybe_applied);
  EXPECT_EQ(within([&](Deadline d) { return store->check(d); }), Code::deadline);
  server.thaw();
  EXPECT_TRUE(when_back([&] { return store->live_entry(phone_of(1), Deadline::in(2s)); }));
  EXPECT_TRUE(when_back([&] { return store->commit(registration_of(3), Deadline::in(20s)); }));
  expect_whole_chain(*store);
}

TEST_F(PostgresBadDay, commits_wait_a_moment_for_a_server_that_is_gone_and_then_are_refused_between_few_tries) {
  const auto store = open(options_of(server.url()));
  ASSERT_TRUE(store->commit(registration_of(1), soon()));
  server.kill();
  const std::uint64_t connects_before = store->writer_counts().connects;
  const auto began = std::chrono::steady_clock::now();
  std::uint64_t refused = 0;
  for (; std::chrono::steady_clock::now() - began < 2500ms; ++refused) {
    const auto answer = store->commit(registration_of(2), soon());
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Code::unavailable) << answer.error().message;
    if (refused == 0) {
      EXPECT_GT(std::chrono::steady_clock::now() - began, 500ms) << "it may come back at once";
    }
    EXPECT_TRUE(answer.error().retry_after) << "so long nobody tries";
  }
  EXPECT_GT(refused, 100u);
  EXPECT_LT(store->writer_counts().connects - connects_before, 12u);
  server.start();
  EXPECT_TRUE(when_back([&] { return store->commit(registration_of(2), soon()); }));
  // A restart that is short is not noticed at all.
  server.kill();
  server.start();
  EXPECT_TRUE(store->commit(registration_of(3), soon()));
  expect_whole_chain(*store);
}

// Lists, whose connections come from the pool.
TEST_F(PostgresBadDay, lists_wait_a_moment_for_a_server_that_is_gone_and_then_are_refused_between_few_tries) {
  const auto store = open(options_of(server.url()));
  ASSERT_TRUE(store->commit(registration_of(1), soon()));
  const auto list = [&](Deadline deadline) { return store->entries({.ispb = our_ispb}, {.limit = 10}, deadline); };
  ASSERT_EQ(list(soon())->items.size(), 1u);
  server.kill();
  const std::uint64_t tries_before = store->pool_counts().opened;
  const auto began = std::chrono::steady_clock::now();
  Guarded<std::uint64_t> refused{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 20; ++i)
    callers.emplace_back([&] {
      while (std::chrono::steady_clock::now() - began < 2500ms) {
        const auto answer = list(soon());
        ASSERT_FALSE(answer);
        EXPECT_EQ(answer.error().code, Code::unavailable) << answer.error().message;
        *refused.lock() += 1;
      }
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_GT(*refused.lock(), 1000u);
  EXPECT_LT(store->pool_counts().opened - tries_before, 40u) << "twenty at first, then one at a time";
  const auto last = list(soon());
  ASSERT_FALSE(last);
  EXPECT_TRUE(last.error().retry_after);
  EXPECT_EQ(list(Deadline::in(0ms)).error().code, Code::deadline);
  server.start();
  EXPECT_EQ(when_back([&] { return list(soon()); })->items.size(), 1u);
  EXPECT_EQ(store->pool_counts().open, store->pool_counts().idle) << "no place was lost";
  // A restart that is short is not noticed at all.
  server.kill();
  server.start();
  EXPECT_TRUE(list(soon()));
}

TEST_F(PostgresBadDay, a_pool_that_is_used_up_says_so_and_serves_in_order) {
  Pool pool({.target = contract::target_of(server.url()), .open_max = 2, .idle_max = 2});
  {
    auto one = pool.borrow(soon()), two = pool.borrow(soon());
    ASSERT_TRUE(one && two);
    const auto third = pool.borrow(Deadline::in(50ms));
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code, Code::deadline);
    EXPECT_THAT(third.error().message, HasSubstr("all 2 connections"));
  }
  EXPECT_EQ(pool.counts().idle, 2u);
  Guarded<std::vector<int>> order;
  std::vector<std::thread> waiting;
  {
    std::optional<Pool::Lease> one(*pool.borrow(soon())), two(*pool.borrow(soon()));
    for (int i = 0; i < 4; ++i) {
      waiting.emplace_back([&, i] {
        const auto mine = pool.borrow(soon());
        ASSERT_TRUE(mine);
        order.with([&](auto& it) { it.push_back(i); });
      });
      tests::wait_until("it waits", [&] { return pool.counts().waiting == static_cast<std::size_t>(i) + 1; });
    }
    two.reset();  // one connection serves them all, one after the other
    for (std::thread& one_of_them : waiting) one_of_them.join();
  }
  EXPECT_EQ(*order.lock(), (std::vector<int>{0, 1, 2, 3}));
}

TEST_F(PostgresBadDay, a_pool_keeps_a_few_connections_and_none_that_has_grown_old) {
  const auto backend = [](Pool& pool) {
    return (*pool.borrow(soon()))->run("SELECT pg_backend_pid()", {}, soon()).value()[0].number();
  };
  Pool kept({.target = contract::target_of(server.url()), .idle_max = 1});
  EXPECT_EQ(backend(kept), backend(kept));
  {
    auto one = kept.borrow(soon()), two = kept.borrow(soon());
    EXPECT_EQ(kept.counts().open, 2u);
  }
  EXPECT_EQ(kept.counts().open, 1u) << "more than idle_max are closed";
  Pool old({.target = contract::target_of(server.url()), .lifetime_max = Micros{1}});
  EXPECT_NE(backend(old), backend(old));
}

TEST_F(PostgresBadDay, a_connection_that_broke_while_it_lay_idle_is_not_handed_out) {
  Pool pool({.target = contract::target_of(server.url())});
  ASSERT_TRUE((*pool.borrow(soon()))->run("SELECT 1", {}, soon()));
  server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'chaveiro_runtime'");
  tests::wait_until("it is gone", [&] {
    return server.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'chaveiro_runtime'") == "0";
  });
  EXPECT_TRUE((*pool.borrow(soon()))->run("SELECT 1", {}, soon()));
}

TEST_F(PostgresBadDay, reads_that_a_broken_connection_lost_are_asked_again) {
  const auto store = open(options_of(server.url()));
  ASSERT_TRUE(store->commit(registration_of(1), soon()));
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> good = 0, bad = 0;
  std::vector<std::thread> readers;
  for (int t = 0; t < 8; ++t) {
    readers.emplace_back([&] {
      while (!stop) {
        const auto entry = store->live_entry(phone_of(1), soon());
        entry && *entry ? ++good : ++bad;
      }
    });
  }
  for (std::uint64_t i = 1; i <= 20; ++i) {
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'chaveiro_runtime'");
    const std::uint64_t goal = good + 200;
    tests::wait_until("reads go on", [&] { return good >= goal; });
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(bad, 0u);
}

TEST_F(PostgresBadDay, a_deadlock_or_a_lock_held_by_others_is_waited_out) {
  const auto store = open(options_of(server.url()));
  const auto holder = Connection::open(contract::target_of(server.url()), soon()).value();
  ASSERT_TRUE(
      holder->script("BEGIN; SELECT set_config('app.ispb', 'x', true); SELECT * FROM state FOR UPDATE", soon()));
  EXPECT_EQ(store->commit(registration_of(1), Deadline::in(100ms)).error().code, Code::maybe_applied);
  ASSERT_TRUE(holder->script("ROLLBACK", soon()));
  ASSERT_TRUE(store->commit(registration_of(2), soon()));
  EXPECT_TRUE(store->live_entry(phone_of(1), soon()).value()) << "the group went on after its caller had left";
  expect_whole_chain(*store);
}

TEST_F(PostgresBadDay, a_group_that_the_server_ends_for_a_deadlock_is_done_again_with_the_same_ids) {
  server.sql("ALTER ROLE chaveiro_runtime SET deadlock_timeout = '300ms'",
             "postgres");  // ours is the one that gives way
  server.sql("ALTER ROLE postgres SET deadlock_timeout = '30s'", "postgres");
  const auto store = open(options_of(server.url()));
  ASSERT_TRUE(store->commit(registration_of(1), soon()));
  const auto other = Connection::open(contract::target_of(server.url("postgres")), soon()).value();
  ASSERT_TRUE(other->script("BEGIN; SELECT * FROM writers FOR UPDATE", soon()));
  Result<Committed> answer = Committed{};
  std::thread committer([&] { answer = store->commit(registration_of(2), soon()); });
  tests::wait_until("the group waits for the writer's row", [&] {
    return server.sql(
               "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = "
               "'chaveiro_runtime'") == "1";
  });
  EXPECT_TRUE(other->script("SELECT * FROM state FOR UPDATE; COMMIT", soon())) << "the other one goes first";
  committer.join();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_GE(store->writer_counts().repeated, 1u);
  const auto used = store->request(our_ispb, {uuid_of(2, 9)}, soon()).value();
  ASSERT_TRUE(used);
  EXPECT_EQ(used->sequence, answer->sequence);
  EXPECT_EQ(server.sql("SELECT count(*) FROM entries"), "2");
  expect_whole_chain(*store);
}

// 40001: under a stricter isolation the snapshot of a group is older than what it waits for.
TEST_F(PostgresBadDay, a_group_that_cannot_be_serialised_is_done_again_as_a_whole_with_the_same_ids) {
  for (const char* isolation : {"repeatable read", "serializable"}) {
    SCOPED_TRACE(isolation);
    server.sql("ALTER ROLE chaveiro_runtime SET default_transaction_isolation = '" + std::string(isolation) + "'",
               "postgres");
    const std::uint64_t first = isolation[0] == 'r' ? 10 : 20;
    const auto store = open(options_of(server.url()));
    ASSERT_TRUE(store->commit(registration_of(first), soon()));
    const auto other = Connection::open(contract::target_of(server.url("postgres")), soon()).value();
    ASSERT_TRUE(other->script("BEGIN; UPDATE state SET sequence = sequence", soon()));
    std::vector<Change> changes{registration_of(first + 1), registration_of(first + 2), registration_of(first + 3)};
    std::vector<Result<Committed>> answers;
    std::thread committer([&] { answers = store->commit_all(changes, soon()); });
    tests::wait_until("the group waits for the row of the state", [&] {
      return server.sql(
                 "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = "
                 "'chaveiro_runtime'") == "1";
    });
    const std::uint64_t repeated_before = store->writer_counts().repeated;
    EXPECT_TRUE(other->script("COMMIT", soon()));
    committer.join();
    EXPECT_EQ(store->writer_counts().repeated, repeated_before + 1) << "the server answered 40001";
    ASSERT_EQ(answers.size(), 3u);
    for (std::uint64_t i = 0; i < 3; ++i) {
      ASSERT_TRUE(answers[i]) << answers[i].error().message;
      const auto used = store->request(our_ispb, {uuid_of(first + 1 + i, 9)}, soon()).value();
      ASSERT_TRUE(used);
      EXPECT_EQ(used->sequence, answers[i]->sequence);
    }
    EXPECT_EQ(server.sql("SELECT count(*) FROM entries"), isolation[0] == 'r' ? "4" : "8");
    expect_whole_chain(*store);
  }
}

TEST_F(PostgresBadDay, two_processes_write_side_by_side) {
  PostgresOptions first = options_of(server.url()), second = first;
  first.writer = "a", second.writer = "b";
  const auto one = open(first), other = open(second);
  std::vector<std::thread> committers;
  Guarded<std::set<std::uint64_t>> sequences;
  for (std::uint64_t t = 0; t < 4; ++t) {
    committers.emplace_back([&, t] {
      Store& mine = t % 2 == 0 ? *one : *other;
      for (std::uint64_t n = 0; n < 50; ++n) {
        const auto answer = mine.commit(registration_of(t * 1000 + n), soon());
        ASSERT_TRUE(answer) << answer.error().message;
        sequences.with([&](auto& all) { EXPECT_TRUE(all.insert(answer->sequence).second); });
        EXPECT_TRUE((t % 2 == 0 ? *other : *one).live_entry(phone_of(t * 1000 + n), soon()).value());
      }
    });
  }
  for (std::thread& committer : committers) committer.join();
  EXPECT_EQ(sequences.lock()->size(), 200u);
  EXPECT_EQ(server.sql("SELECT string_agg(name, ',' ORDER BY name) FROM writers"), "a,b");
  expect_whole_chain(*one);
}

TEST_F(PostgresBadDay, a_server_without_the_row_of_a_right_says_which) {
  const auto store = open(options_of(server.url()));
  server.sql("REVOKE INSERT ON audit FROM chaveiro_runtime");
  const auto refused = store->commit(registration_of(1), soon());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::forbidden);
  EXPECT_THAT(refused.error().message, HasSubstr("audit"));
  EXPECT_FALSE(store->live_entry(phone_of(1), soon()).value());
  server.sql("GRANT INSERT ON audit TO chaveiro_runtime");
  EXPECT_TRUE(store->commit(registration_of(1), soon()));
}

TEST_F(PostgresBadDay, copy_goes_in_and_out_and_a_stopped_one_leaves_nothing) {
  const auto connection = Connection::open(contract::target_of(server.url("maintenance")), soon()).value();
  ASSERT_TRUE(connection->script("CREATE TABLE copied (n int, t text)", soon()));
  int line = 0;
  std::string piece;
  const auto lines = [&]() -> Result<std::string_view> {
    piece = line++ < 10'000 ? std::to_string(line) + "\tline " + std::to_string(line) + "\n" : "";
    return std::string_view(piece);
  };
  EXPECT_EQ(connection->copy_in("COPY copied FROM STDIN", lines, soon()).value(), 10'000u);
  std::string all;
  const auto take = [&](std::string_view part) -> Result<void> { return all += part, Result<void>{}; };
  EXPECT_EQ(connection->copy_out("COPY copied TO STDOUT", take, soon()).value(), 10'000u);
  EXPECT_THAT(all, HasSubstr("\n777\tline 777\n"));
  const auto stops = [&]() -> Result<std::string_view> {
    if (++line % 100 != 0) return std::string_view("1\tx\n");
    return fail(Code::corrupt, "Torn", "the file ends in the middle");
  };
  EXPECT_EQ(connection->copy_in("COPY copied FROM STDIN", stops, soon()).error().reason, "Torn");
  const auto nonsense = [&]() -> Result<std::string_view> { return std::string_view("not a number\n"); };
  int pieces = 0;
  EXPECT_EQ(
      connection
          ->copy_in(
              "COPY copied FROM STDIN",
              [&]() -> Result<std::string_view> { return ++pieces > 3 ? std::string_view() : *nonsense(); }, soon())
          .error()
          .code,
      Code::invalid);
  EXPECT_EQ(connection->run("SELECT count(*) FROM copied", {}, soon()).value()[0].number(), 10'000)
      << "and the connection goes on";
}

TEST_F(PostgresBadDay, a_value_beyond_what_the_server_takes_is_refused_and_the_store_goes_on) {
  const auto connection = Connection::open(contract::target_of(server.url()), soon()).value();
  const auto large = connection->run("SELECT length(repeat('x', 1073741824))", {}, soon());
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, Code::invalid) << large.error().message;
  EXPECT_TRUE(connection->run("SELECT 1", {}, soon()));
}

TEST_F(PostgresBadDay, two_gibibytes_are_refused_with_their_whole_transaction_and_nobody_copies_them) {
  constexpr std::size_t size = std::size_t{2} << 30;
  void* const pages = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  const std::string_view vast(static_cast<const char*>(pages), size);
  const auto connection = Connection::open(contract::target_of(server.url("maintenance")), soon()).value();
  ASSERT_TRUE(connection->script("CREATE TABLE vast (t text)", soon()));
  connection->send("INSERT INTO vast VALUES ($1)", Params().add("before"));
  connection->send("INSERT INTO vast VALUES ($1)", Params().add(vast));
  connection->send("INSERT INTO vast VALUES ($1)", Params().add("after"));
  connection->end();
  EXPECT_TRUE(connection->receive(soon()));
  const auto refused = connection->receive(soon());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "TooLarge") << refused.error().message;
  EXPECT_FALSE(connection->receive(soon()));
  ASSERT_TRUE(connection->receive_end(soon()));
  EXPECT_EQ(connection->run("SELECT count(*) FROM vast", {}, soon()).value()[0].number(), 0);
  ::munmap(const_cast<char*>(vast.data()), size);
}

TEST_F(PostgresBadDay, a_pooler_in_between_is_refused_in_words) {
  const std::uint16_t port = tests::free_port();
  net::TestFolder folder;
  std::filesystem::permissions(folder.file(""), std::filesystem::perms(0777));
  const std::string ini = folder.write(
      "pgbouncer.ini", "[databases]\nchaveiro = host=127.0.0.1 port=" + std::to_string(server.port()) +
                           "\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=" + std::to_string(port) +
                           "\nauth_type=trust\nauth_file=" + folder.write("users.txt", "\"chaveiro_runtime\" \"\"\n") +
                           "\npool_mode=transaction\nunix_socket_dir=\nignore_startup_parameters=options\nlogfile=" +
                           folder.file("log") + "\n");
  std::vector<std::string> words{"-q", ini};
  std::string program = "/usr/sbin/pgbouncer";
  if (::geteuid() == 0) {
    words = {"--reuid=nobody", "--regid=nogroup", "--clear-groups", "--pdeathsig", "KILL", program, "-q", ini};
    program = "setpriv";
    std::filesystem::permissions(folder.file("users.txt"), std::filesystem::perms(0644));
    std::filesystem::permissions(ini, std::filesystem::perms(0644));
  }
  tests::ChildProcess bouncer({program, words, folder.file(""), folder.file("out")});
  const std::string url = "postgres://chaveiro_runtime@127.0.0.1:" + std::to_string(port) + "/chaveiro";
  Result<std::unique_ptr<Connection>> connected = fail(Code::internal, "", "");
  tests::wait_until("the pooler answers", [&] {
    connected = Connection::open(contract::target_of(url), soon());
    return connected || connected.error().reason != "DatabaseGone";
  });
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().reason, "BehindPooler") << connected.error().message;
}

TEST(PostgresLogin, a_wrong_password_is_told_at_once_and_never_shown) {
  tests::PostgresServer server({.settings = {"fsync=off", "password_encryption=scram-sha-256"},
                                .hba = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"});
  server.sql("ALTER ROLE chaveiro_runtime PASSWORD 'right-one'; ALTER ROLE chaveiro_maintenance PASSWORD 'right-one'");
  const auto url = [&](const std::string& role, const std::string& password) {
    return "postgres://chaveiro_" + role + ":" + password + "@127.0.0.1:" + std::to_string(server.port()) + "/chaveiro";
  };
  const auto began = std::chrono::steady_clock::now();
  const auto refused = PostgresStore::open(options_of(url("runtime", "wrong-one")), person_key(), day_one, soon());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "DatabaseLogin") << refused.error().message;
  EXPECT_EQ(refused.error().message.find("wrong-one"), std::string::npos);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
  const auto store = open(options_of(url("runtime", "right-one"), url("maintenance", "right-one")));
  ASSERT_TRUE(store->commit(registration_of(1), soon()));
  // The password changes while it runs: what is open goes on, what is new is refused, until it is put right.
  server.sql("ALTER ROLE chaveiro_runtime PASSWORD 'another'");
  Result<std::optional<Entry>> read = std::optional<Entry>();
  tests::wait_until("reads are refused", [&] {
    // Again each time: one that was just being let in is not among those that end.
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'chaveiro_runtime'");
    return !(read = store->live_entry(phone_of(1), soon()));
  });
  tests::wait_until("and say why", [&] {
    read = store->live_entry(phone_of(1), soon());
    return !read && read.error().reason == "DatabaseLogin";
  });
  server.sql("ALTER ROLE chaveiro_runtime PASSWORD 'right-one'");
  EXPECT_TRUE(when_back([&] { return store->live_entry(phone_of(1), soon()); }));
}

TEST(PostgresUrl, is_completed_so_that_strangers_are_verified) {
  const auto completed = [](const char* url) { return std::string(complete_url(Secret(url)).value().expose()); };
  EXPECT_EQ(completed("postgres://a@127.0.0.1/b"), "postgres://a@127.0.0.1/b");
  EXPECT_EQ(completed("postgres://a@localhost:1,127.0.0.1:2/b"), "postgres://a@localhost:1,127.0.0.1:2/b");
  EXPECT_THAT(completed("postgres://a@db.example.com/b"), HasSubstr("sslmode=verify-full"));
  EXPECT_THAT(completed("postgres://a@localhost,db.example.com/b"), HasSubstr("sslmode=verify-full"));
  EXPECT_EQ(completed("postgres://a@db.example.com/b?sslmode=disable"),
            "postgres://a@db.example.com/b?sslmode=disable");
  EXPECT_EQ(complete_url(Secret("mysql://a@b/c")).error().code, Code::invalid);
  const auto faulty = complete_url(Secret("postgres://a:secret@b/c?nonsense=1"));
  ASSERT_FALSE(faulty);
  EXPECT_EQ(faulty.error().message.find("secret"), std::string::npos);
}

TEST(PostgresTls, verifies_the_server_and_shows_a_client_certificate) {
  net::TestFolder folder;
  std::filesystem::permissions(folder.file(""), std::filesystem::perms(0755));
  const net::TestAuthority authority(folder, "ca"), stranger(folder, "other");
  const auto own = authority.issue("server", {.common_name = "server", .names = "DNS:localhost,IP:127.0.0.1"});
  const auto client = authority.issue("client", {.common_name = "chaveiro_runtime"});
  const auto expired = authority.issue("expired", {.common_name = "chaveiro_runtime", .seconds_valid = -60});
  std::filesystem::permissions(client.key_file, std::filesystem::perms(0600));
  std::filesystem::permissions(expired.key_file, std::filesystem::perms(0600));
  if (::geteuid() == 0) {
    const std::string give = "chown nobody " + own.key_file;
    ASSERT_EQ(std::system(give.c_str()), 0);
  }
  std::filesystem::permissions(own.key_file, std::filesystem::perms(0600));
  tests::PostgresServer server({.settings = {"fsync=off", "ssl=on", "ssl_cert_file=" + own.cert_file,
                                             "ssl_key_file=" + own.key_file, "ssl_ca_file=" + authority.ca_file},
                                .hba = "local all all trust\nhostssl all all 127.0.0.1/32 cert\n"});
  const auto connect = [&](const std::string& more) {
    return Connection::open(
        contract::target_of("postgres://chaveiro_runtime@localhost:" + std::to_string(server.port()) +
                            "/chaveiro?hostaddr=127.0.0.1&sslmode=verify-full" + more),
        soon());
  };
  const std::string key = "&sslcert=" + client.cert_file + "&sslkey=" + client.key_file;
  const auto good = connect("&sslrootcert=" + authority.ca_file + key);
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_TRUE((*good)->run("SELECT 1", {}, soon()));
  EXPECT_FALSE(connect("&sslrootcert=" + stranger.ca_file + key)) << "an authority that we do not know";
  EXPECT_FALSE(connect("&sslrootcert=" + authority.ca_file)) << "no client certificate";
  const auto late =
      connect("&sslrootcert=" + authority.ca_file + "&sslcert=" + expired.cert_file + "&sslkey=" + expired.key_file);
  ASSERT_FALSE(late);
  EXPECT_THAT(late.error().message, HasSubstr("expired"));
  EXPECT_EQ(late.error().reason, "DatabaseLogin") << "trying again does not help";

  // What was valid is withdrawn, then the server's own certificate runs out.
  server.sql("ALTER SYSTEM SET ssl_crl_file = '" + authority.withdraw("gone", {client}) + "'", "postgres");
  server.sql("SELECT pg_reload_conf()", "postgres");
  const auto refused = [&](const char* word) {
    const auto answer = connect("&sslrootcert=" + authority.ca_file + key);
    return !answer && answer.error().message.find(word) != std::string::npos;
  };
  tests::wait_until("the certificate is refused", [&] { return refused("revoked"); });
  EXPECT_TRUE((*good)->run("SELECT 1", {}, soon())) << "what is open goes on";
  (void)authority.issue("server",
                        {.common_name = "server", .names = "DNS:localhost,IP:127.0.0.1", .seconds_valid = -60});
  const std::string give = "chown nobody " + own.key_file;
  if (::geteuid() == 0) {
    ASSERT_EQ(std::system(give.c_str()), 0);
  }
  std::filesystem::permissions(own.key_file, std::filesystem::perms(0600));
  server.sql("SELECT pg_reload_conf()", "postgres");
  tests::wait_until("the server is not believed", [&] { return refused("is not believed"); });
}

TEST(PostgresDiskFull, refuses_writes_in_words_serves_reads_and_goes_on_when_there_is_room) {
  if (::geteuid() != 0) GTEST_SKIP() << "a small file system can be mounted by root only";
  net::TestFolder folder;
  const std::string at = folder.file("small");
  std::filesystem::create_directory(at);
  std::filesystem::permissions(folder.file(""), std::filesystem::perms(0755));
  ASSERT_EQ(::mount("tmpfs", at.c_str(), "tmpfs", 0, "size=150m,mode=0777"), 0);
  {
    tests::PostgresServer server({.settings = {"fsync=off", "min_wal_size=32MB", "max_wal_size=48MB"}, .data_on = at});
    make_schema(server, "chaveiro");
    const auto store = open(options_of(server.url()));
    ASSERT_TRUE(store->commit(registration_of(1), soon()));
    const std::string ballast = at + "/ballast";
    {
      std::ofstream out(ballast, std::ios::binary);
      const std::string block(1 << 20, 'x');
      while (out.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {}
    }
    std::optional<Error> refused;
    for (std::uint64_t n = 2; n < 200'000 && !refused; n += 500) {
      std::vector<Change> changes;
      for (std::uint64_t i = n; i < n + 500; ++i) changes.push_back(registration_of(i));
      for (const auto& answer : store->commit_all(changes, soon()))
        if (!answer) refused = answer.error();
    }
    ASSERT_TRUE(refused);
    EXPECT_TRUE(refused->reason == "DiskFull" || refused->code == Code::unavailable ||
                refused->code == Code::maybe_applied)
        << refused->reason << ": " << refused->message;
    std::filesystem::remove(ballast);
    // A server whose log has no room for a moment ends itself; a supervisor would start it again.
    try {
      server.sql("SELECT 1", "postgres");
    } catch (const std::runtime_error&) {
      server.kill();
      server.start();
    }
    EXPECT_TRUE(when_back([&] { return store->live_entry(phone_of(1), Deadline::in(2s)); }));
    EXPECT_TRUE(when_back([&] { return store->commit(registration_of(300'000), Deadline::in(5s)); }));
    expect_whole_chain(*store);
  }
  ::umount2(at.c_str(), MNT_DETACH);
}

}  // namespace
}  // namespace chaveiro::contract
