#include "app/event_move.h"

#include <filesystem>

#include "app/pulsar.h"
#include "app/storage.h"
#include "events/log/bus.h"
#include "events/topics.h"

namespace chaveiro::app {

Result<std::vector<events::MovedTopic>> move_events_to_pulsar(const Settings& settings, const Clock& clock,
                                                              const Logger& log, Deadline deadline) {
  if (settings.pulsar_url.empty()) return fail_field("PULSAR_URL", "says where to: it must be set");
  const std::string folder = settings.data + "/events";
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored))
    return fail(Code::not_found, "NotFound", "there is no embedded log in " + folder);
  events::log::LocalDisk disk;
  TRY(const auto from, events::log::LogBus::open({.folder = folder}, disk, clock, log.named("events.log")));
  TRY(auto options, pulsar_events(settings, "move"));
  options->bus.producers.clear();  // the relay's names are the relay's
  TRY(auto pulsar, clients::pulsar::PulsarBus::make(options->bus, log.named("events.pulsar")));
  events::RenamedBus to(std::move(pulsar), options->topics, options->subscriptions);

  events::MoveOptions moving;
  TRY(moving.topics, from->topics(deadline));
  moving.subscription = "moved-to-pulsar";
  moving.owners.emplace(events::topics::responses_in, events::subscriptions::responses);
  moving.owners.emplace(events::topics::payment_orders, events::subscriptions::responses);
  moving.owners.emplace(events::topics::dead_letters, events::subscriptions::dead_letters);
  for (const std::string& topic : moving.topics) {
    const auto made = to.create_topic(topic, {.partitions = event_partitions}, deadline);
    if (!made && made.error().reason != "TopicDiffers") return made.error();
  }
  return events::move_messages(*from, to, moving, deadline);
}

}  // namespace chaveiro::app
