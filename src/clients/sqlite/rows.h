// clients/sqlite/rows.h
//
// Accounts, entries, claims and audit records as rows: the columns in their order, values in, values out. The column
// lists, add() and the readers of one kind always change together.
//
// Threads: pure functions on the statement that they are handed.
// Errors:  corrupt "DatabaseCorrupt", where a row holds what no program of ours writes.
#pragma once

#include "clients/sqlite/connection.h"
#include "directory/audit.h"
#include "vsync/sync_answers.h"

namespace chaveiro::clients::sqlite {

inline constexpr std::string_view account_columns =
    "id, ispb, branch, number, type, opened_at, holder_type, holder_tax_id, holder_name, holder_trade_name, status, "
    "created_at, updated_at, version";
#define CHAVEIRO_SNAPSHOT_COLUMNS                                                                                    \
  "account_id, account_ispb, account_branch, account_number, account_type, account_opened_at, account_holder_type, " \
  "account_holder_tax_id, account_holder_name, account_holder_trade_name, account_status, account_created_at, "      \
  "account_updated_at, account_version, "
inline constexpr std::string_view entry_columns =
    "id, key_type, key, " CHAVEIRO_SNAPSHOT_COLUMNS
    "status, request_id, slot, created_at, owned_since, updated_at, open_claim_id, open_claim_at, "
    "open_claim_portability, block_order, deleted_at, delete_reason, version";
inline constexpr std::string_view claim_columns =
    "id, registry_id, type, key_type, key, donor_entry, donor, " CHAVEIRO_SNAPSHOT_COLUMNS
    "status, created_at, resolution_end, completion_end, claimer_deadline, updated_at, donor_owned_since, "
    "confirm_reason, cancel_reason, cancelled_by, ended_at, complete_request, completed_entry, version";
#undef CHAVEIRO_SNAPSHOT_COLUMNS
inline constexpr std::string_view sync_answer_columns = "ispb, key_type, agreement, vsync, verified_at";
// Read with `writers` joined; see audit_from.
inline constexpr std::string_view audit_columns =
    "position, writers.name, audit.month, audit.number, at, ispb, actor, correlation_id, operation, resource_type, "
    "resource, person, before, after, previous, audit.hash";
inline constexpr std::string_view audit_from = " FROM audit JOIN writers ON writers.id = audit.writer ";

// "?, ?, ?" for a column list, and "a = ?, b = ?".
std::string placeholders(std::string_view columns);
std::string assignments(std::string_view columns);

void add(Statement& statement, const directory::Account& account);
void add(Statement& statement, const directory::Entry& entry);
void add(Statement& statement, const directory::Claim& claim);
inline void add(Statement& statement, const Uuid& id) { statement.add(id); }

Result<directory::Account> read_account(Statement& row);
Result<directory::Entry> read_entry(Statement& row);
Result<directory::Claim> read_claim(Statement& row);
Result<directory::AuditRecord> read_audit(Statement& row);
Result<vsync::SyncAnswer> read_sync_answer(Statement& row);

// Audit records within one commit; they never have more (directory::writes_max).
inline constexpr std::uint64_t positions_per_commit = 8;

// N bytes of a column; zeros where it holds another number of them.
template <std::size_t N>
std::array<std::uint8_t, N> bytes_of(Statement& row) {
  std::array<std::uint8_t, N> value{};
  if (const ByteView bytes = row.bytes(); bytes.size() == N) std::copy(bytes.begin(), bytes.end(), value.begin());
  return value;
}
inline Uuid uuid_in(Statement& row) { return Uuid(bytes_of<16>(row)); }
inline UtcTime time_in(Statement& row) { return UtcTime(Micros(row.number())); }

}  // namespace chaveiro::clients::sqlite
