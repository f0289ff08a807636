#include "api/status.h"

#include <array>

namespace chaveiro::api {
namespace {

// In the order of Code. gRPC numbers: google/rpc/code.proto; 499 is nginx's "client closed request".
constexpr std::array<StatusRow, 13> rows{{
    {Code::invalid, 3, 400, 2, "The request is not valid"},
    {Code::unauthenticated, 16, 401, 3, "Authentication is needed"},
    {Code::forbidden, 7, 403, 4, "This is not allowed"},
    {Code::not_found, 5, 404, 5, "Not found"},
    {Code::exists, 6, 409, 6, "It exists already"},
    {Code::conflict, 9, 409, 7, "The present state does not allow it"},
    {Code::exhausted, 8, 429, 8, "Too much at once"},
    {Code::deadline, 4, 504, 9, "The time ran out"},
    {Code::cancelled, 1, 499, 10, "The caller gave up"},
    {Code::unavailable, 14, 503, 11, "Not available at the moment"},
    {Code::maybe_applied, 2, 500, 12, "It may have been applied"},
    {Code::corrupt, 15, 500, 13, "Stored data is damaged"},
    {Code::internal, 13, 500, 1, "A fault of the server"},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (static_cast<std::size_t>(rows[i].code) != i) return false;
  return true;
}
static_assert(in_order() && static_cast<std::size_t>(Code::internal) + 1 == rows.size());

}  // namespace

const StatusRow& status_row(Code code) { return rows[static_cast<std::size_t>(code)]; }

Code code_of_grpc(int grpc_status) {
  for (const StatusRow& row : rows)
    if (row.grpc == grpc_status) return row.code;
  switch (grpc_status) {
    case 10:  // ABORTED
      return Code::conflict;
    case 11:  // OUT_OF_RANGE
    case 12:  // UNIMPLEMENTED
      return Code::invalid;
    default:
      return Code::internal;
  }
}

Code code_of_http(int http_status) {
  for (const StatusRow& row : rows)
    if (row.http == http_status && http_status < 500 && http_status != 409) return row.code;
  switch (http_status) {
    case 408:
    case 504:
      return Code::deadline;
    case 409:
    case 412:
    case 422:
      return Code::conflict;
    case 502:
    case 503:
      return Code::unavailable;
    default:
      return http_status >= 400 && http_status < 500 ? Code::invalid : Code::internal;
  }
}

std::string_view default_reason(Code code) {
  switch (code) {
    case Code::invalid:
      return "BadRequest";
    case Code::unauthenticated:
      return "Unauthenticated";
    case Code::forbidden:
      return "Forbidden";
    case Code::not_found:
      return "NotFound";
    case Code::exists:
      return "AlreadyExists";
    case Code::conflict:
      return "Conflict";
    case Code::exhausted:
      return "RateLimited";
    case Code::deadline:
      return "DeadlineExceeded";
    case Code::cancelled:
      return "Cancelled";
    case Code::unavailable:
      return "ServiceUnavailable";
    case Code::maybe_applied:
      return "MaybeApplied";
    case Code::corrupt:
      return "DataCorrupt";
    case Code::internal:
      break;
  }
  return "Internal";
}

Error for_outside(Error error) {
  if (error.code == Code::internal || error.code == Code::corrupt) {
    error.reason = default_reason(error.code);
    error.message = "a fault of the server; its log tells more under this request id";
    error.violations.clear();
  }
  return error;
}

}  // namespace chaveiro::api
