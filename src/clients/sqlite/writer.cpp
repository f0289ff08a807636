#include "clients/sqlite/writer.h"

#include "directory/chronicle.h"

namespace chaveiro::clients::sqlite {

using namespace directory;

Writer::Writer(std::unique_ptr<Connection> connection, std::unique_ptr<Group> group, WriterOptions options)
    : connection_(std::move(connection)),
      group_(std::move(group)),
      options_(options),
      queue_(
          options.queue, [this](std::span<Change* const> changes) { return write(changes); },
          [this] { keep_log_short(); }) {}

Result<std::uint64_t> Writer::run(Task task, Deadline deadline, Of of) {
  return queue_.run([this, task = std::move(task)] { return run_task(task); }, deadline, of);
}

Result<void> Writer::cut_log(Deadline deadline) {
  const auto cut = [this]() -> Result<std::uint64_t> {
    const auto done = connection_->checkpoint(true);
    // A reader that is still at it keeps a part of the log; the next checkpoint takes that.
    if (!done && done.error().reason != "DatabaseLocked") return done.error();
    return std::uint64_t{0};
  };
  TRY_VOID(queue_.run(cut, deadline));
  return {};
}

Writer::Answers Writer::write(std::span<Change* const> changes) {
  Answers answers;
  auto written = write_changes(changes, answers, Group::Care::none);
  if (written && !*written) written = write_changes(changes, answers, Group::Care::savepoints);
  if (!written) answers.assign(changes.size(), Result<Committed>(written.error()));
  return answers;
}

Result<bool> Writer::write_changes(std::span<Change* const> changes, Answers& answers, Group::Care care) {
  answers.clear();
  answers.reserve(changes.size());
  const auto give_up = [&](auto result) -> Result<bool> {
    group_->rollback();
    return result;
  };
  if (auto begun = group_->begin(); !begun) return give_up(begun.error());
  for (Change* const change : changes) {
    if (auto good = check_shape(*change); !good) {
      answers.push_back(good.error());
      continue;
    }
    const auto outcome = group_->apply(*change, care);
    if (!outcome) return give_up(outcome.error());
    switch (*outcome) {
      case Group::Outcome::torn:
        return give_up(false);
      case Group::Outcome::applied:
        answers.push_back(Committed{group_->sequence()});
        break;
      case Group::Outcome::repeated:
        answers.push_back(applied_already());
        break;
      case Group::Outcome::stale:
        answers.push_back(stale());
        break;
    }
  }
  if (auto ended = end_transaction(); !ended) return give_up(ended.error());
  return true;
}

// Where the disk fails in the middle of a commit nobody can tell whether it will be found again.
Result<void> Writer::end_transaction() {
  auto committed = group_->commit();
  if (!committed && committed.error().reason == "DatabaseGone") {
    committed.error().code = Code::maybe_applied;
    committed.error().message += "; the commit may have happened";
  }
  return committed;
}

Result<std::uint64_t> Writer::run_task(const Task& task) {
  Result<std::uint64_t> result = [&]() -> Result<std::uint64_t> {
    TRY_VOID(group_->begin());
    TRY(const std::uint64_t rows, task(*group_));
    TRY_VOID(end_transaction());
    return rows;
  }();
  if (!result) group_->rollback();
  return result;
}

// After the answers, so that nobody waits for it. A failure here shows in the next commit.
void Writer::keep_log_short() {
  if (connection_->wal_pages() >= options_.checkpoint_pages) static_cast<void>(connection_->checkpoint(false));
}

}  // namespace chaveiro::clients::sqlite
