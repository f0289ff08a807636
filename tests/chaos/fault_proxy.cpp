#include "tests/chaos/fault_proxy.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace chaveiro::tests {
namespace {

sockaddr_in local(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace

FaultProxy::FaultProxy(std::uint16_t server)
    : server_(server), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = local(0);
  socklen_t size = sizeof(address);
  ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
  ::listen(listener_, 64);
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { loop(); });
}

FaultProxy::~FaultProxy() {
  stopping_ = true;
  thread_.join();
  for (const auto& [fd, peer] : peers_) ::close(fd);
  ::close(listener_);
}

void FaultProxy::loop() {
  while (!stopping_) {
    std::vector<pollfd> polled{{listener_, POLLIN, 0}};
    if (fault_ != Fault::partition) {
      for (const auto& [fd, peer] : peers_) polled.push_back({fd, POLLIN, 0});
    }
    (void)::poll(polled.data(), polled.size(), 5);
    if (polled[0].revents != 0 && fault_ != Fault::partition) {
      const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const sockaddr_in address = local(server_);
      if (client >= 0 && ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
        peers_[client] = server, peers_[server] = client;
        is_client_[client] = true, is_client_[server] = false;
      } else {
        if (client >= 0) ::close(client);
        ::close(server);
      }
    }
    for (std::size_t i = 1; i < polled.size(); ++i) {
      const int fd = polled[i].fd;
      if (polled[i].revents == 0 || !peers_.contains(fd)) continue;
      const int peer = peers_[fd];
      if (pass_on(fd, peer, !is_client_[fd])) continue;
      for (const int end : {fd, peer}) ::close(end), peers_.erase(end), is_client_.erase(end);
    }
  }
}

bool FaultProxy::pass_on(int from, int to, bool is_answer) {
  char some[65536];
  const ssize_t count = ::recv(from, some, sizeof(some), 0);
  if (count <= 0) return false;
  const std::string_view bytes(some, static_cast<std::size_t>(count));
  const Fault fault = is_answer ? fault_.load() : Fault::none;
  const bool now = ++turns_ % 7 == 0;
  switch (fault) {
    case Fault::halve: {
      if (!send_all(to, bytes.substr(0, bytes.size() / 2))) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds{2});
      return send_all(to, bytes.substr(bytes.size() / 2));
    }
    case Fault::garbage:
      if (now && !send_all(to, "?\xff\x00 garbage\r\n")) return false;
      break;
    case Fault::half_closed:
      if (now) return ::shutdown(to, SHUT_WR) == 0;
      break;
    case Fault::cut:
      if (now) return send_all(to, bytes.substr(0, bytes.size() / 2)), false;
      break;
    default:
      break;
  }
  return send_all(to, bytes);
}

}  // namespace chaveiro::tests
