#include "net/async_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "net/quiet_bio.h"

namespace chaveiro::net {
namespace {

Error lost(int error) {
  return fail(Code::unavailable, "ConnectionLost",
              error == 0 ? "the peer has closed" : std::generic_category().message(error));
}

}  // namespace

Result<AsyncSocket> AsyncSocket::connect(const Address& address) {
  AsyncSocket socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.fd_ < 0) return lost(errno);
  const int on = 1;
  ::setsockopt(socket.fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(socket.fd_, reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0 &&
      errno != EINPROGRESS)
    return lost(errno);
  return socket;
}

Result<void> AsyncSocket::connected() const {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return lost(error);
  return {};
}

Result<void> AsyncSocket::begin_tls(const TlsContextHandle& context, const std::string& name) {
  ssl_ = SSL_new(context.get());
  BIO* const bio = ssl_ == nullptr ? nullptr : make_quiet_bio(fd_);
  if (bio == nullptr) return fail(Code::internal, "TlsHandshakeFailed", "no memory for a TLS session");
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_mode(ssl_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_set_connect_state(ssl_);
  return expect_name(ssl_, name);
}

Result<AsyncSocket::Moved> AsyncSocket::tls_outcome(int returned, int system_error) {
  switch (SSL_get_error(ssl_, returned)) {
    case SSL_ERROR_WANT_READ:
      return Moved{0, Wants::read};
    case SSL_ERROR_WANT_WRITE:
      return Moved{0, Wants::write};
    case SSL_ERROR_ZERO_RETURN:
      ERR_clear_error();
      return lost(0);
    case SSL_ERROR_SYSCALL:
      ERR_clear_error();
      return lost(system_error);
    default:
      break;
  }
  const long verdict = SSL_get_verify_result(ssl_);
  const char* const why =
      verdict != X509_V_OK ? X509_verify_cert_error_string(verdict) : ERR_reason_error_string(ERR_peek_last_error());
  const std::string text = why != nullptr ? why : "the TLS connection broke off";
  ERR_clear_error();
  return fail(Code::unavailable, verdict != X509_V_OK ? "CertificateRefused" : "TlsHandshakeFailed", text);
}

Result<AsyncSocket::Wants> AsyncSocket::handshake() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_);
  if (done == 1) return Wants::nothing;
  TRY(const Moved moved, tls_outcome(done, errno));
  return moved.wants;
}

Result<AsyncSocket::Moved> AsyncSocket::read(char* into, std::size_t size) {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    std::size_t bytes = 0;
    const int done = SSL_read_ex(ssl_, into, size, &bytes);
    if (done == 1) return Moved{bytes, Wants::nothing};
    return tls_outcome(done, errno);
  }
  const ssize_t bytes = ::recv(fd_, into, size, 0);
  if (bytes > 0) return Moved{static_cast<std::size_t>(bytes), Wants::nothing};
  if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) return Moved{0, Wants::read};
  return lost(bytes == 0 ? 0 : errno);
}

Result<AsyncSocket::Moved> AsyncSocket::write(std::string_view bytes) {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    std::size_t moved = 0;
    const int done = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &moved);
    if (done == 1) return Moved{moved, Wants::nothing};
    return tls_outcome(done, errno);
  }
  const ssize_t moved = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (moved >= 0) return Moved{static_cast<std::size_t>(moved), Wants::nothing};
  if (errno == EAGAIN || errno == EINTR) return Moved{0, Wants::write};
  return lost(errno);
}

void AsyncSocket::close() {
  if (ssl_ != nullptr) {
    if (SSL_is_init_finished(ssl_) == 1) SSL_shutdown(ssl_);  // says good-bye, waits for nothing
    SSL_free(std::exchange(ssl_, nullptr));
    ERR_clear_error();
  }
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace chaveiro::net
