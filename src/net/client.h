// net/client.h
//
// A blocking HTTP/1.1 client over bounded pools of kept-alive connections, one pool per origin. The Deadline bounds the
// whole call: the wait for a connection, the name look-up, connect, handshake, writing and reading. A kept-alive
// connection that turns out dead before a byte of the answer came is replaced once, when the request may be repeated.
//
// Threads: any number may call at once.
// Errors:  unavailable (refused, no such name, certificate refused, or cut before a safe request was answered; nothing
//          changed) · deadline (ran out; nothing changed) · maybe_applied (an unsafe request was sent and its answer
//          did not come) · corrupt (what came is no HTTP answer, or is larger than the options allow) · exhausted (no
//          connection became free until the deadline) · invalid (the request). Any status that the server sends is a
//          value.
// Source:  RFC 9110, RFC 9112.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "net/http.h"
#include "net/tls.h"

namespace chaveiro::net {

// Called on the calling thread; must not wait. May be left empty.
struct ClientObserver {
  std::function<void()> connected;  // a new connection stands
  std::function<void()> reused;     // a kept-alive one was taken
  std::function<void()> retried;    // a dead kept-alive one was replaced
};

struct ClientOptions {
  std::size_t connections_per_origin_max = 16;  // open at once, in use or idle; at least 1
  std::size_t origins_max = 256;                // with open connections; one more: exhausted
  std::chrono::milliseconds idle_timeout{
      30'000};  // an idle connection older than this is not used again; 0: none is kept
  std::chrono::milliseconds connect_timeout{5'000};  // look-up, connect and handshake together, within the deadline
  std::size_t response_header_bytes_max = 64 * 1024;
  std::size_t response_header_count_max = 200;  // at most 256
  std::uint64_t response_body_bytes_max = 16 * 1024 * 1024;
  std::string user_agent = "chaveiro";    // empty: no such field
  std::shared_ptr<TlsClientContext> tls;  // none: https with the system's authorities
  ClientObserver observer;
};

// Bodies in pieces. The source is asked for the next piece until it gives an empty one (sent chunked); the sink takes
// the pieces of the answer as they come, and while it works nothing more is read. An error of either ends the call with
// it.
struct BodyStreams {
  std::function<Result<std::string>()> source;               // empty: Request::body is sent
  std::function<Result<void>(std::string_view piece)> sink;  // empty: Response::body is filled
};

class HttpClient {
 public:
  // Errors: invalid (options).
  static Result<std::unique_ptr<HttpClient>> make(ClientOptions options);
  ~HttpClient();  // no call may be under way
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Host, Content-Length, Connection and User-Agent are added; the rest is sent as given.
  Result<Response> send(const Origin& origin, const Request& request, Deadline deadline);
  // A streamed request body is never sent twice; response_body_bytes_max does not bind the sink.
  Result<Response> send(const Origin& origin, const Request& request, const BodyStreams& streams, Deadline deadline);

  // Connections that stand idle now, all origins.
  std::size_t idle_connections() const;
  void close_idle();

 private:
  class Impl;
  explicit HttpClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace chaveiro::net
