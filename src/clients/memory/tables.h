// clients/memory/tables.h
//
// Accounts, entries and claims with the indexes that hold the store's constraints. put() either applies a write with all
// its index entries or answers false and leaves everything as it was; undo() takes an applied one back.
//
// Threads: one caller at a time (wrap in Guarded).
#pragma once

#include <map>
#include <unordered_map>

#include "directory/store.h"

namespace chaveiro::clients::memory {

class Tables {
 public:
  std::map<directory::AccountId, directory::Account> accounts;
  std::map<directory::EntryId, directory::Entry> entries;
  std::map<directory::ClaimId, directory::Claim> claims;
  std::unordered_map<directory::Key, directory::EntryId> live_entries;
  std::unordered_map<directory::Key, directory::ClaimId> live_claims;
  std::map<directory::AccountId, std::uint32_t> slots;  // bit n: slot n is taken
  std::map<std::pair<directory::Ispb, directory::RequestId>, directory::StoredRequest> requests;

  bool put(const directory::Write& write);
  void undo(const directory::Write& write);

  // What the index entries of these are; take() is false where one of them is somebody else's.
  bool take(const directory::Entry& entry);
  void give_back(const directory::Entry& entry);
  bool take(const directory::Claim& claim);
  void give_back(const directory::Claim& claim);
  bool take(const directory::Account& account);
  void give_back(const directory::Account&) {}

 private:
  auto& table(const directory::Account&) { return accounts; }
  auto& table(const directory::Entry&) { return entries; }
  auto& table(const directory::Claim&) { return claims; }
};

}  // namespace chaveiro::clients::memory
