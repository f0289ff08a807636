#include "directory/registry.h"

namespace chaveiro::directory {

Result<Registry::Registered> EmbeddedRegistry::register_entry(const Registration& registration, Deadline deadline) {
  if (deadline.expired()) return fail(Code::deadline, "DeadlineExceeded", "the time ran out before the registration");
  const UtcTime now = clock_.now();
  if (registration.key) return Registered{*registration.key, now, registration.owned_since.value_or(now)};
  if (registration.key_type != KeyType::evp) return fail_field("key", "must be given", "EntryInvalid");
  TRY(Key key, Key::parse(KeyType::evp, to_string(uuid_v4()), KeyRules{}));
  return Registered{std::move(key), now, registration.owned_since.value_or(now)};
}

Result<Registry::KeysChecked> Registry::check_keys(const KeysCheck&, Deadline) {
  return fail(Code::unavailable, "NotSupported", "this registry does not tell which keys exist");
}

Result<std::vector<Registry::PolicyState>> Registry::policies(const Ispb&, Deadline) {
  return fail(Code::unavailable, "NotSupported", "this registry does not tell what its buckets hold");
}

Result<Registry::KeysChecked> EmbeddedRegistry::check_keys(const KeysCheck& check, Deadline) {
  return KeysChecked{.there = std::vector<bool>(check.keys.size(), false), .answered_at = clock_.now()};
}

Result<Registry::ForeignEntry> EmbeddedRegistry::lookup(const ForeignLookup&, Deadline) {
  return fail(Code::not_found, "NotFound", "no entry with this key");
}

}  // namespace chaveiro::directory
