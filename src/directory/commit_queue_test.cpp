#include "directory/commit_queue.h"

#include <gtest/gtest.h>

#include <map>

namespace chaveiro::directory {
namespace {

using namespace std::chrono_literals;

Deadline soon() { return Deadline::in(10s); }

Change change_of(std::uint64_t n) {
  Change change;
  change.operation = std::to_string(n);
  return change;
}

// A disk that stands still until it is let go, and what reached it.
struct CommitQueueTest : testing::Test {
  struct Disk {
    bool still = false;
    bool at_it = false;  // a group waits for it
    std::vector<std::vector<std::string>> groups;
  };
  Guarded<Disk> disk;
  std::uint64_t sequence = 0;
  CommitQueueOptions options;
  std::optional<CommitQueue> queue;

  void open() {
    queue.emplace(options, [this](std::span<Change* const> changes) {
      auto it = disk.lock();
      auto& group = it->groups.emplace_back();
      CommitQueue::Answers answers;
      for (const Change* change : changes) {
        group.push_back(change->operation);
        if (change->operation == "bad")
          answers.emplace_back(stale());
        else
          answers.emplace_back(Committed{++sequence});
      }
      it->at_it = true;
      disk.notify_all();
      EXPECT_TRUE(it.wait(soon(), [](const Disk& now) { return !now.still; }));
      it->at_it = false;
      return answers;
    });
  }
  void stop_disk() { disk.lock()->still = true; }
  void release_disk() {
    disk.lock()->still = false;
    disk.notify_all();
  }
  void wait_until_at_it() {
    ASSERT_TRUE(disk.lock().wait(soon(), [](const Disk& now) { return now.at_it; }));
  }
  // One change that is being written, by a caller of its own.
  std::thread occupy(Result<Committed>& answer, Deadline deadline) {
    stop_disk();
    std::thread caller([&answer, deadline, this] { answer = queue->commit(change_of(0), deadline); });
    wait_until_at_it();
    return caller;
  }
};

TEST_F(CommitQueueTest, gathers_what_comes_while_the_disk_works_and_keeps_its_order) {
  options.group_max = 8;
  open();
  Result<Committed> first = Committed{};
  std::thread caller = occupy(first, soon());
  std::vector<Change> changes;
  for (std::uint64_t n = 1; n <= 20; ++n) changes.push_back(change_of(n));
  CommitQueue::Answers answers;
  std::thread many([&] { answers = queue->commit_all(changes, soon()); });
  release_disk();
  caller.join();
  many.join();
  ASSERT_EQ(answers.size(), 20u);
  for (std::uint64_t n = 0; n < 20; ++n) EXPECT_EQ(answers[n]->sequence, n + 2);
  std::vector<std::string> all, expected;
  const auto written = disk.lock();
  for (const auto& group : written->groups) {
    EXPECT_LE(group.size(), 8u);
    all.insert(all.end(), group.begin(), group.end());
  }
  for (int n = 0; n <= 20; ++n) expected.push_back(std::to_string(n));
  EXPECT_EQ(all, expected);
}

TEST_F(CommitQueueTest, tells_who_leaves_whether_the_change_may_have_happened) {
  open();
  Result<Committed> begun = Committed{};
  std::thread caller = occupy(begun, Deadline::in(20ms));
  caller.join();
  EXPECT_EQ(begun.error().code, Code::maybe_applied);
  EXPECT_EQ(queue->commit(change_of(1), Deadline::in(5ms)).error().code, Code::deadline);
  EXPECT_EQ(queue->commit(change_of(2), Deadline::in(-1ms)).error().code, Code::deadline);
  release_disk();
  ASSERT_TRUE(queue->commit(change_of(3), soon()));
  const auto written = disk.lock();
  for (const auto& group : written->groups) {
    for (const std::string& operation : group) EXPECT_TRUE(operation == "0" || operation == "3") << operation;
  }
}

TEST_F(CommitQueueTest, refuses_what_it_has_no_room_for) {
  options.queue_max = 2;
  open();
  Result<Committed> first = Committed{};
  std::thread caller = occupy(first, soon());
  const std::vector<Change> two{change_of(1), change_of(2)};
  CommitQueue::Answers answers;
  std::thread many([&] { answers = queue->commit_all(two, soon()); });
  Result<Committed> refused = Committed{};
  for (const Deadline limit = soon(); refused && !limit.expired();) {
    refused = queue->commit(change_of(3), Deadline::in(1ms));
    if (!refused && refused.error().code == Code::deadline) refused = Committed{};  // it had come before the two
  }
  EXPECT_EQ(refused.error().reason, "CommitQueueFull");
  EXPECT_TRUE(refused.error().retry_after);
  release_disk();
  caller.join();
  many.join();
  for (const auto& answer : answers) EXPECT_TRUE(answer);
}

TEST_F(CommitQueueTest, tells_the_hook_of_what_was_applied_before_its_caller_is_answered) {
  open();
  std::map<std::uint64_t, std::string> told;
  queue->on_commit([&](std::uint64_t its, const Change& change) { told[its] = change.operation; });
  Change bad;
  bad.operation = "bad";
  const std::vector<Change> changes{change_of(1), bad, change_of(2)};
  const auto answers = queue->commit_all(changes, soon());
  EXPECT_EQ(answers[1].error().reason, "Stale");
  EXPECT_EQ(told, (std::map<std::uint64_t, std::string>{{1, "1"}, {2, "2"}}));
}

TEST_F(CommitQueueTest, forgets_where_a_task_changed_records_or_nobody_can_say) {
  open();
  int forgotten = 0;
  queue->on_forget([&] { ++forgotten; });
  EXPECT_EQ(queue->run([]() -> Result<std::uint64_t> { return std::uint64_t{0}; }, soon()).value(), 0u);
  EXPECT_EQ(forgotten, 0);
  EXPECT_EQ(queue->run([]() -> Result<std::uint64_t> { return std::uint64_t{3}; }, soon()).value(), 3u);
  EXPECT_EQ(forgotten, 1);
  EXPECT_FALSE(queue->run([]() -> Result<std::uint64_t> { return maybe_applied("the disk went"); }, soon()));
  EXPECT_EQ(forgotten, 2);
  EXPECT_FALSE(queue->run([]() -> Result<std::uint64_t> { return stale(); }, soon()));
  EXPECT_TRUE(queue->run([]() -> Result<std::uint64_t> { return std::uint64_t{3}; }, soon(), CommitQueue::Of::beside));
  EXPECT_EQ(forgotten, 2);
}

TEST_F(CommitQueueTest, answers_what_is_being_written_before_it_ends) {
  open();
  Result<Committed> answer = Committed{};
  std::thread caller = occupy(answer, soon());
  std::thread end([&] { queue.reset(); });
  release_disk();
  caller.join();
  end.join();
  EXPECT_EQ(answer->sequence, 1u);
}

}  // namespace
}  // namespace chaveiro::directory
