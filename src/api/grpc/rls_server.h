// api/grpc/rls_server.h
//
// Envoy's Rate Limit Service v3 over a limiter of ours, on a port of its own, so that Envoy and other proxies can use our limits. One
// request may hold several descriptors: they are asked together, all or nothing. A domain without rules admits everything.
//
// Threads: gRPC's own; a question never waits but for the limiter's store.
// Errors:  start: unavailable (the port is taken). Calls: INVALID_ARGUMENT (no domain, more than 64 descriptors, a text above 4 KiB).
// Source:  envoy.service.ratelimit.v3.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "limits/limiter.h"

namespace chaveiro::api::grpc {

struct RlsOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8081;  // 0: any free one, see RlsServer::port()
};

class RlsServer {
 public:
  // The limiter must outlive the server.
  static Result<std::unique_ptr<RlsServer>> start(const RlsOptions& options, limits::Limiter& limiter);
  ~RlsServer();

  std::uint16_t port() const;
  void stop(Deadline deadline);

 private:
  struct Impl;
  explicit RlsServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace chaveiro::api::grpc
