#include "directory/commit_queue.h"

#include <algorithm>

namespace chaveiro::directory {

namespace {

Error not_begun() { return fail(Code::deadline, "Deadline", "the time ran out before the change was begun"); }
Error queue_full(std::size_t waiting) {
  Error error = fail(Code::exhausted, "CommitQueueFull",
                     std::to_string(waiting) + " changes wait for the disk already: try again later");
  error.retry_after = std::chrono::milliseconds(100);
  return error;
}

}  // namespace

Error stale() {
  return fail(
      Code::conflict, "Stale",
      "somebody else was faster, or a constraint does not allow it; nothing was applied: read again and decide again");
}

Error applied_already() {
  return fail(Code::conflict, "AlreadyApplied", "the event was applied before; nothing was changed");
}

Error maybe_applied(std::string_view why) {
  return fail(Code::maybe_applied, "MaybeApplied",
              std::string(why) + " while the change was being written: read, or repeat it with the same RequestId");
}

CommitQueue::CommitQueue(CommitQueueOptions options, Write write, std::function<void()> between)
    : options_(options), write_(std::move(write)), between_(std::move(between)), thread_([this] { loop(); }) {}

CommitQueue::~CommitQueue() {
  queue_.with([](Queue& queue) { queue.stopping = true; });
  queue_.notify_all();
  thread_.join();
}

void CommitQueue::on_commit(Store::CommitHook hook) {
  hook_.with([&](Store::CommitHook& current) { current = std::move(hook); });
}

void CommitQueue::on_forget(Store::ForgetHook hook) {
  forget_hook_.with([&](Store::ForgetHook& current) { current = std::move(hook); });
}

void CommitQueue::forget() {
  if (const Store::ForgetHook hook = *forget_hook_.lock()) hook();
}

Result<void> CommitQueue::enqueue(const std::shared_ptr<Job>& job, WhenFull when_full, Deadline deadline) {
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

Result<void> CommitQueue::await(Job& job, Deadline deadline) {
  auto progress = job.progress.lock();
  if (progress.wait(deadline, [](const Progress& it) { return it.phase == Phase::answered; })) return {};
  if (progress->phase == Phase::is_written) return maybe_applied("the time ran out");
  progress->phase = Phase::abandoned;
  return not_begun();
}

Result<void> CommitQueue::submit(const std::shared_ptr<Job>& job, WhenFull when_full, Deadline deadline) {
  if (deadline.expired()) return not_begun();
  TRY_VOID(enqueue(job, when_full, deadline));
  return await(*job, deadline);
}

Result<Committed> CommitQueue::commit(const Change& change, Deadline deadline) {
  const auto job = std::make_shared<Job>();
  job->changes.push_back(change);
  TRY_VOID(submit(job, WhenFull::refuse, deadline));
  return std::move(job->progress.lock()->answers.front());
}

// In jobs of half a group: while one is written the next is copied, and two make one transaction.
CommitQueue::Answers CommitQueue::commit_all(std::span<const Change> changes, Deadline deadline) {
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
    sent.emplace_back(job, deadline.expired() ? not_begun() : enqueue(job, WhenFull::wait, deadline));
    if (sent.size() > 3) collect();
  }
  while (!sent.empty()) collect();
  return answers;
}

Result<std::uint64_t> CommitQueue::run(Task task, Deadline deadline, Of of) {
  const auto job = std::make_shared<Job>();
  job->of = of;
  job->task = std::move(task);
  TRY_VOID(submit(job, WhenFull::wait, deadline));
  return std::move(*job->progress.lock()->task_answer);
}

void CommitQueue::loop() {
  for (;;) {
    const Jobs jobs = take();
    if (jobs.empty()) return;
    jobs.front()->task ? run_task(*jobs.front()) : write(jobs);
    if (between_) between_();
  }
}

// What waits, up to a full group, without what was abandoned; a task comes alone. Empty: the end.
CommitQueue::Jobs CommitQueue::take() {
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

void CommitQueue::run_task(Job& job) {
  auto result = job.task();
  const bool changed = result ? *result != 0 : result.error().code == Code::maybe_applied;
  if (changed && job.of == Of::records) forget();
  job.progress.with([&](Progress& progress) {
    progress.task_answer = std::move(result);
    progress.phase = Phase::answered;
  });
  job.progress.notify_all();
}

void CommitQueue::write(const Jobs& jobs) {
  std::vector<Change*> changes;
  for (const auto& job : jobs)
    for (Change& change : job->changes) changes.push_back(&change);
  Answers answers = write_(changes);
  tell(jobs, answers);
  auto next = answers.begin();
  for (const auto& job : jobs) {
    const auto end = next + static_cast<std::ptrdiff_t>(job->changes.size());
    job->progress.with([&](Progress& progress) {
      progress.answers.assign(std::make_move_iterator(next), std::make_move_iterator(end));
      progress.phase = Phase::answered;
    });
    job->progress.notify_all();
    next = end;
  }
}

void CommitQueue::tell(const Jobs& jobs, const Answers& answers) {
  const auto is_unclear = [](const Result<Committed>& answer) {
    return !answer && answer.error().code == Code::maybe_applied;
  };
  if (std::ranges::any_of(answers, is_unclear)) forget();
  const Store::CommitHook hook = *hook_.lock();
  if (!hook) return;
  auto answer = answers.begin();
  for (const auto& job : jobs) {
    for (const Change& change : job->changes) {
      if (*answer) hook((*answer)->sequence, change);
      ++answer;
    }
  }
}

}  // namespace chaveiro::directory
