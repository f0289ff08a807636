// api/rest/metrics_server.h
//
// The listener for Prometheus, on a port of its own: GET /metrics, nothing else, no authentication. It counts itself as listener "metrics". Bind it where only the
// monitoring can reach it.
//
// Threads: start() and stop() from one thread.
// Errors:  start: unavailable (the port is taken), invalid (options).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace chaveiro {
class Registry;
}
namespace chaveiro::net {
class HttpServer;
}

namespace chaveiro::api::rest {

struct MetricsServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 9091;  // 0: any free one
};

class MetricsServer {
 public:
  // `metrics` must outlive the server.
  static Result<std::unique_ptr<MetricsServer>> start(const MetricsServerOptions& options, Registry& metrics);
  ~MetricsServer();

  std::uint16_t port() const;
  bool stop(Deadline deadline);

 private:
  explicit MetricsServer(std::unique_ptr<net::HttpServer> http);
  std::unique_ptr<net::HttpServer> http_;
};

}  // namespace chaveiro::api::rest
