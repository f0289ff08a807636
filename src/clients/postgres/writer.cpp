#include "clients/postgres/writer.h"

#include "clients/postgres/errors.h"

namespace chaveiro::clients::postgres {

using namespace directory;

namespace {

Error not_begun() { return fail(Code::deadline, "Deadline", "the time ran out before the change was begun"); }
Error maybe_applied(std::string_view why) {
  return fail(Code::maybe_applied, "MaybeApplied",
              std::string(why) + " while the change was being written: read, or repeat it with the same RequestId");
}
Error queue_full(std::size_t waiting) {
  Error error = fail(Code::exhausted, "CommitQueueFull",
                     std::to_string(waiting) + " changes wait for the disk already: try again later");
  error.retry_after = std::chrono::milliseconds(100);
  return error;
}

}  // namespace

Writer::Writer(WriterOptions options, const Secret& installation_key)
    : options_(std::move(options)),
      group_(installation_key, options_.name, options_.ispbs, options_.events),
      thread_([this] { loop(); }) {}

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
  if (progress->phase == Phase::is_written) return maybe_applied("the time ran out");
  progress->phase = Phase::abandoned;
  return not_begun();
}

Result<void> Writer::submit(const std::shared_ptr<Job>& job, WhenFull when_full, Deadline deadline) {
  if (deadline.expired()) return not_begun();
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
    sent.emplace_back(job, deadline.expired() ? not_begun() : enqueue(job, WhenFull::wait, deadline));
    if (sent.size() > 3) collect();
  }
  while (!sent.empty()) collect();
  return answers;
}

Result<std::uint64_t> Writer::run(Task task, Deadline deadline) {
  const auto job = std::make_shared<Job>();
  job->task = std::move(task);
  TRY_VOID(submit(job, WhenFull::wait, deadline));
  return std::move(*job->progress.lock()->task_answer);
}

void Writer::loop() {
  for (;;) {
    Jobs jobs = take();
    if (jobs.empty()) return;
    write(jobs);
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

Result<void> Writer::connect(Deadline deadline) {
  if (connection_ && connection_->still_there() && connection_->reusable()) return {};
  connection_.reset();
  counts_.with([](Counts& counts) { ++counts.connects; });
  TRY(connection_, Connection::open(options_.target, deadline));
  if (connection_->standby()) {
    connection_.reset();
    return error_of_state("25006", "in recovery");
  }
  return {};
}

Result<void> Writer::once(const std::function<Result<void>(Deadline)>& work, bool& commit_sent, Deadline deadline) {
  commit_sent = false;
  TRY_VOID(connect(deadline));
  TRY_VOID(group_.begin(*connection_, deadline));
  TRY_VOID(work(deadline));
  commit_sent = true;
  return group_.commit(deadline);
}

Result<bool> Writer::happened(const Chronicle::Head& head, Deadline deadline) {
  TRY_VOID(connect(deadline));
  return group_.has_head(*connection_, head, deadline);
}

Result<void> Writer::transact(const std::function<Result<void>(Deadline)>& work, Deadline deadline) {
  for (int tries = 1;; ++tries) {
    bool commit_sent = false;
    const Result<void> done = once(work, commit_sent, deadline);
    if (done) return done;
    const Error error = done.error();
    const bool lost = !connection_ || connection_->broken() || is_lost(error);
    if (!lost) group_.rollback(deadline);
    const Chronicle::Head head = group_.expected();
    if (lost) {
      group_.abandon();
      connection_.reset();
    }
    if (lost && commit_sent) {
      // Until the other side answers nobody can tell.
      Result<bool> found = false;
      do {
        found = happened(head, deadline);
        if (!found) connection_.reset();
        if (!found && !deadline.expired()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      } while (!found && !deadline.expired());
      if (!found) return maybe_applied("the database went away");
      counts_.with([](Counts& counts) { ++counts.resolved; });
      if (*found) return {};
    } else if (!is_retryable(error) && !(lost && tries == 1 && error.reason == "DatabaseGone")) {
      return error;
    }
    if (tries >= 5 || deadline.expired()) return error;
    counts_.with([](Counts& counts) { ++counts.repeated; });
  }
}

void Writer::write(Jobs& jobs) {
  const Deadline deadline = Deadline::in(options_.group_limit);
  if (jobs.front()->task) {
    std::uint64_t rows = 0;
    const auto work = [&](Deadline limit) -> Result<void> {
      TRY(rows, jobs.front()->task(group_, limit));
      return {};
    };
    const auto done = transact(work, Deadline::in(options_.group_limit * 6));
    if (done ? rows != 0 : done.error().code == Code::maybe_applied) forget();
    return answer_task(*jobs.front(), done ? Result<std::uint64_t>(rows) : done.error());
  }
  std::vector<Change*> changes;
  for (const auto& job : jobs)
    for (Change& change : job->changes) changes.push_back(&change);
  Answers all;
  const auto with = [&](Group::Requests requests) {
    return transact(
        [&](Deadline limit) -> Result<void> {
          TRY(all, group_.apply(changes, requests, limit));
          return {};
        },
        deadline);
  };
  auto written = with(Group::Requests::late);
  if (!written && written.error().reason == "Constraint") written = with(Group::Requests::early);
  if (!written && written.error().code == Code::maybe_applied) forget();
  if (!written) all.assign(changes.size(), Result<Committed>(written.error()));
  counts_.with([&](Counts& counts) { ++counts.groups, counts.changes += changes.size(); });
  std::vector<Answers> answers;
  auto next = all.begin();
  for (const auto& job : jobs) {
    answers.emplace_back(std::make_move_iterator(next),
                         std::make_move_iterator(next + static_cast<std::ptrdiff_t>(job->changes.size())));
    next += static_cast<std::ptrdiff_t>(job->changes.size());
  }
  answer(jobs, answers);
}

void Writer::answer_task(Job& job, Result<std::uint64_t> result) {
  job.progress.with([&](Progress& progress) {
    progress.task_answer = std::move(result);
    progress.phase = Phase::answered;
  });
  job.progress.notify_all();
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

}  // namespace chaveiro::clients::postgres
