#include "net/client.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/text.h"
#include "net/answer.h"
#include "net/client_pool.h"
#include "net/client_socket.h"
#include "net/parser.h"
#include "net/resolver.h"

namespace chaveiro::net {
namespace {

using Progress = ParseStep::Progress;

constexpr std::size_t read_size = 16 * 1024;

Error bad_request(const char* what) { return fail(Code::invalid, "BadRequest", what); }

bool is_ours(std::string_view name) {
  return equal_ignoring_ascii_case(name, "Content-Length") || equal_ignoring_ascii_case(name, "Transfer-Encoding") ||
         equal_ignoring_ascii_case(name, "Connection");
}

Result<std::string> format_head(const Origin& origin, const Request& request, bool streamed, const std::string& agent) {
  const bool plain = std::ranges::all_of(request.target, [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
  if (!plain || !(request.target.starts_with('/') || request.target == "*")) {
    return bad_request("the target is no path");
  }
  std::string head;
  head.reserve(256 + request.target.size() + request.headers.bytes());
  head.append(to_string(request.method)).append(" ").append(request.target).append(" HTTP/1.1\r\n");
  if (!request.headers.find("Host")) head.append("Host: ").append(origin.authority()).append("\r\n");
  if (!agent.empty() && !request.headers.find("User-Agent")) head.append("User-Agent: ").append(agent).append("\r\n");
  for (std::size_t i = 0; i < request.headers.size(); ++i) {
    const Headers::Field field = request.headers[i];
    if (!is_ours(field.name)) head.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  const bool may_have_body = !is_safe(request.method) && request.method != Method::del;
  if (streamed) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (may_have_body || !request.body.empty()) {
    head += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  }
  head += "\r\n";
  return head;
}

// One request and its answer on one connection.
class Call {
 public:
  Call(ClientSocket& socket, const Request& request, const BodyStreams& streams, const ClientOptions& options,
       Deadline deadline)
      : socket_(socket),
        request_(request),
        streams_(streams),
        options_(options),
        deadline_(deadline),
        parser_({options.response_header_bytes_max, options.response_header_count_max}) {}

  Result<Response> run(const std::string& head) {
    parser_.begin(request_.method);
    TRY_VOID(send(head));
    TRY_VOID(receive_head());
    TRY_VOID(receive_body());
    return std::move(parser_.response());
  }

  // Nothing but a fresh connection is needed to try again: the peer had gone before it said anything.
  bool was_dead() const { return lost_ && received_ == 0; }
  bool sent_anything() const { return sent_ > 0; }
  bool reusable() const { return whole_request_sent_ && parser_.keep_alive() && !by_close_ && input_.empty(); }

 private:
  // What the loss of the connection, or of time, means for this request.
  Error lost(Error cause) {
    lost_ = cause.code == Code::unavailable;
    if (sent_ == 0 || is_safe(request_.method)) return cause;
    return fail(Code::maybe_applied, "MaybeApplied",
                "the request was sent and its answer did not come: " + cause.message);
  }

  // False: the peer answers already, and the rest need not be sent.
  Result<bool> write(std::string_view bytes) {
    auto written = socket_.write(bytes, deadline_);
    if (!written) {
      // A server that refuses a body early answers and closes: its answer is worth more than the broken pipe.
      if (written.error().code == Code::unavailable && sent_ > 0) return false;
      if (written.error().code == Code::deadline) ++sent_;  // some of it may have left
      return lost(std::move(written).error());
    }
    sent_ += written->bytes;
    return !written->answered_early;
  }

  Result<void> send(const std::string& head) {
    if (!streams_.source) {
      const bool small = request_.body.size() <= read_size;
      TRY(bool more, write(small ? head + request_.body : head));
      if (more && !small) {
        TRY(more, write(request_.body));
      }
      whole_request_sent_ = more;
      return {};
    }
    TRY(bool more, write(head));
    while (more) {
      TRY(const std::string piece, streams_.source());
      std::string framed;
      append_chunk(framed, piece);
      if (piece.empty()) framed = last_chunk;
      TRY(more, write(framed));
      if (piece.empty()) {
        whole_request_sent_ = more;
        break;
      }
    }
    return {};
  }

  Result<bool> read() {  // false: the peer has closed
    const std::size_t before = input_.size();
    input_.resize(before + read_size);
    auto got = socket_.read(input_.data() + before, read_size, deadline_);
    input_.resize(before + (got ? *got : 0));
    if (!got) return lost(std::move(got).error());
    received_ += *got;
    return *got > 0;
  }

  Error malformed() const {
    return fail(Code::corrupt, "MalformedResponse",
                "the answer is not usable: " + std::string(parser_.refusal().detail));
  }

  Result<void> receive_head() {
    for (;;) {
      const ParseStep step = parser_.head(input_);
      input_.erase(0, step.consumed);
      if (step.progress == Progress::done) return {};
      if (step.progress == Progress::refused) return malformed();
      if (step.consumed > 0) continue;
      TRY(const bool more, read());
      if (!more)
        return lost(fail(Code::unavailable, "ConnectionLost", "the server closed the connection without an answer"));
    }
  }

  Result<void> receive_body() {
    if (!parser_.has_body()) return {};
    const auto length = parser_.content_length();
    if (!streams_.sink && length && *length > options_.response_body_bytes_max) return too_large();
    std::string piece;
    std::string& body = streams_.sink ? piece : parser_.response().body;
    for (;;) {
      const ParseStep step = parser_.body(input_, body);
      input_.erase(0, step.consumed);
      if (step.progress == Progress::refused) return malformed();
      if (streams_.sink && !piece.empty()) {
        TRY_VOID(streams_.sink(piece));
        piece.clear();
      }
      if (!streams_.sink && body.size() > options_.response_body_bytes_max) return too_large();
      if (step.progress == Progress::done) return {};
      TRY(const bool more, read());
      if (more) continue;
      by_close_ = true;
      if (parser_.ends_at_close()) return {};
      return lost(fail(Code::unavailable, "ConnectionLost", "the server closed the connection inside its answer"));
    }
  }

  static Error too_large() { return fail(Code::corrupt, "ResponseTooLarge", "the answer is larger than allowed"); }

  ClientSocket& socket_;
  const Request& request_;
  const BodyStreams& streams_;
  const ClientOptions& options_;
  const Deadline deadline_;
  ResponseParser parser_;
  std::string input_;
  std::size_t sent_ = 0;
  std::size_t received_ = 0;
  bool lost_ = false;
  bool by_close_ = false;
  bool whole_request_sent_ = false;
};

}  // namespace

class HttpClient::Impl {
 public:
  explicit Impl(ClientOptions options)
      : options_(std::move(options)),
        tls_(options_.tls),
        pool_({options_.connections_per_origin_max, options_.origins_max, options_.idle_timeout}) {}

  Result<Response> send(const Origin& origin, const Request& request, const BodyStreams& streams, Deadline deadline) {
    TRY(const std::string head, format_head(origin, request, bool(streams.source), options_.user_agent));
    const std::string name = origin.to_string();
    for (bool retried = false;; retried = true) {
      TRY(ClientPool::Place place, pool_.acquire(name, deadline));
      const bool reused = place.socket.has_value();
      if (reused) {
        notify(options_.observer.reused);
      } else {
        TRY(place.socket, connect(origin, deadline));
        notify(options_.observer.connected);
      }
      Call call(*place.socket, request, streams, options_, deadline);
      Result<Response> response = call.run(head);
      if (response) {
        if (call.reusable()) place.keep();
        return response;
      }
      const bool repeatable = !streams.source && (is_idempotent(request.method) || !call.sent_anything());
      if (retried || !reused || !repeatable || !call.was_dead()) return response;
      pool_.close_idle(name);  // its kin are as old, and as dead
      notify(options_.observer.retried);
    }
  }

  std::size_t idle() const { return pool_.idle(); }
  void close_idle() { pool_.close_idle(); }

 private:
  static void notify(const std::function<void()>& observer) {
    if (observer) observer();
  }

  Result<ClientSocket> connect(const Origin& origin, Deadline deadline) {
    const Deadline limit = deadline.capped(options_.connect_timeout);
    std::shared_ptr<TlsClientContext> tls;
    if (origin.tls) {
      TRY(tls, tls_context());
    }
    TRY(const std::vector<Address> addresses, resolver_.resolve(origin.host, origin.port, limit));
    return ClientSocket::connect(origin, addresses, tls.get(), limit);
  }

  // The system's authorities take 30 ms to read: only for clients that need them.
  Result<std::shared_ptr<TlsClientContext>> tls_context() {
    auto tls = tls_.lock();
    if (!*tls) {
      TRY(*tls, TlsClientContext::load({}));
    }
    return *tls;
  }

  const ClientOptions options_;
  Guarded<std::shared_ptr<TlsClientContext>> tls_;
  Resolver resolver_;
  ClientPool pool_;
};

Result<std::unique_ptr<HttpClient>> HttpClient::make(ClientOptions options) {
  const auto bad = [](const char* what) { return fail(Code::invalid, "ClientOptions", what); };
  if (options.connections_per_origin_max == 0) return bad("connections_per_origin_max must be at least 1");
  if (options.origins_max == 0) return bad("origins_max must be at least 1");
  if (options.connect_timeout.count() <= 0) return bad("connect_timeout must be above zero");
  if (options.response_header_count_max == 0 || options.response_header_count_max > Headers::fields_max) {
    return bad("response_header_count_max must be 1 to 256");
  }
  if (options.user_agent.find_first_of("\r\n") != std::string::npos) return bad("user_agent holds a line end");
  return std::unique_ptr<HttpClient>(new HttpClient(std::make_unique<Impl>(std::move(options))));
}

HttpClient::HttpClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpClient::~HttpClient() = default;

Result<Response> HttpClient::send(const Origin& origin, const Request& request, Deadline deadline) {
  return impl_->send(origin, request, BodyStreams{}, deadline);
}
Result<Response> HttpClient::send(const Origin& origin, const Request& request, const BodyStreams& streams,
                                  Deadline deadline) {
  return impl_->send(origin, request, streams, deadline);
}
std::size_t HttpClient::idle_connections() const { return impl_->idle(); }
void HttpClient::close_idle() { impl_->close_idle(); }

}  // namespace chaveiro::net
