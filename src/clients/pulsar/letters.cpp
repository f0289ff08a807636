#include "clients/pulsar/letters.h"

#include <algorithm>

#include "base/text.h"

namespace chaveiro::clients::pulsar {
namespace {

// As Java writes it: "ledger:entry:partition", and the place in a batch behind it.
std::string java_id(const events::MessageId& id) {
  std::string text = std::to_string(id.ledger) + ":" + std::to_string(id.entry) + ":" + std::to_string(id.partition);
  if (id.batch_index >= 0) text += ":" + std::to_string(id.batch_index);
  return text;
}

Result<void> make_topic(events::Bus& bus, const std::string& topic, Deadline deadline) {
  auto made = bus.create_topic(topic, {}, deadline);
  if (!made && made.error().reason == "TopicDiffers") return {};  // somebody made it otherwise, which is as good
  return made;
}

}  // namespace

Result<std::unique_ptr<LetterSubscription>> LetterSubscription::open(events::Bus& bus, events::SubscribeOptions options,
                                                                     LetterOptions letters, Deadline deadline) {
  if (options.topics.empty()) return fail_field("topics", "at least one");
  if (options.type != events::SubscriptionType::shared && options.type != events::SubscriptionType::key_shared)
    return fail_field("type", "dead letters are for subscriptions whose messages are acknowledged one by one");
  const std::string own = options.topics.front() + "-" + options.name;
  if (letters.dead_letter_topic.empty()) letters.dead_letter_topic = own + "-DLQ";
  if (letters.retry_topic.empty()) letters.retry_topic = own + "-RETRY";
  letters.redeliveries_max = std::max(letters.redeliveries_max, 1u);
  TRY_VOID(make_topic(bus, letters.dead_letter_topic, deadline));
  if (letters.reads_retries) {
    TRY_VOID(make_topic(bus, letters.retry_topic, deadline));
    options.topics.push_back(letters.retry_topic);
  }
  std::unique_ptr<LetterSubscription> made(new LetterSubscription(bus, std::move(options), std::move(letters)));
  TRY(made->inner_, bus.subscribe(made->options_, deadline));
  return made;
}

// Here, and not where the last answer of the bus comes.
LetterSubscription::~LetterSubscription() {
  if (inner_) static_cast<void>(inner_->close(Deadline::in(std::chrono::seconds{10})));
}

events::Message LetterSubscription::copy_of(const events::Received& received) const {
  events::Message copy = received.message;
  copy.deliver_at.reset();
  copy.sequence = 0;
  const auto once = [&](std::string_view name, std::string value) {
    if (events::header(copy.headers, name).empty()) events::set_header(copy.headers, name, std::move(value));
  };
  const std::string id = java_id(received.delivery.id);
  once(letters::real_topic, options_.topics[received.delivery.topic]);
  once(letters::real_subscription, options_.name);
  once(letters::origin_message_id_of_old, id);
  once(letters::origin_message_id, id);
  return copy;
}

Result<void> LetterSubscription::retry_later(const events::Received& received, Micros delay, Deadline deadline) {
  events::Message copy = copy_of(received);
  const auto before = parse_uint(events::header(copy.headers, letters::reconsume_times));
  const std::uint64_t times = (before ? *before : 0) + 1;
  std::string topic = letters_.dead_letter_topic;
  if (times <= letters_.redeliveries_max) {
    topic = letters_.retry_topic;
    const auto millis = std::chrono::ceil<std::chrono::milliseconds>(delay).count();
    events::set_header(copy.headers, letters::reconsume_times, std::to_string(times));
    events::set_header(copy.headers, letters::delay_time, std::to_string(millis));
    copy.deliver_at = SystemClock{}.now() + delay;
  }
  TRY_VOID(events::publish(bus_, topic, std::move(copy), deadline));
  return ack(received);
}

void LetterSubscription::bury(events::Received received) {
  events::Message copy = copy_of(received);
  bus_.publish(letters_.dead_letter_topic, std::move(copy),
               [weak = std::weak_ptr<events::Subscription>(inner_),
                delivery = received.delivery](const Result<events::MessageId>& stored) {
                 const auto inner = weak.lock();
                 if (!inner) return;  // it comes again, to whoever subscribes next
                 static_cast<void>(stored ? inner->ack({&delivery, 1}) : inner->nack(delivery, {}));
               });
}

Result<std::vector<events::Received>> LetterSubscription::receive(std::size_t max, Deadline deadline) {
  for (;;) {
    TRY(auto received, inner_->receive(max, deadline));
    std::vector<events::Received> given;
    for (events::Received& one : received) {
      // Nobody refused it the last time, nor acknowledged it in time.
      if (one.redeliveries > letters_.redeliveries_max) {
        bury(std::move(one));
        continue;
      }
      if (one.redeliveries == letters_.redeliveries_max)
        last_chances_.lock()->insert_or_assign(Place(one.delivery.topic, one.delivery.id), one);
      given.push_back(std::move(one));
    }
    if (!given.empty() || received.empty() || deadline.expired()) return given;
  }
}

Result<void> LetterSubscription::ack(std::span<const events::Delivery> deliveries) {
  last_chances_.with([&](auto& all) {
    for (const events::Delivery& delivery : deliveries) all.erase(Place(delivery.topic, delivery.id));
  });
  return inner_->ack(deliveries);
}

Result<void> LetterSubscription::nack(const events::Delivery& delivery, std::optional<Micros> delay) {
  auto last = last_chances_.with([&](auto& all) { return all.extract(Place(delivery.topic, delivery.id)); });
  if (last.empty()) return inner_->nack(delivery, delay);
  bury(std::move(last.mapped()));
  return {};
}

Result<void> LetterSubscription::ack_up_to(const events::Delivery& delivery) { return inner_->ack_up_to(delivery); }
Result<void> LetterSubscription::seek(const events::SeekTo& to, Deadline deadline) {
  last_chances_.lock()->clear();
  return inner_->seek(to, deadline);
}
Result<events::Lag> LetterSubscription::lag(Deadline deadline) { return inner_->lag(deadline); }
Result<void> LetterSubscription::close(Deadline deadline) { return inner_->close(deadline); }

}  // namespace chaveiro::clients::pulsar
