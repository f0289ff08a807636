// clients/postgres/rows.h
//
// Accounts, entries, claims and audit records as rows: the columns in their order with their types, values in, values out. The column
// lists, add() and the readers of one kind always change together.
//
// Threads: pure functions on the values that they are handed.
// Errors:  corrupt "DatabaseCorrupt", where a row holds what no program of ours writes.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "clients/postgres/values.h"
#include "directory/audit.h"
#include "events/inbox.h"
#include "events/outbox.h"
#include "vsync/sync_answers.h"

namespace chaveiro::clients::postgres {

struct Column {
  std::string_view name;
  Oid type;
};
struct Table {
  std::string_view name;
  std::span<const Column> columns;  // the first is the id

  std::string list() const;               // "id, ispb, …"
  std::string unnested(int first) const;  // "unnest($1::uuid[], $2::text[], …) AS d (id, ispb, …)"
  std::string copy_in() const;            // "COPY accounts (id, …) FROM STDIN WITH (FORMAT binary)"
  std::vector<Oid> types() const;
};

extern const Table accounts_table, entries_table, claims_table, requests_table, audit_table;
extern const Table outbox_table, inbox_versions_table, inbox_ids_table, sync_answers_table;
// Of an insert into inbox_versions.
inline constexpr std::string_view newer_version_wins =
    "(subscription, aggregate) DO UPDATE SET version = excluded.version WHERE excluded.version > "
    "inbox_versions.version";

void add(Columns& columns, const directory::Account& account);
void add(Columns& columns, const directory::Entry& entry);
void add(Columns& columns, const directory::Claim& claim);
void add(Columns& columns, const directory::Ispb& ispb, const directory::StoredRequest& request);
void add(Columns& columns, const directory::AuditRecord& record, std::uint64_t place);
void add(Columns& columns, const directory::Ispb& ispb, const events::OutboxEvent& event);
// As Columns, and as the Params of a statement.
template <class Values>
void add(Values& values, const vsync::SyncAnswer& answer) {
  values.add(answer.participant.view()).add(answer.key_type).add(answer.agreement);
  values.add(ByteView(answer.vsync)).add(answer.verified_at);
}
// Into inbox_ids where its version is 0, else into inbox_versions.
template <class Values>
void add(Values& values, const events::Mark& mark) {
  values.add(mark.subscription);
  mark.version == 0 ? values.add(mark.event_id).add(mark.at) : values.add(mark.aggregate_id).add(mark.version);
}

Result<directory::Account> read_account(Row row);
Result<directory::Entry> read_entry(Row row);
Result<directory::Claim> read_claim(Row row);
Result<directory::StoredRequest> read_request(Row row);  // behind its ispb
Result<directory::AuditRecord> read_audit(Row row);
Result<events::OutboxEvent> read_event(Row row);
Result<vsync::SyncAnswer> read_sync_answer(Row row);

// Audit records within one commit; they never have more (directory::writes_max).
inline constexpr std::uint64_t positions_per_commit = 8;

}  // namespace chaveiro::clients::postgres
