// clients/redis/core.h
//
// Core: the inside of a Client. It knows the nodes, picks one for each command, and decides what becomes of a command whose answer was
// an error line or was lost: finished, sent elsewhere, or parked and sent again.
//
// Threads: any. The map of nodes is an immutable snapshot that is replaced as a whole.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "clients/redis/client.h"
#include "clients/redis/connection.h"
#include "clients/redis/gauges.h"
#include "clients/redis/node.h"
#include "clients/redis/wire/slots.h"

namespace chaveiro::redis {

// Who serves what, at one moment.
struct NodeMap {
  std::vector<std::shared_ptr<Node>> masters;
  std::vector<std::vector<std::shared_ptr<Node>>> replicas;  // of each master
  std::vector<std::uint16_t> slots;  // cluster: slot → master, no_master: nobody. Otherwise empty: one master has all

  static constexpr std::uint16_t no_master = 0xffff;
};

// Finds out who serves what, and tells the Core: for Sentinels and clusters.
class Watch {
 public:
  virtual ~Watch() = default;
  virtual void start() = 0;
  // Something does not fit the map any more: look again, soon.
  virtual void look_again() = 0;
  virtual void stop() = 0;
};

// Wants to be where its key lives.
class MapFollower {
 public:
  virtual ~MapFollower() = default;
  // From any thread, without a lock.
  virtual void on_map_changed() = 0;
};

class Core final : public Connection::Owner, public std::enable_shared_from_this<Core> {
 public:
  static Result<std::shared_ptr<Core>> create(Options options, Surroundings surroundings);
  ~Core() override;
  void stop();

  void send(Request request);
  Result<Value> call(Command command, Deadline deadline);
  void send_pipeline(std::vector<Command> commands, Deadline deadline, PipelineCallback done);
  Result<Borrowed> borrow(Deadline deadline, std::string_view key);
  void send_to(const Endpoint& node, Request request);

  // What the watches and dedicated connections need.
  const Options& options() const { return options_; }
  const Logger& log() const { return surroundings_.log; }
  Gauges& gauges() { return gauges_; }
  IoThread& io(std::size_t which) { return *io_threads_[which % io_threads_.size()]; }
  Spin& spin() { return spin_; }
  std::shared_ptr<const NodeMap> map() const {
    return map_.with([](const std::shared_ptr<const NodeMap>& map) { return map; });
  }
  struct Servers {
    Endpoint master;
    std::vector<Endpoint> replicas;
    std::vector<std::pair<unsigned, unsigned>> slots;  // first to last; cluster only
    bool operator==(const Servers&) const = default;
  };
  // The whole truth about who serves what; nodes that are in it no longer are closed.
  void adopt(const std::vector<Servers>& servers);
  std::shared_ptr<Connection> make_connection(const Endpoint& endpoint, Connection::Owner& owner,
                                              const std::function<void(ConnectionOptions&, GreetingOptions&)>& change);
  // A node that the map may not know (yet): one to begin with, or one that a redirection names.
  std::shared_ptr<Node> find_or_make(const Endpoint& endpoint);
  // The node that a dedicated connection should go to now; nothing: nobody is known.
  std::optional<Endpoint> node_for(std::string_view key) const;
  // Told whenever the map has changed, while it lives.
  void follow(std::weak_ptr<MapFollower> follower);
  // A dedicated connection was lost: the map may be wrong.
  void note_trouble() {
    if (watch_) watch_->look_again();
  }
  bool stopping() const {
    return parked_.with([](const Parked& parked) { return parked.stopping; });
  }

  void on_answered(Connection&, const Request& request, const Value& value, SteadyTime now) override;
  void on_error_line(Connection& connection, Request&& request, Value&& line) override;
  void on_lost(Connection& connection, Request&& request, const Error& why, bool sent) override;
  void on_late(Connection&) override { gauges_.late(); }
  void on_up(Connection& connection, const ServerIdentity& server, const std::vector<Value>&) override;
  void on_down(Connection& connection, const Error& why, bool had_been_up) override;

 private:
  friend class Client;
  struct Parked {
    std::map<std::uint64_t, Request> requests;
    std::uint64_t ids = 0;
    bool stopping = false;
  };

  Core(Options options, Surroundings surroundings);
  Connection* pick(const Request& request, std::shared_ptr<const NodeMap>& map, bool& replica);
  void finish(Request& request, Error why);
  void send_again(Request request, const Error& why);
  void park(Request request, Micros delay);
  void unpark(std::uint64_t id);
  void redirect(Request request, const Redirect& redirect, const Endpoint& from);
  std::shared_ptr<Node> make_node(const Endpoint& endpoint, bool replica);
  void tend_pools();
  void tell_followers();
  bool split(Request& request);
  bool refused(Request& request);

  const Options options_;
  const Surroundings surroundings_;
  Gauges gauges_;
  Spin spin_;
  std::shared_ptr<net::TlsClientContext> tls_;
  Names names_;
  std::vector<std::unique_ptr<IoThread>> io_threads_;
  Guarded<std::shared_ptr<const NodeMap>> map_;
  Guarded<std::map<Endpoint, std::shared_ptr<Node>>> known_;  // all nodes that we talk to, by address
  Guarded<std::vector<std::weak_ptr<MapFollower>>> followers_;
  Guarded<Parked> parked_;
  Guarded<std::size_t> next_io_{std::size_t{0}};
  std::unique_ptr<Watch> watch_;
};

std::unique_ptr<Watch> make_sentinel_watch(Core& core);
std::unique_ptr<Watch> make_cluster_watch(Core& core);

struct Borrowed::Lent {
  std::shared_ptr<Core> core;
  std::shared_ptr<Node> node;
  Loan loan;
  bool in_multi = false;
  bool watching = false;
  bool spoilt = false;  // cannot be lent again
};

}  // namespace chaveiro::redis
