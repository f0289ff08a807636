#include "app/event_service.h"

#include "app/sync_responses.h"
#include "clients/sqlite/consumer_memory.h"
#include "events/log/bus.h"
#include "events/metered_bus.h"
#include "events/relay.h"
#include "events/topics.h"

namespace chaveiro::app {
namespace {

namespace dir = directory;
namespace ev = events;

constexpr std::uint32_t response_tries_max = 5;

dir::Caller system_of(const dir::Ispb& ispb) {
  dir::Caller caller;
  caller.subject = "system";
  caller.ispb = ispb;
  caller.roles = {dir::Role::admin};
  return caller;
}

// The entry that waited for the registry, as the registry answered.
Result<ev::Effect> key_created(dir::Store& store, const Clock& clock, const ev::DomainEvent& event,
                               const ev::Mark& mark, Deadline deadline) {
  TRY(const dir::EntryId id, dir::EntryId::parse(event.aggregate_id));
  TRY(const auto entry, store.entry(id, deadline));
  if (!entry) return fail(Code::not_found, "NotFound", "the response is about an entry that is not here");
  if (entry->status != dir::EntryStatus::pending) return ev::Effect::plain;  // decided already
  TRY(const std::string failure, ev::data_text(event, "error"));
  dir::Put<dir::Entry> put{*entry, *entry};
  put.after.updated_at = clock.now();
  if (failure.empty()) {
    put.after.status = dir::EntryStatus::active;
  } else {
    put.after.status = dir::EntryStatus::deleted;
    put.after.deleted_at = put.after.updated_at;
    put.after.delete_reason = dir::Reason::reconciliation;
  }
  dir::Change change{.operation = failure.empty() ? "entry_registered" : "entry_refused",
                     .ispb = entry->ispb(),
                     .actor = {"registry", std::string(event.meta("correlation_id"))},
                     .at = put.after.updated_at};
  change.writes.push_back(std::move(put));
  change.mark = mark;
  TRY_VOID(store.commit(change, deadline));
  return ev::Effect::marked;
}

Result<ev::Effect> claim_confirmed(dir::Store& store, dir::Claims& claims, const ev::DomainEvent& event,
                                   const ev::Mark& mark, Deadline deadline) {
  TRY(const dir::ClaimId id, dir::ClaimId::parse(event.aggregate_id));
  TRY(const auto claim, store.claim(id, deadline));
  if (!claim) return fail(Code::not_found, "NotFound", "the response is about a claim that is not here");
  if (claim->status == dir::ClaimStatus::confirmed || !claim->live()) return ev::Effect::plain;
  TRY(const std::string text, ev::data_text(event, "reason"));
  const dir::Reason reason = dir::reason_of(text).value_or(dir::Reason::user_requested);
  dir::Context context;
  context.caller = system_of(claim->donor);
  context.correlation_id = event.meta("correlation_id");
  context.deadline = deadline;
  context.mark = mark;
  TRY_VOID(claims.confirm(context, id, reason));
  return ev::Effect::plain;  // where the confirmation was a repetition nothing stored the mark
}

}  // namespace

ev::Handlers response_handlers(dir::Store& store, dir::Claims& claims, const Clock& clock) {
  ev::Handlers handlers;
  handlers.on("KeyCreatedResponse",
              [&store, &clock](const ev::DomainEvent& event, const ev::Mark& mark, Deadline deadline) {
                return key_created(store, clock, event, mark, deadline);
              });
  handlers.on("ClaimConfirmedResponse",
              [&store, &claims](const ev::DomainEvent& event, const ev::Mark& mark, Deadline deadline) {
                return claim_confirmed(store, claims, event, mark, deadline);
              });
  return handlers;
}

// In the order of building; it goes back from the end.
struct EventService::Open {
  ev::log::LocalDisk disk;
  std::unique_ptr<ev::log::LogBus> log;  // or
  std::shared_ptr<void> lock;            // of the folder, and
  clients::pulsar::PulsarBus* pulsar = nullptr;
  std::optional<ev::RenamedBus> renamed;
  std::optional<ev::MeteredBus> bus;
  std::unique_ptr<ev::ConsumerMemory> own_memory;
  ev::ConsumerMemory* memory = nullptr;
  std::optional<ev::Relay> relay;
  std::optional<ev::Consumer> responses;
  std::unique_ptr<ev::DeadLetterDesk> desk;
  std::optional<SteadyTime> looked_for_gaps;  // of run_once()
  std::optional<SteadyTime> told_lags;        // of tell_figures()
};

EventService::EventService(EventServiceOptions options, dir::Store& store, dir::Claims& claims, const Clock& clock,
                           Logger log, Registry& metrics)
    : options_(std::move(options)),
      store_(store),
      claims_(claims),
      clock_(clock),
      log_(std::move(log)),
      metrics_(metrics) {}

EventService::~EventService() = default;

Result<void> EventService::open_bus(Open& made, Deadline deadline) const {
  ev::TopicOptions topic_options;
  topic_options.partitions = options_.partitions;
  if (options_.pulsar) {
    // Two relays of one outbox would fence each other off for ever.
    if (!options_.folder.empty()) {
      TRY_VOID(made.disk.make_folder(options_.folder));
      TRY(made.lock, made.disk.lock_folder(options_.folder));
    }
    TRY(auto bus, clients::pulsar::PulsarBus::make(options_.pulsar->bus, log_.named("events.pulsar")));
    made.pulsar = bus.get();
    made.renamed.emplace(std::move(bus), options_.pulsar->topics, options_.pulsar->subscriptions);
    made.bus.emplace(*made.renamed, clock_, metrics_);
  } else if (options_.folder.empty()) {
    made.log = ev::log::LogBus::in_memory(clock_);
    topic_options.retention_time = std::chrono::hours{1};
    topic_options.retention_bytes = 16u << 20;
    made.bus.emplace(*made.log, clock_, metrics_);
  } else {
    ev::log::LogOptions log_options;
    log_options.folder = options_.folder;
    TRY(made.log, ev::log::LogBus::open(log_options, made.disk, clock_, log_.named("events.log")));
    made.bus.emplace(*made.log, clock_, metrics_);
  }
  for (const std::string_view topic : ev::topics::all) {
    const auto created = made.bus->create_topic(std::string(topic), topic_options, deadline);
    // Neighbours may have made it with as many partitions as they like.
    if (!created && !(made.pulsar != nullptr && created.error().reason == "TopicDiffers")) return created;
  }
  if (made.pulsar == nullptr) return {};
  // Without a subscription a broker keeps nothing for those who come later.
  return made.pulsar->make_subscription(made.renamed->topic_name(ev::topics::vsync_events),
                                        std::string(ev::subscriptions::vsync), deadline);
}

Result<void> EventService::open_consumers(Open& made, Deadline deadline) const {
  if (ev::Inbox* const inbox = store_.inbox()) {
    ev::ConsumerOptions consuming;
    consuming.topics = {std::string(ev::topics::responses_in)};
    consuming.subscription = ev::subscriptions::responses;
    consuming.dead_letter_topic = ev::topics::dead_letters;
    consuming.tries_max = response_tries_max;
    consuming.workers = 2;
    if (options_.pulsar) consuming.type = options_.pulsar->type;
    if (consuming.type == ev::SubscriptionType::shared)
      log_.warn("PULSAR_CONSUMER_TYPE is shared: answers about one key may be applied in any order");
    ev::Handlers handlers = response_handlers(store_, claims_, clock_);
    if (options_.payment_orders) {
      consuming.topics.emplace_back(ev::topics::payment_orders);
      handlers.on("PaymentOrderAccepted", options_.payment_orders);
    }
    if (options_.sync_answers != nullptr)
      handlers.on("VSYNCResponse", sync_response_handler(*options_.sync_answers, options_.served));
    made.responses.emplace(std::move(consuming), std::move(handlers), *made.bus, *inbox, *made.memory, clock_,
                           log_.named("events.responses"), metrics_);
    TRY_VOID(made.responses->open(deadline));
  }
  TRY(made.desk, ev::DeadLetterDesk::open(
                     {.topic = std::string(ev::topics::dead_letters)}, *made.bus,
                     [it = &made](const ev::DeadLetter& letter, Deadline until) -> Result<void> {
                       if (it->responses && letter.subscription == ev::subscriptions::responses)
                         return it->responses->discarded(letter, until);
                       return {};
                     },
                     deadline));
  return {};
}

Result<std::shared_ptr<EventService::Open>> EventService::open(Deadline deadline) {
  auto made = std::make_shared<Open>();
  TRY_VOID(open_bus(*made, deadline));
  if (options_.memory == nullptr && options_.memory_path.empty()) {
    made->own_memory = ev::memory_consumer_memory();
  } else if (options_.memory == nullptr) {
    TRY(made->own_memory, clients::sqlite::SqliteConsumerMemory::open(options_.memory_path));
  }
  made->memory = options_.memory != nullptr ? options_.memory : made->own_memory.get();
  if (ev::Outbox* const outbox = store_.outbox())
    made->relay.emplace(
        ev::RelayOptions{.copies = {{std::string(ev::topics::key_events), std::string(ev::topics::vsync_events)}}},
        *outbox, *made->bus, nullptr, log_.named("events.relay"));
  TRY_VOID(open_consumers(*made, deadline));
  if (made->responses) made->responses->start();
  return made;
}

Result<void> EventService::run_once(Deadline deadline) {
  std::shared_ptr<Open> now = state_.lock()->open;
  if (!now) {
    auto opened = open(deadline);
    state_.with([&](State& state) {
      state.tried = true;
      if (opened) state.open = *opened;
    });
    state_.notify_all();
    // Another process has the log, as during an upgrade: it relays what we commit, too.
    if (!opened && opened.error().reason == "FolderInUse") return {};
    TRY(now, std::move(opened));
    if (now->log) log_.info("the event log is open", {{"messages", now->log->recovered().messages}});
    if (now->pulsar != nullptr) log_.info("events go through Pulsar");
  }
  if (now->relay) TRY_VOID(now->relay->run_once(deadline));
  const SteadyTime at = clock_.steady();
  if (!now->looked_for_gaps || at - *now->looked_for_gaps > std::chrono::minutes{1}) {
    now->looked_for_gaps = at;
    if (options_.folder.empty() && now->log) TRY_VOID(now->log->maintain(deadline));
    if (now->responses) TRY_VOID(now->responses->look_for_gaps(deadline));
  }
  return {};
}

Result<void> EventService::tell_lags(Open& now, Deadline deadline) {
  const auto tell = [&](const std::string& topic, const std::string& subscription, const ev::Lag& lag) {
    metrics_
        .gauge("pulsar_consumer_lag", "Messages that a subscription has not acknowledged.",
               {{"topic", topic}, {"subscription", subscription}})
        .set(static_cast<double>(lag.messages));
  };
  if (now.log)
    for (const auto& behind : now.log->lags()) tell(behind.topic, behind.name, behind.lag);
  if (now.pulsar == nullptr) return {};
  // The broker is asked by its administration, which is not for every second.
  const SteadyTime at = clock_.steady();
  if (now.told_lags && at - *now.told_lags < std::chrono::seconds{10}) return {};
  now.told_lags = at;
  for (const auto& [topic, subscription] : {std::pair(ev::topics::responses_in, ev::subscriptions::responses),
                                            std::pair(ev::topics::payment_orders, ev::subscriptions::responses),
                                            std::pair(ev::topics::vsync_events, ev::subscriptions::vsync),
                                            std::pair(ev::topics::dead_letters, ev::subscriptions::dead_letters)}) {
    const std::string name = now.renamed->subscription_name(subscription);
    TRY(const ev::Lag lag, now.pulsar->lag(now.renamed->topic_name(topic), name, deadline));
    tell(std::string(topic), name, lag);
  }
  return {};
}

Result<void> EventService::tell_figures(Deadline deadline) {
  const auto now = state_.lock()->open;
  if (!now) return {};
  if (store_.outbox() != nullptr) {
    TRY(const ev::OutboxDepth waiting, store_.outbox()->depth(deadline));
    metrics_.gauge("events_outbox_depth", "Events that were stored and not yet published.")
        .set(static_cast<double>(waiting.events));
  }
  if (options_.sync_answers != nullptr) TRY_VOID(tell_sync_answers(*options_.sync_answers, metrics_, deadline));
  TRY(const auto dead, now->desk->depth(deadline));
  metrics_.gauge("events_dead_letters", "Events that were given up and not yet settled.")
      .set(static_cast<double>(dead.letters));
  const double age = dead.oldest ? std::chrono::duration<double>(clock_.now() - *dead.oldest).count() : 0.0;
  metrics_.gauge("events_dead_letters_oldest_seconds", "Age of the oldest dead letter; 0: there is none.").set(age);
  return tell_lags(*now, deadline);
}

Result<void> EventService::check(Deadline deadline) {
  const auto now = state_.lock()->open;
  if (!now) return fail(Code::unavailable, "EventsUnavailable", "events wait in the outbox");
  return now->pulsar == nullptr ? Result<void>{} : now->pulsar->check(deadline);
}

void EventService::stop(Deadline deadline) {
  const std::shared_ptr<Open> last = std::exchange(state_.lock()->open, nullptr);
  if (!last) return;
  if (last->relay) {
    if (const auto rest = last->relay->run_once(deadline); !rest)
      log_.warn("not every event could be published; the rest waits in the outbox", {{"error", rest.error()}});
  }
  if (last->responses) {
    if (const auto stopped = last->responses->stop(deadline); !stopped)
      log_.warn("a consumer did not stop in time", {{"error", stopped.error()}});
  }
}

std::shared_ptr<EventService::Open> EventService::opened(Deadline deadline) {
  auto state = state_.lock();
  state.wait(deadline, [](const State& it) { return it.tried; });
  return state->open;
}

std::shared_ptr<ev::Bus> EventService::bus(Deadline deadline) {
  const auto now = opened(deadline);
  return now ? std::shared_ptr<ev::Bus>(now, &*now->bus) : nullptr;
}

std::shared_ptr<ev::DeadLetterDesk> EventService::desk(Deadline deadline) {
  const auto now = opened(deadline);
  return now ? std::shared_ptr<ev::DeadLetterDesk>(now, now->desk.get()) : nullptr;
}

}  // namespace chaveiro::app
