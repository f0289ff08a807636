// clients/redis/limits_store.h
//
// Buckets of our own limits in Redis: one atomic script for all buckets of a call, one round trip. The script does the arithmetic of
// limits/arithmetic.h number for number: every value stays below 2^53, divisions are exact, and the same property test drives both.
//
// Time is the server's, asked for inside the script. Where server and caller differ by more than 2 s, the smaller time counts, so that
// neither clock can refill by jumping; a bucket's own time never goes back. Keys expire by themselves when the bucket is as new.
//
// All keys share one hash tag, so that a call with several buckets works on a cluster.
//
// Threads: any number at once.
// Errors:  those of the client (deadline, unavailable, maybe_applied: a charge may have been made).
#pragma once

#include <optional>
#include <string>

#include "base/guarded.h"
#include "clients/redis/client.h"
#include "limits/store.h"

namespace chaveiro::redis {

struct LimitsStoreOptions {
  std::string prefix = "{limits}:";              // of every key; the hash tag keeps all buckets of a call together
  std::optional<std::int64_t> time_for_tests{};  // µs; instead of the server's
};

class LimitsStore final : public limits::Store {
 public:
  // The client must outlive the store.
  LimitsStore(LimitsStoreOptions options, Client& client, const Clock& clock);

  Result<limits::Verdict> take(std::span<const limits::Ask> asks, limits::Mode mode, Deadline deadline) override;
  Result<void> release(const limits::Ask& ask, Deadline deadline) override;
  // Resets are told for an hour, the last thousand of them.
  Result<void> reset(std::string_view key, Deadline deadline) override;
  Result<limits::Resets> resets(std::int64_t since, Deadline deadline) override;
  // Redis is not searched: empty. `chaveiro limits show` of each node tells what that node knows.
  Result<std::vector<limits::BucketView>> busiest(std::string_view rule, std::size_t most, Deadline deadline) override;

  void set_time_for_tests(std::int64_t now) {
    time_for_tests_.with([&](auto& it) { it = now; });
  }

 private:
  const LimitsStoreOptions options_;
  Client& client_;
  const Clock& clock_;
  Guarded<std::optional<std::int64_t>> time_for_tests_;
};

// The script, for benchmarks that call it by other means.
const Script& limits_script();

}  // namespace chaveiro::redis
