#include "net/parser.h"

#include <gmock/gmock.h>

namespace chaveiro::net {
namespace {

using Progress = ParseStep::Progress;

// What a server would answer to these bytes: 0 for a request that it accepts, -1 for one that is not whole.
int status_of(std::string_view bytes, ParserLimits limits = {}, std::uint64_t body_max = 1024) {
  RequestParser parser(limits);
  ParseStep step = parser.head(bytes);
  while (step.progress == Progress::need_more && step.consumed > 0) {
    bytes.remove_prefix(step.consumed);
    step = parser.head(bytes);
  }
  if (step.progress == Progress::need_more) return -1;
  if (step.progress == Progress::refused) return parser.refusal().status;
  bytes.remove_prefix(step.consumed);
  if (!parser.has_body()) return 0;
  parser.limit_body(body_max);
  std::string body;
  step = parser.body(bytes, body);
  if (step.progress == Progress::refused) return parser.refusal().status;
  return step.progress == Progress::done ? 0 : -1;
}

std::string with(std::string_view fields) { return "POST /a HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n"; }

TEST(RequestParser, reads_the_same_request_in_any_pieces) {
  const std::string text =
      "POST /a?b=c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4;e=1\r\nwxyz\r\n1\r\n!\r\n0\r\nT: "
      "1\r\n\r\n";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    RequestParser parser({});
    std::string in;
    std::string body;
    std::size_t given = 0;
    bool head_done = false;
    bool done = false;
    while (!done) {
      const ParseStep step = head_done ? parser.body(in, body) : parser.head(in);
      in.erase(0, step.consumed);
      ASSERT_NE(step.progress, Progress::refused) << piece << ": " << parser.refusal().detail;
      if (step.progress == Progress::done) {
        done = head_done;
        head_done = true;
      } else {
        ASSERT_LT(given, text.size()) << piece;
        in += text.substr(given, piece);
        given += piece;
      }
    }
    EXPECT_EQ(parser.request().path(), "/a");
    EXPECT_EQ(parser.request().query(), "b=c");
    EXPECT_EQ(body, "wxyz!");
    EXPECT_EQ(parser.request().headers.count("T"), 0u) << "a trailer became a header";
  }
}

TEST(RequestParser, leaves_the_next_request_alone) {
  RequestParser parser({});
  const std::string first = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
  const std::string both = first + "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
  std::string_view in = both;
  in.remove_prefix(parser.head(in).consumed);
  std::string body;
  in.remove_prefix(parser.body(in, body).consumed);
  EXPECT_EQ(body, "hi");
  parser.next();
  EXPECT_EQ(parser.head(in).progress, Progress::done);
  EXPECT_EQ(parser.request().target, "/next");
  EXPECT_TRUE(parser.request().headers.find("Host").has_value());
}

TEST(RequestParser, refuses_every_doubt_about_where_a_message_ends) {
  EXPECT_EQ(status_of(with("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")), 400);
  EXPECT_EQ(status_of(with("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n")), 400);
  EXPECT_EQ(status_of(with("Content-Length: 1\r\nContent-Length: 1\r\n")), 400);
  EXPECT_EQ(status_of(with("Content-Length: 1\r\nContent-Length: 2\r\n")), 400);
  EXPECT_EQ(status_of(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")), 400);
  for (const std::string_view length :
       {"", "-1", "+1", "1, 1", "0x1", "1 2", "1a", "18446744073709551616", "1.0", "\t"}) {
    EXPECT_EQ(status_of(with("Content-Length: " + std::string(length) + "\r\n")), 400) << length;
  }
  EXPECT_EQ(status_of(with("Content-Length : 1\r\n")), 400);
  EXPECT_EQ(status_of(with("Transfer-Encoding: chunked\r\n x\r\n")), 400) << "folded";
  EXPECT_EQ(status_of(with("X: a\r\n\tb\r\n")), 400) << "folded";
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: a\r\n Content-Length: 3\r\n\r\nabc"), 400) << "folded";
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\n Host: a\r\n\r\n"), 400) << "folded";
}

TEST(RequestParser, knows_no_transfer_coding_but_chunked) {
  for (const std::string_view coding : {"gzip", "gzip, chunked", "chunked, gzip", "identity", "xchunked",
                                        "chunked, chunked", "chunked;x=1", "\"chunked\""}) {
    const int status = status_of(with("Transfer-Encoding: " + std::string(coding) + "\r\n") + "0\r\n\r\n");
    EXPECT_TRUE(status == 501 || status == 400) << coding << " gave " << status;
  }
  EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(status_of(with("Transfer-Encoding: Chunked\r\n") + "0\r\n\r\n"), 0);
}

TEST(RequestParser, refuses_malformed_chunks) {
  const std::string head = with("Transfer-Encoding: chunked\r\n");
  for (const std::string_view body :
       {"x\r\n", "-1\r\n\r\n", "1\r\nab\r\n0\r\n\r\n", "1\nA\n0\n\n", "ffffffffffffffff1\r\n", " 1\r\na\r\n", "1 a\r\n",
        "0x1\r\na\r\n0\r\n\r\n", "\r\n", "1\r\naX\r\n"}) {
    EXPECT_EQ(status_of(head + std::string(body) + "0\r\n\r\n"), 400) << body;
  }
  EXPECT_EQ(status_of(head + "1;" + std::string(8000, 'e')), 400) << "an extension without end";
  EXPECT_EQ(status_of(head + "0\r\nT: " + std::string(8000, 'e')), 400) << "a trailer without end";
  EXPECT_EQ(status_of(head + "401\r\n" + std::string(1025, 'a') + "\r\n0\r\n\r\n"), 413);
  EXPECT_EQ(status_of(head + "ffffffffffffffff\r\n" + std::string(1025, 'a')), 413);
}

TEST(RequestParser, refuses_bad_start_lines) {
  EXPECT_EQ(status_of("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
  EXPECT_EQ(status_of("get / HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
  EXPECT_EQ(status_of("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
  EXPECT_EQ(status_of("G(T / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  for (const std::string_view version : {"HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/3.0"}) {
    EXPECT_EQ(status_of("GET / " + std::string(version) + "\r\nHost: a\r\n\r\n"), 505) << version;
  }
  for (const std::string_view line : {"GET /",
                                      "GET",
                                      "GET / http/1.1",
                                      "GET / HTTP/1",
                                      "GET / HTTP/11",
                                      "GET  / HTTP/1.1",
                                      "GET /  HTTP/1.1",
                                      " GET / HTTP/1.1",
                                      "GET / HTTP/1.1 ",
                                      "GET / HTTP/1.1\rX",
                                      "GET /a b HTTP/1.1",
                                      "\x16\x03\x01 / HTTP/1.1",
                                      "GET /\x7f HTTP/1.1",
                                      "GET /\xff HTTP/1.1",
                                      "GET /a#b HTTP/1.1",
                                      "GET a HTTP/1.1",
                                      "GET * HTTP/1.1",
                                      "GET ftp://a/ HTTP/1.1",
                                      "GET http://u@a/ HTTP/1.1",
                                      "GET /\"<> HTTP/1.1"}) {
    EXPECT_EQ(status_of(std::string(line) + "\r\nHost: a\r\n\r\n"), 400) << line;
  }
  EXPECT_EQ(status_of("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
}

TEST(RequestParser, refuses_control_characters_anywhere_in_a_head) {
  const std::string head = "GET /path HTTP/1.1\r\nHost: a\r\nX-Field: value\r\n\r\n";
  for (const char control : {'\0', '\1', '\b', '\n', '\v', '\r', '\x1b', '\x7f'}) {
    for (std::size_t at = 1; at + 4 < head.size(); ++at) {
      std::string bad = head;
      if (bad[at] == '\r' || bad[at] == '\n') continue;
      bad[at] = control;
      const int status = status_of(bad);
      EXPECT_TRUE(status >= 400) << "character " << int(control) << " at " << at << " gave " << status;
    }
  }
}

TEST(RequestParser, bare_line_feeds_end_no_line) {
  EXPECT_NE(status_of("GET / HTTP/1.1\nHost: a\n\n"), 0);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"), 400);
}

TEST(RequestParser, bounds_lines_fields_and_their_number) {
  const ParserLimits limits{.header_bytes_max = 1024, .header_count_max = 10};
  EXPECT_EQ(status_of("GET /" + std::string(2000, 'a'), limits), 414);
  EXPECT_EQ(status_of("GET /" + std::string(2000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", limits), 414);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(2000, 'a'), limits), 431);
  std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 10; ++i) many += "A: b\r\n";
  EXPECT_EQ(status_of(many + "\r\n", limits), 431);
}

TEST(RequestParser, wants_exactly_one_sound_host) {
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.0\r\n\r\n"), 0);
}

TEST(RequestParser, takes_the_host_of_an_absolute_target) {
  RequestParser parser({});
  ASSERT_EQ(parser.head("GET http://real:81/p?q HTTP/1.1\r\nHost: other\r\n\r\n").progress, Progress::done);
  EXPECT_EQ(parser.request().target, "/p?q");
  EXPECT_EQ(parser.request().headers.get("Host"), "real:81");
}

TEST(RequestParser, knows_one_expectation) {
  EXPECT_EQ(status_of(with("Expect: a-miracle\r\n")), 417);
  RequestParser parser({});
  ASSERT_EQ(parser.head(with("Expect: 100-Continue\r\nContent-Length: 1\r\n")).progress, Progress::done);
  EXPECT_TRUE(parser.expects_continue());
}

TEST(ResponseParser, skips_interim_answers_and_knows_which_have_no_body) {
  const std::string text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
  ResponseParser parser({});
  parser.begin(Method::head);
  std::string_view in = text;
  ParseStep step = parser.head(in);
  ASSERT_EQ(step.progress, Progress::need_more);
  in.remove_prefix(step.consumed);
  ASSERT_EQ(parser.head(in).progress, Progress::done);
  EXPECT_EQ(parser.response().status, 200);
  EXPECT_FALSE(parser.has_body());
  parser.begin(Method::get);
  ASSERT_EQ(parser.head("HTTP/1.1 204 No Content\r\n\r\n").progress, Progress::done);
  EXPECT_FALSE(parser.has_body());
}

TEST(ResponseParser, refuses_what_is_no_answer) {
  for (const std::string_view bad :
       {"HTTP/2 200 OK\r\n\r\n", "HTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 99 X\r\n\r\n", "HTTP/1.1 2x0 X\r\n\r\n",
        "HTTP/1.1 600 X\r\n\r\n", "HTTP/1.1 101 Switching\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    ResponseParser parser({});
    parser.begin(Method::get);
    EXPECT_EQ(parser.head(bad).progress, Progress::refused) << bad;
  }
}

}  // namespace
}  // namespace chaveiro::net
