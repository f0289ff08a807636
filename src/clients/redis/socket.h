// clients/redis/socket.h
//
// Socket: one non-blocking connection, TCP, unix or TLS. It never waits: what cannot go on says what it waits for.
//
// Threads: plain: one reader and one writer at a time. TLS: one thread at a time for both.
// Errors:  unavailable, with the reason of the system or of the certificate check.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "net/resolver.h"
#include "net/tls.h"

struct ssl_st;

namespace chaveiro::redis {

class Socket {
 public:
  Socket() = default;
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)), ssl_(std::exchange(other.ssl_, nullptr)) {}
  Socket& operator=(Socket&& other) noexcept {
    close();
    fd_ = std::exchange(other.fd_, -1);
    ssl_ = std::exchange(other.ssl_, nullptr);
    return *this;
  }
  ~Socket() { close(); }

  // Begins to connect; writable when it has ended.
  static Result<Socket> connect(const net::Address& address);
  static Result<Socket> connect_unix(const std::string& path);
  // How the connecting ended.
  Result<void> connected() const;
  // From here on over TLS. `verify`: the certificate must bear `name`.
  Result<void> begin_tls(const net::TlsContextHandle& context, const std::string& name, bool verify);

  enum class Wants : std::uint8_t { nothing, read, write };
  // Goes on with the TLS handshake; `nothing`: it is done.
  Result<Wants> handshake();

  struct Moved {
    std::size_t bytes = 0;
    Wants wants = Wants::nothing;  // with 0 bytes: what it waits for
  };
  // Errors: unavailable; also when the peer has closed.
  Result<Moved> read(char* into, std::size_t size);
  Result<Moved> write(std::string_view bytes);

  int fd() const { return fd_; }
  bool is_tls() const { return ssl_ != nullptr; }
  // Both directions end; the descriptor stays until close().
  void shut_down();
  void close();

 private:
  explicit Socket(int fd) : fd_(fd) {}
  Result<Moved> tls_outcome(int returned, std::string_view doing);
  int fd_ = -1;
  ssl_st* ssl_ = nullptr;
};

}  // namespace chaveiro::redis
