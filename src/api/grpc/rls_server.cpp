#include "api/grpc/rls_server.h"

#include <envoy/service/ratelimit/v3/rls.grpc.pb.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>

namespace chaveiro::api::grpc {
namespace {

namespace rls = ::envoy::service::ratelimit::v3;
using Response = rls::RateLimitResponse;

constexpr int descriptors_max = 64;
constexpr int entries_max = 32;
constexpr std::size_t text_bytes_max = 4096;

Response::RateLimit::Unit unit_of(const limits::Limit& limit) {
  using Unit = Response::RateLimit;
  if (limit.algorithm == limits::Algorithm::calendar) {
    switch (limit.unit) {
      case limits::CalendarUnit::hour:
        return Unit::HOUR;
      case limits::CalendarUnit::day:
        return Unit::DAY;
      case limits::CalendarUnit::week:
        return Unit::WEEK;
      case limits::CalendarUnit::month:
        return Unit::MONTH;
      case limits::CalendarUnit::year:
        return Unit::YEAR;
    }
  }
  using namespace std::chrono_literals;
  if (limit.period == 1s) return Unit::SECOND;
  if (limit.period == 1min) return Unit::MINUTE;
  if (limit.period == 1h) return Unit::HOUR;
  return Unit::UNKNOWN;
}

std::uint32_t narrowed(std::int64_t number) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(number, 0, 0xffff'ffff));
}

void put(Response::DescriptorStatus& status, const limits::Answer& answer, const limits::RuleSet& rules) {
  status.set_code(answer.allowed ? Response::OK : Response::OVER_LIMIT);
  if (answer.tightest == nullptr) return;
  const limits::Said& said = *answer.tightest;
  auto& limit = *status.mutable_current_limit();
  limit.set_requests_per_unit(narrowed(said.decision.limit));
  limit.set_name(said.rule);
  for (const limits::Rule& rule : rules.rules())
    if (rule.name == said.rule && rule.terms) limit.set_unit(unit_of(rule.terms->limit));
  status.set_limit_remaining(narrowed(said.decision.remaining));
  const Micros wait = said.decision.allowed ? said.decision.reset_after : said.decision.retry_after;
  if (wait == limits::never) return;
  status.mutable_duration_until_reset()->set_seconds(wait.count() / 1'000'000);
  status.mutable_duration_until_reset()->set_nanos(static_cast<std::int32_t>(wait.count() % 1'000'000 * 1'000));
}

::grpc::Status refused(const char* why) { return {::grpc::StatusCode::INVALID_ARGUMENT, why}; }

class Service final : public rls::RateLimitService::CallbackService {
 public:
  explicit Service(limits::Limiter& limiter) : limiter_(limiter) {}

  ::grpc::ServerUnaryReactor* ShouldRateLimit(::grpc::CallbackServerContext* context, const rls::RateLimitRequest* in,
                                              Response* out) override {
    auto* reactor = context->DefaultReactor();
    reactor->Finish(answer(*in, *out));
    return reactor;
  }

 private:
  ::grpc::Status answer(const rls::RateLimitRequest& in, Response& out) {
    if (in.domain().empty()) return refused("domain must not be empty");
    if (in.descriptors_size() > descriptors_max) return refused("at most 64 descriptors");
    const auto rules = limiter_.rules();
    std::vector<limits::Limiter::Part> parts;
    for (const auto& descriptor : in.descriptors()) {
      if (descriptor.entries_size() > entries_max) return refused("at most 32 entries in a descriptor");
      limits::Limiter::Part part;
      for (const auto& entry : descriptor.entries()) {
        if (entry.key().size() > text_bytes_max || entry.value().size() > text_bytes_max)
          return refused("keys and values are at most 4 KiB long");
        // Rules of another domain do not apply: a pair that none of them knows sees to that.
        if (rules->domain() == in.domain()) part.descriptor.emplace_back(entry.key(), entry.value());
      }
      const std::uint64_t hits = descriptor.has_hits_addend() ? descriptor.hits_addend().value()
                                                              : std::max<std::uint64_t>(1, in.hits_addend());
      part.hits = static_cast<std::int64_t>(std::min<std::uint64_t>(hits, limits::units_max));
      parts.push_back(std::move(part));
    }
    const std::vector<limits::Answer> answers = limiter_.ask_all(parts, Deadline::in(std::chrono::milliseconds{500}));
    bool allowed = true;
    for (const limits::Answer& each : answers) {
      put(*out.add_statuses(), each, *rules);
      allowed = allowed && each.allowed;
    }
    out.set_overall_code(allowed ? Response::OK : Response::OVER_LIMIT);
    return ::grpc::Status::OK;
  }

  limits::Limiter& limiter_;
};

}  // namespace

struct RlsServer::Impl {
  explicit Impl(limits::Limiter& limiter) : service(limiter) {}
  Service service;
  int port = 0;
  std::unique_ptr<::grpc::Server> server;
};

RlsServer::RlsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RlsServer::~RlsServer() {
  if (impl_->server) impl_->server->Shutdown(std::chrono::system_clock::now());
}

Result<std::unique_ptr<RlsServer>> RlsServer::start(const RlsOptions& options, limits::Limiter& limiter) {
  auto impl = std::make_unique<Impl>(limiter);
  ::grpc::ServerBuilder builder;
  const std::string address = options.address + ":" + std::to_string(options.port);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(address, ::grpc::InsecureServerCredentials(), &impl->port);
  builder.RegisterService(&impl->service);
  builder.SetMaxReceiveMessageSize(1 << 20);
  impl->server = builder.BuildAndStart();
  if (!impl->server || impl->port == 0)
    return fail(Code::unavailable, "PortTaken", "cannot listen on " + address + " (RLS_PORT)");
  return std::unique_ptr<RlsServer>(new RlsServer(std::move(impl)));
}

std::uint16_t RlsServer::port() const { return static_cast<std::uint16_t>(impl_->port); }

void RlsServer::stop(Deadline deadline) {
  impl_->server->Shutdown(std::chrono::system_clock::now() +
                          std::chrono::duration_cast<std::chrono::system_clock::duration>(deadline.remaining()));
}

}  // namespace chaveiro::api::grpc
