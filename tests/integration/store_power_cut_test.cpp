// The loss of power and a full disk, by a file system layer that forgets what was not synced.
#include <gtest/gtest.h>

#include <thread>

#include "base/guarded.h"
#include "base/random.h"
#include "clients/sqlite/store.h"
#include "tests/contract/samples.h"
#include "tests/contract/temporary_directory.h"
#include "tests/integration/fault_vfs.h"

namespace chaveiro::contract {
namespace {

using clients::sqlite::SqliteOptions;
using clients::sqlite::SqliteStore;

const Secret key("key of the tests");

SqliteOptions options_in(const std::string& folder, const std::string& vfs = "") {
  SqliteOptions options;
  options.path = folder + "/chaveiro.db";
  options.vfs = vfs;
  options.cache_bytes = 1u << 20;
  options.readers = 1;
  options.log_pages_max = 30;  // so that the log is folded in and begun again within a test
  return options;
}

Deadline soon() { return Deadline::in(std::chrono::seconds(20)); }

// Every answered commit is there, as often as it was answered, and the chain holds.
void check_everything(Store& store, const std::vector<std::uint64_t>& ledger) {
  for (const std::uint64_t n : ledger) {
    const auto entry = store.live_entry(phone_of(n), soon());
    ASSERT_TRUE(entry && *entry) << n << " was answered and is gone";
  }
  ChainChecker checker("changes");
  ASSERT_TRUE(store.each_audit_record([&](const AuditRecord& record) { checker.feed(record); }, soon()));
  for (const ChainFault& fault : checker.finish()) ADD_FAILURE() << fault.message;
  EXPECT_GE(checker.records(), 2 * ledger.size());
  const auto statistics = store.statistics(our_ispb, soon());
  ASSERT_TRUE(statistics);
  EXPECT_EQ(statistics->accounts * 2, checker.records());
}

// Two threads commit until the power goes.
std::vector<std::uint64_t> commit_until_dark(FaultVfs& vfs, const std::string& folder) {
  Guarded<std::vector<std::uint64_t>> ledger;
  const auto store = SqliteStore::open(options_in(folder, vfs.name()), key, day_one);
  if (!store) return {};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 2; ++t)
    threads.emplace_back([&, t] {
      for (std::uint64_t n = 0; n < 300 && !vfs.power_is_cut(); ++n)
        if ((*store)->commit(registration_of(n * 2 + t), soon()))
          ledger.with([&](std::vector<std::uint64_t>& all) { all.push_back(n * 2 + t); });
    });
  for (std::thread& thread : threads) thread.join();
  return *ledger.lock();
}

TEST(PowerCut, loses_nothing_that_was_answered) {
  std::size_t answered = 0, before_schema = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const TemporaryDirectory running, recovered;
    Random random(seed);
    FaultVfs vfs("power-cut", seed);
    vfs.cut_power_after(random.below(seed % 3 == 0 ? 150 : 1500));
    const auto ledger = commit_until_dark(vfs, running.path());
    vfs.recover_into(recovered.path());
    answered += ledger.size();
    before_schema += ledger.empty() ? 1 : 0;

    const auto store = SqliteStore::open(options_in(recovered.path()), key, day_one);
    ASSERT_TRUE(store) << store.error().message;
    check_everything(**store, ledger);
    ASSERT_TRUE((*store)->commit(registration_of(1'000'000), soon()));
    if (HasFailure()) return;
  }
  // The test is worth something only where most cuts come among commits.
  EXPECT_GT(answered, 300u);
  EXPECT_LT(before_schema, 75u);
}

TEST(PowerCut, would_be_noticed_if_commits_were_not_synced) {
  const TemporaryDirectory running, recovered;
  FaultVfs vfs("no-sync", 1);
  {
    const auto store = SqliteStore::open(options_in(running.path(), vfs.name()), key, day_one);
    ASSERT_TRUE(store) << store.error().message;
    const std::uint64_t before = vfs.syncs();
    for (std::uint64_t n = 0; n < 10; ++n) ASSERT_TRUE((*store)->commit(registration_of(n), soon()));
    EXPECT_GE(vfs.syncs(), before + 10);
    vfs.cut_power_after(0);
    EXPECT_FALSE((*store)->commit(registration_of(10), soon()));
  }
  vfs.recover_into(recovered.path());
  const auto store = SqliteStore::open(options_in(recovered.path()), key, day_one);
  ASSERT_TRUE(store) << store.error().message;
  const auto lost = (*store)->live_entry(phone_of(10), soon());
  EXPECT_TRUE(lost && !*lost);
  check_everything(**store, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
}

TEST(FullDisk, refuses_clearly_loses_nothing_and_goes_on_when_there_is_space) {
  for (const std::uint64_t room : {5'000u, 50'000u, 123'456u, 400'000u}) {
    SCOPED_TRACE("room " + std::to_string(room));
    const TemporaryDirectory folder;
    FaultVfs vfs("full-disk", room);
    std::vector<std::uint64_t> ledger;
    {
      const auto store = SqliteStore::open(options_in(folder.path(), vfs.name()), key, day_one);
      ASSERT_TRUE(store) << store.error().message;
      vfs.limit_disk(200'000 + room);
      std::uint64_t n = 0;
      Result<Committed> answer = Committed{};
      for (; n < 5000; ++n) {
        answer = (*store)->commit(registration_of(n), soon());
        if (!answer) break;
        ledger.push_back(n);
      }
      ASSERT_FALSE(answer) << "the disk never got full";
      EXPECT_EQ(answer.error().code, Code::exhausted) << answer.error().message;
      EXPECT_EQ(answer.error().reason, "DiskFull");
      EXPECT_NE(answer.error().message.find("free space"), std::string::npos);
      check_everything(**store, ledger);
      const std::vector<Change> many = {registration_of(n + 1), registration_of(n + 2)};
      for (const auto& one : (*store)->commit_all(many, soon())) EXPECT_FALSE(one);

      vfs.limit_disk(~std::uint64_t{0});
      const auto again = (*store)->commit(registration_of(n), soon());
      ASSERT_TRUE(again) << again.error().message;
      ledger.push_back(n);
      check_everything(**store, ledger);
    }
    const auto store = SqliteStore::open(options_in(folder.path()), key, day_one);
    ASSERT_TRUE(store) << store.error().message;
    check_everything(**store, ledger);
  }
}

TEST(FailedSync, tells_that_the_commit_may_have_happened) {
  const TemporaryDirectory folder;
  FaultVfs vfs("failed-sync", 1);
  SqliteOptions options = options_in(folder.path(), vfs.name());
  options.log_pages_max = 4'000;  // no fold takes the failure that is meant for the commit
  const auto store = SqliteStore::open(options, key, day_one);
  ASSERT_TRUE(store) << store.error().message;
  ASSERT_TRUE((*store)->commit(registration_of(1), soon()));
  vfs.fail_next_sync();
  const auto answer = (*store)->commit(registration_of(2), soon());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::maybe_applied) << answer.error().message;
  const auto next = (*store)->commit(registration_of(3), soon());
  ASSERT_TRUE(next) << next.error().message;
  check_everything(**store, {1, 3});
}

}  // namespace
}  // namespace chaveiro::contract
