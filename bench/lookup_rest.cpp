#include <charconv>

#include "base/check.h"
#include "bench/lookup_connection.h"

namespace chaveiro::bench {
namespace {

// Enough of HTTP/1.1 for answers with Content-Length, which is what our own server gives to a look-up.
class RestConnection final : public Connection {
 public:
  RestConnection(const Peer& peer, const Requests& requests, Answers& answers)
      : socket_(peer.port), requests_(requests), answers_(answers) {
    head_ = "POST /api/v1/lookups HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(peer.port) +
            "\r\nContent-Type: application/json\r\n";
    if (!peer.token.empty()) head_ += "Authorization: Bearer " + peer.token + "\r\n";
    head_ += "PI-PayerId: 10000000019\r\nPI-EndToEndId: E1234567820240601120000000000001\r\nContent-Length: ";
  }

  int descriptor() const override { return socket_.descriptor(); }
  std::size_t in_flight() const override { return busy_ ? 1 : 0; }
  std::size_t room() const override { return busy_ ? 0 : 1; }

  void start(std::size_t key, Nanos due) override {
    CHECK(!busy_);
    busy_ = true;
    key_ = key;
    due_ = due;
    const std::string body = requests_.json(key);
    socket_.unsent().append(head_).append(std::to_string(body.size())).append("\r\n\r\n").append(body);
  }
  void send() override { socket_.send(); }

  void receive() override {
    answer_ += socket_.receive();
    const std::size_t head = answer_.find("\r\n\r\n");
    if (head == std::string::npos) return;
    const std::size_t whole = head + 4 + body_bytes(std::string_view(answer_).substr(0, head));
    if (answer_.size() < whole) return;
    busy_ = false;
    const std::string_view body = std::string_view(answer_).substr(head + 4, whole - head - 4);
    if (!answer_.starts_with("HTTP/1.1 200 "))
      answers_.wrong(answer_.substr(0, answer_.find('\r')) + " " + std::string(body));
    else if (body.find('"' + std::string(requests_.value(key_)) + '"') == std::string_view::npos)
      answers_.wrong("an answer does not carry the key that was asked for");
    else
      answers_.right(due_, body.size(),
                     body.find(R"("source":"memory")") != std::string_view::npos ? Source::memory : Source::store);
    answer_.erase(0, whole);
  }

 private:
  static std::size_t body_bytes(std::string_view head) {
    constexpr std::string_view name = "\r\nContent-Length: ";
    const std::size_t at = head.find(name);
    if (at == std::string_view::npos) stop("an answer without Content-Length");
    std::size_t bytes = 0;
    const std::string_view rest = head.substr(at + name.size());
    std::from_chars(rest.data(), rest.data() + rest.size(), bytes);
    return bytes;
  }

  Socket socket_;
  const Requests& requests_;
  Answers& answers_;
  std::string head_, answer_;
  bool busy_ = false;
  std::size_t key_ = 0;
  Nanos due_ = 0;
};

}  // namespace

std::unique_ptr<Connection> connect_rest(const Peer& peer, const Requests& requests, Answers& answers) {
  return std::make_unique<RestConnection>(peer, requests, answers);
}

}  // namespace chaveiro::bench
