// clients/redis/leases.h
//
// RedisLeases: locks on one Redis (base/lease.h). A lock is a key with a token of its owner and an end; taking, renewing and releasing
// are scripts that compare the token, so that nobody frees what another holds by now.
//
//   {PREFIX NAME}          token, with its time
//   {PREFIX NAME}:fence    the last fencing number; without an end
//
// A server that is replaced by a replica, or comes back empty, may forget a lock and even the numbers: then two hold it for a while, and a number may
// come twice. What must never happen twice is guarded by the fence at the store; where the store can count, `fence_source` takes the number
// from there, and only the waiting is left to Redis. The server must not evict (noeviction).
//
// Guarantees: held_until() is counted from before the server was asked, and is over before the server's own end.
// Threads: any; one Lease by one thread at a time.
// Time:    take() one round trip where it is free; where it is not, asks again after pauses of 2 to 64 ms, or sooner when the holder
//          lets go in time.
// Errors:  those of base/lease.h. maybe_applied on take(): it may be ours without our knowing; it ends by itself.
#pragma once

#include <functional>

#include "base/lease.h"
#include "clients/redis/client.h"

namespace chaveiro::redis {

struct RedisLeasesOptions {
  std::string prefix = "chaveiro:lock:";
  // Asked after the lock was taken. Empty: Redis counts.
  std::function<Result<std::uint64_t>(std::string_view name, Deadline deadline)> fence_source = {};
};

class RedisLeases final : public Leases {
 public:
  RedisLeases(RedisLeasesOptions options, Client& client, const Clock& clock)
      : options_(std::move(options)), client_(client), clock_(clock) {}

  Result<std::unique_ptr<Lease>> take(std::string_view name, Micros duration, Deadline deadline) override;

 private:
  class Held;
  Result<std::unique_ptr<Lease>> try_once(std::string_view name, Micros duration, Deadline deadline, Micros& held_for);

  const RedisLeasesOptions options_;
  Client& client_;
  const Clock& clock_;
};

class Double;
void teach_lease_scripts(Double& twin);

}  // namespace chaveiro::redis
