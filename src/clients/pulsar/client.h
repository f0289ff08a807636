// clients/pulsar/client.h
//
// What producers and consumers of one client share: the loop, one connection a broker, and the look-up of who serves a topic
// (redirects followed, proxies gone through).
//
// Threads: options(), log(), loop() and next_id() any; the rest on the loop's only.
// Errors:  those of connection.h; not_found "TopicNotFound", forbidden; unavailable "LookupLoop" after twenty redirects.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/log.h"
#include "base/random.h"
#include "clients/pulsar/connection.h"

namespace chaveiro::clients::pulsar {

struct ClientOptions {
  std::string url = "pulsar://127.0.0.1:6650";  // of any broker, or of a proxy
  std::function<Secret()> token;                // JWT, asked for at each greeting; empty function: none
  Micros operation_time_max = std::chrono::seconds{30};
  Micros connect_time_max = std::chrono::seconds{10};
  Micros keep_alive = std::chrono::seconds{30};
  Micros backoff_min = std::chrono::milliseconds{100};
  Micros backoff_max = std::chrono::seconds{60};
};

class Client {
 public:
  using Found = std::function<void(Result<std::shared_ptr<Connection>>)>;
  using Partitions = std::function<void(Result<std::uint32_t>)>;

  // Errors: invalid (url).
  static Result<std::unique_ptr<Client>> make(ClientOptions options, Logger log);
  ~Client();

  const ClientOptions& options() const { return options_; }
  const Logger& log() const { return log_; }
  Loop& loop() { return loop_; }

  // A connection, greeted, to the broker that serves the topic (of one partition).
  void find(const std::string& topic, Found found);
  // 0: the topic has none, and is one by itself.
  void partitions(const std::string& topic, Partitions told);

  std::uint64_t next_id() { return ++*last_id_.lock(); }
  // How long to wait before the next try: doubled each time, with jitter.
  Micros pause(unsigned tries);

 private:
  struct Address {
    std::string host;
    std::uint16_t port = 6650;
  };
  Client(ClientOptions options, Address service, Logger log)
      : options_(std::move(options)), service_(std::move(service)), log_(std::move(log)), random_(random_u64()) {}
  static Result<Address> parse(const std::string& url);
  void connection(const Address& to, const std::string& proxy_to, Found found);
  void look_up(const std::shared_ptr<Connection>& at, const std::string& topic, bool authoritative, int hops,
               Found found);

  const ClientOptions options_;
  const Address service_;
  const Logger log_;
  Random random_;
  Guarded<std::uint64_t> last_id_;
  std::map<std::string, std::shared_ptr<Connection>> connections_;
  Loop loop_;  // last: it ends before the rest goes
};

}  // namespace chaveiro::clients::pulsar
