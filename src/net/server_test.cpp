#include "net/server.h"

#include <gmock/gmock.h>

#include <deque>
#include <latch>
#include <set>
#include <stdexcept>
#include <thread>

#include "base/guarded.h"
#include "net/test_peer.h"

namespace chaveiro::net {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr std::string_view get = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

// Answers at once with what it was asked.
void echo(Request request, Responder responder) {
  std::string body = std::string(to_string(request.method)) + " " + request.target + " " + request.body;
  responder.send(text_response(200, std::move(body)));
}

std::unique_ptr<HttpServer> serve(ServerOptions options, Handler handler = echo) {
  auto server = HttpServer::start(std::move(options), std::move(handler));
  EXPECT_TRUE(server) << server.error().message;
  return std::move(*server);
}

// A handler that keeps what it was given until the test answers.
class Held {
 public:
  Handler handler() {
    return [this](Request request, Responder responder) {
      held_.with([&](Queue& held) { held.emplace_back(std::move(request), std::move(responder)); });
      held_.notify_all();
    };
  }
  std::pair<Request, Responder> take() {
    auto held = held_.lock();
    CHECK(held.wait(soon(), [](const auto& it) { return !it.empty(); }));
    auto first = std::move(held->front());
    held->pop_front();
    return first;
  }
  std::size_t size() const {
    return held_.with([](const Queue& held) { return held.size(); });
  }

 private:
  using Queue = std::deque<std::pair<Request, Responder>>;
  Guarded<Queue> held_;
};

TestPeer half_request(std::uint16_t port) {
  TestPeer peer = TestPeer::connect(port);
  peer.send("GET / HTTP/1.1\r\nHo");
  return peer;
}

TEST(HttpServer, keeps_a_connection_for_further_requests) {
  const auto server = serve({});
  TestPeer peer = TestPeer::connect(server->port());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(peer.send(get));
    const Response response = peer.response();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "GET /hello ");
    EXPECT_TRUE(peer.keep_alive());
    EXPECT_TRUE(response.headers.find("Date").has_value());
  }
}

TEST(HttpServer, closes_when_it_is_asked_to) {
  const auto server = serve({});
  TestPeer peer = TestPeer::connect(server->port());
  ASSERT_TRUE(peer.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
  EXPECT_EQ(peer.response().status, 200);
  EXPECT_FALSE(peer.keep_alive());
  EXPECT_TRUE(peer.closed());
}

TEST(HttpServer, speaks_http_1_0) {
  const auto server = serve({});
  TestPeer peer = TestPeer::connect(server->port());
  ASSERT_TRUE(peer.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  EXPECT_EQ(peer.response().headers.get("Connection"), "keep-alive");
  ASSERT_TRUE(peer.send("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_EQ(peer.response().status, 200);
  EXPECT_TRUE(peer.closed());
}

TEST(HttpServer, answers_pipelined_requests_in_their_order_also_beyond_its_bound) {
  const auto server = serve({.pipeline_max = 3});
  TestPeer peer = TestPeer::connect(server->port());
  std::string requests;
  for (int i = 0; i < 100; ++i) requests += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  ASSERT_TRUE(peer.send(requests));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(peer.response().body, "GET /" + std::to_string(i) + " ");
}

TEST(HttpServer, answers_pipelined_requests_in_order_when_the_answers_come_from_other_threads) {
  Held held;
  const auto server = serve({}, held.handler());
  TestPeer peer = TestPeer::connect(server->port());
  ASSERT_TRUE(peer.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"));
  for (const char* const target : {"/1", "/2"}) {
    auto [request, responder] = held.take();
    EXPECT_EQ(request.target, target);
    EXPECT_EQ(held.size(), 0u) << "one request of a connection at a time";
    responder.send(text_response(200, request.target));
    EXPECT_EQ(peer.response().body, target);
  }
}

TEST(HttpServer, a_request_that_nobody_answers_is_a_500) {
  const auto server = serve({}, [](Request request, Responder) {
    if (request.target == "/throw") throw std::runtime_error("no");
  });
  TestPeer peer = TestPeer::connect(server->port());
  for (const std::string target : {"/", "/throw"}) {
    ASSERT_TRUE(peer.send("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n"));
    const Response response = peer.response();
    EXPECT_EQ(response.status, 500);
    EXPECT_EQ(response.headers.get("Content-Type"), "application/problem+json");
  }
}

TEST(HttpServer, tells_head_the_length_and_sends_no_body) {
  const auto server = serve({});
  TestPeer peer = TestPeer::connect(server->port());
  ASSERT_TRUE(peer.send("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
  const Response head = peer.response(Method::head);
  EXPECT_EQ(head.headers.get("Content-Length"), std::to_string(std::string_view("HEAD /hello ").size()));
  ASSERT_TRUE(peer.send(get));
  EXPECT_EQ(peer.response().body, "GET /hello ") << "the body of HEAD was sent";
}

TEST(HttpServer, sends_no_body_with_204) {
  const auto server = serve({}, [](Request, Responder responder) { responder.send({204, {}, "x"}); });
  TestPeer peer = TestPeer::connect(server->port());
  ASSERT_TRUE(peer.send(get));
  EXPECT_THAT(peer.until("\r\n\r\n"), testing::Not(HasSubstr("Content-Length")));
  ASSERT_TRUE(peer.send(get));
  EXPECT_THAT(peer.until("\r\n"), "HTTP/1.1 204 No Content\r\n");
}

TEST(HttpServer, the_framing_of_an_answer_is_never_the_handlers) {
  const auto server = serve({}, [](Request, Responder responder) {
    responder.send(
        {200, {{"Content-Length", "999"}, {"Transfer-Encoding", "chunked"}, {"Connection", "x"}, {"A", "b"}}, "hi"});
  });
  TestPeer peer = TestPeer::connect(server->port());
  ASSERT_TRUE(peer.send(get));
  const Response response = peer.response();
  EXPECT_EQ(response.body, "hi");
  EXPECT_EQ(response.headers.get("A"), "b");
  EXPECT_EQ(response.headers.count("Content-Length"), 1u);
}

TEST(HttpServer, reads_whole_bodies_sized_and_chunked) {
  const auto server = serve({});
  TestPeer peer = TestPeer::connect(server->port());
  ASSERT_TRUE(
      peer.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyz"
                "PUT /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"));
  EXPECT_EQ(peer.response().body, "POST /a xyz");
  EXPECT_EQ(peer.response().body, "PUT /b abc");
}

TEST(HttpServer, asks_for_the_body_that_waits_for_100_continue) {
  const auto server = serve({});
  TestPeer peer = TestPeer::connect(server->port());
  ASSERT_TRUE(peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"));
  EXPECT_EQ(peer.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  ASSERT_TRUE(peer.send("hi"));
  EXPECT_EQ(peer.response().body, "POST / hi");
}

TEST(HttpServer, does_not_ask_for_a_body_that_it_refuses) {
  const auto server = serve({});
  TestPeer peer = TestPeer::connect(server->port());
  ASSERT_TRUE(peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\nExpect: 100-continue\r\n\r\n"));
  EXPECT_EQ(peer.until("\r\n"), "HTTP/1.1 413 Content Too Large\r\n");
}

TEST(HttpServer, refuses_bodies_that_are_too_large_and_the_sender_hears_it) {
  const auto server = serve({});
  const std::string ten_mebibytes(10 * 1024 * 1024, 'x');
  TestPeer sized = TestPeer::connect(server->port());
  ASSERT_TRUE(sized.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10485760\r\n\r\n"));
  EXPECT_TRUE(sized.send(ten_mebibytes));
  const Response response = sized.response();
  EXPECT_EQ(response.status, 413);
  EXPECT_THAT(response.body, HasSubstr("PayloadTooLarge"));
  TestPeer chunked = TestPeer::connect(server->port());
  ASSERT_TRUE(chunked.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nA00000\r\n"));
  EXPECT_TRUE(chunked.send(ten_mebibytes));
  EXPECT_EQ(chunked.response().status, 413);
}

TEST(HttpServer, lets_a_plan_say_how_much_a_route_takes_or_that_it_takes_nothing) {
  ServerOptions options;
  options.body_bytes_max = 1;
  options.body_plan = [](const Request& head) {
    BodyPlan plan;
    if (head.target == "/large") plan.bytes_max = 5;
    if (head.target == "/secret") plan.refuse = problem_response(401, "Unauthenticated", "who are you?");
    return plan;
  };
  const auto server = serve(std::move(options));
  const auto status = [&](const std::string& target) {
    TestPeer peer = TestPeer::connect(server->port());
    peer.send("POST " + target + " HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345");
    return peer.response().status;
  };
  EXPECT_EQ(status("/"), 413);
  EXPECT_EQ(status("/large"), 200);
  EXPECT_EQ(status("/secret"), 401);
}

TEST(HttpServer, refuses_ten_thousand_header_fields) {
  const auto server = serve({});
  for (const std::string_view field :
       {"A: b\r\n", "Field-With-A-Long-Name: and a long value that fills the bytes first\r\n"}) {
    std::string request = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (int i = 0; i < 10'000; ++i) request += field;
    TestPeer peer = TestPeer::connect(server->port());
    peer.send(request + "\r\n");
    EXPECT_EQ(peer.response().status, 431);
  }
  TestPeer peer = TestPeer::connect(server->port());
  peer.send("GET /" + std::string(100'000, 'a') + " HTTP/1.1\r\n\r\n");
  EXPECT_EQ(peer.response().status, 414);
}

TEST(HttpServer, answers_malformed_requests_and_closes) {
  const auto server = serve({});
  struct Case {
    std::string_view bytes;
    int status;
  };
  for (const Case& c :
       {Case{"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501}, Case{"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        Case{"GET / HTTP/1.1\r\n\r\n", 400}, Case{"\x16\x03\x01\x02", 400},
        Case{"POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", 417},
        Case{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400}}) {
    TestPeer peer = TestPeer::connect(server->port());
    ASSERT_TRUE(peer.send(c.bytes));
    const Response response = peer.response();
    EXPECT_EQ(response.status, c.status) << c.bytes;
    EXPECT_EQ(response.headers.get("Content-Type"), "application/problem+json");
    EXPECT_FALSE(peer.keep_alive());
    EXPECT_TRUE(peer.closed());
  }
}

TEST(HttpServer, never_serves_a_smuggled_request) {
  const auto server = serve({});
  for (const std::string_view smuggle :
       {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x "
        "HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\nGET /x HTTP/1.1\r\nHost: "
        "a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n Transfer-Encoding: chunked\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: "
        "a\r\n\r\n"}) {
    TestPeer peer = TestPeer::connect(server->port());
    ASSERT_TRUE(peer.send(smuggle));
    const Response response = peer.response();
    EXPECT_GE(response.status, 400) << smuggle;
    EXPECT_TRUE(peer.closed()) << "a second answer came for " << smuggle;
  }
}

TEST(HttpServer, lets_the_owner_write_the_refusals) {
  ServerOptions options;
  options.problem = [](const Fault& fault) {
    return text_response(fault.status, "ours: " + std::string(fault.reason));
  };
  const auto server = serve(std::move(options));
  TestPeer peer = TestPeer::connect(server->port());
  ASSERT_TRUE(peer.send("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_EQ(peer.response().body, "ours: NotImplemented");
}

TEST(HttpServer, ends_half_requests_without_holding_a_thread) {
  const auto server = serve({.header_timeout = 40ms, .body_timeout = 40ms});
  std::deque<TestPeer> heads;
  for (int i = 0; i < 50; ++i) heads.push_back(half_request(server->port()));
  TestPeer body = TestPeer::connect(server->port());
  ASSERT_TRUE(body.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"));
  TestPeer silent = TestPeer::connect(server->port());
  TestPeer whole = TestPeer::connect(server->port());
  ASSERT_TRUE(whole.send(get));
  EXPECT_EQ(whole.response().status, 200) << "others were kept waiting";
  for (TestPeer& head : heads) {
    EXPECT_EQ(head.response().status, 408);
    EXPECT_TRUE(head.closed());
  }
  EXPECT_EQ(body.response().status, 408);
  EXPECT_TRUE(body.closed());
  EXPECT_TRUE(silent.closed());
}

TEST(HttpServer, closes_idle_connections) {
  Guarded<std::string> why;
  ServerOptions options{.idle_timeout = 30ms};
  options.observer.dropped = [&](std::string_view reason) { why.with([&](std::string& it) { it = reason; }); };
  const auto server = serve(std::move(options));
  TestPeer peer = TestPeer::connect(server->port());
  ASSERT_TRUE(peer.send(get));
  EXPECT_EQ(peer.response().status, 200);
  EXPECT_TRUE(peer.closed());
  EXPECT_EQ(why.with([](const std::string& it) { return it; }), "idle");
}

TEST(HttpServer, drops_a_sender_below_the_least_rate_and_not_one_above_it) {
  const auto server = serve({.body_timeout = 60ms, .body_rate_min = 1'000'000});
  TestPeer slow = TestPeer::connect(server->port());
  ASSERT_TRUE(slow.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"));
  const auto began = std::chrono::steady_clock::now();
  std::size_t sent = 0;
  while (sent < 1000 && slow.send("x") && !slow.readable_within(2ms)) ++sent;
  EXPECT_LT(sent, 1000u);
  EXPECT_EQ(slow.response().status, 408);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
}

TEST(HttpServer, drops_a_reader_that_takes_nothing) {
  Guarded<std::string> why;
  ServerOptions options{.write_timeout = 40ms};
  options.observer.dropped = [&](std::string_view reason) {
    why.with([&](std::string& it) { it = reason; });
    why.notify_all();
  };
  const auto server = serve(std::move(options), [](Request, Responder responder) {
    responder.send(text_response(200, std::string(16 * 1024 * 1024, 'x')));
  });
  TestPeer peer = TestPeer::connect(server->port(), 4096);
  ASSERT_TRUE(peer.send(get));
  EXPECT_TRUE(why.lock().wait(soon(), [](const std::string& it) { return it == "write_timeout"; }));
}

TEST(HttpServer, refuses_connections_beyond_its_bound_and_takes_them_again_later) {
  const auto server = serve({.connections_max = 2});
  std::deque<TestPeer> peers;
  for (int i = 0; i < 2; ++i) {
    peers.push_back(TestPeer::connect(server->port()));
    peers.back().send(get);
    EXPECT_EQ(peers.back().response().status, 200);
  }
  TestPeer third = TestPeer::connect(server->port());
  third.send(get);
  const Response refused = third.response();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.get("Retry-After"), "1");
  EXPECT_TRUE(third.closed());
  third.close();
  peers.pop_front();
  // The server learns of the closed connection in its own time: ask until it has.
  const Deadline deadline = soon();
  int status = 0;
  while (status != 200 && !deadline.expired()) {
    TestPeer again = TestPeer::connect(server->port());
    again.send(get);
    status = again.response().status;
  }
  EXPECT_EQ(status, 200);
}

TEST(HttpServer, stops_gracefully_finishing_what_is_under_way) {
  Held held;
  const auto server = serve({}, held.handler());
  TestPeer busy = TestPeer::connect(server->port());
  TestPeer idle = TestPeer::connect(server->port());
  ASSERT_TRUE(busy.send(get));
  auto [request, responder] = held.take();
  std::latch stopped{1};
  bool clean = false;
  std::thread stopping([&] {
    clean = server->stop(soon());
    stopped.count_down();
  });
  EXPECT_TRUE(idle.closed());
  EXPECT_FALSE(stopped.try_wait()) << "it did not wait for the answer";
  EXPECT_FALSE(TestPeer::connect(server->port()).connected()) << "it still takes connections";
  responder.send(text_response(200, "done"));
  EXPECT_EQ(busy.response().body, "done");
  EXPECT_FALSE(busy.keep_alive());
  stopping.join();
  EXPECT_TRUE(clean);
}

TEST(HttpServer, cuts_what_is_not_finished_by_the_deadline) {
  Held held;
  const auto server = serve({}, held.handler());
  TestPeer busy = TestPeer::connect(server->port());
  ASSERT_TRUE(busy.send(get));
  auto [request, responder] = held.take();
  EXPECT_FALSE(server->stop(Deadline::in(20ms)));
  EXPECT_TRUE(busy.closed());
  responder.send(text_response(200, "too late"));  // harmless
}

TEST(HttpServer, survives_peers_that_vanish_at_any_moment) {
  Held held;
  const auto server = serve({}, held.handler());
  {
    TestPeer peer = TestPeer::connect(server->port());
    ASSERT_TRUE(peer.send(get));
    auto [request, responder] = held.take();
    peer.reset();
    responder.send(text_response(200, "nobody hears it"));
  }
  TestPeer half = TestPeer::connect(server->port());
  half.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
  half.reset();
  TestPeer next = TestPeer::connect(server->port());
  ASSERT_TRUE(next.send(get));
  auto [request, responder] = held.take();
  responder.send(text_response(200, "ok"));
  EXPECT_EQ(next.response().body, "ok");
}

TEST(HttpServer, spreads_connections_over_its_threads) {
  using Ids = std::set<std::thread::id>;
  Guarded<Ids> threads;
  const auto server = serve({.io_threads = 2}, [&](Request, Responder responder) {
    threads.with([](Ids& ids) { ids.insert(std::this_thread::get_id()); });
    responder.send(text_response(200, "ok"));
  });
  for (int i = 0; i < 4; ++i) {
    TestPeer peer = TestPeer::connect(server->port());
    ASSERT_TRUE(peer.send(get));
    EXPECT_EQ(peer.response().status, 200);
  }
  EXPECT_EQ(threads.with([](const Ids& ids) { return ids.size(); }), 2u);
}

TEST(HttpServer, tells_its_observer_of_every_exchange) {
  using Lines = std::vector<std::string>;
  Guarded<Lines> seen;
  ServerOptions options;
  options.observer.exchange = [&](const ExchangeSummary& s) {
    seen.with([&](Lines& all) {
      all.push_back(std::string(s.target) + " " + std::to_string(s.status) + " " + std::to_string(s.bytes_in));
    });
  };
  const auto server = serve(std::move(options));
  TestPeer peer = TestPeer::connect(server->port());
  ASSERT_TRUE(peer.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyzGET /b HTTP/9\r\n\r\n"));
  EXPECT_EQ(peer.response().status, 200);
  EXPECT_EQ(peer.response().status, 400);
  EXPECT_THAT(seen.with([](const Lines& all) { return all; }), testing::ElementsAre("/a 200 3", " 400 0"));
}

TEST(HttpServer, says_why_it_cannot_start) {
  const auto first = serve({});
  const auto second = HttpServer::start({.port = first->port()}, echo);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::unavailable);
  EXPECT_THAT(second.error().message, HasSubstr(std::to_string(first->port())));
  EXPECT_EQ(HttpServer::start({.address = "localhost"}, echo).error().code, Code::invalid);
  EXPECT_EQ(HttpServer::start({.io_threads = 0}, echo).error().code, Code::invalid);
}

}  // namespace
}  // namespace chaveiro::net
