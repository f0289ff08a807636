#include "events/consumer.h"

#include <algorithm>

#include "events/topics.h"

namespace chaveiro::events {
namespace {

constexpr std::size_t parked_at_once = 100;

// Where the body cannot be read there is no event id: one is made of what the message is.
Uuid id_of_unreadable(const Message& message, const MessageId& id) {
  if (const auto told = Uuid::parse(header(message.headers, headers::event_id))) return *told;
  return uuid_v5(Uuid{}, to_string(id) + message.key + message.body.substr(0, 256));
}

}  // namespace

Consumer::Consumer(ConsumerOptions options, Handlers handlers, Bus& bus, Inbox& inbox, ConsumerMemory& memory,
                   const Clock& clock, Logger log, Registry& metrics)
    : options_(std::move(options)),
      handlers_(std::move(handlers)),
      bus_(bus),
      inbox_(inbox),
      memory_(memory),
      clock_(clock),
      log_(std::move(log)),
      applied_(metrics.counter("events_applied_total", "Events whose effect was stored.",
                               {{"subscription", options_.subscription}})),
      duplicates_(metrics.counter("events_duplicate_total", "Events that had been applied before.",
                                  {{"subscription", options_.subscription}})),
      parked_(metrics.counter("events_parked_total", "Events that wait for another one.",
                              {{"subscription", options_.subscription}})),
      retried_(metrics.counter("events_retried_total", "Calls of handlers that failed.",
                               {{"subscription", options_.subscription}})),
      dead_(metrics.counter("events_dead_total", "Events that were given up.",
                            {{"subscription", options_.subscription}})),
      gaps_(metrics.counter("events_gaps_total", "Keys that wait too long for a missing event.",
                            {{"subscription", options_.subscription}})),
      took_(metrics.histogram("events_handler_duration_seconds", "Time of a handler.",
                              {{"subscription", options_.subscription}})) {
  CHECK(options_.tries_max > 0);
}

Consumer::~Consumer() { static_cast<void>(stop(Deadline::in(std::chrono::seconds{30}))); }

Result<void> Consumer::open(Deadline deadline) {
  SubscribeOptions subscribe;
  subscribe.topics = options_.topics;
  subscribe.name = options_.subscription;
  subscribe.type = options_.type;
  subscribe.queue_max = options_.ahead_max;
  if (options_.type == SubscriptionType::shared)
    log_.warn("a shared subscription does not keep the order of events", {{"subscription", options_.subscription}});
  TRY(subscription_, bus_.subscribe(std::move(subscribe), deadline));
  TRY(const auto keys, memory_.parked_keys(options_.subscription, 100'000, deadline));
  for (const ConsumerMemory::ParkedKey& key : keys)
    if (!key.dead) TRY_VOID(take_up_parked(key.key, deadline));
  return {};
}

void Consumer::start() {
  for (std::size_t i = 0; i < std::max<std::size_t>(options_.workers, 1); ++i)
    threads_.emplace_back([this] { work_loop(); });
  threads_.emplace_back([this] { receive_loop(); });
}

Result<void> Consumer::stop(Deadline deadline) {
  state_.lock()->stopping = true;
  state_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  return subscription_ ? subscription_->close(deadline) : Result<void>{};
}

Result<std::size_t> Consumer::run_once(Deadline deadline) {
  const std::uint64_t before = state_.lock()->ended;
  TRY_VOID(receive_some(deadline));
  while (work_one()) {}
  return static_cast<std::size_t>(state_.lock()->ended - before);
}

Result<std::size_t> Consumer::receive_some(Deadline deadline) {
  const std::size_t room =
      state_.with([&](const State& state) { return options_.ahead_max - std::min(options_.ahead_max, state.items); });
  if (room == 0) return std::size_t{0};
  TRY(std::vector<Received> some, subscription_->receive(room, deadline));
  for (Received& received : some) put_in_lane({std::move(received), {}});
  return some.size();
}

void Consumer::put_in_lane(Item item) {
  state_.with([&](State& state) {
    std::string key = item.received.message.key;
    if (key.empty()) key = "\n" + std::to_string(state.without_key++);
    state.lanes[key].items.push_back(std::move(item));
    ++state.items;
  });
  state_.notify_one();
}

std::optional<std::string> Consumer::next_lane(State& state, SteadyTime now) const {
  for (auto& [key, lane] : state.lanes)
    if (!lane.running && !lane.items.empty() && lane.not_before <= now) return key;
  return std::nullopt;
}

std::optional<SteadyTime> Consumer::next_due(const State& state) const {
  std::optional<SteadyTime> due;
  for (const auto& [key, lane] : state.lanes)
    if (!lane.running && !lane.items.empty() && (!due || lane.not_before < *due)) due = lane.not_before;
  return due;
}

bool Consumer::work_one() {
  std::optional<std::string> key;
  Item item;
  {
    auto state = state_.lock();
    key = next_lane(*state, clock_.steady());
    if (!key) return false;
    Lane& lane = state->lanes[*key];
    lane.running = true;
    ++state->running;
    item = std::move(lane.items.front());
    lane.items.pop_front();
  }
  Micros pause{0};
  auto outcome = handle(item, pause);
  if (!outcome) {
    // Inbox, memory or bus are away: the event is as it was, and is tried again without having counted.
    log_.warn("an event could not be handled now",
              {{"subscription", options_.subscription}, {"error", outcome.error()}});
    pause = options_.backoff_min * 10;
  }
  {
    auto state = state_.lock();
    Lane& lane = state->lanes[*key];
    lane.running = false;
    --state->running;
    if (outcome && *outcome == Outcome::ended) {
      lane.failures = 0;
      --state->items;
      ++state->ended;
      if (lane.items.empty()) state->lanes.erase(*key);
    } else {
      lane.items.push_front(std::move(item));
      lane.not_before = clock_.steady() + pause;
    }
  }
  state_.notify_all();
  return true;
}

void Consumer::work_loop() {
  for (;;) {
    {
      auto state = state_.lock();
      const auto due = next_due(*state);
      const auto now = clock_.steady();
      if (state->stopping && (!due || *due > now)) return;
      if (!due || *due > now) {
        const Micros wait = due ? std::min<Micros>(std::chrono::ceil<Micros>(*due - now), std::chrono::seconds{1})
                                : std::chrono::seconds{1};
        state.wait(Deadline::in(wait), [&](const State& it) {
          const auto next = next_due(it);
          return it.stopping || (next && *next <= clock_.steady());
        });
        continue;
      }
    }
    work_one();
  }
}

void Consumer::receive_loop() {
  for (;;) {
    {
      auto state = state_.lock();
      state.wait(Deadline::in(std::chrono::seconds{1}),
                 [&](const State& it) { return it.stopping || it.items < options_.ahead_max; });
      if (state->stopping) return;
      if (state->items >= options_.ahead_max) continue;
    }
    const auto some = receive_some(Deadline::in(std::chrono::milliseconds{200}));
    if (some || some.error().code == Code::cancelled) continue;
    log_.warn("events could not be received", {{"subscription", options_.subscription}, {"error", some.error()}});
    auto state = state_.lock();
    state.wait(Deadline::in(std::chrono::seconds{1}), [](const State& it) { return it.stopping; });
  }
}

Result<Consumer::Outcome> Consumer::handle(Item& item, Micros& pause) {
  const Deadline deadline = Deadline::in(options_.handler_time_max);
  const Message& message = item.received.message;
  const std::string_view only = header(message.headers, headers::replayed_for);
  auto event = event_of(message);
  const Uuid id = event ? event->event_id : id_of_unreadable(message, item.received.delivery.id);
  if (!only.empty() && only != options_.subscription) return finish(item, id, deadline);
  if (!only.empty()) {
    // A dead letter comes back: it is tried anew, before what waits behind it.
    TRY(const bool was_dead, memory_.revive(options_.subscription, message.key, id, deadline));
    if (was_dead) TRY_VOID(memory_.forget_tries(options_.subscription, id, deadline));
  }
  if (!event) {
    step("unreadable");
    TRY_VOID(bury(item, id, event.error(), deadline));
    return Outcome::ended;
  }
  TRY(const KeyState key, memory_.key_state(options_.subscription, message.key, deadline));
  if (key == KeyState::dead && only.empty()) return park(item, *event, deadline);
  TRY(const Inbox::Standing standing, inbox_.standing(options_.subscription, *event, deadline));
  const bool first = options_.begin_anywhere && standing.applied == 0;
  const Arrival arrival = first ? Arrival::next : arrival_of(*event, standing.applied, standing.seen);
  if (arrival == Arrival::duplicate) {
    duplicates_.add();
    return finish(item, id, deadline);
  }
  // Behind others of its key that wait, unless it is the one that they wait for.
  if (arrival == Arrival::missing) return park(item, *event, deadline);
  return apply(item, *event, pause, deadline);
}

Result<Consumer::Outcome> Consumer::apply(Item& item, const DomainEvent& event, Micros& pause, Deadline deadline) {
  const Mark mark = mark_of(options_.subscription, event, clock_.now());
  const Handler* const handler = handlers_.find(event.event_type);
  Effect effect = Effect::plain;
  if (handler != nullptr) {
    TRY(const std::uint32_t tries, memory_.begin_try(options_.subscription, event.event_id, deadline));
    step("tried");
    if (tries > options_.tries_max && !options_.dead_letter_topic.empty()) {  // each of the calls ended the process
      const Error error =
          fail(Code::internal, "HandlerEndedProcess", "the program ended each time the event was handled");
      TRY_VOID(bury(item, event.event_id, error, deadline));
      return Outcome::ended;
    }
    const auto begin = clock_.steady();
    const auto done = call(*handler, event, mark, deadline);
    took_.record(clock_.steady() - begin);
    step("handled");
    const bool repeated = !done && done.error().reason == "AlreadyApplied";
    if (!done && !repeated) return failed(item, event.event_id, tries, done.error(), pause, deadline);
    effect = repeated ? Effect::marked : *done;
  }
  if (effect == Effect::plain) TRY_VOID(inbox_.mark(mark, deadline));
  step("marked");
  applied_.add();
  const std::string key = item.received.message.key;
  TRY(const Outcome outcome, finish(item, event.event_id, deadline));
  TRY_VOID(take_up_parked(key, deadline));
  return outcome;
}

Result<Effect> Consumer::call(const Handler& handler, const DomainEvent& event, const Mark& mark, Deadline deadline) {
  CorrelationScope scope(std::string(event.meta("correlation_id")));
  try {
    return handler(event, mark, deadline);
  } catch (const std::exception&) {
    return fail(Code::internal, "HandlerThrew", "the handler ended with an exception");
  }
}

Result<Consumer::Outcome> Consumer::failed(Item& item, const Uuid& id, std::uint32_t tries, const Error& error,
                                           Micros& pause, Deadline deadline) {
  retried_.add();
  TRY_VOID(memory_.failed(options_.subscription, id,
                          {clock_.now(), std::string(to_string(error.code)), error.reason, error.message}, deadline));
  step("failed");
  if (tries >= options_.tries_max && !options_.dead_letter_topic.empty()) {
    TRY_VOID(bury(item, id, error, deadline));
    return Outcome::ended;
  }
  pause = options_.backoff_min;
  for (std::uint32_t i = 1; i < tries && pause < options_.backoff_max; ++i) pause *= 2;
  pause = std::min(pause, options_.backoff_max);
  return Outcome::again;
}

// The dead letter is published before the key is parked: a crash between repeats both.
Result<void> Consumer::bury(Item& item, const Uuid& id, const Error& error, Deadline deadline) {
  DeadLetter letter;
  letter.original = item.received.message;
  std::erase_if(letter.original.headers, [](const auto& one) { return one.first == headers::replayed_for; });
  letter.topic = topic_of(item);
  letter.message_id = to_string(item.received.delivery.id);
  letter.subscription = options_.subscription;
  letter.reason = error.reason;
  letter.at = clock_.now();
  TRY(letter.attempts, memory_.attempts(options_.subscription, id, deadline));
  if (letter.attempts.empty())
    letter.attempts.push_back({letter.at, std::string(to_string(error.code)), error.reason, error.message});
  TRY_VOID(publish(bus_, options_.dead_letter_topic, to_message(letter), deadline));
  step("buried");
  if (!letter.original.key.empty())
    TRY_VOID(memory_.set_dead(options_.subscription, letter.original.key, id, deadline));
  step("key parked");
  dead_.add();
  log_.error("an event was given up and lies in the dead letters; its key waits",
             {{"subscription", options_.subscription},
              {"event", to_string(id)},
              {"reason", letter.reason},
              {"attempts", letter.attempts.size()}});
  TRY_VOID(finish(item, id, deadline));
  return {};
}

Result<Consumer::Outcome> Consumer::park(Item& item, const DomainEvent& event, Deadline deadline) {
  if (!item.parked) {
    Parked parked;
    parked.subscription = options_.subscription;
    parked.key = item.received.message.key;
    parked.topic = topic_of(item);
    parked.event_id = event.event_id;
    parked.since = clock_.now();
    parked.message = item.received.message;
    TRY_VOID(memory_.park(parked, deadline));
    step("parked");
    parked_.add();
    TRY_VOID(subscription_->ack(item.received));
    return Outcome::ended;
  }
  return Outcome::ended;  // it stays where it is
}

Result<Consumer::Outcome> Consumer::finish(Item& item, const Uuid& id, Deadline deadline) {
  if (item.parked) {
    TRY_VOID(memory_.unpark(options_.subscription, item.parked->key, id, deadline));
  } else {
    TRY_VOID(subscription_->ack(item.received));
  }
  step("acknowledged");
  TRY_VOID(memory_.forget_tries(options_.subscription, id, deadline));
  return Outcome::ended;
}

// What waits behind an event that was applied goes into the front of the lane, in order; what still has to wait ends parked again.
Result<void> Consumer::take_up_parked(const std::string& key, Deadline deadline) {
  if (key.empty()) return {};
  TRY(std::vector<Parked> waiting, memory_.parked(options_.subscription, key, parked_at_once, deadline));
  if (waiting.empty()) return {};
  state_.with([&](State& state) {
    Lane& lane = state.lanes[key];
    std::erase_if(waiting, [&](const Parked& one) {
      return std::any_of(lane.items.begin(), lane.items.end(),
                         [&](const Item& item) { return item.parked && item.parked->event_id == one.event_id; });
    });
    for (auto one = waiting.rbegin(); one != waiting.rend(); ++one) {
      Item item;
      item.received.message = one->message;
      item.parked = std::move(*one);
      lane.items.push_front(std::move(item));
      ++state.items;
    }
    if (lane.items.empty() && !lane.running) state.lanes.erase(key);
  });
  state_.notify_all();
  return {};
}

Result<void> Consumer::discarded(const DeadLetter& letter, Deadline deadline) {
  const auto event = event_of(letter.original);
  if (event) TRY_VOID(inbox_.mark(mark_of(options_.subscription, *event, clock_.now()), deadline));
  const auto told = parse_message_id(letter.message_id);
  const Uuid id = event ? event->event_id : id_of_unreadable(letter.original, told ? *told : MessageId{});
  TRY(const bool was_dead, memory_.revive(options_.subscription, letter.original.key, id, deadline));
  if (was_dead) TRY_VOID(take_up_parked(letter.original.key, deadline));
  return {};
}

Result<void> Consumer::look_for_gaps(Deadline deadline) {
  TRY(const auto keys, memory_.parked_keys(options_.subscription, 100'000, deadline));
  std::uint64_t late = 0;
  for (const ConsumerMemory::ParkedKey& key : keys)
    if (!key.dead && key.events > 0 && clock_.now() - key.since >= options_.gap_alarm) ++late;
  if (late == 0) return {};
  gaps_.add(late);
  log_.warn("keys wait too long for an event that has not come",
            {{"subscription", options_.subscription}, {"keys", late}});
  return {};
}

}  // namespace chaveiro::events
