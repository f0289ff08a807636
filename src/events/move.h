// events/move.h
//
// Moves what one bus holds to another, without loss: a message is acknowledged where it was only after the other bus has stored it, so
// that what a fault interrupts goes on where it was when it is called again (and a message may then come twice, with the same event id).
// Of a topic with an `owner` only what that subscription has not acknowledged is moved, of others everything that is still kept.
// The order within each key holds.
//
// Threads: one call at a time. Nobody else may read the owners' subscriptions meanwhile.
// Errors:  those of either bus; what was moved until then stays moved.
#pragma once

#include <map>

#include "events/bus.h"

namespace chaveiro::events {

struct MoveOptions {
  std::vector<std::string> topics;
  std::map<std::string, std::string, std::less<>> owners;  // topic → subscription
  std::string subscription = "moved";                      // of the topics without owner: remembers how far it came
  std::size_t batch_max = 1'000;
  Micros quiet =
      std::chrono::seconds{2};  // nothing more comes for so long, though something is left: it is not due yet
};

struct MovedTopic {
  std::string topic;
  std::uint64_t messages = 0;
};

// The topics are there on both. Errors: conflict "NotAllDue" where delayed messages are left.
Result<std::vector<MovedTopic>> move_messages(Bus& from, Bus& to, const MoveOptions& options, Deadline deadline);

}  // namespace chaveiro::events
