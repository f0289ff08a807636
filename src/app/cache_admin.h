// app/cache_admin.h
//
// What an operator may do with the caches (api/cache_port.h): authorised here, and what shows or changes something leaves an audit record,
// which names keys as they are on the wire.
//
// Threads: any number at once.
#pragma once

#include <functional>

#include "api/cache_port.h"
#include "app/record_cache.h"
#include "directory/store.h"

namespace chaveiro::app {

class CacheAdmin final : public api::CachePort {
 public:
  CacheAdmin(directory::Store& store, const Clock& clock, RecordCache& records)
      : store_(store), clock_(clock), records_(records), catalogue_(records.catalogue()) {}

  Result<std::vector<cache::CacheStats>> stats(const Context& context, std::string_view cache) override;
  Result<api::CachedValue> get(const Context& context, std::string_view cache, std::string_view key) override;
  Result<api::CacheExplanation> explain(const Context& context, std::string_view cache, std::string_view key) override;
  Result<cache::Reached> invalidate(const Context& context, const api::CacheInvalidation& what) override;
  Result<api::CacheWarming> warm(const Context& context, std::uint32_t limit, std::string_view next) override;
  Result<api::CacheKeyName> key_of(const Context& context, const directory::Key& key) override;

 private:
  Result<void> may(const Context& context) const;
  Result<void> note(const Context& context, std::string operation, std::string text);
  Result<cache::Administered*> find(std::string_view cache, std::string_view wire) const;

  directory::Store& store_;
  const Clock& clock_;
  RecordCache& records_;
  const cache::Catalogue& catalogue_;
};

}  // namespace chaveiro::app
