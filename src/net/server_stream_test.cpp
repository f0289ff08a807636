#include <gmock/gmock.h>

#include <numeric>
#include <thread>

#include "base/guarded.h"
#include "net/client.h"
#include "net/server.h"
#include "net/test_peer.h"

namespace chaveiro::net {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t window = 16 * 1024;

ServerOptions streaming() {
  ServerOptions options;
  options.stream_window_bytes = window;
  options.body_bytes_max = 64 * 1024 * 1024;
  options.body_plan = [](const Request&) { return BodyPlan{.mode = BodyPlan::Mode::stream}; };
  return options;
}

// Runs each request on a thread of its own, so that it may wait.
class Waiting {
 public:
  explicit Waiting(std::function<void(Request, Responder)> work) : work_(std::move(work)) {}
  ~Waiting() {
    for (std::thread& thread : threads_) thread.join();
  }
  Handler handler() {
    return [this](Request request, Responder responder) {
      threads_.emplace_back([this, request = std::move(request), responder = std::move(responder)]() mutable {
        work_(std::move(request), std::move(responder));
      });
    };
  }

 private:
  std::function<void(Request, Responder)> work_;
  std::vector<std::thread> threads_;
};

std::unique_ptr<HttpServer> serve(ServerOptions options, Waiting& waiting) {
  auto server = HttpServer::start(std::move(options), waiting.handler());
  EXPECT_TRUE(server);
  return std::move(*server);
}

Result<std::string> read_all(BodyReader& reader) {
  std::string all;
  for (;;) {
    TRY(const std::string piece, reader.next(soon()));
    if (piece.empty()) return all;
    all += piece;
  }
}

TEST(HttpServerStreams, hand_a_body_over_while_it_comes) {
  Guarded<std::string> first;
  Waiting waiting([&](Request request, Responder responder) {
    const auto piece = request.stream->next(soon());
    first.with([&](std::string& text) { text = piece ? *piece : piece.error().message; });
    first.notify_all();
    const auto rest = read_all(*request.stream);
    responder.send(text_response(200, rest ? *rest : rest.error().message));
  });
  const auto server = serve(streaming(), waiting);
  TestPeer peer = TestPeer::connect(server->port());
  ASSERT_TRUE(peer.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"));
  EXPECT_TRUE(first.lock().wait(soon(), [](const std::string& text) { return text == "abc"; }));
  ASSERT_TRUE(peer.send("2\r\nde\r\n0\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy"));
  EXPECT_EQ(peer.response().body, "de");
  EXPECT_EQ(peer.response().status, 200) << "the connection was not kept";
}

TEST(HttpServerStreams, hold_the_sender_back_while_the_handler_does_not_read) {
  Guarded<bool> go{false};
  Waiting waiting([&](Request request, Responder responder) {
    go.lock().wait(soon(), [](bool it) { return it; });
    const auto all = read_all(*request.stream);
    responder.send(text_response(200, std::to_string(all ? all->size() : 0)));
  });
  const auto server = serve(streaming(), waiting);
  TestPeer peer = TestPeer::connect(server->port());
  constexpr std::size_t size = 32 * 1024 * 1024;
  ASSERT_TRUE(peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n"));
  const std::string block(64 * 1024, 'x');
  std::size_t sent = 0;
  // Full when nothing more fits for a while: the window, one read of the server, and the kernel's buffers.
  for (std::size_t n = 1; n > 0 || peer.writable_within(100ms);) sent += n = peer.send_what_fits(block);
  EXPECT_LT(sent, size) << "the server took everything although nobody read it";
  go.with([](bool& it) { it = true; });
  go.notify_all();
  for (; sent < size; sent += std::min(block.size(), size - sent)) {
    ASSERT_TRUE(peer.send(std::string_view(block).substr(0, std::min(block.size(), size - sent))));
  }
  EXPECT_EQ(peer.response().body, std::to_string(size));
}

TEST(HttpServerStreams, hold_the_sender_back_also_while_the_handler_answers) {
  constexpr int pieces = 400;
  Guarded<int> wanted{0};
  Waiting waiting([&](Request request, Responder responder) {
    ResponseWriter writer = responder.stream({200, {}, ""});
    for (int i = 0; i < pieces; ++i) {
      wanted.lock().wait(soon(), [&](int count) { return count > i; });
      EXPECT_TRUE(writer.write("y", soon()));
    }
    wanted.lock().wait(soon(), [&](int count) { return count > pieces; });
    const auto held = request.stream->next(soon());
    ASSERT_TRUE(held);
    EXPECT_LE(held->size(), window + 64 * 1024) << "pieces of the answer let more of the body in than one read";
  });
  const auto server = serve(streaming(), waiting);
  TestPeer peer = TestPeer::connect(server->port());
  ASSERT_TRUE(peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n"));
  const std::string block(64 * 1024, 'x');
  for (int i = 0; i < pieces; ++i) {
    for (std::size_t n = 1; n > 0;) n = peer.send_what_fits(block);
    wanted.with([](int& count) { ++count; });
    wanted.notify_all();
    EXPECT_THAT(peer.until("y\r\n"), testing::EndsWith("y\r\n"));
  }
  wanted.with([](int& count) { ++count; });
  wanted.notify_all();
}

TEST(HttpServerStreams, hold_the_handler_back_while_the_peer_does_not_read) {
  Guarded<std::size_t> written{std::size_t{0}};
  constexpr std::size_t pieces = 4096;
  const std::string piece(8 * 1024, 'y');
  Guarded<bool> stuck{false};
  Waiting waiting([&](Request, Responder responder) {
    ResponseWriter writer = responder.stream({200, {{"Content-Type", "text/plain"}}, ""});
    for (std::size_t i = 0; i < pieces; ++i) {
      Result<void> done = writer.write(piece, Deadline::in(100ms));
      if (!done) {
        stuck.with([](bool& it) { it = true; });
        stuck.notify_all();
        done = writer.write(piece, soon());
      }
      EXPECT_TRUE(done);
      written.with([](std::size_t& count) { ++count; });
    }
    writer.finish();
  });
  const auto server = serve({.stream_window_bytes = window}, waiting);
  TestPeer peer = TestPeer::connect(server->port(), 16 * 1024);
  ASSERT_TRUE(peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(stuck.lock().wait(soon(), [](bool it) { return it; })) << "the window has no end";
  EXPECT_LT(written.with([](std::size_t& count) { return count; }), pieces);
  const Response response = peer.response();
  EXPECT_EQ(response.headers.get("Transfer-Encoding"), "chunked");
  EXPECT_EQ(response.body.size(), pieces * piece.size());
  const Response old = peer.response();
  EXPECT_EQ(old.headers.count("Transfer-Encoding"), 0u) << "HTTP/1.0 knows no chunks";
  EXPECT_EQ(old.body.size(), pieces * piece.size());
}

TEST(HttpServerStreams, go_both_ways_at_once) {
  Waiting waiting([](Request request, Responder responder) {
    ResponseWriter writer = responder.stream({200, {}, ""});
    for (;;) {
      const auto piece = request.stream->next(soon());
      ASSERT_TRUE(piece) << piece.error().message;
      if (piece->empty()) break;
      ASSERT_TRUE(writer.write(*piece, soon()));
    }
    writer.finish();
  });
  const auto server = serve(streaming(), waiting);
  TestPeer peer = TestPeer::connect(server->port());
  ASSERT_TRUE(peer.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
  peer.until("\r\n\r\n");
  for (const std::string word : {"one", "two"}) {
    ASSERT_TRUE(peer.send("3\r\n" + word + "\r\n"));
    EXPECT_EQ(peer.until(word + "\r\n"), "3\r\n" + word + "\r\n");
  }
  ASSERT_TRUE(peer.send("0\r\n\r\n"));
  EXPECT_EQ(peer.until("0\r\n\r\n"), "0\r\n\r\n");
}

TEST(HttpServerStreams, tell_the_handler_when_the_sender_vanishes_or_sends_too_much) {
  Guarded<std::vector<Code>> ends;
  Waiting waiting([&](Request request, Responder responder) {
    const auto all = read_all(*request.stream);
    ends.with([&](std::vector<Code>& codes) { codes.push_back(all ? Code::internal : all.error().code); });
    ends.notify_all();
    responder.send(text_response(200, "not to be heard"));
  });
  ServerOptions options = streaming();
  options.body_bytes_max = 100;
  const auto server = serve(std::move(options), waiting);
  TestPeer gone = TestPeer::connect(server->port());
  ASSERT_TRUE(gone.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"));
  gone.close();
  EXPECT_TRUE(ends.lock().wait(soon(), [](const std::vector<Code>& codes) { return codes.size() == 1; }));
  TestPeer large = TestPeer::connect(server->port());
  ASSERT_TRUE(
      large.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + std::string(101, 'x')));
  EXPECT_EQ(large.response().status, 413);
  EXPECT_TRUE(ends.lock().wait(soon(), [](const std::vector<Code>& codes) { return codes.size() == 2; }));
  EXPECT_THAT(ends.with([](std::vector<Code>& codes) { return codes; }),
              testing::ElementsAre(Code::cancelled, Code::invalid));
}

TEST(HttpServerStreams, an_answer_given_up_half_way_does_not_look_whole) {
  Waiting waiting([](Request, Responder responder) {
    ResponseWriter writer = responder.stream({200, {}, ""});
    ASSERT_TRUE(writer.write("half", soon()));
  });
  const auto server = serve({}, waiting);
  TestPeer peer = TestPeer::connect(server->port());
  ASSERT_TRUE(peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_EQ(peer.rest().find("0\r\n\r\n"), std::string::npos);
}

TEST(HttpServerStreams, tell_the_writer_when_the_reader_vanishes) {
  Guarded<std::optional<Code>> end;
  Waiting waiting([&](Request, Responder responder) {
    ResponseWriter writer = responder.stream({200, {}, ""});
    Result<void> written;
    while (written) written = writer.write(std::string(4096, 'x'), soon());
    end.with([&](std::optional<Code>& code) { code = written.error().code; });
    end.notify_all();
  });
  const auto server = serve({}, waiting);
  TestPeer peer = TestPeer::connect(server->port());
  ASSERT_TRUE(peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  peer.until("xxxx");
  peer.reset();
  EXPECT_TRUE(end.lock().wait(soon(), [](const std::optional<Code>& code) { return code == Code::cancelled; }));
}

TEST(HttpServerStreams, break_off_when_the_server_is_cut) {
  Guarded<std::optional<Code>> end;
  Waiting waiting([&](Request request, Responder) {
    const auto all = read_all(*request.stream);
    end.with([&](std::optional<Code>& code) { code = all ? Code::internal : all.error().code; });
    end.notify_all();
  });
  const auto server = serve(streaming(), waiting);
  TestPeer peer = TestPeer::connect(server->port());
  ASSERT_TRUE(peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"));
  peer.until("\r\n\r\n");
  EXPECT_FALSE(server->stop(Deadline::in(10ms)));
  EXPECT_TRUE(end.lock().wait(soon(), [](const std::optional<Code>& code) { return code == Code::cancelled; }));
}

}  // namespace
}  // namespace chaveiro::net
