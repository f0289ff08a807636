// app/settings.h
//
// Every setting of the platform in one table: its name, default, unit, what it means and which room reads it. A setting has one
// name everywhere: HTTP_PORT in the environment, http_port in chaveiro.yaml, --http-port on the command line. The nearer wins:
// file < environment < flags. Each secret can also come from a file: JWT_SECRET_FILE.
//
// Loading reports all faults at once and starts nothing. Unknown names in the file and on the command line are faults; a setting
// of a room that is not built yet is a warning that names it.
//
// Threads: a plain value once loaded.
// Errors:  invalid, one violation per faulty setting, named as the person wrote it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret.h"

namespace chaveiro::app {

struct Settings {
  std::string app_env, app_name, app_version, log_level, log_file;
  std::uint32_t log_sample = 1;
  std::string data, config;
  std::vector<std::string> ispbs;
  bool check_digits = true;
  std::string bind;
  std::uint16_t http_port = 0, grpc_port = 0, metrics_port = 0;
  bool metrics_enabled = true;
  std::string tls_cert_file, tls_key_file, tls_client_ca_file;
  std::chrono::microseconds shutdown_timeout{};
  std::uint32_t worker_threads = 0, worker_queue = 0;

  std::string database_url;         // may hold a password
  Secret database_maintenance_url;  // PostgreSQL only; empty: migrations and months are somebody else's work
  Secret database_replica_url;      // PostgreSQL only; empty: lists come from database_url too
  std::chrono::microseconds database_replica_lag_max{};
  std::uint32_t database_audit_months = 0;  // 0: all stay
  std::uint32_t db_open_max = 100, db_idle_max = 10;
  bool lookup_log_refuses_when_full = true;

  bool cache_l1_enabled = true;
  std::uint64_t cache_l1_bytes_max = 0;
  std::chrono::microseconds cache_l1_ttl{}, cache_entry_ttl{}, cache_account_ttl{}, cache_foreign_ttl{},
      cache_existence_ttl{};
  bool cache_l1_ttl_given = false;  // not by default
  bool cache_l2_enabled = false, cache_l3_enabled = false, cache_plain_keys = false;

  Secret redis_url, redis_password;
  std::string redis_addr, redis_sentinel_master, redis_sentinel_addrs;
  int redis_db = 0, redis_retries = 3;
  std::size_t redis_pool_size = 10, redis_min_idle = 5;
  bool redis_tls = false, redis_tls_skip_verify = false;

  std::string pulsar_url, pulsar_admin_url, pulsar_token_file, pulsar_ca_file, pulsar_cert_file, pulsar_key_file;
  std::string pulsar_topic_key_events, pulsar_topic_claim_events, pulsar_topic_req_out, pulsar_topic_res_in;
  std::string pulsar_subscription, pulsar_consumer_type;
  bool pulsar_exclusive = true;

  Secret jwt_secret;
  std::chrono::microseconds jwt_expiration{};
  std::string jwt_jwks_file, jwt_issuer, jwt_audience;
  Secret api_key_lb_connect, api_key_backoffice;

  Secret redis_state_url;

  bool rate_limit_enabled = true;
  std::uint32_t rate_limit_per_minute = 0;
  std::string rate_limit_rules;
  std::string dict_category;
  bool lookup_abuse_tighten = false;
  std::uint16_t rls_port = 0;
  std::string rls_rules;

  std::string server;  // host:port that the command line talks to
  std::string ca_file, cert_file, cert_key_file;
  Secret token;
};

enum class SettingKind : std::uint8_t { text, secret, boolean, number, duration, path, list };
std::string_view to_string(SettingKind kind);

struct Setting {
  std::string_view name;  // as in the environment
  SettingKind kind;
  std::string_view default_text;  // "" : none
  std::string_view meaning;       // one line, with the unit
  std::string_view waits_for;     // "" : in use; else the part of the platform that will read it
  Result<void> (*apply)(Settings&, std::string_view text) = nullptr;
};

// The table, in the order of .env.example.
std::span<const Setting> all_settings();

std::string yaml_name(const Setting& setting);  // http_port
std::string flag_name(const Setting& setting);  // --http-port

// Where a value came from, for `config`.
struct Origin {
  std::string text;   // as written; *** for secrets
  std::string where;  // "default", "file chaveiro.yaml:3", "environment", "environment (file)", "flag"
};

struct Loaded {
  Settings settings;
  std::map<std::string, Origin, std::less<>> origins;  // by setting name
  std::vector<std::string> warnings;
};

struct Sources {
  std::function<std::optional<std::string>(const std::string& name)> environment;
  std::map<std::string, std::string> flags;  // by setting name (HTTP_PORT)
  // What is wrong with the files that settings name; asked where settings are wrong too. Empty: they are not looked at.
  std::function<std::vector<FieldViolation>(const Settings&)> faults_of_files{};
};
// Reads the file that CHAVEIRO_CONFIG or --config names, or chaveiro.yaml in the working directory where there is one.
Result<Loaded> load_settings(const Sources& sources);

// The environment of this process.
std::optional<std::string> process_environment(const std::string& name);

}  // namespace chaveiro::app
