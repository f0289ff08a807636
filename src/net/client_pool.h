// net/client_pool.h
//
// Which connections a client has, and who may use or open one: bounded for each origin, newest idle one first, so that the
// surplus grows old and is closed.
//
// Threads: any.
// Time:    acquire waits for a place until the deadline; nothing else waits.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/result.h"
#include "net/client_socket.h"

namespace chaveiro::net {

struct ClientPoolOptions {
  std::size_t connections_per_origin_max = 16;
  std::size_t origins_max = 256;
  std::chrono::milliseconds idle_timeout{30'000};  // 0: nothing is kept
};

class ClientPool {
 public:
  // A place among the connections to an origin. Given back when destroyed; the socket only through keep().
  class Place {
   public:
    Place(ClientPool& pool, std::string origin, std::optional<ClientSocket> opened)
        : pool_(&pool), origin_(std::move(origin)), socket(std::move(opened)) {}
    Place(Place&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)),
          origin_(std::move(other.origin_)),
          socket(std::move(other.socket)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (pool_ != nullptr) pool_->give_back(origin_, std::nullopt);
    }
    void keep() { std::exchange(pool_, nullptr)->give_back(origin_, std::move(socket)); }

   private:
    ClientPool* pool_;
    std::string origin_;

   public:
    std::optional<ClientSocket> socket;  // none: the place is for a connection that the holder opens
  };

  explicit ClientPool(ClientPoolOptions options) : options_(options) {}

  // Errors: exhausted (no place until the deadline, or too many origins).
  Result<Place> acquire(const std::string& origin, Deadline deadline);
  std::size_t idle() const;
  void close_idle();  // of all origins
  void close_idle(const std::string& origin);

 private:
  struct Idle {
    ClientSocket socket;
    SteadyTime since;
  };
  struct Connections {
    std::size_t open = 0;  // places taken, and idle connections
    std::size_t waiting = 0;
    std::vector<Idle> idle;  // oldest first
    bool has_room(std::size_t max) const { return open < max || !idle.empty(); }
  };
  using Origins = std::map<std::string, Connections>;
  using Closing = std::vector<Idle>;  // closed after the lock is given back

  void give_back(const std::string& origin, std::optional<ClientSocket> socket);
  void retire_old(Origins& origins, SteadyTime now, Closing& closing) const;

  const ClientPoolOptions options_;
  Guarded<Origins> origins_;
};

}  // namespace chaveiro::net
