// bench/lookup_connection.h
//
// One client connection of the load generator: it starts requests and checks answers, and neither waits nor has a thread. Whoever
// owns it looks at its descriptor and calls receive() when there is something to read.
//
// Threads: one.
// Errors:  a broken connection ends the run; a wrong answer is told to Answers and fails the run later.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "bench/lookup_requests.h"

namespace chaveiro::bench {

using Nanos = std::int64_t;  // of the steady clock
Nanos steady_nanos();

// What a look-up's answer says about where it came from (dict.core.v1.LookupSource).
enum class Source : std::uint8_t { unknown, memory, store, registry };

// Where answers are counted.
class Answers {
 public:
  virtual ~Answers() = default;
  // `due`: when the request should have been sent; `bytes`: of the answer's message.
  virtual void right(Nanos due, std::size_t bytes, Source source) = 0;
  virtual void wrong(const std::string& what) = 0;
};

class Connection {
 public:
  virtual ~Connection() = default;
  virtual int descriptor() const = 0;
  virtual std::size_t in_flight() const = 0;
  virtual std::size_t room() const = 0;  // requests that may be started now
  virtual void start(std::size_t key, Nanos due) = 0;
  virtual void send() = 0;     // what start() left to be written, as far as the socket takes it
  virtual void receive() = 0;  // what has come
};

struct Peer {
  std::uint16_t port = 0;  // on 127.0.0.1
  std::string token;       // ""; none is sent
};

// gRPC over HTTP/2 (dict.core.v1.CoreDictService/LookupKey), up to `streams` requests at once. With `last_message`, each answer's
// message is copied there.
std::unique_ptr<Connection> connect_grpc(const Peer& peer, std::size_t streams, const Requests& requests,
                                         Answers& answers, std::string* last_message = nullptr);
// POST /api/v1/lookups over HTTP/1.1, one request at a time.
std::unique_ptr<Connection> connect_rest(const Peer& peer, const Requests& requests, Answers& answers);

// A socket that never blocks, with what is still to be written.
class Socket {
 public:
  explicit Socket(std::uint16_t port);
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int descriptor() const { return descriptor_; }
  std::string& unsent() { return unsent_; }
  void send();
  // What has come, valid until the next call; empty: nothing yet.
  std::string_view receive();

 private:
  int descriptor_;
  std::string unsent_;
  std::unique_ptr<char[]> arrived_;
};

}  // namespace chaveiro::bench
