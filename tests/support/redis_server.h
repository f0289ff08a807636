// tests/support/redis_server.h
//
// Real servers for tests: one Redis (or Valkey), a master with replicas under sentinels, a cluster. Each on free ports of loopback, in a
// folder of its own, gone with its object and with the test. Where the program is missing the test fails.
//
// Threads: one at a time for each object.
// Errors:  throws; the test fails.
#pragma once

#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>

#include "net/test_certificates.h"
#include "tests/support/child_process.h"
#include "tests/support/resp_socket.h"

namespace chaveiro::tests {

std::uint16_t free_port();
// Asks again and again until it is so; throws after `limit`.
void wait_until(const std::string& what, const std::function<bool()>& is_so,
                std::chrono::milliseconds limit = std::chrono::seconds{20});

// What a test grants the machine on top of the bound that it shows: threads are woken late where others work too, and under a sanitizer
// everything takes several times as long.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
inline constexpr std::chrono::seconds slack{sanitized ? 10 : 2};

struct RedisServerOptions {
  std::string program = "redis-server";  // or valkey-server
  bool tls = false;                      // and only TLS, by certificates of an authority of its own
  std::vector<std::string> arguments;    // more of the server's own: {"--maxmemory", "10mb"}
  std::string mode;                      // "--sentinel"; empty: an ordinary server
  std::string config;                    // the text of its settings file; empty: none
  std::uint16_t port = 0;                // 0: a free one
};

class RedisServer {
 public:
  explicit RedisServer(RedisServerOptions options = {});

  std::uint16_t port() const { return options_.port; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port()); }
  std::string url() const { return (options_.tls ? "rediss://" : "redis://") + address() + "/0"; }
  std::string socket() const { return folder_->file("redis.sock"); }  // also where it speaks TLS
  const net::TestAuthority& authority() const { return *authority_; }
  net::TestCertificate issue(const std::string& name) const { return authority_->issue(name, {.common_name = name}); }

  // By a connection of the call's own.
  RespReply command(const std::vector<std::string>& words) const { return RespSocket(socket()).command(words); }
  // A line of INFO; empty: there is none.
  std::string info(const std::string& section, const std::string& name) const;

  void kill() { process_.kill(); }
  void freeze() const { process_.signal(SIGSTOP); }
  void thaw() const { process_.signal(SIGCONT); }
  // On the same port, and empty.
  void start();
  bool running() { return process_.running(); }
  pid_t pid() const { return process_.pid(); }

 private:
  RedisServerOptions options_;
  std::unique_ptr<net::TestFolder> folder_ = std::make_unique<net::TestFolder>();
  std::unique_ptr<net::TestAuthority> authority_;
  ChildProcess process_;
};

// Settings that find a dead master within about two seconds.
class RedisSentinels {
 public:
  explicit RedisSentinels(std::size_t replicas = 2);
  std::string url() const;
  static constexpr const char* master_name = "mymaster";
  RedisServer& master();  // as the sentinels see it now
  RedisServer& server(std::uint16_t port);
  std::vector<RedisServer>& servers() { return servers_; }
  std::vector<RedisServer>& sentinels() { return sentinels_; }

 private:
  std::vector<RedisServer> servers_;
  std::vector<RedisServer> sentinels_;
};

// Three masters (0 to 2) with a replica each (3 to 5).
class RedisCluster {
 public:
  RedisCluster();
  std::string url() const;
  std::vector<RedisServer>& nodes() { return nodes_; }
  RedisServer& master_of(unsigned slot);
  // Hands the slots [first, last] with their keys to the node, as a resharding does, one slot after the other.
  void move_slots(unsigned first, unsigned last, std::size_t to);

 private:
  std::string id_of(std::size_t node) const;
  RedisServer& owner_by(RedisServer& seen_by, unsigned slot);
  void wait_for_ok();
  std::vector<RedisServer> nodes_;
};

}  // namespace chaveiro::tests
