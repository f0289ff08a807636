// limits/official.h
//
// The official policy engine: asks the regulator's buckets before a call leaves for the registry, and charges them by what it answered.
//
//   auto permit = engine.reserve({.call = {"getEntry", "CPF"}, .participant = "12345678", .payer_id = …, .end_to_end_id = …}, deadline);
//   if (!permit) return permit.error();              // exhausted "RateLimited": the policy, and when it will be allowed
//   … the call …
//   engine.settle(*permit, Outcome::status(404), deadline);
//
// A call is admitted when in each of its buckets balance − Σ worst cases in flight ≥ 1 whole token. Once sent and not answered in time
// it costs the worst case; never sent it costs nothing. Buckets are believed to be no fuller than the registry's under any reading of
// the documents (official_bucket.h, SilentPoints), so that a 429 is not met; where one is met all the same, the user's bucket is empty
// from then on.
//
// mirror() compares the participant's buckets with what /policies answers: where the registry has less, so have we at once; where it
// has more, only after it said so several times with nothing in flight.
//
// Threads: any number at once.
// Errors:  exhausted "RateLimited" with retry_after and the policy as violation; those of the store: official buckets are never passed
//          by because the store is away.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/uuid.h"
#include "limits/official_store.h"
#include "limits/policies.h"

namespace chaveiro::limits {

enum class Urgency : std::uint8_t {
  interactive = 1,  // a person waits
  batch,            // leaves `kept_share` of the participant's bucket to those
};

struct OfficialOptions {
  ApiVersion version = ApiVersion::v2_6_1;
  Category category = Category::h;  // of our participants: the regulator assigns it; H is the narrowest
  std::map<std::string, Category, std::less<>> categories;      // of participants that differ
  std::map<std::string, std::string, std::less<>> rolls_up_to;  // indirect participant → the one whose buckets it uses
  SilentPoints silent;
  double kept_share = 0.2;            // of a participant's bucket, for interactive calls; 0: none
  Micros settle_timeout{10'000'000};  // a call that is not settled by then costs the worst case
  Micros store_time_max{500'000};     // the longest that a call waits for the store
  int evidence = 3;                   // answers of /policies in a row that show more, before we believe it
  double headroom_alarm = 0.1;        // a participant's bucket below this share of its capacity is alarmed; 0: never
};

struct OfficialCall {
  PolicyCall call;
  std::string_view participant;    // PI-RequestingParticipant
  std::string_view payer_id = {};  // PI-PayerId; needed where a policy has a bucket for each payer
  std::string_view end_to_end_id = {};
  Urgency urgency = Urgency::interactive;
};

// What became of a call.
struct Outcome {
  enum class Kind : std::uint8_t { answered = 1, unanswered, never_sent };
  Kind kind;
  int http_status = 0;
  static Outcome status(int http_status) { return {Kind::answered, http_status}; }
  static Outcome unanswered() { return {Kind::unanswered}; }
  static Outcome never_sent() { return {Kind::never_sent}; }
};

// A reservation that was granted; hand it back to settle().
struct OfficialPermit {
  std::string id;
  std::string participant;
  std::string end_to_end_id;
  Payer payer = Payer::natural;
  std::vector<const Policy*> policies;
  std::vector<OfficialAsk> asks;  // the same order
};

// What /policies says of one bucket.
struct PolicyState {
  std::string name;
  std::int64_t available = 0;
  std::int64_t capacity = 0;
};

struct Drift {
  std::string policy;
  std::int64_t ours = 0;
  std::int64_t theirs = 0;
  bool corrected = false;
};

struct PolicyForecast {
  std::string policy;
  std::int64_t balance = 0;
  std::int64_t held = 0;
  std::int64_t capacity = 0;
  std::optional<UtcTime> allowed_at;  // nothing: never
  std::optional<UtcTime> run_ends;    // of the calls asked for; nothing: never, or none was asked for
};

class OfficialLimits {
 public:
  // `payer_names`: keys of payers are named in stores by its HMAC, never by themselves.
  OfficialLimits(OfficialOptions options, OfficialStore& store, const HmacKey& payer_names, const Clock& clock,
                 Logger log, Registry& metrics);
  ~OfficialLimits();

  Result<OfficialPermit> reserve(const OfficialCall& call, Deadline deadline);
  // Repeat-safe. Errors: not_found "ReservationUnknown", those of the store (the hold then ends by itself).
  Result<void> settle(const OfficialPermit& permit, Outcome outcome, Deadline deadline);
  // The payment order with this EndToEndId reached the SPI. True: its credit was granted now.
  // Errors: not_found "LookupUnknown".
  Result<bool> payment_order(std::string_view end_to_end_id, Deadline deadline);

  // When would this call be admitted, and when would a run of `calls` like it, each found, have been made?
  Result<std::vector<PolicyForecast>> forecast(const OfficialCall& call, std::int64_t calls, Deadline deadline);
  // All participant buckets of one participant.
  Result<std::vector<PolicyForecast>> show(std::string_view participant, Deadline deadline);

  // begin_mirror() before /policies is asked, mirror() with its answer.
  struct Probe {
    std::string participant;
    std::map<std::string, OfficialView> before;  // by policy
  };
  Result<Probe> begin_mirror(std::string_view participant, Deadline deadline);
  Result<std::vector<Drift>> mirror(const Probe& probe, const std::vector<PolicyState>& answer, Deadline deadline);

  // A reload: from now on these categories. Balances are kept, at most the new capacity.
  void set_categories(Category category, std::map<std::string, Category, std::less<>> categories);

 private:
  struct Evidence {
    int seen = 0;
    std::int64_t least = 0;
  };
  struct Categories {
    Category everybody;
    std::map<std::string, Category, std::less<>> special;
  };

  Result<OfficialPermit> prepare(const OfficialCall& call);
  Error refused(const OfficialPermit& permit, const std::vector<OfficialView>& views, Deadline deadline);
  OfficialAsk participant_ask(const Policy& policy, std::string_view participant) const;
  Category category_of(std::string_view participant) const;
  std::string_view owner_of(std::string_view participant) const;
  void show_tokens(const OfficialPermit& permit, const std::vector<OfficialView>& views);
  UtcTime wall(std::int64_t bucket_time, std::int64_t bucket_now) const;

  const OfficialOptions options_;
  OfficialStore& store_;
  const HmacKey payer_names_;
  UuidV7 ids_;  // the time in them tells a late settle from an unknown one
  const Clock& clock_;
  const Logger log_;
  Registry& metrics_;
  Guarded<Categories> categories_;
  Guarded<std::map<std::string, Evidence>> evidence_;  // by bucket
  Guarded<std::set<std::string>> low_;                 // buckets below headroom_alarm, told once
};

}  // namespace chaveiro::limits
