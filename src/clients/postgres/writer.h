// clients/postgres/writer.h
//
// The one thread of this process that writes (directory/commit_queue.h): a group is one transaction.
//
// A group that met another transaction, or whose connection broke before its commit was sent, is done again as a whole with the same
// changes. Where the answer to the commit itself was lost, the thread connects again and looks whether the chain has the group's head: then
// it is answered as committed, else it is done again. What cannot be found out in `group_limit` is answered with maybe_applied.
// While the server is away a group waits for it a moment; then groups are refused at once, and the tries become few (outage.h).
//
// Threads: commit(), commit_all(), run() from any number; the hooks run on the writer's thread.
// Errors:  those of CommitQueue and of errors.h, conflict "Stale" and "AlreadyApplied".
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/guarded.h"
#include "clients/postgres/group.h"
#include "clients/postgres/outage.h"
#include "directory/commit_queue.h"

namespace chaveiro::clients::postgres {

struct WriterOptions {
  Target target;
  std::string name = "main";  // of its chain
  std::string ispbs;          // whose rows it writes
  Group::Events events = Group::Events::none;
  directory::CommitQueueOptions queue = {};
  Micros group_limit = Micros(10'000'000);  // for one group with all its repetitions
  OutageOptions outage = {};
};

class Writer {
 public:
  // Work of its own in a transaction of its own, which changes records without a Change that tells of them; answers how many rows it
  // touched. May be called again after a failure.
  using Task = std::function<Result<std::uint64_t>(Group&, Deadline)>;

  Writer(WriterOptions options, const Secret& installation_key);

  Result<directory::Committed> commit(const directory::Change& change, Deadline deadline) {
    return queue_.commit(change, deadline);
  }
  std::vector<Result<directory::Committed>> commit_all(std::span<const directory::Change> changes, Deadline deadline) {
    return queue_.commit_all(changes, deadline);
  }
  Result<std::uint64_t> run(Task task, Deadline deadline);
  void on_commit(directory::Store::CommitHook hook) { queue_.on_commit(std::move(hook)); }
  void on_forget(directory::Store::ForgetHook hook) { queue_.on_forget(std::move(hook)); }

  struct Counts {
    std::uint64_t groups = 0, changes = 0, repeated = 0, resolved = 0, connects = 0;
  };
  Counts counts() const { return *counts_.lock(); }

 private:
  using Answers = directory::CommitQueue::Answers;
  Answers write(std::span<directory::Change* const> changes);
  Result<std::uint64_t> run_task(const Task& task);
  // One transaction with repetitions. `work` fills it between begin and commit.
  Result<void> transact(const std::function<Result<void>(Deadline)>& work, Deadline deadline);
  Result<void> once(const std::function<Result<void>(Deadline)>& work, bool& commit_sent, Deadline deadline);
  Result<bool> happened(const directory::Chronicle::Head& head, Deadline deadline);
  Result<void> connect(Deadline deadline);

  const WriterOptions options_;
  std::unique_ptr<Connection> connection_;
  Outage outage_;
  Group group_;
  Guarded<Counts> counts_;
  directory::CommitQueue queue_;  // goes first, with its thread
};

}  // namespace chaveiro::clients::postgres
