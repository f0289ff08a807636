// kill -9 at each step between a change and the effect of its event, several times each: no event is lost, none is applied twice, and
// the order of each key holds. The ledger of what was answered is kept here, outside the process that dies.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>

#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "tests/contract/temporary_directory.h"
#include "tests/integration/kill_samples.h"

namespace chaveiro::contract {
namespace {

// Kills at each step: twenty, or what EVENT_KILLS says. The long form, on a disk: EVENT_KILLS=50 TMPDIR=/var/tmp event_kill_test
int kills_each() {
  const char* const said = std::getenv("EVENT_KILLS");
  return said == nullptr ? 20 : std::max(1, std::atoi(said));
}

// A child needs a second even where the disk is slow. After this it tells where it stands and ends; one that cannot even do that is
// killed `hang_max` later.
constexpr std::chrono::seconds child_time_max{30}, hang_max{10};

struct Ended {
  int status = 0;
  bool hung = false;
  std::vector<std::uint64_t> answered;
  bool killed_itself() const { return !hung && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; }
};
std::ostream& operator<<(std::ostream& out, const Ended& ended) {
  if (ended.hung) return out << "the child hung and did not tell where";
  if (WIFSIGNALED(ended.status)) return out << "the child died of signal " << WTERMSIG(ended.status);
  return out << "the child ended by itself with " << WEXITSTATUS(ended.status) << "; it told why on standard error";
}

Ended run_child(const std::string& folder, const std::string& step, std::uint64_t nth, std::uint64_t first,
                std::uint64_t seed) {
  int pipe_ends[2];
  CHECK(::pipe(pipe_ends) == 0);
  const std::string texts[] = {std::to_string(nth), std::to_string(first), std::to_string(seed),
                               std::to_string(child_time_max.count())};
  const pid_t child = ::fork();
  CHECK(child >= 0);
  if (child == 0) {
    ::dup2(pipe_ends[1], STDOUT_FILENO);
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);
    ::execl(CHAVEIRO_KILL_CHILD, CHAVEIRO_KILL_CHILD, folder.c_str(), step.c_str(), texts[0].c_str(), texts[1].c_str(),
            texts[2].c_str(), texts[3].c_str(), nullptr);
    ::_exit(127);
  }
  ::close(pipe_ends[1]);
  Ended ended;
  const Deadline deadline = Deadline::in(child_time_max + hang_max);
  for (std::uint64_t n = 0;;) {
    pollfd answers{pipe_ends[0], POLLIN, 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.remaining());
    if (::poll(&answers, 1, static_cast<int>(left.count())) == 0) {
      ended.hung = true;
      ::kill(child, SIGKILL);
      break;
    }
    if (::read(pipe_ends[0], &n, sizeof n) != sizeof n) break;
    ended.answered.push_back(n);
  }
  ::close(pipe_ends[0]);
  ::waitpid(child, &ended.status, 0);
  return ended;
}

TEST(EventsKilled, nothing_is_lost_and_nothing_applied_twice_wherever_the_process_dies) {
  const TemporaryDirectory folder;
  Random random(20260401);
  const int kills = kills_each();
  std::uint64_t first = 1, seed = 1;
  std::set<std::uint64_t> ledger;
  for (const std::string step :
       {"read", "published", "forgotten", "tried", "handled", "failed", "marked", "acknowledged"}) {
    const auto begin = std::chrono::steady_clock::now();
    for (int round = 0; round < kills; ++round) {
      SCOPED_TRACE(step + ", round " + std::to_string(round) + ", first " + std::to_string(first));
      const Ended ended = run_child(folder.path(), step, 1 + random.below(6), first, seed++);
      ASSERT_TRUE(ended.killed_itself()) << ended;
      ledger.insert(ended.answered.begin(), ended.answered.end());
      if (!ended.answered.empty()) first = ended.answered.back() / 4 + 1;
      ++first;  // one may have been committed and not answered
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::printf("%s: %d kills in %.1f s\n", step.c_str(), kills, took.count());
  }
  const Ended drained = run_child(folder.path(), "drain", 1, 0, seed);
  ASSERT_TRUE(!drained.hung && WIFEXITED(drained.status) && WEXITSTATUS(drained.status) == 0) << drained;

  auto options = kill_store_options(folder.path());
  auto store = clients::sqlite::SqliteStore::open(options, kill_key(), day_one);
  ASSERT_TRUE(store) << store.error().message;
  // The effects, by the entry that they are of: commit of the effect → version of the event.
  std::map<std::string, std::map<std::uint64_t, std::uint64_t>> effects;
  std::size_t count = 0;
  for (PageRequest page{.limit = 200, .after = {}};;) {
    const auto some = (*store)->accounts({.ispb = other_ispb, .accounts = {}, .holder_tax_id = "99999999999"}, page,
                                         Deadline::never());
    ASSERT_TRUE(some) << some.error().message;
    for (const Account& account : some->items) {
      const std::size_t slash = account.holder.name.find('/');
      const auto version = parse_uint(std::string_view(account.holder.name).substr(slash + 1));
      ASSERT_TRUE(version);
      auto& of_entry = effects[account.holder.name.substr(0, slash)];
      for (const auto& [commit, applied] : of_entry)
        EXPECT_NE(applied, *version) << account.holder.name << " was applied twice";
      of_entry[account.version] = *version;
      ++count;
    }
    if (!some->next) break;
    page.after = some->next;
  }
  EXPECT_GE(count, ledger.size());
  EXPECT_GT(ledger.size(), static_cast<std::size_t>(kills * 8)) << "too little happened for the test to show anything";
  for (const std::uint64_t answered : ledger) {
    const auto found = effects.find(to_string(uuid_of(answered / 4, 1)));
    ASSERT_NE(found, effects.end()) << "the events of entry " << answered / 4 << " were lost";
    EXPECT_GT(found->second.size(), answered % 4) << "an event of entry " << answered / 4 << " was lost";
  }
  for (const auto& [entry, applied] : effects) {
    std::uint64_t before = 0;
    for (const auto& [commit, version] : applied) {
      EXPECT_GT(version, before) << "the events of " << entry << " were applied out of order";
      before = version;
    }
  }
  RecordProperty("events", static_cast<int>(count));
}

}  // namespace
}  // namespace chaveiro::contract
