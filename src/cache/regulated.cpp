#include "cache/regulated.h"

#include <algorithm>
#include <map>

#include "base/encoding.h"
#include "base/hash.h"

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

// In the levels, where people may look at them.
std::string written(const ExistenceDates& dates) {
  return to_rfc3339(dates.cached) + " " + to_rfc3339(dates.directory);
}
std::optional<ExistenceDates> read(std::string_view text) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto cached = parse_rfc3339(text.substr(0, space)), directory = parse_rfc3339(text.substr(space + 1));
  if (!cached || !directory) return std::nullopt;
  return ExistenceDates{*cached, *directory};
}

// In memory: two moments in microseconds, little-endian.
std::string packed(const ExistenceDates& dates) {
  std::string bytes;
  for (const UtcTime date : {dates.cached, dates.directory}) {
    auto left = static_cast<std::uint64_t>(date.time_since_epoch().count());
    for (int i = 0; i < 8; ++i, left >>= 8) bytes.push_back(static_cast<char>(left & 0xFF));
  }
  return bytes;
}
std::optional<ExistenceDates> unpacked(std::string_view bytes) {
  if (bytes.size() != 16) return std::nullopt;
  const auto date = [&](std::size_t from) {
    std::uint64_t value = 0;
    for (std::size_t i = from + 8; i-- > from;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return UtcTime{Micros{static_cast<std::int64_t>(value)}};
  };
  return ExistenceDates{date(0), date(8)};
}

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

Result<void> check_existence(const TieredOptions& options) {
  if (options.ttl > existence_ttl_max) return forbids(Rule::existence_ttl, "ttl");
  if (options.fail_safe > Micros{0}) return forbids(Rule::existence_ttl, "fail_safe");
  if (options.soft_timeout > Micros{0}) return forbids(Rule::existence_ttl, "soft_timeout");
  return {};
}

Result<std::unique_ptr<ExistenceCache>> ExistenceCache::make(TieredOptions options, TieredParts<ExistenceDates> parts) {
  TRY_VOID(check_existence(options));
  parts.loader = {};
  parts.values = {.encode = written, .decode = read, .bytes = {}};
  parts.packing = {.pack = [](const ExistenceDates& dates, std::string& out) { out += packed(dates); },
                   .unpack =
                       [](std::string_view bytes) {
                         return std::make_shared<const ExistenceDates>(unpacked(bytes).value_or(ExistenceDates{}));
                       }};
  const Clock& clock = parts.clock;
  TRY(auto cache, Tiered<ExistenceDates>::make(std::move(options), std::move(parts)));
  return std::unique_ptr<ExistenceCache>(new ExistenceCache(std::move(cache), clock));
}

std::string ExistenceCache::name_of(std::string_view key) { return "dict:existence:" + to_hex(sha256(key)); }

void ExistenceCache::learn(std::string_view key, UtcTime directory_date, Deadline deadline) {
  (void)cache_->put(name_of(key), ExistenceDates{clock_.now(), directory_date}, {}, deadline);
}

bool ExistenceCache::learn_checked(std::string_view key, UtcTime directory_date, AnswerFields fields,
                                   Deadline deadline) {
  const Micros ttl = std::min(CacheControl::parse(fields.cache_control).fresh_for(fields.age), cache_->options().ttl);
  if (ttl <= Micros{0}) return false;
  const std::string name = name_of(key);
  if (const auto known = cache_->get(name, deadline); known && known->found() && known->fresh_left >= ttl) return true;
  (void)cache_->put(name, ExistenceDates{clock_.now(), directory_date}, {.ttl = ttl}, deadline);
  return true;
}

void ExistenceCache::forget(std::string_view key, Deadline deadline) {
  (void)cache_->invalidate(name_of(key), 0, deadline);
}

std::optional<ExistenceDates> ExistenceCache::peek(std::string_view key) {
  const auto answer = cache_->peek(name_of(key));
  return answer && answer->found() ? std::optional(*answer->value) : std::nullopt;
}

Result<std::optional<ExistenceDates>> ExistenceCache::find(std::string_view key, Deadline deadline) {
  TRY(const auto answer, cache_->get(name_of(key), deadline));
  return answer.found() ? std::optional(*answer.value) : std::nullopt;
}

Result<std::vector<bool>> ExistenceCache::check(std::span<const std::string_view> keys, const Ask& ask,
                                                Deadline deadline) {
  std::vector<std::string> names(keys.size());
  std::map<std::string_view, std::size_t> places;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    names[i] = name_of(keys[i]);
    places.emplace(names[i], i);
  }
  using Dates = Loaded<ExistenceDates>;
  const ManyLoader<ExistenceDates> loader = [&](std::span<const std::string> missing,
                                                Deadline until) -> Result<std::vector<Result<Dates>>> {
    std::vector<std::size_t> asked;
    for (const std::string& name : missing) asked.push_back(places.at(name));
    TRY(const ExistenceAnswer answer, ask(asked, until));
    if (answer.there.size() != asked.size())
      return fail(Code::corrupt, "CheckMiscounts", "checkKeys did not answer for each key");
    const Micros ttl = std::min(CacheControl::parse(answer.cache_control).fresh_for(answer.age), cache_->options().ttl);
    std::vector<Result<Dates>> all;
    for (const bool there : answer.there) {
      Dates one = there ? Dates::of(ExistenceDates{clock_.now(), answer.directory_date}) : Dates::nothing();
      one.ttl = there ? ttl : Micros{0};
      all.emplace_back(std::move(one));
    }
    return all;
  };
  std::vector<bool> there;
  for (auto& outcome : cache_->get_or_load_many(names, loader, deadline)) {
    if (!outcome) return std::move(outcome).error();
    there.push_back(outcome->found());
  }
  return there;
}

}  // namespace chaveiro::cache
