// clients/sqlite/writer.h
//
// The one thread that writes. Callers leave their changes in a bounded queue and wait; the thread takes what waits, up
// to `group_max` changes, writes them in one transaction, waits for the disk once, tells the hook and answers everybody.
// While the disk works the next group gathers by itself, so there is no artificial delay.
//
// A caller whose deadline passes leaves: with Code::deadline where its change was not begun (it never will be), with
// Code::maybe_applied where it was.
//
// Threads: commit(), commit_all(), run() from any number; the hook runs on the writer's thread.
// Errors:  exhausted "CommitQueueFull", deadline, maybe_applied, conflict "Stale", and those of Connection.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "base/guarded.h"
#include "clients/sqlite/group.h"
#include "directory/store.h"

namespace chaveiro::clients::sqlite {

struct WriterOptions {
  std::size_t queue_max = 10'000;  // changes that wait; one more is refused
  std::size_t group_max = 1'024;   // changes in one transaction
  int checkpoint_pages = 4'000;    // the log is folded into the database once it is longer
};

class Writer {
 public:
  // Work of its own in a transaction of its own, which changes records without a Change that tells of them; answers how many rows it
  // touched.
  using Task = std::function<Result<std::uint64_t>(Group&)>;

  Writer(std::unique_ptr<Connection> connection, std::unique_ptr<Group> group, WriterOptions options);
  // What waits is still written and answered.
  ~Writer();

  Result<directory::Committed> commit(const directory::Change& change, Deadline deadline);
  std::vector<Result<directory::Committed>> commit_all(std::span<const directory::Change> changes, Deadline deadline);
  // Of records, where rows changed, caches are told to forget everything; what lies beside them no cache holds.
  enum class Of : std::uint8_t { records, beside };
  Result<std::uint64_t> run(Task task, Deadline deadline, Of of = Of::records);
  // Folds the log into the database and empties it, as far as readers let it.
  Result<void> cut_log(Deadline deadline);
  void on_commit(directory::Store::CommitHook hook);
  void on_forget(directory::Store::ForgetHook hook);

 private:
  using Answers = std::vector<Result<directory::Committed>>;
  enum class Phase : std::uint8_t { waits, is_written, answered, abandoned };
  struct Progress {
    Phase phase = Phase::waits;
    Answers answers;
    std::optional<Result<std::uint64_t>> task_answer;
  };
  struct Job {
    std::vector<directory::Change> changes;  // one or many, or none and
    Task task;
    bool outside_transaction = false;  // the task
    Of of = Of::records;
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
  void write(Jobs& jobs);
  // All changes of the jobs in one transaction. Error: that of all of them; torn is told by nullopt.
  Result<bool> write_changes(Jobs& jobs, std::vector<Answers>& answers, Group::Care care);
  Result<std::uint64_t> run_task(const Job& job);
  Result<void> end_transaction();
  void answer(Jobs& jobs, std::vector<Answers>& answers);
  void forget();
  void keep_log_short();

  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Group> group_;
  WriterOptions options_;
  Guarded<directory::Store::CommitHook> hook_;
  Guarded<directory::Store::ForgetHook> forget_hook_;
  Guarded<Queue> queue_;
  std::thread thread_;
};

}  // namespace chaveiro::clients::sqlite
