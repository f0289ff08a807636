#include "net/client_socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "net/quiet_bio.h"

namespace chaveiro::net {
namespace {

Error late(const char* what) {
  return fail(Code::deadline, "DeadlineExceeded", std::string("no time left to ") + what);
}
Error broken(int error) { return fail(Code::unavailable, "ConnectionLost", std::strerror(error)); }

// What happened on the socket; 0 when the deadline passed.
short wait_for(int fd, short events, Deadline deadline) {
  for (;;) {
    pollfd entry{fd, events, 0};
    int timeout = -1;
    if (deadline != Deadline::never()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.remaining()).count();
      timeout = static_cast<int>(std::clamp<long long>(left, 0, INT_MAX));
    }
    const int ready = ::poll(&entry, 1, timeout);
    if (ready > 0) return entry.revents;
    if (ready < 0 && errno != EINTR) return POLLERR;
    if (deadline.expired()) return 0;
  }
}

Error handshake_error(SSL* ssl, const Origin& origin) {
  const long verdict = SSL_get_verify_result(ssl);
  std::string why = "the TLS handshake failed";
  if (verdict != X509_V_OK) {
    why = std::string("the certificate is not accepted: ") + X509_verify_cert_error_string(verdict);
  } else if (const unsigned long code = ERR_peek_last_error(); code != 0) {
    const char* reason = ERR_reason_error_string(code);
    if (reason != nullptr) why += std::string(": ") + reason;
  }
  ERR_clear_error();
  return fail(Code::unavailable, "TlsHandshakeFailed", origin.to_string() + ": " + why);
}

Result<int> connect_one(const Address& address, Deadline deadline) {
  const int fd = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return broken(errno);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  int error = 0;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0) {
    error = errno;
    if (error == EINPROGRESS) {
      if (wait_for(fd, POLLOUT, deadline) == 0) {
        ::close(fd);
        return late("connect");
      }
      socklen_t size = sizeof error;
      if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    }
  }
  if (error == 0) return fd;
  ::close(fd);
  return fail(Code::unavailable, "ConnectFailed", std::strerror(error));
}

}  // namespace

Result<ClientSocket> ClientSocket::connect(const Origin& origin, const std::vector<Address>& addresses,
                                           const TlsClientContext* tls, Deadline deadline) {
  Error last = fail(Code::unavailable, "ConnectFailed", "no address");
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const auto left = static_cast<std::int64_t>(addresses.size() - i);
    const bool has_end = deadline != Deadline::never() && left > 1;
    const Deadline share = has_end ? Deadline::in(deadline.remaining() / left) : deadline;
    Result<int> fd = connect_one(addresses[i], share);
    if (!fd) {
      last = std::move(fd).error();
      continue;
    }
    ClientSocket socket(*fd);
    if (origin.tls) {
      CHECK(tls != nullptr);
      TRY_VOID(socket.start_tls(origin, *tls, deadline));
    }
    return socket;
  }
  last.message = origin.to_string() + ": " + last.message;
  return last;
}

Result<void> ClientSocket::start_tls(const Origin& origin, const TlsClientContext& tls, Deadline deadline) {
  ERR_clear_error();
  const TlsContextHandle context = tls.current();
  ssl_ = SSL_new(context.get());
  BIO* bio = ssl_ == nullptr ? nullptr : make_quiet_bio(fd_);
  if (bio == nullptr) return fail(Code::internal, "TlsHandshakeFailed", "no memory for a TLS session");
  SSL_set_bio(ssl_, bio, bio);
  TRY_VOID(expect_name(ssl_, origin.host));
  for (;;) {
    ERR_clear_error();
    const int done = SSL_connect(ssl_);
    if (done == 1) return {};
    const int error = SSL_get_error(ssl_, done);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return handshake_error(ssl_, origin);
    if (wait_for(fd_, error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline) == 0)
      return late("finish the TLS handshake");
  }
}

ClientSocket::ClientSocket(ClientSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), ssl_(std::exchange(other.ssl_, nullptr)) {}

ClientSocket& ClientSocket::operator=(ClientSocket&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(ssl_, other.ssl_);
  return *this;
}

ClientSocket::~ClientSocket() { close(); }

void ClientSocket::close() {
  if (ssl_ != nullptr) {
    if (SSL_is_init_finished(ssl_) == 1) SSL_shutdown(ssl_);  // says good-bye, waits for nothing
    SSL_free(ssl_);
    ERR_clear_error();
    ssl_ = nullptr;
  }
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<std::size_t> ClientSocket::read(char* into, std::size_t size, Deadline deadline) {
  for (;;) {
    short events = POLLIN;
    if (ssl_ == nullptr) {
      const ssize_t got = ::recv(fd_, into, size, 0);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return broken(errno);
    } else {
      ERR_clear_error();
      const int got = SSL_read(ssl_, into, static_cast<int>(std::min<std::size_t>(size, INT_MAX)));
      if (got > 0) return static_cast<std::size_t>(got);
      const int error = SSL_get_error(ssl_, got);
      if (error == SSL_ERROR_ZERO_RETURN) return std::size_t{0};
      if (error == SSL_ERROR_WANT_WRITE) events = POLLOUT;
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
        // An end without good-bye may be an attacker's: it is no clean close.
        const unsigned long code = ERR_peek_last_error();
        const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
        ERR_clear_error();
        return fail(Code::unavailable, "ConnectionLost", reason != nullptr ? reason : "the TLS connection broke off");
      }
    }
    if (wait_for(fd_, events, deadline) == 0) return late("read the answer");
  }
}

Result<ClientSocket::Written> ClientSocket::write(std::string_view bytes, Deadline deadline) {
  Written written;
  while (written.bytes < bytes.size()) {
    const std::string_view rest = bytes.substr(written.bytes);
    short events = POLLOUT;
    if (ssl_ == nullptr) {
      const ssize_t sent = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent >= 0) {
        written.bytes += static_cast<std::size_t>(sent);
        continue;
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return broken(errno);
    } else {
      ERR_clear_error();
      const int sent = SSL_write(ssl_, rest.data(), static_cast<int>(std::min<std::size_t>(rest.size(), INT_MAX)));
      if (sent > 0) {
        written.bytes += static_cast<std::size_t>(sent);
        continue;
      }
      const int error = SSL_get_error(ssl_, sent);
      ERR_clear_error();
      if (error == SSL_ERROR_WANT_READ) events = POLLIN;
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
        return fail(Code::unavailable, "ConnectionLost", "the TLS connection broke off");
      }
    }
    const short wanted = ssl_ == nullptr ? static_cast<short>(POLLOUT | POLLIN) : events;
    const short happened = wait_for(fd_, wanted, deadline);
    if (happened == 0) return late("send the request");
    if (ssl_ == nullptr && (happened & POLLOUT) == 0 && (happened & POLLIN) != 0) {
      written.answered_early = true;
      return written;
    }
  }
  return written;
}

bool ClientSocket::is_dead() const {
  pollfd entry{fd_, POLLIN, 0};
  if (::poll(&entry, 1, 0) == 0) return false;
  if (ssl_ == nullptr || (entry.revents & (POLLERR | POLLHUP)) != 0) return true;
  // Under TLS 1.3 session tickets may lie there: let OpenSSL take them and see whether more than that came.
  char byte = 0;
  ERR_clear_error();
  const int got = SSL_peek(ssl_, &byte, 1);
  const bool nothing = got <= 0 && SSL_get_error(ssl_, got) == SSL_ERROR_WANT_READ;
  ERR_clear_error();
  return !nothing;
}

}  // namespace chaveiro::net
