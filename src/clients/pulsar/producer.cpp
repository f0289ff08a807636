#include "clients/pulsar/producer.h"

#include <algorithm>

#include "base/uuid.h"

namespace chaveiro::clients::pulsar {
namespace {

constexpr auto full_pause = std::chrono::milliseconds{20};
constexpr auto time_interval = std::chrono::milliseconds{500};
constexpr std::uint32_t sent_reserved_max = 128;
constexpr std::size_t spare_max = 8;

std::uint64_t millis(UtcTime time) {
  return static_cast<std::uint64_t>(std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count());
}

template <class Text>
std::vector<wire::KeyValueOf<Text>> properties_of(const events::Message& message) {
  std::vector<wire::KeyValueOf<Text>> properties;
  properties.reserve(message.headers.size());
  for (const auto& [name, value] : message.headers) properties.push_back({Text(name), Text(value)});
  return properties;
}

void append_to(std::string& payload, const events::Message& message) {
  wire::SingleMessageMetadataSeen metadata;
  if (!message.headers.empty()) metadata.properties = properties_of<std::string_view>(message);
  if (!message.key.empty()) metadata.partition_key = message.key;
  if (message.event_time != UtcTime{}) metadata.event_time = millis(message.event_time);
  if (message.sequence != 0) metadata.sequence_id = message.sequence;
  wire::append_batched(payload, std::move(metadata), message.body);
}

Error closed_error() { return fail(Code::unavailable, "ProducerClosed", "the producer was closed"); }

}  // namespace

Producer::Producer(Client& client, ProducerOptions options)
    : client_(client),
      options_(std::move(options)),
      id_(client.next_id()),
      name_(options_.name.empty() ? "chaveiro-" + to_string(uuid_v4()) : options_.name) {}

std::size_t Producer::size_of(const events::Message& message) {
  std::size_t size = message.body.size() + message.key.size() + 64;
  for (const auto& [name, value] : message.headers) size += name.size() + value.size() + 8;
  return size;
}

bool Producer::is_full(const Batch& batch) const {
  return batch.count >= options_.batch_messages_max || batch.bytes >= options_.batch_bytes_max;
}
bool Producer::is_full(const Gathering& now) const {
  return now.messages >= options_.batch_messages_max || now.bytes >= options_.batch_bytes_max;
}

// The open batch of the message's key, or a fresh one.
Producer::Batch& Producer::batch_for(Gathering& now, const events::Message& message, std::size_t size) const {
  const std::size_t fresh = now.batches.size();
  const bool alone = message.deliver_at.has_value();
  if (alone) {
    now.by_key.erase(message.key);  // what follows may not go before it
  } else {
    auto& place = now.by_key.try_emplace(message.key, fresh).first->second;
    if (place != fresh) {
      Batch& there = now.batches[place];
      if (there.count < options_.batch_messages_max && there.bytes + size <= options_.batch_bytes_max) return there;
      place = fresh;
    }
  }
  Batch& made = now.batches.emplace_back();
  made.key = message.key;
  made.alone = alone;
  made.until = std::chrono::steady_clock::now() + options_.batch_delay;
  return made;
}

void Producer::put(Gathering& now, Batch& batch, events::Message message) const {
  if (++batch.count == 1) return void(batch.first = std::move(message));
  if (batch.count == 2) {
    if (!now.spare.empty()) {
      batch.payload = std::move(now.spare.back());
      now.spare.pop_back();
    }
    append_to(batch.payload, std::exchange(batch.first, {}));
    batch.sent.reserve(std::min(options_.batch_messages_max, sent_reserved_max));
  }
  append_to(batch.payload, message);
}

void Producer::publish(events::Message message, Sent sent, Memory memory) {
  const std::size_t size = size_of(message);
  std::optional<Error> refused;
  bool full = false;
  std::optional<SteadyTime> look_at;
  std::optional<Micros> wait;
  if (options_.when_full == WhenFull::block) wait = options_.send_time_max;
  if (memory == Memory::to_take && !client_.take_memory(size, wait)) {
    Error error = fail(Code::exhausted, "PublishQueueFull", "more messages wait for the broker than there is room for");
    error.retry_after = full_pause;
    return sent(std::move(error));
  }
  {
    auto now = gathering_.lock();
    if (now->failed) {
      refused = now->failed;
    } else if (message.body.size() > now->message_max) {
      refused = fail(Code::invalid, "MessageTooLarge",
                     "the message has " + std::to_string(message.body.size()) + " bytes; the broker takes " +
                         std::to_string(now->message_max));
    } else {
      Batch& batch = batch_for(*now, message, size);
      now->last_sequence = message.sequence != 0 ? message.sequence : now->last_sequence + 1;
      batch.sequence = std::max(batch.sequence, now->last_sequence);
      batch.bytes += size;
      put(*now, batch, std::move(message));
      batch.sent.push_back(std::move(sent));
      ++now->messages;
      now->bytes += size;
      full = is_full(*now) && !std::exchange(now->posted, true);
      if (!std::exchange(now->timed, true)) look_at = batch.until;
    }
  }
  if (refused) {
    client_.give_memory(size);
    return sent(std::move(*refused));
  }
  if (look_at) look_later(*look_at);
  if (!full) return;
  client_.loop().post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->gathered(Take::full);
  });
}

// --- batches

void Producer::look_later(SteadyTime when) {
  client_.loop().at(when, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->look();
  });
}

// One timer at a time, whatever is gathered and sent meanwhile: it does not cut short what began after it was set.
void Producer::look() {
  const SteadyTime time = std::chrono::steady_clock::now();
  const auto later = gathering_.with([&](Gathering& now) {
    if (!now.batches.empty() && now.batches.front().until > time) return std::optional(now.batches.front().until);
    now.timed = false;
    return std::optional<SteadyTime>();
  });
  if (later) return look_later(*later);
  gathered(Take::all);
}

// Of what is full the last batch is often not: it stays, and fills.
void Producer::gathered(Take what) {
  std::vector<Batch> batches;
  gathering_.with([&](Gathering& now) {
    batches.swap(now.batches);
    now.by_key.clear();
    now.messages = 0;
    now.bytes = 0;
    // A broker that drops duplicates wants sequence ids to grow.
    const auto before = [](const Batch& a, const Batch& b) { return a.sequence < b.sequence; };
    if (!std::is_sorted(batches.begin(), batches.end(), before))
      std::stable_sort(batches.begin(), batches.end(), before);
    if (what == Take::all) return;
    now.posted = false;
    if (batches.empty() || is_full(batches.back())) return;
    const Batch& last = now.batches.emplace_back(std::move(batches.back()));
    batches.pop_back();
    if (!last.alone) now.by_key.emplace(last.key, 0);
    now.messages = last.count;
    now.bytes = last.bytes;
  });
  if (batches.empty()) return;
  for (Batch& batch : batches) add(batch);
  watch_time();
  gathering_.with([&](Gathering& now) {
    for (Batch& batch : batches) {
      if (batch.count < 2 || now.spare.size() >= spare_max || batch.payload.capacity() > 2 * options_.batch_bytes_max)
        continue;
      batch.payload.clear();
      now.spare.push_back(std::move(batch.payload));
    }
  });
}

void Producer::add(Batch& batch) {
  const auto why_closed = [&] { return gathering_.lock()->failed.value_or(closed_error()); };
  auto frame = state_ == State::closed ? Result<std::string>(why_closed()) : frame_of(batch);
  ++added_;
  if (!frame) {
    ++settled_;
    client_.give_memory(batch.bytes);
    for (Sent& sent : batch.sent) sent(frame.error());
    return settle_flushes();
  }
  const SteadyTime until = options_.send_time_max == Micros{0}
                               ? SteadyTime::max()
                               : std::chrono::steady_clock::now() + options_.send_time_max;
  client_.step("batched");
  pending_.push_back({batch.sequence, std::move(*frame), std::move(batch.sent), batch.bytes, until});
  if (state_ != State::open) return;
  connection_->send(pending_.back().frame);
  client_.step_when_written("sent");
}

Result<std::string> Producer::frame_of(const Batch& batch) {
  wire::MessageMetadata metadata;
  metadata.producer_name = name_;
  metadata.sequence_id = batch.sequence;
  metadata.publish_time = millis(client_.now());
  if (!batch.key.empty()) metadata.partition_key = batch.key;
  std::string_view payload = batch.payload;
  if (batch.count == 1) {
    const events::Message& message = batch.first;
    metadata.properties = properties_of<std::string>(message);
    if (message.event_time != UtcTime{}) metadata.event_time = millis(message.event_time);
    if (message.deliver_at) metadata.deliver_at_time = static_cast<std::int64_t>(millis(*message.deliver_at));
    payload = message.body;
  } else {
    metadata.num_messages_in_batch = static_cast<std::int32_t>(batch.count);
  }
  if (options_.compression != wire::Compression::none && payload.size() >= options_.compress_bytes_min) {
    metadata.compression = options_.compression;
    metadata.uncompressed_size = static_cast<std::uint32_t>(payload.size());
    TRY(payload, wire::compress(options_.compression, payload, packed_));
  }
  std::string frame;
  TRY_VOID(wire::append_send_frame(frame, {id_, batch.sequence, static_cast<std::int32_t>(batch.count), {}}, metadata,
                                   payload, message_max_));
  return frame;
}

// --- coming and going

void Producer::open() { connect(); }

void Producer::connect() {
  if (state_ == State::closed) return;
  state_ = State::connecting;
  client_.find(options_.topic, [weak = weak_from_this()](Result<std::shared_ptr<Connection>> found) {
    const auto self = weak.lock();
    if (!self || self->state_ != State::connecting) return;
    if (!found) return self->connect_failed(found.error());
    self->client_.step("found_to_publish");
    self->introduce(*found);
  });
}

void Producer::introduce(const std::shared_ptr<Connection>& connection) {
  connection_ = connection;
  connection->add_producer(id_, weak_from_this());
  wire::Producer command;
  command.topic = options_.topic;
  command.producer_id = id_;
  command.request_id = client_.next_id();
  command.producer_name = name_;
  command.user_provided_name = !options_.name.empty();
  command.epoch = epoch_++;
  command.access_mode = options_.access;
  command.topic_epoch = topic_epoch_;
  connection->request(command, Deadline::in(client_.options().operation_time_max), when_introduced(connection));
}

Connection::Answer Producer::when_introduced(const std::shared_ptr<Connection>& connection) {
  return [weak = weak_from_this(), at = std::weak_ptr<Connection>(connection), epoch = epoch_, id = id_,
          &client = client_](const Result<wire::Frame>& answer) {
    const auto self = weak.lock();
    const auto there = at.lock();
    if (self && self->state_ == State::connecting && self->epoch_ == epoch) {
      if (!answer) return self->connect_failed(answer.error());
      const auto told = wire::read_command<wire::ProducerSuccess>(*answer);
      if (!told) return self->connect_failed(told.error());
      return self->introduced(*told);
    }
    if (!answer || !there || (self && self->state_ != State::closed)) return;  // another attempt has its place
    // It was closed meanwhile: the broker may not keep it for a producer that is not there.
    std::string frame;
    wire::append_frame(frame, wire::CloseProducer{.producer_id = id, .request_id = client.next_id()});
    there->send(frame);
  };
}

void Producer::introduced(const wire::ProducerSuccess& answer) {
  if (!answer.ready) return connection_->await(answer.request_id, when_introduced(connection_));
  client_.step("introduced");
  state_ = State::open;
  tries_ = 0;
  topic_epoch_ = answer.topic_epoch;
  message_max_ = connection_->message_max();
  gathering_.with([&](Gathering& now) {
    now.message_max = message_max_;
    if (answer.last_sequence_id > 0)
      now.last_sequence = std::max(now.last_sequence, static_cast<std::uint64_t>(answer.last_sequence_id));
  });
  if (pending_.empty()) return;
  for (const Pending& pending : pending_) connection_->send(pending.frame);
  client_.step_when_written("sent_again");
}

void Producer::leave_connection() {
  if (connection_) connection_->remove_producer(id_);
  connection_.reset();
}

void Producer::connect_failed(const Error& error) {
  leave_connection();
  if (passes_by_itself(error)) return reconnect();
  state_ = State::closed;
  gathering_.lock()->failed = error;
  fail_all(error);
}

void Producer::reconnect() {
  if (state_ == State::closed) return;
  state_ = State::idle;
  client_.loop().at(std::chrono::steady_clock::now() + client_.pause(tries_++), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && self->state_ == State::idle) self->connect();
  });
}

void Producer::on_gone(const Error& error) {
  if (state_ != State::open) return;  // whoever asked is told, and tries again
  client_.log().debug("a producer lost its broker", {{"topic", options_.topic}, {"error", error}});
  connection_.reset();
  reconnect();
}

void Producer::close(Done closed) {
  gathering_.with([](Gathering& now) {
    if (!now.failed) now.failed = closed_error();  // whoever publishes on one that failed is told why
  });
  const bool was_open = state_ == State::open;
  const auto connection = connection_;
  state_ = State::closed;
  gathered(Take::all);
  fail_all(closed_error());
  leave_connection();
  if (!was_open) return closed({});
  connection->request(wire::CloseProducer{.producer_id = id_, .request_id = client_.next_id()},
                      Deadline::in(client_.options().operation_time_max), [closed](const Result<wire::Frame>& answer) {
                        closed(answer ? Result<void>{} : Result<void>(answer.error()));
                      });
}

// --- answers

void Producer::on_frame(const wire::Frame& frame) {
  if (frame.type == wire::SendReceipt::type) {
    if (const auto told = wire::read_command<wire::SendReceipt>(frame)) receipt(*told);
  } else if (frame.type == wire::SendError::type) {
    if (const auto told = wire::read_command<wire::SendError>(frame)) refused(*told);
  } else if (frame.type == wire::CloseProducer::type && (state_ == State::open || state_ == State::connecting)) {
    leave_connection();  // the broker gives the topic away, or another producer took it for itself
    reconnect();
  }
}

void Producer::answered(const std::vector<Sent>& sent, const wire::MessageIdData& id) {
  for (std::size_t i = 0; i < sent.size(); ++i)
    sent[i](events::MessageId{options_.partition, id.ledger_id, id.entry_id,
                              sent.size() == 1 ? -1 : static_cast<std::int32_t>(i)});
}

void Producer::receipt(const wire::SendReceipt& receipt) {
  // Of one that was given up meanwhile, or was sent twice.
  if (pending_.empty() || pending_.front().sequence != receipt.sequence_id) return;
  client_.step("receipt_read");
  const Pending done = std::move(pending_.front());
  pending_.pop_front();
  ++settled_;
  client_.give_memory(done.bytes);
  answered(done.sent, receipt.message_id);
  client_.step("answered");
  settle_flushes();
}

void Producer::refused(const wire::SendError& error) {
  const Error why = error_of(error.error, error.message);
  client_.log().warn("the broker refuses a message", {{"topic", options_.topic}, {"error", why}});
  if (error.error == wire::ServerError::checksum && !pending_.empty() &&
      pending_.front().sequence == error.sequence_id) {
    const Pending bad = std::move(pending_.front());
    pending_.pop_front();
    ++settled_;
    client_.give_memory(bad.bytes);
    for (const Sent& sent : bad.sent) sent(why);
    return settle_flushes();
  }
  leave_connection();
  if (passes_by_itself(why)) return reconnect();
  connect_failed(why);
}

void Producer::fail_all(const Error& error) {
  for (Pending& pending : std::exchange(pending_, {})) {
    ++settled_;
    client_.give_memory(pending.bytes);
    for (Sent& sent : pending.sent) sent(error);
  }
  settle_flushes();
}

void Producer::flush(Done flushed) {
  gathered(Take::all);
  flushes_.push_back({added_, std::move(flushed)});
  settle_flushes();
}

void Producer::settle_flushes() {
  while (!flushes_.empty() && flushes_.front().until <= settled_) {
    const Done done = std::move(flushes_.front().done);
    flushes_.pop_front();
    done({});
  }
}

void Producer::watch_time() {
  if (options_.send_time_max == Micros{0} || std::exchange(timing_, true)) return;
  client_.loop().at(std::chrono::steady_clock::now() + time_interval, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->timing_ = false;
    const SteadyTime now = std::chrono::steady_clock::now();
    while (!self->pending_.empty() && self->pending_.front().until <= now) {
      const Pending late = std::move(self->pending_.front());
      self->pending_.pop_front();
      ++self->settled_;
      self->client_.give_memory(late.bytes);
      for (const Sent& sent : late.sent)
        sent(fail(Code::maybe_applied, "PublishUnanswered",
                  "the broker has not answered in time; the message may be stored"));
    }
    self->settle_flushes();
    if (!self->pending_.empty()) self->watch_time();
  });
}

}  // namespace chaveiro::clients::pulsar
