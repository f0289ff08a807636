#include "clients/redis/options.h"

#include "base/encoding.h"
#include "base/text.h"

namespace chaveiro::redis {
namespace {

Error bad_url(std::string_view what) { return fail(Code::invalid, "BadRedisUrl", "Redis URL: " + std::string(what)); }

Result<std::string> percent_decoded(std::string_view text, std::string_view part) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
    if (high < 0 || low < 0) return bad_url(std::string(part) + " holds a % without two hexadecimal digits");
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

Result<Endpoint> read_endpoint(std::string_view text, std::uint16_t default_port) {
  Endpoint endpoint{"", default_port, ""};
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return bad_url("an IPv6 address without ]");
    endpoint.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && !port.starts_with(':')) return bad_url("something between ] and the port");
    if (!port.empty()) port.remove_prefix(1);
  } else {
    const std::size_t colon = text.find(':');
    endpoint.host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
    if (port.find(':') != std::string_view::npos) return bad_url("an IPv6 address stands in [ ]");
  }
  if (endpoint.host.empty()) return bad_url("a host is missing");
  if (!port.empty()) {
    const auto number = parse_uint(port, 65'535);
    if (!number || *number == 0) return bad_url("the port is no number from 1 to 65535");
    endpoint.port = static_cast<std::uint16_t>(*number);
  }
  return endpoint;
}

Result<void> set_count(std::size_t& field, std::string_view name, std::string_view value) {
  const auto number = parse_uint(value, 1'000'000);
  if (!number) return bad_url(std::string(name) + " is no whole number");
  field = static_cast<std::size_t>(*number);
  return {};
}

Result<void> set_duration(Micros& field, std::string_view name, std::string_view value) {
  const auto duration = parse_duration(value);
  if (!duration) return bad_url(std::string(name) + " is no duration such as 250ms");
  field = *duration;
  return {};
}

Result<void> set_flag(bool& field, std::string_view name, std::string_view value) {
  if (value != "true" && value != "false") return bad_url(std::string(name) + " is neither true nor false");
  field = value == "true";
  return {};
}

Result<void> set_int(int& field, std::string_view name, std::string_view value, int max) {
  const auto number = parse_int(value, 0, max);
  if (!number) return bad_url(std::string(name) + " is no whole number from 0 to " + std::to_string(max));
  field = static_cast<int>(*number);
  return {};
}

Result<void> set_parameter(Options& options, std::string_view name, const std::string& value) {
  const auto tls = [&]() -> TlsOptions& { return options.tls ? *options.tls : options.tls.emplace(); };
  if (name == "db") return set_int(options.database, name, value, 1'000'000);
  if (name == "retries") return set_int(options.retries, name, value, 100);
  if (name == "wait_replicas") return set_int(options.wait_replicas, name, value, 100);
  if (name == "pool_size") return set_count(options.pool_size, name, value);
  if (name == "min_idle") return set_count(options.min_idle, name, value);
  if (name == "connections") return set_count(options.connections, name, value);
  if (name == "io_threads") return set_count(options.io_threads, name, value);
  if (name == "idle_time") return set_duration(options.idle_time, name, value);
  if (name == "lifetime") return set_duration(options.lifetime, name, value);
  if (name == "dial_timeout") return set_duration(options.dial_timeout, name, value);
  if (name == "read_timeout") return set_duration(options.read_timeout, name, value);
  if (name == "write_timeout") return set_duration(options.write_timeout, name, value);
  if (name == "health_check") return set_duration(options.health_check, name, value);
  if (name == "client_name") return options.client_name = value, Result<void>();
  if (name == "sentinel_user") return options.sentinel_credentials.user = value, Result<void>();
  if (name == "sentinel_password") return options.sentinel_credentials.password = Secret(value), Result<void>();
  if (name == "ca_file") return tls().ca_file = value, Result<void>();
  if (name == "cert_file") return tls().cert_file = value, Result<void>();
  if (name == "key_file") return tls().key_file = value, Result<void>();
  if (name == "server_name") return tls().server_name = value, Result<void>();
  if (name == "skip_verify") return set_flag(tls().skip_verify, name, value);
  if (name == "protocol") {
    if (value != "2" && value != "3") return bad_url("protocol is neither 2 nor 3");
    options.protocol = value == "2" ? Protocol::resp2 : Protocol::resp3;
    return {};
  }
  if (name == "replicas") {
    if (value == "never") return options.replicas = ReplicaReads::never, Result<void>();
    if (value == "prefer") return options.replicas = ReplicaReads::prefer, Result<void>();
    if (value == "any") return options.replicas = ReplicaReads::any, Result<void>();
    return bad_url("replicas is none of never, prefer, any");
  }
  return bad_url("unknown parameter " + std::string(name.substr(0, 40)));
}

Result<void> read_parameters(Options& options, std::string_view query) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) return bad_url("a parameter without =");
    TRY(const std::string value, percent_decoded(pair.substr(equals + 1), pair.substr(0, equals)));
    TRY_VOID(set_parameter(options, pair.substr(0, equals), value));
  }
  return {};
}

Result<void> read_user(Options& options, std::string_view text) {
  const std::size_t colon = text.find(':');
  TRY(options.credentials.user, percent_decoded(text.substr(0, colon), "the user"));
  if (colon == std::string_view::npos) return {};
  TRY(std::string password, percent_decoded(text.substr(colon + 1), "the password"));
  options.credentials.password = Secret(std::move(password));
  return {};
}

Result<void> read_path(Options& options, std::string_view path) {
  if (options.mode == Mode::sentinel) {
    const std::size_t slash = path.find('/');
    TRY(options.master_name, percent_decoded(path.substr(0, slash), "the master's name"));
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  if (path.empty()) return {};
  const auto number = parse_int(path, 0, 1'000'000);
  if (!number) return bad_url("the database is no whole number");
  options.database = static_cast<int>(*number);
  return {};
}

}  // namespace

std::string to_string(const Endpoint& endpoint) {
  if (endpoint.host.empty()) return endpoint.path;
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  return (v6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

Result<Options> parse_url(std::string_view url, Options defaults) {
  Options options = std::move(defaults);
  const std::size_t scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos)
    return bad_url("it does not begin with redis://, rediss:// or another scheme");
  const std::string_view scheme = url.substr(0, scheme_end);
  url.remove_prefix(scheme_end + 3);
  std::string_view query;
  if (const std::size_t mark = url.find('?'); mark != std::string_view::npos) {
    query = url.substr(mark + 1);
    url = url.substr(0, mark);
  }
  options.endpoints.clear();
  const std::size_t at = url.rfind('@', url.find('/'));
  if (at != std::string_view::npos) {
    TRY_VOID(read_user(options, url.substr(0, at)));
    url.remove_prefix(at + 1);
  }
  if (scheme == "unix" || scheme == "redis+unix") {
    TRY(std::string path, percent_decoded(url, "the path"));
    if (path.empty()) return bad_url("the path of the socket is missing");
    options.mode = Mode::single;
    options.endpoints = {{"", 0, std::move(path)}};
  } else {
    std::string_view kind = scheme;
    const bool tls = kind.starts_with("rediss");
    if (tls && !options.tls) options.tls.emplace();
    if (!tls) options.tls.reset();
    if (!kind.starts_with("redis")) return bad_url("unknown scheme");
    kind.remove_prefix(tls ? 6 : 5);
    if (kind.empty())
      options.mode = Mode::single;
    else if (kind == "+sentinel")
      options.mode = Mode::sentinel;
    else if (kind == "+cluster")
      options.mode = Mode::cluster;
    else
      return bad_url("unknown scheme");
    const std::size_t slash = url.find('/');
    std::string_view hosts = url.substr(0, slash);
    while (true) {
      const std::size_t comma = hosts.find(',');
      TRY(Endpoint endpoint, read_endpoint(hosts.substr(0, comma), options.mode == Mode::sentinel ? 26'379 : 6'379));
      options.endpoints.push_back(std::move(endpoint));
      if (comma == std::string_view::npos) break;
      hosts.remove_prefix(comma + 1);
    }
    if (options.mode == Mode::single && options.endpoints.size() > 1)
      return bad_url("several hosts need +cluster or +sentinel");
    if (slash != std::string_view::npos) TRY_VOID(read_path(options, url.substr(slash + 1)));
  }
  const bool had_tls = options.tls.has_value();
  TRY_VOID(read_parameters(options, query));
  if (options.tls && !had_tls) return bad_url("certificates need rediss://");
  TRY_VOID(validate(options));
  return options;
}

Result<void> validate(const Options& options) {
  std::vector<FieldViolation> faults;
  const auto want = [&](bool holds, std::string field, std::string what) {
    if (!holds) faults.push_back({std::move(field), std::move(what)});
  };
  want(!options.endpoints.empty(), "endpoints", "is empty");
  for (const Endpoint& endpoint : options.endpoints) {
    want(endpoint.host.empty() ? !endpoint.path.empty() : endpoint.port != 0, "endpoints",
         "one has neither host and port nor path");
  }
  want(options.mode != Mode::single || options.endpoints.size() <= 1, "endpoints", "a single server has one");
  want(options.mode != Mode::sentinel || !options.master_name.empty(), "master_name", "is missing");
  want(options.mode != Mode::cluster || options.database == 0, "database", "must be 0 in a cluster");
  want(options.database >= 0, "database", "is negative");
  want(options.connections >= 1 && options.connections <= 64, "connections", "lies between 1 and 64");
  want(options.io_threads >= 1 && options.io_threads <= 64, "io_threads", "lies between 1 and 64");
  want(options.min_idle <= options.pool_size, "min_idle", "is above pool_size");
  want(options.dial_timeout > Micros::zero(), "dial_timeout", "is not above zero");
  want(options.read_timeout > Micros::zero(), "read_timeout", "is not above zero");
  want(options.write_timeout > Micros::zero(), "write_timeout", "is not above zero");
  want(options.retries >= 0 && options.retries <= 100, "retries", "lies between 0 and 100");
  want(options.wait_replicas >= 0, "wait_replicas", "is negative");
  want(options.in_flight_max >= 1, "in_flight_max", "is zero");
  want(options.retry_delay_min > Micros::zero() && options.retry_delay_min <= options.retry_delay_max,
       "retry_delay_min", "lies above zero and not above retry_delay_max");
  want(options.reconnect_delay_min > Micros::zero() && options.reconnect_delay_min <= options.reconnect_delay_max,
       "reconnect_delay_min", "lies above zero and not above reconnect_delay_max");
  if (options.tls) {
    want(options.tls->cert_file.empty() == options.tls->key_file.empty(), "tls.key_file",
         "goes together with cert_file");
  }
  if (faults.empty()) return {};
  Error error =
      fail(Code::invalid, "BadRedisOptions", "Redis: " + faults.front().field + " " + faults.front().description);
  error.violations = std::move(faults);
  return error;
}

}  // namespace chaveiro::redis
