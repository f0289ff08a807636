// Envoy's Rate Limit Service, asked as Envoy asks it.
#include <envoy/service/ratelimit/v3/rls.grpc.pb.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "api/grpc/rls_server.h"
#include "limits/memory_store.h"

namespace chaveiro::api::grpc {
namespace {

namespace rls = ::envoy::service::ratelimit::v3;
using Response = rls::RateLimitResponse;

struct World {
  World()
      : store({}, clock),
        limiter({}, store, *limits::RuleSet::read_envoy(R"(
domain: edge
descriptors:
  - key: path
    rate_limit: {unit: minute, requests_per_unit: 3}
  - key: tenant
    value: big
    rate_limit: {unlimited: true}
  - key: trial
    rate_limit: {unit: day, requests_per_unit: 1}
    shadow_mode: true
)"),
                clock, metrics),
        server(*RlsServer::start({"127.0.0.1", 0}, limiter)),
        stub(rls::RateLimitService::NewStub(::grpc::CreateChannel("127.0.0.1:" + std::to_string(server->port()),
                                                                  ::grpc::InsecureChannelCredentials()))) {}

  static void add(rls::RateLimitRequest& request, const std::string& key, const std::string& value) {
    auto& entry = *request.add_descriptors()->add_entries();
    entry.set_key(key);
    entry.set_value(value);
  }
  Response ask(const rls::RateLimitRequest& request) {
    ::grpc::ClientContext context;
    Response response;
    const ::grpc::Status status = stub->ShouldRateLimit(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  ManualClock clock;
  Registry metrics;
  limits::MemoryStore store;
  limits::Limiter limiter;
  std::unique_ptr<RlsServer> server;
  std::unique_ptr<rls::RateLimitService::Stub> stub;
};

TEST(RateLimitService, counts_every_descriptor_and_refuses_when_one_is_over) {
  World world;
  rls::RateLimitRequest request;
  request.set_domain("edge");
  World::add(request, "path", "/a");
  World::add(request, "tenant", "big");
  for (int i = 0; i < 3; ++i) {
    const Response answer = world.ask(request);
    EXPECT_EQ(answer.overall_code(), Response::OK);
    ASSERT_EQ(answer.statuses_size(), 2);
    EXPECT_EQ(answer.statuses(0).limit_remaining(), static_cast<std::uint32_t>(2 - i));
    EXPECT_EQ(answer.statuses(0).current_limit().requests_per_unit(), 3u);
    EXPECT_EQ(answer.statuses(0).current_limit().unit(), Response::RateLimit::MINUTE);
    EXPECT_FALSE(answer.statuses(1).has_current_limit());
  }
  const Response over = world.ask(request);
  EXPECT_EQ(over.overall_code(), Response::OVER_LIMIT);
  EXPECT_EQ(over.statuses(0).code(), Response::OVER_LIMIT);
  EXPECT_EQ(over.statuses(1).code(), Response::OK);
  EXPECT_GT(over.statuses(0).duration_until_reset().seconds(), 0);
}

TEST(RateLimitService, shadow_rules_and_foreign_domains_refuse_nobody) {
  World world;
  rls::RateLimitRequest trial;
  trial.set_domain("edge");
  trial.set_hits_addend(5);
  World::add(trial, "trial", "x");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(world.ask(trial).overall_code(), Response::OK);
  rls::RateLimitRequest foreign;
  foreign.set_domain("elsewhere");
  foreign.set_hits_addend(100);
  World::add(foreign, "path", "/a");
  EXPECT_EQ(world.ask(foreign).overall_code(), Response::OK);
}

TEST(RateLimitService, a_request_without_domain_is_refused_as_wrong) {
  World world;
  ::grpc::ClientContext context;
  Response response;
  EXPECT_EQ(world.stub->ShouldRateLimit(&context, rls::RateLimitRequest(), &response).error_code(),
            ::grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace chaveiro::api::grpc
