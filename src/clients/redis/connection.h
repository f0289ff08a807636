// clients/redis/connection.h
//
// Connection: the thin shell that moves bytes between a Session and a socket, and makes the socket anew when it is lost. Callers
// hand in requests from any thread; whoever finds nobody writing writes, and what comes meanwhile goes out with the next write: that is
// the automatic pipelining. A caller who is alone also reads its own answer ("drives"), which saves two changes of thread.
//
// Guarantees: each request comes back once: finished, or given to the owner (an error line, a lost connection).
// Threads: any. Two roles, the reader's and the writer's, are each held by one thread at a time; the socket is closed only when both
//          are free. Over TLS both belong to the I/O thread. The owner is called without a lock.
// Time:    nothing here waits but drive(), to its deadline. Limits of time are looked at by the I/O thread's tick (100 ms).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "clients/redis/io_thread.h"
#include "clients/redis/names.h"
#include "clients/redis/options.h"
#include "clients/redis/socket.h"
#include "clients/redis/wire/backoff.h"
#include "clients/redis/wire/greeting.h"
#include "clients/redis/wire/parser.h"
#include "clients/redis/wire/roles.h"
#include "clients/redis/wire/session.h"
#include "net/tls.h"

namespace chaveiro::redis {

struct ConnectionOptions {
  Endpoint endpoint;
  // Asked before each dial.
  std::function<GreetingOptions()> greeting = {};
  std::shared_ptr<net::TlsClientContext> tls = {};  // empty: plain
  std::function<void()> renew_tls = {};             // called before each handshake; empty: `tls` stays as it is
  std::string tls_name = {};                        // the name that the certificate must bear
  SessionOptions session = {};
  ParserOptions parser = {};
  Micros dial_timeout = std::chrono::seconds{5};
  Micros read_timeout = std::chrono::seconds{3};
  Micros write_timeout = std::chrono::seconds{3};
  Micros health_check = std::chrono::seconds{10};  // 0: never
  Micros reconnect_delay_min = std::chrono::milliseconds{20};
  Micros reconnect_delay_max = std::chrono::seconds{2};
  bool comes_back = true;            // false: one socket, and that is it
  bool callers_drive = true;         // false: only the I/O thread reads
  std::shared_ptr<void> keeps = {};  // lives as long as the connection: its owner, where nobody else keeps it
};

// For so long after a connection was lost, requests wait for its return; then they are refused at once. The first dial may take its
// whole time.
inline constexpr auto outage_patience = std::chrono::seconds{1};

class Connection final : public IoThread::Source, public std::enable_shared_from_this<Connection> {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // Before its answer is handed out, whatever it is.
    virtual void on_answered(Connection&, const Request&, const Value&, SteadyTime) {}
    virtual void on_error_line(Connection&, Request&& request, Value&& line) = 0;
    virtual void on_lost(Connection&, Request&& request, const Error& why, bool sent) = 0;
    virtual void on_late(Connection&) {}
    // On the I/O thread.
    virtual void on_push(Connection&, Value&&) {}
    virtual void on_up(Connection&, const ServerIdentity&, const std::vector<Value>&) {}
    virtual void on_down(Connection&, const Error&, bool) {}  // whether it had been up
  };

  // Owner, names and I/O thread outlive it.
  Connection(IoThread& io, Names& names, ConnectionOptions options, Owner& owner);
  ~Connection() override;

  // Begins to dial; `place` in errors and logs is the endpoint.
  void start();

  enum class Drive : std::uint8_t { no, yes };
  // yes: the caller may drive(), and must.
  Drive send(Request request, bool may_drive = false);
  // In one piece: nothing of others between them.
  void send_all(std::vector<Request> requests);
  // After send() said yes: reads until the waiter is done or the deadline has passed.
  void drive(Waiter& waiter, Deadline deadline, Spin& spin);

  // Ends it for good; what is under way is lost with `why`. Later, on the I/O thread, or before it returns when called on it.
  void close(const Error& why);
  // Closes the socket; comes back if it is one that does.
  void restart(const Error& why);

  bool up() const;
  bool closed() const;
  // Down for longer than the patience: requests are refused.
  bool given_up() const;
  std::size_t in_flight() const;
  bool idle() const;  // up, and nothing is under way
  const Endpoint& endpoint() const { return options_.endpoint; }
  IoThread& io() { return io_; }

  void on_events(std::uint32_t events) override;
  SteadyTime on_tick(SteadyTime now) override;
  void flush() override;
  bool expects_soon() override;

 private:
  enum class Phase : std::uint8_t { down, dialing, ready, closed };
  enum class Step : std::uint8_t { none, resolving, connecting, tls, greeting };

  struct Shared {
    explicit Shared(SessionOptions options) : session(options) {}
    Phase phase = Phase::down;
    Session session;
    std::vector<Request> waiting;  // for the connection to come up
    std::vector<Answered> handed;  // read by a caller, to be delivered on the I/O thread
    Roles roles;
    bool closing = false;
    bool blocked = false;  // the socket takes no more: EPOLLOUT is awaited
    bool armed = false;    // the I/O thread watches for answers
    bool flush_asked = false;
    SteadyTime patient_until{};  // while it is down requests wait for it, up to then
    SteadyTime active_at{};      // last answer, or first request after silence
    SteadyTime blocked_since{};
    SteadyTime driven_at{};
    SteadyTime next_tick = SteadyTime::min();  // the I/O thread looks in by then

    // Up, as far as anybody knows.
    bool usable() const { return phase == Phase::ready && !roles.broken(); }
  };
  using Locked = Guarded<Shared>::Locked;
  enum class Write : std::uint8_t { nothing, here, ask };

  // connection.cpp: requests in, answers out
  Write admit(Locked& shared, std::vector<Request>& requests, std::vector<Lost>& refused);
  void start_write(Write how);
  void write_out();
  void break_down(Locked& shared, const Error& why);
  enum class Read : std::uint8_t { something, nothing, broken };
  Read read_in(bool on_io_thread);
  void deliver(Answered& answered, SteadyTime now);
  void deliver_handed();
  void refuse(std::vector<Lost>& refused, const Error& why);
  void arm(Locked& shared, bool answers);
  void watch_answers(Locked& shared);
  void leave_reading();
  void leave_writing(Locked& shared);
  void reap_later();

  // connection_dial.cpp: the socket's life
  void dial();
  void dial_next();
  void dial_failed(const Error& why);
  void go_on_dialing(std::uint32_t events);
  void go_on_tls();
  void greet();
  void go_on_greeting();
  void become_ready();
  void reap();
  void close_here(const Error& why);
  void come_back_later();

  IoThread& io_;
  Names& names_;
  const ConnectionOptions options_;
  Owner& owner_;
  mutable Guarded<Shared> shared_;

  // The reader's.
  Parser parser_;
  std::vector<Value> replies_;
  std::vector<Answered> answered_;
  std::uint64_t requests_answered_ = 0;
  // The writer's.
  std::string writing_;
  std::size_t written_ = 0;
  // The I/O thread's.
  Socket socket_;
  Step step_ = Step::none;
  SteadyTime dial_until_{};
  std::vector<net::Address> addresses_;
  std::size_t addresses_tried_ = 0;
  std::size_t address_first_ = 0;  // where the next dial begins
  SteadyTime address_until_{};
  std::optional<Greeting> greeting_;
  std::vector<Value> early_pushes_;
  Backoff backoff_;
  std::uint64_t dials_ = 0;
};

}  // namespace chaveiro::redis
