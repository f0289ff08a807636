#include "app/program/platform.h"

#include <filesystem>
#include <optional>

#include "api/grpc/library_log.h"
#include "api/grpc/rls_server.h"
#include "api/grpc/server.h"
#include "api/rest/metrics_server.h"
#include "api/rest/server.h"
#include "app/admin.h"
#include "app/cache_admin.h"
#include "app/cache_levels.h"
#include "app/demo.h"
#include "app/event_admin.h"
#include "app/event_service.h"
#include "app/figures.h"
#include "app/health.h"
#include "app/jobs.h"
#include "app/keyring.h"
#include "app/known_keys.h"
#include "app/limited_registry.h"
#include "app/limits.h"
#include "app/payment_orders.h"
#include "app/program/version.h"
#include "app/record_cache.h"
#include "app/storage.h"
#include "base/guarded.h"
#include "base/metrics.h"
#include "base/periodic.h"
#include "base/pool.h"
#include "base/process_metrics.h"
#include "cache/invalidator.h"
#include "clients/redis/idempotency_store.h"
#include "clients/redis/limits_reapply.h"
#include "clients/redis/limits_store.h"
#include "clients/redis/official_reapply.h"
#include "limits/leased_store.h"

namespace chaveiro::app {
namespace {

namespace dir = directory;

// Processes that may share the limits in Redis: what each may hold or count alone is its part of this.
constexpr std::int64_t nodes_max = 8;

std::string address_of(const Settings& settings) {
  if (!settings.bind.empty()) return settings.bind;
  return settings.tls_cert_file.empty() ? "127.0.0.1" : "0.0.0.0";
}

std::vector<dir::Ispb> served_of(const Settings& settings) {
  std::vector<dir::Ispb> served;
  for (const std::string& text : settings.ispbs) served.push_back(*dir::Ispb::parse(text));
  return served;
}

api::AuthOptions auth_of(const Settings& settings, const Keyring& keyring) {
  api::AuthOptions options;
  options.hs256_secret = settings.jwt_secret.empty() ? keyring.token_secret() : settings.jwt_secret;
  if (!settings.jwt_jwks_file.empty()) options.jwks_file = settings.jwt_jwks_file;
  options.issuer = settings.jwt_issuer;
  options.audience = settings.jwt_audience;
  options.served = served_of(settings);
  const auto add_key = [&](const char* name, const Secret& key) {
    if (!key.empty()) options.api_keys.push_back({name, key, *api::api_key_roles(name)});
  };
  add_key("lb-connect", settings.api_key_lb_connect);
  add_key("backoffice", settings.api_key_backoffice);
  return options;
}

Result<std::shared_ptr<net::TlsServerContext>> tls_of(const Settings& settings) {
  if (settings.tls_cert_file.empty()) return std::shared_ptr<net::TlsServerContext>();
  net::TlsServerOptions options;
  options.cert_file = settings.tls_cert_file;
  options.key_file = settings.tls_key_file;
  options.client_ca_file = settings.tls_client_ca_file;
  return net::TlsServerContext::load(options);
}

}  // namespace

struct Platform::Parts {
  Parts(const Settings& given, Log& log, const Clock& the_clock)
      : settings(given), clock(the_clock), logger(log.logger("platform")) {}

  const Settings& settings;
  const Clock& clock;
  Logger logger;
  Registry metrics;
  const std::vector<Registry::Watch> process_watches = watch_process(metrics);

  // Null: everything reads the store. Both outlive the store, whose writer tells of commits.
  std::unique_ptr<CacheLevels> cache_levels;
  std::unique_ptr<RecordCache> record_cache;
  std::unique_ptr<cache::Invalidator> invalidator;  // null: no other node to tell
  std::uint64_t heard_until = 0;                    // of the store's thread that tells of other processes
  Guarded<bool> saw_another_server{false};

  // Woken by the store's writer, and therefore as old as the cache.
  Guarded<Periodic*> events_worker{nullptr};

  // The order is that of building; destruction goes back from the end.
  std::unique_ptr<Storage> storage;
  // Null: limits are kept in memory.
  std::unique_ptr<redis::Client> state_redis;
  std::unique_ptr<redis::LimitsStore> redis_limits, redis_caller_limits;
  std::unique_ptr<redis::LimitsReapply> lasting_limits, lasting_caller_limits;
  std::unique_ptr<limits::LeasedStore> leased_limits;
  std::unique_ptr<redis::OfficialStore> redis_policies;
  std::unique_ptr<redis::OfficialReapply> lasting_policies;
  std::unique_ptr<limits::IdempotencyStore> first_answer_store;
  std::optional<api::FirstAnswers> first_answers;
  std::unique_ptr<PlatformLimits> limits;
  std::unique_ptr<Jobs> jobs;
  std::unique_ptr<dir::EmbeddedRegistry> embedded_registry;
  std::unique_ptr<LimitedRegistry> registry;
  std::optional<KnownKeys> known_keys;  // none: no cache
  std::optional<dir::Accounts> accounts;
  std::optional<dir::Entries> entries;
  std::optional<dir::Claims> claims;
  std::optional<Secret> person_key;
  std::optional<dir::Lookups> lookups;
  std::optional<dir::Directory> directory;

  std::unique_ptr<api::Revocations> revocations;
  std::optional<api::Authenticator> authenticator;
  std::optional<api::Chain> chain;
  std::optional<api::PageTokens> page_tokens;
  std::optional<api::Portabilities> portabilities;
  std::optional<CacheAdmin> cache_admin;
  std::unique_ptr<EventService> events;
  std::optional<EventAdmin> event_admin;
  std::optional<Admin> admin;
  std::optional<PlatformHealth> health;
  std::optional<Figures> figures;
  std::optional<Pool> pool;

  std::shared_ptr<net::TlsServerContext> tls;
  std::unique_ptr<api::grpc::LibraryLog> grpc_log;
  std::unique_ptr<api::grpc::Server> grpc;
  std::unique_ptr<api::rest::Server> rest;
  std::unique_ptr<api::rest::MetricsServer> metrics_server;
  std::unique_ptr<limits::MemoryStore> rls_store;
  std::unique_ptr<limits::Limiter> rls_limiter;
  std::unique_ptr<api::grpc::RlsServer> rls;

  std::optional<Periodic> leases_worker, policies_worker, failover_worker, callers_worker, health_worker, claims_worker,
      figures_worker, event_figures_worker, cache_worker, sweep_worker, certificates_worker, invalidation_worker,
      storage_worker;
  std::optional<Periodic> events_loop;
  bool has_demonstration = false;

  Result<void> build_storage(const Keyring& keyring, Log& log) {
    TRY(storage, open_storage(settings, keyring, clock, log.logger("storage"), metrics));
    TRY_VOID(build_caches(keyring, log));
    Counter& records = metrics.counter("dict_audit_records_total", "Changes that left their audit record.");
    storage->store().on_commit([this, &records](std::uint64_t sequence, const dir::Change& change) {
      records.add(change.writes.size());
      if (record_cache) record_cache->committed(sequence, change);
      if (auto worker = events_worker.lock(); *worker != nullptr) (*worker)->run_soon();
    });
    storage->store().on_forget([this] {
      if (record_cache) record_cache->forget();
    });
    storage->on_change_elsewhere([this](const Storage::Elsewhere& elsewhere) { heard_of(elsewhere); });
    return {};
  }

  // From the database, besides what the nodes tell each other: also of processes that serve nobody, such as an import.
  void heard_of(const Storage::Elsewhere& elsewhere) {
    if (!record_cache) return;
    std::uint64_t& last = heard_until;
    const bool went_back = elsewhere.sequence < last;  // a restored database: what levels hold may never have been
    last = elsewhere.sequence;
    if (elsewhere.everything)
      return record_cache->forget_elsewhere(went_back ? cache::Forget::levels : cache::Forget::memory);
    for (const dir::Write& write : elsewhere.changed) record_cache->changed_elsewhere(write);
  }

  // Nodes that share a second level tell each other what they wrote.
  Result<void> build_invalidation(Log& log) {
    if (cache_levels->backplane() == nullptr) return {};
    TRY(invalidator,
        cache::Invalidator::make(
            {.publisher = cache_levels->publisher(), .node = {.clean_start = !cache_levels->l2_is_suspect()}},
            *cache_levels->backplane(), record_cache->catalogue(), clock, metrics, log.logger("cache")));
    record_cache->tell_others([this](std::span<const cache::Invalidation> news) { invalidator->wrote(news); });
    return {};
  }

  Result<void> build_caches(const Keyring& keyring, Log& log) {
    TRY(cache_levels,
        CacheLevels::open(settings, storage->own_folder(), storage->store(), clock, metrics, log.logger("cache")));
    const bool slower = cache_levels->l2() != nullptr || cache_levels->l3() != nullptr;
    if (!settings.cache_l1_enabled && !slower) return {};
    RecordCacheOptions options;
    options.memory = settings.cache_l1_enabled;
    options.l3_shared = cache_levels->l3_is_shared();
    options.bytes_max = settings.cache_l1_bytes_max;
    if (slower || settings.cache_l1_ttl_given) options.memory_ttl_max = settings.cache_l1_ttl;
    options.times.entry = settings.cache_entry_ttl;
    options.times.account = settings.cache_account_ttl;
    options.times.foreign = settings.cache_foreign_ttl;
    options.times.existence = settings.cache_existence_ttl;
    options.personal = settings.cache_plain_keys ? cache::PersonalKeys::plain : cache::PersonalKeys::hidden;
    const Secret installation_key = keyring.person_key();
    TRY(record_cache, RecordCache::make(options, {.store = storage->store(),
                                                  .installation_key = installation_key,
                                                  .clock = clock,
                                                  .metrics = metrics,
                                                  .log = log.logger("cache"),
                                                  .l2 = cache_levels->l2(),
                                                  .l3 = cache_levels->l3()}));
    // Also where Redis is away now: it is passed over until it has been cleared.
    if (cache_levels->l2_is_suspect()) record_cache->forget();
    return build_invalidation(log);
  }

  // Limits that several processes share lie in Redis.
  Result<void> build_shared_buckets() {
    if (settings.redis_state_url.empty()) return {};
    TRY(redis::Options options, redis::parse_url(settings.redis_state_url.expose()));
    options.client_name = "chaveiro-limits";
    TRY(state_redis, redis::Client::create(std::move(options), {.log = logger.named("redis")}));
    redis_limits = std::make_unique<redis::LimitsStore>(redis::LimitsStoreOptions{}, *state_redis, clock);
    redis_caller_limits = std::make_unique<redis::LimitsStore>(redis::LimitsStoreOptions{.prefix = "{limits}:callers|"},
                                                               *state_redis, clock);
    const auto lasting = [this](limits::Store& store) {
      return std::make_unique<redis::LimitsReapply>(redis::LimitsReapplyOptions{}, store, *state_redis, clock, metrics);
    };
    lasting_limits = lasting(*redis_limits);
    lasting_caller_limits = lasting(*redis_caller_limits);
    leased_limits = std::make_unique<limits::LeasedStore>(limits::LeasedStoreOptions{.nodes_max = nodes_max},
                                                          *lasting_limits, clock);
    redis_policies = std::make_unique<redis::OfficialStore>(redis::OfficialStoreOptions{}, *state_redis, clock);
    lasting_policies = std::make_unique<redis::OfficialReapply>(redis::OfficialReapplyOptions{}, *redis_policies,
                                                                *state_redis, clock, metrics);
    return {};
  }

  Result<void> build_limits(const Keyring& keyring) {
    LimitsOptions options{.enabled = settings.rate_limit_enabled,
                          .per_ip_and_minute = settings.rate_limit_per_minute,
                          .rules_file = settings.rate_limit_rules};
    TRY(options.official.category, limits::parse_category(settings.dict_category));
    if (settings.lookup_abuse_tighten) options.abuse.tighten = limits::Tighten::yes;
    TRY_VOID(build_shared_buckets());
    const auto note = [this](const dir::Context& context, std::string operation, std::string text) {
      return storage->store().note(
          {std::move(operation), "limit", context.caller.ispb,
           dir::Actor{context.caller.subject, context.correlation_id}, clock.now(), std::move(text)},
          context.deadline);
    };
    TRY(limits, PlatformLimits::make(std::move(options),
                                     {lasting_policies.get(), lasting_caller_limits.get(), state_redis ? nodes_max : 1},
                                     keyring.person_key(), note, clock, logger.named("limits"), metrics));
    return {};
  }

  void build_directory(const Keyring& keyring) {
    const dir::KeyRules key_rules{settings.check_digits};
    embedded_registry = std::make_unique<dir::EmbeddedRegistry>(clock);
    registry = std::make_unique<LimitedRegistry>(LimitedRegistryOptions{}, *embedded_registry, *limits, clock,
                                                 logger.named("limits"));
    if (record_cache) known_keys.emplace(*registry, record_cache->existence());
    dir::Registry& authority = known_keys ? static_cast<dir::Registry&>(*known_keys) : *registry;
    dir::Reads* const reads = record_cache.get();
    accounts.emplace(storage->store(), clock, dir::PersonRules{settings.check_digits}, reads);
    entries.emplace(storage->store(), authority, clock, key_rules, dir::EntryOptions{}, reads);
    claims.emplace(storage->store(), authority, clock, key_rules, served_of(settings), dir::ClaimPeriods{}, reads);
    person_key = keyring.person_key();
    lookups.emplace(storage->store(), record_cache.get(), authority, storage->lookups(), clock, *person_key);
    directory.emplace(dir::Directory{*accounts, *entries, *claims, *lookups, storage->store()});
  }

  Result<void> build_edges_chain(const Keyring& keyring, Log& log) {
    TRY(revocations, api::Revocations::open(settings.data + "/revocations", clock));
    authenticator.emplace(auth_of(settings, keyring), clock, *revocations);
    TRY_VOID(authenticator->reload());
    chain.emplace(api::ChainOptions{}, *authenticator, limits.get(), clock, log.logger("access"), metrics);
    page_tokens.emplace(keyring.page_key(), clock);
    portabilities.emplace(*directory, keyring.page_key(), clock);
    if (record_cache) cache_admin.emplace(storage->store(), clock, *record_cache);
    EventServiceOptions event_options;
    if (settings.database_url != "memory:") {
      event_options.folder = settings.data + "/events";
      event_options.memory = storage->consumer_memory();
      event_options.memory_path = settings.data + "/consumers.db";
    }
    TRY(const std::string node, node_of(settings.data));
    TRY(event_options.pulsar, pulsar_events(settings, node));
    event_options.payment_orders = payment_order_handler(*limits, served_of(settings).front());
    event_options.sync_answers = &storage->sync_answers();
    event_options.served = served_of(settings);
    events = std::make_unique<EventService>(std::move(event_options), storage->store(), *claims, clock,
                                            log.logger("events"), metrics);
    event_admin.emplace(*events, storage->store(), clock);
    admin.emplace(AdminParts{
        .store = storage->store(),
        .clock = clock,
        .log = log,
        .authenticator = *authenticator,
        .revocations = *revocations,
        .served = served_of(settings),
        .check_digits = settings.check_digits,
        .backup = [this](const std::string& name, Deadline deadline) { return storage->backup(name, deadline); },
        .purge_lookups = [this](UtcTime before) { return storage->purge_lookups(before); },
        .caches = cache_admin ? &*cache_admin : nullptr,
        .events = &*event_admin,
        .verify = [this](const std::vector<std::string>& anchors,
                         Deadline deadline) { return storage->verify(anchors, deadline); }});
    pool.emplace(PoolOptions{"edge", settings.worker_threads, settings.worker_queue}, clock, log.logger("pool"),
                 metrics);
    return {};
  }

  Result<void> build_health() {
    std::vector<Probe> probes{{"store", true, [this](Deadline deadline) { return storage->store().check(deadline); }},
                              {"audit", true, [this](Deadline) { return storage->check_lookups(); }}};
    if (cache_levels->l2() != nullptr)
      probes.push_back({"redis", false, [this](Deadline deadline) {
                          return cache_levels->check(deadline.capped(std::chrono::milliseconds{200}));
                        }});
    if (!settings.pulsar_url.empty())
      probes.push_back({"pulsar", false, [this](Deadline deadline) {
                          return events->check(deadline.capped(std::chrono::milliseconds{500}));
                        }});
    if (jobs->elected()) probes.push_back({"jobs", false, [this](Deadline) { return jobs->check(); }});
    health.emplace(std::move(probes));
    TRY_VOID(health->refresh(Deadline::in(std::chrono::seconds{10})));
    figures.emplace(storage->store(), metrics, served_of(settings));
    return {};
  }

  Result<void> build_servers() {
    build_first_answers();
    TRY(tls, tls_of(settings));
    const std::string address = address_of(settings);
    const api::FieldRules fields{dir::KeyRules{settings.check_digits}};
    api::grpc::ServerOptions grpc_options;
    grpc_options.address = address;
    grpc_options.port = settings.grpc_port;
    grpc_options.tls = tls;
    grpc_log = std::make_unique<api::grpc::LibraryLog>(logger.named("grpc"), clock);
    TRY(grpc, api::grpc::Server::start(grpc_options, {*chain, *directory, *portabilities, *page_tokens, *pool, *health,
                                                      &*admin, fields, clock, limits.get(), &*first_answers}));
    api::rest::ServerOptions rest_options;
    rest_options.address = address;
    rest_options.port = settings.http_port;
    rest_options.tls = tls;
    rest_options.metrics = &metrics;
    TRY(rest, api::rest::Server::start(rest_options, {*chain, *directory, *portabilities, *page_tokens, *pool, *health,
                                                      &*admin, fields, clock, limits.get(), &*first_answers}));
    if (settings.metrics_enabled) {
      TRY(metrics_server, api::rest::MetricsServer::start({address, settings.metrics_port}, metrics));
    }
    return {};
  }

  // Envoy's Rate Limit Service, over rules and buckets of its own.
  Result<void> build_rls() {
    if (settings.rls_port == 0) return {};
    if (settings.rls_rules.empty())
      return fail_field("RLS_RULES", "must name a rules file where RLS_PORT is given", "BadSettings");
    TRY(auto rules, read_envoy_rules(settings.rls_rules));
    rls_store = std::make_unique<limits::MemoryStore>(limits::MemoryStoreOptions{}, clock);
    rls_limiter = std::make_unique<limits::Limiter>(
        limits::LimiterOptions{.nodes_max = nodes_max, .store_is_far = leased_limits != nullptr},
        leased_limits ? static_cast<limits::Store&>(*leased_limits) : *rls_store, std::move(rules), clock, metrics);
    TRY(rls, api::grpc::RlsServer::start({address_of(settings), settings.rls_port}, *rls_limiter));
    logger.info("Envoy's Rate Limit Service is served", {{"port", rls->port()}});
    return {};
  }

  // The first answers of request ids: those that other processes gave too, where they share a Redis.
  void build_first_answers() {
    if (state_redis)
      first_answer_store = std::make_unique<redis::IdempotencyStore>(redis::IdempotencyStoreOptions{}, *state_redis);
    else
      first_answer_store = std::make_unique<limits::IdempotencyMemoryStore>(limits::IdempotencyMemoryOptions{}, clock);
    first_answers.emplace(limits::IdempotencyOptions{}, *first_answer_store, metrics);
  }

  void start_events() {
    events_loop.emplace(PeriodicOptions{.name = "events",
                                        .interval = std::chrono::seconds{1},
                                        .run_time_max = std::chrono::seconds{20},
                                        .first = PeriodicOptions::First::at_once},
                        clock, logger.named("events"),
                        [this](Deadline deadline) { return events->run_once(deadline); });
    *events_worker.lock() = &*events_loop;
    event_figures_worker.emplace(
        PeriodicOptions{
            .name = "event figures", .interval = std::chrono::seconds{1}, .run_time_max = std::chrono::seconds{5}},
        clock, logger.named("events"), [this](Deadline deadline) { return events->tell_figures(deadline); });
  }

  void start_workers() {
    start_events();
    policies_worker.emplace(PeriodicOptions{.name = "policies", .interval = std::chrono::minutes{1}}, clock,
                            logger.named("limits"), [this](Deadline deadline) -> Result<void> {
                              TRY_VOID(registry->mirror_once(deadline));
                              return {};
                            });
    if (lasting_policies) {
      failover_worker.emplace(PeriodicOptions{.name = "fail-over", .interval = std::chrono::seconds{1}}, clock,
                              logger.named("limits"), [this](Deadline deadline) -> Result<void> {
                                TRY(const std::size_t again, lasting_policies->run_once(deadline));
                                if (again > 0)
                                  logger.warn("another Redis answers: reservations of the last seconds were said again",
                                              {{"reservations", again}});
                                TRY_VOID(lasting_limits->run_once(deadline));
                                TRY_VOID(lasting_caller_limits->run_once(deadline));
                                return {};
                              });
      callers_worker.emplace(
          PeriodicOptions{
              .name = "callers", .interval = std::chrono::milliseconds{100}, .run_time_max = std::chrono::seconds{1}},
          clock, logger.named("limits"), [this](Deadline deadline) { return limits->follow(deadline); });
    }
    if (leased_limits) {
      leases_worker.emplace(PeriodicOptions{.name = "leases", .interval = std::chrono::seconds{1}}, clock,
                            logger.named("limits"), [this](Deadline deadline) {
                              leased_limits->give_back(deadline);
                              return Result<void>{};
                            });
    }
    if (record_cache) {
      cache_worker.emplace(PeriodicOptions{.name = "cache", .interval = std::chrono::milliseconds{50}}, clock,
                           logger.named("cache"), [this](Deadline deadline) {
                             const bool shared = storage->shared();
                             if (shared) *saw_another_server.lock() = true;
                             record_cache->tick(shared);
                             return cache_levels->step(deadline);
                           });
    }
    if (cache_levels->l3_is_shared()) {
      sweep_worker.emplace(PeriodicOptions{.name = "cache-sweep", .interval = std::chrono::seconds{1}}, clock,
                           logger.named("cache"), [this](Deadline deadline) {
                             return jobs->cache_sweep().run(deadline, [&](const OneOfMany::GoesOn& goes_on) {
                               return cache_levels->sweep(goes_on, deadline);
                             });
                           });
    }
    if (invalidator) {
      invalidation_worker.emplace(PeriodicOptions{.name = "invalidation", .interval = invalidator->tick_interval()},
                                  clock, logger.named("cache"), [this](Deadline) -> Result<void> {
                                    invalidator->tick();
                                    return {};
                                  });
    }
    health_worker.emplace(PeriodicOptions{.name = "health", .interval = std::chrono::seconds{1}}, clock,
                          logger.named("health"), [this](Deadline deadline) {
                            const Result<void> verdict = health->refresh(deadline);
                            grpc->publish_health();
                            return verdict;
                          });
    claims_worker.emplace(
        PeriodicOptions{
            .name = "claims", .interval = std::chrono::seconds{10}, .first = PeriodicOptions::First::at_once},
        clock, logger.named("claims"), [this](Deadline deadline) {
          return jobs->claims().run(
              deadline, [&](const OneOfMany::GoesOn& goes_on) { return run_due_claims(goes_on, deadline); });
        });
    figures_worker.emplace(
        PeriodicOptions{
            .name = "figures", .interval = std::chrono::minutes{1}, .first = PeriodicOptions::First::at_once},
        clock, logger.named("figures"), [this](Deadline deadline) { return figures->refresh(deadline); });
    storage_worker.emplace(
        PeriodicOptions{.name = "storage",
                        .interval = std::chrono::hours{1},
                        .retry_interval = std::chrono::minutes{1},
                        .run_time_max = std::chrono::minutes{1},
                        .first = PeriodicOptions::First::at_once},
        clock, logger.named("storage"), [this](Deadline deadline) -> Result<void> {
          TRY_VOID(jobs->months().run(deadline, [&](const OneOfMany::GoesOn&) { return storage->keep_up(deadline); }));
          return storage->look_after(deadline);
        });
    if (tls) {
      certificates_worker.emplace(PeriodicOptions{.name = "certificates", .interval = std::chrono::seconds{1}}, clock,
                                  logger.named("certificates"), [this](Deadline) -> Result<void> {
                                    TRY(const bool changed, tls->reload_if_changed());
                                    if (changed) logger.info("both APIs have new certificates");
                                    return {};
                                  });
    }
  }

  Result<void> run_due_claims(const OneOfMany::GoesOn& goes_on, Deadline deadline) {
    TRY(const std::size_t steps, claims->run_due(
                                     [this](const dir::ClaimId& claim, const Error& error) {
                                       logger.warn("a step of a claim that is due failed and is tried again",
                                                   {{"claim", to_string(claim)}, {"error", error}});
                                     },
                                     deadline, goes_on));
    if (steps > 0) logger.info("claims went on by their clocks", {{"steps", steps}});
    return {};
  }
};

Platform::Platform(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Platform::~Platform() = default;

Result<std::unique_ptr<Platform>> Platform::start(const Settings& settings, bool demonstration, Log& log,
                                                  const Clock& clock) {
  TRY(const Keyring keyring, Keyring::open_or_make(settings.data));
  auto parts = std::make_unique<Parts>(settings, log, clock);
  TRY_VOID(parts->build_storage(keyring, log));
  TRY_VOID(parts->build_limits(keyring));
  redis::Client* const elects = parts->state_redis ? parts->state_redis.get() : parts->cache_levels->redis();
  parts->jobs = Jobs::make(settings, *parts->storage, elects, clock, log.logger("jobs"), parts->metrics);
  parts->build_directory(keyring);
  if (demonstration && settings.app_env != "production") {
    TRY(const std::uint64_t made,
        import_demo(parts->storage->store(), clock, served_of(settings), Deadline::in(std::chrono::seconds{30})));
    if (made > 0) parts->logger.info("the demonstration base was brought in", {{"entries", made}});
    const auto first = dir::Key::parse(dir::KeyType::email, demo_first_key, {});
    TRY(const auto found, parts->storage->store().live_entry(*first, Deadline::in(std::chrono::seconds{5})));
    parts->has_demonstration = found.has_value();
  }
  TRY_VOID(parts->build_edges_chain(keyring, log));
  TRY_VOID(parts->build_health());
  TRY_VOID(parts->build_servers());
  TRY_VOID(parts->build_rls());
  parts->start_workers();
  return std::unique_ptr<Platform>(new Platform(std::move(parts)));
}

std::string Platform::greeting(const std::string& program) const {
  const Settings& settings = parts_->settings;
  const std::string address = address_of(settings) == "0.0.0.0" ? "localhost" : address_of(settings);
  const std::string scheme = settings.tls_cert_file.empty() ? "http://" : "https://";
  const std::string web = scheme + address + ":" + std::to_string(parts_->rest->port());
  std::string text = "Chaveiro " + std::string(program_version) + " is ready.\n\n";
  text += "  API page  " + web + "/\n";
  text += "  REST      " + web + "/api/v1/\n";
  text += "  gRPC      " + address + ":" + std::to_string(parts_->grpc->port()) + "\n";
  if (parts_->metrics_server)
    text += "  metrics   http://" + address + ":" + std::to_string(parts_->metrics_server->port()) + "/metrics\n";
  std::error_code ignored;
  const std::string data = std::filesystem::absolute(settings.data, ignored).string();
  text += "  data      " + data + "\n\n";
  std::string where;
  if (parts_->grpc->port() != 9090) where += " --server " + address + ":" + std::to_string(parts_->grpc->port());
  if (std::filesystem::absolute("data", ignored).string() != data) where += " --data " + data;
  if (!settings.tls_cert_file.empty()) where += " --ca AUTHORITY.pem";
  if (!settings.tls_client_ca_file.empty()) where += " --cert OURS.pem --cert-key OURS.key";
  text += parts_->has_demonstration
              ? "  A first look-up, from another terminal:\n\n    " + program + " lookup " +
                    std::string(demo_first_key) + where + "\n\n"
              : "  Bring in keys, from another terminal:\n\n    " + program + " import FILE" + where + "\n\n";
  return text + "  stop with Ctrl-C\n";
}

Result<void> Platform::reload() {
  Result<void> verdict = parts_->authenticator->reload();
  if (auto rules = parts_->limits->reload(); !rules && verdict) verdict = std::move(rules).error();
  if (parts_->rls_limiter) {
    auto rules = read_envoy_rules(parts_->settings.rls_rules);
    if (rules) parts_->rls_limiter->replace(std::move(*rules));
    if (!rules && verdict) verdict = std::move(rules).error();
  }
  if (parts_->tls) {
    if (auto reloaded = parts_->tls->reload(); !reloaded && verdict) verdict = std::move(reloaded);
  }
  return verdict;
}

bool Platform::stop(Deadline deadline) {
  Parts& parts = *parts_;
  parts.health->drain();
  parts.grpc->not_ready();
  for (auto* worker : {&parts.leases_worker, &parts.policies_worker, &parts.failover_worker, &parts.callers_worker,
                       &parts.claims_worker, &parts.figures_worker, &parts.event_figures_worker, &parts.health_worker,
                       &parts.cache_worker, &parts.sweep_worker, &parts.certificates_worker, &parts.storage_worker}) {
    if (*worker && !(*worker)->stop(deadline)) parts.logger.warn("a worker did not stop in time");
  }
  parts.jobs->leave(deadline);
  *parts.events_worker.lock() = nullptr;
  if (parts.events_loop && !parts.events_loop->stop(deadline)) parts.logger.warn("events did not stop in time");
  const bool rest_whole = parts.rest->stop(deadline);
  parts.grpc->stop(deadline);
  if (parts.rls) parts.rls->stop(deadline);
  const Pool::Left left = parts.pool->drain(deadline);
  parts.events->stop(deadline);
  if (parts.invalidation_worker) (void)parts.invalidation_worker->stop(deadline);
  if (parts.invalidator) parts.invalidator->leave();
  if (parts.metrics_server) parts.metrics_server->stop(deadline);
  const bool told_everything = !*parts.saw_another_server.lock() && !parts.storage->shared() && left == Pool::Left{};
  if (auto closed = parts.cache_levels->close(parts.storage->store(), told_everything, deadline); !closed)
    parts.logger.warn("the cache begins empty next time", {{"error", closed.error()}});
  return rest_whole && left == Pool::Left{};
}

}  // namespace chaveiro::app
