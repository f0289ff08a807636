// clients/pulsar/subscription.h
//
// A subscription of one or more topics, or of all that match a pattern: a consumer for each of their partitions, and the queue that
// they share. What Pulsar can do beyond events/bus.h stands in SubscribeExtras and in the calls that are no override.
//
// Threads: any; answers of on_active on the loop's.
// Errors:  those of events/bus.h and of bus.h.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "clients/pulsar/bus.h"
#include "clients/pulsar/deliveries.h"

namespace chaveiro::clients::pulsar {

class Consumer;
struct Queue;

struct SubscribeExtras {
  // All topics that match, also those that are made later (topic_pattern.h); SubscribeOptions::topics is then empty. Empty: the topics
  // that are named.
  std::string pattern;
  Micros discovery_period =
      std::chrono::seconds{60};  // between looks for new topics of the pattern; 0: only at the beginning
  // nack_delay and ack_timeout double each time that a message comes again, up to these; 0: they stay.
  Micros nack_delay_max{0};
  Micros ack_timeout_max{0};
  // Failover: this consumer became the one that gets a partition's messages, or is it no more. Must not wait.
  std::function<void(const std::string& topic, bool active)> on_active;
  // Where a subscription that is not durable begins: with this message. Of one topic.
  std::optional<events::MessageId> start;
};

class PulsarSubscription final : public events::Subscription {
 public:
  ~PulsarSubscription() override;

  Result<std::vector<events::Received>> receive(std::size_t max, Deadline deadline) override;
  Result<void> ack(std::span<const events::Delivery> deliveries) override;
  using Subscription::ack;
  Result<void> ack_up_to(const events::Delivery& delivery) override;
  Result<void> nack(const events::Delivery& delivery, std::optional<Micros> delay) override;
  Result<void> seek(const events::SeekTo& to, Deadline deadline) override;
  Result<events::Lag> lag(Deadline deadline) override;
  Result<void> close(Deadline deadline) override;

  // The topic of a delivery, of a pattern too.
  std::string topic_of(const events::Delivery& delivery) const;
  // As many as `max`, or what has come by then.
  Result<std::vector<events::Received>> receive_batch(std::size_t max, Deadline deadline);
  // Hands out no more, waits until what was handed out is acknowledged or refused, acknowledges, closes. Errors: deadline; it is
  // closed then too, and what was not acknowledged comes again.
  Result<void> drain(Deadline deadline);
  // The last message of each partition; none where it is empty.
  Result<std::vector<std::optional<Slot>>> last(Deadline deadline);

 private:
  friend Result<std::unique_ptr<PulsarSubscription>> open_subscription(const std::shared_ptr<PulsarBus::Impl>& bus,
                                                                       events::SubscribeOptions options,
                                                                       SubscribeExtras extras, Deadline deadline);
  struct Shared;
  using Consumers = std::vector<std::shared_ptr<Consumer>>;

  PulsarSubscription(std::shared_ptr<PulsarBus::Impl> bus, std::shared_ptr<Shared> shared)
      : bus_(std::move(bus)), shared_(std::move(shared)) {}
  Result<void> for_each(const Consumers& consumers, Deadline deadline,
                        const std::function<void(Consumer&, std::function<void(Result<void>)>)>& what);
  Consumers consumers() const;
  // Null where it is not of this subscription.
  std::shared_ptr<Consumer> consumer_of(const events::Delivery& delivery) const;
  void hand_out_no_more();
  Result<void> close_consumers(Deadline deadline);

  const std::shared_ptr<PulsarBus::Impl> bus_;
  const std::shared_ptr<Shared> shared_;
  Guarded<bool> closed_;
};

Result<std::unique_ptr<PulsarSubscription>> open_subscription(const std::shared_ptr<PulsarBus::Impl>& bus,
                                                              events::SubscribeOptions options, SubscribeExtras extras,
                                                              Deadline deadline);

}  // namespace chaveiro::clients::pulsar
