// api/rest/route.h
//
// A route of the REST API: all that there is to say about it, in one value. The server serves what stands in routes() and nothing
// else, and the OpenAPI document is written from the same table, so that a route without its documentation cannot exist.
//
// Threads: the table is made once; handlers are plain functions and may run on any number of threads.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/chain.h"
#include "api/rest/input.h"
#include "api/rest/server.h"
#include "directory/caller.h"
#include "net/body.h"
#include "net/http.h"

namespace chaveiro::api::rest {

struct Answer {
  std::string body;
  int status = 0;  // 0: the route's own
  std::string_view content_type = "application/json";
};

// One request, authenticated and of the right form, in the hands of its handler.
struct Exchange {
  const Services& services;
  const Call& call;
  Input& in;
  net::BodyReader* upload = nullptr;  // only where the route says that its body streams in

  const directory::Context& context() const { return call.context(); }
};

using Handle = Result<Answer> (*)(Exchange&);
// Answers from memory or not at all: runs on the I/O thread and must not wait. nullopt: Handle decides.
using HandleAtOnce = std::optional<Result<Answer>> (*)(Exchange&);
// Writes the answer piece by piece; false from `write`: the peer is gone.
using HandleStream = Result<void> (*)(Exchange&, const std::function<bool(std::string_view piece)>& write);

struct Documentation {
  std::string_view operation;        // operationId; the name of the rpc where there is one
  std::string_view tag;              // group in the document
  std::string_view summary;          // one line
  std::string_view description;      // Markdown; may be empty
  std::string_view counted_as = {};  // in metrics and logs, one of operation_names(); "": as the operation
};

struct Work {
  Handle handle = nullptr;
  HandleAtOnce at_once = nullptr;
  HandleStream stream = nullptr;  // instead of `handle`
  bool upload = false;            // the body streams in; `content_types` then say of which kind it may be
  bool on_io_thread = false;      // `handle` never waits
};

struct Route {
  net::Method method = net::Method::get;
  std::string_view path;  // "/api/v1/entries/{id}"
  Documentation says;
  std::optional<directory::Permission> permission;  // absent: open to anybody
  std::vector<Parameter> parameters;
  const Schema* request = nullptr;   // null: takes no body
  const Schema* response = nullptr;  // null: the answer is no JSON
  int success = 200;
  std::vector<std::string_view> reasons;  // error types of its own, beside those that every operation may answer
  Work work;
};

// Every route, in the order of the document.
const std::vector<Route>& routes();

// The parts of the table.
std::vector<Route> entry_routes();
std::vector<Route> account_routes();
std::vector<Route> claim_routes();
std::vector<Route> lookup_routes();
std::vector<Route> payment_routes();
std::vector<Route> audit_routes();
std::vector<Route> admin_routes();
std::vector<Route> event_routes();
std::vector<Route> open_routes();

// What many routes share.
Parameter id_parameter(std::string_view name = "id");
std::vector<Parameter> with_page(std::vector<Parameter> parameters);
Parameter idempotency_key();

// The RequestId of a creation: `request_id` of the body, else Idempotency-Key, else an x-request-id that is a UUID of version 4.
// A key that is no such UUID becomes one by hashing it, together with the operation, so that a repetition gets the same.
// Two that differ are refused.
std::optional<directory::RequestId> request_id_of(Exchange& exchange, std::string_view operation);

// Size and token of the page that is asked for; a fault names page_size or page_token.
Result<directory::PageRequest> page_of(Exchange& exchange, const PageScope& scope);

}  // namespace chaveiro::api::rest
