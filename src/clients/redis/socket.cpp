#include "clients/redis/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "net/quiet_bio.h"

namespace chaveiro::redis {
namespace {

Error lost(std::string_view doing, int error) {
  return fail(Code::unavailable, "ConnectionLost",
              "Redis: " + std::string(doing) + ": " + std::generic_category().message(error));
}
Error closed() { return fail(Code::unavailable, "ConnectionLost", "Redis: the server closed the connection"); }

Result<int> open_and_connect(int family, const sockaddr* address, socklen_t size) {
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return lost("no socket", errno);
  if (family != AF_UNIX) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  }
  if (::connect(fd, address, size) != 0 && errno != EINPROGRESS) {
    const int error = errno;
    ::close(fd);
    return lost("connect", error);
  }
  return fd;
}

}  // namespace

Result<Socket> Socket::connect(const net::Address& address) {
  TRY(const int fd,
      open_and_connect(address.storage.ss_family, reinterpret_cast<const sockaddr*>(&address.storage), address.size));
  return Socket(fd);
}

Result<Socket> Socket::connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(Code::invalid, "BadPath", "Redis: the socket's path is too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  TRY(const int fd, open_and_connect(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  return Socket(fd);
}

Result<void> Socket::connected() const {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return lost("connect", error);
  return {};
}

Result<void> Socket::begin_tls(const net::TlsContextHandle& context, const std::string& name, bool verify) {
  ssl_ = SSL_new(context.get());
  BIO* const bio = ssl_ == nullptr ? nullptr : net::make_quiet_bio(fd_);
  if (bio == nullptr) return fail(Code::internal, "Tls", "Redis: no TLS session");
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_connect_state(ssl_);
  return net::expect_name(ssl_, name, verify);
}

Result<Socket::Moved> Socket::tls_outcome(int returned, std::string_view doing) {
  const int system_error = errno;
  switch (SSL_get_error(ssl_, returned)) {
    case SSL_ERROR_WANT_READ:
      return Moved{0, Wants::read};
    case SSL_ERROR_WANT_WRITE:
      return Moved{0, Wants::write};
    case SSL_ERROR_ZERO_RETURN:
      ERR_clear_error();
      return closed();
    case SSL_ERROR_SYSCALL:
      ERR_clear_error();
      return system_error == 0 ? closed() : lost(doing, system_error);
    default:
      break;
  }
  const long verified = SSL_get_verify_result(ssl_);
  const char* reason =
      verified != X509_V_OK ? X509_verify_cert_error_string(verified) : ERR_reason_error_string(ERR_peek_last_error());
  Error error = fail(Code::unavailable, verified != X509_V_OK ? "CertificateRefused" : "Tls",
                     "Redis: TLS: " + std::string(reason != nullptr ? reason : "failed"));
  ERR_clear_error();
  return error;
}

Result<Socket::Wants> Socket::handshake() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_);
  if (done == 1) return Wants::nothing;
  TRY(const Moved moved, tls_outcome(done, "TLS"));
  return moved.wants;
}

Result<Socket::Moved> Socket::read(char* into, std::size_t size) {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    std::size_t bytes = 0;
    const int done = SSL_read_ex(ssl_, into, size, &bytes);
    if (done == 1) return Moved{bytes, Wants::nothing};
    return tls_outcome(done, "read");
  }
  const ssize_t bytes = ::recv(fd_, into, size, 0);
  if (bytes > 0) return Moved{static_cast<std::size_t>(bytes), Wants::nothing};
  if (bytes == 0) return closed();
  if (errno == EAGAIN || errno == EINTR) return Moved{0, Wants::read};
  return lost("read", errno);
}

Result<Socket::Moved> Socket::write(std::string_view bytes) {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    std::size_t moved = 0;
    const int done = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &moved);
    if (done == 1) return Moved{moved, Wants::nothing};
    return tls_outcome(done, "write");
  }
  const ssize_t moved = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (moved >= 0) return Moved{static_cast<std::size_t>(moved), Wants::nothing};
  if (errno == EAGAIN || errno == EINTR) return Moved{0, Wants::write};
  return lost("write", errno);
}

void Socket::shut_down() {
  if (fd_ >= 0) ::shutdown(fd_, SHUT_RDWR);
}

void Socket::close() {
  if (ssl_ != nullptr) SSL_free(std::exchange(ssl_, nullptr));
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace chaveiro::redis
