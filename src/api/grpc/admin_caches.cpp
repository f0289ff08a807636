// The part of AdminService that is about caches.
#include "api/grpc/admin_service.h"

namespace chaveiro::api::grpc {
namespace {

using Reactor = AdminService::Reactor;
using Context = AdminService::Context;

constexpr std::uint32_t warm_default = 200;

double seconds(Micros time) { return std::chrono::duration<double>(time).count(); }

Result<CachePort*> caches_of(const Handling& it) {
  CachePort* const port = it.services.admin->caches();
  if (port == nullptr) return fail(Code::not_found, "NoSuchCache", "this process has no caches");
  return port;
}

std::string text_of(cache::Reached reached) {
  switch (reached) {
    case cache::Reached::everywhere:
      return "everywhere";
    case cache::Reached::owed:
      return "owed";
    case cache::Reached::superseded:
      break;
  }
  return "superseded";
}

void put(admin::GetCacheStatsResponse& out, const cache::CacheStats& stats) {
  for (const cache::LevelStats& level : stats.levels) {
    auto& row = *out.add_levels();
    row.set_cache(stats.name);
    row.set_level(std::string(to_string(level.level)));
    row.set_kind(level.kind);
    row.set_hits(level.hits);
    row.set_misses(level.misses);
    row.set_errors(level.errors);
    row.set_promotions(level.promotions);
    row.set_skipped(level.skipped);
    row.set_damaged(level.damaged);
    row.set_entries(level.entries);
    row.set_bytes(level.bytes);
    row.set_evictions(level.evictions);
    row.set_passed_over(level.skipping);
    row.set_owed(level.owed);
    const auto asked = static_cast<double>(level.hits + level.misses);
    row.set_hit_rate(asked == 0 ? 0 : static_cast<double>(level.hits) / asked);
  }
}

Result<void> get_cache_stats(Handling& it, const admin::GetCacheStatsRequest& in, admin::GetCacheStatsResponse& out) {
  TRY(CachePort* const caches, caches_of(it));
  TRY(const auto all, caches->stats(it.context(), in.cache()));
  for (const cache::CacheStats& stats : all) put(out, stats);
  return {};
}

Result<void> get_cached(Handling& it, const admin::GetCachedRequest& in, admin::GetCachedResponse& out) {
  TRY(CachePort* const caches, caches_of(it));
  TRY(const CachedValue value, caches->get(it.context(), in.cache(), in.key()));
  out.set_wire_key(value.wire);
  out.set_level(std::string(to_string(value.shown.level)));
  out.set_age_seconds(seconds(value.shown.age));
  out.set_ttl_left_seconds(seconds(value.shown.fresh_left));
  out.set_version(value.shown.version);
  out.set_found(value.shown.found);
  out.set_value(value.shown.text);
  out.set_value_hidden(value.value_hidden);
  return {};
}

Result<void> explain_cached(Handling& it, const admin::ExplainCachedRequest& in, admin::ExplainCachedResponse& out) {
  TRY(CachePort* const caches, caches_of(it));
  TRY(const CacheExplanation told, caches->explain(it.context(), in.cache(), in.key()));
  out.set_cache(told.cache);
  out.set_wire_key(told.wire);
  const cache::Level answers = told.explanation.answers;
  out.set_answers(std::string(to_string(answers == cache::Level::none ? cache::Level::origin : answers)));
  out.set_strategy(told.explanation.strategy);
  out.set_why(told.explanation.why);
  for (const auto& at : told.explanation.levels) {
    auto& row = *out.add_levels();
    row.set_level(std::string(to_string(at.level)));
    row.set_state(at.state);
    row.set_age_seconds(seconds(at.age));
    row.set_ttl_left_seconds(seconds(at.fresh_left));
    row.set_version(at.version);
  }
  return {};
}

Result<void> invalidate_cached(Handling& it, const admin::InvalidateCachedRequest& in,
                               admin::InvalidateCachedResponse& out) {
  TRY(CachePort* const caches, caches_of(it));
  const auto key = it.fields.may_text("key", in.key(), 512), tag = it.fields.may_text("tag", in.tag(), 128);
  TRY_VOID(it.fields.verdict());
  TRY(const cache::Reached reached,
      caches->invalidate(
          it.context(),
          {.cache = in.cache(), .key = key.value_or(""), .tag = tag.value_or(""), .everything = in.everything()}));
  out.set_reached(text_of(reached));
  return {};
}

Result<void> warm_cache(Handling& it, const admin::WarmCacheRequest& in, admin::WarmCacheResponse& out) {
  TRY(CachePort* const caches, caches_of(it));
  TRY(const CacheWarming done, caches->warm(it.context(), in.limit() == 0 ? warm_default : in.limit(), in.next()));
  out.set_loaded(done.loaded);
  out.set_present(done.present);
  out.set_failed(done.failed);
  out.set_next(done.next);
  return {};
}

Result<void> name_cache_key(Handling& it, const admin::NameCacheKeyRequest& in, admin::NameCacheKeyResponse& out) {
  TRY(CachePort* const caches, caches_of(it));
  const auto type = directory::key_type_of(in.key_type());
  if (!type) it.fields.refuse("key_type", "must be one of CPF, CNPJ, EMAIL, PHONE, EVP");
  TRY_VOID(it.fields.verdict());
  const auto key = it.fields.key("key_value", *type, in.key_value());
  TRY_VOID(it.fields.verdict());
  TRY(const CacheKeyName name, caches->key_of(it.context(), *key));
  out.set_name(name.name);
  out.set_wire_key(name.wire);
  out.set_cache(name.cache);
  out.set_ttl_seconds(seconds(name.ttl));
  return {};
}

}  // namespace

Reactor* AdminService::GetCacheStats(Context* context, const admin::GetCacheStatsRequest* in,
                                     admin::GetCacheStatsResponse* out) {
  return answer_on_pool(services_, context, {"GetCacheStats"}, in, out, get_cache_stats);
}
Reactor* AdminService::GetCached(Context* context, const admin::GetCachedRequest* in, admin::GetCachedResponse* out) {
  return answer_on_pool(services_, context, {"GetCached"}, in, out, get_cached);
}
Reactor* AdminService::ExplainCached(Context* context, const admin::ExplainCachedRequest* in,
                                     admin::ExplainCachedResponse* out) {
  return answer_on_pool(services_, context, {"ExplainCached"}, in, out, explain_cached);
}
Reactor* AdminService::InvalidateCached(Context* context, const admin::InvalidateCachedRequest* in,
                                        admin::InvalidateCachedResponse* out) {
  return answer_on_pool(services_, context, {"InvalidateCached"}, in, out, invalidate_cached);
}
Reactor* AdminService::WarmCache(Context* context, const admin::WarmCacheRequest* in, admin::WarmCacheResponse* out) {
  return answer_on_pool(services_, context, {"WarmCache"}, in, out, warm_cache);
}
Reactor* AdminService::NameCacheKey(Context* context, const admin::NameCacheKeyRequest* in,
                                    admin::NameCacheKeyResponse* out) {
  return answer_on_pool(services_, context, {"NameCacheKey"}, in, out, name_cache_key);
}

}  // namespace chaveiro::api::grpc
