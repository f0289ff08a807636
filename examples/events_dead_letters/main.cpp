// A handler that fails for one key: the event is given up after its tries and parks its own key only; replayed, it goes on in order.
#include <cstdio>
#include <map>

#include "events/consumer.h"
#include "events/dead_letter_desk.h"
#include "events/log/bus.h"

using namespace chaveiro;

int main() {
  SystemClock clock;
  Registry metrics;
  const auto bus = events::log::LogBus::in_memory(clock);
  const auto inbox = events::memory_inbox();
  const auto memory = events::memory_consumer_memory();
  const Deadline deadline = Deadline::in(std::chrono::seconds{20});
  if (!bus->create_topic("orders", {}, deadline) || !bus->create_topic("dead", {}, deadline)) return 1;

  bool mended = false;
  std::map<std::string, int> applied;
  events::Handlers handlers;
  handlers.on("order.changed",
              [&](const events::DomainEvent& event, const events::Mark&, Deadline) -> Result<events::Effect> {
                if (event.aggregate_id == "bad" && !mended)
                  return fail(Code::unavailable, "StockAway", "the stock does not answer");
                ++applied[event.aggregate_id];
                return events::Effect::plain;
              });
  events::ConsumerOptions options;
  options.topics = {"orders"};
  options.subscription = "billing";
  options.dead_letter_topic = "dead";
  options.tries_max = 3;
  options.backoff_min = options.backoff_max = std::chrono::milliseconds{1};
  events::Consumer consumer(options, handlers, *bus, *inbox, *memory, clock, Logger{}, metrics);
  if (!consumer.open(deadline)) return 1;

  UuidV7 ids;
  for (const char* key : {"bad", "good"})
    for (std::uint64_t version = 1; version <= 2; ++version) {
      const events::DomainEvent event{.event_id = ids.make(clock.now()),
                                      .event_type = "order.changed",
                                      .aggregate_id = key,
                                      .aggregate_type = "order",
                                      .timestamp = clock.now(),
                                      .version = version,
                                      .previous_version = version - 1};
      if (!events::publish(*bus, "orders", events::to_message(event), deadline)) return 1;
    }
  const auto work_until = [&](const char* key, int count) {
    while (applied[key] < count && !deadline.expired())
      static_cast<void>(consumer.run_once(Deadline::in(std::chrono::milliseconds{5})));
  };
  work_until("good", 2);
  const auto desk = events::DeadLetterDesk::open({.topic = "dead"}, *bus, {}, deadline);
  if (!desk) return 1;
  while ((*desk)->depth(deadline)->letters == 0 && !deadline.expired())
    static_cast<void>(consumer.run_once(Deadline::in(std::chrono::milliseconds{5})));
  const auto letters = (*desk)->list("", 10, deadline);
  if (!letters || letters->size() != 1) return 1;
  std::printf("given up after %zu calls: %s\n", (*letters)[0].letter.attempts.size(),
              (*letters)[0].letter.reason.c_str());

  mended = true;
  if (!(*desk)->replay({}, {}, deadline)) return 1;
  work_until("bad", 2);
  std::printf("bad: %d, good: %d\n", applied["bad"], applied["good"]);
  return applied["bad"] == 2 && applied["good"] == 2 ? 0 : 1;
}
