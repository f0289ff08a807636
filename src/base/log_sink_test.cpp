#include "base/log_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace chaveiro {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

// Takes nothing until it is opened.
class Gate final : public LogSink {
 public:
  void write(std::string_view lines) override {
    auto state = state_.lock();
    ++state->waiting;
    state_.notify_all();
    state.wait(Deadline::never(), [](const State& it) { return it.open; });
    state->written += lines;
  }
  void open() {
    state_.lock()->open = true;
    state_.notify_all();
  }
  void wait_for_a_caller() {
    state_.lock().wait(Deadline::never(), [](const State& it) { return it.waiting > 0; });
  }
  std::string written() const { return state_.lock()->written; }
  int calls() const { return state_.lock()->waiting; }

 private:
  struct State {
    bool open = false;
    int waiting = 0;
    std::string written;
  };
  Guarded<State> state_;
};

std::string content(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

struct Folder {
  Folder() {
    char name[] = "/tmp/chaveiro-log-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

TEST(QueuedSink, never_lets_a_caller_wait_for_a_stuck_writer_and_tells_what_was_lost) {
  ManualClock clock;
  Gate gate;
  QueuedSink sink(clock, gate, {.bytes_max = 100});
  sink.write("first\n");
  gate.wait_for_a_caller();
  const std::string line(39, 'x');
  for (int i = 0; i < 5; ++i) sink.write(line + "\n");
  EXPECT_EQ(sink.dropped(), 3u);
  EXPECT_EQ(sink.flush(Deadline::in(-1s)).error().code, Code::deadline);

  gate.open();
  ASSERT_TRUE(sink.flush(Deadline::in(60s)));
  EXPECT_THAT(gate.written(), HasSubstr("first\n" + line + "\n" + line + "\n{\"time\":"));
  EXPECT_THAT(gate.written(), HasSubstr(R"("count":3})"));
}

TEST(QueuedSink, writes_a_line_at_once_and_those_that_follow_together) {
  ManualClock clock;
  Gate gate;
  QueuedSink sink(clock, gate, {.rest = 1h});
  sink.write("alone\n");
  gate.wait_for_a_caller();
  gate.open();
  sink.write("two\n");
  sink.write("three\n");
  ASSERT_TRUE(sink.flush(Deadline::in(60s)));
  EXPECT_EQ(gate.written(), "alone\ntwo\nthree\n");
  EXPECT_EQ(gate.calls(), 2);
}

TEST(QueuedSink, writes_what_waits_when_it_goes) {
  ManualClock clock;
  MemorySink memory;
  {
    QueuedSink sink(clock, memory);
    sink.write("last words\n");
  }
  EXPECT_TRUE(memory.contains("last words"));
}

TEST(QueuedSink, keeps_every_line_whole_under_many_writers) {
  ManualClock clock;
  MemorySink memory;
  {
    QueuedSink sink(clock, memory);
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&sink, line = std::string(20, static_cast<char>('a' + t)) + "\n"] {
        for (int i = 0; i < 200; ++i) sink.write(line);
      });
    }
  }
  std::size_t count = 0;
  for (const std::string& batch : memory.lines()) {
    std::istringstream lines(batch);
    for (std::string line; std::getline(lines, line); ++count) ASSERT_EQ(line, std::string(20, line[0]));
  }
  EXPECT_EQ(count, 800u);
}

TEST(FdSink, appends_to_its_file_and_follows_a_rotation) {
  const Folder folder;
  const std::string path = folder.path + "/chaveiro.log";
  auto sink = FdSink::file(path).value();
  sink.write("one\n");
  std::filesystem::rename(path, path + ".1");
  ASSERT_TRUE(sink.reopen());
  sink.write(std::string(10'000, 'y') + "\n");
  EXPECT_EQ(content(path + ".1"), "one\n");
  EXPECT_EQ(content(path).size(), 10'001u);
  EXPECT_EQ(sink.failed_writes(), 0u);
}

TEST(FdSink, says_why_a_file_cannot_be_opened) {
  const auto sink = FdSink::file("/nonexistent/folder/x.log");
  ASSERT_FALSE(sink);
  EXPECT_THAT(sink.error().message, HasSubstr("/nonexistent/folder/x.log: No such file"));
}

TEST(FdSink, counts_what_a_full_disk_refuses) {
  auto sink = FdSink::file("/dev/full").value();
  sink.write("lost\n");
  EXPECT_EQ(sink.failed_writes(), 1u);
}

}  // namespace
}  // namespace chaveiro
