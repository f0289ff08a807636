// api/grpc/flight.h
//
// One gRPC call on its way: from the metadata through the chain to a handler, and back as a status. Handlers are plain
// functions, `Result<void> handler(Handling&, const Request&, Response&)`: decode, call the directory, encode.
//
// Threads: a Flight belongs to one thread at a time: gRPC's until it is handed to the pool, then the pool's.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <exception>
#include <memory>
#include <string_view>

#include "api/chain.h"
#include "api/fields.h"
#include "api/grpc/errors.h"
#include "api/grpc/server.h"
#include "base/pool.h"

namespace chaveiro::api::grpc {

// The metadata that we read, as views into gRPC's own.
struct Metadata {
  explicit Metadata(const ::grpc::CallbackServerContext& context);
  Credentials credentials;
  std::string_view request_id, traceparent, tracestate, payer_id, end_to_end_id;
};

struct Route {
  std::string_view operation;
  Access access = Access::token;
  std::optional<Micros> long_limit = {};
};

// What a handler works with.
struct Handling {
  const Services& services;
  const Call& call;
  std::string_view payer_id;       // metadata pi-payer-id
  std::string_view end_to_end_id;  // metadata pi-end-to-end-id
  Fields fields;
  std::optional<Resource> resource;

  const directory::Context& context() const { return call.context(); }
  directory::Directory& directory() const { return services.directory; }
  void about(std::string type, std::string name) { resource = Resource{std::move(type), std::move(name)}; }
};

class Flight final : PeerName {
 public:
  // Passes the chain; answers the request id and the trace in the initial metadata.
  Flight(const Services& services, ::grpc::CallbackServerContext& context, const Route& route);

  const Call& call() const { return call_; }
  Handling& handling() { return handling_; }
  Result<void> enter() { return call_.enter(); }
  bool cancelled() const { return context_.IsCancelled(); }
  // The status of how it ended; tells the chain.
  ::grpc::Status end(const Result<void>& outcome);

 private:
  Flight(const Services& services, ::grpc::CallbackServerContext& context, const Metadata& metadata,
         const Route& route);
  std::string ip() const override;
  ::grpc::CallbackServerContext& context_;
  Call call_;
  Handling handling_;
};

// What became of a job's turn in the pool, where it was not to run.
Result<void> turned(Turn turn);

// Runs a handler; what it throws, which nothing does by design, becomes a fault of ours and not the end of the process.
template <class Work>
Result<void> caught(Work&& work) {
  try {
    return work();
  } catch (const std::exception& thrown) {
    return fail(Code::internal, "Exception", thrown.what());
  } catch (...) {
    return fail(Code::internal, "Exception", "of an unknown kind");
  }
}

// Runs `work`, a Result<void>(), on the pool and ends the call with what it gives. `flight` was admitted.
template <class Work>
void run_on_pool(const std::shared_ptr<Flight>& flight, ::grpc::ServerUnaryReactor& reactor, Work work) {
  const auto job = [flight, &reactor, work = std::move(work)](Turn turn) {
    Result<void> outcome =
        flight->cancelled() ? Result<void>(fail(Code::cancelled, "", "the caller gave up")) : turned(turn);
    if (outcome) outcome = caught(work);
    reactor.Finish(flight->end(outcome));
  };
  if (auto entered = flight->enter(); !entered) return reactor.Finish(flight->end(entered));
  const CorrelationScope scope(flight->call().request_id());
  if (auto taken = flight->handling().services.pool.submit(flight->handling().context().deadline, Job(job)); !taken)
    reactor.Finish(flight->end(taken));
}

template <class Request, class Response>
::grpc::ServerUnaryReactor* answer_on_pool(const Services& services, ::grpc::CallbackServerContext* context,
                                           const Route& route, const Request* request, Response* response,
                                           Result<void> (*handler)(Handling&, const Request&, Response&)) {
  ::grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const auto flight = std::make_shared<Flight>(services, *context, route);
  if (const auto& admitted = flight->call().admitted(); !admitted)
    reactor->Finish(flight->end(admitted));
  else
    run_on_pool(flight, *reactor, [flight = flight.get(), request, response, handler] {
      return handler(flight->handling(), *request, *response);
    });
  return reactor;
}

}  // namespace chaveiro::api::grpc
