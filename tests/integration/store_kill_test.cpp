// kill -9, two hundred times, while four threads write: nothing that was answered is gone, nothing stands twice, the
// chain is whole. The page cache survives a kill; what the loss of power does is shown by store_power_cut_test.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>

#include "base/random.h"
#include "directory/lookup_files.h"
#include "tests/contract/temporary_directory.h"
#include "tests/integration/kill_samples.h"

namespace chaveiro::contract {
namespace {

constexpr int kills = 200;

// Starts the child, kills it once it has answered `answers` times and returns the numbers that it answered.
std::vector<std::uint64_t> run_and_kill(const char* kind, const std::string& folder, std::uint64_t first,
                                        std::uint64_t answers) {
  int pipe_ends[2];
  CHECK(::pipe(pipe_ends) == 0);
  ::fcntl(pipe_ends[1], F_SETPIPE_SZ, 4096);  // the child runs at most 512 answers ahead of the kill
  const std::string first_text = std::to_string(first);
  const pid_t child = ::fork();
  CHECK(child >= 0);
  if (child == 0) {
    ::dup2(pipe_ends[1], STDOUT_FILENO);
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);
    ::execl(CHAVEIRO_KILL_CHILD, CHAVEIRO_KILL_CHILD, kind, folder.c_str(), first_text.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(pipe_ends[1]);
  std::vector<std::uint64_t> ledger;
  std::uint64_t n = 0;
  bool killed = false;
  while (::read(pipe_ends[0], &n, sizeof n) == sizeof n) {
    ledger.push_back(n);
    if (!killed && ledger.size() > answers) {
      ::kill(child, SIGKILL);  // what it wrote before still comes out of the pipe
      killed = true;
    }
  }
  ::close(pipe_ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the child ended by itself with " << WEXITSTATUS(status);
  return ledger;
}

TEST(Killed, a_store_has_lost_nothing_that_it_answered) {
  const TemporaryDirectory folder;
  Random random(20260101);
  std::uint64_t first = 0, last_sequence = 0;
  ChainChecker checker("changes");  // lives through all rounds and is fed only what is new
  std::set<Uuid> seen;
  for (int round = 0; round < kills; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const auto ledger = run_and_kill("changes", folder.path(), first, random.below(40));
    ASSERT_FALSE(ledger.empty());
    first = *std::max_element(ledger.begin(), ledger.end()) + 1000;

    auto store = clients::sqlite::SqliteStore::open(kill_store_options(folder.path()), kill_key(), day_one);
    ASSERT_TRUE(store) << store.error().message;
    for (const std::uint64_t n : ledger) {
      const auto entry = (*store)->live_entry(phone_of(n), Deadline::never());
      ASSERT_TRUE(entry && *entry) << n << " was answered and is gone";
      EXPECT_EQ((*entry)->id.uuid, uuid_of(n, 1));
      const auto request = (*store)->request(our_ispb, {uuid_of(n, 9)}, Deadline::never());
      ASSERT_TRUE(request && *request);
      EXPECT_EQ((*request)->sequence, (*entry)->version);
    }
    const auto records = (*store)->audit_after(last_sequence, 1'000'000, Deadline::never());
    ASSERT_TRUE(records);
    EXPECT_GE(records->size(), 2 * ledger.size());
    for (const AuditRecord& record : *records) {
      checker.feed(record);
      EXPECT_TRUE(seen.insert(record.resource).second) << "a change stands twice";
      last_sequence = record.sequence;
    }
  }
  for (const ChainFault& fault : checker.finish()) ADD_FAILURE() << fault.message;

  auto options = kill_store_options(folder.path());
  options.check = clients::sqlite::SqliteOptions::Check::full;
  auto store = clients::sqlite::SqliteStore::open(options, kill_key(), day_one);
  ASSERT_TRUE(store) << store.error().message;
  const auto statistics = (*store)->statistics(our_ispb, Deadline::never());
  EXPECT_EQ(statistics->accounts * 2, seen.size());
  EXPECT_EQ(statistics->audit_records, seen.size());
}

TEST(Killed, a_look_up_log_has_lost_nothing_that_it_answered) {
  const TemporaryDirectory folder;
  Random random(20260102);
  std::uint64_t first = 0, torn = 0;
  std::vector<std::uint64_t> ledger;
  for (int round = 0; round < kills; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const auto answered = run_and_kill("lookups", folder.path(), first, random.below(100));
    ASSERT_FALSE(answered.empty());
    ledger.insert(ledger.end(), answered.begin(), answered.end());
    first = *std::max_element(answered.begin(), answered.end()) + 1'000'000;

    ChainChecker checker("lookups");
    ASSERT_TRUE(walk_lookups(folder.path(), checker));
    for (const ChainFault& fault : checker.finish()) {
      EXPECT_EQ(fault.kind, ChainFault::Kind::torn) << fault.message;
      ++torn;
    }
  }
  std::set<std::string> found;
  ASSERT_TRUE(directory::each_lookup(folder.path(), {}, [&](const LookupRecord& record) {
    EXPECT_TRUE(found.insert(record.correlation_id).second) << "a record stands twice";
    return true;
  }));
  for (const std::uint64_t n : ledger)
    EXPECT_TRUE(found.contains(std::to_string(n))) << n << " was answered and is gone";
  RecordProperty("torn", static_cast<int>(torn));
}

}  // namespace
}  // namespace chaveiro::contract
