// api/rest/problem.h
//
// Errors as RFC 9457 problems: `type` ends in the official error type, `violations` name the faulty fields, values that were sent
// are never repeated.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "api/rest/json.h"
#include "net/http.h"

namespace chaveiro::api::rest {

struct ProblemPlace {
  std::string_view instance;        // path of the request, without its query; "" is left out
  std::string_view correlation_id;  // "" is left out
};

// What HTTP itself has to say, for which there is no Code: 404 for no such path, 405, 413, 415 …
struct HttpFault {
  int status = 400;
  std::string_view reason;
  std::string_view detail;
};

// The status that an error has here.
int http_status(const Error& error);

void write_problem(JsonWriter& out, const Error& error, const ProblemPlace& place);

net::Response problem(const Error& error, const ProblemPlace& place);
net::Response problem(const HttpFault& fault, const ProblemPlace& place);

}  // namespace chaveiro::api::rest
