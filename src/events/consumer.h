// events/consumer.h
//
// A consumer: takes events from a subscription and applies each exactly once per effect, in order within its key, while keys go on
// beside each other.
//
// For each event, in this order, every step durable before the next:
//   1. its key lies in the dead letters, or waits for a gap: the event is parked behind it and acknowledged;
//   2. it was applied before (inbox): it is acknowledged;
//   3. an event between is missing: it is parked until that one comes; after `gap_alarm` that is counted and logged;
//   4. a try is counted, then the handler is called; its effect and the mark "applied" are one transaction;
//   5. it failed: the key waits (back-off) and is tried again, in its own lane, `tries_max` calls in all, also over restarts;
//   6. it failed for the last time: published on the dead-letter topic with reason, attempts and its headers, its key is parked,
//      and it is acknowledged. Replaying or discarding the dead letter lets the key go on.
//
// Threads: start() makes one that receives and `workers` that call handlers; run_once() does the same on the caller's, for tests.
// Time:    two durable writes an event (try, effect with mark); lanes make many events share them.
#pragma once

#include <deque>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "base/metrics.h"
#include "events/bus.h"
#include "events/dead_letter.h"
#include "events/handlers.h"

namespace chaveiro::events {

struct ConsumerOptions {
  std::vector<std::string> topics;
  std::string subscription;
  SubscriptionType type = SubscriptionType::key_shared;
  std::string dead_letter_topic;  // empty: what fails is tried for ever
  std::uint32_t tries_max = 5;    // calls of the handler; at least 1
  Micros backoff_min = std::chrono::milliseconds{100};
  Micros backoff_max = std::chrono::seconds{60};
  Micros handler_time_max = std::chrono::seconds{10};
  Micros gap_alarm = std::chrono::minutes{5};
  std::size_t workers = 8;
  std::size_t ahead_max = 1'000;  // events taken and not yet done
  // An aggregate of which nothing was applied may begin with any event: for a consumer that was rebuilt from a time.
  bool begin_anywhere = false;
  // Called at each step, for tests that stop the process there.
  std::function<void(std::string_view step)> failpoint = {};
};

class Consumer {
 public:
  Consumer(ConsumerOptions options, Handlers handlers, Bus& bus, Inbox& inbox, ConsumerMemory& memory,
           const Clock& clock, Logger log, Registry& metrics);
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  // Subscribes, and takes up what was parked and may go on.
  Result<void> open(Deadline deadline);
  void start();
  // Receives no more, finishes what runs, acknowledges, closes. Errors: deadline.
  Result<void> stop(Deadline deadline);

  // Takes what is there and handles what may be handled now; answers how many events ended (applied, parked, dead or known).
  Result<std::size_t> run_once(Deadline deadline);

  // The dead letter will never be applied: it counts as applied, and its key goes on.
  Result<void> discarded(const DeadLetter& letter, Deadline deadline);
  // Counts and logs keys that wait longer than `gap_alarm` for a missing event.
  Result<void> look_for_gaps(Deadline deadline);

 private:
  struct Item {
    Received received;
    std::optional<Parked> parked;  // it came out of the parking, not from the bus
  };
  struct Lane {
    std::deque<Item> items;
    bool running = false;
    SteadyTime not_before{};
    std::uint32_t failures = 0;
  };
  struct State {
    std::unordered_map<std::string, Lane> lanes;
    std::size_t items = 0;
    std::size_t running = 0;
    std::uint64_t ended = 0;
    std::uint64_t without_key = 0;
    bool stopping = false;
  };
  enum class Outcome : std::uint8_t { ended, again };

  Result<std::size_t> receive_some(Deadline deadline);
  void put_in_lane(Item item);
  bool work_one();
  std::optional<std::string> next_lane(State& state, SteadyTime now) const;
  std::optional<SteadyTime> next_due(const State& state) const;
  void work_loop();
  void receive_loop();

  Result<Outcome> handle(Item& item, Micros& pause);
  Result<Outcome> apply(Item& item, const DomainEvent& event, Micros& pause, Deadline deadline);
  Result<Effect> call(const Handler& handler, const DomainEvent& event, const Mark& mark, Deadline deadline);
  Result<Outcome> failed(Item& item, const Uuid& id, std::uint32_t tries, const Error& error, Micros& pause,
                         Deadline deadline);
  Result<void> bury(Item& item, const Uuid& id, const Error& error, Deadline deadline);
  Result<Outcome> park(Item& item, const DomainEvent& event, Deadline deadline);
  Result<Outcome> finish(Item& item, const Uuid& id, Deadline deadline);
  Result<void> take_up_parked(const std::string& key, Deadline deadline);
  const std::string& topic_of(const Item& item) const {
    return item.parked ? item.parked->topic : options_.topics[item.received.delivery.topic];
  }
  void step(std::string_view name) const {
    if (options_.failpoint) options_.failpoint(name);
  }

  const ConsumerOptions options_;
  const Handlers handlers_;
  Bus& bus_;
  Inbox& inbox_;
  ConsumerMemory& memory_;
  const Clock& clock_;
  const Logger log_;
  Counter &applied_, &duplicates_, &parked_, &retried_, &dead_, &gaps_;
  Histogram& took_;
  std::unique_ptr<Subscription> subscription_;
  Guarded<State> state_;
  std::vector<std::thread> threads_;
};

}  // namespace chaveiro::events
