// net/server.h
//
// An HTTP/1.1 server. A few I/O threads own all connections; the handler is called on them and must not wait there:
// what it can answer at once it answers in place, the rest it hands, with the Responder, to a pool. Requests of one
// connection are handled one after another, so pipelined answers keep their order and effects. What is not a valid
// request never reaches the handler: it is answered (400, 408, 413, 414, 417, 431, 501, 505) and the connection closed.
//
// Threads: start() and stop() by one owner; port() any; a Responder may be completed on any thread.
// Time:    nothing here waits on the I/O threads; every phase of a connection has its own time limit.
// Errors:  start: unavailable (address in use, no such address), invalid (options).
// Source:  RFC 9110, RFC 9112 (section 11.2 on request smuggling), RFC 9457.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/clock.h"
#include "base/result.h"
#include "net/body.h"
#include "net/http.h"
#include "net/tls.h"

namespace chaveiro::net {

// The side of the server that a Responder talks to.
class ServerExchange {
 public:
  virtual ~ServerExchange() = default;
  virtual void respond(std::uint64_t request, Response response) = 0;
  virtual std::shared_ptr<BodyPipe> respond_streaming(std::uint64_t request, Response head) = 0;
};

// The answer to one request, owed by whoever holds it. Destroyed without an answer: 500. The peer may be gone: then the
// answer is dropped silently.
class Responder {
 public:
  Responder(std::shared_ptr<ServerExchange> exchange, std::uint64_t request);
  ~Responder();
  Responder(Responder&& other) noexcept = default;
  Responder& operator=(Responder&& other) noexcept;

  // Exactly one of the two, once; a second call is a bug and stops the process.
  void send(Response response);
  // Status and headers now, the body in pieces through the writer (chunked; read to the end by HTTP/1.0 peers).
  // `head.body` is ignored. The answer to HEAD takes no body: pieces are dropped.
  ResponseWriter stream(Response head);

 private:
  std::shared_ptr<ServerExchange> exchange_;
  std::uint64_t request_;
};

using Handler = std::function<void(Request, Responder)>;

// What shall happen with the body of a request whose headers have come.
struct BodyPlan {
  enum class Mode : std::uint8_t {
    whole,   // the handler is called when the body is complete, with Request::body
    stream,  // the handler is called now, with Request::stream
  };
  Mode mode = Mode::whole;
  std::optional<std::uint64_t> bytes_max;  // none: ServerOptions::body_bytes_max; larger bodies: 413
  std::optional<Response> refuse;          // answer this at once and read no body (401, 404, 405 before an upload)
};

// A request that net itself refuses; `reason` is a short name ("PayloadTooLarge").
struct Fault {
  int status = 400;
  std::string_view reason;
  std::string_view detail;
};

// One finished exchange, for access logs and metrics. `target` is the raw one: mask before logging.
struct ExchangeSummary {
  Method method = Method::get;
  std::string_view target;     // empty when the request was not understood
  int status = 0;              // 0: the peer went away before an answer
  std::uint64_t bytes_in = 0;  // body bytes
  std::uint64_t bytes_out = 0;
  std::chrono::nanoseconds duration{0};  // headers read until the answer was handed to the socket
};

// Called on I/O threads; must not wait. Any may be left empty.
struct ServerObserver {
  std::function<void(const ExchangeSummary&)> exchange;
  std::function<void(int change)> connections;  // +1 accepted, -1 closed
  std::function<void(std::string_view why)>
      dropped;  // "handshake", "connections", "idle", "header_timeout", "body_timeout", "write_timeout"
};

struct ServerOptions {
  std::string address = "127.0.0.1";  // numeric, v4 or v6
  std::uint16_t port = 0;             // 0: any free one; see port()
  std::size_t io_threads = 1;         // 0 is invalid

  std::size_t header_bytes_max = 16 * 1024;      // request line and fields; more: 431 (414 if it is the request line)
  std::size_t header_count_max = 100;            // at most 256; more: 431
  std::uint64_t body_bytes_max = 1024 * 1024;    // where the plan says nothing; 0: no bodies
  std::size_t stream_window_bytes = 256 * 1024;  // held between a streaming handler and its connection, each way
  // Requests of one read that are answered before the answers are written; the rest waits in the socket. At least 1.
  std::size_t pipeline_max = 32;
  // Beyond: 503 with Retry-After and close (an immediate close under TLS), so that balancers learn it at once.
  std::size_t connections_max = 1024;

  std::chrono::milliseconds idle_timeout{60'000};  // between requests; then close
  std::chrono::milliseconds header_timeout{
      10'000};  // first byte (or accept, handshake included) to last of the head; then 408
  std::chrono::milliseconds body_timeout{
      10'000};                             // a body may take this long and bytes / body_rate_min on top; then 408
  std::uint64_t body_rate_min = 8 * 1024;  // bytes a second; 0: only body_timeout counts
  std::chrono::milliseconds write_timeout{30'000};  // without any progress of an answer; then close

  std::shared_ptr<TlsServerContext> tls;  // none: plain text

  // Asked on the I/O thread after the headers of a request with a body, before 100-continue. Empty: whole,
  // body_bytes_max.
  std::function<BodyPlan(const Request& head)> body_plan;
  // Body of our own refusals. Empty: problem_response().
  std::function<Response(const Fault&)> problem;
  ServerObserver observer;
};

class HttpServer {
 public:
  // Listens and serves from here on.
  static Result<std::unique_ptr<HttpServer>> start(ServerOptions options, Handler handler);
  ~HttpServer();  // stop(now)
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;

  // Accepts no more, closes idle connections, lets requests that are being read or handled finish until the deadline,
  // then cuts. True when nothing had to be cut. Repeated calls do nothing. Not to be called on an I/O thread.
  bool stop(Deadline deadline);

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace chaveiro::net
