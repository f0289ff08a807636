#include "cache/write_queue.h"

#include <algorithm>

namespace chaveiro::cache {
namespace {

bool is_final(Code code) {
  return code == Code::invalid || code == Code::forbidden || code == Code::not_found || code == Code::exists ||
         code == Code::conflict || code == Code::unauthenticated;
}

}  // namespace

Result<std::unique_ptr<WriteQueue>> WriteQueue::open(WriteQueueOptions options, Sink sink, const Clock& clock,
                                                     Logger log, Registry& metrics) {
  std::unique_ptr<WriteQueue> queue(
      new WriteQueue(std::move(options), std::move(sink), clock, std::move(log), metrics));
  if (!queue->options_.journal.empty()) {
    std::vector<QueuedWrite> undone;
    TRY(queue->journal_, WriteJournal::open(queue->options_.journal, undone));
    auto state = queue->state_.lock();
    for (QueuedWrite& write : undone) {
      state->sequence = std::max(state->sequence, write.sequence);
      Slot& slot = state->slots[write.key];
      if (slot.write.sequence != 0) {
        queue->journal_->done(slot.write.sequence);  // superseded
        state->due.erase({slot.due, write.key});
      }
      slot.due = clock.steady();
      state->due.insert({slot.due, write.key});
      slot.write = std::move(write);
    }
    if (!state->slots.empty())
      queue->log_.info("writes from before wait", {{"queue", queue->options_.name}, {"keys", state->slots.size()}});
  }
  for (std::size_t i = 0; i < queue->options_.workers; ++i)
    queue->threads_.emplace_back([it = queue.get()] { it->work(); });
  return queue;
}

WriteQueue::WriteQueue(WriteQueueOptions options, Sink sink, const Clock& clock, Logger log, Registry& metrics)
    : options_(std::move(options)),
      sink_(std::move(sink)),
      clock_(clock),
      log_(std::move(log)),
      accepted_(metrics.counter("cache_write_behind_accepted_total", "Writes that were accepted.",
                                {{"queue", options_.name}})),
      coalesced_(metrics.counter("cache_write_behind_coalesced_total", "Writes that a newer one took the place of.",
                                 {{"queue", options_.name}})),
      written_(metrics.counter("cache_write_behind_written_total", "Writes that reached the store.",
                               {{"queue", options_.name}})),
      retried_(metrics.counter("cache_write_behind_retried_total", "Tries that failed and are repeated.",
                               {{"queue", options_.name}})),
      died_(metrics.counter("cache_write_behind_dead_total", "Writes that became dead letters.",
                            {{"queue", options_.name}})),
      refused_(metrics.counter("cache_write_behind_refused_total", "Writes that were not accepted.",
                               {{"queue", options_.name}})),
      waiting_watch_(metrics.watch_gauge("cache_write_behind_waiting", "Keys whose write waits.",
                                         {{"queue", options_.name}},
                                         [this] { return static_cast<double>(state_.lock()->slots.size()); })),
      dead_watch_(metrics.watch_gauge("cache_write_behind_dead_letters", "Dead letters that are kept.",
                                      {{"queue", options_.name}},
                                      [this] { return static_cast<double>(state_.lock()->dead.size()); })) {}

WriteQueue::~WriteQueue() {
  state_.with([](State& state) { state.closed = state.stopping = true; });
  state_.notify_all();
}

Result<void> WriteQueue::add(std::string_view key, std::string_view bytes, QueuedWrite::Kind kind) {
  auto place = enqueue(key, bytes, kind);
  if (!place) {
    refused_.add();
    return std::move(place).error();
  }
  state_.notify_one();
  if (journal_) {
    if (auto synced = journal_->wait(*place); !synced) {
      refused_.add();
      // It waits, and the store may get it; only that it outlives the process cannot be promised.
      synced.error().code = Code::maybe_applied;
      return synced;
    }
  }
  accepted_.add();
  return {};
}

Result<WriteJournal::Place> WriteQueue::enqueue(std::string_view key, std::string_view bytes, QueuedWrite::Kind kind) {
  auto state = state_.lock();
  if (state->closed) return fail(Code::unavailable, "WriteQueueStopped", "the write queue is stopping");
  const auto known = state->slots.find(key);
  if (known == state->slots.end() && state->slots.size() >= options_.queue_max) {
    Error full = fail(Code::exhausted, "WriteQueueFull", "too many writes wait for the store");
    full.retry_after = std::chrono::duration_cast<std::chrono::milliseconds>(std::max(options_.pause, Micros{1'000}));
    return full;
  }
  QueuedWrite write{.sequence = ++state->sequence, .kind = kind, .key = std::string(key), .bytes = std::string(bytes)};
  // Under the lock: the journal's order is the queue's order.
  WriteJournal::Place place_in_journal = 0;
  if (journal_) {
    TRY(place_in_journal, journal_->append(write));
  }
  if (known == state->slots.end()) {
    Slot& slot = state->slots[write.key];
    reschedule(*state, write.key, slot, clock_.steady() + options_.linger);
    slot.write = std::move(write);
  } else {
    Slot& slot = known->second;
    QueuedWrite& place = slot.under_way ? slot.newer.has_value() ? *slot.newer : slot.newer.emplace() : slot.write;
    if (place.sequence != 0) {
      coalesced_.add();
      if (journal_) journal_->done(place.sequence);
    }
    place = std::move(write);
  }
  return place_in_journal;
}

void WriteQueue::reschedule(State& state, const std::string& key, Slot& slot, SteadyTime due) {
  state.due.erase({slot.due, key});
  slot.due = due;
  state.due.insert({due, key});
}

std::optional<QueuedWrite> WriteQueue::pending(std::string_view key) const {
  const auto state = state_.lock();
  const auto found = state->slots.find(key);
  if (found == state->slots.end()) return std::nullopt;
  return found->second.newer ? found->second.newer : found->second.write;
}

std::optional<QueuedWrite> WriteQueue::take(State& state) {
  if (state.due.empty()) return std::nullopt;
  const auto [due, key] = *state.due.begin();
  if (due > clock_.steady()) return std::nullopt;
  state.due.erase(state.due.begin());
  Slot& slot = state.slots.find(key)->second;
  slot.under_way = true;
  return slot.write;
}

bool WriteQueue::run_once() {
  const auto write = state_.with([&](State& state) { return take(state); });
  if (!write) return false;
  Result<void> result = [&]() -> Result<void> {
    try {
      return sink_(*write, Deadline::in(options_.write_time_max));
    } catch (...) {
      return fail(Code::internal, "SinkThrew", "the sink of a write queue threw");
    }
  }();
  finished(*write, std::move(result));
  return true;
}

void WriteQueue::finished(const QueuedWrite& write, Result<void> result) {
  state_.with([&](State& state) {
    const auto place = state.slots.find(write.key);
    Slot& slot = place->second;
    slot.under_way = false;
    if (result) {
      written_.add();
      if (journal_) journal_->done(write.sequence);
      if (const auto dead = state.dead.find(write.key); dead != state.dead.end()) {
        if (journal_) journal_->done(dead->second.write.sequence);  // a newer value of the key is in the store
        state.dead.erase(dead);
      }
    } else {
      ++slot.tries;
    }
    const bool given_up =
        !result && (is_final(result.error().code) || (options_.tries_max != 0 && slot.tries >= options_.tries_max));
    if (!result && !slot.newer && given_up &&
        (state.dead.size() < options_.dead_max || state.dead.contains(write.key))) {
      died_.add();
      log_.error("write could not reach the store",
                 {{"queue", options_.name}, {"tries", slot.tries}, {"error", result.error()}});
      if (const auto dead = state.dead.find(write.key); dead != state.dead.end() && journal_)
        journal_->done(dead->second.write.sequence);
      state.dead[write.key] = {write, result.error()};
      state.slots.erase(place);
      return;
    }
    if (slot.newer) {
      if (!result) {
        coalesced_.add();
        if (journal_) journal_->done(write.sequence);
      }
      slot.write = std::move(*slot.newer);
      slot.newer.reset();
      const std::uint32_t doublings = std::min(result ? 0 : slot.tries - 1, 20U);
      slot.tries = result ? 0 : slot.tries;
      const SteadyTime due =
          clock_.steady() +
          (result ? options_.linger : std::min(options_.pause * (1U << doublings), options_.pause_max));
      reschedule(state, write.key, slot, due);
    } else if (result) {
      state.slots.erase(place);
    } else {
      retried_.add();
      const std::uint32_t doublings = std::min(slot.tries - 1, 20U);
      reschedule(state, write.key, slot,
                 clock_.steady() + std::min(options_.pause * (1U << doublings), options_.pause_max));
    }
  });
  state_.notify_all();
}

void WriteQueue::poke() {
  state_.with([](State& state) { ++state.pokes; });
  state_.notify_all();
}

void WriteQueue::work() {
  for (;;) {
    {
      auto state = state_.lock();
      if (state->stopping) return;
      const std::uint64_t pokes = state->pokes, sequence = state->sequence;
      const std::size_t waiting = state->due.size();
      const SteadyTime now = clock_.steady();
      if (state->due.empty() || (state->due.begin()->first > now)) {
        // Dues are told by our clock, the wait by the machine's: the difference is what counts.
        const Micros wait = state->due.empty()
                                ? Micros{std::chrono::seconds{1}}
                                : std::chrono::duration_cast<Micros>(state->due.begin()->first - now) + Micros{100};
        (void)state.wait(Deadline::in(std::min(wait, Micros{std::chrono::seconds{1}})), [&](const State& it) {
          return it.stopping || it.pokes != pokes || it.sequence != sequence || it.due.size() != waiting;
        });
        if (state->stopping) return;
      }
    }
    (void)run_once();
  }
}

WriteQueue::Left WriteQueue::left(const State& state) const {
  Left left{.waiting = state.slots.size(), .dead = state.dead.size(), .keys = {}};
  for (const auto& [key, slot] : state.slots) {
    if (left.keys.size() == 100) break;
    left.keys.push_back(key);
  }
  return left;
}

WriteQueue::Left WriteQueue::flush(Deadline deadline) {
  state_.with([&](State& state) {
    ++state.pokes;
    for (auto& [key, slot] : state.slots) {
      if (!slot.under_way) reschedule(state, key, slot, clock_.steady());
    }
  });
  state_.notify_all();
  while (!deadline.expired()) {
    if (run_once()) continue;
    auto state = state_.lock();
    if (state->slots.empty()) break;
    const SteadyTime now = clock_.steady();
    const std::uint64_t pokes = state->pokes;
    const auto is_due = [&](const State& it) {
      return it.slots.empty() || it.pokes != pokes || (!it.due.empty() && it.due.begin()->first <= now);
    };
    const Micros wait = state->due.empty()
                            ? Micros{std::chrono::seconds{1}}
                            : std::chrono::duration_cast<Micros>(state->due.begin()->first - now) + Micros{100};
    (void)state.wait(deadline.capped(wait), is_due);
  }
  return state_.with([&](State& state) { return left(state); });
}

WriteQueue::Left WriteQueue::stop(Deadline deadline) {
  state_.with([](State& state) { state.closed = true; });
  Left result = flush(deadline);
  state_.with([](State& state) { state.stopping = true; });
  state_.notify_all();
  if (result.waiting != 0)
    log_.error("writes did not reach the store",
               {{"queue", options_.name}, {"keys", result.waiting}, {"journal", journal_ != nullptr}});
  return result;
}

std::vector<DeadLetter> WriteQueue::dead_letters() const {
  const auto state = state_.lock();
  std::vector<DeadLetter> all;
  for (const auto& [key, letter] : state->dead) all.push_back(letter);
  return all;
}

bool WriteQueue::replay(std::string_view key) {
  const bool found = state_.with([&](State& state) {
    const auto dead = state.dead.find(key);
    if (dead == state.dead.end()) return false;
    if (!state.slots.contains(key)) {  // else something newer waits already
      Slot& slot = state.slots[dead->first];
      slot.write = dead->second.write;
      reschedule(state, dead->first, slot, clock_.steady());
    } else if (journal_) {
      journal_->done(dead->second.write.sequence);
    }
    state.dead.erase(dead);
    return true;
  });
  state_.notify_all();
  return found;
}

bool WriteQueue::discard(std::string_view key) {
  return state_.with([&](State& state) {
    const auto dead = state.dead.find(key);
    if (dead == state.dead.end()) return false;
    if (journal_) journal_->done(dead->second.write.sequence);
    state.dead.erase(dead);
    return true;
  });
}

}  // namespace chaveiro::cache
