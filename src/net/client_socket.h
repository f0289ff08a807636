// net/client_socket.h
//
// The client's end of one connection, plain or TLS, whose every step obeys a deadline.
//
// Threads: one at a time.
// Errors:  unavailable (refused, reset, certificate not accepted), deadline.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "net/http.h"
#include "net/resolver.h"
#include "net/tls.h"

struct ssl_st;

namespace chaveiro::net {

class ClientSocket {
 public:
  // Tries the addresses one after another; each gets a fair share of the time. `tls` is needed where origin.tls.
  static Result<ClientSocket> connect(const Origin& origin, const std::vector<Address>& addresses,
                                      const TlsClientContext* tls, Deadline deadline);
  ClientSocket(ClientSocket&& other) noexcept;
  ClientSocket& operator=(ClientSocket&& other) noexcept;
  ~ClientSocket();

  // At least one byte, or 0: the peer has closed.
  Result<std::size_t> read(char* into, std::size_t size, Deadline deadline);

  struct Written {
    std::size_t bytes = 0;
    bool answered_early = false;  // the peer takes no more and has sent something (plain connections only)
  };
  Result<Written> write(std::string_view bytes, Deadline deadline);

  // Closed by the peer, or with bytes that nobody asked for. Only for a connection without an exchange under way.
  bool is_dead() const;

 private:
  explicit ClientSocket(int fd) : fd_(fd) {}
  Result<void> start_tls(const Origin& origin, const TlsClientContext& tls, Deadline deadline);
  void close();

  int fd_ = -1;
  ssl_st* ssl_ = nullptr;
};

}  // namespace chaveiro::net
