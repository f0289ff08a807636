// app/limited_registry.h
//
// The registry behind the regulator's policies: every call asks its buckets first, and what it answered is charged. A call that the
// buckets do not allow never leaves; one of a batch waits for its turn, as long as its deadline allows, behind those that came before
// it, and a few at most wait at once.
//
// Keys are checked for a user within the ration of the day (limits/abuse.h). mirror_once() compares our buckets with the registry's.
//
// Threads: any number at once.
// Errors:  those of the registry behind; exhausted "RateLimited" with the policy and when it will be allowed, "KeysCheckLimitExceeded";
//          forbidden "ScanSuspected".
#pragma once

#include <set>
#include <string>

#include "app/limits.h"
#include "base/guarded.h"
#include "base/log.h"
#include "directory/registry.h"
#include "limits/waiting.h"

namespace chaveiro::app {

struct LimitedRegistryOptions {
  std::size_t waiting_max = 2;           // look-ups of batches that wait at once, each on a thread; 0: none waits
  std::size_t participants_max = 1'000;  // whose buckets are compared with the registry's
};

class LimitedRegistry final : public directory::Registry {
 public:
  LimitedRegistry(LimitedRegistryOptions options, directory::Registry& behind, PlatformLimits& limits,
                  const Clock& clock, Logger log)
      : options_(options),
        behind_(behind),
        limits_(limits),
        log_(std::move(log)),
        turns_({.waiting_max = options.waiting_max}, clock) {}

  Result<Registered> register_entry(const Registration& registration, Deadline deadline) override;
  Result<ForeignEntry> lookup(const directory::ForeignLookup& lookup, Deadline deadline) override;
  Result<KeysChecked> check_keys(const KeysCheck& check, Deadline deadline) override;
  Result<std::vector<PolicyState>> policies(const directory::Ispb& participant, Deadline deadline) override;

  // Corrects our buckets of each participant that called by what the registry says of them. Costs each a call of POLICIES_LIST.
  // Answers how many buckets were corrected; 0 where the registry does not tell.
  Result<std::size_t> mirror_once(Deadline deadline);

  // Batches that wait look at the clock again: for whoever moves it.
  void poke() { turns_.poke(); }
  std::size_t waiting() const { return turns_.waiting(); }

 private:
  Result<limits::OfficialPermit> reserve(const limits::OfficialCall& call, Deadline deadline);
  template <class T>
  Result<T> settled(const limits::OfficialPermit& permit, Result<T> answer, int status_if_good);

  const LimitedRegistryOptions options_;
  directory::Registry& behind_;
  PlatformLimits& limits_;
  const Logger log_;
  limits::Turns turns_;
  Guarded<std::set<directory::Ispb>> participants_;
};

// What the registry's answer means to the buckets.
limits::Outcome outcome_of(const Error& error);

}  // namespace chaveiro::app
