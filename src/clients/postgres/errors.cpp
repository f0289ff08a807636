#include "clients/postgres/errors.h"

#include <string>

namespace chaveiro::clients::postgres {

namespace {

struct Row {
  std::string_view state;  // whole, or its class of two characters
  Code code;
  std::string_view reason;
  std::string_view advice;
  bool quotes_values = false;  // the server's words may hold what was stored
};

constexpr Row rows[] = {
    {"08", Code::unavailable, "DatabaseGone", "the connection to the database broke: try again"},
    {"0A000", Code::unavailable, "PlanChanged", "the schema changed under a prepared statement: try again"},
    {"22", Code::invalid, "BadText", "a value cannot be stored: text must be UTF-8 without NUL", true},
    {"23", Code::conflict, "Constraint", "a constraint of the database does not allow it", true},
    {"25006", Code::unavailable, "DatabaseReadOnly",
     "the server only reads (a standby?): name the primary, or add target_session_attrs=read-write with all hosts"},
    {"26000", Code::unavailable, "PlanChanged", "a prepared statement is gone: try again"},
    {"28", Code::unavailable, "DatabaseLogin",
     "the database refused the login: check user, password and certificate of DATABASE_URL"},
    {"3D000", Code::unavailable, "DatabaseLogin", "there is no such database: see docs/postgres.md"},
    {"40", Code::conflict, "Retry", "two transactions met: try again"},
    {"42501", Code::forbidden, "DatabaseRights",
     "the role of DATABASE_URL lacks a right, or the row belongs to another participant"},
    {"42P01", Code::unavailable, "SchemaMissing", "the database lacks a table: run `chaveiro db migrate`"},
    {"42703", Code::unavailable, "SchemaMissing", "the database lacks a column: run `chaveiro db migrate`"},
    {"42883", Code::unavailable, "SchemaMissing", "the database lacks a function: run `chaveiro db migrate`"},
    {"53100", Code::exhausted, "DiskFull", "the disk of the database is full: free space there"},
    {"53300", Code::exhausted, "TooManyConnections",
     "the server takes no more connections: raise max_connections or lower DB_MAX_OPEN_CONNS"},
    {"53", Code::exhausted, "DatabaseExhausted", "the server lacks memory or another resource"},
    {"54", Code::invalid, "TooLarge", "a value or statement is too large for the database"},
    {"55P03", Code::unavailable, "DatabaseLocked", "somebody else holds a lock for too long: try again"},
    {"57014", Code::deadline, "Deadline", "the database stopped the statement: it took too long"},
    {"57", Code::unavailable, "DatabaseGone", "the server shuts down or starts: try again"},
    {"58", Code::unavailable, "DatabaseGone", "the server has trouble with its files: look at its log"},
    {"XX001", Code::corrupt, "DatabaseCorrupt", "the database is damaged: stop, and restore the last backup"},
    {"XX002", Code::corrupt, "DatabaseCorrupt", "an index is damaged: REINDEX it"},
};

}  // namespace

Error error_of_state(std::string_view sqlstate, std::string_view primary_message) {
  if (sqlstate.empty()) return gone(primary_message);
  for (const Row& row : rows) {
    if (!sqlstate.starts_with(row.state)) continue;
    std::string message(row.advice);
    if (!row.quotes_values) message += " (" + std::string(sqlstate) + ": " + std::string(primary_message) + ")";
    if (row.quotes_values) message += " (" + std::string(sqlstate) + ")";
    return fail(row.code, std::string(row.reason), std::move(message));
  }
  return fail(Code::internal, "Database",
              "the database answered " + std::string(sqlstate) + ": " + std::string(primary_message));
}

bool is_lost(const Error& error) {
  return error.reason == "DatabaseGone" || error.reason == "DatabaseReadOnly" || error.reason == "DatabaseLogin";
}

bool is_retryable(const Error& error) { return error.reason == "Retry" || error.reason == "PlanChanged"; }

Error too_late() { return fail(Code::deadline, "Deadline", "the time ran out before the database answered"); }

Error gone(std::string_view what) {
  std::string text(what.substr(0, what.find('\n')));
  return fail(Code::unavailable, "DatabaseGone", "the database cannot be reached: " + text);
}

}  // namespace chaveiro::clients::postgres
