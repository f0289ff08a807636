// cache/regulated.h
//
// What the regulator allows to be kept of the official directory's answers. The limits are not options: an option may only be stricter,
// and one that is not is refused at start, with the rule named.
//
// ForeignAnswers keeps entries of other participants: of legal persons only, at most 180 s, never longer than the answer's own
// Cache-Control. ExistenceCache keeps that a key exists: the SHA-256 of the key and two dates, at most 30 days. Neither is ever shown
// past its time, and nothing is asked anew in the background: a look-up belongs to a payer and a payment.
//
// What another node or an earlier run learnt is in the slower levels, in the same form.
//
// Threads: any.
// Time:    a hit is one look into memory.
// Errors:  forbidden "RegulatorForbids", the message names the rule.
// Source:  Manual Operacional do DICT 8, sections 12 (cache of look-ups) and 16 (cache of existence); API DICT 2.6.1, getEntry.
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "cache/cache_control.h"
#include "cache/tiered.h"

namespace chaveiro::cache {

enum class Rule : std::uint8_t {
  foreign_ttl,      // at most 180 s
  foreign_owner,    // legal persons only
  foreign_stale,    // never past its time
  foreign_absence,  // what has no owner that is a legal person is not kept
  foreign_ahead,    // no look-up without a payer and a payment
  existence_ttl,    // at most 30 days
};
struct RuleText {
  Rule rule;
  std::string_view name;     // "foreign_ttl"
  std::string_view section;  // "Manual Operacional do DICT, section 12"
  std::string_view text;
};
std::span<const RuleText> regulator_rules();

inline constexpr Micros foreign_ttl_max = std::chrono::seconds{180};
inline constexpr Micros existence_ttl_max = std::chrono::hours{24 * 30};

// Whether these options lie within the rules.
Result<void> check_foreign(const TieredOptions& options);
Result<void> check_existence(const TieredOptions& options);

enum class OwnerKind : std::uint8_t { natural_person, legal_person };

// What came with the official answer.
struct AnswerFields {
  std::string_view cache_control;  // empty: there was none
  std::chrono::seconds age{0};     // Age field
};

// How long an answer may be kept; zero: not at all. `own_max` is the option, within the rules.
Micros foreign_keep(OwnerKind owner, AnswerFields fields, Micros own_max);

template <class V>
class ForeignAnswers {
 public:
  // options.ttl is the longest time that we want; the default, 5 min, is refused like any other above 180 s.
  static Result<std::unique_ptr<ForeignAnswers>> make(TieredOptions options, TieredParts<V> parts) {
    TRY_VOID(check_foreign(options));
    parts.loader = {};
    TRY(auto cache, Tiered<V>::make(std::move(options), std::move(parts)));
    return std::unique_ptr<ForeignAnswers>(new ForeignAnswers(std::move(cache)));
  }

  std::optional<Answer<V>> peek(std::string_view key) { return cache_->peek(key); }
  Result<Answer<V>> get(std::string_view key, Deadline deadline) { return cache_->get(key, deadline); }
  // Keeps the answer as long as the rules allow, or makes the cache forget what it held: true when it is kept.
  bool keep(std::string_view key, std::shared_ptr<const V> value, OwnerKind owner, AnswerFields fields,
            Deadline deadline) {
    const Micros ttl = foreign_keep(owner, fields, cache_->options().ttl);
    (void)cache_->put(key, std::move(value), {.ttl = ttl}, deadline);
    return ttl > Micros{0};
  }
  void forget(std::string_view key, Deadline deadline) { (void)cache_->invalidate(key, 0, deadline); }
  // As Tiered's.
  void tick() { cache_->tick(); }
  Administered& administered() { return *cache_; }

 private:
  explicit ForeignAnswers(std::unique_ptr<Tiered<V>> cache) : cache_(std::move(cache)) {}
  const std::unique_ptr<Tiered<V>> cache_;
};

// Everything that may be kept of a key besides its digest.
struct ExistenceDates {
  UtcTime cached;     // when we learnt it
  UtcTime directory;  // the directory's date
  bool operator==(const ExistenceDates&) const = default;
};

// What checkKeys said.
struct ExistenceAnswer {
  std::vector<bool> there;  // one for each key that was asked for
  UtcTime directory_date;
  std::string cache_control;  // empty: there was none, and nothing is kept
  std::chrono::seconds age{0};
};

// For services inside only: what it says is never shown to a user.
class ExistenceCache {
 public:
  // options.ttl is the longest time that we want, at most 30 days. What memory keeps is bounded by options.l1 as anywhere.
  static Result<std::unique_ptr<ExistenceCache>> make(TieredOptions options, TieredParts<ExistenceDates> parts);

  // Learnt from a payment or a claim.
  void learn(std::string_view key, UtcTime directory_date, Deadline deadline);
  // Learnt from checkKeys: no longer than the answer's Cache-Control. What is known for longer stays known. True when it is kept.
  bool learn_checked(std::string_view key, UtcTime directory_date, AnswerFields fields, Deadline deadline);
  void forget(std::string_view key, Deadline deadline);
  // Memory only; never waits.
  std::optional<ExistenceDates> peek(std::string_view key);
  Result<std::optional<ExistenceDates>> find(std::string_view key, Deadline deadline);

  // Which of these keys exist: `ask` is called at most once, with the places of those that are not known to; what it says is learnt.
  using Ask = std::function<Result<ExistenceAnswer>(std::span<const std::size_t> places, Deadline deadline)>;
  Result<std::vector<bool>> check(std::span<const std::string_view> keys, const Ask& ask, Deadline deadline);

  // "dict:existence:" and the SHA-256 of the key, in hexadecimal.
  static std::string name_of(std::string_view key);
  void tick() { cache_->tick(); }
  bool settle(Deadline deadline) { return cache_->settle(deadline); }
  Administered& administered() { return *cache_; }

 private:
  ExistenceCache(std::unique_ptr<Tiered<ExistenceDates>> cache, const Clock& clock)
      : cache_(std::move(cache)), clock_(clock) {}

  const std::unique_ptr<Tiered<ExistenceDates>> cache_;
  const Clock& clock_;
};

}  // namespace chaveiro::cache
