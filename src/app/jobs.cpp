#include "app/jobs.h"

#include <algorithm>

#include "base/encoding.h"
#include "base/hash.h"
#include "clients/redis/leases.h"

namespace chaveiro::app {
namespace {

// Row-level security shows a node the claims of those whom it serves: a leader does the work of nodes that serve the same.
std::string served(const Settings& settings) {
  std::vector<std::string> ispbs = settings.ispbs;
  std::ranges::sort(ispbs);
  std::string list;
  for (const std::string& ispb : ispbs) list += ispb + ",";
  return to_hex(sha256(list)).substr(0, 16);
}

// Null where nobody is elected.
std::unique_ptr<Leases> leases_of(const std::string& database, redis::Client* redis, const Clock& clock) {
  if (database.empty()) return nullptr;
  return std::make_unique<redis::RedisLeases>(redis::RedisLeasesOptions{.prefix = "leader:"}, *redis, clock);
}

std::string database_of(Storage& storage, const Logger& log) {
  auto database = storage.shared_database(Deadline::in(std::chrono::seconds{10}));
  if (database) return *std::move(database);
  log.warn("the database does not tell which it is: every node does every job", {{"error", database.error()}});
  return {};
}

}  // namespace

std::unique_ptr<Jobs> Jobs::make(const Settings& settings, Storage& storage, redis::Client* redis, const Clock& clock,
                                 const Logger& log, Registry& metrics) {
  const std::string database = redis == nullptr ? "" : database_of(storage, log);
  return std::unique_ptr<Jobs>(new Jobs(settings, database, leases_of(database, redis, clock), clock, log, metrics));
}

Jobs::Jobs(const Settings& settings, const std::string& database, std::unique_ptr<Leases> leases, const Clock& clock,
           const Logger& log, Registry& metrics)
    : leases_(std::move(leases)),
      claims_({.job = "claims", .installation = database + ":" + served(settings)}, leases_.get(), clock, log, metrics),
      cache_sweep_({.job = "cache-sweep", .installation = database},
                   settings.cache_l3_enabled ? leases_.get() : nullptr, clock, log, metrics),
      months_({.job = "months", .installation = database},
              settings.database_maintenance_url.empty() ? nullptr : leases_.get(), clock, log, metrics) {}

Result<void> Jobs::check() const {
  std::string names;
  for (const OneOfMany* job : {&claims_, &cache_sweep_, &months_}) {
    if (job->cut_off()) names += (names.empty() ? "" : ", ") + job->job();
  }
  if (names.empty()) return {};
  return fail(Code::unavailable, "NoLeader", "Redis does not tell who leads: every node does " + names);
}

void Jobs::leave(Deadline deadline) {
  for (OneOfMany* job : {&claims_, &cache_sweep_, &months_}) (void)job->leave(deadline.capped(std::chrono::seconds{1}));
}

}  // namespace chaveiro::app
