#include "tests/support/redis_server.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <algorithm>

#include <cstdlib>
#include <random>
#include <stdexcept>
#include <thread>

namespace chaveiro::tests {

// Not one of those that the kernel gives to outgoing connections (from 32768 on): a server that is killed wants its port again, and
// until then whoever connects to it over and over may be given that very port, and so connect to himself.
std::uint16_t free_port() {
  constexpr std::uint16_t first = 10'000, count = 22'000;
  thread_local std::mt19937 random{std::random_device{}()};
  for (int tries = 0;; ++tries) {
    const auto port = static_cast<std::uint16_t>(first + random() % count);
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    const bool free = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    ::close(fd);
    if (free) return port;
    if (tries == 1'000) throw std::runtime_error("there is no free port");
  }
}

void wait_until(const std::string& what, const std::function<bool()>& is_so, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (std::chrono::steady_clock::now() < end) {
    try {
      if (is_so()) return;
    } catch (const std::runtime_error&) {
      // not yet
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  throw std::runtime_error("waited in vain until " + what);
}

RedisServer::RedisServer(RedisServerOptions options) : options_(std::move(options)) {
  if (options_.tls) authority_ = std::make_unique<net::TestAuthority>(*folder_, "ca");
  if (!options_.config.empty())
    options_.arguments.insert(options_.arguments.begin(), folder_->write("redis.conf", options_.config));
  const bool any_port = options_.port == 0;
  for (int tries = 0; tries < 5; ++tries) {
    if (any_port) options_.port = free_port();
    try {
      start();
      return;
    } catch (const std::runtime_error&) {
      if (!any_port || tries == 4) throw;  // somebody else may have taken the port meanwhile
    }
  }
}

void RedisServer::start() {
  std::vector<std::string> words = options_.arguments;
  const auto add = [&](std::initializer_list<std::string> more) { words.insert(words.end(), more); };
  if (!options_.mode.empty()) add({options_.mode});
  add({"--bind", "127.0.0.1", "--unixsocket", socket(), "--loglevel", "notice"});
  add({"--port", options_.tls ? "0" : std::to_string(port())});
  if (options_.mode.empty()) add({"--save", "", "--appendonly", "no", "--enable-debug-command", "yes"});
  if (options_.tls) {
    const auto own = authority_->issue("server", {.common_name = "server", .names = "IP:127.0.0.1,DNS:localhost"});
    add({"--tls-port", std::to_string(port()), "--tls-cert-file", own.cert_file, "--tls-key-file", own.key_file,
         "--tls-ca-cert-file", authority_->ca_file, "--tls-auth-clients", "optional"});
  }
  // The same tests on another server: CHAVEIRO_REDIS_PROGRAM=.cache/tools/bin/valkey-server (./dev setup valkey).
  const char* other = options_.program == "redis-server" ? std::getenv("CHAVEIRO_REDIS_PROGRAM") : nullptr;
  process_ =
      ChildProcess({other != nullptr ? other : options_.program, words, folder_->file(""), folder_->file("log")});
  wait_until("a server answers", [&] {
    if (!process_.running()) return true;
    const RespReply reply = command({"PING"});
    return reply.text == "PONG" || reply.text.starts_with("NOAUTH");
  });
  if (!process_.running()) throw std::runtime_error("the server ended at once");
}

std::string RedisServer::info(const std::string& section, const std::string& name) const {
  const std::string all = "\n" + command({"INFO", section}).text;
  const std::size_t at = all.find("\n" + name + ":");
  if (at == std::string::npos) return {};
  const std::size_t from = at + name.size() + 2;
  return all.substr(from, all.find_first_of("\r\n", from) - from);
}

RedisSentinels::RedisSentinels(std::size_t replicas) {
  servers_.emplace_back(
      RedisServerOptions{.arguments = {"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"}});
  const std::string master_port = std::to_string(servers_.front().port());
  for (std::size_t i = 0; i < replicas; ++i) {
    servers_.emplace_back(
        RedisServerOptions{.arguments = {"--replicaof", "127.0.0.1", master_port, "--repl-diskless-sync-delay", "0",
                                         "--repl-ping-replica-period", "1"}});
  }
  for (RedisServer& server : servers_) {
    wait_until("the replicas follow", [&] {
      return server.info("replication", "role") == "master" || server.info("replication", "master_link_status") == "up";
    });
  }
  for (int i = 0; i < 3; ++i) {
    sentinels_.emplace_back(RedisServerOptions{.mode = "--sentinel",
                                               .config = "sentinel monitor mymaster 127.0.0.1 " + master_port +
                                                         " 2\nsentinel down-after-milliseconds mymaster 1000\n"
                                                         "sentinel failover-timeout mymaster 5000\n"});
  }
  for (RedisServer& sentinel : sentinels_) {
    wait_until("the sentinels know each other", [&] {
      const auto info = sentinel.command({"SENTINEL", "MASTER", master_name});
      std::size_t others = 0, found = 0;
      for (std::size_t i = 0; i + 1 < info.items.size(); i += 2) {
        if (info.items[i].text == "num-other-sentinels") others = std::stoul(info.items[i + 1].text);
        if (info.items[i].text == "num-slaves") found = std::stoul(info.items[i + 1].text);
      }
      return others == 2 && found == replicas;
    });
  }
}

std::string RedisSentinels::url() const {
  std::string url = "redis+sentinel://";
  for (const RedisServer& sentinel : sentinels_)
    url += (&sentinel == &sentinels_.front() ? "" : ",") + sentinel.address();
  return url + "/" + master_name + "/0";
}

RedisServer& RedisSentinels::server(std::uint16_t port) {
  for (RedisServer& server : servers_) {
    if (server.port() == port) return server;
  }
  throw std::runtime_error("no server of ours has that port");
}

RedisServer& RedisSentinels::master() {
  for (RedisServer& sentinel : sentinels_) {
    if (!sentinel.running()) continue;
    const auto address = sentinel.command({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", master_name});
    return server(static_cast<std::uint16_t>(std::stoul(address.items.at(1).text)));
  }
  throw std::runtime_error("no sentinel is left");
}

RedisCluster::RedisCluster() {
  constexpr unsigned slots = 16'384;
  for (std::size_t i = 0; i < 6; ++i) {
    nodes_.emplace_back(RedisServerOptions{
        .arguments = {"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout",
                      "1500", "--cluster-port", std::to_string(free_port()), "--repl-diskless-sync-delay", "0",
                      "--repl-ping-replica-period", "1"}});
  }
  for (unsigned i = 0; i < 3; ++i) {
    nodes_[i].command({"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)});
    nodes_[i].command(
        {"CLUSTER", "ADDSLOTSRANGE", std::to_string(slots * i / 3), std::to_string(slots * (i + 1) / 3 - 1)});
  }
  for (std::size_t i = 1; i < 6; ++i) {
    const std::string bus = nodes_[0].command({"CONFIG", "GET", "cluster-port"}).items.at(1).text;
    nodes_[i].command({"CLUSTER", "MEET", "127.0.0.1", std::to_string(nodes_[0].port()), bus});
  }
  for (std::size_t i = 3; i < 6; ++i) {
    wait_until("a replica knows its master",
               [&] { return nodes_[i].command({"CLUSTER", "REPLICATE", id_of(i - 3)}).text == "OK"; });
  }
  wait_for_ok();
}

void RedisCluster::wait_for_ok() {
  for (RedisServer& node : nodes_) {
    wait_until("every node of the cluster sees all of it", [&] {
      if (node.info("replication", "role") == "slave" && node.info("replication", "master_link_status") != "up")
        return false;
      std::size_t replicas = 0;
      for (const RespReply& range : node.command({"CLUSTER", "SLOTS"}).items)
        replicas += range.items.size() == 4 ? 1 : 0;
      return node.command({"CLUSTER", "INFO"}).text.starts_with("cluster_state:ok") && replicas == 3;
    });
  }
}

std::string RedisCluster::id_of(std::size_t node) const { return nodes_[node].command({"CLUSTER", "MYID"}).text; }

std::string RedisCluster::url() const {
  std::string url = "redis+cluster://";
  for (std::size_t i = 0; i < 3; ++i) url += (i == 0 ? "" : ",") + nodes_[i].address();
  return url;
}

RedisServer& RedisCluster::master_of(unsigned slot) {
  for (RedisServer& seen_by : nodes_) {
    if (seen_by.running()) return owner_by(seen_by, slot);
  }
  throw std::runtime_error("no node runs");
}

RedisServer& RedisCluster::owner_by(RedisServer& seen_by, unsigned slot) {
  for (const RespReply& range : seen_by.command({"CLUSTER", "SLOTS"}).items) {
    if (slot < range.items[0].number() || slot > range.items[1].number()) continue;
    for (RedisServer& node : nodes_) {
      if (node.port() == range.items[2].items[1].number()) return node;
    }
  }
  throw std::runtime_error("nobody serves the slot");
}

void RedisCluster::move_slots(unsigned first, unsigned last, std::size_t to) {
  RedisServer& target = nodes_[to];
  const std::string target_id = id_of(to);
  const auto all_know = [&](unsigned slot) {
    return std::all_of(nodes_.begin(), nodes_.begin() + 3,
                       [&](RedisServer& node) { return !node.running() || &owner_by(node, slot) == &target; });
  };
  for (unsigned slot = first; slot <= last; ++slot) {
    RedisServer& source = master_of(slot);
    if (&source == &target) continue;
    const std::string number = std::to_string(slot), source_id = source.command({"CLUSTER", "MYID"}).text;
    // A node that is not the owner refuses the second: its keys would stay behind.
    for (const RespReply& reply : {target.command({"CLUSTER", "SETSLOT", number, "IMPORTING", source_id}),
                                   source.command({"CLUSTER", "SETSLOT", number, "MIGRATING", target_id})}) {
      if (reply.is_error()) throw std::runtime_error("a slot could not be moved: " + reply.text);
    }
    while (true) {
      const RespReply keys = source.command({"CLUSTER", "GETKEYSINSLOT", number, "100"});
      if (keys.items.empty()) break;
      std::vector<std::string> words{"MIGRATE", "127.0.0.1", std::to_string(target.port()), "", "0", "5000", "KEYS"};
      for (const RespReply& key : keys.items) words.push_back(key.text);
      if (source.command(words).is_error()) throw std::runtime_error("a slot could not be moved");
    }
    for (RedisServer* node : {&target, &source}) node->command({"CLUSTER", "SETSLOT", number, "NODE", target_id});
    // The next move would ask whoever has not heard of this one.
    wait_until("all masters know of the move", [&] { return all_know(slot); });
  }
}

}  // namespace chaveiro::tests
