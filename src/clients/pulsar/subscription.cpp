// A subscription of one or more topics: a consumer for each of their partitions, and the queue that they share.
#include <algorithm>

#include "base/uuid.h"
#include "clients/pulsar/bus_impl.h"
#include "clients/pulsar/latch.h"

namespace chaveiro::clients::pulsar {
namespace {

constexpr auto close_time_max = std::chrono::seconds{10};

class PulsarSubscription final : public events::Subscription {
 public:
  PulsarSubscription(std::shared_ptr<PulsarBus::Impl> bus, events::SubscribeOptions options)
      : bus_(std::move(bus)), options_(std::move(options)) {}
  ~PulsarSubscription() override { static_cast<void>(close(Deadline::in(close_time_max))); }

  Result<void> open(Deadline deadline);

  Result<std::vector<events::Received>> receive(std::size_t max, Deadline deadline) override;
  Result<void> ack(std::span<const events::Delivery> deliveries) override;
  Result<void> ack_up_to(const events::Delivery& delivery) override;
  Result<void> nack(const events::Delivery& delivery, std::optional<Micros> delay) override;
  Result<void> seek(const events::SeekTo& to, Deadline deadline) override;
  Result<events::Lag> lag(Deadline deadline) override;
  Result<void> close(Deadline deadline) override;

 private:
  using Consumers = std::vector<std::shared_ptr<Consumer>>;

  // Null where it is not of this subscription.
  std::shared_ptr<Consumer> consumer_of(const events::Delivery& delivery) const;
  Result<void> for_each(const Consumers& consumers, Deadline deadline,
                        const std::function<void(Consumer&, Consumer::Done)>& what);
  Loop& loop() const { return bus_->client->loop(); }

  const std::shared_ptr<PulsarBus::Impl> bus_;
  const events::SubscribeOptions options_;
  std::shared_ptr<Guarded<Queue>> queue_ = std::make_shared<Guarded<Queue>>();
  Consumers consumers_;
  std::vector<std::size_t> first_of_topic_;  // among the consumers
  Guarded<bool> closed_;
};

Result<void> PulsarSubscription::for_each(const Consumers& consumers, Deadline deadline,
                                          const std::function<void(Consumer&, Consumer::Done)>& what) {
  const auto done = std::make_shared<Latch>(consumers.size());
  loop().post([consumers, what, done, queue = queue_] {
    for (const auto& consumer : consumers)
      what(*consumer, [done, queue](const Result<void>& how) { done->answer(how); });
  });
  return done->wait(deadline);
}

Result<void> PulsarSubscription::open(Deadline deadline) {
  // Names in the order of making: of a failover subscription's consumers the first one stays the active one.
  std::string name = std::to_string(SystemClock{}.now().time_since_epoch().count()) + "-" + to_string(uuid_v4());
  std::vector<std::pair<std::uint32_t, std::int32_t>> places;
  for (std::uint32_t t = 0; t < options_.topics.size(); ++t) {
    first_of_topic_.push_back(places.size());
    TRY(const std::uint32_t partitions, bus_->partitions(options_.topics[t], deadline));
    if (partitions == 0) places.emplace_back(t, -1);
    for (std::uint32_t p = 0; p < partitions; ++p) places.emplace_back(t, static_cast<std::int32_t>(p));
  }
  for (const auto& [t, partition] : places) {
    ConsumerOptions its;
    its.topic = partition_topic(options_.topics[t], partition);
    its.partition = partition;
    its.place = static_cast<std::uint32_t>(consumers_.size());
    its.topic_place = t;
    its.subscription = options_.name;
    its.type = options_.type;
    its.begin = options_.begin;
    its.durable = options_.durable;
    its.name = name;
    its.permits_max = static_cast<std::uint32_t>(std::max<std::size_t>(options_.queue_max / places.size(), 1));
    its.ack_timeout = options_.ack_timeout;
    its.ack_delay = bus_->options.ack_delay;
    consumers_.push_back(std::make_shared<Consumer>(*bus_->client, std::move(its), queue_));
  }
  bus_->consumers.with([&](auto& all) {
    std::erase_if(all, [](const auto& weak) { return weak.expired(); });
    all.insert(all.end(), consumers_.begin(), consumers_.end());
  });
  return for_each(consumers_, deadline,
                  [](Consumer& consumer, Consumer::Done done) { consumer.open(std::move(done)); });
}

std::shared_ptr<Consumer> PulsarSubscription::consumer_of(const events::Delivery& delivery) const {
  if (delivery.topic >= first_of_topic_.size()) return nullptr;
  const std::size_t place =
      first_of_topic_[delivery.topic] + static_cast<std::size_t>(std::max(delivery.id.partition, 0));
  return place < consumers_.size() ? consumers_[place] : nullptr;
}

Result<std::vector<events::Received>> PulsarSubscription::receive(std::size_t max, Deadline deadline) {
  std::vector<events::Received> taken;
  std::map<std::uint32_t, std::vector<events::Delivery>> by_consumer;
  {
    auto queue = queue_->lock();
    queue.wait(deadline, [](const Queue& it) { return !it.items.empty() || it.failed || it.closed; });
    if (queue->closed) return fail(Code::cancelled, "SubscriptionClosed", "the subscription was closed");
    while (!queue->items.empty() && taken.size() < std::max<std::size_t>(max, 1)) {
      Queue::Item item = std::move(queue->items.front());
      queue->items.pop_front();
      by_consumer[item.consumer].push_back(item.received.delivery);
      taken.push_back(std::move(item.received));
    }
    if (taken.empty() && queue->failed) return *queue->failed;
  }
  for (auto& [place, deliveries] : by_consumer)
    loop().post([consumer = consumers_[place], its = std::move(deliveries)] { consumer->taken(its); });
  return taken;
}

Result<void> PulsarSubscription::ack(std::span<const events::Delivery> deliveries) {
  std::map<std::shared_ptr<Consumer>, std::vector<events::Delivery>> by_consumer;
  for (const events::Delivery& delivery : deliveries) {
    const auto consumer = consumer_of(delivery);
    if (!consumer) return fail_field("delivery", "is not of this subscription");
    by_consumer[consumer].push_back(delivery);
  }
  for (auto& [consumer, its] : by_consumer)
    loop().post([consumer = consumer, its = std::move(its)] { consumer->ack(its); });
  return {};
}

Result<void> PulsarSubscription::ack_up_to(const events::Delivery& delivery) {
  if (options_.type == events::SubscriptionType::shared || options_.type == events::SubscriptionType::key_shared)
    return fail(Code::invalid, "CumulativeAck", "a subscription with several consumers acknowledges one by one");
  const auto consumer = consumer_of(delivery);
  if (!consumer) return fail_field("delivery", "is not of this subscription");
  loop().post([consumer, delivery] { consumer->ack_up_to(delivery); });
  return {};
}

Result<void> PulsarSubscription::nack(const events::Delivery& delivery, std::optional<Micros> delay) {
  const auto consumer = consumer_of(delivery);
  if (!consumer) return fail_field("delivery", "is not of this subscription");
  const SteadyTime when = std::chrono::steady_clock::now() + delay.value_or(options_.nack_delay);
  loop().post([consumer, delivery, when] { consumer->nack(delivery, when); });
  return {};
}

Result<void> PulsarSubscription::seek(const events::SeekTo& to, Deadline deadline) {
  Consumers moved = consumers_;
  if (const auto* id = std::get_if<events::MessageId>(&to)) {
    if (options_.topics.size() != 1)
      return fail_field("message id", "names a place in one topic; this subscription has several");
    const auto consumer = consumer_of({0, *id, 0});
    if (!consumer) return fail_field("message id", "names a partition that is not there");
    moved = {consumer};
  }
  auto done = for_each(moved, deadline,
                       [to](Consumer& consumer, Consumer::Done sought) { consumer.seek(to, std::move(sought)); });
  if (!done && done.error().code == Code::deadline)
    return fail(Code::maybe_applied, "DeadlineExceeded", "the broker has not answered in time; the seek may be done");
  return done;
}

Result<events::Lag> PulsarSubscription::lag(Deadline deadline) {
  events::Lag sum;
  for (const std::string& topic : options_.topics) {
    TRY(const events::Lag its, bus_->admin->lag(topic, options_.name, deadline));
    sum.messages += its.messages;
    sum.in_flight += its.in_flight;
  }
  return sum;
}

Result<void> PulsarSubscription::close(Deadline deadline) {
  if (std::exchange(*closed_.lock(), true)) return {};
  queue_->lock()->closed = true;
  queue_->notify_all();
  const auto closed =
      for_each(consumers_, deadline, [](Consumer& consumer, Consumer::Done done) { consumer.close(std::move(done)); });
  loop().post([consumers = consumers_] {
    for (const auto& consumer : consumers) consumer->abandon();
  });
  return closed;
}

}  // namespace

Result<std::unique_ptr<events::Subscription>> open_subscription(const std::shared_ptr<PulsarBus::Impl>& bus,
                                                                events::SubscribeOptions options, Deadline deadline) {
  auto made = std::make_unique<PulsarSubscription>(bus, std::move(options));
  TRY_VOID(made->open(deadline));
  return std::unique_ptr<events::Subscription>(std::move(made));
}

}  // namespace chaveiro::clients::pulsar
