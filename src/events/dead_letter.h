// events/dead_letter.h
//
// A message that a subscription gave up, as it lies on the dead-letter topic: its body, key and headers as they were, and beside them
// why, how often and where it came from, so that it can be shown, replayed or discarded.
//
// Threads: plain values and pure functions.
// Errors:  corrupt "NoDeadLetter" for a message that is none.
#pragma once

#include <string>
#include <vector>

#include "events/inbox.h"

namespace chaveiro::events {

namespace headers {
inline constexpr std::string_view real_topic = "REAL_TOPIC";
inline constexpr std::string_view origin_message_id = "ORIGIN_MESSAGE_ID";
inline constexpr std::string_view dead_subscription = "dead-subscription";
inline constexpr std::string_view dead_reason = "dead-reason";
inline constexpr std::string_view dead_at = "dead-at";
inline constexpr std::string_view dead_attempts = "dead-attempts";  // a JSON array, oldest first
inline constexpr std::string_view replayed_for = "replayed-for";    // only this subscription applies it
}  // namespace headers

struct DeadLetter {
  Message original;
  std::string topic;         // where it was
  std::string message_id;    // there
  std::string subscription;  // that gave it up
  std::string reason;        // of the last attempt
  UtcTime at{};
  std::vector<Attempt> attempts;
};

Message to_message(const DeadLetter& letter);
Result<DeadLetter> dead_letter_of(const Message& message);

// The message that is published on `topic` to try again.
Message replay_of(const DeadLetter& letter);

}  // namespace chaveiro::events
