// directory/commit_queue.h
//
// Where the callers of a store meet the one thread that writes. Callers leave their changes in a bounded queue and wait; the thread takes
// what waits, up to `group_max` changes, hands them to the store as one group, tells the hook and answers everybody. While the disk works
// the next group gathers by itself, so there is no artificial delay. Stores on a disk have one each.
//
// A caller whose deadline passes leaves: with Code::deadline where its change was not begun (it never will be), with Code::maybe_applied
// where it was.
//
// Threads: commit(), commit_all(), run() from any number; Write, Task, `between` and the hooks run on the queue's thread.
// Errors:  exhausted "CommitQueueFull", deadline, maybe_applied, and those of Write or Task.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include "base/guarded.h"
#include "directory/store.h"

namespace chaveiro::directory {

struct CommitQueueOptions {
  std::size_t queue_max = 10'000;  // changes that wait; one more is refused
  std::size_t group_max = 1'024;   // changes in one transaction, at least 1
};

class CommitQueue {
 public:
  using Answers = std::vector<Result<Committed>>;
  // Writes the group in one transaction, and stamps the changes; one answer for each, in order.
  using Write = std::function<Answers(std::span<Change* const>)>;
  // Work in a transaction of its own, which may change records without a Change that tells of them; answers how many rows it touched.
  using Task = std::function<Result<std::uint64_t>()>;
  // Of records, where rows changed, caches are told to forget everything; what lies beside them no cache holds.
  enum class Of : std::uint8_t { records, beside };

  // `between` (may be empty) is called when everybody of a group has been answered.
  CommitQueue(CommitQueueOptions options, Write write, std::function<void()> between = {});
  // What waits is still written and answered.
  ~CommitQueue();

  Result<Committed> commit(const Change& change, Deadline deadline);
  Answers commit_all(std::span<const Change> changes, Deadline deadline);
  Result<std::uint64_t> run(Task task, Deadline deadline, Of of = Of::records);
  void on_commit(Store::CommitHook hook);
  void on_forget(Store::ForgetHook hook);

 private:
  enum class Phase : std::uint8_t { waits, is_written, answered, abandoned };
  struct Progress {
    Phase phase = Phase::waits;
    Answers answers;
    std::optional<Result<std::uint64_t>> task_answer;
  };
  struct Job {
    std::vector<Change> changes;  // one or many, or none and
    Task task;
    Of of = Of::records;  // the task
    Guarded<Progress> progress;
    std::size_t weight() const { return changes.size() + (task ? 1 : 0); }
  };
  using Jobs = std::vector<std::shared_ptr<Job>>;
  struct Queue {
    std::deque<std::shared_ptr<Job>> jobs;
    std::size_t weight = 0;
    bool stopping = false;
  };
  enum class WhenFull : std::uint8_t { refuse, wait };

  Result<void> enqueue(const std::shared_ptr<Job>& job, WhenFull when_full, Deadline deadline);
  // Waits for the job; the error is that of a caller that left.
  Result<void> await(Job& job, Deadline deadline);
  Result<void> submit(const std::shared_ptr<Job>& job, WhenFull when_full, Deadline deadline);

  void loop();
  Jobs take();
  void write(const Jobs& jobs);
  void run_task(Job& job);
  void tell(const Jobs& jobs, const Answers& answers);
  void forget();

  const CommitQueueOptions options_;
  const Write write_;
  const std::function<void()> between_;
  Guarded<Store::CommitHook> hook_;
  Guarded<Store::ForgetHook> forget_hook_;
  Guarded<Queue> queue_;
  std::thread thread_;
};

// What stores answer to a change that cannot be applied.
Error stale();
Error applied_already();
// `why`: "the time ran out".
Error maybe_applied(std::string_view why);

}  // namespace chaveiro::directory
