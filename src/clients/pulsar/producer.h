// clients/pulsar/producer.h
//
// A producer of one partition: gathers messages in batches (one key a batch, so that Key_Shared keeps their order), compresses, sends,
// and sends again in order, with the same sequence ids, whatever was not answered when the connection went.
//
// Guarantees: messages of a key that were published one after another stand in that order, as long as none fails. A message that was
//             answered with an id is stored as the broker's settings say.
// Threads: publish() any; the rest on the loop's. Answers come on the loop's thread, refusals on the caller's.
// Time:    publish() about 0.2 µs; a batch leaves once it is full or `batch_delay` old.
//          With WhenFull::block it waits for room, at most `send_time_max`, unless it is called from an answer.
// Errors:  exhausted "PublishQueueFull" with retry_after, invalid "MessageTooLarge" (messages are never cut in chunks), maybe_applied
//          "PublishUnanswered" after `send_time_max`, unavailable "ProducerClosed", conflict "ProducerFenced" (another producer took
//          the topic for itself), and what does not pass by itself of errors.h.
#pragma once

#include <deque>
#include <memory>
#include <unordered_map>

#include "clients/pulsar/client.h"
#include "events/bus.h"

namespace chaveiro::clients::pulsar {

enum class WhenFull : std::uint8_t { refuse, block };

struct ProducerOptions {
  std::string topic;            // of the partition
  std::int32_t partition = -1;  // -1: the topic has none
  std::string name;             // empty: a new one each time
  wire::AccessMode access = wire::AccessMode::shared;
  wire::Compression compression = wire::Compression::lz4;
  std::size_t compress_bytes_min = 512;  // smaller payloads go as they are; 0: all are compressed
  std::uint32_t batch_messages_max = 100;
  std::size_t batch_bytes_max = 128u << 10;
  Micros batch_delay = std::chrono::milliseconds{10};
  WhenFull when_full = WhenFull::refuse;            // ClientOptions::memory_max is taken
  Micros send_time_max = std::chrono::seconds{30};  // 0: for ever
};

class Producer final : public Resident, public std::enable_shared_from_this<Producer> {
 public:
  using Sent = events::Bus::Published;
  using Done = std::function<void(Result<void>)>;

  Producer(Client& client, ProducerOptions options);

  // Room in the client's memory: to be taken, or taken by the caller already.
  enum class Memory : std::uint8_t { to_take, taken };
  void publish(events::Message message, Sent sent, Memory memory = Memory::to_take);
  // What a message counts in ClientOptions::memory_max.
  static std::size_t size_of(const events::Message& message);
  // It failed for good: whoever wants to publish makes another one.
  bool broken() const { return gathering_.lock()->failed.has_value(); }

  void open();
  // Called when everything that was published before is answered.
  void flush(Done flushed);
  // What is not answered fails.
  void close(Done closed);

  void on_frame(const wire::Frame& frame) override;
  void on_gone(const Error& error) override;

 private:
  enum class State : std::uint8_t { idle, connecting, open, closed };
  // Messages are written as they lie in a batch when they are published, on the caller's thread, where their memory came from and goes.
  struct Batch {
    std::string key;
    bool alone = false;     // delayed messages go by themselves
    events::Message first;  // as it came, until there is a second: alone it is written in another way
    std::string payload;
    std::uint32_t count = 0;
    std::vector<Sent> sent;
    std::size_t bytes = 0;
    std::uint64_t sequence = 0;  // the highest
    SteadyTime until;            // it leaves at the latest
  };
  struct Gathering {
    std::vector<Batch> batches;
    std::unordered_map<std::string, std::size_t> by_key;
    std::vector<std::string> spare;  // memory of payloads, to be used again
    std::uint32_t messages = 0;
    std::size_t bytes = 0;
    std::uint64_t last_sequence = 0;
    std::size_t message_max = wire::message_size_max_default;
    bool posted = false;  // what is full will be fetched
    bool timed = false;   // a timer will look
    std::optional<Error> failed;
  };
  struct Pending {
    std::uint64_t sequence = 0;
    std::string frame;
    std::vector<Sent> sent;
    std::size_t bytes = 0;
    SteadyTime until;
  };

  Batch& batch_for(Gathering& now, const events::Message& message, std::size_t size) const;
  void put(Gathering& now, Batch& batch, events::Message message) const;
  bool is_full(const Batch& batch) const;
  bool is_full(const Gathering& now) const;
  enum class Take : std::uint8_t { full, all };
  void gathered(Take what);
  void look_later(SteadyTime when);
  void look();
  void add(Batch& batch);
  Result<std::string> frame_of(const Batch& batch);
  void connect();
  void introduce(const std::shared_ptr<Connection>& connection);
  Connection::Answer when_introduced(const std::shared_ptr<Connection>& connection);
  void introduced(const wire::ProducerSuccess& answer);
  void connect_failed(const Error& error);
  void reconnect();
  void leave_connection();
  void receipt(const wire::SendReceipt& receipt);
  void refused(const wire::SendError& error);
  void answered(const std::vector<Sent>& sent, const wire::MessageIdData& id);
  void fail_all(const Error& error);
  void settle_flushes();
  void watch_time();

  Client& client_;
  const ProducerOptions options_;
  const std::uint64_t id_;
  Guarded<Gathering> gathering_;
  State state_ = State::idle;
  std::shared_ptr<Connection> connection_;
  std::string name_;
  std::uint64_t epoch_ = 0;
  std::optional<std::uint64_t> topic_epoch_;
  unsigned tries_ = 0;
  std::size_t message_max_ = wire::message_size_max_default;
  std::deque<Pending> pending_;  // in the order of sending
  std::string packed_;           // memory to compress in
  std::uint64_t added_ = 0, settled_ = 0;
  struct Flush {
    std::uint64_t until;
    Done done;
  };
  std::deque<Flush> flushes_;
  bool timing_ = false;
};

}  // namespace chaveiro::clients::pulsar
