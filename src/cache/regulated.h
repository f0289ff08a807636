// cache/regulated.h
//
// What the regulator allows to be kept of the official directory's answers. The limits are not options: an option may only be stricter,
// and one that is not is refused at start, with the rule named.
//
// ForeignAnswers keeps entries of other participants: of legal persons only, at most 180 s, never longer than the answer's own
// Cache-Control. ExistenceCache keeps that a key exists: the SHA-256 of the key and two dates, at most 30 days. Neither is ever shown
// past its time, and nothing is asked anew in the background: a look-up belongs to a payer and a payment.
//
// Threads: any.
// Time:    a hit is one look into memory.
// Errors:  forbidden "RegulatorForbids", the message names the rule.
// Source:  Manual Operacional do DICT 8, sections 12 (cache of look-ups) and 16 (cache of existence); API DICT 2.6.1, getEntry.
#pragma once

#include <atomic>
#include <span>

#include "base/hash.h"
#include "cache/cache_control.h"
#include "cache/memory.h"
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

struct ExistenceOptions {
  std::size_t bytes_max = 16U << 20;   // of memory
  Micros ttl_max = existence_ttl_max;  // longest time; 0: nothing is kept
};

// Everything that may be kept of a key besides its digest.
struct ExistenceDates {
  UtcTime cached;     // when we learnt it
  UtcTime directory;  // the directory's date
  bool operator==(const ExistenceDates&) const = default;
};

// For services inside only: what it says is never shown to a user.
class ExistenceCache {
 public:
  static Result<std::unique_ptr<ExistenceCache>> make(ExistenceOptions options, const Clock& clock);

  // Learnt from a payment or a claim.
  void learn(std::string_view key, UtcTime directory_date);
  // Learnt from checkKeys: no longer than the answer's Cache-Control. True when it is kept.
  bool learn_checked(std::string_view key, UtcTime directory_date, AnswerFields fields);
  void forget(std::string_view key);
  std::optional<ExistenceDates> find(std::string_view key);
  std::size_t size() const { return memory_.stats().entries; }

 private:
  ExistenceCache(ExistenceOptions options, const Clock& clock);
  void keep(std::string_view key, UtcTime directory_date, Micros ttl);

  const ExistenceOptions options_;
  const Clock& clock_;
  Memory<Digest256, ExistenceDates> memory_;
};

}  // namespace chaveiro::cache
