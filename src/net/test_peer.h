// net/test_peer.h
//
// For tests: the bare ends of connections, which send exactly the bytes that they are told and read what comes. Every wait
// ends after ten seconds with what there is until then.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "net/parser.h"

namespace chaveiro::net {

inline Deadline soon() { return Deadline::in(std::chrono::seconds{10}); }

class TestPeer {
 public:
  static TestPeer connect(std::uint16_t port, int receive_buffer = 0) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0) ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address = loopback(port);
    const bool connected = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    TestPeer peer(fd);
    peer.connected_ = connected;
    return peer;
  }
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  explicit TestPeer(int fd) : fd_(fd) {}
  TestPeer(TestPeer&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_), unread_(std::move(other.unread_)) {}
  TestPeer& operator=(TestPeer&&) = delete;
  ~TestPeer() { close(); }

  bool connected() const { return connected_; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void reset() {
    const linger hard{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
  }

  // Blocks while the other side takes nothing. False when the connection is gone.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // Sends as much as goes without waiting.
  std::size_t send_what_fits(std::string_view bytes) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? 0 : static_cast<std::size_t>(sent);
  }

  // One whole response; its status is 0 when none came.
  Response response(Method answers = Method::get) {
    ResponseParser parser({.header_bytes_max = 64 * 1024, .header_count_max = 256});
    parser.begin(answers);
    ParseStep step;
    do {
      step = parser.head(unread_);
      unread_.erase(0, step.consumed);
      const bool stuck = step.progress == ParseStep::Progress::need_more && step.consumed == 0;
      if (step.progress == ParseStep::Progress::refused || (stuck && !read_some())) return {0, {}, {}};
    } while (step.progress != ParseStep::Progress::done);
    keep_alive_ = parser.keep_alive();
    while (parser.has_body()) {
      step = parser.body(unread_, parser.response().body);
      unread_.erase(0, step.consumed);
      if (step.progress == ParseStep::Progress::done) break;
      if (step.progress == ParseStep::Progress::refused) return {0, {}, {}};
      if (!read_some() && !parser.ends_at_close()) return {0, {}, {}};
    }
    return std::move(parser.response());
  }
  bool keep_alive() const { return keep_alive_; }  // as the last response said

  // Reads until `mark` has come, and returns all up to its end; what came until then if it does not come.
  std::string until(std::string_view mark) {
    std::size_t at = unread_.find(mark);
    while (at == std::string::npos && read_some()) at = unread_.find(mark);
    const std::size_t size = at == std::string::npos ? unread_.size() : at + mark.size();
    std::string text = unread_.substr(0, size);
    unread_.erase(0, size);
    return text;
  }
  std::string rest() {
    while (read_some()) {}
    return std::exchange(unread_, {});
  }
  bool readable_within(std::chrono::milliseconds time) const { return ready_within(time, POLLIN); }
  bool writable_within(std::chrono::milliseconds time) const { return ready_within(time, POLLOUT); }
  // Whether the other side closes within ten seconds, having sent nothing more.
  bool closed() { return unread_.empty() && !read_some() && gone_; }

 private:
  bool ready_within(std::chrono::milliseconds time, short events) const {
    pollfd entry{fd_, events, 0};
    return ::poll(&entry, 1, static_cast<int>(time.count())) > 0;
  }
  bool read_some() {
    pollfd entry{fd_, POLLIN, 0};
    if (::poll(&entry, 1, 10'000) <= 0) return false;
    char bytes[16 * 1024];
    const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    gone_ = got <= 0;
    if (got <= 0) return false;
    unread_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }

  int fd_;
  bool connected_ = true;
  bool gone_ = false;
  bool keep_alive_ = false;
  std::string unread_;
};

// Listens on a free port of the loopback.
class TestListener {
 public:
  TestListener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = TestPeer::loopback(0);
    ::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(fd_, 16);
    socklen_t size = sizeof address;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~TestListener() { ::close(fd_); }
  TestListener(const TestListener&) = delete;
  TestListener& operator=(const TestListener&) = delete;

  std::uint16_t port() const { return port_; }
  TestPeer accept() { return TestPeer(::accept(fd_, nullptr, nullptr)); }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

}  // namespace chaveiro::net
