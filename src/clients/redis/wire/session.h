// clients/redis/wire/session.h
//
// Session: one connection that has been greeted, as a state machine without I/O. Requests go in and bytes come out; replies go in and
// answered requests come out, each with its own reply, because the server answers in order. It knows what has left the house: a
// request is `sent` from the moment its first byte was handed to the socket.
//
// Guarantees: what went in comes out exactly once: answered, expired or lost. Bounded by `in_flight_max` and `out_bytes_max`.
// Time:    O(1) a request and a reply; expire() walks what is in flight, once per nearest deadline.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "clients/redis/wire/request.h"
#include "clients/redis/wire/ring.h"

namespace chaveiro::redis {

struct SessionOptions {
  std::size_t in_flight_max = 32'768;
  std::size_t out_bytes_max = 64U << 20;
  int wait_replicas = 0;   // WAIT behind every write; 0: none
  Micros wait_timeout{0};  // of it
};

// An answered request, or a push (`request` empty).
struct Answered {
  std::optional<Request> request;
  Value value;
};

// A request whose connection is gone.
struct Lost {
  Request request;
  bool sent;
};

class Session {
 public:
  explicit Session(SessionOptions options = {}) : options_(options) {}

  // Takes the request, whose bytes are appended to what is to be written. Errors: exhausted (the request stays with the caller).
  Result<void> push(Request& request, SteadyTime now);
  // Room for so many more?
  bool accepts(std::size_t requests) const { return pending_.size() + requests <= options_.in_flight_max; }

  bool has_output() const { return !out_.empty(); }
  // Takes what is to be written; `into` must be empty and keeps its capacity on the way back.
  void take_output(std::string& into) { out_.swap(into); }
  void wrote(std::size_t bytes) { written_ += bytes; }

  // False: nothing to deliver yet, or a reply that nobody asked for (see fault()).
  bool on_reply(Value&& value, Answered& out);
  // The server spoke out of turn: close the connection.
  bool faulty() const { return faulty_; }

  // Takes out those callbacks whose deadline has passed, with whether they were sent. Their answers will be dropped.
  void expire(SteadyTime now, std::vector<Lost>& out);
  SteadyTime next_deadline() const { return next_deadline_; }

  // The greeting has subscribed: lists that look like messages are messages.
  void expect_messages() { subscribed_ = true; }

  // The connection is gone: everything comes out, and the session is as new.
  void lose(std::vector<Lost>& out);

  std::size_t in_flight() const { return pending_.size(); }
  // Owes answers that the server should give at once (nothing that blocks is under way).
  bool owes_answers() const { return !pending_.empty() && blocking_ == 0; }
  bool idle() const { return pending_.empty(); }

 private:
  struct Pending {
    Request request;
    std::uint64_t begins_at = 0;  // of its bytes, in the stream
    std::uint32_t before = 0;     // replies to be dropped before its own (ASKING)
    std::uint32_t pushes = 0;     // pushes that answer it (SUBSCRIBE)
    bool waits = false;           // the reply of WAIT follows
    std::unique_ptr<Value> held;  // its own reply, until that of WAIT has come
  };

  bool on_push(Value& value, Answered& out);
  void hand_out(Value&& value, Answered& out);
  bool is_push(const Value& value) const;
  bool sent(const Pending& pending) const { return written_ > pending.begins_at; }

  const SessionOptions options_;
  Ring<Pending> pending_;
  std::string out_;
  std::uint64_t appended_ = 0;  // bytes since the connection began
  std::uint64_t written_ = 0;
  std::size_t blocking_ = 0;  // pending ones that may take long
  bool subscribed_ = false;   // RESP2: lists that look like messages are messages
  bool faulty_ = false;
  SteadyTime next_deadline_ = SteadyTime::max();  // a lower bound
};

}  // namespace chaveiro::redis
