#include "net/client_pool.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace chaveiro::net {

void ClientPool::retire_old(Origins& origins, SteadyTime now, Closing& closing) const {
  for (auto at = origins.begin(); at != origins.end();) {
    Connections& connections = at->second;
    auto young = std::ranges::find_if(connections.idle,
                                      [&](const Idle& idle) { return now - idle.since < options_.idle_timeout; });
    const auto old = static_cast<std::size_t>(std::distance(connections.idle.begin(), young));
    std::move(connections.idle.begin(), young, std::back_inserter(closing));
    connections.idle.erase(connections.idle.begin(), young);
    connections.open -= old;
    at = connections.open == 0 && connections.waiting == 0 ? origins.erase(at) : std::next(at);
  }
}

Result<ClientPool::Place> ClientPool::acquire(const std::string& origin, Deadline deadline) {
  const auto now = std::chrono::steady_clock::now();
  Closing closing;  // outlives the lock
  auto origins = origins_.lock();
  retire_old(*origins, now, closing);
  if (!origins->contains(origin) && origins->size() >= options_.origins_max) {
    return fail(Code::exhausted, "TooManyOrigins", "the client has connections to too many origins");
  }
  const std::size_t max = options_.connections_per_origin_max;
  Connections& connections = (*origins)[origin];  // stays: `waiting` and `open` keep it
  ++connections.waiting;
  const bool room = origins.wait(deadline, [&](const Origins&) { return connections.has_room(max); });
  --connections.waiting;
  if (!room)
    return fail(Code::exhausted, "ConnectionsExhausted", "no connection to " + origin + " became free in time");
  while (!connections.idle.empty()) {
    Idle newest = std::move(connections.idle.back());
    connections.idle.pop_back();
    if (!newest.socket.is_dead()) return Place(*this, origin, std::move(newest.socket));
    --connections.open;
    closing.push_back(std::move(newest));
  }
  ++connections.open;
  return Place(*this, origin, std::nullopt);
}

void ClientPool::give_back(const std::string& origin, std::optional<ClientSocket> socket) {
  std::optional<ClientSocket> closing;
  origins_.with([&](Origins& origins) {
    Connections& connections = origins.at(origin);
    if (socket && options_.idle_timeout.count() > 0) {
      connections.idle.push_back({std::move(*socket), std::chrono::steady_clock::now()});
    } else {
      --connections.open;
      closing = std::move(socket);
    }
  });
  origins_.notify_all();  // those who wait may wait for other origins
}

std::size_t ClientPool::idle() const {
  return origins_.with([](const Origins& origins) {
    std::size_t count = 0;
    for (const auto& [name, connections] : origins) count += connections.idle.size();
    return count;
  });
}

void ClientPool::close_idle() {
  Closing closing;
  origins_.with([&](Origins& origins) {
    for (auto& [name, connections] : origins) {
      connections.open -= connections.idle.size();
      std::move(connections.idle.begin(), connections.idle.end(), std::back_inserter(closing));
      connections.idle.clear();
    }
  });
  origins_.notify_all();
}

void ClientPool::close_idle(const std::string& origin) {
  Closing closing;
  origins_.with([&](Origins& origins) {
    const auto at = origins.find(origin);
    if (at == origins.end()) return;
    at->second.open -= at->second.idle.size();
    closing.swap(at->second.idle);
  });
  origins_.notify_all();
}

}  // namespace chaveiro::net
