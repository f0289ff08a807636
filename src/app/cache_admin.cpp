#include "app/cache_admin.h"

#include <algorithm>
#include <charconv>

namespace chaveiro::app {
namespace {

namespace dir = directory;

constexpr std::size_t name_max = 512;

Error no_such_cache() {
  return fail(Code::not_found, "NoSuchCache",
              "no cache of this name, or whose keys begin like this: `cache stats` lists them");
}

// Whether a record in its text form belongs to the participant: each kind of record says so in this form and no other field can,
// since quotes inside texts are escaped.
bool belongs_to(std::string_view text, const dir::Ispb& ispb) {
  const std::string mine(ispb.view());
  return text.find("\"ispb\":\"" + mine + "\"") != std::string_view::npos ||
         text.find("\"donor\":\"" + mine + "\"") != std::string_view::npos;
}

std::string text_of(const dir::Position& position) {
  return std::to_string(position.created_at.time_since_epoch().count()) + "." + to_string(position.id);
}

Result<std::optional<dir::Position>> position_of(std::string_view text) {
  if (text.empty()) return std::optional<dir::Position>{};
  const std::size_t dot = text.find('.');
  std::int64_t micros = 0;
  const auto number = text.substr(0, dot);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), micros);
  if (dot == std::string_view::npos || error != std::errc{} || end != number.data() + number.size())
    return fail_field("next", "must be what the answer before said");
  TRY(const Uuid id, Uuid::parse(text.substr(dot + 1)));
  return std::optional(dir::Position{UtcTime(Micros(micros)), id});
}

cache::Invalidation everything_of(const std::string& cache) {
  return {.what = cache::Invalidation::What::everything, .cache = cache};
}

// Made to forget by hand on one node; the others are told.
cache::Reached said(RecordCache& records, cache::Invalidation one, cache::Reached reached) {
  if (reached == cache::Reached::owed) one.told = cache::Told::memory_only;
  records.tell(one);
  return reached;
}

// How much of what was kept was reached by all.
cache::Reached worse(cache::Reached a, cache::Reached b) { return a == cache::Reached::owed ? a : b; }

}  // namespace

Result<void> CacheAdmin::may(const Context& context) const {
  return authorise(context.caller, dir::Permission::operate_caches, context.caller.ispb);
}

Result<void> CacheAdmin::note(const Context& context, std::string operation, std::string text) {
  return store_.note({std::move(operation),
                      "cache",
                      context.caller.ispb,
                      {context.caller.subject, context.correlation_id},
                      clock_.now(),
                      std::move(text)},
                     context.deadline);
}

Result<cache::Administered*> CacheAdmin::find(std::string_view cache, std::string_view wire) const {
  cache::Administered* const found = cache.empty() ? catalogue_.owner_of(wire) : catalogue_.find(cache);
  if (found == nullptr) return no_such_cache();
  return found;
}

Result<std::vector<cache::CacheStats>> CacheAdmin::stats(const Context& context, std::string_view cache) {
  TRY_VOID(may(context));
  auto all = catalogue_.stats();
  if (cache.empty()) return all;
  std::erase_if(all, [&](const cache::CacheStats& one) { return one.name != cache; });
  if (all.empty()) return no_such_cache();
  return all;
}

Result<api::CachedValue> CacheAdmin::get(const Context& context, std::string_view cache, std::string_view key) {
  TRY_VOID(may(context));
  if (key.empty() || key.size() > name_max) return fail_field("key", "must be 1 to 512 bytes");
  std::string wire = records_.keys().wire_of(key);
  TRY(cache::Administered* const found, find(cache, wire));
  TRY_VOID(note(context, "get_cached", found->name() + " " + wire));
  TRY(auto shown, found->show(wire, context.deadline));
  if (!shown) return fail(Code::not_found, "NotCached", "no level has anything under this key");
  api::CachedValue value{.wire = std::move(wire), .shown = *std::move(shown)};
  const bool all = context.caller.roles.has(dir::Role::admin);
  if (!all && value.shown.text.starts_with('{') && !belongs_to(value.shown.text, context.caller.ispb)) {
    value.shown.text.clear();
    value.value_hidden = true;
  }
  return value;
}

Result<api::CacheExplanation> CacheAdmin::explain(const Context& context, std::string_view cache,
                                                  std::string_view key) {
  TRY_VOID(may(context));
  if (key.empty() || key.size() > name_max) return fail_field("key", "must be 1 to 512 bytes");
  std::string wire = records_.keys().wire_of(key);
  TRY(cache::Administered* const found, find(cache, wire));
  TRY_VOID(note(context, "explain_cached", found->name() + " " + wire));
  auto explanation = found->explain(wire, context.deadline);
  return api::CacheExplanation{found->name(), std::move(wire), std::move(explanation)};
}

Result<cache::Reached> CacheAdmin::invalidate(const Context& context, const api::CacheInvalidation& what) {
  TRY_VOID(may(context));
  const int wanted = !what.key.empty() + !what.tag.empty() + what.everything;
  if (wanted != 1) return fail_field("key", "give a key, a tag or everything, and one of them only");
  if (what.everything && what.cache.empty()) {
    TRY_VOID(note(context, "invalidate_cached", "all caches"));
    auto reached = cache::Reached::everywhere;
    for (const auto& each : catalogue_.stats()) {
      if (cache::Administered* const found = catalogue_.find(each.name))
        reached = worse(reached, said(records_, everything_of(each.name), found->clear(context.deadline)));
    }
    return reached;
  }
  const std::string wire = records_.keys().wire_of(what.key);
  TRY(cache::Administered* const found, find(what.cache, wire));
  const std::string about = what.everything ? "everything" : what.key.empty() ? "tag " + what.tag : wire;
  TRY_VOID(note(context, "invalidate_cached", found->name() + " " + about));
  if (what.everything) return said(records_, everything_of(found->name()), found->clear(context.deadline));
  if (!what.tag.empty())
    return said(records_, {.what = cache::Invalidation::What::tag, .cache = found->name(), .name = what.tag},
                found->invalidate_tag(what.tag, context.deadline));
  return said(records_, {.cache = found->name(), .name = wire}, found->invalidate(wire, 0, context.deadline));
}

Result<api::CacheWarming> CacheAdmin::warm(const Context& context, std::uint32_t limit, std::string_view next) {
  TRY_VOID(may(context));
  if (limit < 1 || limit > 1'000) return fail_field("limit", "must be 1 to 1000");
  dir::PageRequest page;
  TRY(page.after, position_of(next));
  if (!page.after) TRY_VOID(note(context, "warm_cache", "entries"));
  api::CacheWarming done;
  while (limit > 0) {
    page.limit = std::min<std::size_t>(limit, dir::page_limit_max);
    TRY(const auto entries, store_.entries({.ispb = context.caller.ispb, .accounts = {}, .key_type = {}, .status = {}},
                                           page, context.deadline));
    for (const dir::Entry& entry : entries.items) {
      const auto loaded = records_.warm(entry.key, context.deadline);
      ++(!loaded ? done.failed : *loaded ? done.loaded : done.present);
    }
    limit -= static_cast<std::uint32_t>(std::min<std::size_t>(limit, std::max<std::size_t>(entries.items.size(), 1)));
    if (!entries.next) return done;
    page.after = entries.next;
  }
  done.next = text_of(*page.after);
  return done;
}

Result<api::CacheKeyName> CacheAdmin::key_of(const Context& context, const dir::Key& key) {
  TRY_VOID(may(context));
  const std::string type(to_string(key.type()));
  const cache::CacheKey made = records_.keys().entry_by_key(type, key.value());
  return api::CacheKeyName{"dict:entry:key:" + type + ":" + key.value(), made.wire, "entries", made.ttl};
}

}  // namespace chaveiro::app
