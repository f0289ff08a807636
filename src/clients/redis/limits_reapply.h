// clients/redis/limits_reapply.h
//
// Our own limits in Redis, made good after a fail-over: a replica that takes over, or a server that comes back empty, may lack the last
// writes of the one before. This store remembers what buckets of the last seconds had left when it saw them last; when the server that
// answers is another one, a bucket that has more left there than can have come back meanwhile is charged the difference. What had arrived
// is not charged twice, however many processes do this.
//
// token_bucket, gcra, sliding_window, fixed_window, calendar: charged down to what may have come back since.
// sliding_log: charged down to what was left, for when room comes back only the lost value knew: so never too many pass, and what would
//   have come back meanwhile is missing for a period at most.
// concurrency: places that were given through this process and not given back are taken again, for a whole period. Another process that
//   was quicker may have given away as many places as were lost.
//
// Threads: any number at once; whoever asks first after a fail-over repairs, and keeps the others waiting.
// Errors:  those of the store.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/guarded.h"
#include "base/metrics.h"
#include "clients/redis/server_watch.h"
#include "limits/store.h"

namespace chaveiro::redis {

struct LimitsReapplyOptions {
  Micros remembered{20'000'000};     // since a bucket was asked last
  std::size_t buckets_max = 50'000;  // remembered, and as many places; of more, those that come later are not
  std::string key = "{limits}:";     // in a cluster: the node of these keys is watched
};

class LimitsReapply final : public limits::Store {
 public:
  LimitsReapply(LimitsReapplyOptions options, limits::Store& store, Client& client, const Clock& clock,
                Registry& metrics);
  ~LimitsReapply() override;

  Result<limits::Verdict> take(std::span<const limits::Ask> asks, limits::Mode mode, Deadline deadline) override;
  Result<void> release(const limits::Ask& ask, Deadline deadline) override;
  Result<void> reset(std::string_view key, Deadline deadline) override;
  Result<limits::Resets> resets(std::int64_t since, Deadline deadline) override;
  Result<std::vector<limits::BucketView>> busiest(std::string_view rule, std::size_t most, Deadline deadline) override {
    return store_.busiest(rule, most, deadline);
  }

  // Repairs, if the server has changed. To be called now and then too. Answers how many buckets were charged.
  Result<std::size_t> run_once(Deadline deadline);
  bool server_changed() const { return watch_.changed(); }
  bool watching() const { return watch_.watching(); }

 private:
  struct Seen {
    std::shared_ptr<const limits::Terms> terms;
    std::int64_t room = 0;
    Micros reset_after{};
    SteadyTime at{};
  };
  struct Place {
    std::shared_ptr<const limits::Terms> terms;
    std::int64_t cost = 0;
    SteadyTime until{};
  };
  using PlaceName = std::pair<std::string, std::int64_t>;  // bucket and holder
  struct Memory {
    std::map<PlaceName, Place> places;
    std::unordered_map<std::string, Seen> seen;
    std::deque<std::pair<SteadyTime, std::string>> oldest_first;
  };
  void remember(std::span<const limits::Ask> asks, const limits::Verdict& verdict);
  void remember_place(Memory& memory, const limits::Ask& ask, SteadyTime now);
  void forget(std::string_view key);
  Result<bool> repaired(const std::string& key, const Seen& seen, Deadline deadline);
  Result<bool> taken_again(const PlaceName& name, const Place& place, Deadline deadline);

  const LimitsReapplyOptions options_;
  limits::Store& store_;
  const Clock& clock_;
  Counter& charged_;
  Guarded<Memory> memory_;
  ServerWatch watch_;
};

}  // namespace chaveiro::redis
