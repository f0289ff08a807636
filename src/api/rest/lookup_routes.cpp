#include "api/rest/encode.h"
#include "api/rest/problem.h"
#include "api/rest/route.h"
#include "api/rest/schemas.h"

namespace chaveiro::api::rest {
namespace {

using directory::LookupRequest;
using directory::Permission;
using net::Method;

// What stands in the body and, of a single look-up, in a header: one of them, or both alike.
std::optional<std::string> either(Exchange& exchange, const std::string& prefix, const std::string& member,
                                  std::string_view header,
                                  std::optional<std::string> (Fields::*meaning)(std::string, std::string_view)) {
  Input& in = exchange.in;
  const auto in_body = in.read(prefix + member, meaning);
  const auto in_header = in.read(std::string(header), meaning);
  if (in_body && in_header && *in_body != *in_header)
    in.fields().refuse(std::string(header), "says something else than " + prefix + member + ": send one of them");
  return in_body ? in_body : in_header;
}

// `prefix`: "" or "lookups[3]." in a batch, whose headers hold for each of them.
std::optional<LookupRequest> request_of(Exchange& exchange, const std::string& prefix) {
  Input& in = exchange.in;
  auto key = in.key(prefix + "key", in.read(prefix + "key_type", &Fields::key_type));
  auto payer = either(exchange, prefix, "payer_id", "PI-PayerId", &Fields::may_tax_id);
  auto end_to_end = either(exchange, prefix, "end_to_end_id", "PI-EndToEndId", &Fields::may_end_to_end_id);
  if (!key) return std::nullopt;
  return LookupRequest{.key = std::move(*key), .payer_id = std::move(payer), .end_to_end_id = std::move(end_to_end)};
}

Result<Answer> lookup(Exchange& exchange) {
  const auto request = request_of(exchange, "");
  TRY_VOID(exchange.in.verdict());
  TRY(const auto answer, exchange.services.directory.lookups.lookup(exchange.context(), *request));
  return Answer{encode(answer)};
}

std::optional<Result<Answer>> lookup_at_once(Exchange& exchange) {
  const auto request = request_of(exchange, "");
  if (const auto verdict = exchange.in.verdict(); !verdict) return Result<Answer>(verdict.error());
  auto cached = exchange.services.directory.lookups.cached(exchange.context(), *request);
  if (!cached) return std::nullopt;
  if (!*cached) return Result<Answer>(std::move(*cached).error());
  return Result<Answer>(Answer{encode(**cached)});
}

void write_result(JsonWriter& out, const Result<directory::LookupAnswer>& answer) {
  out.begin_object().name("status").integer(answer ? 200 : http_status(answer.error()));
  out.name("lookup");
  answer ? write(out, *answer) : static_cast<void>(out.null());
  out.name("problem");
  answer ? static_cast<void>(out.null()) : write_problem(out, answer.error(), {});
  out.end_object();
}

Result<Answer> lookup_batch(Exchange& exchange) {
  std::vector<std::optional<LookupRequest>> requests;
  for (std::size_t i = 0; i < exchange.in.items("lookups"); ++i)
    if (requests.push_back(request_of(exchange, item_path("lookups", i) + ".")); requests.back())
      requests.back()->urgency = directory::Urgency::batch;
  TRY_VOID(exchange.in.verdict());
  JsonWriter out;
  out.begin_object().name("results").begin_list();
  for (const auto& request : requests) {
    auto cached = exchange.services.directory.lookups.cached(exchange.context(), *request);
    write_result(out, cached ? *cached : exchange.services.directory.lookups.lookup(exchange.context(), *request));
  }
  out.end_list().end_object();
  return Answer{out.take()};
}

}  // namespace

std::vector<Route> lookup_routes() {
  const std::vector<Parameter> headers = {
      {.place = Place::header, .name = "PI-PayerId", .schema = &tax_id_value()},
      {.place = Place::header, .name = "PI-EndToEndId", .schema = &end_to_end_id_value()}};
  return {
      {Method::post,
       "/api/v1/lookups",
       {"LookupKey", "Look-ups", "Who holds this key?",
        "Our own base first, then the registry, which wants to know the payer. A POST, because no personal key may "
        "stand in a URL."},
       Permission::lookup,
       headers,
       &lookup_request_schema(),
       &lookup_schema(),
       200,
       {"EntryInvalid", "NotFound", "EntryBlocked", "RateLimited"},
       {.handle = lookup, .at_once = lookup_at_once}},
      {Method::post,
       "/api/v1/lookups/batch",
       {"LookupKeys", "Look-ups", "Up to 100 look-ups at once",
        "Each has its own result: `lookup` or `problem`. A fault of form in one refuses all of them."},
       Permission::lookup,
       headers,
       &lookup_batch_request_schema(),
       &lookup_batch_schema(),
       200,
       {"EntryInvalid"},
       {.handle = lookup_batch}},
  };
}

}  // namespace chaveiro::api::rest
