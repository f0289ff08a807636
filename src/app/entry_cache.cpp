#include "app/entry_cache.h"

namespace chaveiro::app {
namespace {

namespace dir = directory;

std::string name_of(const dir::Key& key) {
  std::string name = "dict:entry:key:";
  name += to_string(key.type());
  name += ':';
  name += key.value();
  return name;
}

// What an entry holds beyond its own size.
std::size_t bytes_of(const dir::Entry& entry) {
  std::size_t bytes = 32;  // the count of its owners
  const auto add = [&](const std::string& text) {
    if (text.capacity() > 15) bytes += text.capacity() + 17;
  };
  add(entry.key.value());
  add(entry.account.number);
  add(entry.account.holder.tax_id);
  add(entry.account.holder.name);
  if (entry.account.holder.trade_name) add(*entry.account.holder.trade_name);
  if (entry.block_order) add(*entry.block_order);
  return bytes;
}

}  // namespace

Result<std::unique_ptr<EntryCache>> EntryCache::make(const EntryCacheOptions& options, dir::Store& store,
                                                     const Clock& clock, Registry& metrics, Logger log) {
  cache::TieredOptions tiered;
  tiered.name = "directory";
  tiered.endpoint = "entries";
  tiered.ttl = options.ttl;
  tiered.l1.bytes_max = options.bytes_max;
  tiered.l1.ttl_max = options.ttl;
  cache::TieredParts<dir::Entry> parts{.clock = clock, .metrics = metrics, .log = std::move(log)};
  parts.values.bytes = bytes_of;
  TRY(auto entries, Entries::make(std::move(tiered), std::move(parts)));
  return std::unique_ptr<EntryCache>(new EntryCache(std::move(entries), store));
}

std::optional<std::optional<dir::Entry>> EntryCache::peek(const dir::Key& key) {
  std::optional<std::optional<dir::Entry>> seen;
  entries_->peek_with(name_of(key), [&](const dir::Entry* entry) {
    seen.emplace();
    if (entry != nullptr) *seen = *entry;
  });
  return seen;
}

Result<std::optional<dir::Entry>> EntryCache::get(const dir::Key& key, Deadline deadline) {
  // The load may outlive this call: it holds copies, and the store, which outlives the cache.
  const cache::Loader<dir::Entry> loader =
      [&store = store_, key](std::string_view,
                             const cache::LoadContext<dir::Entry>& context) -> Result<cache::Loaded<dir::Entry>> {
    TRY(std::optional<dir::Entry> entry, store.live_entry(key, context.deadline));
    if (!entry) return cache::Loaded<dir::Entry>::nothing();
    const std::uint64_t version = entry->version;
    auto loaded = cache::Loaded<dir::Entry>::of(*std::move(entry));
    loaded.version = version;
    return loaded;
  };
  TRY(const cache::Answer<dir::Entry> answer, entries_->get_or_load(name_of(key), loader, deadline));
  if (!answer.found()) return std::optional<dir::Entry>{};
  return std::optional<dir::Entry>(*answer.value);
}

void EntryCache::tick(bool shared) {
  entries_->tick();
  if (shared) entries_->clear(Deadline::never());
}

void EntryCache::committed(std::uint64_t sequence, const dir::Change& change) {
  for (const dir::Write& write : change.writes) {
    const auto* put = std::get_if<dir::Put<dir::Entry>>(&write);
    if (put == nullptr) continue;
    const std::string name = name_of(put->after.key);
    if (!put->after.live()) {
      entries_->invalidate(name, sequence, Deadline::never());
      continue;
    }
    dir::Entry after = put->after;
    after.version = sequence;
    entries_->put(name, std::move(after), {.version = sequence}, Deadline::never());
  }
}

}  // namespace chaveiro::app
