#include "limits/rules.h"

#include <algorithm>

#include "base/encoding.h"
#include "base/hash.h"

namespace chaveiro::limits {
namespace {

constexpr std::size_t value_bytes_max = 128;  // longer ones stand in a key by their SHA-256

std::optional<std::string_view> value_of(const Descriptor& descriptor, std::string_view key) {
  for (const auto& [name, value] : descriptor)
    if (name == key) return value;
  return std::nullopt;
}

void append_value(std::string& key, std::string_view value) {
  key += '|';
  if (value.size() > value_bytes_max) {
    key += "sha256:" + to_hex(sha256(value));
    return;
  }
  for (const char c : value) {
    if (c == '|' || c == '\\') key += '\\';
    key += c;
  }
}

bool holds(const Rule::Match& match, const Descriptor& descriptor) {
  const auto value = value_of(descriptor, match.key);
  return value && std::find(match.values.begin(), match.values.end(), *value) != match.values.end();
}

}  // namespace

std::string_view to_string(WithoutStore without) {
  return without == WithoutStore::deny ? "deny" : without == WithoutStore::allow ? "allow" : "share";
}

std::string bucket_key(std::string_view rule, const std::vector<std::string_view>& values) {
  std::string key(rule);
  for (const std::string_view value : values) append_value(key, value);
  return key;
}

Result<std::shared_ptr<const RuleSet>> RuleSet::of(std::vector<Rule> rules) {
  auto set = std::make_shared<RuleSet>();
  set->rules_ = std::move(rules);
  return std::shared_ptr<const RuleSet>(std::move(set));
}

bool RuleSet::applies(const Rule& rule, const Descriptor& descriptor) const {
  return std::all_of(rule.match.begin(), rule.match.end(), [&](const auto& it) { return holds(it, descriptor); }) &&
         std::all_of(rule.per.begin(), rule.per.end(), [&](const auto& key) { return value_of(descriptor, key); });
}

std::vector<Applied> RuleSet::match(const Descriptor& descriptor) const {
  std::vector<Applied> found;
  if (paths_) {
    match_path(descriptor, found);
    return found;
  }
  std::vector<const Rule*> applying;
  for (const Rule& rule : rules_)
    if (applies(rule, descriptor)) applying.push_back(&rule);
  for (const Rule* rule : applying) {
    const bool outranked = std::any_of(applying.begin(), applying.end(), [&](const Rule* other) {
      return other->per == rule->per && other->priority > rule->priority;
    });
    if (outranked) continue;
    Applied applied{rule, rule->terms.get(), rule->name};
    for (const std::string& key : rule->per) append_value(applied.key, *value_of(descriptor, key));
    for (const Rule::Override& special : rule->overrides) {
      if (!std::all_of(special.match.begin(), special.match.end(),
                       [&](const auto& it) { return holds(it, descriptor); }))
        continue;
      applied.terms = special.terms.get();
      break;
    }
    found.push_back(std::move(applied));
  }
  return found;
}

void RuleSet::match_path(const Descriptor& descriptor, std::vector<Applied>& found) const {
  const Level* level = &*paths_;
  std::string key;
  std::string entry;
  for (const auto& [name, value] : descriptor) {
    entry.assign(name).append("=").append(value);
    const Level* next = nullptr;
    if (const auto exact = level->exact.find(entry); exact != level->exact.end()) next = &exact->second;
    for (const auto& [prefix, its_level] : level->prefixes)
      if (next == nullptr && entry.starts_with(prefix)) next = &its_level;
    if (next == nullptr)
      if (const auto any = level->any.find(name); any != level->any.end()) next = &any->second;
    if (next == nullptr) return;
    level = next;
    append_value(key, entry);
  }
  if (!level->rule) return;
  const Rule& rule = rules_[*level->rule];
  found.push_back({&rule, rule.terms.get(), rule.name + key});
}

}  // namespace chaveiro::limits
