#include "app/record_cache.h"

#include <algorithm>

#include "directory/packed.h"
#include "directory/record_text.h"

namespace chaveiro::app {
namespace {

namespace dir = directory;

template <class V>
cache::ValueCodec<V> codec_of(Result<V> (*parse)(std::string_view)) {
  return {.encode = [](const V& value) { return dir::record_text(value); },
          .decode = [parse](std::string_view text) -> std::optional<V> {
            auto value = parse(text);
            return value ? std::optional<V>(*std::move(value)) : std::nullopt;
          },
          .bytes = {}};
}

void pack_text(const std::string& text, std::string& out) { out += text; }
void pack_record(const dir::Entry& entry, std::string& out) { dir::pack(entry, out); }
void pack_record(const dir::Account& account, std::string& out) { dir::pack(account, out); }
void pack_record(const dir::Claim& claim, std::string& out) { dir::pack(claim, out); }

template <class V>
cache::Packing<V> packing_of(V (*blank)()) {
  return {.pack = [](const V& value, std::string& out) { pack_record(value, out); },
          .unpack = [blank](std::string_view bytes) -> std::shared_ptr<const V> {
            auto value = std::make_shared<V>(blank());
            CHECK(dir::unpack(bytes, *value));
            return value;
          }};
}
dir::Account blank_account() { return {}; }
const cache::Packing<std::string> packed_text{
    .pack = pack_text, .unpack = [](std::string_view text) { return std::make_shared<const std::string>(text); }};

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

void note(std::vector<cache::Invalidation>& news, const std::string& cache, std::string name, std::uint64_t version,
          cache::Reached reached) {
  news.push_back({.cache = cache,
                  .name = std::move(name),
                  .version = version,
                  .told = reached == cache::Reached::owed ? cache::Told::memory_only : cache::Told::levels});
}

// A cache that cannot take a value must not go on showing the one before it.
template <class V>
void put(cache::Tiered<V>& into, const cache::CacheKey& key, std::shared_ptr<const V> value, std::uint64_t version,
         std::vector<cache::Invalidation>& news) {
  auto reached = cache::Reached::owed;
  try {
    reached = into.put(key.wire, std::move(value), {.ttl = key.ttl, .version = version}, Deadline::never());
  } catch (const std::exception&) {
    (void)into.invalidate(key.wire, version, Deadline::never());
  }
  note(news, into.name(), key.wire, version, reached);
}

template <class V>
void take_away(cache::Tiered<V>& from, const cache::CacheKey& key, std::uint64_t version,
               std::vector<cache::Invalidation>& news) {
  const auto reached = from.invalidate(key.wire, version, Deadline::never());
  note(news, from.name(), key.wire, version, reached);
}

template <class V>
std::shared_ptr<const V> stamped(const V& value, std::uint64_t version) {
  auto copy = std::make_shared<V>(value);
  copy->version = version;
  return copy;
}

// Shares of the memory that all caches may take together, before there is any use to go by.
constexpr double entries_share = 0.5, names_share = 0.2, accounts_share = 0.18, claims_share = 0.05,
                 states_share = 0.03, foreign_share = 0.02, existence_share = 0.02;

// What stands under an entry's id: the key under which the entry itself is, or the whole of an entry that has no key any more.
std::string name_text(const dir::Entry& entry) {
  if (!entry.live()) return dir::record_text(entry);
  return std::string(to_string(entry.key.type())) + ":" + entry.key.value();
}
bool is_record(std::string_view name) { return name.starts_with('{'); }
std::optional<dir::Key> key_in(std::string_view name) {
  const std::size_t colon = name.find(':');
  if (is_record(name) || colon == std::string_view::npos) return std::nullopt;
  const auto type = dir::key_type_of(name.substr(0, colon));
  if (!type) return std::nullopt;
  auto key = dir::Key::parse(*type, name.substr(colon + 1), {.check_digits = false});
  return key ? std::optional(*std::move(key)) : std::nullopt;
}

}  // namespace

// For people an entry's id is a second name of the entry: what they ask of it is asked of both.
class RecordCache::ById final : public cache::Administered {
 public:
  explicit ById(RecordCache& owner)
      : owner_(owner), names_(*owner.names_), entries_(*owner.entries_), keys_(owner.keys_) {}

  const std::string& name() const override { return names_.name(); }
  cache::CacheStats stats() const override { return names_.stats(); }
  Result<std::optional<cache::Shown>> show(std::string_view key, Deadline deadline) override {
    TRY(auto shown, names_.show(key, deadline));
    const auto live = shown ? key_in(shown->text) : std::nullopt;
    if (!live) return shown;
    TRY(shown, entries_.show(wire_of(*live), deadline));
    const std::string id = "\"id\":\"" + std::string(key.substr(key.rfind(':') + 1)) + "\"";
    if (shown && shown->text.find(id) == std::string::npos) shown.reset();  // the key is another entry's by now
    return shown;
  }
  cache::Explanation explain(std::string_view key, Deadline deadline) override {
    const auto live = live_key(key, deadline);
    if (!live) return names_.explain(key, deadline);
    cache::Explanation told = entries_.explain(wire_of(*live), deadline);
    told.why = "under its key, which is known by this id: " + told.why;
    return told;
  }
  cache::Reached invalidate(std::string_view key, std::uint64_t version, Deadline deadline) override {
    const auto live = live_key(key, deadline);
    const auto reached = names_.invalidate(key, version, deadline);
    if (!live) return reached;
    News news;
    note(news, entries_.name(), wire_of(*live), version, entries_.invalidate(wire_of(*live), version, deadline));
    owner_.tell(news.front());
    return news.front().told == cache::Told::memory_only ? cache::Reached::owed : reached;
  }
  cache::Reached invalidate_tag(std::string_view tag, Deadline deadline) override {
    return names_.invalidate_tag(tag, deadline);
  }
  cache::Reached clear(Deadline deadline) override { return names_.clear(deadline); }
  cache::MemoryStats memory() const override { return names_.memory(); }
  void resize_memory(std::size_t bytes) override { names_.resize_memory(bytes); }
  void heard(const cache::Invalidation& invalidation) override { names_.heard(invalidation); }
  void forget(cache::Forget what) override { names_.forget(what); }
  void pass_over_shared(bool on) override { names_.pass_over_shared(on); }
  bool owes() const override { return names_.owes(); }

 private:
  std::string wire_of(const dir::Key& key) const { return keys_.entry_by_key(to_string(key.type()), key.value()).wire; }
  std::optional<dir::Key> live_key(std::string_view name, Deadline deadline) {
    const auto known = names_.get(name, deadline);
    return known && known->found() ? key_in(*known->value) : std::nullopt;
  }
  RecordCache& owner_;
  Names& names_;
  Entries& entries_;
  const cache::KeyBuilder& keys_;
};

RecordCache::~RecordCache() = default;

RecordCache::RecordCache(const RecordCacheOptions& options, const RecordCacheParts& parts)
    : store_(parts.store), keys_(parts.installation_key, options.personal, options.times) {}

Result<std::unique_ptr<RecordCache>> RecordCache::make(const RecordCacheOptions& options,
                                                       const RecordCacheParts& parts) {
  std::unique_ptr<RecordCache> cache(new RecordCache(options, parts));
  TRY_VOID(cache->build(options, parts));
  return cache;
}

Result<void> RecordCache::build(const RecordCacheOptions& options, const RecordCacheParts& parts) {
  const auto options_of = [&](std::string name, Micros ttl) {
    cache::TieredOptions tiered;
    tiered.endpoint = name;
    tiered.name = std::move(name);
    tiered.connector = "directory";
    tiered.strategy = "read-through and write-through";
    tiered.ttl = ttl;
    tiered.l1.enabled = options.memory;
    tiered.l1.bytes_max = tiered.l1.bytes_limit = options.bytes_max;  // until `budget_` says how much of it
    tiered.l1.ttl_max = options.memory_ttl_max;
    tiered.l3.shared = options.l3_shared;
    return tiered;
  };
  const auto parts_of = [&]<class V>(cache::ValueCodec<V> codec, cache::Packing<V> packing) {
    return cache::TieredParts<V>{.clock = parts.clock,
                                 .metrics = parts.metrics,
                                 .log = parts.log,
                                 .l2 = parts.l2,
                                 .l3 = parts.l3,
                                 .values = std::move(codec),
                                 .packing = std::move(packing)};
  };
  const cache::KeyTimes& times = options.times;
  const auto packed_entry = packing_of(dir::blank_entry);
  TRY(entries_, Entries::make(options_of("entries", times.entry),
                              parts_of(codec_of<dir::Entry>(dir::parse_entry_record), packed_entry)));
  TRY(names_,
      Names::make(options_of("entry-ids", times.entry), parts_of(cache::ValueCodec<std::string>{}, packed_text)));
  TRY(accounts_,
      Accounts::make(options_of("accounts", times.account),
                     parts_of(codec_of<dir::Account>(dir::parse_account_record), packing_of(blank_account))));
  TRY(claims_, Claims::make(options_of("claims", times.claim),
                            parts_of(codec_of<dir::Claim>(dir::parse_claim_record), packing_of(dir::blank_claim))));
  TRY(states_,
      States::make(options_of("claim-states", times.claim), parts_of(cache::ValueCodec<std::string>{}, packed_text)));
  by_id_ = std::make_unique<ById>(*this);
  catalogue_.add(*entries_, {"dict:entry:"});
  catalogue_.add(*by_id_, {"dict:entry:id:"});
  catalogue_.add(*accounts_, {"dict:account:"});
  catalogue_.add(*claims_, {"dict:claim:id:"});
  catalogue_.add(*states_, {"dict:claim:"});
  // In memory only: what is kept of others should not outlive this process.
  cache::TieredOptions foreign = options_of("foreign", times.foreign);
  foreign.strategy = "cache-aside, within the regulator's rules";
  cache::TieredParts<dir::Entry> foreign_parts = parts_of(codec_of<dir::Entry>(dir::parse_entry_record), packed_entry);
  foreign_parts.l2 = foreign_parts.l3 = nullptr;
  TRY(foreign_, Foreign::make(std::move(foreign), std::move(foreign_parts)));
  catalogue_.add(foreign_->administered(), {"dict:entry:foreign:"});
  cache::TieredOptions existence = options_of("existence", times.existence);
  existence.strategy = "cache-aside, within the regulator's rules";
  existence.l1.ttl_max = Micros{0};  // what is known stays so for its own time
  TRY(existence_, cache::ExistenceCache::make(std::move(existence), parts_of(cache::ValueCodec<cache::ExistenceDates>{},
                                                                             cache::Packing<cache::ExistenceDates>{})));
  catalogue_.add(existence_->administered(), {"dict:existence:"});
  if (options.memory) {
    budget_.emplace(cache::SharedBudgetOptions{.bytes = options.bytes_max}, parts.clock);
    budget_->add(*entries_, entries_share);
    budget_->add(*names_, names_share);
    budget_->add(*accounts_, accounts_share);
    budget_->add(*claims_, claims_share);
    budget_->add(*states_, states_share);
    budget_->add(foreign_->administered(), foreign_share);
    budget_->add(existence_->administered(), existence_share);
  }
  return {};
}

void RecordCache::expect(const dir::Key& key, const dir::Digest& hash) {
  thread_local std::string name;
  keys_.entry_by_key(name, to_string(key.type()), key.value(), hash);
  entries_->expect(name);
}

std::optional<RecordCache::Shared> RecordCache::peek(const dir::Key& key, const dir::Digest& hash) {
  thread_local std::string name;
  keys_.entry_by_key(name, to_string(key.type()), key.value(), hash);
  std::optional<Shared> seen;
  entries_->peek_packed(name, [&](std::string_view bytes) {
    auto entry = std::make_shared<dir::Entry>(dir::blank_entry());
    CHECK(dir::unpack(bytes, *entry));
    seen = std::move(entry);
  });
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

// The name says under which key the entry is; whether that is still this entry, the entry says. So a name that is behind
// costs a read and never a wrong answer.
Result<std::optional<dir::Entry>> RecordCache::entry(const dir::EntryId& id, Deadline deadline) {
  const cache::CacheKey key = keys_.entry_by_id(to_string(id));
  const auto read = std::make_shared<std::optional<dir::Entry>>();  // by our own load
  const cache::Loader<std::string> loader =
      [&store = store_, id, ttl = key.ttl, read](
          std::string_view, const cache::LoadContext<std::string>& context) -> Result<cache::Loaded<std::string>> {
    TRY(*read, store.entry(id, context.deadline));
    if (!*read) return cache::Loaded<std::string>::nothing();
    return loaded_text(name_text(**read), (*read)->version, ttl);
  };
  TRY(const auto name, names_->get_or_load(key.wire, loader, deadline));
  if (name.level == cache::Level::origin && !name.shared) return std::move(*read);
  if (!name.found()) return std::optional<dir::Entry>{};
  if (const auto live = key_in(*name.value)) {
    TRY(auto entry, live_entry(*live, deadline));
    if (entry && entry->id == id) return entry;
  } else if (auto whole = dir::parse_entry_record(*name.value)) {
    return std::optional(*std::move(whole));
  }
  (void)names_->invalidate(key.wire, 0, deadline);
  return store_.entry(id, deadline);
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

void RecordCache::changed(const dir::Entry& entry, std::uint64_t sequence, News& news) {
  const auto after = stamped(entry, sequence);
  const std::string id = to_string(entry.id), type(to_string(entry.key.type()));
  const cache::CacheKey by_key = keys_.entry_by_key(type, entry.key.value());
  put(*names_, keys_.entry_by_id(id), std::make_shared<const std::string>(name_text(*after)), sequence, news);
  if (entry.live())
    put(*entries_, by_key, after, sequence, news);
  else
    take_away(*entries_, by_key, sequence, news);
  if (!entry.live()) {
    const auto reached =
        existence_->administered().invalidate(cache::ExistenceCache::name_of(entry.key.value()), 0, Deadline::never());
    note(news, existence_->administered().name(), cache::ExistenceCache::name_of(entry.key.value()), 0, reached);
  }
  const cache::CacheKey claim = keys_.claims_of_entry(id);
  if (entry.open_claim)
    put(*states_, claim, std::make_shared<const std::string>(to_string(entry.open_claim->id)), sequence, news);
  else
    take_away(*states_, claim, sequence, news);
  // It was somebody else's a moment ago, or will be.
  const std::string foreign = keys_.foreign_entry(type, entry.key.value()).wire;
  foreign_->forget(foreign, Deadline::never());
  note(news, foreign_->administered().name(), foreign, 0, cache::Reached::everywhere);
}

void RecordCache::changed(const dir::Account& account, std::uint64_t sequence, News& news) {
  put(*accounts_, keys_.account_by_id(to_string(account.id)), stamped(account, sequence), sequence, news);
}

void RecordCache::changed(const dir::Claim& claim, std::uint64_t sequence, News& news) {
  const std::string id = to_string(claim.id);
  put(*claims_, keys_.claim_by_id(id), stamped(claim, sequence), sequence, news);
  put(*states_, keys_.claim_status(id), std::make_shared<const std::string>(to_string(claim.status)), sequence, news);
  // Who claims a key has learnt that it exists. The claimer's end of it does not say so.
  if (claim.live()) existence_->learn(claim.key.value(), claim.updated_at, Deadline::never());
}

void RecordCache::committed(std::uint64_t sequence, const dir::Change& change) {
  News news;
  for (const dir::Write& write : change.writes)
    std::visit([&](const auto& put) { changed(put.after, sequence, news); }, write);
  if (tell_) tell_(news);
}

void RecordCache::changed_elsewhere(const dir::Key& key, std::uint64_t version) {
  const std::string type(to_string(key.type()));
  const auto heard = [version](cache::Administered& cache, const cache::CacheKey& name) {
    cache.heard({.cache = cache.name(), .name = name.wire, .version = version});
  };
  heard(*entries_, keys_.entry_by_key(type, key.value()));
  // What stands under the id of an entry is checked against the entry, so that nothing needs to be said of it.
  foreign_->forget(keys_.foreign_entry(type, key.value()).wire, Deadline::never());
}

void RecordCache::changed_elsewhere(const dir::Write& write) {
  const auto heard = [](cache::Administered& cache, const cache::CacheKey& name, std::uint64_t version) {
    cache.heard({.cache = cache.name(), .name = name.wire, .version = version});
  };
  if (const auto* entry = std::get_if<dir::Put<dir::Entry>>(&write)) {
    changed_elsewhere(entry->after.key, entry->after.version);
    heard(*states_, keys_.claims_of_entry(to_string(entry->after.id)), entry->after.version);
  } else if (const auto* account = std::get_if<dir::Put<dir::Account>>(&write)) {
    heard(*accounts_, keys_.account_by_id(to_string(account->after.id)), account->after.version);
  } else if (const auto* claim = std::get_if<dir::Put<dir::Claim>>(&write)) {
    const std::string id = to_string(claim->after.id);
    heard(*claims_, keys_.claim_by_id(id), claim->after.version);
    heard(*states_, keys_.claim_status(id), claim->after.version);
  }
}

void RecordCache::forget_elsewhere(cache::Forget what) {
  catalogue_.each([what](cache::Administered& cache) { cache.forget(what); });
}

template <class Fn>
void RecordCache::each(Fn fn) {
  fn(*entries_);
  fn(*names_);
  fn(*accounts_);
  fn(*claims_);
  fn(*states_);
}

void RecordCache::clear(News& news) {
  const auto one = [&](cache::Administered& cache) {
    const auto reached = cache.clear(Deadline::never());
    note(news, cache.name(), {}, 0, reached);
    news.back().what = cache::Invalidation::What::everything;
  };
  each(one);
  one(foreign_->administered());
  one(existence_->administered());
}

void RecordCache::forget() {
  News news;
  clear(news);
  if (tell_) tell_(news);
}

void RecordCache::tick(bool shared) {
  const Deadline soon = Deadline::in(std::chrono::milliseconds{5});
  each([&](auto& cache) {
    cache.tick();
    (void)cache.settle(soon);
  });
  foreign_->tick();
  existence_->tick();
  (void)existence_->settle(soon);
  if (budget_) budget_->step();
  // The other process does the same: nobody needs to be told.
  News unsaid;
  if (shared) clear(unsaid);
}

}  // namespace chaveiro::app
