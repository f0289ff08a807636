#include "app/known_keys.h"

namespace chaveiro::app {

Result<directory::Registry::KeysChecked> KnownKeys::check_keys(const KeysCheck& check, Deadline deadline) {
  if (check.keys.empty() || check.keys.size() > keys_max) return behind_.check_keys(check, deadline);
  std::vector<std::string_view> values;
  for (const directory::Key& key : check.keys) values.push_back(key.value());
  const cache::ExistenceCache::Ask ask = [&](std::span<const std::size_t> places,
                                             Deadline until) -> Result<cache::ExistenceAnswer> {
    KeysCheck unknown{check.requesting, check.user_id, {}};
    for (const std::size_t place : places) unknown.keys.push_back(check.keys[place]);
    TRY(KeysChecked checked, behind_.check_keys(unknown, until));
    return cache::ExistenceAnswer{.there = std::move(checked.there),
                                  .directory_date = checked.answered_at,
                                  .cache_control = std::move(checked.cache_control),
                                  .age = checked.age};
  };
  TRY(auto there, known_.check(values, ask, deadline));
  return KeysChecked{.there = std::move(there)};
}

}  // namespace chaveiro::app
