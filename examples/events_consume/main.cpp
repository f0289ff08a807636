// Reads events with a subscription: what is acknowledged never comes again, what is refused does.
#include <cstdio>

#include "events/log/bus.h"

using namespace chaveiro;

int main() {
  SystemClock clock;
  const auto bus = events::log::LogBus::in_memory(clock);
  const Deadline deadline = Deadline::in(std::chrono::seconds{10});
  if (!bus->create_topic("orders", {.partitions = 2}, deadline)) return 1;
  for (const char* body : {"one", "two", "three"})
    if (!events::publish(*bus, "orders", {.key = "order-7", .body = body}, deadline)) return 1;

  auto subscription = bus->subscribe({.topics = {"orders"}, .name = "billing"}, deadline);
  if (!subscription) return 1;
  int done = 0;
  while (done < 3) {
    const auto some = (*subscription)->receive(10, deadline);
    if (!some || some->empty()) return 1;
    for (const events::Received& received : *some) {
      const bool first_time = received.redeliveries == 0;
      if (received.message.body == "two" && first_time) {
        if (!(*subscription)->nack(received.delivery, std::chrono::milliseconds{10})) return 1;
        continue;
      }
      std::printf("%s%s\n", received.message.body.c_str(), first_time ? "" : " (again)");
      if (!(*subscription)->ack(received)) return 1;
      ++done;
    }
  }
  const auto lag = (*subscription)->lag(deadline);
  return lag && lag->messages == 0 ? 0 : 1;
}
