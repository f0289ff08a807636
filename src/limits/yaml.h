// limits/yaml.h
//
// YAML as a tree that knows where everything stood, read with bounds: so many bytes, so deep, so many nodes. Anchors and aliases are
// refused, so that ten lines cannot become a billion; a key that stands twice in a map is refused too.
//
// Threads: values.
// Errors:  invalid, one violation, whose field is "line L, column C".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace chaveiro::limits {

struct YamlBounds {
  std::size_t bytes_max = 1 << 20;
  std::size_t depth_max = 24;
  std::size_t nodes_max = 200'000;
};

struct YamlPlace {
  int line = 0;  // from 1
  int column = 0;
};
std::string to_string(YamlPlace place);  // "line 3, column 7"

struct Yaml {
  enum class Kind : std::uint8_t { nothing, scalar, list, map };
  Kind kind = Kind::nothing;
  YamlPlace place;
  std::string text;         // of a scalar
  std::vector<Yaml> items;  // of a list; of a map: key, value, key, value, …

  const Yaml* find(std::string_view key) const;  // of a map; null where there is none
};

// One document; what follows it is refused.
Result<Yaml> parse_yaml(std::string_view text, YamlBounds bounds = {});

}  // namespace chaveiro::limits
