#include "net/server_metrics.h"

#include <gmock/gmock.h>

#include "net/test_peer.h"

namespace chaveiro::net {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

struct ServerMetrics : testing::Test {
  std::unique_ptr<HttpServer> serve(ServerOptions options) {
    options.observer = counted(metrics, "rest");
    return HttpServer::start(std::move(options),
                             [](Request, Responder responder) { responder.send(text_response(200, "hello")); })
        .value();
  }
  // What an I/O thread counts after its answer has left is waited for.
  bool comes(const std::string& line) {
    const Deadline deadline = soon();
    while (metrics.expose().find(line) == std::string::npos)
      if (deadline.expired()) return false;
    return true;
  }

  Registry metrics;
};

TEST_F(ServerMetrics, count_connections_answers_and_bytes) {
  const auto server = serve({});
  {
    TestPeer peer = TestPeer::connect(server->port());
    ASSERT_TRUE(peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyz"));
    EXPECT_EQ(peer.response().status, 200);
    EXPECT_TRUE(comes("http_connections_open{listener=\"rest\"} 1\n"));
    EXPECT_TRUE(comes("http_received_bytes_total{listener=\"rest\"} 3\n"));
    EXPECT_TRUE(comes("http_answers_total{listener=\"rest\",status=\"2xx\"} 1\n"));
    EXPECT_FALSE(metrics.expose().find("http_sent_bytes_total{listener=\"rest\"} 0\n") != std::string::npos);
  }
  EXPECT_TRUE(comes("http_connections_open{listener=\"rest\"} 0\n"));
  EXPECT_THAT(metrics.expose(), HasSubstr("http_connections_total{listener=\"rest\"} 1\n"));
  TestPeer bad = TestPeer::connect(server->port());
  ASSERT_TRUE(bad.send("GET / HTTP/9\r\n\r\n"));
  EXPECT_TRUE(comes("http_answers_total{listener=\"rest\",status=\"4xx\"} 1\n"));
}

TEST_F(ServerMetrics, count_whom_the_server_turned_away_and_why) {
  const auto server = serve({.connections_max = 1, .header_timeout = 20ms});
  TestPeer slow = TestPeer::connect(server->port());
  ASSERT_TRUE(slow.send("GET / HTT"));
  TestPeer second = TestPeer::connect(server->port());
  EXPECT_TRUE(comes("http_connections_dropped_total{listener=\"rest\",why=\"header_timeout\"} 1\n"));
  EXPECT_TRUE(comes("http_connections_dropped_total{listener=\"rest\",why=\"connections\"} 1\n"));
  EXPECT_EQ(slow.response().status, 408);
}

}  // namespace
}  // namespace chaveiro::net
