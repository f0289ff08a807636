#include "clients/pulsar/reader.h"

#include <algorithm>

#include "base/uuid.h"

namespace chaveiro::clients::pulsar {
namespace {

Slot slot_of(const events::MessageId& id) {
  return {{id.ledger, id.entry}, static_cast<std::uint32_t>(std::max(id.batch_index, 0))};
}

}  // namespace

Result<std::unique_ptr<Reader>> Reader::open(PulsarBus& bus, ReaderOptions options, Deadline deadline) {
  events::SubscribeOptions subscribing;
  subscribing.topics = {options.topic};
  subscribing.name = "reader-" + to_string(uuid_v4());
  subscribing.type = events::SubscriptionType::exclusive;
  subscribing.durable = false;
  subscribing.queue_max = options.queue_max;
  const bool latest = std::holds_alternative<events::Latest>(options.start);
  subscribing.begin = latest ? events::SubscribeOptions::Begin::latest : events::SubscribeOptions::Begin::earliest;
  SubscribeExtras extras;
  std::optional<Slot> read;
  if (const auto* id = std::get_if<events::MessageId>(&options.start)) {
    extras.start = *id;
    extras.start->batch_index = std::max(id->batch_index, 0);
    if (!options.inclusive) {
      read = slot_of(*id);
      ++extras.start->batch_index;
    }
  }
  TRY(auto subscription, bus.subscribe(std::move(subscribing), std::move(extras), deadline));
  std::unique_ptr<Reader> made(new Reader(std::move(subscription)));
  made->read_ = read;
  if (latest) TRY_VOID(made->behind_the_last(deadline));
  return made;
}

Result<void> Reader::behind_the_last(Deadline deadline) {
  TRY(const auto last, subscription_->last(deadline));
  if (last.size() != 1) return fail_field("topic", "a reader reads one partition");
  read_ = last.front();
  return {};
}

Result<std::optional<events::Received>> Reader::next(Deadline deadline) {
  TRY(auto received, subscription_->receive(1, deadline));
  if (received.empty()) return std::optional<events::Received>();
  read_ = slot_of(received.front().delivery.id);
  TRY_VOID(subscription_->ack(received.front()));  // the broker remembers nothing, but may forget that it was sent
  return std::optional<events::Received>(std::move(received.front()));
}

Result<bool> Reader::has_more(Deadline deadline) {
  TRY(const auto last, subscription_->last(deadline));
  if (last.size() != 1) return fail_field("topic", "a reader reads one partition");
  return last.front() && (!read_ || *read_ < *last.front());
}

Result<void> Reader::seek(const events::SeekTo& to, Deadline deadline) {
  TRY_VOID(subscription_->seek(to, deadline));
  read_.reset();
  if (std::holds_alternative<events::Latest>(to)) return behind_the_last(deadline);
  return {};
}

}  // namespace chaveiro::clients::pulsar
