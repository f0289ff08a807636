// clients/pulsar/letters.h
//
// Dead-letter and retry-letter topics as Pulsar's own clients keep them: by the client, over ordinary topics, with the names of topics
// and properties that Java and Go use, so that either side reads what the other has put there. Works over any bus.
//
//   dead letter   a message that came `redeliveries_max` times again and is refused once more is published on the dead-letter topic and
//                 acknowledged (so 5 redeliveries are 6 deliveries, as in Java)
//   retry letter  retry_later() publishes a copy that comes after its delay, on a topic of the subscription's own, and acknowledges
//                 the message; after `redeliveries_max` copies it becomes a dead letter. Order is lost.
//
// Our own consumers count tries durably instead (events/consumer.h); this is for those who share topics with other clients.
//
// Guarantees: a message is acknowledged only after its copy is stored; where storing fails it comes again.
// Threads: any, as events::Subscription.
// Errors:  those of events/bus.h.
// Source:  Pulsar's Java client, RetryMessageUtil.
#pragma once

#include <map>
#include <memory>

#include "base/guarded.h"
#include "events/bus.h"

namespace chaveiro::clients::pulsar {

namespace letters {
inline constexpr std::string_view real_topic = "REAL_TOPIC";
inline constexpr std::string_view real_subscription = "REAL_SUBSCRIPTION";
inline constexpr std::string_view origin_message_id = "ORIGIN_MESSAGE_ID";
inline constexpr std::string_view origin_message_id_of_old =
    "ORIGIN_MESSAGE_IDY_TIME";  // as it was misspelt, and is still read
inline constexpr std::string_view reconsume_times = "RECONSUMETIMES";
inline constexpr std::string_view delay_time = "DELAY_TIME";  // milliseconds
}  // namespace letters

struct LetterOptions {
  std::uint32_t redeliveries_max = 5;  // at least 1
  std::string dead_letter_topic;       // empty: TOPIC-SUBSCRIPTION-DLQ of the first topic
  std::string retry_topic;             // empty: TOPIC-SUBSCRIPTION-RETRY of the first topic
  bool reads_retries = false;          // the retry topic is subscribed to, and made where it is not there
};

class LetterSubscription final : public events::Subscription {
 public:
  // The subscription must be shared or key_shared. The dead-letter topic is made where it is not there.
  static Result<std::unique_ptr<LetterSubscription>> open(events::Bus& bus, events::SubscribeOptions options,
                                                          LetterOptions letters, Deadline deadline);

  ~LetterSubscription() override;

  // Comes again after the delay, or goes to the dead letters.
  Result<void> retry_later(const events::Received& received, Micros delay, Deadline deadline);

  Result<std::vector<events::Received>> receive(std::size_t max, Deadline deadline) override;
  Result<void> ack(std::span<const events::Delivery> deliveries) override;
  using Subscription::ack;
  Result<void> ack_up_to(const events::Delivery& delivery) override;
  Result<void> nack(const events::Delivery& delivery, std::optional<Micros> delay) override;
  Result<void> seek(const events::SeekTo& to, Deadline deadline) override;
  Result<events::Lag> lag(Deadline deadline) override;
  Result<void> close(Deadline deadline) override;

  const LetterOptions& letters() const { return letters_; }

 private:
  using Place = std::pair<std::uint32_t, events::MessageId>;
  LetterSubscription(events::Bus& bus, events::SubscribeOptions options, LetterOptions letters)
      : bus_(bus), options_(std::move(options)), letters_(std::move(letters)) {}
  events::Message copy_of(const events::Received& received) const;
  void bury(events::Received received);

  events::Bus& bus_;
  const events::SubscribeOptions options_;
  const LetterOptions letters_;
  std::shared_ptr<events::Subscription> inner_;              // answers of the bus may come late: they hold it weakly
  Guarded<std::map<Place, events::Received>> last_chances_;  // those that one more refusal makes dead letters
};

}  // namespace chaveiro::clients::pulsar
