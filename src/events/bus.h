// events/bus.h
//
// A bus: named topics to which messages are published, and subscriptions that get each of them at least once. Implemented by
// memory, by the embedded log (events/log/bus.h) and by Pulsar (clients/pulsar), all under one contract test suite.
//
// Guarantees: a message that publish() has answered is kept until every subscription of its topic has acknowledged it and the
//             topic's retention lets it go. Messages of one key that were published one after another arrive in that order, as
//             long as none of them is refused (nack) or delayed. What was handed out and not acknowledged comes again when its
//             holder goes, is told so (nack) or runs into its time-out; `redeliveries` counts that, and may forget it in a crash.
//             A subscription gets what was published after it was made, or everything that is kept (Begin).
// Threads: any; the callback of publish() runs on a thread of the bus, or on the caller's, and must be quick. Subscriptions go before
//          their bus.
// Errors:  not_found "TopicNotFound", exhausted "DiskFull", "BacklogFull" and "PublishQueueFull" with `retry_after`, forbidden,
//          unavailable, deadline, maybe_applied (published or not: the bus does not know), conflict "SubscriptionTaken".
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "events/key_hash.h"
#include "events/message.h"

namespace chaveiro::events {

struct TopicOptions {
  std::uint32_t partitions = 1;  // at least 1; never changes afterwards, or keys would lose their order
  KeyHash hash = KeyHash::murmur3;
  Micros retention_time = std::chrono::days{7};  // how long what everybody has acknowledged is kept; 0: not at all
  std::uint64_t retention_bytes = 1ull << 30;    // at most so much of it; 0: no bound of its own
  std::uint64_t backlog_bytes_max = 0;           // publishing is refused beyond it; 0: the disk is the bound
};

enum class SubscriptionType : std::uint8_t {
  exclusive,   // one consumer; a second one is refused
  shared,      // any number, no order
  failover,    // one of them at a time
  key_shared,  // any number, each key with one of them at a time
};
std::string_view to_string(SubscriptionType type);  // Exclusive Shared Failover Key_Shared

struct SubscribeOptions {
  enum class Begin : std::uint8_t { earliest, latest };

  std::vector<std::string> topics;  // at least one
  std::string name;                 // of the subscription
  SubscriptionType type = SubscriptionType::key_shared;
  Begin begin = Begin::earliest;  // of a subscription that is new
  bool durable = true;            // false: goes with its last consumer
  std::size_t queue_max = 1'000;  // messages fetched ahead for this consumer
  Micros nack_delay = std::chrono::seconds{60};
  Micros ack_timeout{0};  // unacknowledged for so long: comes again; 0: only when the consumer goes
};

// Names one delivery; given back with ack() or nack().
struct Delivery {
  std::uint32_t topic = 0;  // place in SubscribeOptions::topics
  MessageId id;
  std::uint64_t epoch = 0;  // of the bus
};

struct Received {
  Delivery delivery;
  Message message;
  UtcTime published_at{};
  std::uint32_t redeliveries = 0;
};

struct Earliest {};
struct Latest {};
// To the first message that was published at this time or later; to this message; or to one of the ends.
using SeekTo = std::variant<Earliest, Latest, UtcTime, MessageId>;

struct Lag {
  std::uint64_t messages = 0;   // not yet acknowledged
  std::uint64_t in_flight = 0;  // of these, handed out
};

class Subscription {
 public:
  // What was not acknowledged comes again, to others.
  virtual ~Subscription() = default;

  // At least one message and at most `max`, or none when the deadline passes.
  virtual Result<std::vector<Received>> receive(std::size_t max, Deadline deadline) = 0;

  // Never to come again. Late and repeated acknowledgements are harmless.
  virtual Result<void> ack(std::span<const Delivery> deliveries) = 0;
  // Everything up to here. Errors: invalid on shared and key_shared.
  virtual Result<void> ack_up_to(const Delivery& delivery) = 0;
  // To come again after `delay` (default: nack_delay).
  virtual Result<void> nack(const Delivery& delivery, std::optional<Micros> delay = {}) = 0;

  // For all consumers of the subscription; what is in flight is forgotten. A message id moves the one topic that is subscribed to.
  virtual Result<void> seek(const SeekTo& to, Deadline deadline) = 0;
  virtual Result<Lag> lag(Deadline deadline) = 0;
  // Acknowledgements reach the bus; no more messages. Repeat-safe.
  virtual Result<void> close(Deadline deadline) = 0;

  Result<void> ack(const Received& received) { return ack({&received.delivery, 1}); }
};

class Bus {
 public:
  using Published = std::function<void(Result<MessageId>)>;

  virtual ~Bus() = default;

  // Repeat-safe; a topic that is there keeps its partitions and hash. Errors: conflict where they differ.
  virtual Result<void> create_topic(const std::string& topic, const TopicOptions& options, Deadline deadline) = 0;
  virtual Result<std::vector<std::string>> topics(Deadline deadline) = 0;

  // Answers when the message is safe. Calls one after another from one thread keep their order.
  virtual void publish(std::string_view topic, Message message, Published done) = 0;
  // Everything that was published before is answered.
  virtual Result<void> flush(Deadline deadline) = 0;

  virtual Result<std::unique_ptr<Subscription>> subscribe(SubscribeOptions options, Deadline deadline) = 0;
  // Forgets the subscription. Errors: conflict "SubscriptionTaken" while it has consumers. Repeat-safe.
  virtual Result<void> unsubscribe(const std::string& topic, const std::string& name, Deadline deadline) = 0;
};

// The blocking calls. When the deadline passes: maybe_applied.
Result<MessageId> publish(Bus& bus, std::string_view topic, Message message, Deadline deadline);
// In order; each has its own answer, and one that fails does not keep the rest from being tried.
std::vector<Result<MessageId>> publish_all(Bus& bus, std::string_view topic, std::vector<Message> messages,
                                           Deadline deadline);

}  // namespace chaveiro::events
