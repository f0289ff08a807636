// clients/sqlite/writer.h
//
// The one thread that writes (directory/commit_queue.h): a group is one transaction, for which the disk is waited for once.
//
// Threads: commit(), commit_all(), run() from any number; the hooks run on the writer's thread.
// Errors:  those of CommitQueue and of Connection, conflict "Stale" and "AlreadyApplied".
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "clients/sqlite/group.h"
#include "directory/commit_queue.h"

namespace chaveiro::clients::sqlite {

struct WriterOptions {
  directory::CommitQueueOptions queue = {};
  int checkpoint_pages = 4'000;  // the log is folded into the database once it is longer
};

class Writer {
 public:
  // Work of its own in a transaction of its own, which changes records without a Change that tells of them; answers how many rows it
  // touched.
  using Task = std::function<Result<std::uint64_t>(Group&)>;

  Writer(std::unique_ptr<Connection> connection, std::unique_ptr<Group> group, WriterOptions options);

  Result<directory::Committed> commit(const directory::Change& change, Deadline deadline) {
    return queue_.commit(change, deadline);
  }
  std::vector<Result<directory::Committed>> commit_all(std::span<const directory::Change> changes, Deadline deadline) {
    return queue_.commit_all(changes, deadline);
  }
  using Of = directory::CommitQueue::Of;
  Result<std::uint64_t> run(Task task, Deadline deadline, Of of = Of::records);
  // Folds the log into the database and empties it, as far as readers let it.
  Result<void> cut_log(Deadline deadline);
  void on_commit(directory::Store::CommitHook hook) { queue_.on_commit(std::move(hook)); }
  void on_forget(directory::Store::ForgetHook hook) { queue_.on_forget(std::move(hook)); }

 private:
  using Answers = directory::CommitQueue::Answers;
  Answers write(std::span<directory::Change* const> changes);
  // False: a change failed after part of it was written, and everything was rolled back.
  Result<bool> write_changes(std::span<directory::Change* const> changes, Answers& answers, Group::Care care);
  Result<std::uint64_t> run_task(const Task& task);
  Result<void> end_transaction();
  void keep_log_short();

  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Group> group_;
  const WriterOptions options_;
  directory::CommitQueue queue_;  // goes first, with its thread
};

}  // namespace chaveiro::clients::sqlite
