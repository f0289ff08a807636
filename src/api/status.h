// api/status.h
//
// The one table that says how an error looks outside: gRPC status, HTTP status, exit code of the command line, title
// for people. The official error type (Error::reason) travels beside it: ErrorInfo.reason in gRPC, the last segment of
// `type` in RFC 9457 problems.
//
// Threads: plain values and pure functions.
#pragma once

#include <string_view>

#include "base/result.h"

namespace chaveiro::api {

struct StatusRow {
  Code code;
  int grpc;                // grpc::StatusCode
  int http;                // status line
  int exit;                // exit code of the command line; 0 is success
  std::string_view title;  // `title` of a problem, first line of the command line's message
};

const StatusRow& status_row(Code code);

// What a client may conclude from a gRPC status that is not OK. UNKNOWN is read as maybe_applied: the worst that it may
// mean.
Code code_of_grpc(int grpc_status);
Code code_of_http(int http_status);

// Domain of ErrorInfo, and the start of the `type` of a problem: problem_type_base + reason.
inline constexpr std::string_view error_domain = "dict.chaveiro";
inline constexpr std::string_view problem_type_base = "urn:chaveiro:error:";

// The reason that is shown where the error carries none: "Internal", "NotFound", …
std::string_view default_reason(Code code);
inline std::string_view reason_of(const Error& error) {
  return error.reason.empty() ? default_reason(error.code) : std::string_view(error.reason);
}

// What leaves the platform: messages of internal and corrupt are for the log alone, the caller learns only that it was
// our fault. Everything else goes out as it is.
Error for_outside(Error error);

}  // namespace chaveiro::api
