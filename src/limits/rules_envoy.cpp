// The reader of rule files of envoyproxy/ratelimit.
#include <algorithm>

#include "limits/rules.h"
#include "limits/rules_read.h"

namespace chaveiro::limits {
namespace {

// Windows as those users know them; where the estimate of a sliding window cannot be counted exactly, a fixed one.
Result<Limit> limit_per(std::string_view unit, std::int64_t amount) {
  Limit limit;
  limit.amount = amount;
  limit.algorithm = Algorithm::sliding_window;
  using namespace std::chrono_literals;
  if (unit == "second")
    limit.period = 1s;
  else if (unit == "minute")
    limit.period = 1min;
  else if (unit == "hour")
    limit.period = 1h;
  else {
    TRY(limit.unit, parse_calendar_unit(unit));
    limit.algorithm = Algorithm::calendar;
  }
  if (limit.algorithm == Algorithm::sliding_window && !numbers_of(limit)) limit.algorithm = Algorithm::fixed_window;
  return limit;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

class EnvoyReader {
 public:
  Result<std::shared_ptr<const RuleSet>> read(const Yaml& root) {
    set_->paths_.emplace();
    if (reader_.is_map(root, {"domain", "descriptors"})) {
      const Yaml* domain = root.find("domain");
      if (domain == nullptr) reader_.fault(root, "`domain` is missing");
      if (domain != nullptr) set_->domain_ = reader_.text(*domain).value_or("");
      if (const Yaml* descriptors = root.find("descriptors")) level(*descriptors, *set_->paths_, "");
    }
    if (!reader_.faultless()) return std::move(reader_).error();
    return std::shared_ptr<const RuleSet>(std::move(set_));
  }

 private:
  void level(const Yaml& list, RuleSet::Level& into, const std::string& path) {
    if (list.kind == Yaml::Kind::nothing || !reader_.is_list(list)) return;
    for (const Yaml& node : list.items) descriptor(node, into, path);
  }

  void descriptor(const Yaml& node, RuleSet::Level& into, const std::string& path) {
    if (!reader_.is_map(node, {"key", "value", "rate_limit", "descriptors", "shadow_mode", "detailed_metric"})) return;
    const Yaml* key = node.find("key");
    if (key == nullptr) return reader_.fault(node, "`key` is missing");
    std::string entry = reader_.text(*key).value_or("");
    std::string value;
    if (const Yaml* it = node.find("value"); it != nullptr && it->kind != Yaml::Kind::nothing)
      value = reader_.text(*it).value_or("");
    RuleSet::Level* made = nullptr;
    bool is_new = true;
    if (value.empty()) {
      const auto [place, added] = into.any.try_emplace(entry);
      made = &place->second;
      is_new = added;
    } else if (value.back() == '*') {
      entry += "=" + value.substr(0, value.size() - 1);
      is_new =
          std::none_of(into.prefixes.begin(), into.prefixes.end(), [&](const auto& it) { return it.text == entry; });
      const auto at = std::find_if(into.prefixes.begin(), into.prefixes.end(),
                                   [&](const auto& it) { return it.text.size() < entry.size(); });
      made = &into.prefixes.insert(at, {entry, {}})->level;
    } else {
      entry += "=" + value;
      const auto [place, added] = into.exact.try_emplace(entry);
      made = &place->second;
      is_new = added;
    }
    if (!is_new) reader_.fault(node, "the same key and value stand twice on this level");
    const std::string name = path.empty() ? entry : path + "." + entry;
    if (const Yaml* it = node.find("rate_limit")) rate_limit(node, *it, *made, name);
    if (const Yaml* it = node.find("descriptors")) level(*it, *made, name);
  }

  void rate_limit(const Yaml& descriptor, const Yaml& node, RuleSet::Level& into, const std::string& name) {
    if (!reader_.is_map(node, {"unit", "requests_per_unit", "unlimited", "name", "replaces"})) return;
    Rule rule;
    rule.name = set_->domain_ + "." + name;
    if (const Yaml* it = descriptor.find("shadow_mode"))
      rule.weight = reader_.truth(*it).value_or(false) ? Weight::shadow : Weight::binding;
    const Yaml* unlimited = node.find("unlimited");
    const Yaml* unit = node.find("unit");
    const Yaml* amount = node.find("requests_per_unit");
    const bool is_unlimited = unlimited != nullptr && reader_.truth(*unlimited).value_or(false);
    if (is_unlimited && (unit != nullptr || amount != nullptr))
      return reader_.fault(node, "unlimited has neither unit nor requests_per_unit");
    if (!is_unlimited) {
      if (unit == nullptr || amount == nullptr)
        return reader_.fault(node, "needs unit and requests_per_unit, or unlimited: true");
      const auto per = reader_.text(*unit);
      const auto count = reader_.whole(*amount, 0, 0xffff'ffff);
      if (!per || !count) return;
      auto limit = limit_per(lower(*per), *count);
      if (!limit) return reader_.fault(*unit, "must be one of second, minute, hour, day, week, month, year");
      auto terms = make_terms(rule.name, *limit);
      if (!terms) return reader_.fault(node, terms.error());
      rule.terms = std::move(*terms);
    }
    into.rule = set_->rules_.size();
    set_->rules_.push_back(std::move(rule));
  }

  RuleReader reader_;
  std::shared_ptr<RuleSet> set_ = std::make_shared<RuleSet>();
};

Result<std::shared_ptr<const RuleSet>> RuleSet::read_envoy(std::string_view yaml) {
  TRY(const Yaml tree, parse_yaml(yaml));
  return EnvoyReader().read(tree);
}

}  // namespace chaveiro::limits
