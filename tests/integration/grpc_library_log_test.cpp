// What the gRPC library says of its own, in our log.
#include "api/grpc/library_log.h"

#include <gmock/gmock.h>
#include <grpc/support/log.h>

#include "net/test_certificates.h"
#include "tests/integration/grpc_edge.h"

namespace chaveiro {
namespace {

using namespace std::chrono_literals;
using api::grpc::LibraryLog;
using api::grpc::masked_message;
using testing::HasSubstr;
using testing::Not;

TEST(GrpcLibraryLog, masks_what_could_be_personal_or_secret) {
  EXPECT_EQ(masked_message("Handshake failed with fatal error SSL_ERROR_SSL: error:0A000086:SSL routines::bad"),
            "Handshake failed with fatal error SSL_ERROR_SSL: error:0A000086:SSL routines::bad");
  EXPECT_EQ(masked_message("peer ipv4:10.20.30.40:51234 left"), "peer ipv4:10.20.30.40:51234 left");
  EXPECT_EQ(masked_message("key=12345678909, mail joana@example.com"), "key=***, mail j***@e***");
  EXPECT_EQ(masked_message("authorization: " + std::string(200, 'x')), "authorization: ***");
  EXPECT_EQ(masked_message("phone +5511987654321"), "phone ***");
  EXPECT_LE(masked_message(std::string(100'000, ' ')).size(), 600u);
}

TEST(GrpcLibraryLog, writes_so_many_lines_a_minute_and_tells_what_it_held_back) {
  ManualClock clock;
  MemorySink sink;
  Log log{clock, sink};
  {
    LibraryLog library(log.logger("grpc"), clock, {.lines_per_minute = 3});
    for (int i = 0; i < 10; ++i) gpr_log(GPR_ERROR, "a handshake of 12345678909 failed");
    ASSERT_EQ(sink.lines().size(), 3u);
    EXPECT_EQ(library.held_back(), 7u);
    EXPECT_THAT(sink.lines()[0], HasSubstr("\"level\":\"warn\",\"logger\":\"grpc\""));
    EXPECT_THAT(sink.lines()[0], HasSubstr("a handshake of *** failed"));
    clock.advance(61s);
    gpr_log(GPR_ERROR, "another");
    EXPECT_THAT(sink.lines().back(), HasSubstr("\"held_back_before\":7"));
  }
  LibraryLog next(log.logger("grpc"), clock);
  gpr_log(GPR_ERROR, "the next one takes over");
  EXPECT_THAT(sink.lines().back(), HasSubstr("the next one takes over"));
}

struct GrpcLibraryLogEdge : GrpcEdge {};

TEST_F(GrpcLibraryLogEdge, a_handshake_that_failed_stands_in_the_log) {
  const LibraryLog library(log.logger("grpc"), clock);
  const net::TestFolder folder;
  const net::TestAuthority authority{folder, "authority"};
  const auto files = authority.issue("server", {"server", "DNS:localhost,IP:127.0.0.1"});
  api::grpc::ServerOptions options;
  options.tls = net::TlsServerContext::load({.cert_file = files.cert_file, .key_file = files.key_file}).value();
  start(options);
  core::HealthCheckResponse told;
  EXPECT_FALSE(call(&core::CoreDictService::Stub::HealthCheck, google::protobuf::Empty(), told).ok());
  const Deadline deadline = Deadline::in(10s);
  while (!sink.contains("the gRPC library says") && !deadline.expired()) continue;
  EXPECT_TRUE(sink.contains("Handshake failed"));
}

}  // namespace
}  // namespace chaveiro
