// events/inbox.h
//
// What a consumer remembers, so that each event is applied exactly once: which version of each aggregate it has applied (Inbox, kept
// where its effects are kept, in their transaction), and how often it tried what failed, and what waits (ConsumerMemory).
//
// Arrival of an event, told by versions:
//   duplicate   its version was applied before, or its id was seen where it has no version: nothing is done
//   next        it follows what was applied: it is applied
//   missing     an event between was not seen yet: it waits, durably, until the gap is filled (then the one that fills it is late)
//
// Threads: any.
// Errors:  unavailable, exhausted "DiskFull", deadline.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "events/domain_event.h"

namespace chaveiro::events {

// Stored with the effect of an event, in one transaction. Storing it again changes nothing and says so.
struct Mark {
  std::string subscription;
  Uuid event_id;
  std::string aggregate_id;
  std::uint64_t version = 0;  // 0: the event has none; its id is remembered instead
  UtcTime at{};
  bool operator==(const Mark&) const = default;
};
Mark mark_of(std::string_view subscription, const DomainEvent& event, UtcTime at);

enum class Arrival : std::uint8_t { next, duplicate, missing };
std::string_view to_string(Arrival arrival);

// `applied`: the version that was applied last; 0: none. `seen`: whether the id was.
Arrival arrival_of(const DomainEvent& event, std::uint64_t applied, bool seen);

class Inbox {
 public:
  virtual ~Inbox() = default;
  struct Standing {
    std::uint64_t applied = 0;  // version of the aggregate
    bool seen = false;          // the id, of events without version
  };
  virtual Result<Standing> standing(const std::string& subscription, const DomainEvent& event, Deadline deadline) = 0;
  // For events whose handler stores nothing, or not here. Answers false where it was there already.
  virtual Result<bool> mark(const Mark& mark, Deadline deadline) = 0;
  // Ids that were seen before are forgotten (versions never are). Answers how many.
  virtual Result<std::uint64_t> forget_ids(UtcTime before, Deadline deadline) = 0;
};

// One call of a handler that failed.
struct Attempt {
  UtcTime at{};
  std::string code;     // to_string(Code)
  std::string reason;   // of the error
  std::string message;  // of the error; handlers put no personal data there
  bool operator==(const Attempt&) const = default;
};

// An event that waits for its turn: for a gap to be filled, or because one of its key lies in the dead letters.
struct Parked {
  std::string subscription, key, topic;
  Uuid event_id;
  std::uint64_t number = 0;  // order within the key
  UtcTime since{};
  Message message;
};

enum class KeyState : std::uint8_t { free, waiting_for_gap, dead };

class ConsumerMemory {
 public:
  virtual ~ConsumerMemory() = default;

  // One more try begins: durable before it returns. Answers how many began, this one included; 5 means five calls.
  virtual Result<std::uint32_t> begin_try(const std::string& subscription, const Uuid& event, Deadline deadline) = 0;
  virtual Result<void> failed(const std::string& subscription, const Uuid& event, const Attempt& attempt,
                              Deadline deadline) = 0;
  // In the order in which they were made.
  virtual Result<std::vector<Attempt>> attempts(const std::string& subscription, const Uuid& event,
                                                Deadline deadline) = 0;
  virtual Result<void> forget_tries(const std::string& subscription, const Uuid& event, Deadline deadline) = 0;

  // Dead: an event of the key lies in the dead letters (`event`) until it is replayed or discarded.
  virtual Result<void> set_dead(const std::string& subscription, const std::string& key, const Uuid& event,
                                Deadline deadline) = 0;
  // Frees the key if it is dead because of this event; answers whether it was.
  virtual Result<bool> revive(const std::string& subscription, const std::string& key, const Uuid& event,
                              Deadline deadline) = 0;
  virtual Result<KeyState> key_state(const std::string& subscription, const std::string& key, Deadline deadline) = 0;

  // Behind those of its key that are parked; once, however often it is called for the same event.
  virtual Result<void> park(const Parked& parked, Deadline deadline) = 0;
  virtual Result<std::vector<Parked>> parked(const std::string& subscription, const std::string& key, std::size_t limit,
                                             Deadline deadline) = 0;
  virtual Result<void> unpark(const std::string& subscription, const std::string& key, const Uuid& event,
                              Deadline deadline) = 0;
  struct ParkedKey {
    std::string key;
    bool dead = false;
    UtcTime since{};  // of its oldest event
    std::uint64_t events = 0;
  };
  virtual Result<std::vector<ParkedKey>> parked_keys(const std::string& subscription, std::size_t limit,
                                                     Deadline deadline) = 0;
};

// Both in memory: for tests, and where the bus is in memory too.
std::unique_ptr<Inbox> memory_inbox();
std::unique_ptr<ConsumerMemory> memory_consumer_memory();

}  // namespace chaveiro::events
