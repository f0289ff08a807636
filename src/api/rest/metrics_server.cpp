#include "api/rest/metrics_server.h"

#include "api/rest/problem.h"
#include "base/metrics.h"
#include "net/server.h"
#include "net/server_metrics.h"

namespace chaveiro::api::rest {
namespace {

net::Response answer(const net::Request& request, const Registry& metrics) {
  if (request.path() != "/metrics") return problem(HttpFault{404, "UnknownPath", "only /metrics is here"}, {});
  if (request.method != net::Method::get && request.method != net::Method::head) {
    net::Response response = problem(HttpFault{405, "MethodNotAllowed", "this path takes GET, HEAD"}, {});
    response.headers.add("Allow", "GET, HEAD");
    return response;
  }
  net::Response response;
  response.headers.add("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  response.headers.add("Cache-Control", "no-store");
  response.body = metrics.expose();
  return response;
}

}  // namespace

MetricsServer::MetricsServer(std::unique_ptr<net::HttpServer> http) : http_(std::move(http)) {}
MetricsServer::~MetricsServer() = default;

Result<std::unique_ptr<MetricsServer>> MetricsServer::start(const MetricsServerOptions& options, Registry& metrics) {
  net::ServerOptions http;
  http.address = options.address;
  http.port = options.port;
  http.connections_max = 32;
  http.body_bytes_max = 0;
  http.observer = net::counted(metrics, "metrics");
  // A scrape costs well under a millisecond, so that it is made on the I/O thread.
  TRY(auto server,
      net::HttpServer::start(std::move(http), [&metrics](const net::Request& request, net::Responder responder) {
        responder.send(answer(request, metrics));
      }));
  return std::unique_ptr<MetricsServer>(new MetricsServer(std::move(server)));
}

std::uint16_t MetricsServer::port() const { return http_->port(); }
bool MetricsServer::stop(Deadline deadline) { return http_->stop(deadline); }

}  // namespace chaveiro::api::rest
