#include "base/process.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace chaveiro {
namespace {

using namespace std::chrono_literals;

TEST(StopToken, wakes_everybody_and_stays_set) {
  StopToken stop;
  std::atomic<int> woken{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] { woken += stop.wait(Deadline::never()); });
  }
  EXPECT_FALSE(stop.wait(Deadline::in(-1s)));
  stop.request_stop();
  threads.clear();
  EXPECT_EQ(woken, 3);
  EXPECT_TRUE(stop.stop_requested());
}

TEST(StopToken, calls_each_hook_once_while_it_lives) {
  StopToken stop;
  int kept = 0, gone = 0, late = 0;
  auto hook = stop.on_stop([&] { ++kept; });
  {
    const auto forgotten = stop.on_stop([&] { ++gone; });
  }
  stop.request_stop();
  stop.request_stop();
  const auto after = stop.on_stop([&] { ++late; });
  EXPECT_EQ(kept, 1);
  EXPECT_EQ(gone, 0);
  EXPECT_EQ(late, 1) << "a hook that comes late is called at once";
}

TEST(Signals, turn_sigterm_into_a_stop_and_sighup_into_a_reload) {
  StopToken stop;
  Guarded<int> reloads{0};
  {
    const Signals signals(stop, [&] {
      reloads.with([](int& count) { ++count; });
      reloads.notify_all();
    });
    ASSERT_EQ(::kill(::getpid(), SIGHUP), 0);
    EXPECT_TRUE(reloads.lock().wait(Deadline::in(60s), [](int count) { return count == 1; }));
    EXPECT_FALSE(stop.stop_requested());
    ASSERT_EQ(::kill(::getpid(), SIGTERM), 0);
    EXPECT_TRUE(stop.wait(Deadline::in(60s)));
  }
  struct sigaction now{};
  ::sigaction(SIGPIPE, nullptr, &now);
  EXPECT_EQ(now.sa_handler, SIG_DFL) << "handled as before";
}

TEST(Signals, let_a_broken_pipe_be_an_error) {
  StopToken stop;
  const Signals signals(stop);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  EXPECT_EQ(::write(ends[1], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  ::close(ends[1]);
}

TEST(SignalsDeathTest, end_the_process_at_once_when_asked_twice) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        StopToken stop;
        const Signals signals(stop);
        const auto never_ends = stop.on_stop([] {
          for (;;) ::pause();
        });
        ::kill(::getpid(), SIGTERM);
        stop.wait(Deadline::never());
        ::kill(::getpid(), SIGTERM);
        for (;;) ::pause();
      },
      testing::ExitedWithCode(128 + SIGTERM), "");
}

TEST(OpenFilesLimit, is_raised_to_what_the_system_allows) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(raise_open_files_limit().value(), before.rlim_max);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
}  // namespace chaveiro
