// app/limited_registry.h
//
// The registry behind the regulator's policies: every call asks its buckets first, and what it answered is charged. A call that the
// buckets do not allow never leaves.
//
// Threads: any number at once.
// Errors:  those of the registry behind; exhausted "RateLimited" with the policy and when it will be allowed; forbidden "ScanSuspected".
#pragma once

#include "app/limits.h"
#include "directory/registry.h"

namespace chaveiro::app {

class LimitedRegistry final : public directory::Registry {
 public:
  LimitedRegistry(directory::Registry& behind, PlatformLimits& limits) : behind_(behind), limits_(limits) {}

  Result<Registered> register_entry(const Registration& registration, Deadline deadline) override;
  Result<ForeignEntry> lookup(const directory::ForeignLookup& lookup, Deadline deadline) override;

 private:
  directory::Registry& behind_;
  PlatformLimits& limits_;
};

// What the registry's answer means to the buckets.
limits::Outcome outcome_of(const Error& error);

}  // namespace chaveiro::app
