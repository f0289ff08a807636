// tests/support/cut_connections.h
//
// Cuts this process's own TCP connections to a port, as a network does that fails: whoever reads or writes on them finds out.
//
// Threads: any, as long as no other one opens and closes connections to that port meanwhile.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>

namespace chaveiro::tests {

inline int cut_connections_to(std::uint16_t port) {
  constexpr int descriptors_max = 1024;
  int cut = 0;
  for (int fd = 0; fd < descriptors_max; ++fd) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as the sockets' interface wants it
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0 || peer.ss_family != AF_INET) continue;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    if (ntohs(reinterpret_cast<const sockaddr_in*>(&peer)->sin_port) != port) continue;
    if (::shutdown(fd, SHUT_RDWR) == 0) ++cut;
  }
  return cut;
}

}  // namespace chaveiro::tests
