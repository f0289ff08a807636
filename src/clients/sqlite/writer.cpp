#include "clients/sqlite/writer.h"

namespace chaveiro::clients::sqlite {

using namespace directory;

namespace {

Error stale() {
  return fail(Code::conflict, "Stale",
              "somebody else was faster, or a constraint does not allow it; nothing was applied: read again and decide "
              "again");
}
Error too_late() { return fail(Code::deadline, "Deadline", "the time ran out before the change was begun"); }
Error maybe_applied() {
  return fail(Code::maybe_applied, "MaybeApplied",
              "the time ran out while the change was being written: read, or repeat it with the same RequestId");
}
Error queue_full(std::size_t waiting) {
  Error error = fail(Code::exhausted, "CommitQueueFull",
                     std::to_string(waiting) + " changes wait for the disk already: try again later");
  error.retry_after = std::chrono::milliseconds(100);
  return error;
}

}  // namespace

Writer::Writer(std::unique_ptr<Connection> connection, std::unique_ptr<Group> group, WriterOptions options)
    : connection_(std::move(connection)), group_(std::move(group)), options_(options), thread_([this] { loop(); }) {}

Writer::~Writer() {
  queue_.with([](Queue& queue) { queue.stopping = true; });
  queue_.notify_all();
  thread_.join();
}

void Writer::on_commit(Store::CommitHook hook) {
  hook_.with([&](Store::CommitHook& current) { current = std::move(hook); });
}

void Writer::on_forget(Store::ForgetHook hook) {
  forget_hook_.with([&](Store::ForgetHook& current) { current = std::move(hook); });
}

void Writer::forget() {
  if (const Store::ForgetHook hook = *forget_hook_.lock()) hook();
}

Result<void> Writer::enqueue(const std::shared_ptr<Job>& job, WhenFull when_full, Deadline deadline) {
  const std::size_t weight = job->weight();
  {
    auto queue = queue_.lock();
    const auto has_room = [&](const Queue& it) { return it.jobs.empty() || it.weight + weight <= options_.queue_max; };
    if (!has_room(*queue) && (when_full == WhenFull::refuse || !queue.wait(deadline, has_room)))
      return queue_full(queue->weight);
    queue->jobs.push_back(job);
    queue->weight += weight;
  }
  queue_.notify_all();
  return {};
}

Result<void> Writer::await(Job& job, Deadline deadline) {
  auto progress = job.progress.lock();
  if (progress.wait(deadline, [](const Progress& it) { return it.phase == Phase::answered; })) return {};
  if (progress->phase == Phase::is_written) return maybe_applied();
  progress->phase = Phase::abandoned;
  return too_late();
}

Result<void> Writer::submit(const std::shared_ptr<Job>& job, WhenFull when_full, Deadline deadline) {
  if (deadline.expired()) return too_late();
  TRY_VOID(enqueue(job, when_full, deadline));
  return await(*job, deadline);
}

Result<Committed> Writer::commit(const Change& change, Deadline deadline) {
  TRY_VOID(check_shape(change));
  const auto job = std::make_shared<Job>();
  job->changes.push_back(change);
  TRY_VOID(submit(job, WhenFull::refuse, deadline));
  return std::move(job->progress.lock()->answers.front());
}

// In jobs of half a group: while one is written the next is copied, and two make one transaction.
std::vector<Result<Committed>> Writer::commit_all(std::span<const Change> changes, Deadline deadline) {
  Answers answers;
  answers.reserve(changes.size());
  const std::size_t per_job = std::max<std::size_t>(options_.group_max / 2, 1);
  std::deque<std::pair<std::shared_ptr<Job>, Result<void>>> sent;
  const auto collect = [&] {
    auto [job, queued] = std::move(sent.front());
    sent.pop_front();
    const Result<void> done = queued ? await(*job, deadline) : std::move(queued);
    auto progress = job->progress.lock();
    for (std::size_t i = 0; i < job->changes.size(); ++i)
      done ? answers.push_back(std::move(progress->answers[i])) : answers.push_back(done.error());
  };
  while (!changes.empty()) {
    const auto job = std::make_shared<Job>();
    const auto part = changes.first(std::min(per_job, changes.size()));
    changes = changes.subspan(part.size());
    job->changes.assign(part.begin(), part.end());
    sent.emplace_back(job, deadline.expired() ? too_late() : enqueue(job, WhenFull::wait, deadline));
    if (sent.size() > 3) collect();
  }
  while (!sent.empty()) collect();
  return answers;
}

Result<std::uint64_t> Writer::run(Task task, Deadline deadline, Of of) {
  const auto job = std::make_shared<Job>();
  job->of = of;
  job->task = std::move(task);
  TRY_VOID(submit(job, WhenFull::wait, deadline));
  return std::move(*job->progress.lock()->task_answer);
}

Result<void> Writer::cut_log(Deadline deadline) {
  const auto job = std::make_shared<Job>();
  job->outside_transaction = true;
  job->task = [](Group& group) -> Result<std::uint64_t> {
    const auto cut = group.connection().checkpoint(true);
    // A reader that is still at it keeps a part of the log; the next checkpoint takes that.
    if (!cut && cut.error().reason != "DatabaseLocked") return cut.error();
    return std::uint64_t{0};
  };
  TRY_VOID(submit(job, WhenFull::wait, deadline));
  auto progress = job->progress.lock();
  if (!*progress->task_answer) return progress->task_answer->error();
  return {};
}

void Writer::loop() {
  for (;;) {
    Jobs jobs = take();
    if (jobs.empty()) return;
    write(jobs);
    keep_log_short();
  }
}

// What waits, up to a full group, without what was abandoned; a task comes alone. Empty: the end.
Writer::Jobs Writer::take() {
  for (;;) {
    Jobs jobs;
    {
      auto queue = queue_.lock();
      queue.wait(Deadline::never(), [](const Queue& it) { return it.stopping || !it.jobs.empty(); });
      if (queue->jobs.empty()) return jobs;
      std::size_t weight = 0;
      while (!queue->jobs.empty()) {
        const std::shared_ptr<Job>& next = queue->jobs.front();
        if (!jobs.empty() && (next->task || jobs.front()->task || weight + next->weight() > options_.group_max)) break;
        weight += next->weight();
        queue->weight -= next->weight();
        jobs.push_back(next);
        queue->jobs.pop_front();
      }
    }
    queue_.notify_all();  // there is room again, also where all that was taken is abandoned
    std::erase_if(jobs, [](const std::shared_ptr<Job>& job) {
      auto progress = job->progress.lock();
      if (progress->phase == Phase::abandoned) return true;
      progress->phase = Phase::is_written;
      return false;
    });
    if (!jobs.empty()) return jobs;
  }
}

void Writer::write(Jobs& jobs) {
  if (jobs.front()->task) {
    Job& job = *jobs.front();
    auto result = run_task(job);
    job.progress.with([&](Progress& progress) {
      progress.task_answer = std::move(result);
      progress.phase = Phase::answered;
    });
    job.progress.notify_all();
    return;
  }
  std::vector<Answers> answers;
  auto written = write_changes(jobs, answers, Group::Care::none);
  if (written && !*written) written = write_changes(jobs, answers, Group::Care::savepoints);
  if (!written) {
    if (written.error().code == Code::maybe_applied) forget();
    answers.clear();
    for (const auto& job : jobs) answers.emplace_back(job->changes.size(), Result<Committed>(written.error()));
  }
  answer(jobs, answers);
}

// False: a change failed after part of it was written, and everything was rolled back.
Result<bool> Writer::write_changes(Jobs& jobs, std::vector<Answers>& answers, Group::Care care) {
  answers.clear();
  const auto give_up = [&](auto result) -> Result<bool> {
    group_->rollback();
    return result;
  };
  if (auto begun = group_->begin(); !begun) return give_up(begun.error());
  for (const auto& job : jobs) {
    Answers& its = answers.emplace_back();
    its.reserve(job->changes.size());
    for (Change& change : job->changes) {
      if (auto good = check_shape(change); !good) {
        its.push_back(good.error());
        continue;
      }
      const auto outcome = group_->apply(change, care);
      if (!outcome) return give_up(outcome.error());
      if (*outcome == Group::Outcome::torn) return give_up(false);
      if (*outcome == Group::Outcome::applied) {
        its.push_back(Committed{group_->sequence()});
      } else if (*outcome == Group::Outcome::repeated) {
        its.push_back(fail(Code::conflict, "AlreadyApplied", "the event was applied before; nothing was changed"));
      } else {
        its.push_back(stale());
      }
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

Result<std::uint64_t> Writer::run_task(const Job& job) {
  if (job.outside_transaction) return job.task(*group_);
  Result<std::uint64_t> result = [&]() -> Result<std::uint64_t> {
    TRY_VOID(group_->begin());
    TRY(const std::uint64_t rows, job.task(*group_));
    TRY_VOID(end_transaction());
    return rows;
  }();
  if (!result) group_->rollback();
  const bool changed = result ? *result != 0 : result.error().code == Code::maybe_applied;
  if (changed && job.of == Of::records) forget();
  return result;
}

void Writer::answer(Jobs& jobs, std::vector<Answers>& answers) {
  if (const Store::CommitHook hook = *hook_.lock()) {
    for (std::size_t i = 0; i < jobs.size(); ++i)
      for (std::size_t k = 0; k < answers[i].size(); ++k)
        if (answers[i][k]) hook(answers[i][k]->sequence, jobs[i]->changes[k]);
  }
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    jobs[i]->progress.with([&](Progress& progress) {
      progress.answers = std::move(answers[i]);
      progress.phase = Phase::answered;
    });
    jobs[i]->progress.notify_all();
  }
}

// After the answers, so that nobody waits for it. A failure here shows in the next commit.
void Writer::keep_log_short() {
  if (connection_->wal_pages() >= options_.checkpoint_pages) static_cast<void>(connection_->checkpoint(false));
}

}  // namespace chaveiro::clients::sqlite
