// events/renamed_bus.h
//
// A bus on which topics and subscriptions have other names than in this program (events/topics.h): an installation may call them as it
// likes. Names that are not in the tables stay.
//
// Threads: as the bus.
#pragma once

#include <map>

#include "events/bus.h"

namespace chaveiro::events {

using Names = std::map<std::string, std::string, std::less<>>;  // ours → the bus's

class RenamedBus final : public Bus {
 public:
  RenamedBus(std::unique_ptr<Bus> bus, Names topics, Names subscriptions)
      : bus_(std::move(bus)), topics_(std::move(topics)), subscriptions_(std::move(subscriptions)) {}

  Bus& inner() { return *bus_; }
  std::string topic_name(std::string_view ours) const { return name_in(topics_, ours); }
  std::string subscription_name(std::string_view ours) const { return name_in(subscriptions_, ours); }

  Result<void> create_topic(const std::string& topic, const TopicOptions& options, Deadline deadline) override;
  // As this program calls them.
  Result<std::vector<std::string>> topics(Deadline deadline) override;
  void publish(std::string_view topic, Message message, Published done) override;
  Result<void> flush(Deadline deadline) override { return bus_->flush(deadline); }
  Result<std::unique_ptr<Subscription>> subscribe(SubscribeOptions options, Deadline deadline) override;
  Result<void> unsubscribe(const std::string& topic, const std::string& name, Deadline deadline) override;

 private:
  static std::string name_in(const Names& names, std::string_view ours);

  const std::unique_ptr<Bus> bus_;
  const Names topics_, subscriptions_;
};

}  // namespace chaveiro::events
