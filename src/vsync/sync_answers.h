// vsync/sync_answers.h
//
// What the registry has answered about our VSyncs: whether the entries that we hold of one key type are the ones that it holds
// (VSYNCResponse on rsfn-dict-res-in). Known is the last answer of each participant and key type.
//
// Guarantees: an answer is stored with the mark of the event that brought it, in one transaction: once, however often the event comes.
//             One that is older than what is known changes nothing but the mark.
// Threads: any.
// Errors:  those of the store that keeps them.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "directory/entry.h"
#include "events/domain_event.h"
#include "events/inbox.h"

namespace chaveiro::vsync {

enum class Agreement : std::uint8_t { in_sync = 1, diverging };

std::string_view to_string(Agreement agreement);  // as the registry says it: OK NOK
std::optional<Agreement> agreement_of(std::string_view text);

struct SyncAnswer {
  directory::Ispb participant;
  directory::KeyType key_type{};
  Agreement agreement{};
  Digest256 vsync{};  // the one that we had sent
  UtcTime verified_at{};
  bool operator==(const SyncAnswer&) const = default;
};

// Of a VSYNCResponse. Errors: invalid, naming the field.
Result<SyncAnswer> sync_answer_of(const events::DomainEvent& event);

class SyncAnswers {
 public:
  virtual ~SyncAnswers() = default;
  // Answers false where the event was applied before: then nothing was stored.
  virtual Result<bool> keep(const SyncAnswer& answer, const events::Mark& mark, Deadline deadline) = 0;
  // By participant and key type.
  virtual Result<std::vector<SyncAnswer>> last(Deadline deadline) = 0;
};

}  // namespace chaveiro::vsync
