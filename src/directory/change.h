// directory/change.h
//
// A Change is one decision of the directory, as data: what the decision was based on, what shall be stored, who wanted
// it. The domain reads, decides with pure functions and hands the Change to Store::commit, which applies all of it or
// nothing. Nothing of the domain runs inside a transaction.
//
// Optimism: a write names the version it replaces. If somebody else was faster, commit answers Code::conflict with
// reason "Stale"; whoever decided reads and decides again (Entries and Claims do so up to four times).
//
// From each commit the store keeps one record per aggregate written (AuditRecord in audit.h): the audit, cache
// invalidation and events read from it.
//
// Threads: plain values.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "directory/claim.h"
#include "directory/entry.h"
#include "events/inbox.h"

namespace chaveiro::directory {

using Digest = std::array<std::uint8_t, 32>;  // SHA-256

// A RequestId with the hash of the body that came with it: kept for ever, unique per participant.
struct RequestUse {
  RequestId id;
  Digest body_hash{};
};

// What a RequestId was used for.
struct StoredRequest {
  RequestId id;
  Digest body_hash{};
  std::string operation;       // "create_entry", "complete_claim"
  Uuid resource;               // id of the entry that it made
  std::uint64_t sequence = 0;  // the commit; the entry is unchanged as long as its version is this
};

// `before` absent: nothing with this id may exist. Present: its version must still be the stored one. The store sets
// `after.version` to the sequence of the commit.
template <class T>
struct Put {
  std::optional<T> before;
  T after;
};
using Write = std::variant<Put<Account>, Put<Entry>, Put<Claim>>;

struct Actor {
  std::string subject;
  std::string correlation_id;
};

struct Change {
  std::string operation;  // name of the operation as the audit shows it: "create_entry", "confirm_claim", …
  Ispb ispb;              // participant on whose behalf
  Actor actor;
  UtcTime at{};
  std::vector<Write> writes;          // 1 … 8, in the order in which they are applied
  std::optional<RequestUse> request;  // recorded with the commit
  // The event that this is the effect of: stored with it, so that the event is applied exactly once.
  std::optional<events::Mark> mark = {};
};

// Something that was done to the platform as a whole, as the audit shows it; nothing in it is personal.
struct Note {
  std::string operation;      // erase_person purge set_log revoke …
  std::string resource_type;  // person store log credential
  Ispb ispb;
  Actor actor;
  UtcTime at{};
  std::string text;  // stands in `after`, not sealed
};

struct Committed {
  std::uint64_t sequence = 0;
};

}  // namespace chaveiro::directory
