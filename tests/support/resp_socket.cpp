#include "tests/support/resp_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>
#include <utility>

namespace chaveiro::tests {
namespace {

int connected(int family, const sockaddr* address, socklen_t size) {
  const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{10, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  if (::connect(fd, address, size) != 0) {
    ::close(fd);
    throw std::runtime_error(std::string("cannot connect to the server: ") + std::strerror(errno));
  }
  return fd;
}

}  // namespace

RespSocket::RespSocket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) throw std::runtime_error("the path of the socket is too long: " + path);
  std::memcpy(address.sun_path, path.data(), path.size());
  fd_ = connected(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

RespSocket::RespSocket(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  fd_ = connected(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

RespSocket::RespSocket(RespSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}

RespSocket::~RespSocket() {
  if (fd_ >= 0) ::close(fd_);
}

RespReply RespSocket::command(const std::vector<std::string>& words) {
  std::string request = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) request += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  send(request);
  return receive();
}

void RespSocket::send(const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t count = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) throw std::runtime_error("the server takes nothing");
    sent += static_cast<std::size_t>(count);
  }
}

void RespSocket::fill() {
  char some[16384];
  const ssize_t count = ::recv(fd_, some, sizeof(some), 0);
  if (count <= 0) throw std::runtime_error(count == 0 ? "the server hung up" : "the server does not answer");
  buffer_.append(some, static_cast<std::size_t>(count));
}

std::string RespSocket::line() {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n")) == std::string::npos) fill();
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return line;
}

std::string RespSocket::bytes(std::size_t count) {
  while (buffer_.size() < count + 2) fill();
  std::string bytes = buffer_.substr(0, count);
  buffer_.erase(0, count + 2);
  return bytes;
}

RespReply RespSocket::receive() {
  const std::string head = line();
  RespReply reply{head.at(0), head.substr(1), {}};
  if (reply.type == '_') return {};
  if (reply.type == '$') {
    const auto size = reply.number();
    if (size < 0) return {};
    reply.text = bytes(static_cast<std::size_t>(size));
  } else if (std::string_view("*>~%").find(reply.type) != std::string_view::npos) {
    const auto count = reply.type == '%' ? 2 * reply.number() : reply.number();
    if (count < 0) return {};
    reply.text.clear();
    for (std::int64_t i = 0; i < count; ++i) reply.items.push_back(receive());
  }
  return reply;
}

}  // namespace chaveiro::tests
