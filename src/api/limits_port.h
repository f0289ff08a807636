// api/limits_port.h
//
// The limits of the running process as operators and connectors see them through the edges; app/ implements it. Authorisation and the
// audit record are the implementation's.
//
// Threads: any number at once; blocking, until the context's deadline.
// Errors:  forbidden; invalid; not_found where it says so.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "directory/caller.h"
#include "limits/abuse.h"
#include "limits/official.h"
#include "limits/store.h"

namespace chaveiro::api {

struct LimitsOverview {
  std::vector<limits::BucketView> busiest;       // of our own rules
  std::vector<limits::PolicyForecast> policies;  // of the caller's participant
  std::vector<limits::AbuseFigures> look_ups;    // who looks up; users by a hash
};

struct ForecastRequest {
  std::string operation;  // as the official API names it: getEntry
  std::string key_type;   // getEntry
  bool with_role = false;
  std::string payer_id;    // getEntry
  std::int64_t calls = 0;  // a run of so many, each found; 0: none
};

struct PaymentOrder {
  std::string end_to_end_id;
  std::string payer_id;
  UtcTime accepted_at{};
};

class LimitsPort {
 public:
  virtual ~LimitsPort() = default;

  // Operator. `rule` "": of all.
  virtual Result<LimitsOverview> show(const directory::Context& context, const std::string& rule, std::size_t most) = 0;
  // Operator.
  virtual Result<std::vector<limits::PolicyForecast>> forecast(const directory::Context& context,
                                                               const ForecastRequest& request) = 0;
  // Admin. Only our own buckets; those of the regulator nobody can raise. Errors: not_found (an official bucket, or no such rule).
  virtual Result<void> reset(const directory::Context& context, const std::string& key) = 0;
  // Admin. Reads the rules file again; answers how many rules there are now. Errors: invalid: the old rules stay in force.
  virtual Result<std::size_t> reload_rules(const directory::Context& context) = 0;
  // Operator. The order reached the SPI: brings the credit of its look-up. True: now; false: it had been brought before.
  // Errors: not_found "LookupUnknown".
  virtual Result<bool> report_payment_order(const directory::Context& context, const PaymentOrder& order) = 0;
};

}  // namespace chaveiro::api
