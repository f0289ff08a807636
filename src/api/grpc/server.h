// api/grpc/server.h
//
// The gRPC edge: dict.core.v1.CoreDictService, dict.admin.v1.AdminService, the standard health service and reflection.
// A look-up whose entry lies in memory is answered on the thread that read it from the wire; everything else goes to
// the pool, and a full pool answers RESOURCE_EXHAUSTED with a delay to retry after.
//
// Errors travel as google.rpc.Status in grpc-status-details-bin: ErrorInfo (reason = official error type, domain
// dict.chaveiro), RequestInfo, and BadRequest, ResourceInfo, RetryInfo, QuotaFailure where they have something to say.
//
// Threads: owns gRPC's; handlers run on the pool that it is given. start() and stop() from one thread.
// Errors:  start: unavailable (the port is taken).
#pragma once

#include <chrono>
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
}

namespace chaveiro::api::grpc {

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 9090;                   // 0: any free one, see Server::port()
  std::shared_ptr<net::TlsServerContext> tls;  // none: plain text. A reload of it holds for the next connection
  std::size_t message_bytes_max = 4u << 20;
  std::uint32_t streams_per_connection_max = 1'024;
  std::chrono::seconds keepalive{60};             // a quiet connection is asked whether it lives; 0: never
  std::chrono::seconds connection_idle_max{900};  // closed when it carried nothing for so long; 0: never
  bool reflection = true;
};

// What the handlers stand on. All of it must outlive the server. `admin` may be null: then AdminService is not offered.
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
  LimitsPort* limits = nullptr;           // null: the calls about limits answer not_found
  FirstAnswers* first_answers = nullptr;  // null: the store decides on every repetition
};

class Server {
 public:
  static Result<std::unique_ptr<Server>> start(const ServerOptions& options, const Services& services);
  ~Server();

  std::uint16_t port() const;
  // The standard health service says NOT_SERVING from here on; calls still pass.
  void not_ready();
  // Asks Services::health and tells the standard health service; app/ calls it about every second.
  void publish_health();
  // No new calls; those under way may end until the deadline and are cancelled then.
  void stop(Deadline deadline);

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace chaveiro::api::grpc
