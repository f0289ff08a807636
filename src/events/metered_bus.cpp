#include "events/metered_bus.h"

namespace chaveiro::events {
namespace {

class MeteredSubscription final : public Subscription {
 public:
  MeteredSubscription(std::unique_ptr<Subscription> inner, std::vector<Counter*> received)
      : inner_(std::move(inner)), received_(std::move(received)) {}

  Result<std::vector<Received>> receive(std::size_t max, Deadline deadline) override {
    TRY(std::vector<Received> some, inner_->receive(max, deadline));
    for (const Received& one : some)
      if (one.delivery.topic < received_.size()) received_[one.delivery.topic]->add();
    return some;
  }
  Result<void> ack(std::span<const Delivery> deliveries) override { return inner_->ack(deliveries); }
  Result<void> ack_up_to(const Delivery& delivery) override { return inner_->ack_up_to(delivery); }
  Result<void> nack(const Delivery& delivery, std::optional<Micros> delay) override {
    return inner_->nack(delivery, delay);
  }
  Result<void> seek(const SeekTo& to, Deadline deadline) override { return inner_->seek(to, deadline); }
  Result<Lag> lag(Deadline deadline) override { return inner_->lag(deadline); }
  Result<void> close(Deadline deadline) override { return inner_->close(deadline); }

 private:
  std::unique_ptr<Subscription> inner_;
  std::vector<Counter*> received_;
};

}  // namespace

Result<void> MeteredBus::create_topic(const std::string& topic, const TopicOptions& options, Deadline deadline) {
  return bus_.create_topic(topic, options, deadline);
}

void MeteredBus::publish(std::string_view topic, Message message, Published done) {
  Counter& sent = metrics_.counter("pulsar_messages_sent_total", "Messages that the bus has taken.",
                                   {{"topic", std::string(topic)}});
  Counter& refused = metrics_.counter("pulsar_messages_refused_total", "Messages that the bus has not taken.",
                                      {{"topic", std::string(topic)}});
  Histogram& took = metrics_.histogram("pulsar_publish_latency_seconds", "From publishing to the answer.",
                                       {{"topic", std::string(topic)}});
  bus_.publish(
      topic, std::move(message),
      [&sent, &refused, &took, begin = clock_.steady(), &clock = clock_, done = std::move(done)](Result<MessageId> id) {
        (id ? sent : refused).add();
        took.record(clock.steady() - begin);
        done(std::move(id));
      });
}

Result<std::unique_ptr<Subscription>> MeteredBus::subscribe(SubscribeOptions options, Deadline deadline) {
  std::vector<Counter*> received;
  for (const std::string& topic : options.topics)
    received.push_back(&metrics_.counter("pulsar_messages_received_total", "Messages that a subscription was given.",
                                         {{"topic", topic}, {"subscription", options.name}}));
  TRY(auto inner, bus_.subscribe(std::move(options), deadline));
  return std::unique_ptr<Subscription>(std::make_unique<MeteredSubscription>(std::move(inner), std::move(received)));
}

}  // namespace chaveiro::events
