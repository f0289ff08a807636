#include "events/renamed_bus.h"

#include <algorithm>

namespace chaveiro::events {

std::string RenamedBus::name_in(const Names& names, std::string_view ours) {
  const auto found = names.find(ours);
  return found == names.end() ? std::string(ours) : found->second;
}

Result<void> RenamedBus::create_topic(const std::string& topic, const TopicOptions& options, Deadline deadline) {
  return bus_->create_topic(topic_name(topic), options, deadline);
}

Result<std::vector<std::string>> RenamedBus::topics(Deadline deadline) {
  TRY(auto all, bus_->topics(deadline));
  for (std::string& name : all) {
    const auto found = std::ranges::find(topics_, name, &Names::value_type::second);
    if (found != topics_.end()) name = found->first;
  }
  return all;
}

void RenamedBus::publish(std::string_view topic, Message message, Published done) {
  bus_->publish(topic_name(topic), std::move(message), std::move(done));
}

Result<std::unique_ptr<Subscription>> RenamedBus::subscribe(SubscribeOptions options, Deadline deadline) {
  for (std::string& topic : options.topics) topic = topic_name(topic);
  options.name = subscription_name(options.name);
  return bus_->subscribe(std::move(options), deadline);
}

Result<void> RenamedBus::unsubscribe(const std::string& topic, const std::string& name, Deadline deadline) {
  return bus_->unsubscribe(topic_name(topic), subscription_name(name), deadline);
}

}  // namespace chaveiro::events
