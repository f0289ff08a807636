// cache/write_queue.h
//
// WriteQueue: writes that the store gets later. For each key only the newest write waits, one write of a key is under way at a time, and
// they reach the store in the order in which they were accepted. What fails is tried again with growing pauses; what cannot succeed
// becomes a dead letter.
//
// Guarantees: an accepted write reaches the store at least once, or is superseded by a newer one of its key, or is a dead letter, or is
//             named by stop(): none is lost silently while the process lives. With a journal, accepted means on the disk: what a killed
//             process had accepted is written after the next open(). Without one durability() says so.
// Bounds:     `queue_max` keys and `dead_max` dead letters; beyond the first add() answers exhausted; beyond the second what should die
//             stays in the queue and is tried on.
// Threads: any. Its workers call the sink, several keys at once.
// Time:    add() O(log n), with a journal one fdatasync, which all who add at that time share.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/guarded.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "cache/write_journal.h"

namespace chaveiro::cache {

struct WriteQueueOptions {
  std::string name = "writes";                      // in logs and metrics
  std::size_t queue_max = 10'000;                   // keys that wait; 0: nothing is accepted
  std::size_t workers = 2;                          // threads; 0: none, the owner calls run_once()
  std::uint32_t tries_max = 10;                     // then a dead letter; 0: tried for ever
  Micros pause = std::chrono::milliseconds{100};    // before the second try, doubled at each …
  Micros pause_max = std::chrono::seconds{30};      // … up to this
  Micros write_time_max = std::chrono::seconds{5};  // deadline of one try
  Micros linger{0};                                 // a write waits so long for a newer one of its key; 0: not at all
  std::size_t dead_max = 1'000;                     // dead letters that are kept
  std::string journal;                              // file; empty: what waits is lost when the process is killed
};

struct DeadLetter {
  QueuedWrite write;
  Error error;
};

class WriteQueue {
 public:
  // Errors of the sink: invalid, forbidden, not_found, exists, conflict, unauthenticated are final; others are tried again.
  using Sink = std::function<Result<void>(const QueuedWrite&, Deadline)>;

  // Errors: those of the journal's file. What it holds from before waits already.
  static Result<std::unique_ptr<WriteQueue>> open(WriteQueueOptions options, Sink sink, const Clock& clock, Logger log,
                                                  Registry& metrics);
  // Stops without flushing: call stop() first. What waits stays in the journal.
  ~WriteQueue();

  enum class Durability : std::uint8_t { journal, memory_only };
  Durability durability() const { return journal_ ? Durability::journal : Durability::memory_only; }

  // Errors: exhausted "WriteQueueFull"; unavailable "WriteQueueStopped", "JournalFailed" (nothing was accepted); maybe_applied where the
  // journal failed after the write was queued: the store may get it.
  Result<void> add(std::string_view key, std::string_view bytes, QueuedWrite::Kind kind);
  // The newest accepted write of the key that the store has not got yet.
  std::optional<QueuedWrite> pending(std::string_view key) const;

  // Tries what is due next; false: nothing is.
  bool run_once();
  // For whoever moves the clock by hand.
  void poke();

  struct Left {
    std::size_t waiting = 0;  // not in the store; with a journal they will be written after the next start
    std::size_t dead = 0;
    std::vector<std::string> keys;  // of the first 100 that wait: for the operator
  };
  // Everything that waits is tried now, then as ever, until it is written or the deadline passes.
  Left flush(Deadline deadline);
  // flush(), and nothing is accepted any more.
  Left stop(Deadline deadline);

  std::vector<DeadLetter> dead_letters() const;
  // Queued again, or dropped for good. False: there is none.
  bool replay(std::string_view key);
  bool discard(std::string_view key);
  std::size_t waiting() const { return state_.lock()->slots.size(); }

 private:
  struct Slot {
    QueuedWrite write;
    std::optional<QueuedWrite> newer;  // came while `write` was under way
    bool under_way = false;
    std::uint32_t tries = 0;
    SteadyTime due;
  };
  struct State {
    std::map<std::string, Slot, std::less<>> slots;
    std::set<std::pair<SteadyTime, std::string>> due;  // of slots that are not under way
    std::map<std::string, DeadLetter, std::less<>> dead;
    std::uint64_t sequence = 0;
    bool closed = false;    // no intake
    bool stopping = false;  // workers end
    std::uint64_t pokes = 0;
  };

  WriteQueue(WriteQueueOptions options, Sink sink, const Clock& clock, Logger log, Registry& metrics);
  void work();
  // Queued, and its place in the journal, where there is one.
  Result<WriteJournal::Place> enqueue(std::string_view key, std::string_view bytes, QueuedWrite::Kind kind);
  std::optional<QueuedWrite> take(State& state);
  void finished(const QueuedWrite& write, Result<void> result);
  void reschedule(State& state, const std::string& key, Slot& slot, SteadyTime due);
  Left left(const State& state) const;

  const WriteQueueOptions options_;
  const Sink sink_;
  const Clock& clock_;
  const Logger log_;
  Counter &accepted_, &coalesced_, &written_, &retried_, &died_, &refused_;
  std::unique_ptr<WriteJournal> journal_;
  Guarded<State> state_;
  Registry::Watch waiting_watch_, dead_watch_;
  std::vector<std::jthread> threads_;
};

}  // namespace chaveiro::cache
