// directory/names.h
//
// Values of an enumeration and the official texts for them, as one table that is read in both directions.
//
// Threads: pure functions. Time: O(entries of the table), which are few.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace chaveiro::directory {

template <class Value, std::size_t N>
using Names = std::array<std::pair<Value, std::string_view>, N>;

// Every value of the enumeration must stand in the table.
template <class Value, std::size_t N>
constexpr std::string_view name_of(const Names<Value, N>& names, Value value) {
  for (const auto& [known, name] : names) {
    if (known == value) return name;
  }
  CHECK(!"a value without a name");
  return {};
}

// The text exactly as it stands in the table; upper and lower case differ.
template <class Value, std::size_t N>
constexpr std::optional<Value> value_of(const Names<Value, N>& names, std::string_view text) {
  for (const auto& [value, name] : names) {
    if (name == text) return value;
  }
  return std::nullopt;
}

}  // namespace chaveiro::directory
