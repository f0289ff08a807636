// Bad input of every kind: each is told clearly, with the field where there is one, and the process goes on answering.
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include "tests/rest/edge.h"

namespace chaveiro::rest_test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// Bytes as they are, past every client that would not send them.
class RawConnection {
 public:
  explicit RawConnection(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const timeval limit{10, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  ~RawConnection() { ::close(socket_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  // The peer may close before it has read everything.
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // Until the peer closes, or `until` has come.
  std::string read(std::string_view until = {}) {
    std::string text;
    char piece[4096];
    while (until.empty() || text.find(until) == std::string::npos) {
      const ssize_t got = ::recv(socket_, piece, sizeof piece, 0);
      if (got <= 0) break;
      text.append(piece, static_cast<std::size_t>(got));
    }
    return text;
  }

 private:
  int socket_;
};

class RestBadInput : public RestTest {
 protected:
  ~RestBadInput() override {
    // After all that, the next caller is served.
    EXPECT_EQ(call({.path = "/live"}).status, 200);
    EXPECT_EQ(get("/api/v1/entries").status, 200);
  }
  Reply create(const std::string& body) { return post("/api/v1/entries", body); }
  const std::string account = make_account("0007654321").field("id");
  std::string with_key(const std::string& type, const std::string& key) {
    return R"({"key_type":")" + type + R"(","key":")" + key + R"(","account_id":")" + account + "\"}";
  }
};

TEST_F(RestBadInput, unknown_fields_are_named_at_every_depth) {
  EXPECT_THAT(create(R"({"key_type":"EVP","account_id":")" + account + R"(","color":1,"Key_type":"EVP"})").faulty(),
              ElementsAre("color", "Key_type"));
  const Reply deep =
      post("/api/v1/accounts", R"({"number":"1","type":"CACC","opening_date":"2020-01-01T00:00:00Z",)"
                               R"("owner":{"type":"NATURAL_PERSON","tax_id":"12345678909","name":"Maria","shoe":38}})");
  EXPECT_THAT(deep.faulty(), ElementsAre("owner.shoe"));
}

TEST_F(RestBadInput, wrong_types_are_named_all_at_once) {
  const Reply reply = create(R"({"key_type":7,"key":["x"],"account_id":null,"reason":{},"request_id":true})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.faulty(), ElementsAre("key_type", "key", "account_id", "reason", "request_id"));
  EXPECT_THAT(create("[]").faulty(), ElementsAre("body"));
  EXPECT_THAT(create("\"text\"").faulty(), ElementsAre("body"));
  EXPECT_THAT(create("null").faulty(), ElementsAre("body"));
  EXPECT_THAT(create("").faulty(), ElementsAre("key_type", "account_id"));
}

TEST_F(RestBadInput, a_body_that_is_no_json_says_where) {
  EXPECT_THAT(create("{\"key_type\":").text, HasSubstr("ends too early"));
  EXPECT_THAT(create("{\"key_type\":\"CPF\",}").text, HasSubstr("line 1, column"));
  EXPECT_THAT(create("{\"a\":1,\"a\":2}").faulty(), ElementsAre("a"));
  EXPECT_THAT(create("{\"a\":1e999}").faulty(), ElementsAre("a"));
  EXPECT_THAT(create(std::string(5000, '{')).text, HasSubstr("is not JSON"));
  EXPECT_THAT(create(std::string(5000, '[')).text, HasSubstr("nested deeper"));
}

TEST_F(RestBadInput, invalid_utf_8_names_its_field) {
  for (const std::string bytes : {"\xff\xfe", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "ok\xe2\x82"}) {
    const Reply reply = create(with_key("EMAIL", bytes));
    EXPECT_EQ(reply.status, 400);
    EXPECT_THAT(reply.faulty(), ElementsAre("key"));
    EXPECT_THAT(reply.text, HasSubstr("is not UTF-8"));
  }
}

TEST_F(RestBadInput, keys_with_control_or_full_width_characters_are_refused_and_not_repeated) {
  for (const auto& [type, key] : std::vector<std::pair<std::string, std::string>>{{"PHONE", "+55119876\\u000054321"},
                                                                                  {"PHONE", "＋5511987654321"},
                                                                                  {"PHONE", "+５５11987654321"},
                                                                                  {"EMAIL", "joao\\u0007@b.com"},
                                                                                  {"EMAIL", "ｊoao@b.com"},
                                                                                  {"EMAIL", "joao\\u202e@b.com"},
                                                                                  {"CPF", "１２３４５６７８９０９"},
                                                                                  {"CPF", "1234567890\\n"},
                                                                                  {"CNPJ", "1122233300018\\u0661"},
                                                                                  {"CPF", "12345678900"}}) {
    const Reply reply = create(with_key(type, key));
    EXPECT_EQ(reply.status, 400) << key;
    EXPECT_THAT(reply.faulty(), ElementsAre("key")) << key;
    EXPECT_EQ(reply.text.find("joao"), std::string::npos) << reply.text;
    EXPECT_EQ(reply.text.find("98765"), std::string::npos) << reply.text;
  }
  EXPECT_THAT(create(with_key("EMAIL", std::string(10'000, 'a'))).faulty(), ElementsAre("key"));
}

TEST_F(RestBadInput, dates_beyond_range_are_refused) {
  for (const std::string date :
       {"1899-12-31T23:59:59Z", "2201-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2020-02-30T00:00:00Z",
        "2020-01-01T25:00:00Z", "2020-01-01", "0000-00-00T00:00:00Z", "99999-01-01T00:00:00Z", "1577836800"}) {
    const Reply reply =
        post("/api/v1/accounts", R"({"number":"1","type":"CACC","opening_date":")" + date +
                                     R"(","owner":{"type":"NATURAL_PERSON","tax_id":"12345678909","name":"Maria"}})");
    EXPECT_EQ(reply.status, 400) << date;
    EXPECT_THAT(reply.faulty(), ElementsAre("opening_date")) << date;
  }
}

TEST_F(RestBadInput, endless_page_sizes_are_named) {
  for (const char* size : {"201", "0", "-1", "99999999999999999999", "1e9", "all"}) {
    const Reply reply = get("/api/v1/entries?page_size=" + std::string(size));
    EXPECT_EQ(reply.status, 400) << size;
    EXPECT_THAT(reply.faulty(), ElementsAre("page_size")) << size;
  }
}

TEST_F(RestBadInput, ids_that_are_none_are_named) {
  for (const std::string id : {"x", "019a1b2c-3d4e-7f50-8a6b-7c8d9e0f1a2", "%00", "..%2f..%2fetc", "%7Bid%7D", "%ff"}) {
    const Reply reply = get("/api/v1/entries/" + id);
    EXPECT_EQ(reply.status, 400) << id << reply.text;
    EXPECT_THAT(reply.faulty(), ElementsAre("id")) << id;
  }
  EXPECT_EQ(get("/api/v1/entries?%zz").status, 400);
  EXPECT_EQ(get("/api/v1/entries?a=%00").status, 400);
}

TEST_F(RestBadInput, ten_mebibytes_are_too_much) {
  RawConnection connection(server->port());
  connection.send("POST /api/v1/entries HTTP/1.1\r\nHost: x\r\nContent-Length: 10485760\r\nAuthorization: Bearer " +
                  operator_token() + "\r\n\r\n");
  connection.send(std::string(64 * 1024, 'a'));
  const std::string answer = connection.read("\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(answer, HasSubstr("application/problem+json"));
}

TEST_F(RestBadInput, ten_mebibytes_in_chunks_are_too_much) {
  RawConnection connection(server->port());
  connection.send("POST /api/v1/entries HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "10000\r\n" + std::string(65'536, 'a') + "\r\n";
  for (int i = 0; i < 160; ++i) connection.send(chunk);
  EXPECT_THAT(connection.read("\r\n\r\n"), StartsWith("HTTP/1.1 413"));
}

TEST_F(RestBadInput, ten_thousand_headers_are_too_many) {
  RawConnection connection(server->port());
  std::string request = "GET /api/v1/entries HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 10'000; ++i) request += "X-" + std::to_string(i) + ": y\r\n";
  connection.send(request + "\r\n");
  EXPECT_THAT(connection.read("\r\n\r\n"), StartsWith("HTTP/1.1 431"));
}

TEST_F(RestBadInput, half_requests_hurt_nobody) {
  for (const std::string half :
       {"", "G", "GET /api/v1/ent", "POST /api/v1/entries HTTP/1.1\r\nHost: x\r\nContent-Le",
        "POST /api/v1/entries HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"key_type\":"}) {
    RawConnection connection(server->port());
    connection.send(half);
  }
}

TEST_F(RestBadInput, what_is_no_http_is_answered_as_a_problem) {
  for (const std::string bytes :
       {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n", "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n"}) {
    RawConnection connection(server->port());
    connection.send(bytes);
    const std::string answer = connection.read("\r\n\r\n");
    EXPECT_THAT(answer, testing::ContainsRegex("^HTTP/1\\.1 (400|501|505)")) << bytes;
    EXPECT_THAT(answer, HasSubstr("application/problem+json"));
  }
}

TEST_F(RestBadInput, a_body_of_another_kind_is_named) {
  const auto as = [&](const std::string& type) {
    return call({.method = Method::post,
                 .path = "/api/v1/entries",
                 .body = "a=b",
                 .token = operator_token(),
                 .headers = {{"Content-Type", type}}});
  };
  EXPECT_THAT(as("application/x-www-form-urlencoded").faulty(), ElementsAre("Content-Type"));
  EXPECT_THAT(as("application/xml").faulty(), ElementsAre("Content-Type"));
}

TEST_F(RestBadInput, repeated_headers_and_parameters_are_refused) {
  RawConnection connection(server->port());
  connection.send(
      "POST /api/v1/entries HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\nIdempotency-Key: "
      "a\r\nIdempotency-Key: b\r\nAuthorization: Bearer " +
      operator_token() + "\r\n\r\n");
  EXPECT_THAT(connection.read(), HasSubstr("Idempotency-Key"));
  EXPECT_THAT(get("/api/v1/entries?status=ACTIVE&status=ACTIVE").faulty(), ElementsAre("status"));
}

}  // namespace
}  // namespace chaveiro::rest_test
