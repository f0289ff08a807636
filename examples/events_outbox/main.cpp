// The outbox in fifty lines: a change and its event are one commit; the relay publishes what commits left, whatever happens between.
#include <cstdio>

#include "clients/memory/store.h"
#include "directory/happened.h"
#include "events/log/bus.h"
#include "events/relay.h"
#include "events/topics.h"

using namespace chaveiro;

int main() {
  SystemClock clock;
  const Deadline deadline = Deadline::in(std::chrono::seconds{10});
  clients::memory::MemoryStore store(Secret("installation"), "example", clients::memory::MemoryStore::Events::kept);

  directory::Account account;
  account.ispb = *directory::Ispb::parse("12345678");
  account.number = "0000001";
  account.holder = {directory::PersonType::natural, "12345678909", "Joana", {}};
  account.opened_at = account.created_at = account.updated_at = clock.now();
  account.id = directory::account_id_of(account.ispb, account.branch, account.number, account.type);
  directory::Change change{
      .operation = "create_account", .ispb = account.ispb, .actor = {"example", ""}, .at = clock.now()};
  change.writes.push_back(directory::Put<directory::Account>{{}, account});
  if (!store.commit(change, deadline)) return 1;
  std::printf("waiting after the commit: %d\n", static_cast<int>(store.outbox()->depth(deadline)->events));

  const auto bus = events::log::LogBus::in_memory(clock);
  events::Relay relay({}, *store.outbox(), *bus, nullptr, Logger{});
  if (relay.run_once(deadline)) return 1;  // there is no topic yet: the event stays where it is
  if (!bus->create_topic(std::string(events::topics::core_events), {}, deadline)) return 1;
  const auto published = relay.run_once(deadline);
  if (!published || *published != 1) return 1;

  auto subscription =
      bus->subscribe({.topics = {std::string(events::topics::core_events)}, .name = "example"}, deadline);
  const auto received = (*subscription)->receive(1, deadline);
  if (!received || received->size() != 1) return 1;
  const auto event = events::event_of((*received)[0].message);
  if (!event) return 1;
  std::printf("%s of %s, version %d\n", event->event_type.c_str(), event->aggregate_type.c_str(),
              static_cast<int>(event->version));
  return store.outbox()->depth(deadline)->events == 0 ? 0 : 1;
}
