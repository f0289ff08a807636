// clients/postgres/writer.h
//
// The one thread of this process that writes. Callers leave their changes in a bounded queue and wait; the thread takes what waits, up to
// `group_max` changes, writes them in one transaction, tells the hook and answers everybody. While the disk works the next group gathers
// by itself.
//
// A group that met another transaction, or whose connection broke before its commit was sent, is done again as a whole with the same
// changes. Where the answer to the commit itself was lost, the thread connects again and looks whether the chain has the group's head: then
// it is answered as committed, else it is done again. What cannot be found out in `group_limit` is answered with maybe_applied.
//
// A caller whose deadline passes leaves: with Code::deadline where its change was not begun (it never will be), with Code::maybe_applied
// where it was.
//
// Threads: commit(), commit_all(), run() from any number; the hook runs on the writer's thread.
// Errors:  exhausted "CommitQueueFull", deadline, maybe_applied, conflict "Stale", and those of errors.h.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "base/guarded.h"
#include "clients/postgres/group.h"
#include "directory/store.h"

namespace chaveiro::clients::postgres {

struct WriterOptions {
  Target target;
  std::string name = "main";  // of its chain
  std::string ispbs;          // whose rows it writes
  Group::Events events = Group::Events::none;
  std::size_t queue_max = 10'000;           // changes that wait; one more is refused
  std::size_t group_max = 1'024;            // changes in one transaction
  Micros group_limit = Micros(10'000'000);  // for one group with all its repetitions
};

class Writer {
 public:
  // Work of its own in a transaction of its own, which changes records without a Change that tells of them; answers how many rows it
  // touched. May be called again after a failure.
  using Task = std::function<Result<std::uint64_t>(Group&, Deadline)>;

  Writer(WriterOptions options, const Secret& installation_key);
  // What waits is still written and answered.
  ~Writer();

  Result<directory::Committed> commit(const directory::Change& change, Deadline deadline);
  std::vector<Result<directory::Committed>> commit_all(std::span<const directory::Change> changes, Deadline deadline);
  Result<std::uint64_t> run(Task task, Deadline deadline);
  void on_commit(directory::Store::CommitHook hook);
  void on_forget(directory::Store::ForgetHook hook);

  struct Counts {
    std::uint64_t groups = 0, changes = 0, repeated = 0, resolved = 0, connects = 0;
  };
  Counts counts() const { return *counts_.lock(); }

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
  Result<void> await(Job& job, Deadline deadline);
  Result<void> submit(const std::shared_ptr<Job>& job, WhenFull when_full, Deadline deadline);

  void loop();
  Jobs take();
  void write(Jobs& jobs);
  // One transaction with repetitions. `work` fills it between begin and commit.
  Result<void> transact(const std::function<Result<void>(Deadline)>& work, Deadline deadline);
  Result<void> once(const std::function<Result<void>(Deadline)>& work, bool& commit_sent, Deadline deadline);
  Result<bool> happened(const directory::Chronicle::Head& head, Deadline deadline);
  Result<void> connect(Deadline deadline);
  void answer(Jobs& jobs, std::vector<Answers>& answers);
  void answer_task(Job& job, Result<std::uint64_t> result);
  void forget();

  WriterOptions options_;
  std::unique_ptr<Connection> connection_;
  Group group_;
  Guarded<directory::Store::CommitHook> hook_;
  Guarded<directory::Store::ForgetHook> forget_hook_;
  Guarded<Queue> queue_;
  Guarded<Counts> counts_;
  std::thread thread_;
};

}  // namespace chaveiro::clients::postgres
