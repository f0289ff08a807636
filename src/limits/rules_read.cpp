#include "limits/rules_read.h"

#include <algorithm>

#include "base/text.h"

namespace chaveiro::limits {

void RuleReader::fault(const Yaml& where, std::string why) {
  if (faults_.violations.size() < faults_max) faults_.violations.push_back({to_string(where.place), std::move(why)});
}

void RuleReader::fault(const Yaml& node, const Error& error) {
  if (error.violations.empty()) fault(node, error.message);
  for (const FieldViolation& violation : error.violations) {
    const Yaml* field = node.find(violation.field);
    fault(field != nullptr ? *field : node, violation.field + " " + violation.description);
  }
}

Error RuleReader::error() && {
  faults_.message = std::to_string(faults_.violations.size()) + " faults in the rules";
  if (!faults_.violations.empty())
    faults_.message += ", the first at " + faults_.violations[0].field + ": " + faults_.violations[0].description;
  return std::move(faults_);
}

bool RuleReader::is_map(const Yaml& node, std::initializer_list<std::string_view> known) {
  if (node.kind != Yaml::Kind::map) {
    fault(node, "must be a map");
    return false;
  }
  for (std::size_t i = 0; i + 1 < node.items.size(); i += 2)
    if (known.size() > 0 && std::find(known.begin(), known.end(), node.items[i].text) == known.end())
      fault(node.items[i], "is not known here");
  return true;
}

bool RuleReader::is_list(const Yaml& node) {
  if (node.kind != Yaml::Kind::list) fault(node, "must be a list");
  return node.kind == Yaml::Kind::list;
}

std::optional<std::string> RuleReader::text(const Yaml& node) {
  if (node.kind != Yaml::Kind::scalar) {
    fault(node, "must be a single value");
    return std::nullopt;
  }
  if (node.text.size() > 256 || !valid_utf8(node.text)) {
    fault(node, "must be at most 256 bytes of UTF-8");
    return std::nullopt;
  }
  return node.text;
}

std::optional<std::int64_t> RuleReader::whole(const Yaml& node, std::int64_t min, std::int64_t max) {
  const auto it = text(node);
  if (!it) return std::nullopt;
  if (auto number = parse_int(*it, min, max))
    return *number;
  else
    fault(node, number.error().message);
  return std::nullopt;
}

std::optional<bool> RuleReader::truth(const Yaml& node) {
  const auto it = text(node);
  if (!it) return std::nullopt;
  if (*it == "true" || *it == "false") return *it == "true";
  fault(node, "must be true or false");
  return std::nullopt;
}

}  // namespace chaveiro::limits
