// The thread that writes what was published, and the one that saves cursors.
#include <algorithm>

#include "events/log/impl.h"

namespace chaveiro::events::log {

void LogBus::Impl::write_loop() {
  for (auto next_trim = Deadline::in(options.trim_interval);;) {
    bool trim = false, stopping = false;
    {
      auto out = outbox.lock();
      out.wait(next_trim, [](const Outbox& it) { return it.bytes > 0 || it.trim || it.stopping; });
      trim = out->trim || next_trim.expired();
      stopping = out->stopping;
    }
    const bool wrote = write_once();
    if (trim) {
      trim_all();
      outbox.lock()->trim = false;
      outbox.notify_all();
      next_trim = Deadline::in(options.trim_interval);
    }
    if (stopping && !wrote) return;
  }
}

bool LogBus::Impl::write_once() {
  auto taken = writing.lock();
  std::vector<Answer> answers;
  std::vector<Route> routes;
  {
    auto all = topics.lock();
    auto out = outbox.lock();
    taken->resize(out->partitions.size());
    for (std::size_t i = 0; i < taken->size(); ++i) {
      if (out->partitions[i].batches.empty()) continue;
      std::swap((*taken)[i], out->partitions[i]);
    }
    out->bytes = 0;
    ++out->taken;
    routes = all->routes;
  }
  std::vector<std::size_t> touched;
  for (std::size_t i = 0; i < taken->size(); ++i) {
    if ((*taken)[i].batches.empty()) continue;
    touched.push_back(i);
    write_partition(routes[i], (*taken)[i], answers);
  }
  // Written everywhere first, synced then: the disk takes one trip for all where it can.
  if (touched.size() > 1)
    for (const std::size_t i : touched) routes[i].topic->partitions[routes[i].partition]->begin_sync();
  std::vector<std::pair<std::int32_t, std::optional<Error>>> synced;
  std::size_t next_answer = 0;
  for (const std::size_t i : touched) {
    const auto done = routes[i].topic->partitions[routes[i].partition]->sync();
    Outgoing& outgoing = (*taken)[i];
    for (std::size_t n = 0; n < outgoing.answers.size(); ++n, ++next_answer) {
      if (!done && answers[next_answer].id)
        answers[next_answer].id =
            fail(Code::maybe_applied, "LogBroken", "the disk failed while it was written: " + done.error().message);
    }
    outgoing.answers.clear();
    outgoing.batches.clear();
  }
  const bool wrote = !touched.empty();
  {
    auto out = outbox.lock();
    ++out->finished;
  }
  outbox.notify_all();
  if (wrote) signal();
  {
    const auto unlock = std::move(taken);  // answers may publish again
  }
  for (Answer& answer : answers) answer.done(std::move(answer.id));
  return wrote;
}

void LogBus::Impl::write_partition(const Route& route, Outgoing& outgoing, std::vector<Answer>& answers) {
  Partition& partition = *route.topic->partitions[route.partition];
  const std::uint64_t most = route.topic->options.backlog_bytes_max;
  Result<std::uint64_t> first =
      most > 0 && partition.bytes() > most
          ? Result<std::uint64_t>(
                fail(Code::exhausted, "BacklogFull",
                     "the topic keeps as many bytes as it may: its slowest subscription must catch up"))
          : partition.append(outgoing.batches, clock.now());
  std::uint64_t offset = first ? *first : 0;
  for (Published& done : outgoing.answers) {
    const MessageId id{static_cast<std::int32_t>(route.partition), 0, offset++, -1};
    answers.push_back({std::move(done), first ? Result<MessageId>(id) : Result<MessageId>(first.error())});
  }
}

void LogBus::Impl::trim_all() {
  for (const auto& topic : all_topics()) {
    for (std::uint32_t p = 0; p < topic->partitions.size(); ++p) {
      Trim trim;
      trim.everybody_has = topic->partitions[p]->end();
      {
        const auto groups = topic->groups.lock();
        for (const auto& [name, shared] : *groups)
          trim.everybody_has = std::min(trim.everybody_has, shared->group.lock()->done_below(p));
      }
      trim.before = clock.now() - topic->options.retention_time;
      trim.bytes_max = topic->options.retention_bytes;
      if (const auto done = topic->partitions[p]->trim(trim); !done)
        log.warn("old events could not be removed", {{"topic", topic->name}, {"error", done.error()}});
    }
  }
}

Result<void> LogBus::Impl::save(Topic& topic, SharedGroup& shared) {
  if (disk == nullptr || !shared.durable) return {};
  auto saved = shared.saved.lock();
  CursorText text;
  std::uint64_t changes = 0;
  {
    const auto group = shared.group.lock();
    changes = group->changes();
    if (changes == *saved) return {};
    text.type = group->type();
    text.cursors = group->cursors();
  }
  TRY_VOID(disk->replace(topic.folder + "/cursors/" + file_name_of(shared.name), to_text(text)));
  *saved = changes;
  return {};
}

Result<void> LogBus::Impl::save_cursors() {
  for (const auto& topic : all_topics()) {
    std::vector<std::shared_ptr<SharedGroup>> groups;
    topic->groups.with([&](const auto& all) {
      for (const auto& [name, shared] : all) groups.push_back(shared);
    });
    for (const auto& shared : groups) TRY_VOID(save(*topic, *shared));
  }
  return {};
}

void LogBus::Impl::cursor_loop() {
  bool failing = false;
  for (;;) {
    {
      auto stop = cursors_stop.lock();
      if (stop.wait(Deadline::in(options.cursor_interval), [](bool now) { return now; })) return;
    }
    const auto saved = save_cursors();
    if (!saved && !failing) log.warn("cursors of the event log could not be saved", {{"error", saved.error()}});
    failing = !saved;
  }
}

}  // namespace chaveiro::events::log
