#include "app/settings.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/clock.h"
#include "cache/regulated.h"

namespace chaveiro::app {
namespace {

using Apply = Result<void> (*)(Settings&, std::string_view);

Error fault(std::string message) { return fail(Code::invalid, "BadSetting", std::move(message)); }

template <auto Field>
Result<void> text(Settings& settings, std::string_view value) {
  settings.*Field = std::string(value);
  return {};
}

template <auto Field>
Result<void> secret(Settings& settings, std::string_view value) {
  settings.*Field = Secret(std::string(value));
  return {};
}

template <auto Field>
Result<void> boolean(Settings& settings, std::string_view value) {
  if (value != "true" && value != "false") return fault("must be true or false");
  settings.*Field = value == "true";
  return {};
}

template <auto Field, std::uint64_t Min, std::uint64_t Max, std::uint64_t Unit = 1>
Result<void> number(Settings& settings, std::string_view value) {
  std::uint64_t parsed = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
  if (error != std::errc{} || end != value.data() + value.size() || parsed < Min || parsed > Max) {
    return fault("must be a whole number from " + std::to_string(Min) + " to " + std::to_string(Max));
  }
  settings.*Field = static_cast<std::remove_reference_t<decltype(settings.*Field)>>(parsed * Unit);
  return {};
}

Result<void> pulsar_url(Settings& settings, std::string_view value) {
  if (!value.starts_with("pulsar://") && !value.starts_with("pulsar+ssl://"))
    return fault("must begin with pulsar:// or pulsar+ssl://");
  settings.pulsar_url = std::string(value);
  return {};
}

// As events::to_string(SubscriptionType) writes it.
Result<void> pulsar_type(Settings& settings, std::string_view value) {
  static constexpr std::pair<std::string_view, std::string_view> types[] = {
      {"key_shared", "Key_Shared"}, {"exclusive", "Exclusive"}, {"failover", "Failover"}, {"shared", "Shared"}};
  const auto found = std::ranges::find(types, value, &std::pair<std::string_view, std::string_view>::first);
  if (found == std::end(types)) return fault("must be key_shared, exclusive, failover or shared");
  settings.pulsar_consumer_type = found->second;
  return {};
}

template <auto Field>
Result<void> duration(Settings& settings, std::string_view value) {
  auto parsed = parse_duration(value);
  if (!parsed) return fault(parsed.error().message);
  settings.*Field = *parsed;
  return {};
}

template <auto Field>
constexpr Apply port = number<Field, 0, 65535>;

Result<void> ispbs(Settings& settings, std::string_view value) {
  settings.ispbs.clear();
  std::stringstream parts{std::string(value)};
  for (std::string part; std::getline(parts, part, ',');) {
    const auto bad = [](char c) { return !((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')); };
    if (part.size() != 8 || std::ranges::any_of(part, bad)) {
      return fault("must be ISPBs of eight characters, separated by commas, such as 12345678,87654321");
    }
    if (std::ranges::find(settings.ispbs, part) != settings.ispbs.end()) return fault("names " + part + " twice");
    settings.ispbs.push_back(part);
  }
  if (settings.ispbs.empty()) return fault("must name at least one ISPB");
  return {};
}

template <auto Field>
Result<void> one_of(Settings& settings, std::string_view value, std::initializer_list<std::string_view> allowed) {
  if (std::ranges::find(allowed, value) == allowed.end()) {
    std::string names;
    for (const auto name : allowed) names += (names.empty() ? "" : ", ") + std::string(name);
    return fault("must be one of " + names);
  }
  return text<Field>(settings, value);
}

Result<void> app_env(Settings& settings, std::string_view value) {
  return one_of<&Settings::app_env>(settings, value, {"development", "test", "homologation", "production"});
}

Result<void> log_level(Settings& settings, std::string_view value) {
  return one_of<&Settings::log_level>(settings, value, {"debug", "info", "warn", "error"});
}

Result<void> log_loss(Settings& settings, std::string_view value) {
  if (value != "refuse" && value != "count") return fault("must be refuse or count");
  settings.lookup_log_refuses_when_full = value == "refuse";
  return {};
}

Result<void> dict_category(Settings& settings, std::string_view value) {
  if (value.size() != 1 || value[0] < 'A' || value[0] > 'H') return fault("must be one letter from A to H");
  return text<&Settings::dict_category>(settings, value);
}

Result<void> database_url(Settings& settings, std::string_view value) {
  if (!value.starts_with("sqlite:") && !value.starts_with("postgres://") && value != "memory:") {
    return fault("must be sqlite:FILE, postgres://USER@HOST/DATABASE or memory:");
  }
  return text<&Settings::database_url>(settings, value);
}

Result<void> maintenance_url(Settings& settings, std::string_view value) {
  if (!value.starts_with("postgres://")) return fault("must be postgres://USER@HOST/DATABASE");
  return secret<&Settings::database_maintenance_url>(settings, value);
}

Result<void> replica_url(Settings& settings, std::string_view value) {
  if (!value.starts_with("postgres://")) return fault("must be postgres://USER@HOST/DATABASE");
  return secret<&Settings::database_replica_url>(settings, value);
}

const Setting table[] = {
    {"APP_ENV", SettingKind::text, "development",
     "development, test, homologation or production; production refuses what is only for trying out", "", app_env},
    {"APP_NAME", SettingKind::text, "chaveiro", "name of the service in logs", "", text<&Settings::app_name>},
    {"APP_VERSION", SettingKind::text, "", "version shown by /health and logs; empty: that of the program", "",
     text<&Settings::app_version>},
    {"LOG_LEVEL", SettingKind::text, "info", "debug, info, warn or error; can be changed while running (chaveiro log)",
     "", log_level},
    {"LOG_FILE", SettingKind::path, "", "file that the log is appended to; empty: standard error", "",
     text<&Settings::log_file>},
    {"LOG_SAMPLE", SettingKind::number, "100",
     "one of this many successful requests leaves an access log line; 1: every one; 0: none; failures always do", "",
     number<&Settings::log_sample, 0, 1'000'000>},
    {"CHAVEIRO_DATA", SettingKind::path, "data",
     "folder for the database, the look-up log and the secrets of this installation", "", text<&Settings::data>},
    {"CHAVEIRO_CONFIG", SettingKind::path, "",
     "settings file (YAML); empty: chaveiro.yaml in the working directory, where there is one", "",
     text<&Settings::config>},
    {"CHAVEIRO_ISPBS", SettingKind::list, "12345678,87654321",
     "participants served, comma-separated; the first is our own, the others indirect ones that we serve (the default "
     "is for trying out)",
     "", ispbs},
    {"CHAVEIRO_CHECK_DIGITS", SettingKind::boolean, "true",
     "check the digits of CPF and CNPJ (the published API examples need false)", "", boolean<&Settings::check_digits>},
    {"CHAVEIRO_BIND", SettingKind::text, "", "address to listen on; empty: 127.0.0.1 without TLS, 0.0.0.0 with it", "",
     text<&Settings::bind>},
    {"HTTP_PORT", SettingKind::number, "8080", "port of the REST API and its page; 0: any free one, printed at start",
     "", port<&Settings::http_port>},
    {"GRPC_PORT", SettingKind::number, "9090", "port of the gRPC API; 0: any free one", "", port<&Settings::grpc_port>},
    {"METRICS_ENABLED", SettingKind::boolean, "true", "serve /metrics", "", boolean<&Settings::metrics_enabled>},
    {"METRICS_PORT", SettingKind::number, "9091", "port of /metrics (Prometheus); 0: any free one", "",
     port<&Settings::metrics_port>},
    {"TLS_CERT_FILE", SettingKind::path, "",
     "certificate chain (PEM) of both APIs; empty: no TLS; read again when it changes", "",
     text<&Settings::tls_cert_file>},
    {"TLS_KEY_FILE", SettingKind::path, "", "private key (PEM) of TLS_CERT_FILE", "", text<&Settings::tls_key_file>},
    {"TLS_CLIENT_CA_FILE", SettingKind::path, "",
     "authorities (PEM) that client certificates must come from; empty: none are asked for", "",
     text<&Settings::tls_client_ca_file>},
    {"CHAVEIRO_SHUTDOWN_TIMEOUT", SettingKind::duration, "30s",
     "time that running requests get to finish after SIGTERM", "", duration<&Settings::shutdown_timeout>},
    {"CHAVEIRO_WORKERS", SettingKind::number, "16", "threads for requests that must wait", "",
     number<&Settings::worker_threads, 1, 1024>},
    {"CHAVEIRO_QUEUE", SettingKind::number, "256",
     "requests that may wait for a thread; one more is refused with RESOURCE_EXHAUSTED", "",
     number<&Settings::worker_queue, 1, 100'000>},

    {"DATABASE_URL", SettingKind::text, "sqlite:chaveiro.db",
     "sqlite:FILE (relative to the data folder), postgres://USER@HOST/DATABASE or memory: (forgets all at exit)", "",
     database_url},
    {"LOOKUP_LOG_WHEN_FULL", SettingKind::text, "refuse",
     "refuse: a look-up whose record cannot be kept is refused; count: it is answered and "
     "dict_lookup_records_lost_total counts it",
     "", log_loss},
    {"DATABASE_MAINTENANCE_URL", SettingKind::secret, "",
     "PostgreSQL role that owns the tables: migrates at start, makes and drops months; empty: somebody else does", "",
     maintenance_url},
    {"DATABASE_REPLICA_URL", SettingKind::secret, "",
     "PostgreSQL standby that answers lists while it lags by less than DATABASE_REPLICA_LAG_MAX; empty: none", "",
     replica_url},
    {"DATABASE_REPLICA_LAG_MAX", SettingKind::duration, "2s", "how old what a standby shows may be", "",
     duration<&Settings::database_replica_lag_max>},
    {"DATABASE_AUDIT_MONTHS", SettingKind::number, "0",
     "months of the audit that stay in PostgreSQL's table, beside the present one; older ones are detached; 0: all "
     "stay",
     "", number<&Settings::database_audit_months, 0, 1'200>},
    {"DB_MAX_OPEN_CONNS", SettingKind::number, "100", "PostgreSQL connections at most", "",
     number<&Settings::db_open_max, 1, 10'000>},
    {"DB_MAX_IDLE_CONNS", SettingKind::number, "10", "idle PostgreSQL connections kept", "",
     number<&Settings::db_idle_max, 0, 10'000>},

    {"CACHE_L1_ENABLED", SettingKind::boolean, "true", "keep entries in memory", "",
     boolean<&Settings::cache_l1_enabled>},
    {"CACHE_L1_MAX_SIZE_MB", SettingKind::number, "100", "memory that cached entries may take, MiB", "",
     number<&Settings::cache_l1_bytes_max, 1, 1'048'576, 1'048'576>},
    {"CACHE_L1_DEFAULT_TTL", SettingKind::duration, "5m",
     "longest time in memory where there is a slower level, or where this is given; else each value's own time", "",
     duration<&Settings::cache_l1_ttl>},
    {"CACHE_ENTRY_TTL", SettingKind::duration, "300s", "how long an entry is kept in a cache", "",
     duration<&Settings::cache_entry_ttl>},
    {"CACHE_ACCOUNT_TTL", SettingKind::duration, "600s", "how long an account is kept in a cache", "",
     duration<&Settings::cache_account_ttl>},
    {"CACHE_FOREIGN_TTL", SettingKind::duration, "180s",
     "how long an entry of another participant is kept, legal persons only and never above the answer's Cache-Control; "
     "0s: not at all; the regulator allows 180s at most",
     "", duration<&Settings::cache_foreign_ttl>},
    {"CACHE_EXISTENCE_TTL", SettingKind::duration, "720h",
     "how long it is kept, as SHA-256 and two dates, that a key exists; what checkKeys said never above its "
     "Cache-Control; 0s: not at all; the regulator allows 720h at most",
     "", duration<&Settings::cache_existence_ttl>},
    {"CACHE_L2_ENABLED", SettingKind::boolean, "false", "second cache level, in Redis; needs REDIS_URL or REDIS_ADDR",
     "", boolean<&Settings::cache_l2_enabled>},
    {"CACHE_L3_ENABLED", SettingKind::boolean, "false",
     "third cache level: a SQLite file in the data folder, which outlives the process", "",
     boolean<&Settings::cache_l3_enabled>},
    {"CACHE_PLAIN_KEYS", SettingKind::boolean, "false",
     "write keys of people plainly into the names of cached values; refused in production", "",
     boolean<&Settings::cache_plain_keys>},
    {"REDIS_URL", SettingKind::secret, "", "redis://, rediss:// or redis+sentinel:// address", "",
     secret<&Settings::redis_url>},
    {"REDIS_ADDR", SettingKind::text, "", "host:port, where REDIS_URL is not given", "", text<&Settings::redis_addr>},
    {"REDIS_PASSWORD", SettingKind::secret, "", "password of REDIS_ADDR", "", secret<&Settings::redis_password>},
    {"REDIS_DB", SettingKind::number, "0", "database number", "", number<&Settings::redis_db, 0, 15>},
    {"REDIS_POOL_SIZE", SettingKind::number, "10", "borrowed connections at most", "",
     number<&Settings::redis_pool_size, 0, 10'000>},
    {"REDIS_MIN_IDLE_CONNS", SettingKind::number, "5", "idle connections kept", "",
     number<&Settings::redis_min_idle, 0, 10'000>},
    {"REDIS_MAX_RETRIES", SettingKind::number, "3", "tries again of a read", "",
     number<&Settings::redis_retries, 0, 100>},
    {"REDIS_STATE_URL", SettingKind::secret, "",
     "server, which must not evict, for limits that several processes share and for who leads; empty: limits lie in "
     "memory, who leads on the server of CACHE_L2_ENABLED",
     "", secret<&Settings::redis_state_url>},
    {"REDIS_SENTINEL_MASTER", SettingKind::text, "", "name of the master that the sentinels watch", "",
     text<&Settings::redis_sentinel_master>},
    {"REDIS_SENTINEL_ADDRS", SettingKind::list, "", "host:port of the sentinels, comma-separated", "",
     text<&Settings::redis_sentinel_addrs>},
    {"REDIS_TLS", SettingKind::boolean, "false", "TLS to Redis", "", boolean<&Settings::redis_tls>},
    {"REDIS_TLS_SKIP_VERIFY", SettingKind::boolean, "false", "do not verify Redis's certificate (never in production)",
     "", boolean<&Settings::redis_tls_skip_verify>},

    {"PULSAR_URL", SettingKind::text, "",
     "pulsar://host:6650 or pulsar+ssl://host:6651 of the broker that events go through; empty: the log in the data "
     "folder",
     "", pulsar_url},
    {"PULSAR_ADMIN_URL", SettingKind::text, "",
     "http:// or https:// address of its administration; empty: the same host, port 8080 (8443 with TLS)", "",
     text<&Settings::pulsar_admin_url>},
    {"PULSAR_TOKEN_FILE", SettingKind::path, "", "file with the JWT for the broker, read again whenever it asks", "",
     text<&Settings::pulsar_token_file>},
    {"PULSAR_CA_FILE", SettingKind::path, "", "authorities (PEM) of the broker's certificate; empty: the system's", "",
     text<&Settings::pulsar_ca_file>},
    {"PULSAR_CERT_FILE", SettingKind::path, "", "certificate (PEM) that we show to the broker; empty: none", "",
     text<&Settings::pulsar_cert_file>},
    {"PULSAR_KEY_FILE", SettingKind::path, "", "private key (PEM) of PULSAR_CERT_FILE", "",
     text<&Settings::pulsar_key_file>},
    {"PULSAR_TOPIC_KEY_EVENTS", SettingKind::text, "persistent://dict/events/key-events", "topic of key events", "",
     text<&Settings::pulsar_topic_key_events>},
    {"PULSAR_TOPIC_CLAIM_EVENTS", SettingKind::text, "persistent://dict/events/claim-events", "topic of claim events",
     "", text<&Settings::pulsar_topic_claim_events>},
    {"PULSAR_TOPIC_DICT_REQ_OUT", SettingKind::text, "persistent://lb-conn/dict/rsfn-dict-req-out",
     "topic of requests to the registry", "", text<&Settings::pulsar_topic_req_out>},
    {"PULSAR_TOPIC_DICT_RES_IN", SettingKind::text, "persistent://lb-conn/dict/rsfn-dict-res-in",
     "topic of the registry's answers", "", text<&Settings::pulsar_topic_res_in>},
    {"PULSAR_CONSUMER_SUBSCRIPTION", SettingKind::text, "core-dict-sub", "name of our subscription on the answers", "",
     text<&Settings::pulsar_subscription>},
    {"PULSAR_CONSUMER_TYPE", SettingKind::text, "key_shared",
     "of that subscription: key_shared, exclusive, failover, or shared, which keeps no order", "", pulsar_type},
    {"PULSAR_EXCLUSIVE", SettingKind::boolean, "true",
     "nobody else may write on the topics that we write on; false while another installation does", "",
     boolean<&Settings::pulsar_exclusive>},

    {"JWT_SECRET", SettingKind::secret, "",
     "secret of HS256 tokens, 32 bytes or more; empty: made at the first start and kept in the data folder", "",
     secret<&Settings::jwt_secret>},
    {"JWT_EXPIRATION", SettingKind::duration, "24h", "life of tokens that `chaveiro token` issues", "",
     duration<&Settings::jwt_expiration>},
    {"JWT_JWKS_FILE", SettingKind::path, "", "public keys (JWKS) of RS256 and ES256 tokens; read again on SIGHUP", "",
     text<&Settings::jwt_jwks_file>},
    {"JWT_ISSUER", SettingKind::text, "chaveiro", "`iss` that tokens must carry", "", text<&Settings::jwt_issuer>},
    {"JWT_AUDIENCE", SettingKind::text, "chaveiro", "`aud` that tokens must carry", "", text<&Settings::jwt_audience>},
    {"API_KEY_LB_CONNECT", SettingKind::secret, "",
     "API key of the connector, 32 characters or more; empty: it has none", "", secret<&Settings::api_key_lb_connect>},
    {"API_KEY_BACKOFFICE", SettingKind::secret, "",
     "API key of the back office, 32 characters or more; empty: it has none", "",
     secret<&Settings::api_key_backoffice>},

    {"OTEL_ENABLED", SettingKind::boolean, "false", "send traces and metrics over OTLP", "OpenTelemetry", nullptr},
    {"OTEL_EXPORTER_OTLP_ENDPOINT", SettingKind::text, "", "address of the collector", "OpenTelemetry", nullptr},
    {"OTEL_EXPORTER_OTLP_PROTOCOL", SettingKind::text, "", "grpc or http/protobuf", "OpenTelemetry", nullptr},
    {"OTEL_EXPORTER_OTLP_TIMEOUT", SettingKind::text, "", "milliseconds that an export may take", "OpenTelemetry",
     nullptr},
    {"OTEL_EXPORTER_OTLP_HEADERS", SettingKind::secret, "", "headers for the collector", "OpenTelemetry", nullptr},
    {"RATE_LIMIT_ENABLED", SettingKind::boolean, "true",
     "limit requests by our own rules; the regulator's policies always hold", "",
     boolean<&Settings::rate_limit_enabled>},
    {"RATE_LIMIT_REQUESTS_PER_MINUTE", SettingKind::number, "100",
     "requests a minute from one address by callers that nobody knows; 0: any number", "",
     number<&Settings::rate_limit_per_minute, 0, 1'000'000>},
    {"RATE_LIMIT_RULES", SettingKind::path, "",
     "rules for callers (YAML, docs/limits.md), read again on SIGHUP; empty: the built-in ones", "",
     text<&Settings::rate_limit_rules>},
    {"DICT_CATEGORY", SettingKind::text, "H",
     "category that the regulator gave the participant, A to H: the size of its buckets", "", dict_category},
    {"LOOKUP_ABUSE_TIGHTEN", SettingKind::boolean, "false",
     "refuse look-ups for users of whom too many find nobody; else they are only told", "",
     boolean<&Settings::lookup_abuse_tighten>},
    {"RLS_PORT", SettingKind::number, "0", "port of Envoy's Rate Limit Service (gRPC); 0: not served", "",
     port<&Settings::rls_port>},
    {"RLS_RULES", SettingKind::path, "", "rules of that service, in the form of envoyproxy/ratelimit (YAML)", "",
     text<&Settings::rls_rules>},
    {"TEMPORAL_ADDRESS", SettingKind::text, "", "host:port of Temporal", "durable workflows", nullptr},
    {"TEMPORAL_NAMESPACE", SettingKind::text, "", "namespace in Temporal", "durable workflows", nullptr},
    {"BRIDGE_ADDR", SettingKind::text, "", "host:port of the bridge to the official directory", "the registry bridge",
     nullptr},

    {"CHAVEIRO_SERVER", SettingKind::text, "",
     "host:port (gRPC) that the command line talks to; empty: 127.0.0.1 and GRPC_PORT", "", text<&Settings::server>},
    {"CHAVEIRO_CA", SettingKind::path, "",
     "authority (PEM) of the server's certificate, for the command line; empty: the connection is not encrypted", "",
     text<&Settings::ca_file>},
    {"CHAVEIRO_CERT", SettingKind::path, "",
     "certificate chain (PEM) that the command line shows to a server that asks for one", "",
     text<&Settings::cert_file>},
    {"CHAVEIRO_CERT_KEY", SettingKind::path, "", "private key (PEM) of CHAVEIRO_CERT", "",
     text<&Settings::cert_key_file>},
    {"CHAVEIRO_TOKEN", SettingKind::secret, "",
     "token that the command line uses; empty: one made with the secret in the data folder", "",
     secret<&Settings::token>},
};

const Setting* find(std::string_view name) {
  const auto row = std::ranges::find(table, name, &Setting::name);
  return row == std::end(table) ? nullptr : &*row;
}

const Setting* find_yaml(std::string_view name) {
  const auto row = std::ranges::find_if(table, [&](const Setting& setting) { return yaml_name(setting) == name; });
  return row == std::end(table) ? nullptr : &*row;
}

struct Candidate {
  std::string text;
  std::string where;
  std::string as_written;  // the name in a message
};

class Loader {
 public:
  explicit Loader(const Sources& sources) : sources_(sources) {}

  Result<Loaded> run() {
    for (const auto& [name, value] : sources_.flags) {
      if (find(name) == nullptr) fault_of(name, "is not a setting; `chaveiro config` lists them all");
    }
    read_file();
    for (const Setting& setting : table) take(setting);
    if (sources_.faults_of_files)
      for (FieldViolation& fault : sources_.faults_of_files(loaded_.settings)) faults_.push_back(std::move(fault));
    if (!faults_.empty()) {
      Error error = fail(Code::invalid, "BadSettings", std::to_string(faults_.size()) + " setting(s) are wrong");
      error.violations = std::move(faults_);
      return error;
    }
    return std::move(loaded_);
  }

 private:
  void fault_of(std::string name, std::string what) { faults_.push_back({std::move(name), std::move(what)}); }

  std::optional<Candidate> from_environment(const Setting& setting) {
    const std::string name(setting.name);
    std::optional<std::string> value = sources_.environment(name);
    if (setting.kind != SettingKind::secret) {
      if (value) return Candidate{*value, "environment", name};
      return std::nullopt;
    }
    const std::optional<std::string> file = sources_.environment(name + "_FILE");
    if (value && file) {
      fault_of(name, "is given twice: also as " + name + "_FILE");
      return std::nullopt;
    }
    if (value) return Candidate{*value, "environment", name};
    if (!file || file->empty()) return std::nullopt;
    return from_secret_file(name + "_FILE", *file, "environment (file)");
  }

  std::optional<Candidate> from_secret_file(const std::string& name, const std::string& path,
                                            const std::string& where) {
    std::ifstream in(path, std::ios::binary);
    std::string text(65536, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (in.gcount() == 0 || !in.eof()) {
      fault_of(name, in.gcount() == 0 ? "cannot read " + path + ", or it is empty" : path + " is larger than 64 KiB");
      return std::nullopt;
    }
    text.resize(static_cast<std::size_t>(in.gcount()));
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    return Candidate{text, where, name};
  }

  std::optional<Candidate> from_file(const Setting& setting) {
    const auto found = file_.find(std::string(setting.name));
    return found == file_.end() ? std::nullopt : std::optional(found->second);
  }

  void take(const Setting& setting) {
    std::optional<Candidate> candidate;
    if (const auto flag = sources_.flags.find(std::string(setting.name)); flag != sources_.flags.end()) {
      candidate = Candidate{flag->second, "flag", flag_name(setting)};
    }
    if (!candidate) candidate = from_environment(setting);
    if (!candidate) candidate = from_file(setting);
    const bool given = candidate.has_value();
    if (!candidate) candidate = Candidate{std::string(setting.default_text), "default", std::string(setting.name)};
    loaded_.origins[std::string(setting.name)] = {shown(setting, candidate->text), candidate->where};
    if (given && !setting.waits_for.empty()) {
      loaded_.warnings.push_back(candidate->as_written + " has no effect yet: this version is built without " +
                                 std::string(setting.waits_for));
    }
    if (setting.apply == nullptr || (candidate->text.empty() && setting.default_text.empty())) return;
    if (auto applied = setting.apply(loaded_.settings, candidate->text); !applied) {
      fault_of(candidate->as_written, applied.error().message);
    }
  }

  // scheme://user:password@host → scheme://user:***@host
  static std::string without_password(std::string text) {
    const std::size_t begin = text.find("://");
    if (begin == std::string::npos) return text;
    const std::size_t at = text.rfind('@'), colon = text.find(':', begin + 3);
    if (at != std::string::npos && colon < at) text.replace(colon + 1, at - colon - 1, "***");
    const std::size_t query = text.find("password=");
    if (query != std::string::npos) text.resize(query + 9), text += "***";
    return text;
  }

  static std::string shown(const Setting& setting, const std::string& text) {
    if (setting.kind == SettingKind::secret) return text.empty() ? text : "***";
    return without_password(text);
  }

  void read_file() {
    std::string path = "chaveiro.yaml";
    bool wanted = false;
    if (const auto named = sources_.environment("CHAVEIRO_CONFIG"); named && !named->empty())
      path = *named, wanted = true;
    if (const auto flag = sources_.flags.find("CHAVEIRO_CONFIG"); flag != sources_.flags.end())
      path = flag->second, wanted = true;
    std::error_code ignored;
    if (!wanted && !std::filesystem::exists(path, ignored)) return;
    if (std::filesystem::file_size(path, ignored) > 1'048'576 && !ignored)
      return fault_of(path, "is larger than 1 MiB");
    try {
      parse_file(path, YAML::LoadFile(path));
    } catch (const YAML::BadFile&) {
      fault_of(path, "cannot be read");
    } catch (const YAML::Exception& error) {
      fault_of(path + ":" + std::to_string(error.mark.line + 1) + ":" + std::to_string(error.mark.column + 1),
               error.msg);
    }
  }

  void parse_file(const std::string& path, const YAML::Node& root) {
    if (root.IsNull()) return;
    if (!root.IsMap()) return fault_of(path, "must hold `name: value` lines");
    for (const auto& pair : root) {
      const std::string name = pair.first.as<std::string>();
      const std::string place = path + ":" + std::to_string(pair.first.Mark().line + 1);
      const std::string as_written = name + " (" + place + ")";
      const bool secret_file = name.ends_with("_file") && find_yaml(name) == nullptr;
      const Setting* setting = find_yaml(secret_file ? name.substr(0, name.size() - 5) : name);
      if (setting == nullptr || (secret_file && setting->kind != SettingKind::secret)) {
        fault_of(as_written, "is not a setting; `chaveiro config` lists them all");
        continue;
      }
      const std::optional<std::string> value = scalar(*setting, pair.second);
      if (!value) {
        fault_of(as_written,
                 setting->kind == SettingKind::list ? "must be a value or a list of values" : "must be one value");
        continue;
      }
      std::optional<Candidate> candidate = secret_file ? from_secret_file(as_written, *value, "file " + place)
                                                       : std::optional(Candidate{*value, "file " + place, as_written});
      if (candidate && !file_.emplace(std::string(setting->name), *candidate).second)
        fault_of(as_written, "is given twice");
    }
  }

  static std::optional<std::string> scalar(const Setting& setting, const YAML::Node& node) {
    if (node.IsNull()) return "";
    if (node.IsScalar()) return node.Scalar();
    if (!node.IsSequence() || setting.kind != SettingKind::list) return std::nullopt;
    std::string joined;
    for (const auto& item : node) {
      if (!item.IsScalar()) return std::nullopt;
      joined += (joined.empty() ? "" : ",") + item.Scalar();
    }
    return joined;
  }

  const Sources& sources_;
  Loaded loaded_;
  std::vector<FieldViolation> faults_;
  std::map<std::string, Candidate> file_;
};

// Faults that only show when settings are seen together.
void check_together(const Settings& settings, std::vector<FieldViolation>& faults) {
  if (settings.tls_cert_file.empty() != settings.tls_key_file.empty()) {
    faults.push_back({"TLS_CERT_FILE", "TLS_CERT_FILE and TLS_KEY_FILE must be given together"});
  }
  if (!settings.tls_client_ca_file.empty() && settings.tls_cert_file.empty()) {
    faults.push_back({"TLS_CLIENT_CA_FILE", "needs TLS_CERT_FILE and TLS_KEY_FILE"});
  }
  if (settings.cert_file.empty() != settings.cert_key_file.empty()) {
    faults.push_back({"CHAVEIRO_CERT", "CHAVEIRO_CERT and CHAVEIRO_CERT_KEY must be given together"});
  }
  if (!settings.cert_file.empty() && settings.ca_file.empty()) {
    faults.push_back({"CHAVEIRO_CERT", "needs CHAVEIRO_CA: without it the connection is not encrypted"});
  }
  const auto short_secret = [&](const char* name, const Secret& secret) {
    if (!secret.empty() && secret.expose().size() < 32) faults.push_back({name, "is shorter than 32 characters"});
  };
  short_secret("JWT_SECRET", settings.jwt_secret);
  short_secret("API_KEY_LB_CONNECT", settings.api_key_lb_connect);
  short_secret("API_KEY_BACKOFFICE", settings.api_key_backoffice);
  const auto same_port = [&](const char* name, std::uint16_t a, std::uint16_t b) {
    if (a != 0 && a == b) faults.push_back({name, "is the port of another listener too"});
  };
  same_port("GRPC_PORT", settings.grpc_port, settings.http_port);
  if (settings.metrics_enabled) {
    same_port("METRICS_PORT", settings.metrics_port, settings.http_port);
    same_port("METRICS_PORT", settings.metrics_port, settings.grpc_port);
  }
  if (auto allowed = cache::check_foreign({.ttl = settings.cache_foreign_ttl}); !allowed) {
    faults.push_back({"CACHE_FOREIGN_TTL", allowed.error().message});
  }
  if (auto allowed = cache::check_existence({.ttl = settings.cache_existence_ttl}); !allowed) {
    faults.push_back({"CACHE_EXISTENCE_TTL", allowed.error().message});
  }
  if (settings.cache_l2_enabled && settings.redis_url.empty() && settings.redis_addr.empty() &&
      settings.redis_sentinel_addrs.empty()) {
    faults.push_back({"CACHE_L2_ENABLED", "needs REDIS_URL, REDIS_ADDR or REDIS_SENTINEL_ADDRS"});
  }
  if (settings.app_env == "production" && settings.redis_tls_skip_verify) {
    faults.push_back({"REDIS_TLS_SKIP_VERIFY", "is refused in production"});
  }
  if (settings.app_env == "production" && settings.cache_plain_keys) {
    faults.push_back(
        {"CACHE_PLAIN_KEYS", "true shows the keys of people to whoever reads a cache, and is refused in production"});
  }
  if (settings.app_env == "production" && settings.database_url == "memory:") {
    faults.push_back({"DATABASE_URL", "memory: forgets every key at exit and is refused in production"});
  }
}

}  // namespace

std::string_view to_string(SettingKind kind) {
  switch (kind) {
    case SettingKind::text:
      return "text";
    case SettingKind::secret:
      return "secret";
    case SettingKind::boolean:
      return "true or false";
    case SettingKind::number:
      return "number";
    case SettingKind::duration:
      return "duration";
    case SettingKind::path:
      return "path";
    case SettingKind::list:
      return "list";
  }
  return "text";
}

std::span<const Setting> all_settings() { return table; }

std::string yaml_name(const Setting& setting) {
  std::string name(setting.name);
  std::ranges::transform(name, name.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return name;
}

std::string flag_name(const Setting& setting) {
  std::string name = yaml_name(setting);
  if (name.starts_with("chaveiro_")) name.erase(0, 9);
  std::ranges::replace(name, '_', '-');
  return "--" + name;
}

Result<Loaded> load_settings(const Sources& sources) {
  TRY(Loaded loaded, Loader(sources).run());
  loaded.settings.cache_l1_ttl_given = loaded.origins["CACHE_L1_DEFAULT_TTL"].where != "default";
  std::vector<FieldViolation> faults;
  check_together(loaded.settings, faults);
  if (!faults.empty()) {
    Error error = fail(Code::invalid, "BadSettings", std::to_string(faults.size()) + " setting(s) are wrong");
    error.violations = std::move(faults);
    return error;
  }
  if (loaded.settings.app_env == "production" && loaded.origins["CHAVEIRO_ISPBS"].where == "default") {
    return fail_field("CHAVEIRO_ISPBS", "must be given in production: the default is for trying out", "BadSettings");
  }
  return loaded;
}

std::optional<std::string> process_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace chaveiro::app
