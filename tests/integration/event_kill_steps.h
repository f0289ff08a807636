// tests/integration/event_kill_steps.h
//
// The steps between a change and the effect of its event at which tests kill the program or the broker, and what the killed process and
// the tests say to each other.
//
// Threads: constants.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

namespace chaveiro::contract {

// Around the bus: relay and consumer, whatever the bus is.
inline constexpr std::array<std::string_view, 8> steps_around_bus = {
    "read", "published", "forgotten", "tried", "handled", "failed", "marked", "acknowledged"};

// Inside the Pulsar client, in the order in which a message passes them.
inline constexpr std::array<std::string_view, 16> steps_in_client = {
    "found_to_publish", "introduced",         "batched",         "sent",         "receipt_read", "answered",
    "sent_again",       "found_to_subscribe", "subscribed",      "arrived",      "queued",       "taken",
    "ack_grouped",      "acks_sent",          "acks_sent_again", "acks_answered"};

// These come when a connection was lost; the process cuts it at `cut_at` now and then, so that they do come.
struct AfterCut {
  std::string_view step, cut_at;
};
inline constexpr std::array<AfterCut, 6> steps_after_cut = {{{"found_to_publish", "sent"},
                                                             {"introduced", "sent"},
                                                             {"sent_again", "sent"},
                                                             {"found_to_subscribe", "queued"},
                                                             {"subscribed", "queued"},
                                                             {"acks_sent_again", "acks_sent"}}};

// Among the numbers of answered commits: the process stands at its step and waits.
inline constexpr std::uint64_t stopped_here = ~std::uint64_t{0};

}  // namespace chaveiro::contract
