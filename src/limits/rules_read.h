// limits/rules_read.h
//
// What both readers of rule files share: a tree of YAML asked for its fields, with every fault noted where it stands and reading going
// on, so that a person sees all of them at once.
//
// Errors: collected; error() makes one Error of them.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "limits/yaml.h"

namespace chaveiro::limits {

class RuleReader {
 public:
  void fault(const Yaml& where, std::string why);
  bool faultless() const { return faults_.violations.empty(); }
  Error error() &&;

  // Notes what is no map, and every key that is not among those known.
  bool is_map(const Yaml& node, std::initializer_list<std::string_view> known);
  bool is_list(const Yaml& node);

  // Each of these notes a fault and answers nothing where the text does not fit.
  std::optional<std::string> text(const Yaml& node);
  std::optional<std::int64_t> whole(const Yaml& node, std::int64_t min, std::int64_t max);
  std::optional<bool> truth(const Yaml& node);
  template <class T>
  std::optional<T> read(const Yaml& node, Result<T> (*parse)(std::string_view)) {
    const auto it = text(node);
    if (!it) return std::nullopt;
    if (auto parsed = parse(*it))
      return std::move(*parsed);
    else
      fault(node, parsed.error().message);
    return std::nullopt;
  }
  // The faults of a value that was put together from the fields of `node`; violations name the field.
  void fault(const Yaml& node, const Error& error);

 private:
  static constexpr std::size_t faults_max = 100;
  Error faults_ = fail(Code::invalid, "RulesInvalid", "");
};

}  // namespace chaveiro::limits
