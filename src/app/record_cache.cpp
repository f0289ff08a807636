#include "app/record_cache.h"

#include "directory/record_text.h"

namespace chaveiro::app {
namespace {

namespace dir = directory;

// What a text holds beyond its own size.
void add_bytes(std::size_t& bytes, const std::string& text) {
  if (text.capacity() > 15) bytes += text.capacity() + 17;
}
void add_bytes(std::size_t& bytes, const std::optional<std::string>& text) {
  if (text) add_bytes(bytes, *text);
}
void add_bytes(std::size_t& bytes, const dir::Account& account) {
  add_bytes(bytes, account.number);
  add_bytes(bytes, account.holder.tax_id);
  add_bytes(bytes, account.holder.name);
  add_bytes(bytes, account.holder.trade_name);
}

constexpr std::size_t shared_bytes = 32;  // the count of a value's owners

std::size_t bytes_of(const dir::Entry& entry) {
  std::size_t bytes = shared_bytes;
  add_bytes(bytes, entry.key.value());
  add_bytes(bytes, entry.account);
  add_bytes(bytes, entry.block_order);
  return bytes;
}
std::size_t bytes_of(const dir::Account& account) {
  std::size_t bytes = shared_bytes;
  add_bytes(bytes, account);
  return bytes;
}
std::size_t bytes_of(const dir::Claim& claim) {
  std::size_t bytes = shared_bytes;
  add_bytes(bytes, claim.key.value());
  add_bytes(bytes, claim.claimer_account);
  add_bytes(bytes, claim.registry_id);
  return bytes;
}

template <class V>
cache::ValueCodec<V> codec_of(Result<V> (*parse)(std::string_view)) {
  return {.encode = [](const V& value) { return dir::record_text(value); },
          .decode = [parse](std::string_view text) -> std::optional<V> {
            auto value = parse(text);
            return value ? std::optional<V>(*std::move(value)) : std::nullopt;
          },
          .bytes = [](const V& value) { return bytes_of(value); }};
}

template <class V>
cache::Loaded<V> loaded(std::optional<V> value, Micros ttl) {
  if (!value) return cache::Loaded<V>::nothing();
  const std::uint64_t version = value->version;
  auto loaded = cache::Loaded<V>::of(*std::move(value));
  loaded.version = version;
  loaded.ttl = ttl;
  return loaded;
}

cache::Loaded<std::string> loaded_text(std::string text, std::uint64_t version, Micros ttl) {
  auto loaded = cache::Loaded<std::string>::of(std::move(text));
  loaded.version = version;
  loaded.ttl = ttl;
  return loaded;
}

template <class V>
std::optional<V> copied(const cache::Answer<V>& answer) {
  return answer.found() ? std::optional<V>(*answer.value) : std::nullopt;
}

// A cache that cannot take a value must not go on showing the one before it.
template <class V>
void put(cache::Tiered<V>& into, const cache::CacheKey& key, std::shared_ptr<const V> value, std::uint64_t version) {
  try {
    (void)into.put(key.wire, std::move(value), {.ttl = key.ttl, .version = version}, Deadline::never());
  } catch (const std::exception&) {
    (void)into.invalidate(key.wire, version, Deadline::never());
  }
}

template <class V>
std::shared_ptr<const V> stamped(const V& value, std::uint64_t version) {
  auto copy = std::make_shared<V>(value);
  copy->version = version;
  return copy;
}

// Shares of the memory that all caches may take together, in hundredths.
constexpr std::size_t entries_share = 75, accounts_share = 10, claims_share = 8, states_share = 4, foreign_share = 3;

}  // namespace

RecordCache::RecordCache(const RecordCacheOptions& options, const RecordCacheParts& parts)
    : store_(parts.store), keys_(parts.installation_key, options.personal, options.times) {}

Result<std::unique_ptr<RecordCache>> RecordCache::make(const RecordCacheOptions& options,
                                                       const RecordCacheParts& parts) {
  std::unique_ptr<RecordCache> cache(new RecordCache(options, parts));
  TRY_VOID(cache->build(options, parts));
  return cache;
}

Result<void> RecordCache::build(const RecordCacheOptions& options, const RecordCacheParts& parts) {
  const auto options_of = [&](std::string name, std::size_t share, Micros ttl) {
    cache::TieredOptions tiered;
    tiered.endpoint = name;
    tiered.name = std::move(name);
    tiered.connector = "directory";
    tiered.strategy = "read-through and write-through";
    tiered.ttl = ttl;
    tiered.l1.enabled = options.memory;
    tiered.l1.bytes_max = options.bytes_max / 100 * share;
    tiered.l1.ttl_max = options.memory_ttl_max;
    return tiered;
  };
  const auto parts_of = [&]<class V>(cache::ValueCodec<V> codec) {
    return cache::TieredParts<V>{.clock = parts.clock,
                                 .metrics = parts.metrics,
                                 .log = parts.log,
                                 .l2 = parts.l2,
                                 .l3 = parts.l3,
                                 .values = std::move(codec)};
  };
  const cache::KeyTimes& times = options.times;
  TRY(entries_, Entries::make(options_of("entries", entries_share, times.entry),
                              parts_of(codec_of<dir::Entry>(dir::parse_entry_record))));
  TRY(accounts_, Accounts::make(options_of("accounts", accounts_share, times.account),
                                parts_of(codec_of<dir::Account>(dir::parse_account_record))));
  TRY(claims_, Claims::make(options_of("claims", claims_share, times.claim),
                            parts_of(codec_of<dir::Claim>(dir::parse_claim_record))));
  TRY(states_,
      States::make(options_of("claim-states", states_share, times.claim), parts_of(cache::ValueCodec<std::string>{})));
  catalogue_.add(*entries_, {"dict:entry:"});
  catalogue_.add(*accounts_, {"dict:account:"});
  catalogue_.add(*claims_, {"dict:claim:id:"});
  catalogue_.add(*states_, {"dict:claim:"});
  // In memory only: what is kept of others should not outlive this process.
  cache::TieredOptions foreign = options_of("foreign", foreign_share, times.foreign);
  foreign.strategy = "cache-aside, within the regulator's rules";
  cache::TieredParts<dir::Entry> foreign_parts = parts_of(codec_of<dir::Entry>(dir::parse_entry_record));
  foreign_parts.l2 = foreign_parts.l3 = nullptr;
  TRY(foreign_, Foreign::make(std::move(foreign), std::move(foreign_parts)));
  catalogue_.add(foreign_->administered(), {"dict:entry:foreign:"});
  return {};
}

std::optional<RecordCache::Shared> RecordCache::peek(const dir::Key& key, const dir::Digest& hash) {
  thread_local std::string name;
  keys_.entry_by_key(name, to_string(key.type()), key.value(), hash);
  std::optional<Shared> seen;
  entries_->peek_with(name, [&](const Shared& entry) { seen = entry; });
  return seen;
}

// The load may outlive this call: it holds copies, and the store, which outlives the cache.
Result<cache::Answer<dir::Entry>> RecordCache::by_key(const std::string& name, const dir::Key& key, Deadline deadline) {
  const cache::Loader<dir::Entry> loader =
      [&store = store_, key, ttl = keys_.times().entry](
          std::string_view, const cache::LoadContext<dir::Entry>& context) -> Result<cache::Loaded<dir::Entry>> {
    TRY(auto entry, store.live_entry(key, context.deadline));
    return loaded(std::move(entry), ttl);
  };
  return entries_->get_or_load(name, loader, deadline);
}

Result<RecordCache::Shared> RecordCache::get(const dir::Key& key, const dir::Digest& hash, Deadline deadline) {
  std::string name;
  keys_.entry_by_key(name, to_string(key.type()), key.value(), hash);
  TRY(auto answer, by_key(name, key, deadline));
  return std::move(answer.value);
}

Result<std::optional<dir::Entry>> RecordCache::live_entry(const dir::Key& key, Deadline deadline) {
  TRY(const auto answer, by_key(keys_.entry_by_key(to_string(key.type()), key.value()).wire, key, deadline));
  return copied(answer);
}

Result<bool> RecordCache::warm(const dir::Key& key, Deadline deadline) {
  TRY(const auto answer, by_key(keys_.entry_by_key(to_string(key.type()), key.value()).wire, key, deadline));
  return answer.level == cache::Level::origin;
}

Result<std::optional<dir::Entry>> RecordCache::entry(const dir::EntryId& id, Deadline deadline) {
  const cache::CacheKey key = keys_.entry_by_id(to_string(id));
  const cache::Loader<dir::Entry> loader =
      [&store = store_, id, ttl = key.ttl](
          std::string_view, const cache::LoadContext<dir::Entry>& context) -> Result<cache::Loaded<dir::Entry>> {
    TRY(auto entry, store.entry(id, context.deadline));
    return loaded(std::move(entry), ttl);
  };
  TRY(const auto answer, entries_->get_or_load(key.wire, loader, deadline));
  return copied(answer);
}

Result<std::optional<dir::Account>> RecordCache::account(const dir::AccountId& id, Deadline deadline) {
  const cache::CacheKey key = keys_.account_by_id(to_string(id));
  const cache::Loader<dir::Account> loader =
      [&store = store_, id, ttl = key.ttl](
          std::string_view, const cache::LoadContext<dir::Account>& context) -> Result<cache::Loaded<dir::Account>> {
    TRY(auto account, store.account(id, context.deadline));
    return loaded(std::move(account), ttl);
  };
  TRY(const auto answer, accounts_->get_or_load(key.wire, loader, deadline));
  return copied(answer);
}

Result<std::optional<dir::Claim>> RecordCache::claim(const dir::ClaimId& id, Deadline deadline) {
  const cache::CacheKey key = keys_.claim_by_id(to_string(id));
  const cache::Loader<dir::Claim> loader =
      [&store = store_, id, ttl = key.ttl](
          std::string_view, const cache::LoadContext<dir::Claim>& context) -> Result<cache::Loaded<dir::Claim>> {
    TRY(auto claim, store.claim(id, context.deadline));
    return loaded(std::move(claim), ttl);
  };
  TRY(const auto answer, claims_->get_or_load(key.wire, loader, deadline));
  return copied(answer);
}

Result<std::optional<dir::ClaimStatus>> RecordCache::claim_status(const dir::ClaimId& id, Deadline deadline) {
  const cache::CacheKey key = keys_.claim_status(to_string(id));
  const cache::Loader<std::string> loader =
      [&store = store_, id, ttl = key.ttl](
          std::string_view, const cache::LoadContext<std::string>& context) -> Result<cache::Loaded<std::string>> {
    TRY(const auto claim, store.claim(id, context.deadline));
    if (!claim) return cache::Loaded<std::string>::nothing();
    return loaded_text(std::string(to_string(claim->status)), claim->version, ttl);
  };
  TRY(const auto answer, states_->get_or_load(key.wire, loader, deadline));
  if (!answer.found()) return std::optional<dir::ClaimStatus>{};
  return dir::claim_status_of(*answer.value);
}

Result<std::optional<dir::ClaimId>> RecordCache::open_claim_of(const dir::EntryId& id, Deadline deadline) {
  const cache::CacheKey key = keys_.claims_of_entry(to_string(id));
  const cache::Loader<std::string> loader =
      [&store = store_, id, ttl = key.ttl](
          std::string_view, const cache::LoadContext<std::string>& context) -> Result<cache::Loaded<std::string>> {
    TRY(const auto entry, store.entry(id, context.deadline));
    if (!entry || !entry->open_claim) return cache::Loaded<std::string>::nothing();
    return loaded_text(to_string(entry->open_claim->id), entry->version, ttl);
  };
  TRY(const auto answer, states_->get_or_load(key.wire, loader, deadline));
  if (!answer.found()) return std::optional<dir::ClaimId>{};
  TRY(const dir::ClaimId claim, dir::ClaimId::parse(*answer.value));
  return std::optional<dir::ClaimId>(claim);
}

RecordCache::Shared RecordCache::foreign(const dir::Digest& hash) {
  auto answer = foreign_->peek(keys_.foreign_entry(hash).wire);
  return answer ? std::move(answer->value) : nullptr;
}

void RecordCache::keep_foreign(const dir::Digest& hash, Shared entry, std::string_view cache_control,
                               std::chrono::seconds age) {
  const auto owner =
      entry->owner().type == dir::PersonType::legal ? cache::OwnerKind::legal_person : cache::OwnerKind::natural_person;
  (void)foreign_->keep(keys_.foreign_entry(hash).wire, std::move(entry), owner, {cache_control, age},
                       Deadline::never());
}

void RecordCache::changed(const dir::Entry& entry, std::uint64_t sequence) {
  const auto after = stamped(entry, sequence);
  const std::string id = to_string(entry.id);
  const cache::CacheKey by_key = keys_.entry_by_key(to_string(entry.key.type()), entry.key.value());
  put(*entries_, keys_.entry_by_id(id), after, sequence);
  if (entry.live())
    put(*entries_, by_key, after, sequence);
  else
    (void)entries_->invalidate(by_key.wire, sequence, Deadline::never());
  const cache::CacheKey claim = keys_.claims_of_entry(id);
  if (entry.open_claim)
    put(*states_, claim, std::make_shared<const std::string>(to_string(entry.open_claim->id)), sequence);
  else
    (void)states_->invalidate(claim.wire, sequence, Deadline::never());
  // It was somebody else's a moment ago, or will be.
  foreign_->forget(keys_.foreign_entry(to_string(entry.key.type()), entry.key.value()).wire, Deadline::never());
}

void RecordCache::changed(const dir::Account& account, std::uint64_t sequence) {
  put(*accounts_, keys_.account_by_id(to_string(account.id)), stamped(account, sequence), sequence);
}

void RecordCache::changed(const dir::Claim& claim, std::uint64_t sequence) {
  const std::string id = to_string(claim.id);
  put(*claims_, keys_.claim_by_id(id), stamped(claim, sequence), sequence);
  put(*states_, keys_.claim_status(id), std::make_shared<const std::string>(to_string(claim.status)), sequence);
}

void RecordCache::committed(std::uint64_t sequence, const dir::Change& change) {
  for (const dir::Write& write : change.writes)
    std::visit([&](const auto& put) { changed(put.after, sequence); }, write);
}

template <class Fn>
void RecordCache::each(Fn fn) {
  fn(*entries_);
  fn(*accounts_);
  fn(*claims_);
  fn(*states_);
}

void RecordCache::forget() {
  each([](auto& cache) { (void)cache.clear(Deadline::never()); });
  (void)foreign_->administered().clear(Deadline::never());
}

void RecordCache::tick(bool shared) {
  const Deadline soon = Deadline::in(std::chrono::milliseconds{5});
  each([&](auto& cache) {
    cache.tick();
    (void)cache.settle(soon);
  });
  foreign_->tick();
  if (shared) forget();
}

}  // namespace chaveiro::app
