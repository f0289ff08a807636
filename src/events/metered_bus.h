// events/metered_bus.h
//
// A bus that counts: `pulsar_messages_sent_total`, `pulsar_messages_received_total`, `pulsar_publish_latency_seconds`, by topic, under
// the names that the dashboards of the platform know, whatever bus stands behind.
//
// Threads: as the bus.
// Time:    some nanoseconds a message.
#pragma once

#include "base/metrics.h"
#include "events/bus.h"

namespace chaveiro::events {

class MeteredBus final : public Bus {
 public:
  // Everything handed in outlives it.
  MeteredBus(Bus& bus, const Clock& clock, Registry& metrics) : bus_(bus), clock_(clock), metrics_(metrics) {}

  Result<void> create_topic(const std::string& topic, const TopicOptions& options, Deadline deadline) override;
  Result<std::vector<std::string>> topics(Deadline deadline) override { return bus_.topics(deadline); }
  void publish(std::string_view topic, Message message, Published done) override;
  Result<void> flush(Deadline deadline) override { return bus_.flush(deadline); }
  Result<std::unique_ptr<Subscription>> subscribe(SubscribeOptions options, Deadline deadline) override;
  Result<void> unsubscribe(const std::string& topic, const std::string& name, Deadline deadline) override {
    return bus_.unsubscribe(topic, name, deadline);
  }

 private:
  Bus& bus_;
  const Clock& clock_;
  Registry& metrics_;
};

}  // namespace chaveiro::events
