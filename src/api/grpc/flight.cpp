#include "api/grpc/flight.h"

#include <grpc/support/time.h>

#include <chrono>

namespace chaveiro::api::grpc {
namespace {

std::string_view view(const ::grpc::string_ref& text) { return {text.data(), text.size()}; }

// "ipv4:10.0.0.1:4711", "ipv6:%5B::1%5D:4711", "unix:/path": the address alone.
std::string ip_of(const std::string& peer) {
  if (peer.starts_with("ipv4:")) return peer.substr(5, peer.rfind(':') - 5);
  if (peer.starts_with("ipv6:%5B")) return peer.substr(8, peer.find("%5D") - 8);
  return peer.substr(0, peer.find(':'));
}

// As gRPC keeps it; its own deadline() reads three clocks to say it as a moment of the system's.
std::optional<Micros> timeout_of(const ::grpc::CallbackServerContext& context) {
  const gpr_timespec at = context.raw_deadline();
  if (gpr_time_cmp(at, gpr_inf_future(at.clock_type)) == 0) return std::nullopt;
  const gpr_timespec left = gpr_time_sub(at, gpr_now(at.clock_type));
  return std::chrono::seconds{left.tv_sec} + std::chrono::duration_cast<Micros>(std::chrono::nanoseconds{left.tv_nsec});
}

RequestHead head_of(const ::grpc::CallbackServerContext& context, const Metadata& metadata, const Route& route,
                    const PeerName& peer) {
  return {.edge = Edge::grpc,
          .operation = route.operation,
          .access = route.access,
          .peer = &peer,
          .credentials = metadata.credentials,
          .request_id = metadata.request_id,
          .traceparent = metadata.traceparent,
          .tracestate = metadata.tracestate,
          .timeout = timeout_of(context),
          .long_limit = route.long_limit};
}

}  // namespace

Metadata::Metadata(const ::grpc::CallbackServerContext& context) {
  // One walk over what came instead of one search for each name. The first of several counts.
  const std::pair<std::string_view, std::string_view*> wanted[] = {
      {"authorization", &credentials.authorization},
      {"x-api-key", &credentials.api_key},
      {"pi-requesting-participant", &credentials.requesting_participant},
      {"x-request-id", &request_id},
      {"traceparent", &traceparent},
      {"tracestate", &tracestate},
      {"pi-payer-id", &payer_id},
      {"pi-end-to-end-id", &end_to_end_id},
  };
  for (const auto& [name, value] : context.client_metadata())
    for (const auto& [known, into] : wanted)
      if (into->empty() && view(name) == known) *into = view(value);
}

Flight::Flight(const Services& services, ::grpc::CallbackServerContext& context, const Route& route)
    : Flight(services, context, Metadata(context), route) {}

Flight::Flight(const Services& services, ::grpc::CallbackServerContext& context, const Metadata& metadata,
               const Route& route)
    : context_(context),
      call_(services.chain.begin(head_of(context, metadata, route, *this))),
      handling_{services, call_, metadata.payer_id, metadata.end_to_end_id, Fields(services.fields), {}} {
  // Names made once: gRPC copies what it is given.
  static const std::string request_id = "x-request-id", traceparent = "traceparent", limit = "x-ratelimit-limit",
                           remaining = "x-ratelimit-remaining", reset = "x-ratelimit-reset";
  context_.AddInitialMetadata(request_id, call_.request_id());
  // Who sent none finds our trace by the request id, in the same line of the log.
  if (!metadata.traceparent.empty()) context_.AddInitialMetadata(traceparent, call_.trace().traceparent());
  if (const auto& rate = call_.rate(); rate && rate->limit > 0) {
    context_.AddInitialMetadata(limit, std::to_string(rate->limit));
    context_.AddInitialMetadata(remaining, std::to_string(rate->remaining));
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(rate->reset_after).count();
    context_.AddInitialMetadata(reset, std::to_string(seconds));
  }
}

std::string Flight::ip() const { return ip_of(context_.peer()); }

::grpc::Status Flight::end(const Result<void>& outcome) {
  if (outcome) {
    call_.finish();
    return ::grpc::Status::OK;
  }
  if (call_.admitted()) call_.finish(outcome.error());
  return grpc_status(outcome.error(), call_.request_id(), handling_.resource);
}

Result<void> turned(Turn turn) {
  switch (turn) {
    case Turn::run:
      return {};
    case Turn::late:
      return fail(Code::deadline, "DeadlineExceeded", "the time ran out before the call could begin");
    case Turn::stopped:
      break;
  }
  return fail(Code::unavailable, "ServiceUnavailable", "the server is stopping");
}

}  // namespace chaveiro::api::grpc
