// The reader of our own form of rules.
#include <algorithm>
#include <set>

#include "limits/policies.h"
#include "limits/rules.h"
#include "limits/rules_read.h"

namespace chaveiro::limits {
namespace {

constexpr std::int64_t amount_max = units_max;

Result<WithoutStore> parse_without_store(std::string_view text) {
  for (const auto known : {WithoutStore::deny, WithoutStore::allow, WithoutStore::share})
    if (to_string(known) == text) return known;
  return fail(Code::invalid, "BadRequest", "must be one of deny, allow, share");
}
Result<std::shared_ptr<const Zone>> parse_zone(std::string_view text) { return Zone::find(text); }

bool usable_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  });
}

bool leasable(Algorithm algorithm) { return algorithm == Algorithm::token_bucket || algorithm == Algorithm::gcra; }

class OwnReader {
 public:
  Result<std::vector<Rule>> read(const Yaml& root) {
    if (reader_.is_map(root, {"version", "rules"})) {
      if (const Yaml* version = root.find("version")) reader_.whole(*version, 1, 1);
      const Yaml* rules = root.find("rules");
      if (rules == nullptr) reader_.fault(root, "`rules` is missing");
      if (rules != nullptr && rules->kind != Yaml::Kind::nothing && reader_.is_list(*rules))
        for (const Yaml& node : rules->items) rule(node);
    }
    if (!reader_.faultless()) return std::move(reader_).error();
    return std::move(rules_);
  }

 private:
  void rule(const Yaml& node) {
    if (!reader_.is_map(node, {"name", "match", "per", "limit", "unlimited", "cost", "shadow", "priority", "on_change",
                               "without_store", "lease", "overrides"}))
      return;
    Rule made;
    name(node, made);
    if (const Yaml* it = node.find("match")) made.match = matches(*it);
    if (const Yaml* it = node.find("per"))
      if (reader_.is_list(*it))
        for (const Yaml& key : it->items) made.per.push_back(reader_.text(key).value_or(""));
    if (const Yaml* it = node.find("cost")) made.cost = reader_.whole(*it, 0, amount_max).value_or(1);
    if (const Yaml* it = node.find("priority")) made.priority = reader_.whole(*it, -1000, 1000).value_or(0);
    if (const Yaml* it = node.find("shadow"))
      made.weight = reader_.truth(*it).value_or(false) ? Weight::shadow : Weight::binding;
    made.without_store = WithoutStore::share;  // no more than the limit, and nobody is refused for a store that is away
    if (const Yaml* it = node.find("without_store"))
      made.without_store = reader_.read(*it, parse_without_store).value_or(WithoutStore::deny);
    if (made.without_store == WithoutStore::allow && find_policy(made.name) != nullptr)
      reader_.fault(*node.find("without_store"),
                    made.name + " is a policy of the regulator: it is never passed by while the store is away");
    if (const Yaml* it = node.find("lease")) made.lease = reader_.truth(*it).value_or(false) ? Lease::yes : Lease::no;
    OnChange change = OnChange::as_is;
    if (const Yaml* it = node.find("on_change")) change = reader_.read(*it, parse_on_change).value_or(change);
    made.terms = terms(node, made, change);
    if (made.lease == Lease::yes && made.terms && !leasable(made.terms->limit.algorithm))
      reader_.fault(*node.find("lease"), "only token_bucket and gcra can be leased");
    if (const Yaml* it = node.find("overrides"))
      if (reader_.is_list(*it))
        for (const Yaml& special : it->items) one_override(special, made, change);
    rules_.push_back(std::move(made));
  }

  void name(const Yaml& node, Rule& made) {
    const Yaml* it = node.find("name");
    if (it == nullptr) return reader_.fault(node, "`name` is missing");
    made.name = reader_.text(*it).value_or("");
    if (!usable_name(made.name)) reader_.fault(*it, "must be 1 to 64 of A-Z a-z 0-9 _ - .");
    if (!names_.insert(made.name).second) reader_.fault(*it, "is the name of another rule");
  }

  std::vector<Rule::Match> matches(const Yaml& node) {
    std::vector<Rule::Match> made;
    if (!reader_.is_map(node, {})) return made;
    for (std::size_t i = 0; i + 1 < node.items.size(); i += 2) {
      Rule::Match match{node.items[i].text, {}};
      const Yaml& value = node.items[i + 1];
      if (value.kind == Yaml::Kind::list) {
        for (const Yaml& one : value.items) match.values.push_back(reader_.text(one).value_or(""));
        if (value.items.empty()) reader_.fault(value, "must hold at least one value");
      } else {
        match.values.push_back(reader_.text(value).value_or(""));
      }
      made.push_back(std::move(match));
    }
    return made;
  }

  void one_override(const Yaml& node, Rule& made, OnChange change) {
    if (!reader_.is_map(node, {"match", "limit", "unlimited"})) return;
    Rule::Override special;
    const Yaml* match = node.find("match");
    if (match == nullptr) return reader_.fault(node, "`match` is missing");
    special.match = matches(*match);
    for (const Rule::Match& it : special.match)
      if (std::find(made.per.begin(), made.per.end(), it.key) == made.per.end())
        reader_.fault(*match, "`" + it.key + "` is not one of the rule's `per`");
    special.terms = terms(node, made, change);
    made.overrides.push_back(std::move(special));
  }

  // The terms of a node with `limit` or `unlimited`; null for the latter, and where there was a fault.
  std::shared_ptr<const Terms> terms(const Yaml& node, const Rule& rule, OnChange change) {
    const Yaml* unlimited = node.find("unlimited");
    const Yaml* limit_node = node.find("limit");
    if (unlimited != nullptr && !reader_.truth(*unlimited).value_or(true)) unlimited = nullptr;
    if ((unlimited != nullptr) == (limit_node != nullptr)) {
      reader_.fault(node, "must have either `limit` or `unlimited: true`");
      return nullptr;
    }
    if (limit_node == nullptr) return nullptr;
    const auto limit = limit_of(*limit_node);
    if (!limit) return nullptr;
    auto made = make_terms(rule.name, *limit, change, rule.lease);
    if (made) return std::move(*made);
    reader_.fault(*limit_node, made.error());
    return nullptr;
  }

  std::optional<Limit> limit_of(const Yaml& node) {
    if (!reader_.is_map(node, {"algorithm", "amount", "period", "burst", "calendar", "zone"})) return std::nullopt;
    Limit limit;
    if (const Yaml* it = node.find("algorithm"))
      limit.algorithm = reader_.read(*it, parse_algorithm).value_or(limit.algorithm);
    const Yaml* amount = node.find("amount");
    if (amount == nullptr) reader_.fault(node, "`amount` is missing");
    if (amount != nullptr) limit.amount = reader_.whole(*amount, 0, amount_max).value_or(0);
    if (const Yaml* it = node.find("burst")) {
      limit.burst = reader_.whole(*it, 1, amount_max).value_or(1);
      if (limit.algorithm != Algorithm::token_bucket && limit.algorithm != Algorithm::gcra)
        reader_.fault(*it, "only token_bucket and gcra have a burst");
    }
    const bool calendar = limit.algorithm == Algorithm::calendar;
    if (const Yaml* it = node.find("period")) {
      limit.period = reader_.read(*it, parse_duration).value_or(limit.period);
      if (calendar) reader_.fault(*it, "a calendar limit has `calendar`, not `period`");
    } else if (!calendar) {
      reader_.fault(node, "`period` is missing");
    }
    for (const std::string_view key : {"calendar", "zone"})
      if (const Yaml* it = node.find(key); it != nullptr && !calendar)
        reader_.fault(*it, "only algorithm: calendar has this");
    if (const Yaml* it = node.find("calendar")) {
      limit.unit = reader_.read(*it, parse_calendar_unit).value_or(limit.unit);
    } else if (calendar) {
      reader_.fault(node, "`calendar` (hour, day, week, month, year) is missing");
    }
    if (const Yaml* it = node.find("zone")) limit.zone = reader_.read(*it, parse_zone).value_or(Zone::utc());
    return limit;
  }

  RuleReader reader_;
  std::vector<Rule> rules_;
  std::set<std::string> names_;
};

}  // namespace

Result<std::shared_ptr<const RuleSet>> RuleSet::read(std::string_view yaml) {
  TRY(const Yaml tree, parse_yaml(yaml));
  TRY(std::vector<Rule> rules, OwnReader().read(tree));
  return of(std::move(rules));
}

}  // namespace chaveiro::limits
