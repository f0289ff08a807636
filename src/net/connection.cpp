#include "net/connection.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <utility>

#include "net/answer.h"
#include "net/body_pipe.h"
#include "net/parser.h"

namespace chaveiro::net {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;
using Progress = ParseStep::Progress;
using TlsStream = asio::ssl::stream<Socket>;

constexpr std::size_t buffer_small = 4 * 1024;   // of an idle connection
constexpr std::size_t buffer_large = 64 * 1024;  // while a body comes in
constexpr std::size_t output_high = 64 * 1024;   // nothing more is prepared while this much waits to be written
constexpr milliseconds linger_time{1'000};       // a refused peer may go on sending so long before it is cut

// The request that this thread is handing to its handler: an answer given meanwhile needs no post.
thread_local const void* handing_over = nullptr;

Error gone() { return fail(Code::cancelled, "Cancelled", "the peer went away"); }

std::string subject_of(SSL* ssl) {
  X509* certificate = SSL_get1_peer_certificate(ssl);
  if (certificate == nullptr) return {};
  BIO* text = BIO_new(BIO_s_mem());
  X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(text, &bytes);
  std::string subject(bytes, static_cast<std::size_t>(std::max(0L, size)));
  BIO_free(text);
  X509_free(certificate);
  return subject;
}

// The bytes that came and were not yet read as a message.
class Input {
 public:
  std::string_view unread() const { return {bytes_.data() + begin_, end_ - begin_}; }
  void consume(std::size_t count) {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  asio::mutable_buffer room(std::size_t capacity_wanted) {
    if (begin_ > 0 && end_ == bytes_.size()) {
      std::memmove(bytes_.data(), bytes_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    if (bytes_.size() < capacity_wanted && end_ == bytes_.size()) {
      bytes_.resize(std::min(capacity_wanted, std::max(buffer_small, bytes_.size() * 2)));
    }
    return asio::buffer(bytes_.data() + end_, bytes_.size() - end_);
  }
  void came(std::size_t count) { end_ += count; }
  void shrink() {
    if (begin_ != end_ || bytes_.size() <= buffer_small) return;
    bytes_ = std::vector<char>(buffer_small);
  }

 private:
  std::vector<char> bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

template <class Stream>
class Connection final : public ServedConnection,
                         public ServerExchange,
                         public std::enable_shared_from_this<Connection<Stream>> {
  static constexpr bool is_tls = std::is_same_v<Stream, TlsStream>;
  enum class Reading : std::uint8_t { handshake, head, body, held, lingering };
  enum class Answering : std::uint8_t { nothing, owed, streaming };

 public:
  Connection(std::shared_ptr<IoThread> io, Stream stream, Peer peer, std::shared_ptr<ServerShared> shared,
             Admission admission)
      : io_(std::move(io)),
        shared_(std::move(shared)),
        options_(shared_->options),
        stream_(std::move(stream)),
        peer_(std::move(peer)),
        admission_(admission),
        parser_({options_.header_bytes_max, options_.header_count_max}) {}

  void start() {
    if (options_.observer.connections) options_.observer.connections(+1);
    expires_ = after(options_.header_timeout);
    if constexpr (is_tls) {
      stream_.async_handshake(asio::ssl::stream_base::server, [self = self()](const error_code& error) {
        if (self->closed_) return;
        if (error) return self->drop("handshake");
        self->handshake_done();
      });
    } else {
      reading_ = Reading::head;
      if (admission_ == Admission::refuse) {
        refuse({503, "TooManyConnections", "the server has as many connections as it may"});
      }
      advance();
    }
  }

  // From any thread.

  void respond(std::uint64_t request, Response response) override {
    if (handing_over == this) return answer(request, std::move(response));
    io_->post([self = self(), request, response = std::move(response)]() mutable {
      self->answer(request, std::move(response));
      self->advance();
    });
  }

  std::shared_ptr<BodyPipe> respond_streaming(std::uint64_t request, Response head) override {
    auto pipe = make_pipe();
    if (handing_over == this) {
      answer_streaming(request, head, pipe);
    } else {
      io_->post([self = self(), request, head = std::move(head), pipe]() {
        self->answer_streaming(request, head, pipe);
        self->advance();
      });
    }
    return pipe;
  }

  // From the thread's ticker and its end.

  void tick(SteadyTime now) override {
    if (writing_) {
      if (now >= write_expires_) drop("write_timeout");
      return;
    }
    if (now < expires_) return;
    switch (reading_) {
      case Reading::handshake:
        return drop("handshake");
      case Reading::lingering:
        return close();
      case Reading::held:
        return;
      case Reading::head:
        if (!head_begun_) return exchanges_ == 0 ? drop("header_timeout") : drop("idle");
        return time_out("header_timeout", "the header fields did not come in time");
      case Reading::body:
        if (!paused_) return time_out("body_timeout", "the body did not come in time");
    }
  }

  void drain() override {
    draining_ = true;
    keep_ = false;
    if (is_idle() || reading_ == Reading::handshake) close();
  }

  void kill() override { close(); }

 private:
  std::shared_ptr<Connection> self() { return this->shared_from_this(); }
  Socket& socket() {
    if constexpr (is_tls) {
      return stream_.next_layer();
    } else {
      return stream_;
    }
  }
  static SteadyTime after(milliseconds time) { return std::chrono::steady_clock::now() + time; }

  std::shared_ptr<BodyPipe> make_pipe() {
    std::weak_ptr<Connection> weak = this->weak_from_this();
    return std::make_shared<BodyPipe>(options_.stream_window_bytes, [weak] {
      const auto self = weak.lock();
      if (!self) return;
      self->io_->post([self] {
        if (self->closed_) return;
        self->resume_reading();
        self->advance();
      });
    });
  }

  void handshake_done() {
    if constexpr (is_tls) {
      SSL* ssl = stream_.native_handle();
      peer_.subject = subject_of(ssl);
      peer_.verified = !peer_.subject.empty() && SSL_get_verify_result(ssl) == X509_V_OK;
      if (!peer_.verified) peer_.subject.clear();
    }
    reading_ = Reading::head;
    advance();
  }

  bool is_idle() const {
    return reading_ == Reading::head && !head_begun_ && answering_ == Answering::nothing && out_.empty() && !writing_;
  }

  // Does all that can be done without waiting, then waits for what is missing.
  void advance() {
    if (closed_) return;
    for (bool worked = true; worked;) {
      worked = read_messages();
      worked |= pump_answer();
      worked |= write_out();
      if (closed_) return;
    }
    if (closing_ && out_.empty() && !writing_) return end();
    if (draining_ && is_idle()) return close();
    arm_read();
  }

  // The reading side.

  bool read_messages() {
    std::size_t handled = 0;
    bool worked = false;
    while (!closed_ && !closing_) {
      bool progress = false;
      if (reading_ == Reading::head && !writing_ && out_.size() < output_high) {
        progress = read_head();
        if (progress && ++handled == options_.pipeline_max) return true;
      } else if (reading_ == Reading::body && !paused_) {
        progress = read_body();
      }
      if (!progress) break;
      worked = true;
    }
    return worked;
  }

  bool read_head() {
    const ParseStep step = parser_.head(input_.unread());
    input_.consume(step.consumed);
    if (step.progress == Progress::refused) {
      refuse(parser_.refusal());
      return true;
    }
    if (step.progress == Progress::need_more) {
      if (!head_begun_ && !input_.unread().empty()) {
        head_begun_ = true;
        if (exchanges_ > 0) expires_ = after(options_.header_timeout);
      }
      return step.consumed > 0;
    }
    begin_exchange();
    return true;
  }

  void begin_exchange() {
    head_begun_ = false;
    ++exchanges_;
    ++owed_;
    answering_ = Answering::owed;
    Request request = std::move(parser_.request());
    request.peer = peer_;
    method_ = request.method;
    http_1_0_ = parser_.http_1_0();
    keep_ = parser_.keep_alive() && !draining_;
    if (options_.observer.exchange) {
      target_ = request.target;
      began_ = std::chrono::steady_clock::now();
    }
    if (!parser_.has_body()) {
      reading_ = Reading::held;
      return hand_over(std::move(request));
    }
    begin_body(std::move(request));
  }

  void begin_body(Request request) {
    reading_ = Reading::body;
    BodyPlan plan = options_.body_plan ? options_.body_plan(request) : BodyPlan{};
    if (plan.refuse) return refuse_with(std::move(*plan.refuse));
    const std::uint64_t bytes_max = plan.bytes_max.value_or(options_.body_bytes_max);
    const auto length = parser_.content_length();
    if (length && *length > bytes_max) return refuse({413, "PayloadTooLarge", "the body is larger than allowed"});
    parser_.limit_body(bytes_max);
    if (parser_.expects_continue() && input_.unread().empty()) out_ += "HTTP/1.1 100 Continue\r\n\r\n";
    body_bytes_ = 0;
    body_began_ = std::chrono::steady_clock::now();
    expires_ = body_began_ + options_.body_timeout;
    if (plan.mode == BodyPlan::Mode::stream) {
      body_pipe_ = make_pipe();
      request.stream = std::make_shared<BodyReader>(body_pipe_);
      return hand_over(std::move(request));
    }
    if (length) request.body.reserve(std::min<std::uint64_t>(*length, buffer_large));
    request_ = std::move(request);
  }

  bool read_body() {
    std::string piece;
    std::string& target = body_pipe_ ? piece : request_.body;
    const std::size_t size_before = target.size();
    const ParseStep step = parser_.body(input_.unread(), target);
    input_.consume(step.consumed);
    body_bytes_ += target.size() - size_before;
    if (step.progress == Progress::refused) {
      const Refusal& refusal = parser_.refusal();
      if (body_pipe_) {
        body_pipe_->fail(fail(Code::invalid, std::string(refusal.reason), std::string(refusal.detail)));
      }
      refuse(refusal);
      return true;
    }
    if (options_.body_rate_min > 0) {
      const auto earned = std::chrono::microseconds(body_bytes_ * 1'000'000 / options_.body_rate_min);
      expires_ = body_began_ + options_.body_timeout + earned;
    }
    if (body_pipe_ && !piece.empty() && !body_pipe_->put(piece)) {
      paused_ = true;
      paused_at_ = std::chrono::steady_clock::now();
    }
    if (step.progress == Progress::done) body_done();
    return step.progress == Progress::done || step.consumed > 0;
  }

  void body_done() {
    reading_ = Reading::held;
    paused_ = false;
    if (body_pipe_) {
      body_pipe_->finish();
      body_pipe_.reset();
    } else {
      hand_over(std::move(request_));
    }
  }

  void resume_reading() {
    if (!std::exchange(paused_, false)) return;
    body_began_ += std::chrono::steady_clock::now() - paused_at_;  // the wait was ours, not the sender's
    expires_ += std::chrono::steady_clock::now() - paused_at_;
  }

  void arm_read() {
    const bool wanted = (reading_ == Reading::head && !writing_ && !closing_) ||
                        (reading_ == Reading::body && !paused_ && !closing_) || reading_ == Reading::lingering;
    if (!wanted || read_armed_) return;
    if (reading_ == Reading::head && !head_begun_ && exchanges_ > 0 && !idle_) {
      idle_ = true;
      expires_ = after(options_.idle_timeout);
      input_.shrink();
    }
    read_armed_ = true;
    const std::size_t capacity = reading_ == Reading::body ? std::max(buffer_large, head_capacity()) : head_capacity();
    stream_.async_read_some(input_.room(capacity),
                            [self = self()](const error_code& error, std::size_t size) { self->on_read(error, size); });
  }

  // A head of the largest size, and a byte that shows that it is larger.
  std::size_t head_capacity() const { return options_.header_bytes_max + buffer_small; }

  void on_read(const error_code& error, std::size_t size) {
    read_armed_ = false;
    if (closed_) return;
    if (error) return close();
    idle_ = false;
    input_.came(size);
    if (reading_ == Reading::lingering) {
      input_.consume(input_.unread().size());
      return arm_read();
    }
    advance();
  }

  // The answering side.

  void hand_over(Request request) {
    const void* const outer = std::exchange(handing_over, this);
    try {
      shared_->handler(std::move(request), Responder(self(), owed_));
    } catch (...) {
      // The responder went with the exception and has answered 500.
    }
    handing_over = outer;
  }

  bool expects(std::uint64_t request) const { return !closed_ && request == owed_ && answering_ == Answering::owed; }

  void answer(std::uint64_t request, Response response) {
    if (!expects(request)) return;
    if (response.status < 200 || response.status > 599) {
      response = problem_response(500, "InternalError", "the handler's status is none of HTTP's");
    }
    if (reading_ == Reading::body) keep_ = false;  // answered before the body was read: what follows is not a request
    if (draining_) keep_ = false;
    const std::size_t before = out_.size();
    append_answer(out_, response, {AnswerFraming::Body::sized, method_ == Method::head, keep_, http_1_0_}, io_->date());
    bytes_out_ = out_.size() - before;
    finish_exchange(response.status);
  }

  void answer_streaming(std::uint64_t request, const Response& head, const std::shared_ptr<BodyPipe>& pipe) {
    if (!expects(request)) return pipe->fail(gone());
    if (draining_) keep_ = false;
    if (http_1_0_) keep_ = false;
    chunked_ = !http_1_0_;
    discard_ = method_ == Method::head || !status_allows_body(head.status);
    answer_pipe_ = pipe;
    answering_ = Answering::streaming;
    status_ = head.status;
    bytes_out_ = 0;
    const auto body = chunked_ ? AnswerFraming::Body::chunked : AnswerFraming::Body::until_close;
    append_answer(out_, head, {body, method_ == Method::head, keep_, http_1_0_}, io_->date());
  }

  bool pump_answer() {
    bool worked = false;
    while (answering_ == Answering::streaming && !writing_ && out_.size() < output_high) {
      BodyPipe::Taken taken = answer_pipe_->take(output_high);
      if (taken.broken) {
        abort();
        return true;
      }
      bytes_out_ += taken.bytes.size();
      if (!discard_) {
        if (chunked_) {
          append_chunk(out_, taken.bytes);
        } else {
          out_ += taken.bytes;
        }
      }
      if (taken.finished) {
        if (!discard_ && chunked_) out_ += last_chunk;
        answer_pipe_.reset();
        if (reading_ == Reading::body) keep_ = false;
        finish_exchange(status_);
        return true;
      }
      if (taken.bytes.empty()) break;
      worked = true;
    }
    return worked;
  }

  void finish_exchange(int status) {
    answering_ = Answering::nothing;
    report(status);
    if (!keep_) {
      closing_ = true;
      linger_ = reading_ == Reading::body || !input_.unread().empty();
    } else {
      reading_ = Reading::head;
      parser_.next();
    }
    if (body_pipe_) body_pipe_->fail(gone());
    body_pipe_.reset();
  }

  void report(int status) {
    if (!options_.observer.exchange) return;
    const auto duration = std::chrono::steady_clock::now() - began_;
    options_.observer.exchange({method_, target_, status, body_bytes_, bytes_out_, duration});
    body_bytes_ = 0;
  }

  // A request that never reaches the handler, or is taken from it.
  void refuse(const Refusal& refusal) {
    const Fault fault{refusal.status, refusal.reason, refusal.detail};
    refuse_with(options_.problem ? options_.problem(fault)
                                 : problem_response(fault.status, fault.reason, fault.detail));
  }

  void refuse_with(Response response) {
    if (answering_ == Answering::streaming) return abort();
    if (answering_ == Answering::nothing) {  // the head itself is at fault: nothing is known of the request
      method_ = Method::get;
      http_1_0_ = false;
      target_.clear();
      began_ = std::chrono::steady_clock::now();
    }
    ++owed_;  // an answer that the handler may still give comes too late
    answering_ = Answering::owed;
    keep_ = false;
    if (response.status == 503) response.headers.add("Retry-After", "1");
    answer(owed_, std::move(response));
    linger_ = true;
  }

  void time_out(const char* why, std::string_view detail) {
    if (options_.observer.dropped) options_.observer.dropped(why);
    if (body_pipe_) body_pipe_->fail(fail(Code::invalid, "RequestTimeout", std::string(detail)));
    refuse({408, "RequestTimeout", detail});
    advance();
  }

  // The writing side. True when everything that waited has been written.
  bool write_out() {
    if (closed_ || writing_ || out_.empty()) return false;
    written_.swap(out_);
    out_.clear();
    write_offset_ = 0;
    if constexpr (!is_tls) {
      while (write_offset_ < written_.size()) {
        error_code error;
        const std::size_t size =
            socket().write_some(asio::buffer(written_.data() + write_offset_, written_.size() - write_offset_), error);
        if (error == asio::error::would_block) break;
        if (error) {
          close();
          return false;
        }
        write_offset_ += size;
      }
      if (write_offset_ == written_.size()) return true;
    }
    writing_ = true;
    write_more();
    return false;
  }

  void write_more() {
    write_expires_ = after(options_.write_timeout);
    stream_.async_write_some(asio::buffer(written_.data() + write_offset_, written_.size() - write_offset_),
                             [self = self()](const error_code& error, std::size_t size) {
                               if (self->closed_) return;
                               if (error) return self->close();
                               self->write_offset_ += size;
                               if (self->write_offset_ < self->written_.size()) return self->write_more();
                               self->writing_ = false;
                               self->advance();
                             });
  }

  // The end.

  // All has been written. A peer that is still sending would take a reset for our answer, so it is heard out for a while.
  void end() {
    if (reading_ == Reading::lingering) return;
    if constexpr (is_tls) {
      reading_ = Reading::lingering;
      expires_ = after(linger_time);
      if (read_armed_) return;  // a read is under way: the peer's own end will finish it
      stream_.async_shutdown([self = self()](const error_code&) { self->close(); });
    } else {
      if (!linger_) return close();
      error_code ignored;
      socket().shutdown(asio::socket_base::shutdown_send, ignored);
      reading_ = Reading::lingering;
      expires_ = after(linger_time);
      input_.consume(input_.unread().size());
      arm_read();
    }
  }

  // A body that cannot be completed must not look complete: the connection is reset.
  void abort() {
    error_code ignored;
    socket().set_option(asio::socket_base::linger(true, 0), ignored);
    close();
  }

  void drop(const char* why) {
    if (options_.observer.dropped) options_.observer.dropped(why);
    close();
  }

  void close() {
    if (std::exchange(closed_, true)) return;
    if (body_pipe_) body_pipe_->fail(gone());
    if (answer_pipe_) answer_pipe_->fail(gone());
    if (answering_ != Answering::nothing) report(0);
    answering_ = Answering::nothing;
    error_code ignored;
    socket().close(ignored);
    const auto alive = self();
    io_->remove(*this);
    if (options_.observer.connections) options_.observer.connections(-1);
    shared_->closed(admission_);
  }

  const std::shared_ptr<IoThread> io_;  // first, so that it outlives the socket
  const std::shared_ptr<ServerShared> shared_;
  const ServerOptions& options_;
  Stream stream_;
  Peer peer_;
  const Admission admission_;
  RequestParser parser_;
  Input input_;

  Reading reading_ = Reading::handshake;
  Answering answering_ = Answering::nothing;
  SteadyTime expires_;           // of the reading side
  SteadyTime write_expires_;     // of the write under way
  std::uint64_t exchanges_ = 0;  // begun
  std::uint64_t owed_ = 0;       // number of the request that may be answered now
  bool head_begun_ = false;      // a part of the next head is here
  bool idle_ = false;
  bool read_armed_ = false;
  bool paused_ = false;  // the body's window is full
  bool writing_ = false;
  bool closing_ = false;  // after what is in out_
  bool linger_ = false;
  bool draining_ = false;
  bool closed_ = false;

  // The request under way.
  Method method_ = Method::get;
  bool http_1_0_ = false;
  bool keep_ = true;
  bool chunked_ = false;
  bool discard_ = false;  // the pieces of a streamed answer that must have no body
  int status_ = 0;
  Request request_;     // while its whole body is awaited
  std::string target_;  // only where somebody observes
  std::uint64_t body_bytes_ = 0;
  std::uint64_t bytes_out_ = 0;
  SteadyTime began_;
  SteadyTime body_began_;
  SteadyTime paused_at_;
  std::shared_ptr<BodyPipe> body_pipe_;
  std::shared_ptr<BodyPipe> answer_pipe_;

  std::string out_;      // not yet handed to the socket
  std::string written_;  // being written
  std::size_t write_offset_ = 0;
};

template <class Stream>
void launch(std::shared_ptr<IoThread> io, Stream stream, Peer peer, std::shared_ptr<ServerShared> shared,
            Admission admission) {
  IoThread& thread = *io;  // lives as long as the connection
  auto connection = std::make_shared<Connection<Stream>>(std::move(io), std::move(stream), std::move(peer),
                                                         std::move(shared), admission);
  thread.add(connection);
  connection->start();
  if (thread.draining()) connection->drain();
}

}  // namespace

void start_connection(std::shared_ptr<IoThread> io, Socket socket, std::shared_ptr<ServerShared> shared,
                      Admission admission) {
  error_code error;
  socket.set_option(asio::ip::tcp::no_delay(true), error);
  socket.non_blocking(true, error);
  Peer peer;
  const auto endpoint = socket.remote_endpoint(error);
  if (!error) {
    peer.address = endpoint.address().to_string();
    peer.port = endpoint.port();
  }
  if (!shared->options.tls)
    return launch(std::move(io), std::move(socket), std::move(peer), std::move(shared), admission);
  peer.tls = true;
  const TlsContextHandle context = shared->options.tls->current();
  SSL* ssl = SSL_new(context.get());
  if (ssl == nullptr) {
    return shared->closed(admission);
  }
  launch(std::move(io), TlsStream(std::move(socket), ssl), std::move(peer), std::move(shared), admission);
}

}  // namespace chaveiro::net
