// events/outbox.h
//
// Events that were stored with the change they tell of, in its transaction, and wait to be published. A store of the directory
// implements it beside its tables: for each commit it keeps what directory::events_of() answers (directory/happened.h), and for a
// change with a mark it keeps the mark (inbox.h), all or nothing with the commit. Relay (relay.h) publishes them.
//
// What a store does for a commit, after stamp() and in the transaction:
//   1. change.mark: insert or raise (subscription, aggregate_id) → version, or insert (subscription, event_id) where the version is 0;
//      where the mark was there already the change is refused with conflict "AlreadyApplied" and nothing is stored;
//   2. for each event of events_of(change, sequence): one row (position, topic, message).
//
// Threads: any.
// Errors:  those of the store: deadline, unavailable, exhausted, corrupt.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "events/domain_event.h"

namespace chaveiro::events {

inline constexpr std::uint64_t outbox_places = 32;  // of one commit

struct OutboxEvent {
  std::uint64_t position =
      0;  // sequence of the commit * outbox_places + place: the order of commits, and the producer's sequence
  std::string topic;
  Message message;
};

struct OutboxDepth {
  std::uint64_t events = 0;
  std::optional<UtcTime> oldest;  // when it happened
};

class Outbox {
 public:
  virtual ~Outbox() = default;
  // The first `limit` behind the position, in order.
  virtual Result<std::vector<OutboxEvent>> unpublished(std::uint64_t after, std::size_t limit, Deadline deadline) = 0;
  // They need not be kept any more. Repeat-safe.
  virtual Result<void> published(std::span<const std::uint64_t> positions, Deadline deadline) = 0;
  virtual Result<OutboxDepth> depth(Deadline deadline) = 0;
};

// Headers as one text for a column, and back. Errors: corrupt.
std::string headers_text(const Headers& headers);
Result<Headers> parse_headers_text(std::string_view text);

}  // namespace chaveiro::events
