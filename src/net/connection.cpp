#include "net/connection.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <utility>

#include "net/served_connection.h"

namespace chaveiro::net {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;

constexpr milliseconds linger_time{1'000};  // a refused peer may go on sending so long before it is cut

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

template <class Stream>
void Connection<Stream>::start() {
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

template <class Stream>
void Connection<Stream>::respond(std::uint64_t request, Response response) {
  if (handing_over_ == this) return answer(request, std::move(response));
  io_->post([self = self(), request, response = std::move(response)]() mutable {
    self->answer(request, std::move(response));
    self->advance();
  });
}

template <class Stream>
std::shared_ptr<BodyPipe> Connection<Stream>::respond_streaming(std::uint64_t request, Response head) {
  auto pipe = make_pipe(Pipe::answer);
  if (handing_over_ == this) {
    answer_streaming(request, head, pipe);
  } else {
    io_->post([self = self(), request, head = std::move(head), pipe]() {
      self->answer_streaming(request, head, pipe);
      self->advance();
    });
  }
  return pipe;
}

template <class Stream>
void Connection<Stream>::tick(SteadyTime now) {
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

template <class Stream>
void Connection<Stream>::drain() {
  draining_ = true;
  keep_ = false;
  if (is_idle() || reading_ == Reading::handshake) close();
}

template <class Stream>
std::shared_ptr<BodyPipe> Connection<Stream>::make_pipe(Pipe pipe) {
  std::weak_ptr<Connection> weak = this->weak_from_this();
  return std::make_shared<BodyPipe>(options_.stream_window_bytes, [weak, pipe] {
    const auto self = weak.lock();
    if (!self) return;
    self->io_->post([self, pipe] {
      if (self->closed_) return;
      if (pipe == Pipe::body) self->resume_reading();
      self->advance();
    });
  });
}

template <class Stream>
void Connection<Stream>::handshake_done() {
  if constexpr (is_tls) {
    SSL* ssl = stream_.native_handle();
    peer_.verified = SSL_get0_peer_certificate(ssl) != nullptr && SSL_get_verify_result(ssl) == X509_V_OK;
    if (peer_.verified) peer_.subject = subject_of(ssl);
  }
  reading_ = Reading::head;
  advance();
}

template <class Stream>
void Connection<Stream>::advance() {
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

template <class Stream>
bool Connection<Stream>::write_out() {
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

template <class Stream>
void Connection<Stream>::write_more() {
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

template <class Stream>
void Connection<Stream>::end() {
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

template <class Stream>
void Connection<Stream>::abort() {
  error_code ignored;
  socket().set_option(asio::socket_base::linger(true, 0), ignored);
  close();
}

template <class Stream>
void Connection<Stream>::drop(const char* why) {
  if (options_.observer.dropped) options_.observer.dropped(why);
  close();
}

template <class Stream>
void Connection<Stream>::close() {
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

template class Connection<Socket>;
template class Connection<TlsStream>;

}  // namespace chaveiro::net
