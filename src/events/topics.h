// events/topics.h
//
// The topics of the platform, by the names under which the neighbours know them, and the headers of our messages.
//
// Threads: constants.
#pragma once

#include <array>
#include <string_view>

namespace chaveiro::events {

namespace topics {
inline constexpr std::string_view key_events = "persistent://dict/events/key-events";
inline constexpr std::string_view claim_events = "persistent://dict/events/claim-events";
inline constexpr std::string_view requests_out = "persistent://lb-conn/dict/rsfn-dict-req-out";
inline constexpr std::string_view responses_in = "persistent://lb-conn/dict/rsfn-dict-res-in";
inline constexpr std::string_view payment_orders = "persistent://lb-conn/dict/payment-orders";
inline constexpr std::string_view vsync_events = "persistent://lb-conn/dict/dict-events";
inline constexpr std::string_view core_events = "persistent://lb-conn/dict/core-events";
inline constexpr std::string_view dead_letters = "persistent://core-dict/dlq/failed-events";

inline constexpr std::array all = {key_events,     claim_events, requests_out, responses_in,
                                   payment_orders, vsync_events, core_events,  dead_letters};
}  // namespace topics

namespace subscriptions {
inline constexpr std::string_view vsync = "dict-vsync-subscription";
inline constexpr std::string_view responses = "dict-core-responses";
inline constexpr std::string_view dead_letters = "dict-dead-letters";
}  // namespace subscriptions

// What clients in any language can read without opening the body.
namespace headers {
inline constexpr std::string_view event_id = "event_id";
inline constexpr std::string_view event_type = "event_type";
inline constexpr std::string_view aggregate_id = "aggregate_id";
inline constexpr std::string_view version = "version";
inline constexpr std::string_view content_type = "content-type";
inline constexpr std::string_view traceparent = "traceparent";
}  // namespace headers

}  // namespace chaveiro::events
