// app/event_move.h
//
// The way from the embedded log in the data folder to the Pulsar broker of the settings: what is still kept there goes over, before the
// platform is started with the broker for the first time. Needs the data folder for itself.
//
// Threads: one caller.
// Errors:  unavailable "FolderInUse" (the platform runs), not_found (there is no embedded log), invalid (settings), and those of both.
#pragma once

#include "app/settings.h"
#include "base/log.h"
#include "events/move.h"

namespace chaveiro::app {

Result<std::vector<events::MovedTopic>> move_events_to_pulsar(const Settings& settings, const Clock& clock,
                                                              const Logger& log, Deadline deadline);

}  // namespace chaveiro::app
