#include <algorithm>

#include "clients/redis/core.h"

namespace chaveiro::redis {
namespace {

// While a slot changes hands, nodes may point at each other for some milliseconds: the first redirections are followed at once, those
// after them with growing pauses.
constexpr std::uint8_t redirects_at_once = 4;
constexpr std::uint8_t redirects_max = 16;
constexpr std::size_t parked_max = 10'000;

// Error lines of commands that were not executed and may be at another moment.
bool passes(std::string_view line) {
  for (const std::string_view word : {"LOADING ", "CLUSTERDOWN ", "TRYAGAIN ", "MASTERDOWN ", "READONLY "}) {
    if (line.starts_with(word)) return true;
  }
  return false;
}

double chance() { return static_cast<double>(random_u64() >> 11) * 0x1.0p-53; }

}  // namespace

void Core::on_answered(Connection&, const Request& request, const Value& value, SteadyTime now) {
  gauges_.answered(request.command, now - request.began, value.is_error());
}

void Core::finish(Request& request, Error why) {
  gauges_.error(why.reason);
  if (request.done && !IoThread::on_any()) {
    // The caller may hold a lock that its callback takes.
    struct Ending {
      Request request;
      Error why;
    };
    auto ending = std::make_shared<Ending>(Ending{std::move(request), std::move(why)});
    const bool posted =
        io(0).post([ending](Nothing) { ending->request.finish(Result<Value>(std::move(ending->why))); });
    if (!posted) ending->request.finish(Result<Value>(std::move(ending->why)));
    return;
  }
  if (!request.finish(Result<Value>(std::move(why)))) gauges_.late();
}

void Core::on_error_line(Connection& connection, Request&& request, Value&& line) {
  Error error = error_of(line.text);
  if (request.pinned) {
    if (watch_ && (error.reason == "MOVED" || error.reason == "READONLY" || error.reason == "CLUSTERDOWN"))
      watch_->look_again();
    return finish(request, std::move(error));
  }
  if (const auto to = read_redirect(line.text); to && options_.mode == Mode::cluster) {
    if (request.redirects++ >= redirects_max) return finish(request, std::move(error));
    return redirect(std::move(request), *to, connection.endpoint());
  }
  if (!passes(line.text)) return finish(request, std::move(error));
  if (watch_) watch_->look_again();
  if (error.reason == "READONLY") {
    // The name may lead to another server by now: this connection is made anew.
    connection.restart(fail(Code::unavailable, "NoMaster", "Redis: this server is no master any more"));
    error = fail(Code::unavailable, "READONLY", error.message);
  }
  send_again(std::move(request), error);
}

void Core::on_lost(Connection& connection, Request&& request, const Error& why, bool sent) {
  if (why.code == Code::cancelled || why.code == Code::exhausted) {
    if (sent && request.command.access() != Access::read) {
      return finish(request, fail(Code::maybe_applied, "AnswerLost", why.message));
    }
    return finish(request, why);
  }
  const bool repeatable = request.command.access() != Access::write;
  if (why.code == Code::deadline) {
    if (sent && request.command.access() != Access::read) {
      return finish(request, fail(Code::maybe_applied, "AnswerLost",
                                  "Redis: no answer in time; the command may have been executed"));
    }
    return finish(request, why);
  }
  if (watch_) watch_->look_again();
  if (sent && !repeatable) {
    return finish(request, fail(Code::maybe_applied, "AnswerLost",
                                "Redis: the connection was lost; the command may have been executed"));
  }
  // A server that stands still for longer than the patience is not asked again on behalf of one command.
  const bool hopeless = !watch_ && connection.given_up();
  if (request.pinned || hopeless) {
    Error error = why;
    if (error.code != Code::unavailable) error.code = Code::unavailable;
    error.retry_after = std::chrono::milliseconds{100};
    return finish(request, std::move(error));
  }
  send_again(std::move(request), why);
}

// After a pause, while there are tries and time.
void Core::send_again(Request request, const Error& why) {
  const SteadyTime now = std::chrono::steady_clock::now();
  Error error = why;
  if (error.code != Code::unavailable) error.code = Code::unavailable;
  error.retry_after = std::chrono::duration_cast<std::chrono::milliseconds>(options_.retry_delay_max);
  if (request.began == SteadyTime{}) request.began = now;
  if (why.reason == "NoServer" && now - request.began <= outage_patience) {
    return park(std::move(request), std::chrono::milliseconds{10});  // the map is not known yet: no try was made
  }
  if (request.tries >= options_.retries) return finish(request, std::move(error));
  const Micros delay = backoff(options_.retry_delay_min, options_.retry_delay_max, request.tries, chance());
  ++request.tries;
  if (request.deadline != SteadyTime::max() && now + delay >= request.deadline && request.done) {
    return finish(request, std::move(error));
  }
  gauges_.retried();
  park(std::move(request), delay);
}

void Core::park(Request request, Micros delay) {
  std::uint64_t id = 0;
  const bool held = parked_.with([&](Parked& parked) {
    if (parked.stopping || parked.requests.size() >= parked_max) return false;
    id = ++parked.ids;
    parked.requests.emplace(id, std::move(request));
    return true;
  });
  if (!held)
    return finish(request, fail(Code::unavailable, "NotConnected", "Redis: too many commands wait for a server"));
  io(0).at(std::chrono::steady_clock::now() + delay, [this, id](Nothing) { unpark(id); });
}

void Core::unpark(std::uint64_t id) {
  std::optional<Request> request;
  parked_.with([&](Parked& parked) {
    const auto found = parked.requests.find(id);
    if (found == parked.requests.end()) return;
    request = std::move(found->second);
    parked.requests.erase(found);
  });
  if (!request || !request->wanted()) return;
  if (request->done && request->deadline <= std::chrono::steady_clock::now()) {
    return finish(*request, fail(Code::deadline, "DeadlineExceeded", "Redis: no answer in time"));
  }
  request->asking = false;
  send(std::move(*request));
}

void Core::redirect(Request request, const Redirect& to, const Endpoint& from) {
  // An empty host is the one that spoke.
  const Endpoint endpoint{to.to.host.empty() ? from.host : to.to.host, to.to.port, {}};
  const auto node = find_or_make(endpoint);
  request.asking = to.ask;
  request.on_replica = false;
  const bool pause = request.redirects > redirects_at_once;
  if (!to.ask) {
    const bool moved = map_.with([&](std::shared_ptr<const NodeMap>& held) {
      if (held->slots.empty()) return false;
      const auto known = std::ranges::find(held->masters, node);
      const auto master = static_cast<std::size_t>(known - held->masters.begin());
      if (known != held->masters.end() && held->slots[to.slot] == master) return false;
      auto changed = std::make_shared<NodeMap>(*held);
      if (known == held->masters.end()) {
        changed->masters.push_back(node);
        changed->replicas.emplace_back();
      }
      changed->slots[to.slot] = static_cast<std::uint16_t>(master);
      held = std::move(changed);
      return true;
    });
    if (moved) tell_followers();
    watch_->look_again();
  }
  if (pause) {
    const unsigned times = request.redirects - redirects_at_once - 1U;
    return park(std::move(request), backoff(std::chrono::milliseconds{2}, options_.retry_delay_max, times, chance()));
  }
  node->shared(to.slot).send(std::move(request));
}

void Core::on_up(Connection& connection, const ServerIdentity& server, const std::vector<Value>&) {
  log().info("connected to Redis", {{"server", to_string(connection.endpoint())},
                                    {"version", server.version},
                                    {"role", server.role},
                                    {"protocol", server.protocol}});
}

void Core::on_down(Connection& connection, const Error& why, bool had_been_up) {
  if (why.code == Code::cancelled) return;
  if (had_been_up) gauges_.reconnected();
  log().warn(had_been_up ? "connection to Redis lost" : "no connection to Redis",
             {{"server", to_string(connection.endpoint())}, {"error", why}});
  if (watch_) watch_->look_again();
}

}  // namespace chaveiro::redis
