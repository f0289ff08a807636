// clients/pulsar/consumer.h
//
// A consumer of one partition: subscribes, asks for as much as its queue takes, hands messages to the queue that all consumers of a
// subscription share, acknowledges in groups, and comes back by itself when the broker or the connection goes.
//
// Threads: the loop's only, but for the Queue. Messages go to the Queue; whoever takes them there tells the loop.
// Time:    acknowledgements wait up to `ack_delay` for others; what was lost is asked for by the broker's own time limits.
// Errors:  open(): those of errors.h. Afterwards only what does not pass by itself, through the Queue.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "clients/pulsar/client.h"
#include "clients/pulsar/deliveries.h"
#include "events/bus.h"

namespace chaveiro::clients::pulsar {

// Where messages wait for the application.
struct Queue {
  struct Item {
    std::uint32_t consumer = 0;  // place among those of the subscription
    events::Received received;
  };
  std::deque<Item> items;
  std::optional<Error> failed;  // for good
  bool closed = false;
};

struct ConsumerOptions {
  std::string topic;            // of the partition
  std::int32_t partition = -1;  // -1: the topic has none
  std::uint32_t place = 0;      // among the consumers of the subscription
  std::uint32_t topic_place = 0;
  std::string subscription;
  events::SubscriptionType type = events::SubscriptionType::key_shared;
  events::SubscribeOptions::Begin begin = events::SubscribeOptions::Begin::earliest;
  bool durable = true;
  std::string name;                  // of a failover subscription's consumers the least name is the active one
  std::uint32_t permits_max = 1000;  // messages that the broker may send ahead; at least 1
  Micros nack_delay = std::chrono::seconds{60};
  Micros ack_timeout{0};  // 0: none
  // Both delays double with each time that a message comes again, up to these; 0: they stay.
  Micros nack_delay_max{0};
  Micros ack_timeout_max{0};
  Micros ack_delay = std::chrono::milliseconds{10};
  // Where a consumer that is not durable begins, instead of `begin`.
  std::optional<Slot> start;
  // Failover: it became the one that gets messages, or is it no more. Called on the loop's thread; must not wait.
  std::function<void(bool active)> on_active;
};

class Consumer final : public Resident, public std::enable_shared_from_this<Consumer> {
 public:
  using Done = std::function<void(Result<void>)>;

  Consumer(Client& client, ConsumerOptions options, std::shared_ptr<Guarded<Queue>> queue);

  void open(Done opened);
  // The application took these from the queue.
  void taken(const std::vector<events::Delivery>& deliveries);
  void ack(const std::vector<events::Delivery>& deliveries);
  void ack_up_to(const events::Delivery& delivery);
  // After `delay`; none: as the options say.
  void nack(const events::Delivery& delivery, std::optional<Micros> delay);
  // Every acknowledgement has reached the broker.
  void flush(Done flushed);
  void seek(const events::SeekTo& to, Done sought);
  // The last message of the topic; nothing: it has none.
  void last(std::function<void(Result<std::optional<Slot>>)> told);
  // Takes no more from the broker; told once the application has acknowledged or refused what it has.
  void drain(Done drained);
  void close(Done closed);
  // At once, without a word to the broker.
  void abandon();

  void on_frame(const wire::Frame& frame) override;
  void on_gone(const Error& error) override;

 private:
  enum class State : std::uint8_t { idle, connecting, open, closed };

  void connect();
  void subscribe(const std::shared_ptr<Connection>& connection);
  void subscribed();
  void connect_failed(const Error& error);
  void reconnect();
  std::uint32_t drop_queue();
  void message(const wire::Frame& frame);
  void give(const wire::MessageCommand& command, const wire::Payload& payload);
  void unreadable(const wire::MessageCommand& command, std::uint32_t count, std::string_view why);
  void look_drained();
  events::Received received_of(const wire::MessageCommand& command, const wire::MessageMetadata& metadata) const;
  void count_permits(std::uint32_t messages);
  void send_acks();
  void tell_acks(std::vector<wire::MessageIdData> ids);
  void acks_soon();
  void settle_flushes(const Result<void>& how);
  void watch_due();
  void ask_again();
  template <class Command>
  void send(const Command& command);
  Slot slot_of(const events::Delivery& delivery) const;

  Client& client_;
  const ConsumerOptions options_;
  const std::uint64_t id_;
  const std::shared_ptr<Guarded<Queue>> queue_;
  events::SubscribeOptions::Begin begin_;  // these two change with a seek
  std::optional<Slot> start_;
  State state_ = State::idle;
  std::shared_ptr<Connection> connection_;
  Done opened_;
  bool was_open_ = false;
  std::uint64_t attempts_ = 0;  // to subscribe
  bool seeking_ = false;
  unsigned tries_ = 0;
  std::uint64_t epoch_ = 1;         // of deliveries; a seek ends it
  std::uint64_t broker_epoch_ = 0;  // of one_at_a_time types: a redelivery of everything ends it
  std::uint32_t permits_used_ = 0;
  std::optional<Slot> begins_at_;   // within a batch, after a seek or a start
  std::optional<Slot> last_taken_;  // of a consumer that is not durable: it comes back behind that
  Done drained_;
  Deliveries deliveries_;
  std::string plain_;  // memory to decompress in
  bool acks_posted_ = false;
  std::map<std::uint64_t, std::vector<wire::MessageIdData>> acks_out_;  // by request, not answered
  std::vector<Done> flushes_;
  SteadyTime due_at_ = SteadyTime::max();
};

}  // namespace chaveiro::clients::pulsar
