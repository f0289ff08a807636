// events/message.h
//
// What travels on a bus: a key, a body and headers, whatever the bus is. The body is opaque here; domain_event.h says what ours
// hold.
//
// Threads: plain values.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace chaveiro::events {

// In the order in which they were put; a name stands once.
using Headers = std::vector<std::pair<std::string, std::string>>;

// The value of a header; empty where there is none.
inline std::string_view header(const Headers& headers, std::string_view name) {
  for (const auto& [its_name, value] : headers)
    if (its_name == name) return value;
  return {};
}
// Replaces or adds.
inline void set_header(Headers& headers, std::string_view name, std::string value) {
  for (auto& [its_name, its_value] : headers)
    if (its_name == name) return void(its_value = std::move(value));
  headers.emplace_back(name, std::move(value));
}

struct Message {
  std::string key;  // messages of one key keep their order; empty: none, no order is promised
  std::string body;
  Headers headers = {};
  UtcTime event_time{};                    // when it happened; 1970: not told
  std::optional<UtcTime> deliver_at = {};  // not before this; such messages have no order
  std::uint64_t sequence = 0;              // of the producer, growing; 0: the bus counts by itself

  bool operator==(const Message&) const = default;
};

// Where a bus has put a message. Ordered within one partition of one topic only.
struct MessageId {
  std::int32_t partition = -1;    // -1: the topic is not partitioned
  std::uint64_t ledger = 0;       // Pulsar's; 0 elsewhere
  std::uint64_t entry = 0;        // Pulsar's entry, the log's offset
  std::int32_t batch_index = -1;  // within Pulsar's entry; -1: alone in it

  auto operator<=>(const MessageId&) const = default;
};

// "partition:ledger:entry:batch" and back. Errors: invalid.
std::string to_string(const MessageId& id);
Result<MessageId> parse_message_id(std::string_view text);

}  // namespace chaveiro::events
