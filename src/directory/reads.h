// directory/reads.h
//
// Single records by what names them, for answers. The store implements it, and so may a cache in front of it that every commit passes
// through. What is decided and then committed is read from the store itself, since only that is never behind another process.
//
// Guarantee: a read sees every commit that this process answered before it began.
// Threads: any number at once.
// Errors:  those of Store.
#pragma once

#include <optional>

#include "directory/claim.h"

namespace chaveiro::directory {

class Reads {
 public:
  virtual ~Reads() = default;

  // The live entry of a key, whichever participant of ours holds it.
  virtual Result<std::optional<Entry>> live_entry(const Key& key, Deadline deadline) = 0;
  virtual Result<std::optional<Entry>> entry(const EntryId& id, Deadline deadline) = 0;
  virtual Result<std::optional<Account>> account(const AccountId& id, Deadline deadline) = 0;
  virtual Result<std::optional<Claim>> claim(const ClaimId& id, Deadline deadline) = 0;
};

}  // namespace chaveiro::directory
