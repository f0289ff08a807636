// clients/postgres/errors.h
//
// What the server, or the lack of it, says as an Error that tells a caller what to do. The server's details are left out of messages:
// they quote values.
//
// Threads: pure functions.
// Errors:  unavailable "DatabaseGone" "DatabaseLogin" "DatabaseReadOnly" "DatabaseLocked" "SchemaMissing" "PlanChanged"; exhausted
//          "DiskFull" "TooManyConnections"; conflict "Constraint" "Retry" (serialisation, deadlock); forbidden "DatabaseRights"; invalid
//          "BadText" "TooLarge"; deadline; corrupt "DatabaseCorrupt"; internal for the rest.
// Source:  PostgreSQL 15, appendix A.
#pragma once

#include <string_view>

#include "base/result.h"

namespace chaveiro::clients::postgres {

Error error_of_state(std::string_view sqlstate, std::string_view primary_message);
// Whether the connection (or the server) went away: nothing more can be asked by it.
bool is_lost(const Error& error);
// A new try of the whole transaction may succeed.
bool is_retryable(const Error& error);

Error too_late();
Error gone(std::string_view what);

}  // namespace chaveiro::clients::postgres
