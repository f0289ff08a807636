#include "cache/regulated.h"

#include <algorithm>

namespace chaveiro::cache {
namespace {

constexpr std::string_view look_ups = "Manual Operacional do DICT, section 12";
constexpr std::string_view existence = "Manual Operacional do DICT, section 16";
constexpr std::string_view get_entry = "API DICT 2.6.1, getEntry";

constexpr RuleText rules[] = {
    {Rule::foreign_ttl, "foreign_ttl", look_ups,
     "an answer is kept at most 180 seconds, and never beyond its Cache-Control"},
    {Rule::foreign_owner, "foreign_owner", look_ups, "only keys of legal persons are kept"},
    {Rule::foreign_stale, "foreign_stale", look_ups,
     "an answer is not shown past its time, also when the directory is away"},
    {Rule::foreign_absence, "foreign_absence", look_ups,
     "that there is no such key is not kept: no legal person owns it"},
    {Rule::foreign_ahead, "foreign_ahead", get_entry,
     "nothing is asked ahead of need: each look-up names a payer and a payment"},
    {Rule::existence_ttl, "existence_ttl", existence,
     "that a key exists is kept as SHA-256 and two dates, at most 30 days, and never beyond the Cache-Control of "
     "checkKeys"},
};

Error forbids(Rule rule, std::string_view option) {
  const RuleText& it = *std::ranges::find(rules, rule, &RuleText::rule);
  return fail(Code::forbidden, "RegulatorForbids",
              std::string(option) + ": " + std::string(it.text) + " (rule " + std::string(it.name) + ", " +
                  std::string(it.section) + ")");
}

}  // namespace

std::span<const RuleText> regulator_rules() { return rules; }

Result<void> check_foreign(const TieredOptions& options) {
  if (options.ttl > foreign_ttl_max) return forbids(Rule::foreign_ttl, "ttl");
  if (options.fail_safe > Micros{0}) return forbids(Rule::foreign_stale, "fail_safe");
  if (options.soft_timeout > Micros{0}) return forbids(Rule::foreign_stale, "soft_timeout");
  if (options.negative_ttl > Micros{0}) return forbids(Rule::foreign_absence, "negative_ttl");
  if (options.failure_ttl > Micros{0}) return forbids(Rule::foreign_absence, "failure_ttl");
  if (options.eager_refresh > 0) return forbids(Rule::foreign_ahead, "eager_refresh");
  if (options.early_refresh > 0) return forbids(Rule::foreign_ahead, "early_refresh");
  return {};
}

Micros foreign_keep(OwnerKind owner, AnswerFields fields, Micros own_max) {
  if (owner != OwnerKind::legal_person) return Micros{0};
  return std::min({CacheControl::parse(fields.cache_control).fresh_for(fields.age), own_max, foreign_ttl_max});
}

Result<std::unique_ptr<ExistenceCache>> ExistenceCache::make(ExistenceOptions options, const Clock& clock) {
  if (options.ttl_max > existence_ttl_max) return forbids(Rule::existence_ttl, "ttl_max");
  if (options.ttl_max < Micros{0}) return fail_field("ttl_max", "not negative", "CacheOptions");
  return std::unique_ptr<ExistenceCache>(new ExistenceCache(options, clock));
}

ExistenceCache::ExistenceCache(ExistenceOptions options, const Clock& clock)
    : options_(options),
      clock_(clock),
      memory_({.bytes = std::max<std::size_t>(options.bytes_max, 64U << 10), .ttl = existence_ttl_max, .jitter = 0},
              clock) {}

void ExistenceCache::keep(std::string_view key, UtcTime directory_date, Micros ttl) {
  memory_.tick();
  const Digest256 digest = sha256(key);
  // The memory level counts in steps of 10 ms: a shorter rest is nothing.
  if (ttl < std::chrono::milliseconds{10})
    memory_.remove(digest);
  else
    memory_.put(digest, ExistenceDates{clock_.now(), directory_date}, {.ttl = ttl});
}

void ExistenceCache::learn(std::string_view key, UtcTime directory_date) {
  keep(key, directory_date, options_.ttl_max);
}

bool ExistenceCache::learn_checked(std::string_view key, UtcTime directory_date, AnswerFields fields) {
  const Micros ttl = std::min(CacheControl::parse(fields.cache_control).fresh_for(fields.age), options_.ttl_max);
  keep(key, directory_date, ttl);
  return ttl > Micros{0};
}

void ExistenceCache::forget(std::string_view key) { memory_.remove(sha256(key)); }

std::optional<ExistenceDates> ExistenceCache::find(std::string_view key) {
  memory_.tick();
  return memory_.get(sha256(key));
}

}  // namespace chaveiro::cache
