// clients/pulsar/bus.h
//
// The bus over an Apache Pulsar broker: events/bus.h by producers, consumers and the broker's administration.
//
// Guarantees: those of events/bus.h. What publish() has answered is stored as the broker's settings say. Where a nack or a time-out
//             brings an entry of several messages again, only those that were refused are handed out again. On exclusive and failover
//             subscriptions a nack brings everything again that is not acknowledged.
//             `redeliveries` is the broker's count and forgotten when it starts anew; `lag` counts entries, so that a batch is one.
//             Java's hash is used where TopicOptions said so in this process; other processes must say so too.
// Threads: any, but never from a callback of publish() where a call waits.
// Time:    publish() about 1 µs; it leaves within `batch_delay`. What was lost comes back by back-off.
// Errors:  those of events/bus.h; conflict "TopicTerminated" and "ProducerFenced", unauthenticated.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "clients/pulsar/admin.h"
#include "clients/pulsar/client.h"
#include "clients/pulsar/producer.h"
#include "events/bus.h"

namespace chaveiro::clients::pulsar {

class PulsarSubscription;
struct SubscribeExtras;

struct BusOptions {
  ClientOptions client;
  AdminOptions admin;
  ProducerOptions producer;                                       // topic, partition: filled in
  std::map<std::string, ProducerOptions, std::less<>> producers;  // of these topics instead
  Micros ack_delay = std::chrono::milliseconds{10};
  // Namespaces whose topics topics() tells; those of topics that were created here are added.
  std::vector<std::string> namespaces = {"dict/events", "lb-conn/dict", "core-dict/dlq"};
};

// create_topic() also makes tenant and namespace where they are not there and we may.
class PulsarBus final : public events::Bus {
 public:
  // Errors: invalid (urls). The broker is not asked yet.
  static Result<std::unique_ptr<PulsarBus>> make(BusOptions options, Logger log);
  // What was published and is not answered fails: flush first.
  ~PulsarBus() override;

  Result<void> create_topic(const std::string& topic, const events::TopicOptions& options, Deadline deadline) override;
  Result<std::vector<std::string>> topics(Deadline deadline) override;
  void publish(std::string_view topic, events::Message message, Published done) override;
  // Acknowledgements, too.
  Result<void> flush(Deadline deadline) override;
  Result<std::unique_ptr<events::Subscription>> subscribe(events::SubscribeOptions options, Deadline deadline) override;
  // With what only Pulsar can do: patterns, back-off, news of failover, a place to begin (subscription.h).
  Result<std::unique_ptr<PulsarSubscription>> subscribe(events::SubscribeOptions options, SubscribeExtras extras,
                                                        Deadline deadline);
  Result<void> unsubscribe(const std::string& topic, const std::string& name, Deadline deadline) override;

  Result<events::Lag> lag(const std::string& topic, const std::string& subscription, Deadline deadline);
  // A subscription from the beginning, so that messages are kept for it though nobody has come yet. Repeat-safe.
  Result<void> make_subscription(const std::string& topic, const std::string& name, Deadline deadline);
  // Whether the broker answers.
  Result<void> check(Deadline deadline);

  struct Impl;

 private:
  explicit PulsarBus(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

}  // namespace chaveiro::clients::pulsar
