#include "cache/cache_control.h"

#include <algorithm>

#include "base/text.h"

namespace chaveiro::cache {

CacheControl CacheControl::parse(std::string_view field) {
  CacheControl control;
  while (!field.empty()) {
    const std::size_t comma = field.find(',');
    const std::string_view directive = trim(field.substr(0, comma));
    field.remove_prefix(comma == std::string_view::npos ? field.size() : comma + 1);
    const std::size_t equals = directive.find('=');
    const std::string name = lower_ascii(trim(directive.substr(0, equals)));
    if (name == "no-store") control.no_store = true;
    if (name == "no-cache") control.no_cache = true;
    if (name != "max-age") continue;
    std::string_view value = equals == std::string_view::npos ? std::string_view() : trim(directive.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    const auto seconds = parse_uint(value, std::uint64_t{1} << 31);
    const auto age = std::chrono::seconds(seconds ? static_cast<std::int64_t>(*seconds) : 0);
    if (!seconds || (control.max_age && *control.max_age != age)) control.malformed = true;
    control.max_age = age;
  }
  return control;
}

Micros CacheControl::fresh_for(std::chrono::seconds age) const {
  if (no_store || no_cache || malformed || !max_age || age < std::chrono::seconds{0}) return Micros{0};
  return std::max(Micros{0}, Micros{*max_age - age});
}

}  // namespace chaveiro::cache
