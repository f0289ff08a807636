// directory/happened.h
//
// The events that a commit tells of: what every store keeps in its outbox in the commit's own transaction (events/outbox.h).
//
//   entry    key.created key.updated key.deleted                                  on key-events
//   claim    claim.created claim.updated claim.confirmed claim.cancelled claim.completed   on claim-events
//   account  account.created account.updated account.closed                       on core-events
//   entry that waits for the registry: CreateKeyRequest                           on rsfn-dict-req-out
//
// Every write of an aggregate makes exactly one event of it, so that `previous_version` (of the row before) is also that of the
// event before. Data of key.* holds the fields of the CID and the RequestId of the creation. docs/events describes each type.
//
// Threads: pure, but for the ids.
// Time:    about 3 µs an event.
#pragma once

#include <vector>

#include "directory/change.h"
#include "events/outbox.h"

namespace chaveiro::directory {

// `change` is stamped (chronicle.h). Positions are those of the outbox.
std::vector<events::OutboxEvent> events_of(const Change& change, std::uint64_t sequence);

}  // namespace chaveiro::directory
