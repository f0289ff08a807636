// clients/pulsar/client.h
//
// What producers and consumers of one client share: the loop, one connection a broker, the memory that unanswered messages may take,
// and the look-up of who serves a topic (redirects followed, proxies gone through).
//
// Threads: options(), log(), loop(), now(), next_id() and memory any; the rest on the loop's only.
// Errors:  those of connection.h; not_found "TopicNotFound", forbidden; unavailable "LookupLoop" after twenty redirects; invalid (url,
//          files of TLS).
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/log.h"
#include "base/random.h"
#include "clients/pulsar/connection.h"

namespace chaveiro::clients::pulsar {

struct ClientOptions {
  // Of any broker, or of a proxy: pulsar://host:6650, or pulsar+ssl://host:6651 over TLS. Several hosts, with commas between them,
  // are tried in turn.
  std::string url = "pulsar://127.0.0.1:6650";
  // Of TLS. Certificates are verified unless it says otherwise; a client certificate also tells the broker who we are, where there
  // is no token. Files are read again for each new connection.
  net::TlsClientOptions tls;
  // JWT, asked for at each greeting and when the broker wants it anew; it must not wait. Empty function: none.
  std::function<Secret()> token;
  // Of messages that no broker has answered, over all producers; 0: no bound.
  std::size_t memory_max = 64u << 20;
  Micros operation_time_max = std::chrono::seconds{30};
  Micros connect_time_max = std::chrono::seconds{10};
  Micros keep_alive = std::chrono::seconds{30};
  Micros backoff_min = std::chrono::milliseconds{100};
  Micros backoff_max = std::chrono::seconds{60};
  // The time of day that is told to brokers; null: the system's. Nothing of ours waits by it: it may step.
  const Clock* clock = nullptr;
  // Called on the loop's thread at each step of publishing and consuming, for tests that stop the process or the broker there
  // (docs/events.md has their names).
  std::function<void(std::string_view step)> failpoint = {};
};

class Client {
 public:
  using Found = std::function<void(Result<std::shared_ptr<Connection>>)>;
  using Partitions = std::function<void(Result<std::uint32_t>)>;
  using Topics = std::function<void(Result<std::vector<std::string>>)>;

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
  // The persistent ones of a namespace ("tenant/name"), each partition by itself.
  void topics(const std::string& name_space, Topics told);

  UtcTime now() const { return options_.clock != nullptr ? options_.clock->now() : SystemClock{}.now(); }
  std::uint64_t next_id() { return ++*last_id_.lock(); }
  void step(std::string_view name) const {
    if (options_.failpoint) options_.failpoint(name);
  }
  // When what was given to a connection before has been written.
  void step_when_written(std::string_view name) {
    if (options_.failpoint) loop_.post([this, name] { step(name); });
  }

  // False: there is no room for so much now. One message always has room. With `wait` (0: for ever) it waits for room, but never on the
  // loop; it is woken when there is an eighth of all, lest it be woken for each message that is answered.
  bool take_memory(std::size_t bytes, std::optional<Micros> wait);
  void give_memory(std::size_t bytes);
  // How long to wait before the next try: doubled each time, with jitter.
  Micros pause(unsigned tries);

 private:
  struct Address {
    std::string host;
    std::uint16_t port = 6650;
  };
  struct Service {
    std::vector<Address> addresses;  // at least one
    bool tls = false;
  };
  Client(ClientOptions options, Service service, std::shared_ptr<net::TlsClientContext> tls, Logger log)
      : options_(std::move(options)),
        services_(std::move(service)),
        tls_(std::move(tls)),
        log_(std::move(log)),
        random_(random_u64()) {}
  static Result<Service> parse(const std::string& url);
  const Address& service() const { return services_.addresses[turn_ % services_.addresses.size()]; }
  void service_connection(Found found);
  void connection(const Address& to, const std::string& proxy_to, Found found);
  void look_up(const std::shared_ptr<Connection>& at, const std::string& topic, bool authoritative, int hops,
               Found found);

  const ClientOptions options_;
  const Service services_;
  const std::shared_ptr<net::TlsClientContext> tls_;  // null: plain
  std::size_t turn_ = 0;                              // which of the services
  const Logger log_;
  Random random_;
  Guarded<std::uint64_t> last_id_;
  struct Memory {
    std::size_t used = 0;
    std::uint32_t waiting = 0;
  };
  Guarded<Memory> memory_;
  net::Resolver resolver_;
  std::map<std::string, std::shared_ptr<Connection>> connections_;
  Loop loop_;  // last: it ends before the rest goes
};

}  // namespace chaveiro::clients::pulsar
