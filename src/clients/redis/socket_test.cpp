#include "clients/redis/socket.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tls.h"

namespace chaveiro::redis {
namespace {

// Who uses the client alone may not have silenced SIGPIPE: its default ends the process.
TEST(RedisSocket, a_dead_connection_is_an_error_and_no_signal_over_tls_too) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  net::Address address;
  address.storage.ss_family = AF_INET;
  reinterpret_cast<sockaddr_in*>(&address.storage)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.size = sizeof(sockaddr_in);
  auto* const bound = reinterpret_cast<sockaddr*>(&address.storage);
  ASSERT_EQ(::bind(listener, bound, address.size), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  ASSERT_EQ(::getsockname(listener, bound, &address.size), 0);
  const auto tls = net::TlsClientContext::load({.skip_verify = true});
  ASSERT_TRUE(tls) << tls.error().message;
  auto socket = Socket::connect(address);
  ASSERT_TRUE(socket) << socket.error().message;
  ASSERT_TRUE(socket->begin_tls((*tls)->current(), "localhost", false));
  socket->shut_down();
  const auto shaken = socket->handshake();
  ASSERT_FALSE(shaken);
  EXPECT_EQ(shaken.error().code, Code::unavailable);
  ::close(listener);
}

TEST(RedisSocket, never_verifies_a_certificate_for_no_name) {
  const auto tls = net::TlsClientContext::load({});
  ASSERT_TRUE(tls) << tls.error().message;
  Socket socket;
  EXPECT_FALSE(socket.begin_tls((*tls)->current(), "", true));
}

}  // namespace
}  // namespace chaveiro::redis
