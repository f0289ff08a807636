#include "clients/redis/core.h"

#include <algorithm>
#include <cstring>

namespace chaveiro::redis {
namespace {

constexpr auto tend_interval = std::chrono::seconds{1};

// Which of a node's shared connections: the same for the same key.
std::size_t spread(std::string_view key) {
  std::uint64_t tail = 0;
  const std::size_t size = std::min(key.size(), sizeof tail);
  if (size > 0) std::memcpy(&tail, key.data() + key.size() - size, size);
  return static_cast<std::size_t>(((tail ^ key.size()) * 0x9e3779b97f4a7c15) >> 40);
}

net::LookUp look_up_of(const Options& options) {
  if (!options.look_up) return net::look_up_by_system;
  return [look_up = options.look_up](const std::string& host, std::uint16_t port) -> Names::Addresses {
    TRY(const std::vector<std::string> digits, look_up(host));
    std::vector<net::Address> addresses;
    for (const std::string& one : digits) {
      if (auto address = Names::in_digits(one, port)) addresses.push_back(*address);
    }
    if (addresses.empty()) return fail(Code::unavailable, "NameNotResolved", host + ": no address");
    return addresses;
  };
}

Error stopped() { return fail(Code::cancelled, "Stopped", "Redis: the client is being destroyed"); }

}  // namespace

Core::Core(Options options, Surroundings surroundings)
    : options_(std::move(options)),
      surroundings_(std::move(surroundings)),
      gauges_(surroundings_.metrics, surroundings_.log, options_.slow_command, options_.hot_key_sample),
      spin_(options_.spin_max),
      names_(look_up_of(options_)),
      map_(std::make_shared<const NodeMap>()) {
  for (std::size_t i = 0; i < options_.io_threads; ++i) {
    io_threads_.push_back(std::make_unique<IoThread>(options_.spin_max));
  }
}

Result<std::shared_ptr<Core>> Core::create(Options options, Surroundings surroundings) {
  TRY_VOID(validate(options));
  std::shared_ptr<Core> core(new Core(std::move(options), std::move(surroundings)));
  if (const auto& tls = core->options_.tls) {
    TRY(core->tls_, net::TlsClientContext::load({.ca_file = tls->ca_file,
                                                 .cert_file = tls->cert_file,
                                                 .key_file = tls->key_file,
                                                 .skip_verify = tls->skip_verify}));
    if (tls->skip_verify)
      core->log().warn("the certificate of Redis is not verified: anybody in the middle can read and answer");
  }
  switch (core->options_.mode) {
    case Mode::single:
      core->adopt({{core->options_.endpoints.front(), {}, {}}});
      break;
    case Mode::sentinel:
      core->watch_ = make_sentinel_watch(*core);
      break;
    case Mode::cluster:
      core->watch_ = make_cluster_watch(*core);
      break;
  }
  if (core->watch_) core->watch_->start();
  core->gauges_.watch([raw = core.get()] {
    Gauges::Connections sum;
    const auto nodes = raw->known_.with([](const auto& known) { return known; });
    for (const auto& [endpoint, node] : nodes) {
      const Node::Figures pool = node->figures();
      sum.active += pool.lent;
      sum.idle += pool.idle;
      for (const auto& connection : node->all_shared()) {
        sum.active += connection->up() ? 1 : 0;
        sum.in_flight += connection->in_flight();
      }
    }
    return sum;
  });
  core->io(0).at(std::chrono::steady_clock::now() + tend_interval, [weak = std::weak_ptr(core)](Nothing) {
    if (const auto self = weak.lock()) self->tend_pools();
  });
  return core;
}

Core::~Core() { stop(); }

void Core::stop() {
  std::map<std::uint64_t, Request> parked;
  const bool again = parked_.with([&](Parked& state) {
    parked.swap(state.requests);
    return std::exchange(state.stopping, true);
  });
  if (again) return;
  gauges_.unwatch();
  for (auto& [id, request] : parked) finish(request, stopped());
  if (watch_) watch_->stop();
  const auto nodes = known_.with([](auto& known) { return std::exchange(known, {}); });
  for (const auto& [endpoint, node] : nodes) node->close(stopped());
  names_.stop();
  for (const auto& io : io_threads_) io->stop();
}

std::shared_ptr<Connection> Core::make_connection(
    const Endpoint& endpoint, Connection::Owner& owner,
    const std::function<void(ConnectionOptions&, GreetingOptions&)>& change) {
  ConnectionOptions made;
  made.endpoint = endpoint;
  made.tls = endpoint.host.empty() ? nullptr : tls_;
  made.tls_name = options_.tls && !options_.tls->server_name.empty() ? options_.tls->server_name : endpoint.host;
  made.session = {options_.in_flight_max, options_.in_flight_bytes_max, options_.wait_replicas, options_.wait_timeout};
  made.parser.reply_bytes_max = options_.reply_bytes_max;
  made.dial_timeout = options_.dial_timeout;
  made.read_timeout = options_.read_timeout;
  made.write_timeout = options_.write_timeout;
  made.health_check = options_.health_check;
  made.reconnect_delay_min = options_.reconnect_delay_min;
  made.reconnect_delay_max = options_.reconnect_delay_max;
  GreetingOptions greeting;
  greeting.database = options_.database;
  greeting.client_name = options_.client_name;
  greeting.protocol_min = options_.protocol == Protocol::resp3 ? 3 : 2;
  greeting.protocol_max = options_.protocol == Protocol::resp2 ? 2 : 3;
  if (change) change(made, greeting);
  if (made.tls) {
    // Certificates may have changed on the disk; a fault there leaves those that we have.
    made.renew_tls = [this, tls = made.tls] {
      if (const auto reloaded = tls->reload(); !reloaded)
        log().warn("TLS files not read again", {{"error", reloaded.error()}});
    };
  }
  made.greeting = [this, greeting] {
    GreetingOptions now = greeting;
    const Credentials& fixed = now.sentinel ? options_.sentinel_credentials : options_.credentials;
    const Credentials current = !now.sentinel && options_.current_credentials ? options_.current_credentials() : fixed;
    now.user = current.user;
    now.password = current.password;
    return now;
  };
  const std::size_t which = next_io_.with([](std::size_t& next) { return next++; });
  return std::make_shared<Connection>(io(which), names_, std::move(made), owner);
}

std::shared_ptr<Node> Core::make_node(const Endpoint& endpoint, bool replica) {
  const bool readonly = replica && options_.mode == Mode::cluster;
  std::vector<std::shared_ptr<Connection>> shared;
  for (std::size_t i = 0; i < options_.connections; ++i) {
    shared.push_back(make_connection(endpoint, *this, [&](ConnectionOptions&, GreetingOptions& greeting) {
      greeting.readonly = readonly;
      if (options_.mode == Mode::sentinel && !replica) greeting.role_wanted = "master";
    }));
    shared.back()->start();
  }
  const PoolOptions pool{options_.pool_size, options_.min_idle, options_.idle_time, options_.lifetime};
  return std::make_shared<Node>(endpoint, replica, std::move(shared), pool, [this, endpoint] {
    return make_connection(endpoint, *this, [](ConnectionOptions& made, GreetingOptions&) {
      made.comes_back = false;
      made.health_check = Micros::zero();
      made.session.wait_replicas = 0;
    });
  });
}

std::shared_ptr<Node> Core::find_or_make(const Endpoint& endpoint) {
  return known_.with([&](auto& known) {
    auto& place = known[endpoint];
    if (!place) place = make_node(endpoint, false);
    return place;
  });
}

void Core::adopt(const std::vector<Servers>& servers) {
  auto map = std::make_shared<NodeMap>();
  std::map<Endpoint, std::shared_ptr<Node>> gone;
  known_.with([&](auto& known) {
    std::map<Endpoint, std::shared_ptr<Node>> kept;
    const auto take = [&](const Endpoint& endpoint, bool replica) {
      if (const auto made = kept.find(endpoint); made != kept.end()) return made->second;
      const auto found = known.find(endpoint);
      // A change of role is a change of greeting: such a node is made anew.
      const bool fits = found != known.end() && found->second->replica() == replica;
      auto node = fits ? found->second : make_node(endpoint, replica);
      if (fits) known.erase(found);
      kept.emplace(endpoint, node);
      return node;
    };
    for (const Servers& group : servers) {
      map->masters.push_back(take(group.master, false));
      map->replicas.emplace_back();
      if (options_.replicas != ReplicaReads::never) {
        for (const Endpoint& replica : group.replicas) map->replicas.back().push_back(take(replica, true));
      }
      if (options_.mode != Mode::cluster) continue;
      if (map->slots.empty()) map->slots.assign(slot_count, NodeMap::no_master);
      for (const auto& [first, last] : group.slots) {
        std::fill(map->slots.begin() + first, map->slots.begin() + last + 1,
                  static_cast<std::uint16_t>(map->masters.size() - 1));
      }
    }
    gone.swap(known);
    known = std::move(kept);
  });
  map_.with([&](auto& held) { held = std::move(map); });
  map_.notify_all();
  for (const auto& [endpoint, node] : gone) {
    node->close(fail(Code::unavailable, "Retired", "Redis: this server is no longer asked"));
  }
  tell_followers();
}

void Core::follow(std::weak_ptr<MapFollower> follower) {
  followers_.with([&](auto& all) {
    std::erase_if(all, [](const auto& one) { return one.expired(); });
    all.push_back(std::move(follower));
  });
}

void Core::tell_followers() {
  const auto all = followers_.with([](const auto& followers) { return followers; });
  for (const auto& weak : all) {
    if (const auto follower = weak.lock()) follower->on_map_changed();
  }
}

std::optional<Endpoint> Core::node_for(std::string_view key) const {
  const auto held = map();
  if (held->masters.empty()) return std::nullopt;
  if (held->slots.empty() || key.empty()) return held->masters.front()->endpoint();
  const std::uint16_t master = held->slots[slot_of(key)];
  if (master == NodeMap::no_master) return std::nullopt;
  return held->masters[master]->endpoint();
}

// Where the request should go; nothing: nobody is known who serves it.
Connection* Core::pick(const Request& request, std::shared_ptr<const NodeMap>& map, bool& replica) {
  map = this->map();
  replica = false;
  if (map->masters.empty()) return nullptr;
  const std::string_view key = request.command.key();
  std::size_t master = 0;
  if (!map->slots.empty() && !key.empty()) {
    master = map->slots[slot_of(key)];
    if (master == NodeMap::no_master) return nullptr;
  }
  const std::size_t which = spread(key);
  const auto& replicas = map->replicas[master];
  if (options_.replicas != ReplicaReads::never && request.command.access() == Access::read && !key.empty() &&
      !replicas.empty()) {
    thread_local std::size_t turn = 0;
    const std::size_t choices = replicas.size() + (options_.replicas == ReplicaReads::any ? 1 : 0);
    const std::size_t choice = turn++ % choices;
    if (choice < replicas.size()) {
      Connection& connection = replicas[choice]->shared(which);
      if (connection.up()) {
        replica = true;
        return &connection;
      }
    }
  }
  return &map->masters[master]->shared(which);
}

// What must not be sent where others are.
bool Core::refused(Request& request) {
  if (!request.command.needs_own_connection()) return false;
  finish(request, fail(Code::invalid, "NeedsOwnConnection",
                       "Redis: " + std::string(request.command.name()) + " needs a borrowed or dedicated connection"));
  return true;
}

void Core::send(Request request) {
  if (refused(request)) return;
  if (!watch_ || options_.mode != Mode::cluster || !split(request)) {
    std::shared_ptr<const NodeMap> map;
    Connection* const connection = pick(request, map, request.on_replica);
    if (connection == nullptr) {
      return send_again(std::move(request),
                        fail(Code::unavailable, "NoServer", "Redis: no server is known for this command"));
    }
    connection->send(std::move(request));
  }
}

Result<Value> Core::call(Command command, Deadline deadline) {
  if (deadline.expired()) return fail(Code::deadline, "DeadlineExceeded", "Redis: no time left");
  auto waiter = std::make_shared<Waiter>();
  Request request;
  const Access access = command.access();
  request.command = std::move(command);
  request.deadline = deadline.when();
  request.waiter = waiter;
  if (!refused(request) && (options_.mode != Mode::cluster || !split(request))) {
    std::shared_ptr<const NodeMap> map;
    Connection* const connection = pick(request, map, request.on_replica);
    if (connection == nullptr) {
      send_again(std::move(request), fail(Code::unavailable, "NoServer", "Redis: no server is known for this command"));
    } else if (connection->send(std::move(request), true) == Connection::Drive::yes) {
      connection->drive(*waiter, deadline, spin_);
    }
  }
  if (waiter->done() || waiter->wait(deadline, spin_)) return waiter->take();
  const std::optional<bool> sent = waiter->abandon();
  if (!sent) return waiter->take();
  gauges_.error("DeadlineExceeded");
  if (*sent && access != Access::read) {
    return fail(Code::maybe_applied, "AnswerLost", "Redis: no answer in time; the command may have been executed");
  }
  return fail(Code::deadline, "DeadlineExceeded", "Redis: no answer in time");
}

void Core::send_to(const Endpoint& endpoint, Request request) {
  request.pinned = true;
  const auto node = known_.with([&](const auto& known) {
    const auto found = known.find(endpoint);
    return found == known.end() ? nullptr : found->second;
  });
  if (!node) return finish(request, fail(Code::not_found, "NoSuchNode", "Redis: this node is not known"));
  node->shared(spread(request.command.key())).send(std::move(request));
}

Result<Borrowed> Core::borrow(Deadline deadline, std::string_view key) {
  if (options_.pool_size == 0) return fail(Code::invalid, "NoPool", "Redis: pool_size is 0");
  // At the start the map may not be known yet.
  map_.lock().wait(deadline.capped(outage_patience), [](const auto& held) { return !held->masters.empty(); });
  const auto endpoint = node_for(key);
  if (!endpoint) return fail(Code::unavailable, "NoServer", "Redis: no server is known for this key");
  const auto node = find_or_make(*endpoint);
  TRY(Loan loan, node->take(deadline));
  auto lent = std::make_unique<Borrowed::Lent>();
  lent->core = shared_from_this();
  lent->node = node;
  lent->loan = std::move(loan);
  return Borrowed(std::move(lent));
}

void Core::tend_pools() {
  const SteadyTime now = std::chrono::steady_clock::now();
  const auto nodes = known_.with([](const auto& known) { return known; });
  for (const auto& [endpoint, node] : nodes) node->tend(now);
  io(0).at(now + tend_interval, [weak = weak_from_this()](Nothing) {
    if (const auto self = weak.lock()) self->tend_pools();
  });
}

}  // namespace chaveiro::redis
