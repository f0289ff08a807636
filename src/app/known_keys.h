// app/known_keys.h
//
// The registry behind what is known of it already: of the keys that are to be checked only those go on which the existence cache
// (cache/regulated.h) does not know. So a list of payees that was checked before costs neither a token of the regulator's buckets nor
// of the user's ration. Every other call goes on as it is.
//
// Threads: any number at once.
// Errors:  those of the registry behind.
#pragma once

#include "cache/regulated.h"
#include "directory/registry.h"

namespace chaveiro::app {

class KnownKeys final : public directory::Registry {
 public:
  KnownKeys(directory::Registry& behind, cache::ExistenceCache& known) : behind_(behind), known_(known) {}

  Result<Registered> register_entry(const Registration& registration, Deadline deadline) override {
    return behind_.register_entry(registration, deadline);
  }
  Result<ForeignEntry> lookup(const directory::ForeignLookup& lookup, Deadline deadline) override {
    return behind_.lookup(lookup, deadline);
  }
  Result<KeysChecked> check_keys(const KeysCheck& check, Deadline deadline) override;
  Result<std::vector<PolicyState>> policies(const directory::Ispb& participant, Deadline deadline) override {
    return behind_.policies(participant, deadline);
  }

 private:
  directory::Registry& behind_;
  cache::ExistenceCache& known_;
};

}  // namespace chaveiro::app
