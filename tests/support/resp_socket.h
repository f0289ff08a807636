// tests/support/resp_socket.h
//
// The plainest Redis client that can be: one blocking connection, one command at a time, made for tests that must look at a server with
// other eyes than those under test. It shares no code with the client.
//
// Threads: one at a time.
// Errors:  throws; the test fails.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace chaveiro::tests {

struct RespReply {
  char type = '_';  // as on the wire: + - : $ * and > ~ % of RESP3; _ for nothing
  std::string text;
  std::vector<RespReply> items;

  bool is_error() const { return type == '-'; }
  std::int64_t number() const { return std::stoll(text); }
};

class RespSocket {
 public:
  // Of a Unix socket, or of a port of this machine.
  explicit RespSocket(const std::string& path);
  explicit RespSocket(std::uint16_t port);
  ~RespSocket();
  RespSocket(RespSocket&& other) noexcept;
  RespSocket& operator=(RespSocket&&) = delete;

  RespReply command(const std::vector<std::string>& words);
  void send(const std::string& bytes);
  RespReply receive();

 private:
  std::string line();
  std::string bytes(std::size_t count);
  void fill();

  int fd_ = -1;
  std::string buffer_;
};

}  // namespace chaveiro::tests
