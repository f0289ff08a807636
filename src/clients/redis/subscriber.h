// clients/redis/subscriber.h
//
// Subscriber: messages of channels, patterns and shard channels over a connection of its own. What was subscribed is subscribed again
// after every lost connection and every fail-over; messages sent meanwhile are lost, which is why every return is told.
//
// Guarantees: messages of one channel come in the server's order. `on_gap` is called before the first message after a gap.
// Threads: all of it, any; the callbacks run on an I/O thread, one after another, and must not block.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "clients/redis/client.h"

namespace chaveiro::redis {

struct Message {
  std::string_view channel;
  std::string_view payload;
  std::string_view pattern;  // the pattern that it came by; empty for channels
};

struct SubscriberOptions {
  std::function<void(const Message&)> on_message = {};
  // Everything is subscribed (again): what was sent before it may have been missed. Also called the first time.
  std::function<void()> on_gap = {};
  std::function<void(const Error&)> on_down = {};
  std::string shard_key = {};  // shard channels of a cluster: a Subscriber serves the node of this key
};

class Subscriber {
 public:
  Subscriber(Client& client, SubscriberOptions options);
  ~Subscriber();

  // Return when the server has confirmed. While the connection is down they are noted, and errors say `unavailable`.
  Result<void> subscribe(std::string_view channel, Deadline deadline);
  Result<void> psubscribe(std::string_view pattern, Deadline deadline);
  Result<void> ssubscribe(std::string_view channel, Deadline deadline);
  Result<void> unsubscribe(std::string_view channel, Deadline deadline);
  Result<void> punsubscribe(std::string_view pattern, Deadline deadline);
  Result<void> sunsubscribe(std::string_view channel, Deadline deadline);
  bool up() const;

 private:
  struct State;
  Result<void> change(std::string_view command, std::string_view name, Deadline deadline);
  std::shared_ptr<State> state_;
  std::unique_ptr<Dedicated> connection_;
};

}  // namespace chaveiro::redis
