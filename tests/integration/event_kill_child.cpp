// The process that event_kill_test kills: commits changes, relays their events over the embedded log, and applies each as another
// change of the same store, until it reaches a step for the n-th time and kills itself there. The numbers of answered commits go to
// standard output, eight bytes at a time; why it ended otherwise, and where it stood, go to standard error.
//
// With PULSAR_AT (tests/support/pulsar_broker.h) the events go over that broker instead, on topics that the folder's name tells from
// those of other runs. Steps inside the client that come with a connection are brought about by cutting the connections.
//
//   event_kill_child FOLDER STEP NTH FIRST SEED TIME_MAX [stops]
//
// STEP "drain": commits nothing, ends when everything is applied. TIME_MAX: seconds, then it tells where it stands and ends.
// "stops": it does not die at the step, but stands still there, says `stopped_here`, and goes on to the next time when a byte comes on
// standard input, whatever became of the broker meanwhile. Where 'd' comes it drains.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "base/random.h"
#include "clients/pulsar/bus.h"
#include "clients/sqlite/consumer_memory.h"
#include "directory/happened.h"
#include "events/consumer.h"
#include "events/log/bus.h"
#include "events/relay.h"
#include "events/renamed_bus.h"
#include "events/topics.h"
#include "tests/integration/event_kill_failpoint.h"
#include "tests/integration/kill_samples.h"
#include "tests/support/pulsar_broker.h"

namespace chaveiro::contract {
namespace {

using namespace events;

const std::string key_topic(topics::key_events);
constexpr std::array our_topics = {topics::key_events, topics::core_events};
Deadline soon() { return Deadline::in(std::chrono::seconds{60}); }

// The embedded log, or a broker.
class KillBus {
 public:
  static Result<std::unique_ptr<KillBus>> open(const std::string& folder, events::log::LocalDisk& disk,
                                               const Clock& clock, Failpoint& failpoint) {
    auto made = std::make_unique<KillBus>();
    if (std::getenv("PULSAR_AT") == nullptr) {
      events::log::LogOptions options;
      options.folder = folder + "/events";
      options.cursor_interval = std::chrono::milliseconds{5};
      TRY(auto log, events::log::LogBus::open(options, disk, clock, Logger{}));
      made->log_ = log.get();
      made->bus_ = std::move(log);
      return made;
    }
    const tests::PulsarBroker broker = tests::pulsar_broker();
    clients::pulsar::BusOptions options;
    options.client.url = broker.url;
    options.client.backoff_max = std::chrono::seconds{1};
    options.client.failpoint = [&failpoint](std::string_view step) { failpoint.at(step); };
    options.admin.url = broker.admin_url;
    options.producer.name = "relay";
    options.producer.access = clients::pulsar::wire::AccessMode::exclusive_with_fencing;
    options.producer.send_time_max = Micros{0};
    options.producer.batch_delay = std::chrono::milliseconds{1};
    TRY(auto pulsar, clients::pulsar::PulsarBus::make(std::move(options), Logger{}));
    made->pulsar_ = pulsar.get();
    Names names;
    for (const std::string_view topic : our_topics)
      names.emplace(topic, std::string(topic) + "-" + folder.substr(folder.rfind('/') + 1));
    auto renamed = std::make_unique<RenamedBus>(std::move(pulsar), std::move(names), Names{});
    made->key_topic_ = renamed->topic_name(key_topic);
    made->bus_ = std::move(renamed);
    return made;
  }
  Bus& bus() { return *bus_; }
  // What nobody has acknowledged yet.
  Result<std::uint64_t> behind(Deadline deadline) {
    if (pulsar_ != nullptr) {
      TRY(const Lag lag, pulsar_->lag(key_topic_, "effects", deadline));
      return lag.messages;
    }
    std::uint64_t sum = 0;
    for (const auto& one : log_->lags()) sum += one.lag.messages;
    return sum;
  }

 private:
  std::unique_ptr<Bus> bus_;
  events::log::LogBus* log_ = nullptr;
  clients::pulsar::PulsarBus* pulsar_ = nullptr;
  std::string key_topic_;
};

// What the process is at, for whoever asks why it takes so long.
struct Progress {
  std::string_view doing = "opening";
  std::uint64_t rounds = 0, commits = 0, published = 0, handled = 0;
  bool over = false;
};

struct Child {
  std::string folder, step;
  std::uint64_t first = 0;
  bool stops = false;
  Failpoint& failpoint;
  Random random;
  SystemClock clock = {};
  events::log::LocalDisk disk = {};
  Registry metrics{};
  Guarded<Progress> progress{};

  void at(std::string_view doing) { progress.lock()->doing = doing; }

  int ended(int code, const Error& error) {
    std::fprintf(stderr, "%s: %s %s: %s\n", std::string(progress.lock()->doing).c_str(),
                 std::string(to_string(error.code)).c_str(), error.reason.c_str(), error.message.c_str());
    return code;
  }

  // Where everything stands: read beside the threads that may hang, so what needs a lock of theirs comes last.
  void tell_state(clients::sqlite::SqliteStore& store, clients::sqlite::SqliteConsumerMemory& memory, KillBus& bus) {
    const Progress now = *progress.lock();
    std::fprintf(stderr,
                 "too slow at step %s, %llu to go: in %s, round %llu, %llu commits, %llu published, %llu handled\n",
                 step.c_str(), static_cast<unsigned long long>(failpoint.to_go()), std::string(now.doing).c_str(),
                 static_cast<unsigned long long>(now.rounds), static_cast<unsigned long long>(now.commits),
                 static_cast<unsigned long long>(now.published), static_cast<unsigned long long>(now.handled));
    const auto short_time = [] { return Deadline::in(std::chrono::seconds{1}); };
    if (const auto depth = store.outbox()->depth(short_time()))
      std::fprintf(stderr, "outbox: %llu\n", static_cast<unsigned long long>(depth->events));
    std::fputs(metrics.expose().c_str(), stderr);
    if (const auto behind = bus.behind(short_time()))
      std::fprintf(stderr, "behind: %llu\n", static_cast<unsigned long long>(*behind));
    if (const auto parked = memory.parked_keys("effects", 10, short_time()))
      for (const auto& key : *parked) std::fprintf(stderr, "parked: %s\n", key.key.c_str());
  }

  std::function<void(std::string_view)> at_step() {
    return [this](std::string_view at) { failpoint.at(at); };
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
  Result<void> commit(directory::Store& store, std::uint64_t n) {
    const Account account = account_of(n);
    Entry entry = entry_of(n, account, phone_of(n));
    Change change{.operation = "create_entry", .ispb = our_ispb, .actor = {"test", ""}, .at = clock.now()};
    change.writes.push_back(put(account));
    change.writes.push_back(put(entry));
    for (int times = 0; times < 3; ++times) {
      TRY(const auto done, store.commit(change, soon()));
      ++progress.lock()->commits;
      Entry before = entry;
      before.version = done.sequence;
      entry.updated_at = clock.now();
      change.operation = "update_entry";
      change.writes = {Put<Entry>{before, entry}};
      const std::uint64_t answered = n * 4 + static_cast<std::uint64_t>(times);
      if (::write(STDOUT_FILENO, &answered, sizeof answered) != sizeof answered)
        return fail(Code::internal, "NobodyListens", "the test does not take the answers");
    }
    return {};
  }

  int run(std::chrono::seconds time_max) {
    auto options = kill_store_options(folder);
    options.keep_events = true;
    auto store = clients::sqlite::SqliteStore::open(options, kill_key(), day_one);
    if (!store) return ended(2, store.error());
    auto memory = clients::sqlite::SqliteConsumerMemory::open(folder + "/consumers.db");
    if (!memory) return ended(2, memory.error());
    auto bus = KillBus::open(folder, disk, clock, failpoint);
    if (!bus) return ended(2, bus.error());
    std::thread watch([&] {
      auto now = progress.lock();
      if (now.wait(Deadline::in(time_max), [](const Progress& it) { return it.over; })) return;
      { const auto unlock = std::move(now); }
      tell_state(**store, **memory, **bus);
      ::_exit(9);
    });
    const int code = work(**store, **memory, **bus);
    progress.lock()->over = true;
    progress.notify_all();
    watch.join();
    return code;
  }

  int work(clients::sqlite::SqliteStore& store, clients::sqlite::SqliteConsumerMemory& memory, KillBus& kill_bus) {
    Bus& bus = kill_bus.bus();
    at("creating topics");
    for (const std::string_view topic : our_topics)
      if (const auto made = bus.create_topic(std::string(topic), {.partitions = 2}, patient()); !made)
        return ended(3, made.error());
    Relay relay({.round_max = 50, .failpoint = at_step()}, *store.outbox(), bus, nullptr, Logger{});
    Handlers handlers;
    handlers.on("*", [&](const DomainEvent& event, const Mark& mark, Deadline) { return apply(store, event, mark); });
    ConsumerOptions consuming;
    consuming.topics = {key_topic};
    consuming.subscription = "effects";
    consuming.backoff_min = consuming.backoff_max = Micros{1};
    consuming.ahead_max = 100;
    consuming.failpoint = at_step();
    Consumer consumer(std::move(consuming), std::move(handlers), bus, *store.inbox(), memory, clock, Logger{}, metrics);
    at("subscribing");
    if (const auto opened = consumer.open(patient()); !opened) return ended(4, opened.error());
    for (std::uint64_t n = first;; ++n) {
      const bool drain = step == "drain" || failpoint.draining();
      ++progress.lock()->rounds;
      at("committing");
      if (!drain)
        if (const auto done = commit(store, n); !done) return ended(5, done.error());
      at("relaying");
      const auto relayed = relay.run_once(soon());
      if (!relayed && !may_pass(relayed.error())) return ended(6, relayed.error());
      progress.lock()->published += relayed.value_or(0);
      at("consuming");
      const auto done = consumer.run_once(Deadline::in(std::chrono::milliseconds{1}));
      if (!done && !may_pass(done.error())) return ended(7, done.error());
      progress.lock()->handled += done.value_or(0);
      if (!drain) continue;
      at("looking whether all is done");
      const auto left = left_to_do(store, memory, kill_bus);
      if (!left && !may_pass(left.error())) return ended(8, left.error());
      if (left && *left == 0) return 0;
    }
  }

  static Result<std::uint64_t> left_to_do(clients::sqlite::SqliteStore& store,
                                          clients::sqlite::SqliteConsumerMemory& memory, KillBus& bus) {
    TRY(const auto depth, store.outbox()->depth(soon()));
    TRY(const auto parked, memory.parked_keys("effects", 1, soon()));
    TRY(const std::uint64_t behind, bus.behind(soon()));
    return depth.events + parked.size() + behind;
  }

  // Where the broker is killed it is away for a while.
  bool may_pass(const Error& error) const {
    return stops &&
           (error.code == Code::unavailable || error.code == Code::maybe_applied || error.code == Code::deadline);
  }
  Deadline patient() const { return stops ? Deadline::in(std::chrono::minutes{10}) : soon(); }
};

// Of the broker that there is; 0: none.
std::uint16_t broker_port() {
  if (std::getenv("PULSAR_AT") == nullptr) return 0;
  const std::string url = tests::pulsar_broker().url;
  return static_cast<std::uint16_t>(std::atoi(url.substr(url.rfind(':') + 1).c_str()));
}

int run(int count, char** arguments) {
  const std::string folder = arguments[1], step = arguments[2];
  const auto number = [&](int place) { return std::strtoull(arguments[place], nullptr, 10); };
  const std::uint64_t seed = number(5);
  const bool stops = count == 8 && std::string_view(arguments[7]) == "stops";
  Failpoint failpoint(step, number(3), seed, stops ? Failpoint::Then::stop : Failpoint::Then::die, broker_port());
  Child child{.folder = folder,
              .step = step,
              .first = number(4),
              .stops = stops,
              .failpoint = failpoint,
              .random = Random(seed)};
  return child.run(std::chrono::seconds{std::atoi(arguments[6])});
}

}  // namespace
}  // namespace chaveiro::contract

int main(int count, char** arguments) {
  if (count != 7 && count != 8) return 1;
  return chaveiro::contract::run(count, arguments);
}
