// clients/pulsar/connection.h
//
// One connection to a broker, shared by every producer and consumer of a client that the broker serves: name look-up, connect, TLS,
// greeting, requests and their answers, keep-alive, frames to whom they belong.
//
// Threads: the loop's only. Callbacks come from the loop, never from within the call that gave them.
// Time:    nothing waits; a slow name server holds up nobody else.
// Errors:  unavailable "BrokerUnavailable" (refused, cut, silent), "CertificateRefused", unauthenticated, deadline, and what the broker
//          answers (errors.h).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/secret.h"
#include "clients/pulsar/errors.h"
#include "clients/pulsar/loop.h"
#include "clients/pulsar/wire/frame.h"
#include "net/async_socket.h"

namespace chaveiro::clients::pulsar {

struct ConnectionOptions {
  std::string host;
  std::uint16_t port = 6650;
  std::string proxy_to;            // "host:port" of the broker behind a proxy; empty: none
  net::TlsContextHandle tls;       // null: plain
  bool shows_certificate = false;  // of ours, which tells the broker who we are
  // The JWT, asked for at each greeting and whenever the broker wants it anew; it must not wait. Empty function: none.
  std::function<Secret()> token;
  Micros connect_time_max = std::chrono::seconds{10};
  Micros keep_alive = std::chrono::seconds{30};  // silent for so long: a ping; for twice as long: cut
};

// A producer or consumer as the connection sees it.
class Resident {
 public:
  virtual ~Resident() = default;
  // Frames that name it. What the frame points at is gone afterwards.
  virtual void on_frame(const wire::Frame& frame) = 0;
  virtual void on_gone(const Error& error) = 0;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Answer = std::function<void(Result<wire::Frame>)>;
  using Ready = std::function<void(Result<void>)>;

  Connection(Loop& loop, net::Resolver& resolver, ConnectionOptions options)
      : loop_(loop), resolver_(resolver), options_(std::move(options)) {}

  void open();
  // Called once the greeting is over, at once where it is.
  void when_ready(Ready ready);
  bool alive() const { return state_ != State::gone; }
  std::size_t message_max() const { return message_max_; }

  void send(std::string_view frames);
  // The command must carry this request id.
  template <class Command>
  void request(const Command& command, Deadline deadline, Answer answer) {
    std::string frame;
    wire::append_frame(frame, command);
    request(command.request_id, frame, deadline, std::move(answer));
  }
  void request(std::uint64_t id, std::string_view frame, Deadline deadline, Answer answer);
  // One more answer to a request that was answered before.
  void await(std::uint64_t id, Answer answer) { asked_.emplace(id, Asked{std::move(answer), Deadline::never()}); }

  // Told of frames that name it, and of the end, as long as it lives.
  void add_producer(std::uint64_t id, std::weak_ptr<Resident> resident) { producers_[id] = std::move(resident); }
  void add_consumer(std::uint64_t id, std::weak_ptr<Resident> resident) { consumers_[id] = std::move(resident); }
  void remove_producer(std::uint64_t id) { producers_.erase(id); }
  void remove_consumer(std::uint64_t id) { consumers_.erase(id); }

  void close(const Error& why);

 private:
  enum class State : std::uint8_t { resolving, connecting, shaking_hands, greeting, ready, gone };

  void resolved(Result<std::vector<net::Address>> addresses);
  void connect_next(const std::string& why);
  void connected();
  void shake_hands();
  void greet();
  void on_events(std::uint32_t events);
  void read_all();
  void read_frames();
  void handle(const wire::Frame& frame);
  void answer(std::uint64_t id, Result<wire::Frame> frame);
  void flush();
  void write_some();
  void tick();
  void settle(const Result<void>& how);
  Error lost(const std::string& why) const;

  Loop& loop_;
  net::Resolver& resolver_;
  const ConnectionOptions options_;
  State state_ = State::resolving;
  std::vector<net::Address> addresses_;
  std::size_t next_address_ = 0;
  net::AsyncSocket socket_;
  bool wants_write_ = false;
  bool flush_posted_ = false;
  wire::FrameReader reader_;
  std::deque<std::string> out_;  // in blocks, so that the rest need not move when the front has gone
  std::size_t out_at_ = 0;       // in the first
  std::string spare_block_;      // its memory is used again
  std::size_t message_max_ = wire::message_size_max_default;
  SteadyTime heard_at_{}, pinged_at_{};
  std::vector<Ready> waiting_;
  struct Asked {
    Answer answer;
    Deadline deadline;
  };
  std::unordered_map<std::uint64_t, Asked> asked_;
  using Residents = std::unordered_map<std::uint64_t, std::weak_ptr<Resident>>;
  Residents producers_, consumers_;
};

}  // namespace chaveiro::clients::pulsar
