// clients/redis/options.h
//
// How a client finds its servers and behaves towards them, and the URLs that say so:
//
//   redis://[user[:password]@]host[:6379][/db][?name=value…]          rediss://…  the same over TLS
//   redis+sentinel://[user[:password]@]host[:26379][,host…]/master[/db]    rediss+sentinel://…
//   redis+cluster://[user[:password]@]host[:6379][,host…]             rediss+cluster://…
//   unix:///path/to/socket[?db=1]                                     redis+unix:// too
//
// Names behind `?` are the fields below: db, client_name, protocol (2, 3), pool_size, min_idle, idle_time, lifetime, dial_timeout,
// read_timeout, write_timeout, retries, health_check, connections, io_threads, replicas (never, prefer, any), ca_file, cert_file,
// key_file, server_name, skip_verify, sentinel_user, sentinel_password, wait_replicas. Durations are written "250ms", "3s", "5m".
//
// Errors: invalid, naming the part of the URL or the field; never the password.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"

namespace chaveiro::redis {

struct Endpoint {
  std::string host;        // a name or an address; empty: `path` is a unix socket
  std::uint16_t port = 0;  //
  std::string path = {};   //

  auto operator<=>(const Endpoint&) const = default;
};
std::string to_string(const Endpoint& endpoint);  // "host:6379", "[::1]:6379", "/run/redis.sock"

enum class Mode : std::uint8_t { single, sentinel, cluster };
enum class Protocol : std::uint8_t {
  automatic,
  resp2,
  resp3
};  // automatic: RESP3, or RESP2 from a server that has none
enum class ReplicaReads : std::uint8_t {
  never,   // the master answers everything
  prefer,  // replicas answer reads while one is up; answers may be older than a write of one's own
  any,     // master and replicas share the reads
};

struct Credentials {
  std::string user = {};  // ACL user; empty: the default user
  Secret password = {};   // empty: no AUTH
};

struct TlsOptions {
  std::string ca_file = {};      // PEM; empty: the system's authorities
  std::string cert_file = {};    // our client certificate; empty: none is shown
  std::string key_file = {};     // set exactly when cert_file is
  std::string server_name = {};  // the name that the certificate must bear; empty: the host that we connect to
  bool skip_verify = false;      // accepts any certificate; a warning is logged at start
};

struct Options {
  Mode mode = Mode::single;
  std::vector<Endpoint> endpoints =
      {};                        // single: the server · sentinel: the Sentinels · cluster: some nodes to begin with
  std::string master_name = {};  // sentinel: the name that the Sentinels know the master by

  Credentials credentials = {};
  Credentials sentinel_credentials = {};
  // Asked before each new connection instead of `credentials`, so that a password can change without a restart. Must be quick.
  std::function<Credentials()> current_credentials = {};
  // Addresses of a host in digits, instead of those that the system knows. Asked before each new connection, on a thread of its own: it
  // may block, also for longer than dial_timeout, and may still be at it when the client is gone.
  std::function<Result<std::vector<std::string>>(const std::string& host)> look_up = {};
  int database = 0;                      // 0–15; must be 0 in cluster mode
  std::string client_name = "chaveiro";  // CLIENT SETNAME; empty: none
  Protocol protocol = Protocol::automatic;
  std::optional<TlsOptions> tls = {};  // empty: plain TCP. Files are read again for each new connection.

  // Shared connections carry the pipelined commands of all callers; borrowed ones serve one caller at a time.
  std::size_t connections = 2;  // shared, for each node; at least 1
  std::size_t io_threads = 1;   // connections are spread over them; at least 1
  std::size_t pool_size = 10;   // borrowed at most at one time, for each node; 0: nothing can be borrowed
  std::size_t min_idle = 5;     // of them kept open once the pool has been used; 0: none
  Micros idle_time = std::chrono::minutes{5};  // an idle one beyond min_idle is closed after this; 0: never
  Micros lifetime = std::chrono::minutes{30};  // a borrowed one is not used beyond this age; 0: for ever

  Micros dial_timeout = std::chrono::seconds{5};  // resolve, connect, TLS, HELLO; 0 is refused
  Micros read_timeout =
      std::chrono::seconds{3};  // a connection that owes answers and sends nothing for so long is closed; 0 is refused
  Micros write_timeout = std::chrono::seconds{3};  // … and one that takes nothing for so long; 0 is refused
  Micros health_check = std::chrono::seconds{10};  // an idle shared connection is asked PING so often; 0: never

  int retries = 3;  // of reads and idempotent commands, and of what was surely not executed; 0: none
  Micros retry_delay_min = std::chrono::milliseconds{8};  // doubled each time, with jitter
  Micros retry_delay_max = std::chrono::milliseconds{512};
  Micros reconnect_delay_min =
      std::chrono::milliseconds{20};  // between two dials of a server that is away; doubled each time, with jitter
  Micros reconnect_delay_max = std::chrono::seconds{2};

  std::size_t in_flight_max = 32'768;           // commands of one shared connection; one more answers `exhausted`
  std::size_t in_flight_bytes_max = 64U << 20;  // bytes of them that wait to be written
  std::size_t reply_bytes_max = 512U << 20;     // of one reply; a larger one closes the connection

  ReplicaReads replicas = ReplicaReads::never;
  int wait_replicas = 0;  // WAIT: a write is answered when so many replicas have it; 0: when the master has
  Micros wait_timeout = std::chrono::milliseconds{500};  // for them; then `maybe_applied`, "NOTREPLICATED"

  Micros spin_max = std::chrono::microseconds{50};  // busy waiting before sleep, where a core is idle; 0: never
  Micros slow_command =
      std::chrono::milliseconds{100};  // a slower answer is counted and logged (without arguments); 0: never
  std::size_t hot_key_sample = 1'000;  // one command in so many is counted for the hot keys; 0: none
};

// All faults at once.
Result<void> validate(const Options& options);

// Reads a URL over `defaults`; what the URL does not say stays.
Result<Options> parse_url(std::string_view url, Options defaults = {});

}  // namespace chaveiro::redis
