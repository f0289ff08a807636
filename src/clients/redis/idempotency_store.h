// clients/redis/idempotency_store.h
//
// First answers of request ids in Redis, for 24 hours: the fast store in front of the one that forgets nothing
// (limits::TieredIdempotencyStore), or the only one where losing an answer costs no more than doing the work again.
//
// Leases are told by the server's own expiry; fences come from a counter that never goes back while the server keeps its data.
//
// Threads: any number at once.
// Errors:  those of the client; conflict "LeaseLost".
#pragma once

#include <string>

#include "clients/redis/client.h"
#include "limits/idempotency.h"

namespace chaveiro::redis {

struct IdempotencyStoreOptions {
  std::string prefix = "{idempotency}:";          // of every key; the hash tag keeps a key beside the counter of fences
  Micros keep{std::int64_t{24} * 3'600'000'000};  // so long an answer is given again
  std::size_t answer_bytes_max = 64 * 1024;       // a longer one is not kept
};

class IdempotencyStore final : public limits::IdempotencyStore {
 public:
  IdempotencyStore(IdempotencyStoreOptions options, Client& client) : options_(std::move(options)), client_(client) {}

  Result<limits::Begun> begin(const limits::IdempotencyKey& key, Micros lease, Deadline deadline) override;
  Result<void> finish(const limits::IdempotencyKey& key, std::uint64_t fence, const limits::StoredAnswer& answer,
                      Deadline deadline) override;
  Result<void> abandon(const limits::IdempotencyKey& key, std::uint64_t fence, Deadline deadline) override;

 private:
  const IdempotencyStoreOptions options_;
  Client& client_;
};

}  // namespace chaveiro::redis
