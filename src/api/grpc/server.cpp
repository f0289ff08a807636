#include "api/grpc/server.h"

#include <absl/synchronization/mutex.h>
#include <google/protobuf/stubs/logging.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include "api/grpc/admin_service.h"
#include "api/grpc/core_service.h"
#include "api/grpc/tls_credentials.h"
#include "base/guarded.h"

namespace chaveiro::api::grpc {
namespace {

constexpr int metadata_bytes_max = 16 * 1024;  // thousands of headers end here, not in our handlers
constexpr std::size_t memory_bytes_max = 512u << 20;

int milliseconds(std::chrono::seconds time) {
  return time.count() == 0 ? INT_MAX : static_cast<int>(std::chrono::milliseconds(time).count());
}

void set_limits(::grpc::ServerBuilder& builder, const ServerOptions& options) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.message_bytes_max));
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, metadata_bytes_max);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, static_cast<int>(options.streams_per_connection_max));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, milliseconds(options.keepalive));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, milliseconds(options.connection_idle_max));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  // Our answers are far smaller than a connection's window: nothing is won by measuring it with a ping for every read.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  // Nobody asks gRPC for its own counts of calls: ours are in /metrics.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  // Otherwise two servers would share a port and each would get some of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  ::grpc::ResourceQuota quota("chaveiro");
  builder.SetResourceQuota(quota.Resize(memory_bytes_max));
}

}  // namespace

struct Server::Impl {
  explicit Impl(const Services& its_services) : services(its_services), core(services) {
    if (services.admin) admin = std::make_unique<AdminService>(services);
  }

  const Services services;
  std::shared_ptr<::grpc::ServerCredentials> credentials;  // gRPC asks them for certificates as long as it serves
  CoreService core;
  std::unique_ptr<AdminService> admin;
  std::unique_ptr<::grpc::Server> server;
  int port = 0;
  Guarded<bool> draining{false};
};

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options, const Services& services) {
  ::grpc::EnableDefaultHealthCheckService(true);
  // Distributions build the library's mutexes so that each lock looks for cycles: 3 % of a call, for a debugging aid.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // A stranger's broken message is answered, not written to our stderr.
  google::protobuf::SetLogHandler(nullptr);
  if (options.reflection) ::grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  auto impl = std::make_unique<Impl>(services);
  impl->credentials = options.tls ? tls_credentials(options.tls) : ::grpc::InsecureServerCredentials();
  ::grpc::ServerBuilder builder;
  set_limits(builder, options);
  const bool v6 = options.address.find(':') != std::string::npos;
  const std::string address = (v6 ? "[" + options.address + "]" : options.address) + ":" + std::to_string(options.port);
  builder.AddListeningPort(address, impl->credentials, &impl->port);
  builder.RegisterService(&impl->core);
  if (impl->admin) builder.RegisterService(impl->admin.get());
  impl->server = builder.BuildAndStart();
  if (!impl->server || impl->port == 0)
    return fail(Code::unavailable, "ServiceUnavailable",
                "gRPC cannot listen on " + address + ": is the port taken, or the address not of this machine?");
  auto server = std::unique_ptr<Server>(new Server(std::move(impl)));
  server->publish_health();
  return server;
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() { stop(Deadline::in(Micros::zero())); }

std::uint16_t Server::port() const { return static_cast<std::uint16_t>(impl_->port); }

void Server::not_ready() {
  *impl_->draining.lock() = true;
  publish_health();
}

void Server::publish_health() {
  const bool serving = !*impl_->draining.lock() && impl_->services.health.health().ready;
  if (auto* health = impl_->server ? impl_->server->GetHealthCheckService() : nullptr) {
    health->SetServingStatus(serving);
    health->SetServingStatus("dict.core.v1.CoreDictService", serving);
  }
}

void Server::stop(Deadline deadline) {
  if (!impl_->server) return;
  // gRPC wants a moment of the system's clock.
  impl_->server->Shutdown(std::chrono::system_clock::now() +
                          std::min<Micros>(deadline.remaining(), std::chrono::hours{1}));
  impl_->server->Wait();
  impl_->server.reset();
}

}  // namespace chaveiro::api::grpc
