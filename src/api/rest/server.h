// api/rest/server.h
//
// The REST edge: /api/v1/…, the OpenAPI document and its page, health. JSON in, JSON out, RFC 9457 problems where something is
// wrong. Nothing is decided here: a request is checked for its form, given to the directory, and the answer written down.
//
// A look-up whose entry lies in memory is answered on the I/O thread; everything else goes to the pool, and a full pool answers
// with 429 and Retry-After. Personal keys travel in bodies only, so that no URL, log or proxy ever holds one. There is no CORS:
// browsers of other origins are not let in.
//
// Threads: owns the HTTP server's; handlers run on the pool that it is given. start() and stop() from one thread.
// Errors:  start: unavailable (the port is taken), invalid (options).
// Source:  RFC 9110, RFC 9457, OpenAPI 3.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "api/admin.h"
#include "api/chain.h"
#include "api/fields.h"
#include "api/first_answers.h"
#include "api/health.h"
#include "api/limits_port.h"
#include "api/operations.h"
#include "api/page_token.h"
#include "net/tls.h"

namespace chaveiro {
class Pool;
class Registry;
}  // namespace chaveiro

namespace chaveiro::net {
class HttpServer;
}

namespace chaveiro::api::rest {

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;                    // 0: any free one, see Server::port()
  std::shared_ptr<net::TlsServerContext> tls;   // none: plain text
  std::size_t connections_max = 4'096;          // one more is told to come back
  std::uint64_t body_bytes_max = 1u << 20;      // of a JSON body; more: 413
  std::uint64_t upload_bytes_max = 4ull << 30;  // of an import
  bool documentation = true;                    // the page and the OpenAPI document
  Registry* metrics = nullptr;                  // counts connections and bytes as listener "rest"; null: nobody does
};

// What the handlers stand on. All of it must outlive the server. `admin` may be null: its routes then answer 404.
struct Services {
  Chain& chain;
  directory::Directory& directory;
  Portabilities& portabilities;
  PageTokens& page_tokens;
  Pool& pool;
  HealthSource& health;
  AdminPort* admin = nullptr;
  FieldRules fields;
  const Clock& clock;
  LimitsPort* limits = nullptr;           // null: payment orders answer 404
  FirstAnswers* first_answers = nullptr;  // null: the store decides on every repetition
};

class Server {
 public:
  static Result<std::unique_ptr<Server>> start(const ServerOptions& options, const Services& services);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const;
  // No new connections; requests under way may end until the deadline and are cut then. True when nothing was cut.
  bool stop(Deadline deadline);

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The OpenAPI 3.1 document as JSON text, made from the route table.
const std::string& openapi_document();

}  // namespace chaveiro::api::rest
