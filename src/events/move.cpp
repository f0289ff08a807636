#include "events/move.h"

namespace chaveiro::events {
namespace {

Result<MovedTopic> move_topic(Bus& from, Bus& to, const std::string& topic, const MoveOptions& options,
                              Deadline deadline) {
  SubscribeOptions subscribing;
  subscribing.topics = {topic};
  const auto owner = options.owners.find(topic);
  subscribing.name = owner == options.owners.end() ? options.subscription : owner->second;
  subscribing.type = SubscriptionType::exclusive;
  subscribing.queue_max = options.batch_max;
  TRY(const auto subscription, from.subscribe(std::move(subscribing), deadline));
  MovedTopic moved{topic};
  for (;;) {
    TRY(const Lag before, subscription->lag(deadline));
    if (before.messages == 0) break;
    TRY(auto some, subscription->receive(options.batch_max, deadline.capped(options.quiet)));
    if (some.empty() && deadline.expired())
      return fail(Code::deadline, "DeadlineExceeded", "not everything of " + topic + " was moved in time");
    if (some.empty())
      return fail(Code::conflict, "NotAllDue",
                  "some messages of " + topic + " are to be delivered later: call again then");
    std::vector<Message> messages;
    std::vector<Delivery> deliveries;
    for (Received& one : some) {
      deliveries.push_back(one.delivery);
      one.message.sequence = 0;  // the other bus counts by itself
      messages.push_back(std::move(one.message));
    }
    for (const auto& stored : publish_all(to, topic, std::move(messages), deadline))
      if (!stored) return stored.error();
    TRY_VOID(subscription->ack(deliveries));
    TRY_VOID(from.flush(deadline));
    moved.messages += deliveries.size();
  }
  TRY_VOID(subscription->close(deadline));
  return moved;
}

}  // namespace

Result<std::vector<MovedTopic>> move_messages(Bus& from, Bus& to, const MoveOptions& options, Deadline deadline) {
  std::vector<MovedTopic> all;
  for (const std::string& topic : options.topics) {
    TRY(MovedTopic moved, move_topic(from, to, topic, options, deadline));
    all.push_back(std::move(moved));
  }
  return all;
}

}  // namespace chaveiro::events
