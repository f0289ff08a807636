#include "clients/postgres/writer.h"

#include "clients/postgres/errors.h"

namespace chaveiro::clients::postgres {

using namespace directory;

namespace {

SteadyTime steady_now() { return std::chrono::steady_clock::now(); }

}  // namespace

Writer::Writer(WriterOptions options, const Secret& installation_key)
    : options_(std::move(options)),
      outage_(options_.outage),
      group_(installation_key, options_.name, options_.ispbs, options_.events),
      queue_(options_.queue, [this](std::span<Change* const> changes) { return write(changes); }) {}

Result<std::uint64_t> Writer::run(Task task, Deadline deadline) {
  return queue_.run([this, task = std::move(task)] { return run_task(task); }, deadline);
}

Result<void> Writer::connect(Deadline deadline) {
  if (connection_ && connection_->still_there() && connection_->reusable()) return {};
  connection_.reset();
  for (;;) {
    if (auto refused = outage_.refusal(steady_now())) return *std::move(refused);
    std::this_thread::sleep_until(std::min(outage_.next_try(), deadline.when()));
    if (deadline.expired()) return too_late();
    counts_.with([](Counts& counts) { ++counts.connects; });
    auto opened = Connection::open(options_.target, deadline);
    if (opened && !(*opened)->standby()) {
      connection_ = *std::move(opened);
      outage_.over();
      return {};
    }
    const Error why = opened ? error_of_state("25006", "in recovery") : std::move(opened).error();
    outage_.failed(steady_now(), why, is_lost(why) && why.reason != "DatabaseLogin");
  }
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
    const auto counted = [&](Deadline limit) {
      if (tries > 1) counts_.with([](Counts& counts) { ++counts.repeated; });
      return work(limit);
    };
    const Result<void> done = once(counted, commit_sent, deadline);
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
  }
}

Writer::Answers Writer::write(std::span<Change* const> changes) {
  const Deadline deadline = Deadline::in(options_.group_limit);
  Answers answers;
  const auto with = [&](Group::Requests requests) {
    return transact(
        [&](Deadline limit) -> Result<void> {
          TRY(answers, group_.apply(changes, requests, limit));
          return {};
        },
        deadline);
  };
  auto written = with(Group::Requests::late);
  if (!written && written.error().reason == "Constraint") written = with(Group::Requests::early);
  if (!written) answers.assign(changes.size(), Result<Committed>(written.error()));
  counts_.with([&](Counts& counts) { ++counts.groups, counts.changes += changes.size(); });
  return answers;
}

Result<std::uint64_t> Writer::run_task(const Task& task) {
  std::uint64_t rows = 0;
  const auto work = [&](Deadline limit) -> Result<void> {
    TRY(rows, task(group_, limit));
    return {};
  };
  TRY_VOID(transact(work, Deadline::in(options_.group_limit * 6)));
  return rows;
}

}  // namespace chaveiro::clients::postgres
