// bench/redis_peers.h
//
// The server that everybody asks, on core 0, and who asks it beside our client: rueidis (`bench/peers/build redis`), redis-benchmark,
// and a socket that spins. What is not installed has no figure.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bench/redis_figures.h"
#include "clients/redis/wire/command.h"

namespace chaveiro::bench {

inline constexpr std::uint64_t redis_keys = 100'000;
inline constexpr std::uint64_t redis_tracked_keys = 1'000;  // so many fit into any memory
inline constexpr std::size_t redis_value_size = 200;

void pin_to(int core);

class RedisServer {
 public:
  RedisServer();
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;
  std::uint16_t port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  std::uint16_t port_;
  pid_t pid_;
};

// `into` becomes the key that comes n-th.
void write_key(std::string& into, std::uint64_t n, std::uint64_t of = redis_keys);
// get, set or incr; `key` is room for it.
redis::Command make_command(std::string_view operation, std::string& key, std::uint64_t n);

// get, set, incr, or tracked: hits in its own cache.
std::optional<Figure> rueidis(const RedisServer& server, std::string_view operation, int in_flight, double seconds);
std::optional<Figure> redis_benchmark(const RedisServer& server, std::string_view operation, double seconds);
// GET over a socket that asks again and again whether the answer has come.
Figure bare_socket(const RedisServer& server, double seconds);

}  // namespace chaveiro::bench
