// app/pulsar.h
//
// What the settings say about Apache Pulsar, as options of its client, and how topics and subscriptions are called there.
//
// Threads: any.
// Errors:  invalid, naming the setting that must be mended; never a token.
#pragma once

#include "app/settings.h"
#include "clients/pulsar/bus.h"
#include "events/renamed_bus.h"

namespace chaveiro::app {

inline constexpr std::uint32_t event_partitions = 4;  // of a topic that we make, on whatever bus

struct PulsarEvents {
  clients::pulsar::BusOptions bus;
  events::Names topics, subscriptions;
  events::SubscriptionType type = events::SubscriptionType::key_shared;  // of our subscription on the answers
};

// Nothing where PULSAR_URL is empty. `writer` names this installation to the broker: of two relays with one name the later wins.
Result<std::optional<PulsarEvents>> pulsar_events(const Settings& settings, const std::string& writer);

}  // namespace chaveiro::app
