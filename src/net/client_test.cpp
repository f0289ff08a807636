#include "net/client.h"

#include <gmock/gmock.h>

#include <latch>
#include <thread>

#include "base/guarded.h"
#include "net/server.h"
#include "net/test_peer.h"

namespace chaveiro::net {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

struct Counts {
  int connected = 0;
  int reused = 0;
  int retried = 0;
};

class HttpClientTest : public testing::Test {
 protected:
  std::unique_ptr<HttpClient> make(ClientOptions options = {}) {
    const auto count = [this](int Counts::* which) {
      return [this, which] { counts_.with([&](Counts& counts) { ++(counts.*which); }); };
    };
    options.observer = {count(&Counts::connected), count(&Counts::reused), count(&Counts::retried)};
    auto client = HttpClient::make(std::move(options));
    EXPECT_TRUE(client);
    return std::move(*client);
  }
  Counts counts() const {
    return counts_.with([](const Counts& counts) { return counts; });
  }
  std::unique_ptr<HttpServer> serve(Handler handler, ServerOptions options = {}) {
    auto server = HttpServer::start(std::move(options), std::move(handler));
    EXPECT_TRUE(server);
    return std::move(*server);
  }

  Guarded<Counts> counts_;
};

Origin at(std::uint16_t port) { return {false, "127.0.0.1", port}; }
Request get(std::string target = "/") { return {.method = Method::get, .target = std::move(target)}; }
Request post(std::string body) { return {.method = Method::post, .body = std::move(body)}; }

void echo(Request request, Responder responder) {
  std::string text = std::string(to_string(request.method)) + " " + request.target + " " + request.body;
  Response response = text_response(200, std::move(text));
  for (const std::string_view name : {"Host", "User-Agent", "X-Mine"}) {
    response.headers.add("Seen-" + std::string(name), request.headers.get(name));
  }
  responder.send(std::move(response));
}

// A server of one's own words: each connection is handed to the next script.
class Scripted {
 public:
  using Script = std::function<void(TestPeer&)>;
  explicit Scripted(std::vector<Script> scripts) {
    thread_ = std::thread([this, scripts = std::move(scripts)] {
      for (const Script& script : scripts) {
        TestPeer peer = listener_.accept();
        script(peer);
      }
    });
  }
  ~Scripted() { thread_.join(); }
  std::uint16_t port() const { return listener_.port(); }

 private:
  TestListener listener_;
  std::thread thread_;
};

constexpr std::string_view ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST_F(HttpClientTest, sends_a_request_and_keeps_the_connection_for_the_next) {
  const auto server = serve(echo);
  const auto client = make();
  for (int i = 0; i < 5; ++i) {
    Request request = post("body");
    request.target = "/a?b";
    request.headers.add("X-Mine", "1");
    request.headers.add("Content-Length", "999");
    const auto response = client->send(at(server->port()), request, soon());
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->body, "POST /a?b body");
    EXPECT_EQ(response->headers.get("Seen-Host"), "127.0.0.1:" + std::to_string(server->port()));
    EXPECT_EQ(response->headers.get("Seen-User-Agent"), "chaveiro");
    EXPECT_EQ(response->headers.get("Seen-X-Mine"), "1");
  }
  EXPECT_EQ(counts().connected, 1);
  EXPECT_EQ(counts().reused, 4);
  EXPECT_EQ(client->idle_connections(), 1u);
}

TEST_F(HttpClientTest, finds_a_server_by_name) {
  const auto server = serve(echo);
  EXPECT_TRUE(make()->send({false, "localhost", server->port()}, get(), soon()));
  const auto nobody = make()->send({false, "no-such-host.invalid", 80}, get(), soon());
  EXPECT_EQ(nobody.error().code, Code::unavailable);
}

TEST_F(HttpClientTest, any_status_is_a_value) {
  const auto server = serve([](Request, Responder responder) { responder.send(text_response(503, "later")); });
  EXPECT_EQ(make()->send(at(server->port()), get(), soon())->status, 503);
}

TEST_F(HttpClientTest, has_no_more_connections_than_it_may_and_waits_for_one) {
  std::latch both{2};
  Guarded<std::vector<Responder>> held;
  const auto server = serve([&](Request, Responder responder) {
    held.with([&](std::vector<Responder>& all) { all.push_back(std::move(responder)); });
    both.count_down();
  });
  const auto client = make({.connections_per_origin_max = 2});
  std::vector<std::thread> callers;
  for (int i = 0; i < 2; ++i) {
    callers.emplace_back([&] { EXPECT_TRUE(client->send(at(server->port()), get(), soon())); });
  }
  both.wait();
  const auto third = client->send(at(server->port()), get(), Deadline::in(20ms));
  EXPECT_EQ(third.error().code, Code::exhausted);
  held.with([](std::vector<Responder>& all) {
    for (Responder& responder : all) responder.send(text_response(200, ""));
  });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(counts().connected, 2);
}

TEST_F(HttpClientTest, replaces_a_kept_connection_that_the_server_has_closed) {
  Scripted server({[](TestPeer& peer) {
                     peer.until("\r\n\r\n");
                     peer.send(ok);
                   },
                   [](TestPeer& peer) {
                     peer.until("\r\n\r\n");
                     peer.send(ok);
                   }});
  const auto client = make();
  ASSERT_TRUE(client->send(at(server.port()), get(), soon()));
  const auto second = client->send(at(server.port()), get(), soon());
  EXPECT_TRUE(second) << second.error().message;
  EXPECT_EQ(counts().connected, 2);
}

// The server reads the second request and hangs up: the client cannot know that before it has sent it.
std::vector<Scripted::Script> dies_on_the_second(std::vector<Scripted::Script> more) {
  std::vector<Scripted::Script> all{[](TestPeer& peer) {
    peer.until("\r\n\r\n");
    peer.send(ok);
    peer.until("\r\n\r\n");
  }};
  for (auto& script : more) all.push_back(std::move(script));
  return all;
}

TEST_F(HttpClientTest, repeats_what_may_be_repeated_when_a_kept_connection_dies_before_the_answer) {
  Scripted server(dies_on_the_second({[](TestPeer& peer) {
    peer.until("\r\n\r\n");
    peer.send(ok);
  }}));
  const auto client = make();
  ASSERT_TRUE(client->send(at(server.port()), get(), soon()));
  const auto second = client->send(at(server.port()), get(), soon());
  EXPECT_TRUE(second) << second.error().message;
  EXPECT_EQ(counts().retried, 1);
}

TEST_F(HttpClientTest, never_repeats_a_post_and_says_that_it_may_have_happened) {
  Scripted server(dies_on_the_second({}));
  const auto client = make();
  ASSERT_TRUE(client->send(at(server.port()), get(), soon()));
  const auto second = client->send(at(server.port()), post("x"), soon());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::maybe_applied);
  EXPECT_EQ(counts().retried, 0);
}

TEST_F(HttpClientTest, does_not_repeat_on_a_fresh_connection) {
  Scripted server({[](TestPeer& peer) { peer.until("\r\n\r\n"); }});
  const auto client = make();
  EXPECT_EQ(client->send(at(server.port()), get(), soon()).error().code, Code::unavailable);
}

TEST_F(HttpClientTest, notices_a_server_that_dies_inside_its_answer) {
  for (const std::string_view part :
       {"HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"}) {
    const auto dies = [&](TestPeer& peer) {
      peer.until("\r\n\r\n");
      peer.send(part);
    };
    Scripted server({dies, dies});
    const auto client = make();
    EXPECT_EQ(client->send(at(server.port()), get(), soon()).error().code, Code::unavailable) << part;
    EXPECT_EQ(client->send(at(server.port()), post(""), soon()).error().code, Code::maybe_applied) << part;
    EXPECT_EQ(client->idle_connections(), 0u);
  }
}

TEST_F(HttpClientTest, reads_bodies_of_every_framing) {
  for (const std::string_view answer :
       {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200 OK\r\n\r\nhello",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
        "chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\nT: x\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nhello"}) {
    Scripted server({[&](TestPeer& peer) {
      peer.until("\r\n\r\n");
      peer.send(answer);
    }});
    const auto response = make()->send(at(server.port()), get(), soon());
    ASSERT_TRUE(response) << answer;
    EXPECT_EQ(response->body, "hello") << answer;
  }
}

TEST_F(HttpClientTest, holds_its_deadline_against_a_server_that_never_answers) {
  TestListener silent;  // accepts in the kernel, and nobody reads
  const auto client = make();
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(client->send(at(silent.port()), get(), Deadline::in(30ms)).error().code, Code::deadline);
  EXPECT_EQ(client->send(at(silent.port()), post("x"), Deadline::in(30ms)).error().code, Code::maybe_applied);
  EXPECT_EQ(client->send(at(silent.port()), post(std::string(32 << 20, 'x')), Deadline::in(30ms)).error().code,
            Code::maybe_applied);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
  EXPECT_EQ(client->idle_connections(), 0u);
}

TEST_F(HttpClientTest, says_unavailable_where_nobody_listens) {
  std::uint16_t port = 0;
  { port = TestListener().port(); }
  const auto response = make()->send(at(port), post("x"), soon());
  EXPECT_EQ(response.error().code, Code::unavailable);
  EXPECT_THAT(response.error().message, HasSubstr(std::to_string(port)));
}

TEST_F(HttpClientTest, takes_no_answer_that_is_malformed_or_too_large) {
  const std::string many = [] {
    std::string text = "HTTP/1.1 200 OK\r\n";
    for (int i = 0; i < 300; ++i) text += "A: b\r\n";
    return text + "\r\n";
  }();
  for (const std::string& answer :
       {std::string("SSH-2.0-x\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), many,
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n01234567890"),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n")}) {
    Scripted server({[&](TestPeer& peer) {
      peer.until("\r\n\r\n");
      peer.send(answer);
    }});
    const auto response = make({.response_body_bytes_max = 10})->send(at(server.port()), get(), soon());
    ASSERT_FALSE(response) << answer;
    EXPECT_EQ(response.error().code, Code::corrupt) << answer;
  }
}

TEST_F(HttpClientTest, hears_a_server_that_refuses_a_large_body_early) {
  const auto server = serve(echo);
  const auto response = make()->send(at(server->port()), post(std::string(10 << 20, 'x')), soon());
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 413);
}

TEST_F(HttpClientTest, never_hands_bytes_behind_an_answer_to_the_next_call) {
  Scripted server({[](TestPeer& peer) {
                     peer.until("\r\n\r\n");
                     peer.send(std::string(ok) + "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong");
                     peer.until("\r\n\r\n");
                   },
                   [](TestPeer& peer) {
                     peer.until("\r\n\r\n");
                     peer.send(ok);
                   }});
  const auto client = make();
  EXPECT_EQ(client->send(at(server.port()), get(), soon())->body, "ok");
  EXPECT_EQ(client->send(at(server.port()), get(), soon())->body, "ok");
}

TEST_F(HttpClientTest, keeps_nothing_when_told_so) {
  const auto server = serve(echo);
  const auto client = make({.idle_timeout = 0ms});
  ASSERT_TRUE(client->send(at(server->port()), get(), soon()));
  EXPECT_EQ(client->idle_connections(), 0u);
}

TEST_F(HttpClientTest, closes_idle_connections_on_request) {
  const auto server = serve(echo);
  const auto client = make();
  ASSERT_TRUE(client->send(at(server->port()), get(), soon()));
  client->close_idle();
  EXPECT_EQ(client->idle_connections(), 0u);
}

TEST_F(HttpClientTest, sends_no_target_that_could_be_another_request) {
  for (const std::string target : {"/ HTTP/1.1\r\nX: y", "/a b", "a", "", "/\x01", "/#f"}) {
    EXPECT_EQ(make()->send(at(1), get(target), soon()).error().code, Code::invalid) << target;
  }
}

TEST_F(HttpClientTest, streams_a_request_and_an_answer_in_pieces) {
  const auto server = serve(echo, {.body_bytes_max = 8 << 20});
  int left = 64;
  std::size_t received = 0;
  std::size_t largest = 0;
  BodyStreams streams;
  streams.source = [&]() -> Result<std::string> { return left-- > 0 ? std::string(100'000, 'x') : std::string(); };
  streams.sink = [&](std::string_view piece) -> Result<void> {
    received += piece.size();
    largest = std::max(largest, piece.size());
    return {};
  };
  const auto response = make({.response_body_bytes_max = 10})->send(at(server->port()), post(""), streams, soon());
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(received, 6'400'000u + std::string_view("POST / ").size());
  EXPECT_LE(largest, 64u * 1024);
  EXPECT_TRUE(response->body.empty());
}

TEST_F(HttpClientTest, an_error_of_source_or_sink_ends_the_call) {
  const auto server = serve(echo);
  const auto client = make();
  const Error mine = fail(Code::conflict, "Mine", "");
  BodyStreams bad_source;
  bad_source.source = [&]() -> Result<std::string> { return mine; };
  EXPECT_EQ(client->send(at(server->port()), post(""), bad_source, soon()).error().reason, "Mine");
  BodyStreams bad_sink;
  bad_sink.sink = [&](std::string_view) -> Result<void> { return mine; };
  EXPECT_EQ(client->send(at(server->port()), get(), bad_sink, soon()).error().reason, "Mine");
  EXPECT_EQ(client->idle_connections(), 0u) << "a connection with half an exchange was kept";
}

TEST_F(HttpClientTest, serves_many_callers_over_few_connections) {
  const auto server = serve(echo);
  const auto client = make({.connections_per_origin_max = 3});
  std::vector<std::thread> callers;
  for (int i = 0; i < 12; ++i) {
    callers.emplace_back([&, i] {
      for (int n = 0; n < 50; ++n) {
        const std::string target = "/" + std::to_string(i * 1000 + n);
        const auto response = client->send(at(server->port()), get(target), soon());
        ASSERT_TRUE(response) << response.error().message;
        ASSERT_EQ(response->body, "GET " + target + " ");
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_LE(counts().connected, 3);
}

}  // namespace
}  // namespace chaveiro::net
