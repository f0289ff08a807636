// The process that event_kill_test kills: commits changes, relays their events over the embedded log, and applies each as another
// change of the same store, until it reaches a step for the n-th time and kills itself there. The numbers of answered commits go to
// standard output, eight bytes at a time.
//
//   event_kill_child FOLDER STEP NTH FIRST SEED     (STEP "drain": commits nothing, ends when everything is applied)
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string_view>

#include "base/random.h"
#include "clients/sqlite/consumer_memory.h"
#include "directory/happened.h"
#include "events/consumer.h"
#include "events/log/bus.h"
#include "events/relay.h"
#include "events/topics.h"
#include "tests/integration/kill_samples.h"

namespace chaveiro::contract {
namespace {

using namespace events;

const std::string key_topic(topics::key_events);
Deadline soon() { return Deadline::in(std::chrono::seconds{20}); }

struct Child {
  std::string folder, step;
  std::uint64_t nth = 0, first = 0;
  Random random;
  SystemClock clock = {};
  events::log::LocalDisk disk = {};
  Registry metrics{};

  std::function<void(std::string_view)> failpoint() {
    return [this](std::string_view at) {
      if (at == step && --nth == 0) ::kill(::getpid(), SIGKILL);
    };
  }

  // The effect of an event: a new account, made anew each time it is applied, so that twice would be seen.
  Result<Effect> apply(directory::Store& store, const DomainEvent& event, const Mark& mark) {
    if (random.below(10) == 0) return fail(Code::unavailable, "NeighbourAway", "not now");
    Account account = account_of(random() % 1'000'000'000, other_ispb);
    account.holder.tax_id = "99999999999";
    account.holder.name = event.aggregate_id + "/" + std::to_string(event.version);
    account.created_at = account.updated_at = clock.now();
    Change change{.operation = "create_account", .ispb = other_ispb, .actor = {"test", ""}, .at = clock.now()};
    change.writes.push_back(put(account));
    change.mark = mark;
    TRY_VOID(store.commit(change, soon()));
    return Effect::marked;
  }

  // An entry of its own for each number, then two changes of it.
  bool commit(directory::Store& store, std::uint64_t n) {
    const Account account = account_of(n);
    Entry entry = entry_of(n, account, phone_of(n));
    Change change{.operation = "create_entry", .ispb = our_ispb, .actor = {"test", ""}, .at = clock.now()};
    change.writes.push_back(put(account));
    change.writes.push_back(put(entry));
    for (int times = 0; times < 3; ++times) {
      const auto done = store.commit(change, soon());
      if (!done) return false;
      Entry before = entry;
      before.version = done->sequence;
      entry.updated_at = clock.now();
      change.operation = "update_entry";
      change.writes = {Put<Entry>{before, entry}};
      const std::uint64_t answered = n * 4 + static_cast<std::uint64_t>(times);
      if (::write(STDOUT_FILENO, &answered, sizeof answered) != sizeof answered) return false;
    }
    return true;
  }

  int run() {
    auto options = kill_store_options(folder);
    options.keep_events = true;
    auto store = clients::sqlite::SqliteStore::open(options, kill_key(), day_one);
    auto memory = clients::sqlite::SqliteConsumerMemory::open(folder + "/consumers.db");
    events::log::LogOptions log_options;
    log_options.folder = folder + "/events";
    log_options.cursor_interval = std::chrono::milliseconds{5};
    auto bus = events::log::LogBus::open(log_options, disk, clock, Logger{});
    if (!store || !memory || !bus) return 2;
    for (const std::string_view topic : topics::all)
      if (!(*bus)->create_topic(std::string(topic), {.partitions = 2}, soon())) return 3;
    Relay relay({.round_max = 50, .failpoint = failpoint()}, *(*store)->outbox(), **bus, nullptr, Logger{});
    Handlers handlers;
    handlers.on("*", [&](const DomainEvent& event, const Mark& mark, Deadline) { return apply(**store, event, mark); });
    ConsumerOptions consuming;
    consuming.topics = {key_topic};
    consuming.subscription = "effects";
    consuming.backoff_min = consuming.backoff_max = Micros{1};
    consuming.ahead_max = 100;
    consuming.failpoint = failpoint();
    Consumer consumer(std::move(consuming), std::move(handlers), **bus, *(*store)->inbox(), **memory, clock, Logger{},
                      metrics);
    if (!consumer.open(soon())) return 4;
    const bool drain = step == "drain";
    for (std::uint64_t n = first;; ++n) {
      if (!drain && !commit(**store, n)) return 5;
      if (!relay.run_once(soon())) return 6;
      const auto done = consumer.run_once(Deadline::in(std::chrono::milliseconds{1}));
      if (!done) return 7;
      if (!drain) continue;
      std::uint64_t behind = (*store)->outbox()->depth(soon())->events;
      for (const auto& lag : (*bus)->lags()) behind += lag.lag.messages;
      if (behind == 0 && (*memory)->parked_keys("effects", 1, soon())->empty()) return 0;
    }
  }
};

}  // namespace
}  // namespace chaveiro::contract

int main(int count, char** arguments) {
  if (count != 6) return 1;
  chaveiro::contract::Child child{.folder = arguments[1],
                                  .step = arguments[2],
                                  .nth = std::strtoull(arguments[3], nullptr, 10),
                                  .first = std::strtoull(arguments[4], nullptr, 10),
                                  .random = chaveiro::Random(std::strtoull(arguments[5], nullptr, 10))};
  return child.run();
}
