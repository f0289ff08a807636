// limits/abuse.h
//
// Who scans? The monitor of look-ups that the manual asks of every participant: over the last 24 hours, for each participant and each end
// user, how many look-ups were answered, how many found nobody, and how many were followed by a payment order. It alarms once when a
// threshold is crossed and again only after it was left; on request it tightens: a suspected user is refused.
//
// Also the ration of checkKeys: 300 keys a day and user are recommended, more than 1,000 are refused.
//
// Users are named as the caller names them: hand in hashes, never tax ids. Memory is bounded; a user about whom nothing happened for 24
// hours is forgotten.
//
// Threads: any number at once.
// Time:    O(1) a call; the 24 hours are 24 past hours and the one that runs, so never less than a day is looked at.
// Source:  Manual Operacional do DICT 8, section 13.2.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.h"
#include "base/metrics.h"
#include "base/result.h"

namespace chaveiro::limits {

enum class Tighten : std::uint8_t { no = 1, yes };

struct AbuseOptions {
  double look_ups_per_order = 2.0;       // from here on it is suspicious; 0: not looked at
  double not_found_participant = 0.07;   // more than this share of answers 404; 0: not looked at
  double not_found_user = 0.20;          // the same for a user
  std::int64_t user_look_ups_min = 100;  // a user with fewer within 24 h is not judged
  std::int64_t participant_look_ups_min = 100;
  std::int64_t keys_warned = 300;   // of checkKeys, a user and day
  std::int64_t keys_max = 1'000;    // above: refused
  std::size_t users_max = 200'000;  // about 700 bytes each; further ones are not watched, and counted
  Tighten tighten = Tighten::no;    // yes: a user whose 404 share is over the threshold is refused
};

enum class Suspicion : std::uint8_t { many_not_found = 1, few_orders, many_keys };
std::string_view to_string(Suspicion suspicion);

struct AbuseFigures {
  std::string subject;
  bool is_participant = false;
  std::int64_t found = 0;
  std::int64_t not_found = 0;
  std::int64_t orders = 0;
  std::int64_t keys_checked = 0;
  std::vector<Suspicion> suspicions;
};

class AbuseMonitor {
 public:
  AbuseMonitor(AbuseOptions options, const Clock& clock, Registry& metrics);
  ~AbuseMonitor();

  // A look-up was answered by the registry: 200 or 404; others say nothing. Answers what became suspicious now.
  std::vector<Suspicion> looked_up(std::string_view participant, std::string_view user, int http_status);
  void payment_order(std::string_view participant, std::string_view user);
  // May this user look up now? Errors: forbidden "ScanSuspected", only where Tighten::yes.
  Result<void> admit(std::string_view user);
  // May `keys` more be checked? Answers whether the recommended number is passed. Errors: exhausted "KeysCheckLimitExceeded".
  Result<bool> check_keys(std::string_view user, std::int64_t keys);

  // Participants first, then users, the most suspicious first; at most `most`.
  std::vector<AbuseFigures> report(std::size_t most) const;

 private:
  struct Contents;
  struct Subject;
  Subject* user(Contents& contents, std::string_view name);
  std::int64_t hour() const;
  std::vector<Suspicion> judge(Subject& subject, bool is_participant);

  const AbuseOptions options_;
  const Clock& clock_;
  Registry& metrics_;
  Counter& unwatched_;
  std::unique_ptr<Guarded<Contents>> contents_;
};

}  // namespace chaveiro::limits
