// api/chain.h
//
// What every request of both edges passes before its handler and after it, in this order:
//
//   begin:  request id and trace context (taken over or made) → deadline (the caller's, capped) → limit per IP (unless the
//           token is remembered: strangers behind one address do not shut out who is known) → who is it → limit of the caller
//   enter:  adaptive concurrency, before the call goes where it may wait (the pool): too much at once is shed before queues
//           grow. An answer from memory, on the calling thread, never waits and does not pass here.
//   finish: concurrency learns, metrics count, the access log writes (sampled; every fault of ours is written)
//
//   Call call = chain.begin({.edge = Edge::rest, .operation = "LookupKey", …});
//   if (!call.admitted()) return problem(call, call.admitted().error());   // already finished
//   if (auto entered = call.enter(); !entered) { call.finish(entered.error()); return …; }
//   … call.context() … call.finish() or call.finish(error) …
//
// finish() gives back the place that a limit of calls at once gave. It also writes the whole error to the log where it was
// our fault, for outside it is hidden (for_outside). A Call that is destroyed without finish() counts as internal: that is
// how a handler that fell over shows. The edges catch what a handler throws; nothing does so by design.
//
// Threads: Chain any number at once; a Call belongs to one thread at a time and may be handed over.
// Time:    begin and finish together about 1 µs where the token is remembered.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/auth.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/overload.h"
#include "base/trace.h"
#include "directory/caller.h"

namespace chaveiro::api {

enum class Edge : std::uint8_t { grpc = 1, rest };
std::string_view to_string(Edge edge);  // grpc rest

enum class Access : std::uint8_t {
  token,  // a token or an API key is needed
  open,   // health, the API page: anybody; context().caller is empty
};

// Where a request comes from, asked only when a limit or a line of the log wants to know.
class PeerName {
 public:
  virtual std::string ip() const = 0;

 protected:
  ~PeerName() = default;
};

// What an edge knows when a request has come in. The texts need to live only for the call of begin(); "" is absent.
struct RequestHead {
  Edge edge = Edge::grpc;
  std::string_view operation;  // one of operation_names(): the same on both edges, it is a label of metrics
  Access access = Access::token;
  std::string_view peer_ip;
  const PeerName* peer = nullptr;  // in place of peer_ip; must live until the call is finished
  Credentials credentials;
  std::string_view
      request_id;  // x-request-id: taken over if 1–128 of A-Z a-z 0-9 . _ - : / + =, else a new one is made
  std::string_view traceparent;      // W3C; a faulty one is ignored
  std::string_view tracestate;       // W3C; only with a traceparent
  std::optional<Micros> timeout;     // what the caller gives us; absent: deadline_default
  std::optional<Micros> long_limit;  // streams and backups: default and cap in place of those of ChainOptions
};

// What limits answer; interesting also when allowed (X-RateLimit-*).
struct RateAnswer {
  bool allowed = true;
  std::uint64_t limit = 0;  // 0: no limit applies
  std::uint64_t remaining = 0;
  std::chrono::milliseconds reset_after{0};  // refused: until asking again makes sense
  std::string rule;                          // refused: the name of the limit
  std::int64_t holder = 0;                   // of a place among calls at once, to be given back; 0: there is none
};

// Where limits are asked. Absent, nothing is limited.
class RateLimits {
 public:
  virtual ~RateLimits() = default;
  // Before anything is known but the address; counts nothing yet.
  virtual RateAnswer ask_ip(std::string_view ip) = 0;
  // The request came from nobody known: it asked for something open, or said wrongly who it is.
  virtual void count_ip(std::string_view ip) = 0;
  // Once it is known who asks.
  virtual RateAnswer ask_caller(const directory::Caller& caller, std::string_view operation) = 0;
  // A call that ask_caller gave a place has ended.
  virtual void give_back([[maybe_unused]] const directory::Caller& caller, [[maybe_unused]] std::string_view operation,
                         [[maybe_unused]] std::int64_t holder) {}
};

struct ChainOptions {
  Micros deadline_default = std::chrono::seconds{5};
  Micros deadline_max = std::chrono::seconds{30};
  // Look-ups and other reads, and writes, have a limit each: what a fsync takes says nothing about reading.
  // A read takes microseconds when it is alone, so that a few dozen callers at once already take a multiple of that: only a
  // wait that somebody would notice is a reason to refuse.
  AdaptiveLimitOptions reads{.min = 16, .initial = 256, .max = 1'024, .latency_fine = std::chrono::milliseconds{50}};
  AdaptiveLimitOptions writes{.min = 16, .initial = 256, .max = 1'024, .latency_fine = std::chrono::milliseconds{250}};
};

class Chain;

class Call {
 public:
  Call(Call&&) noexcept;
  Call& operator=(Call&&) noexcept;
  ~Call();

  // Refused calls are finished already and hold only request_id() and rate().
  const Result<void>& admitted() const;
  const directory::Context& context() const;
  const std::string& request_id() const;
  // The x-request-id that the caller sent, where it is a UUID of version 4: stands in for a missing RequestId.
  const std::optional<directory::RequestId>& sent_request_id() const;
  const std::optional<RateAnswer>& rate() const;
  // The trace that the caller named, else one that began here. The answer names it, neighbours get a child of it, and
  // the log line has its id.
  const TraceContext& trace() const;

  // Before the pool; once only. Streams and backups (long_limit) are let through. Errors: exhausted "Overloaded".
  Result<void> enter();

  // How it ended; once only.
  void finish();
  void finish(const Error& failed);

 private:
  friend class Chain;
  struct State;
  explicit Call(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class Chain {
 public:
  // `rates` may be null. The access log is sampled as the Log says (base/log.h).
  Chain(ChainOptions options, Authenticator& authenticator, RateLimits* rates, const Clock& clock, Logger log,
        Registry& metrics);
  ~Chain();

  Call begin(const RequestHead& head);

 private:
  friend class Call;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Names of all operations that the edges offer, as metrics and logs show them.
const std::vector<std::string>& operation_names();

}  // namespace chaveiro::api
