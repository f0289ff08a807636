#include "clients/postgres/rows.h"

#include <algorithm>

#include "directory/chronicle.h"

namespace chaveiro::clients::postgres {

using namespace directory;

namespace {

static_assert(writes_max <= positions_per_commit);

#define ACCOUNT_COLUMNS(prefix, id_name)                                                                               \
  {id_name, oid::uuid}, {prefix "ispb", oid::text}, {prefix "branch", oid::text}, {prefix "number", oid::text},        \
      {prefix "type", oid::int2}, {prefix "opened_at", oid::time}, {prefix "holder_type", oid::int2},                  \
      {prefix "holder_tax_id", oid::text}, {prefix "holder_name", oid::text}, {prefix "holder_trade_name", oid::text}, \
      {prefix "status", oid::int2}, {prefix "created_at", oid::time}, {prefix "updated_at", oid::time}, {              \
    prefix "version", oid::int8                                                                                        \
  }

constexpr Column account_columns[] = {ACCOUNT_COLUMNS("", "id")};
constexpr Column entry_columns[] = {{"id", oid::uuid},
                                    {"key_type", oid::int2},
                                    {"key", oid::text},
                                    ACCOUNT_COLUMNS("account_", "account_id"),
                                    {"status", oid::int2},
                                    {"request_id", oid::uuid},
                                    {"slot", oid::int2},
                                    {"created_at", oid::time},
                                    {"owned_since", oid::time},
                                    {"updated_at", oid::time},
                                    {"open_claim_id", oid::uuid},
                                    {"open_claim_at", oid::time},
                                    {"open_claim_portability", oid::boolean},
                                    {"block_order", oid::text},
                                    {"deleted_at", oid::time},
                                    {"delete_reason", oid::int2},
                                    {"version", oid::int8}};
constexpr Column claim_columns[] = {{"id", oid::uuid},
                                    {"registry_id", oid::text},
                                    {"type", oid::int2},
                                    {"key_type", oid::int2},
                                    {"key", oid::text},
                                    {"donor_entry", oid::uuid},
                                    {"donor", oid::text},
                                    ACCOUNT_COLUMNS("account_", "account_id"),
                                    {"status", oid::int2},
                                    {"created_at", oid::time},
                                    {"resolution_end", oid::time},
                                    {"completion_end", oid::time},
                                    {"claimer_deadline", oid::time},
                                    {"updated_at", oid::time},
                                    {"donor_owned_since", oid::time},
                                    {"confirm_reason", oid::int2},
                                    {"cancel_reason", oid::int2},
                                    {"cancelled_by", oid::int2},
                                    {"ended_at", oid::time},
                                    {"complete_request", oid::uuid},
                                    {"completed_entry", oid::uuid},
                                    {"version", oid::int8}};
constexpr Column request_columns[] = {{"ispb", oid::text},      {"id", oid::uuid},       {"body_hash", oid::bytes},
                                      {"operation", oid::text}, {"resource", oid::uuid}, {"sequence", oid::int8}};
constexpr Column audit_columns[] = {
    {"position", oid::int8},  {"writer", oid::text},        {"month", oid::int4},     {"number", oid::int8},
    {"at", oid::time},        {"ispb", oid::text},          {"actor", oid::text},     {"correlation_id", oid::text},
    {"operation", oid::text}, {"resource_type", oid::text}, {"resource", oid::uuid},  {"person", oid::bytes},
    {"before", oid::bytes},   {"after", oid::bytes},        {"previous", oid::bytes}, {"hash", oid::bytes}};
constexpr Column outbox_columns[] = {{"position", oid::int8}, {"ispb", oid::text},  {"topic", oid::text},
                                     {"key", oid::text},      {"body", oid::bytes}, {"headers", oid::bytes},
                                     {"at", oid::time}};
constexpr Column inbox_version_columns[] = {
    {"subscription", oid::text}, {"aggregate", oid::text}, {"version", oid::int8}};
constexpr Column sync_answer_columns[] = {{"ispb", oid::text},
                                          {"key_type", oid::int2},
                                          {"agreement", oid::int2},
                                          {"vsync", oid::bytes},
                                          {"verified_at", oid::time}};
constexpr Column inbox_id_columns[] = {{"subscription", oid::text}, {"event", oid::uuid}, {"at", oid::time}};
#undef ACCOUNT_COLUMNS

Error damaged(std::string_view what) {
  return fail(Code::corrupt, "DatabaseCorrupt",
              "a stored " + std::string(what) + " cannot be read: stop the server and restore the last backup");
}

std::string_view sql_type(Oid type) {
  switch (type) {
    case oid::boolean:
      return "boolean[]";
    case oid::bytes:
      return "bytea[]";
    case oid::int8:
      return "bigint[]";
    case oid::int2:
      return "smallint[]";
    case oid::int4:
      return "integer[]";
    case oid::time:
      return "timestamptz[]";
    case oid::uuid:
      return "uuid[]";
    default:
      return "text[]";
  }
}

template <class Tag>
void add_id(Columns& columns, const std::optional<Id<Tag>>& id) {
  id ? columns.add(id->uuid) : columns.add_null();
}

template <class T, class Read>
std::optional<T> optional_in(Row& row, Read read) {
  if (!row.null()) return read(row);
  row.skip();
  return std::nullopt;
}
std::optional<std::string> text_if(Row& row) {
  return optional_in<std::string>(row, [](Row& r) { return std::string(r.text()); });
}
std::optional<UtcTime> time_if(Row& row) {
  return optional_in<UtcTime>(row, [](Row& r) { return r.time(); });
}
// An enumeration whose values are 1 … last; 0 where the column holds something else, which no enumeration has.
template <class Enum>
Enum enum_in(Row& row, Enum last) {
  const std::int64_t number = row.number();
  return number >= 1 && number <= static_cast<std::int64_t>(last) ? static_cast<Enum>(number) : Enum{};
}
template <class Enum>
std::optional<Enum> enum_if(Row& row, Enum last) {
  return optional_in<Enum>(row, [&](Row& r) { return enum_in(r, last); });
}
template <class IdType>
std::optional<IdType> id_if(Row& row) {
  return optional_in<IdType>(row, [](Row& r) { return IdType{r.uuid()}; });
}
Ispb ispb_in(Row& row) {
  Ispb ispb;
  if (const std::string_view text = row.text(); text.size() == ispb.text.size())
    std::copy(text.begin(), text.end(), ispb.text.begin());
  return ispb;
}

Account account_in(Row& row) {
  Account account;
  account.id = {row.uuid()};
  account.ispb = ispb_in(row);
  account.branch = text_if(row);
  account.number = row.text();
  account.type = enum_in(row, AccountType::slry);
  account.opened_at = row.time();
  account.holder.type = enum_in(row, PersonType::legal);
  account.holder.tax_id = row.text();
  account.holder.name = row.text();
  account.holder.trade_name = text_if(row);
  account.status = enum_in(row, AccountStatus::closed);
  account.created_at = row.time();
  account.updated_at = row.time();
  account.version = static_cast<std::uint64_t>(row.number());
  return account;
}

Result<Key> key_in(Row& row) {
  const KeyType type = enum_in(row, KeyType::evp);
  return Key::parse(type, row.text(), KeyRules{.check_digits = false});
}

bool good(const Account& account) {
  return account.type != AccountType{} && account.holder.type != PersonType{} && account.status != AccountStatus{};
}

}  // namespace

constinit const Table accounts_table{"accounts", account_columns};
constinit const Table entries_table{"entries", entry_columns};
constinit const Table claims_table{"claims", claim_columns};
constinit const Table requests_table{"requests", request_columns};
constinit const Table audit_table{"audit", audit_columns};
constinit const Table outbox_table{"outbox", outbox_columns};
constinit const Table inbox_versions_table{"inbox_versions", inbox_version_columns};
constinit const Table inbox_ids_table{"inbox_ids", inbox_id_columns};
constinit const Table sync_answers_table{"sync_answers", sync_answer_columns};

std::string Table::list() const {
  std::string text;
  for (const Column& column : columns) text += (text.empty() ? "" : ", ") + std::string(column.name);
  return text;
}

std::string Table::unnested(int first) const {
  std::string text = "unnest(";
  for (std::size_t i = 0; i < columns.size(); ++i)
    text += (i == 0 ? "$" : ", $") + std::to_string(first + static_cast<int>(i)) +
            "::" + std::string(sql_type(columns[i].type));
  return text + ") AS d (" + list() + ")";
}

std::string Table::copy_in() const {
  return "COPY " + std::string(name) + " (" + list() + ") FROM STDIN WITH (FORMAT binary)";
}

std::vector<Oid> Table::types() const {
  std::vector<Oid> all;
  for (const Column& column : columns) all.push_back(column.type);
  return all;
}

void add(Columns& columns, const Account& account) {
  columns.add(account.id.uuid).add(account.ispb.view()).add(account.branch).add(account.number).add(account.type);
  columns.add(account.opened_at).add(account.holder.type).add(account.holder.tax_id).add(account.holder.name);
  columns.add(account.holder.trade_name)
      .add(account.status)
      .add(account.created_at)
      .add(account.updated_at)
      .add(account.version);
}

void add(Columns& columns, const Entry& entry) {
  columns.add(entry.id.uuid).add(entry.key.type()).add(entry.key.value());
  add(columns, entry.account);
  columns.add(entry.status).add(entry.request_id.uuid).add(std::int64_t{entry.slot}).add(entry.created_at);
  columns.add(entry.owned_since).add(entry.updated_at);
  if (entry.open_claim) {
    columns.add(entry.open_claim->id.uuid)
        .add(entry.open_claim->created_at)
        .add(std::int64_t{entry.open_claim->portability});
  } else {
    columns.add_null().add_null().add_null();
  }
  columns.add(entry.block_order).add(entry.deleted_at).add(entry.delete_reason).add(entry.version);
}

void add(Columns& columns, const Claim& claim) {
  columns.add(claim.id.uuid).add(claim.registry_id).add(claim.type).add(claim.key.type()).add(claim.key.value());
  columns.add(claim.donor_entry.uuid).add(claim.donor.view());
  add(columns, claim.claimer_account);
  columns.add(claim.status).add(claim.created_at).add(claim.resolution_end).add(claim.completion_end);
  columns.add(claim.claimer_deadline).add(claim.updated_at).add(claim.donor_owned_since);
  columns.add(claim.confirm_reason).add(claim.cancel_reason).add(claim.cancelled_by).add(claim.ended_at);
  add_id(columns, claim.complete_request);
  add_id(columns, claim.completed_entry);
  columns.add(claim.version);
}

void add(Columns& columns, const Ispb& ispb, const StoredRequest& request) {
  columns.add(ispb.view()).add(request.id.uuid).add(ByteView(request.body_hash)).add(request.operation);
  columns.add(request.resource).add(request.sequence);
}

void add(Columns& columns, const Ispb& ispb, const events::OutboxEvent& event) {
  const std::string headers = events::headers_text(event.message.headers);
  columns.add(event.position).add(ispb.view()).add(event.topic).add(event.message.key);
  columns.add(as_bytes(event.message.body)).add(as_bytes(headers)).add(event.message.event_time);
}

void add(Columns& columns, const AuditRecord& record, std::uint64_t place) {
  columns.add(record.sequence * positions_per_commit + place).add(record.writer).add(std::int64_t{record.month});
  columns.add(record.number).add(record.at).add(record.ispb.view()).add(record.actor).add(record.correlation_id);
  columns.add(record.operation).add(record.resource_type).add(record.resource).add(ByteView(record.person));
  columns.add(as_bytes(record.before))
      .add(as_bytes(record.after))
      .add(ByteView(record.previous))
      .add(ByteView(record.hash));
}

Result<Account> read_account(Row row) {
  Account account = account_in(row);
  if (!good(account)) return damaged("account");
  return account;
}

Result<Entry> read_entry(Row row) {
  const EntryId id{row.uuid()};
  auto key = key_in(row);
  if (!key) return damaged("entry");
  Entry entry{.id = id, .key = std::move(*key), .account = account_in(row)};
  entry.status = enum_in(row, EntryStatus::deleted);
  entry.request_id = {row.uuid()};
  entry.slot = static_cast<std::uint8_t>(row.number());
  entry.created_at = row.time();
  entry.owned_since = row.time();
  entry.updated_at = row.time();
  if (!row.null()) {
    const ClaimId claim{row.uuid()};
    const UtcTime at = row.time();
    entry.open_claim = OpenClaim{claim, at, row.yes()};
  } else {
    for (int i = 0; i < 3; ++i) row.skip();
  }
  entry.block_order = text_if(row);
  entry.deleted_at = time_if(row);
  entry.delete_reason = enum_if(row, Reason::default_operation);
  entry.version = static_cast<std::uint64_t>(row.number());
  if (!good(entry.account) || entry.status == EntryStatus{}) return damaged("entry");
  return entry;
}

Result<Claim> read_claim(Row row) {
  const ClaimId id{row.uuid()};
  auto registry_id = text_if(row);
  const ClaimType type = enum_in(row, ClaimType::ownership);
  auto key = key_in(row);
  if (!key) return damaged("claim");
  Claim claim{.id = id, .registry_id = std::move(registry_id), .type = type, .key = std::move(*key)};
  claim.donor_entry = {row.uuid()};
  claim.donor = ispb_in(row);
  claim.claimer_account = account_in(row);
  claim.status = enum_in(row, ClaimStatus::completed);
  claim.created_at = row.time();
  claim.resolution_end = row.time();
  claim.completion_end = time_if(row);
  claim.claimer_deadline = row.time();
  claim.updated_at = row.time();
  claim.donor_owned_since = row.time();
  claim.confirm_reason = enum_if(row, Reason::default_operation);
  claim.cancel_reason = enum_if(row, Reason::default_operation);
  claim.cancelled_by = enum_if(row, ClaimRole::claimer);
  claim.ended_at = time_if(row);
  claim.complete_request = id_if<RequestId>(row);
  claim.completed_entry = id_if<EntryId>(row);
  claim.version = static_cast<std::uint64_t>(row.number());
  if (!good(claim.claimer_account) || claim.status == ClaimStatus{} || claim.type == ClaimType{})
    return damaged("claim");
  return claim;
}

Result<StoredRequest> read_request(Row row) {
  row.skip();
  StoredRequest request;
  request.id = {row.uuid()};
  request.body_hash = bytes_of<32>(row);
  request.operation = row.text();
  request.resource = row.uuid();
  request.sequence = static_cast<std::uint64_t>(row.number());
  return request;
}

Result<AuditRecord> read_audit(Row row) {
  AuditRecord record;
  record.sequence = static_cast<std::uint64_t>(row.number()) / positions_per_commit;
  record.writer = row.text();
  record.month = static_cast<Month>(row.number());
  record.number = static_cast<std::uint64_t>(row.number());
  record.at = row.time();
  record.ispb = ispb_in(row);
  record.actor = row.text();
  record.correlation_id = row.text();
  record.operation = row.text();
  record.resource_type = row.text();
  record.resource = row.uuid();
  record.person = bytes_of<32>(row);
  record.before = row.text();
  record.after = row.text();
  record.previous = bytes_of<32>(row);
  record.hash = bytes_of<32>(row);
  return record;
}

Result<events::OutboxEvent> read_event(Row row) {
  events::OutboxEvent event;
  event.position = static_cast<std::uint64_t>(row.number());
  row.skip();
  event.topic = row.text();
  event.message.key = row.text();
  event.message.body = as_text(row.bytes());
  TRY(event.message.headers, events::parse_headers_text(as_text(row.bytes())));
  event.message.event_time = row.time();
  return event;
}

Result<vsync::SyncAnswer> read_sync_answer(Row row) {
  vsync::SyncAnswer answer;
  answer.participant = ispb_in(row);
  answer.key_type = enum_in(row, KeyType::evp);
  answer.agreement = enum_in(row, vsync::Agreement::diverging);
  answer.vsync = bytes_of<32>(row);
  answer.verified_at = row.time();
  if (answer.key_type == KeyType{} || answer.agreement == vsync::Agreement{}) return damaged("answer");
  return answer;
}

}  // namespace chaveiro::clients::postgres
