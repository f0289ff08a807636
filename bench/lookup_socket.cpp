#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "bench/lookup_connection.h"

namespace chaveiro::bench {
namespace {

constexpr std::size_t arrived_bytes_max = 256 * 1024;

bool must_wait() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

Nanos steady_nanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Socket::Socket(std::uint16_t port)
    : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      arrived_(std::make_unique<char[]>(arrived_bytes_max)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (descriptor_ < 0 || ::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    stop("cannot connect to port " + std::to_string(port) + ": " + std::strerror(errno));
  const int on = 1;
  ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::fcntl(descriptor_, F_SETFL, O_NONBLOCK);
}

Socket::~Socket() { ::close(descriptor_); }

void Socket::send() {
  std::size_t sent = 0;
  while (sent < unsent_.size()) {
    const auto taken = ::send(descriptor_, unsent_.data() + sent, unsent_.size() - sent, MSG_NOSIGNAL);
    if (taken < 0) {
      if (must_wait()) break;
      stop(std::string("the server closed a connection: ") + std::strerror(errno));
    }
    sent += static_cast<std::size_t>(taken);
  }
  unsent_.erase(0, sent);
}

std::string_view Socket::receive() {
  const auto count = ::recv(descriptor_, arrived_.get(), arrived_bytes_max, 0);
  if (count == 0) stop("the server closed a connection");
  if (count < 0) {
    if (must_wait()) return {};
    stop(std::string("a connection broke: ") + std::strerror(errno));
  }
  return {arrived_.get(), static_cast<std::size_t>(count)};
}

}  // namespace chaveiro::bench
