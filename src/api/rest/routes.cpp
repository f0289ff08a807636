#include "api/rest/route.h"

#include "api/rest/schemas.h"
#include "base/uuid.h"

namespace chaveiro::api::rest {
namespace {

// Space of the ids that are made from an Idempotency-Key.
constexpr Uuid idempotency_space{
    Uuid::Bytes{0x5f, 0x1c, 0x0e, 0x52, 0x9b, 0x0d, 0x4e, 0x0b, 0x93, 0x1f, 0x6e, 0x83, 0x2a, 0xc4, 0x77, 0x10}};

// The registry takes only RequestIds of version 4, so that the version bits say 4, although the rest is a hash.
directory::RequestId hashed_request_id(std::string_view operation, std::string_view key) {
  auto bytes = uuid_v5(idempotency_space, std::string(operation) + '\n' + std::string(key)).bytes();
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | 0x40);
  return directory::RequestId{Uuid{bytes}};
}

std::optional<directory::RequestId> from_idempotency_key(std::string_view operation, std::string_view key) {
  if (const auto id = directory::RequestId::parse(key); id && id->uuid.version() == 4) return *id;
  return hashed_request_id(operation, key);
}

}  // namespace

const std::vector<Route>& routes() {
  static const std::vector<Route> table = [] {
    std::vector<Route> all;
    for (auto part : {entry_routes, account_routes, claim_routes, lookup_routes, payment_routes, audit_routes,
                      admin_routes, event_routes, open_routes})
      for (Route& route : part()) all.push_back(std::move(route));
    return all;
  }();
  return table;
}

Parameter id_parameter(std::string_view name) {
  return {.place = Place::path, .name = name, .schema = &id_value(), .presence = Presence::required};
}

std::vector<Parameter> with_page(std::vector<Parameter> parameters) {
  parameters.push_back({.name = "page_size", .schema = &page_size_value()});
  parameters.push_back({.name = "page_token", .schema = &page_token_value()});
  return parameters;
}

Parameter idempotency_key() {
  static const Schema value{
      .description =
          "Any text of yours, or a UUID of version 4, which then is the RequestId. The same key with "
          "the same body is answered with the first answer.",
      .example = "\"order-4711\"",
      .length_min = 1,
      .length_max = 255};
  return {.place = Place::header, .name = "Idempotency-Key", .schema = &value};
}

std::optional<directory::RequestId> request_id_of(Exchange& exchange, std::string_view operation) {
  const auto in_body = exchange.in.read("request_id", &Fields::may_request_id);
  const auto key = exchange.in.text("Idempotency-Key");
  const auto in_header = key ? from_idempotency_key(operation, *key) : std::nullopt;
  if (in_body && in_header && *in_body != *in_header)
    exchange.in.fields().refuse("Idempotency-Key", "says another request than request_id: send one of them");
  if (in_body) return in_body;
  return in_header ? in_header : exchange.call.sent_request_id();
}

Result<directory::PageRequest> page_of(Exchange& exchange, const PageScope& scope) {
  return exchange.services.page_tokens.request(scope, exchange.in.integer("page_size").value_or(0),
                                               exchange.in.text("page_token").value_or(""));
}

}  // namespace chaveiro::api::rest
