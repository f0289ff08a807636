// app/limits.h
//
// The limits of the platform, put together from the settings: our own rules for addresses and callers, the regulator's policies for
// what leaves for the registry, and the monitor of look-ups. Implements what the edges ask (api/chain.h, api/limits_port.h).
//
// Rules are the built-in ones, or those of RATE_LIMIT_RULES, read again by reload(). RATE_LIMIT_ENABLED=false switches our own rules
// off; the regulator's are never off.
//
// Threads: any number at once.
// Errors:  make: invalid, naming the setting or line and column of the rules file.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/chain.h"
#include "api/limits_port.h"
#include "app/settings.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "directory/store.h"
#include "limits/followed_store.h"
#include "limits/limiter.h"
#include "limits/memory_store.h"

namespace chaveiro::app {

struct LimitsOptions {
  bool enabled = true;
  std::int64_t per_ip_and_minute = 100;  // requests of callers that nobody knows; 0: not limited
  std::string rules_file;                // "": the built-in rules
  limits::OfficialOptions official;
  limits::AbuseOptions abuse;
};

class PlatformLimits final : public api::RateLimits, public api::LimitsPort {
 public:
  // What other processes share; null: this process keeps it, in memory. Our own rules are asked on threads that must not wait: this
  // process decides by buckets of its own and follows the shared ones (limits/followed_store.h), see follow().
  struct Shared {
    limits::OfficialStore* policies = nullptr;
    limits::Store* own = nullptr;
    std::int64_t nodes_max = 1;  // processes that may share
  };
  // `person_key` names payers in buckets. `note` writes an audit record.
  using Note = std::function<Result<void>(const directory::Context&, std::string operation, std::string text)>;
  static Result<std::unique_ptr<PlatformLimits>> make(LimitsOptions options, const Shared& shared,
                                                      const Secret& person_key, Note note, const Clock& clock,
                                                      Logger log, Registry& metrics);
  ~PlatformLimits() override;

  api::RateAnswer ask_ip(std::string_view ip) override;
  void count_ip(std::string_view ip) override;
  api::RateAnswer ask_caller(const directory::Caller& caller, std::string_view operation) override;
  void give_back(const directory::Caller& caller, std::string_view operation, std::int64_t holder) override;

  Result<api::LimitsOverview> show(const directory::Context& context, const std::string& rule,
                                   std::size_t most) override;
  Result<std::vector<limits::PolicyForecast>> forecast(const directory::Context& context,
                                                       const api::ForecastRequest& request) override;
  Result<void> reset(const directory::Context& context, const std::string& key) override;
  Result<std::size_t> reload_rules(const directory::Context& context) override;
  Result<bool> report_payment_order(const directory::Context& context, const api::PaymentOrder& order) override;

  // Tells what was admitted here, hears what was admitted elsewhere; every tenth of a second, where buckets are shared.
  Result<void> follow(Deadline deadline);

  // Reads the rules again. Errors: the old ones stay in force.
  Result<std::size_t> reload();

  limits::OfficialLimits& official() { return official_; }
  limits::AbuseMonitor& abuse() { return abuse_; }
  std::string name_of_payer(std::string_view payer_id) const;

 private:
  limits::MemoryStore::Figures buckets() const { return followed_ ? followed_->figures() : alone_.figures(); }
  PlatformLimits(LimitsOptions options, const Shared& shared, std::shared_ptr<const limits::RuleSet> rules,
                 const Secret& person_key, Note note, const Clock& clock, Logger log, Registry& metrics);
  static Result<std::shared_ptr<const limits::RuleSet>> read_rules(const LimitsOptions& options);

  const LimitsOptions options_;
  const HmacKey payer_names_;
  const Note note_;
  const Clock& clock_;
  limits::MemoryStore alone_;
  std::unique_ptr<limits::FollowedStore> followed_;  // null: this process is alone
  limits::Limiter limiter_;
  limits::OfficialMemoryStore official_store_;
  limits::OfficialLimits official_;
  limits::AbuseMonitor abuse_;
  Registry::Watch active_, overflowed_;
};

// A file of envoyproxy/ratelimit. Errors: invalid, with the file's name.
Result<std::shared_ptr<const limits::RuleSet>> read_envoy_rules(const std::string& path);

// What is wrong with the rules files that settings name, each fault with line and column.
std::vector<FieldViolation> faults_of_rules(const Settings& settings);

// The rules that hold where no file is given.
std::string built_in_rules(std::int64_t per_ip_and_minute);

}  // namespace chaveiro::app
