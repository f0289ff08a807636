// kill -9 of the broker while programs stand still at each step between a change and the effect of its event: one program a step, all on
// one broker. When all stand at their step the broker is killed and started again on its data, and they go on; in the end no event is
// lost, none was applied twice, and the order of each key holds. The ledgers of what was answered are kept here.
//
// The broker must be one that tools/servers/pulsar.sh started for this run; nothing else may use it meanwhile.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <list>

#include "base/check.h"
#include "base/clock.h"
#include "tests/contract/temporary_directory.h"
#include "tests/integration/event_kill_ledger.h"
#include "tests/integration/event_kill_steps.h"
#include "tests/support/pulsar_broker.h"

namespace chaveiro::contract {
namespace {

using namespace std::chrono_literals;

// Kills of the broker, each of which finds every step: two, or what EVENT_BROKER_KILLS says. The long form: 50.
int kills() {
  const char* const said = std::getenv("EVENT_BROKER_KILLS");
  return said == nullptr ? 2 : std::max(1, std::atoi(said));
}

// Until every program is at its step, and until all have drained.
constexpr auto step_time_max = 400s, drain_time_max = 400s;

// A program that stands still at its step again and again.
class Standing {
 public:
  Standing(std::string_view step, std::uint64_t seed, std::chrono::seconds time_max) : step_(step) {
    int told[2], word[2];
    CHECK(::pipe2(told, O_CLOEXEC) == 0 && ::pipe2(word, O_CLOEXEC) == 0);
    const std::string texts[] = {std::to_string(seed), std::to_string(time_max.count())};
    child_ = ::fork();
    CHECK(child_ >= 0);
    if (child_ == 0) {
      ::dup2(told[1], STDOUT_FILENO);
      ::dup2(word[0], STDIN_FILENO);
      ::execl(CHAVEIRO_KILL_CHILD, CHAVEIRO_KILL_CHILD, folder_.path().c_str(), step_.c_str(), "3", "1",
              texts[0].c_str(), texts[1].c_str(), "stops", nullptr);
      ::_exit(127);
    }
    ::close(told[1]);
    ::close(word[0]);
    told_ = told[0];
    word_ = word[1];
  }
  ~Standing() {
    ::close(told_);
    ::close(word_);
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  Standing(const Standing&) = delete;
  Standing& operator=(const Standing&) = delete;

  const std::string& step() const { return step_; }
  bool stands() const { return stands_; }
  bool ended() const { return ended_; }
  pollfd to_poll() const { return {told_, POLLIN, 0}; }

  void read_some() {
    std::uint64_t numbers[512];
    const ssize_t got = ::read(told_, numbers, sizeof numbers);
    ended_ = got <= 0;
    for (std::size_t i = 0; !ended_ && i < static_cast<std::size_t>(got) / sizeof *numbers; ++i) {
      if (numbers[i] == stopped_here)
        stands_ = true;
      else
        answered_.insert(numbers[i]);
    }
  }
  enum class Word : char { go = 'g', drain = 'd' };
  void say(Word word) {
    stands_ = false;
    const char byte = static_cast<char>(word);
    CHECK(::write(word_, &byte, 1) == 1);
  }
  // How it ended, once it has.
  int status() {
    int status = 0;
    ::waitpid(std::exchange(child_, 0), &status, 0);
    return status;
  }
  Verdict verdict() const { return verdict_on(folder_.path(), answered_); }

 private:
  const TemporaryDirectory folder_;
  const std::string step_;
  pid_t child_ = 0;
  int told_ = -1, word_ = -1;
  bool stands_ = false, ended_ = false;
  std::set<std::uint64_t> answered_;
};

class EventsBrokerKilled : public testing::Test {
 protected:
  EventsBrokerKilled() {
    ::signal(SIGPIPE, SIG_IGN);
    const auto start = [&](std::string_view step) {
      programs.emplace_back(step, programs.size() + 1, 120s * kills() + 600s);
    };
    for (const std::string_view step : steps_around_bus) start(step);
    for (const std::string_view step : steps_in_client) start(step);
  }
  int script(const std::string& what) const {
    return std::system(
        ("PULSAR_FOLDER='" + broker.folder + "' tools/servers/pulsar.sh " + what + " >/dev/null 2>&1").c_str());
  }
  // Reads what the programs tell until `enough` holds for each.
  bool wait_for_all(std::chrono::seconds most, const std::function<bool(const Standing&)>& enough) {
    for (const Deadline deadline = Deadline::in(most);;) {
      std::vector<pollfd> ends;
      std::vector<Standing*> whose;
      for (Standing& one : programs) {
        if (enough(one)) continue;
        if (one.ended()) return false;
        ends.push_back(one.to_poll());
        whose.push_back(&one);
      }
      if (ends.empty()) return true;
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.remaining());
      if (::poll(ends.data(), ends.size(), static_cast<int>(left.count())) == 0) return false;
      for (std::size_t i = 0; i < ends.size(); ++i)
        if (ends[i].revents != 0) whose[i]->read_some();
    }
  }
  bool all_stand() {
    return wait_for_all(step_time_max, [](const Standing& it) { return it.stands(); });
  }
  std::string where() const {
    std::string text;
    for (const Standing& one : programs)
      if (!one.stands()) text += one.step() + (one.ended() ? " (ended) " : " ");
    return text;
  }

  const tests::PulsarBroker broker = tests::pulsar_broker();
  std::list<Standing> programs;
};

TEST_F(EventsBrokerKilled, nothing_is_lost_and_nothing_applied_twice_wherever_the_broker_dies) {
  if (broker.folder.empty()) GTEST_SKIP() << "this broker was started by somebody else";
  for (int round = 0; round < kills(); ++round) {
    ASSERT_TRUE(all_stand()) << "round " << round << ", never came to: " << where();
    ASSERT_EQ(script("kill"), 0);
    // Every other time they find out while there is no broker.
    const auto go_on = [&] {
      for (Standing& one : programs) one.say(Standing::Word::go);
    };
    if (round % 2 == 0) go_on();
    ASSERT_EQ(script("start"), 0);
    if (round % 2 == 1) go_on();
    std::cout << "the broker was killed " << round + 1 << " times" << std::endl;
  }
  ASSERT_TRUE(all_stand()) << "never came to: " << where();
  for (Standing& one : programs) one.say(Standing::Word::drain);
  ASSERT_TRUE(wait_for_all(drain_time_max, [](const Standing& it) { return it.ended(); })) << "not all have drained";
  for (Standing& one : programs) {
    const int status = one.status();
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << one.step() << ": status " << status;
    const Verdict verdict = one.verdict();
    EXPECT_TRUE(verdict.holds()) << one.step() << ": " << verdict;
    EXPECT_GT(verdict.answered, static_cast<std::size_t>(kills())) << one.step() << ": too little happened";
    std::cout << one.step() << ": " << verdict << "\n";
  }
}

}  // namespace
}  // namespace chaveiro::contract
