// net/connection.h
//
// One connection of the server. It is a reading side (head, body) and an answering side (owed, streaming) that share a socket;
// a request is over when both are. All of it runs on its IoThread; only ServerExchange's functions come from elsewhere.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>

#include "base/guarded.h"
#include "net/io_thread.h"
#include "net/server.h"

namespace chaveiro::net {

// The executor is spelled out because the general one costs a virtual call and more for every operation.
using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

enum class Admission : std::uint8_t { serve, refuse };  // refuse: 503 and close

// Counted from accept to close. Refused ones apart, so that many of them do not keep others out.
struct OpenConnections {
  std::size_t served = 0;
  std::size_t refused = 0;
  std::size_t& of(Admission admission) { return admission == Admission::serve ? served : refused; }
};

// What all connections of a server have in common.
struct ServerShared {
  ServerOptions options;
  Handler handler;
  Guarded<OpenConnections> open;

  void closed(Admission admission) {
    open.with([&](OpenConnections& all) { --all.of(admission); });
    open.notify_all();
  }
};

// To be called on `io`; the connection keeps itself alive until it is closed.
void start_connection(std::shared_ptr<IoThread> io, Socket socket, std::shared_ptr<ServerShared> shared,
                      Admission admission);

}  // namespace chaveiro::net
