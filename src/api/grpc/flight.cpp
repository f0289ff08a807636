#include "api/grpc/flight.h"

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

// gRPC tells the caller's time as a moment of the system's clock, however it came over the wire.
std::optional<Micros> timeout_of(const ::grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return std::nullopt;
  return std::chrono::duration_cast<Micros>(deadline - std::chrono::system_clock::now());
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
  context_.AddInitialMetadata("x-request-id", call_.request_id());
  // Who sent none finds our trace by the request id, in the same line of the log.
  if (!metadata.traceparent.empty()) context_.AddInitialMetadata("traceparent", call_.trace().traceparent());
  if (const auto& rate = call_.rate(); rate && rate->limit > 0) {
    context_.AddInitialMetadata("x-ratelimit-limit", std::to_string(rate->limit));
    context_.AddInitialMetadata("x-ratelimit-remaining", std::to_string(rate->remaining));
    context_.AddInitialMetadata("x-ratelimit-reset",
                                std::to_string(std::chrono::ceil<std::chrono::seconds>(rate->reset_after).count()));
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
