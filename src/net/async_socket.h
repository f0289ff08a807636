// net/async_socket.h
//
// One connection, plain or TLS, that never waits: what cannot go on says what it waits for. For loops that own many of them.
//
// Threads: one at a time.
// Errors:  unavailable "ConnectionLost" (refused, reset, closed by the peer), "CertificateRefused", "TlsHandshakeFailed".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "net/resolver.h"
#include "net/tls.h"

struct ssl_st;

namespace chaveiro::net {

class AsyncSocket {
 public:
  AsyncSocket() = default;
  AsyncSocket(AsyncSocket&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), ssl_(std::exchange(other.ssl_, nullptr)) {}
  AsyncSocket& operator=(AsyncSocket&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(ssl_, other.ssl_);
    return *this;
  }
  ~AsyncSocket() { close(); }

  // Begins to connect; writable when that has ended.
  static Result<AsyncSocket> connect(const Address& address);
  // How the connecting ended.
  Result<void> connected() const;
  // From here on over TLS. The certificate must bear `name`, unless the context skips verification.
  Result<void> begin_tls(const TlsContextHandle& context, const std::string& name);

  enum class Wants : std::uint8_t { nothing, read, write };
  // Goes on with the handshake; `nothing`: it is done.
  Result<Wants> handshake();

  struct Moved {
    std::size_t bytes = 0;
    Wants wants = Wants::nothing;  // with 0 bytes: what it waits for
  };
  // An end of the connection is an error too.
  Result<Moved> read(char* into, std::size_t size);
  // TLS: what was not taken must be offered again, with the same bytes in front.
  Result<Moved> write(std::string_view bytes);

  int fd() const { return fd_; }
  bool is_tls() const { return ssl_ != nullptr; }
  void close();

 private:
  explicit AsyncSocket(int fd) : fd_(fd) {}
  Result<Moved> tls_outcome(int returned, int system_error);

  int fd_ = -1;
  ssl_st* ssl_ = nullptr;
};

}  // namespace chaveiro::net
