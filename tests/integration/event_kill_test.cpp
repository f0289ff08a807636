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
#include <iostream>
#include <set>

#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "tests/contract/temporary_directory.h"
#include "tests/integration/event_kill_ledger.h"
#include "tests/integration/event_kill_steps.h"

namespace chaveiro::contract {
namespace {

// Kills at each step: twenty, or what EVENT_KILLS says. The long form, on a disk: EVENT_KILLS=50 TMPDIR=/var/tmp event_kill_test
int kills_each() {
  const char* const said = std::getenv("EVENT_KILLS");
  return said == nullptr ? 20 : std::max(1, std::atoi(said));
}

// A child needs a second, and much more where the machine is slow. After this it tells where it stands and ends; one that cannot even do that is
// killed `hang_max` later.
constexpr std::chrono::seconds child_time_max{180}, hang_max{30};

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

std::vector<std::string_view> steps() {
  std::vector<std::string_view> all(steps_around_bus.begin(), steps_around_bus.end());
  if (std::getenv("PULSAR_AT") != nullptr) all.insert(all.end(), steps_in_client.begin(), steps_in_client.end());
  return all;
}

TEST(EventsKilled, nothing_is_lost_and_nothing_applied_twice_wherever_the_process_dies) {
  const TemporaryDirectory folder;
  Random random(20260401);
  const int kills = kills_each();
  std::uint64_t first = 1, seed = 1;
  std::set<std::uint64_t> ledger;
  for (const std::string_view step : steps()) {
    const auto begin = std::chrono::steady_clock::now();
    for (int round = 0; round < kills; ++round) {
      SCOPED_TRACE(std::string(step) + ", round " + std::to_string(round) + ", first " + std::to_string(first));
      const Ended ended = run_child(folder.path(), std::string(step), 1 + random.below(6), first, seed++);
      ASSERT_TRUE(ended.killed_itself()) << ended;
      ledger.insert(ended.answered.begin(), ended.answered.end());
      if (!ended.answered.empty()) first = ended.answered.back() / 4 + 1;
      ++first;  // one may have been committed and not answered
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::printf("%s: %d kills in %.1f s\n", std::string(step).c_str(), kills, took.count());
    std::fflush(stdout);
  }
  const Ended drained = run_child(folder.path(), "drain", 1, 0, seed);
  ASSERT_TRUE(!drained.hung && WIFEXITED(drained.status) && WEXITSTATUS(drained.status) == 0) << drained;
  EXPECT_GT(ledger.size(), static_cast<std::size_t>(kills) * 8) << "too little happened for the test to show anything";
  const Verdict verdict = verdict_on(folder.path(), ledger);
  EXPECT_TRUE(verdict.holds()) << verdict;
  std::cout << verdict << "\n";
}

}  // namespace
}  // namespace chaveiro::contract
