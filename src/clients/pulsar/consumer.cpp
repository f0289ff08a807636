#include "clients/pulsar/consumer.h"

#include <algorithm>

namespace chaveiro::clients::pulsar {
namespace {

constexpr std::size_t plain_kept_max = 1u << 20;
constexpr auto damaged_pause = std::chrono::seconds{1};
constexpr std::uint64_t earliest_place = ~std::uint64_t{0};
constexpr std::uint64_t latest_place = INT64_MAX;

wire::SubType sub_type_of(events::SubscriptionType type) {
  switch (type) {
    case events::SubscriptionType::exclusive:
      return wire::SubType::exclusive;
    case events::SubscriptionType::shared:
      return wire::SubType::shared;
    case events::SubscriptionType::failover:
      return wire::SubType::failover;
    default:
      return wire::SubType::key_shared;
  }
}
bool one_at_a_time(events::SubscriptionType type) {
  return type == events::SubscriptionType::exclusive || type == events::SubscriptionType::failover;
}
std::uint32_t count_of(const wire::MessageMetadata& metadata) {
  return static_cast<std::uint32_t>(std::max(metadata.num_messages_in_batch.value_or(1), 1));
}
// Doubled `times` times, up to `most`.
Micros backed_off(Micros delay, Micros most, std::uint32_t times) {
  if (most <= delay) return delay;
  return std::min(most, delay * (std::int64_t{1} << std::min(times, 30u)));
}
UtcTime time_of(std::uint64_t millis) { return UtcTime(std::chrono::milliseconds{static_cast<std::int64_t>(millis)}); }

}  // namespace

Consumer::Consumer(Client& client, ConsumerOptions options, std::shared_ptr<Guarded<Queue>> queue)
    : client_(client),
      options_(std::move(options)),
      id_(client.next_id()),
      queue_(std::move(queue)),
      begin_(options_.begin),
      start_(options_.start) {}

Slot Consumer::slot_of(const events::Delivery& delivery) const {
  return {{delivery.id.ledger, delivery.id.entry}, static_cast<std::uint32_t>(std::max(delivery.id.batch_index, 0))};
}

template <class Command>
void Consumer::send(const Command& command) {
  if (state_ != State::open) return;
  std::string frame;
  wire::append_frame(frame, command);
  connection_->send(frame);
}

// --- coming and going

void Consumer::open(Done opened) {
  opened_ = std::move(opened);
  connect();
}

void Consumer::connect() {
  if (state_ == State::closed) return;
  state_ = State::connecting;
  client_.find(options_.topic, [weak = weak_from_this()](Result<std::shared_ptr<Connection>> found) {
    const auto self = weak.lock();
    if (!self || self->state_ != State::connecting) return;
    if (!found) return self->connect_failed(found.error());
    self->client_.step("found_to_subscribe");
    self->subscribe(*found);
  });
}

void Consumer::subscribe(const std::shared_ptr<Connection>& connection) {
  connection_ = connection;
  connection->add_consumer(id_, weak_from_this());
  wire::Subscribe command;
  command.topic = options_.topic;
  command.subscription = options_.subscription;
  command.sub_type = sub_type_of(options_.type);
  command.consumer_id = id_;
  command.request_id = client_.next_id();
  command.consumer_name = options_.name;
  command.durable = options_.durable;
  const bool earliest = begin_ == events::SubscribeOptions::Begin::earliest;
  command.initial_position = earliest ? wire::InitialPosition::earliest : wire::InitialPosition::latest;
  if (!options_.durable) {
    const std::uint64_t place = earliest ? earliest_place : latest_place;
    command.start_message_id = wire::MessageIdData{.ledger_id = place, .entry_id = place};
    if (last_taken_) begins_at_ = Slot{last_taken_->entry, last_taken_->index + 1};
    if (!last_taken_ && start_) begins_at_ = start_;
    // The broker begins behind what it is told, but with the entry itself where a place in it is named.
    if (begins_at_)
      command.start_message_id = wire::MessageIdData{
          .ledger_id = begins_at_->entry.ledger, .entry_id = begins_at_->entry.entry, .batch_index = 0};
  }
  if (options_.type == events::SubscriptionType::key_shared) command.key_shared = wire::KeySharedMeta{};
  if (one_at_a_time(options_.type)) command.consumer_epoch = broker_epoch_;
  connection->request(command, Deadline::in(client_.options().operation_time_max),
                      [weak = weak_from_this(), connection, attempt = ++attempts_, id = id_,
                       &client = client_](Result<wire::Frame> answer) {
                        const auto self = weak.lock();
                        const bool wanted = self && self->state_ == State::connecting && self->attempts_ == attempt;
                        if (wanted && !answer) return self->connect_failed(answer.error());
                        if (wanted) return self->subscribed();
                        if (!answer || (self && self->state_ != State::closed))
                          return;  // another attempt has its place
                        // It was closed meanwhile: the broker may not keep it for a consumer that is not there.
                        std::string frame;
                        wire::append_frame(frame,
                                           wire::CloseConsumer{.consumer_id = id, .request_id = client.next_id()});
                        connection->send(frame);
                      });
}

void Consumer::subscribed() {
  client_.step("subscribed");
  state_ = State::open;
  was_open_ = true;
  tries_ = 0;
  permits_used_ = 0;
  // What the last connection has not answered is told again, before the broker begins to send.
  std::vector<wire::MessageIdData> again;
  for (auto& [request, ids] : std::exchange(acks_out_, {})) again.insert(again.end(), ids.begin(), ids.end());
  if (!again.empty()) {
    tell_acks(std::move(again));
    client_.step_when_written("acks_sent_again");
  }
  send_acks();
  if (acks_out_.empty()) settle_flushes({});
  send(wire::Flow{id_, options_.permits_max});
  if (opened_) std::exchange(opened_, nullptr)({});
}

void Consumer::connect_failed(const Error& error) {
  if (connection_) connection_->remove_consumer(id_);
  connection_.reset();
  const bool our_own =
      was_open_ && error.reason == "SubscriptionTaken";  // by our old connection, until the broker sees it die
  if (passes_by_itself(error) || our_own) return reconnect();
  state_ = State::closed;
  settle_flushes(error);
  if (opened_) return std::exchange(opened_, nullptr)(error);
  queue_->lock()->failed = error;
  queue_->notify_all();
}

void Consumer::reconnect() {
  if (state_ == State::closed) return;
  state_ = State::idle;
  client_.loop().at(std::chrono::steady_clock::now() + client_.pause(tries_++), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && self->state_ == State::idle && !self->seeking_) self->connect();
  });
}

// What waits in the queue comes again from the broker.
std::uint32_t Consumer::drop_queue() {
  deliveries_.queue_lost();
  return queue_->with([&](Queue& queue) {
    return static_cast<std::uint32_t>(
        std::erase_if(queue.items, [&](const Queue::Item& item) { return item.consumer == options_.place; }));
  });
}

void Consumer::on_gone(const Error& error) {
  if (state_ != State::open) return;  // whoever asked is told, and tries again
  client_.log().debug("a consumer lost its broker", {{"topic", options_.topic}, {"error", error}});
  connection_.reset();
  drop_queue();
  reconnect();
}

void Consumer::abandon() {
  state_ = State::closed;
  settle_flushes(
      fail(Code::unavailable, "BrokerUnavailable", "the consumer was closed before the broker had answered"));
  if (connection_) connection_->remove_consumer(id_);
  connection_.reset();
  // Whoever waits may hold what holds this.
  if (opened_)
    std::exchange(opened_, nullptr)(fail(Code::cancelled, "SubscriptionClosed", "the subscription was closed"));
  look_drained();
}

void Consumer::close(Done closed) {
  if (state_ != State::open) {
    abandon();
    return closed({});
  }
  flush([self = shared_from_this(), closed = std::move(closed)](const Result<void>& flushed) {
    if (self->state_ != State::open) {
      self->abandon();
      return closed(flushed);
    }
    self->connection_->request(wire::CloseConsumer{.consumer_id = self->id_, .request_id = self->client_.next_id()},
                               Deadline::in(self->client_.options().operation_time_max),
                               [self, closed, flushed](const Result<wire::Frame>& answer) {
                                 self->abandon();
                                 if (!flushed) return closed(flushed);
                                 closed(answer ? Result<void>{} : Result<void>(answer.error()));
                               });
  });
}

// --- messages

void Consumer::on_frame(const wire::Frame& frame) {
  if (frame.type == wire::MessageCommand::type) return message(frame);
  if (frame.type == wire::ActiveConsumerChange::type && options_.on_active) {
    const auto told = wire::read_command<wire::ActiveConsumerChange>(frame);
    if (told) options_.on_active(told->is_active);
    return;
  }
  if (frame.type == wire::CloseConsumer::type && (state_ == State::open || state_ == State::connecting)) {
    // The broker gives the topic away, or the subscription was moved: not the application's end. It may say so before it answers to who
    // subscribes at that moment.
    connection_->remove_consumer(id_);
    connection_.reset();
    drop_queue();
    reconnect();
  }
}

void Consumer::message(const wire::Frame& frame) {
  if (state_ != State::open || seeking_) return;
  const auto command = wire::read_command<wire::MessageCommand>(frame);
  if (!command) {  // it cost a permit all the same; whoever acknowledges nothing gets it again
    client_.log().warn("a message came without a place that can be read", {{"topic", options_.topic}});
    return count_permits(1);
  }
  const auto payload = wire::read_payload(frame.rest);
  if (command->consumer_epoch.value_or(broker_epoch_) < broker_epoch_)  // sent before it was asked for again
    return count_permits(payload ? count_of(payload->metadata) : 1);
  if (payload) return give(*command, *payload);
  client_.log().warn("a message came damaged and is asked for again",
                     {{"topic", options_.topic}, {"error", payload.error()}});
  count_permits(1);
  client_.loop().at(
      std::chrono::steady_clock::now() + damaged_pause, [weak = weak_from_this(), id = command->message_id] {
        if (const auto self = weak.lock())
          self->send(wire::Redeliver{.consumer_id = self->id_, .message_ids = {id}, .consumer_epoch = {}});
      });
}

events::Received Consumer::received_of(const wire::MessageCommand& command,
                                       const wire::MessageMetadata& metadata) const {
  events::Received received;
  received.delivery.topic = options_.topic_place;
  received.delivery.id = {options_.partition, command.message_id.ledger_id, command.message_id.entry_id, -1};
  received.delivery.epoch = epoch_;
  received.published_at = time_of(metadata.publish_time);
  received.redeliveries = command.redelivery_count;
  received.message.sequence = metadata.sequence_id;
  return received;
}

void Consumer::give(const wire::MessageCommand& command, const wire::Payload& payload) {
  const wire::MessageMetadata& metadata = payload.metadata;
  const bool batched = metadata.num_messages_in_batch.has_value();
  const std::uint32_t count = count_of(metadata);
  if (metadata.num_chunks_from_msg.value_or(1) > 1)
    return unreadable(command, count, "it is a piece of a chunked message, which this client does not put together");
  const auto plain = wire::decompress(metadata.compression.value_or(wire::Compression::none), payload.bytes,
                                      metadata.uncompressed_size.value_or(0), plain_);
  if (!plain) return unreadable(command, count, plain.error().message);
  auto batch = batched ? wire::read_batch(*plain, static_cast<std::int32_t>(count))
                       : Result<std::vector<wire::BatchedMessage>>(std::vector<wire::BatchedMessage>());
  if (!batch) return unreadable(command, count, batch.error().message);
  client_.step("arrived");
  const EntryId entry{command.message_id.ledger_id, command.message_id.entry_id};
  const std::vector<std::uint32_t> given = deliveries_.arrived(entry, count, command.ack_set, command.redelivery_count);
  std::uint32_t skipped = count - static_cast<std::uint32_t>(given.size());
  std::vector<Queue::Item> items;
  for (const std::uint32_t i : given) {
    if (begins_at_ && Slot{entry, i} < *begins_at_) {
      ++skipped;
      deliveries_.ack({entry, i});
      acks_soon();
      continue;
    }
    events::Received received = received_of(command, metadata);
    events::Message& message = received.message;
    const auto fill = [&](auto& from) {
      for (const auto& property : from.properties) message.headers.emplace_back(property.key, property.value);
      message.key = from.partition_key.value_or("");
      if (from.event_time.value_or(0) != 0) message.event_time = time_of(*from.event_time);
    };
    if (batched) {
      received.delivery.id.batch_index = static_cast<std::int32_t>(i);
      fill((*batch)[i].metadata);
      message.body = (*batch)[i].payload;
      if ((*batch)[i].metadata.sequence_id) message.sequence = *(*batch)[i].metadata.sequence_id;
    } else {
      fill(metadata);
      message.body = *plain;
      if (metadata.deliver_at_time.value_or(0) > 0)
        message.deliver_at = time_of(static_cast<std::uint64_t>(*metadata.deliver_at_time));
    }
    items.push_back({options_.place, std::move(received)});
  }
  if (plain_.size() > plain_kept_max) plain_ = {};
  if (skipped > 0) count_permits(skipped);
  if (items.empty()) return;
  queue_->with([&](Queue& queue) {
    for (Queue::Item& item : items) queue.items.push_back(std::move(item));
  });
  queue_->notify_all();
  client_.step("queued");
}

void Consumer::unreadable(const wire::MessageCommand& command, std::uint32_t count, std::string_view why) {
  client_.log().error("a message cannot be read and stays unacknowledged", {{"topic", options_.topic},
                                                                            {"ledger", command.message_id.ledger_id},
                                                                            {"entry", command.message_id.entry_id},
                                                                            {"why", why}});
  count_permits(count);
}

void Consumer::taken(const std::vector<events::Delivery>& deliveries) {
  client_.step("taken");
  for (const events::Delivery& delivery : deliveries) {
    if (delivery.epoch != epoch_) continue;
    const Slot slot = slot_of(delivery);
    std::optional<SteadyTime> until;
    if (options_.ack_timeout > Micros{0})
      until = std::chrono::steady_clock::now() +
              backed_off(options_.ack_timeout, options_.ack_timeout_max, deliveries_.redeliveries(slot));
    deliveries_.taken(slot, until);
    if (!options_.durable && (!last_taken_ || *last_taken_ < slot)) last_taken_ = slot;
  }
  count_permits(static_cast<std::uint32_t>(deliveries.size()));
  if (options_.ack_timeout > Micros{0}) watch_due();
}

void Consumer::count_permits(std::uint32_t messages) {
  if (drained_) return;
  permits_used_ += messages;
  if (permits_used_ < std::max(1u, options_.permits_max / 2)) return;
  send(wire::Flow{id_, std::exchange(permits_used_, 0)});
}

// --- what becomes of them

void Consumer::ack(const std::vector<events::Delivery>& deliveries) {
  for (const events::Delivery& delivery : deliveries)
    if (delivery.epoch == epoch_) deliveries_.ack(slot_of(delivery));
  client_.step("ack_grouped");
  acks_soon();
  look_drained();
}

void Consumer::ack_up_to(const events::Delivery& delivery) {
  if (delivery.epoch != epoch_) return;
  deliveries_.ack_up_to(slot_of(delivery));
  acks_soon();
  look_drained();
}

void Consumer::acks_soon() {
  if (std::exchange(acks_posted_, true)) return;
  client_.loop().at(std::chrono::steady_clock::now() + options_.ack_delay, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && self->acks_posted_) self->send_acks();
  });
}

// Where nobody is connected they wait.
void Consumer::send_acks() {
  if (state_ != State::open) return;
  acks_posted_ = false;
  tell_acks(deliveries_.acks());
}

void Consumer::tell_acks(std::vector<wire::MessageIdData> ids) {
  if (ids.empty()) return;
  wire::Ack command;
  command.consumer_id = id_;
  command.message_id = ids;
  const std::uint64_t request = client_.next_id();
  command.request_id = request;
  acks_out_.emplace(request, std::move(ids));
  std::string frame;
  wire::append_frame(frame, command);
  connection_->request(request, frame, Deadline::in(client_.options().operation_time_max),
                       [weak = weak_from_this(), request](const Result<wire::Frame>& answer) {
                         const auto self = weak.lock();
                         if (!self || !answer || self->acks_out_.erase(request) == 0) return;
                         self->client_.step("acks_answered");
                         const auto told = wire::read_command<wire::AckResponse>(*answer);
                         if (told && told->error) return self->settle_flushes(error_of(*told->error, told->message));
                         if (self->acks_out_.empty() && !self->acks_posted_) self->settle_flushes({});
                       });
  client_.step_when_written("acks_sent");
}

// Waits for the next connection where there is none.
void Consumer::flush(Done flushed) {
  if (state_ == State::closed) return flushed({});
  send_acks();
  if (state_ == State::open && acks_out_.empty()) return flushed({});
  flushes_.push_back(std::move(flushed));
}

void Consumer::settle_flushes(const Result<void>& how) {
  for (Done& flushed : std::exchange(flushes_, {})) flushed(how);
}

void Consumer::nack(const events::Delivery& delivery, std::optional<Micros> delay) {
  if (delivery.epoch != epoch_) return;
  const Slot slot = slot_of(delivery);
  const Micros wait =
      delay ? *delay : backed_off(options_.nack_delay, options_.nack_delay_max, deliveries_.redeliveries(slot));
  deliveries_.nack(slot, std::chrono::steady_clock::now() + wait);
  watch_due();
  look_drained();
}

void Consumer::drain(Done drained) {
  drained_ = std::move(drained);
  look_drained();
}

void Consumer::look_drained() {
  if (drained_ && (state_ == State::closed || deliveries_.with_application() == 0))
    std::exchange(drained_, [](auto&&) {})({});
}

void Consumer::watch_due() {
  const auto wakes = deliveries_.wakes_at();
  if (!wakes || *wakes >= due_at_) return;
  due_at_ = *wakes;
  client_.loop().at(due_at_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->ask_again();
  });
}

void Consumer::ask_again() {
  due_at_ = SteadyTime::max();
  const std::vector<EntryId> due = deliveries_.due(std::chrono::steady_clock::now());
  watch_due();
  if (due.empty()) return;
  wire::Redeliver command;
  command.consumer_id = id_;
  if (one_at_a_time(options_.type)) {
    // These types know only "everything that is not acknowledged", in order; what the application has is left out when it comes.
    command.consumer_epoch = ++broker_epoch_;
    count_permits(drop_queue());
  } else {
    for (const EntryId& entry : due) {
      wire::MessageIdData& id = command.message_ids.emplace_back();
      id.ledger_id = entry.ledger;
      id.entry_id = entry.entry;
      if (options_.partition >= 0) id.partition = options_.partition;
    }
  }
  send(command);
}

// --- places

void Consumer::last(std::function<void(Result<std::optional<Slot>>)> told) {
  if (state_ != State::open)
    return told(fail(Code::unavailable, "BrokerUnavailable", "the consumer has no broker now"));
  connection_->request(
      wire::GetLastMessageId{.consumer_id = id_, .request_id = client_.next_id()},
      Deadline::in(client_.options().operation_time_max), [told = std::move(told)](const Result<wire::Frame>& answer) {
        if (!answer) return told(answer.error());
        const auto last = wire::read_command<wire::GetLastMessageIdResponse>(*answer);
        if (!last) return told(last.error());
        const wire::MessageIdData& id = last->last_message_id;
        if (static_cast<std::int64_t>(id.entry_id) < 0) return told(std::optional<Slot>());
        told(Slot{{id.ledger_id, id.entry_id}, static_cast<std::uint32_t>(std::max(id.batch_index.value_or(0), 0))});
      });
}

void Consumer::seek(const events::SeekTo& to, Done sought) {
  if (state_ != State::open || seeking_)
    return sought(fail(Code::unavailable, "BrokerUnavailable", "the consumer has no broker now"));
  wire::Seek command{.consumer_id = id_, .request_id = client_.next_id(), .message_id = {}, .publish_time = {}};
  begins_at_.reset();
  last_taken_.reset();
  start_.reset();
  if (std::holds_alternative<events::Earliest>(to)) {
    begin_ = events::SubscribeOptions::Begin::earliest;
    command.message_id = wire::MessageIdData{.ledger_id = earliest_place, .entry_id = earliest_place};
  }
  if (std::holds_alternative<events::Latest>(to)) {
    begin_ = events::SubscribeOptions::Begin::latest;
    command.message_id = wire::MessageIdData{.ledger_id = latest_place, .entry_id = latest_place};
  }
  if (const auto* time = std::get_if<UtcTime>(&to))
    command.publish_time =
        static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(time->time_since_epoch()).count());
  if (const auto* id = std::get_if<events::MessageId>(&to)) {
    command.message_id = wire::MessageIdData{.ledger_id = id->ledger, .entry_id = id->entry};
    start_ = Slot{{id->ledger, id->entry}, static_cast<std::uint32_t>(std::max(id->batch_index, 0))};
    if (id->batch_index > 0) begins_at_ = Slot{{id->ledger, id->entry}, static_cast<std::uint32_t>(id->batch_index)};
  }
  seeking_ = true;
  ++epoch_;
  drop_queue();
  deliveries_.clear();
  acks_out_.clear();
  connection_->request(command, Deadline::in(client_.options().operation_time_max),
                       [self = shared_from_this(), sought = std::move(sought)](const Result<wire::Frame>& answer) {
                         self->seeking_ = false;
                         if (self->state_ == State::idle) self->connect();
                         if (self->state_ == State::open) self->send(wire::Flow{self->id_, self->options_.permits_max});
                         sought(answer ? Result<void>{} : Result<void>(answer.error()));
                       });
}

}  // namespace chaveiro::clients::pulsar
