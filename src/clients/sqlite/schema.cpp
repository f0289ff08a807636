// The steps of the schema. A step that was released is never changed: write a new one.
//
// Times are microseconds since 1970 (UTC), ids the 16 bytes of their UUID, enumerations the numbers of directory/*.h.
#include <array>

#include "clients/sqlite/migrations.h"

namespace chaveiro::clients::sqlite {

namespace {

constexpr std::string_view first_up = R"sql(
CREATE TABLE accounts (
  row INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  ispb TEXT NOT NULL,
  branch TEXT,
  number TEXT NOT NULL,
  type INTEGER NOT NULL,
  opened_at INTEGER NOT NULL,
  holder_type INTEGER NOT NULL,
  holder_tax_id TEXT NOT NULL,
  holder_name TEXT NOT NULL,
  holder_trade_name TEXT,
  status INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT;

-- account_*: the account as it stood when the entry was last written. status 4 = deleted.
CREATE TABLE entries (
  row INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  key_type INTEGER NOT NULL,
  key TEXT NOT NULL,
  account_id BLOB NOT NULL REFERENCES accounts (id),
  account_ispb TEXT NOT NULL,
  account_branch TEXT,
  account_number TEXT NOT NULL,
  account_type INTEGER NOT NULL,
  account_opened_at INTEGER NOT NULL,
  account_holder_type INTEGER NOT NULL,
  account_holder_tax_id TEXT NOT NULL,
  account_holder_name TEXT NOT NULL,
  account_holder_trade_name TEXT,
  account_status INTEGER NOT NULL,
  account_created_at INTEGER NOT NULL,
  account_updated_at INTEGER NOT NULL,
  account_version INTEGER NOT NULL,
  status INTEGER NOT NULL,
  request_id BLOB NOT NULL,
  slot INTEGER NOT NULL CHECK (slot BETWEEN 0 AND 31),
  created_at INTEGER NOT NULL,
  owned_since INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  open_claim_id BLOB,
  open_claim_at INTEGER,
  open_claim_portability INTEGER,
  block_order TEXT,
  deleted_at INTEGER,
  delete_reason INTEGER,
  version INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX entries_live_key ON entries (key, key_type) WHERE status <> 4;
CREATE UNIQUE INDEX entries_live_slot ON entries (account_id, slot) WHERE status <> 4;

-- account_*: of the claimer, who may be at a participant that is not ours. status 4 = cancelled, 5 = completed.
CREATE TABLE claims (
  row INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  registry_id TEXT,
  type INTEGER NOT NULL,
  key_type INTEGER NOT NULL,
  key TEXT NOT NULL,
  donor_entry BLOB NOT NULL,
  donor TEXT NOT NULL,
  account_id BLOB NOT NULL,
  account_ispb TEXT NOT NULL,
  account_branch TEXT,
  account_number TEXT NOT NULL,
  account_type INTEGER NOT NULL,
  account_opened_at INTEGER NOT NULL,
  account_holder_type INTEGER NOT NULL,
  account_holder_tax_id TEXT NOT NULL,
  account_holder_name TEXT NOT NULL,
  account_holder_trade_name TEXT,
  account_status INTEGER NOT NULL,
  account_created_at INTEGER NOT NULL,
  account_updated_at INTEGER NOT NULL,
  account_version INTEGER NOT NULL,
  status INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  resolution_end INTEGER NOT NULL,
  completion_end INTEGER,
  claimer_deadline INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  donor_owned_since INTEGER NOT NULL,
  confirm_reason INTEGER,
  cancel_reason INTEGER,
  cancelled_by INTEGER,
  ended_at INTEGER,
  complete_request BLOB,
  completed_entry BLOB,
  version INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX claims_live_key ON claims (key, key_type) WHERE status < 4;

CREATE TABLE requests (
  ispb TEXT NOT NULL,
  id BLOB NOT NULL,
  body_hash BLOB NOT NULL,
  operation TEXT NOT NULL,
  resource BLOB NOT NULL,
  sequence INTEGER NOT NULL,
  PRIMARY KEY (ispb, id)
) STRICT, WITHOUT ROWID;

-- One row for each chain: its last month, number and hash.
CREATE TABLE writers (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  month INTEGER NOT NULL,
  number INTEGER NOT NULL,
  hash BLOB NOT NULL
) STRICT;

-- position = sequence of the commit * 8 + place within it: records lie in commit order.
CREATE TABLE audit (
  position INTEGER PRIMARY KEY,
  writer INTEGER NOT NULL REFERENCES writers (id),
  month INTEGER NOT NULL,
  number INTEGER NOT NULL,
  at INTEGER NOT NULL,
  ispb TEXT NOT NULL,
  actor TEXT NOT NULL,
  correlation_id TEXT NOT NULL,
  operation TEXT NOT NULL,
  resource_type TEXT NOT NULL,
  resource BLOB NOT NULL,
  person BLOB NOT NULL,
  before BLOB NOT NULL,
  after BLOB NOT NULL,
  previous BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;

CREATE TABLE seal_keys (
  person BLOB NOT NULL PRIMARY KEY,
  key BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- sequence: of the last commit.
CREATE TABLE meta (
  name TEXT NOT NULL PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('sequence', 0);
)sql";

constexpr std::string_view first_down = R"sql(
DROP TABLE meta;
DROP TABLE seal_keys;
DROP TABLE audit;
DROP TABLE writers;
DROP TABLE requests;
DROP TABLE claims;
DROP TABLE entries;
DROP TABLE accounts;
)sql";

constexpr std::string_view lists_up = R"sql(
CREATE INDEX accounts_list ON accounts (ispb, created_at, id);
CREATE INDEX accounts_holder ON accounts (holder_tax_id);
CREATE INDEX entries_list ON entries (account_ispb, created_at, id);
CREATE INDEX entries_deleted ON entries (account_id) WHERE status = 4;
CREATE INDEX entries_ended ON entries (coalesce(deleted_at, updated_at)) WHERE status = 4;
CREATE INDEX claims_donor ON claims (donor, created_at, id);
CREATE INDEX claims_claimer ON claims (account_ispb, created_at, id);
CREATE INDEX claims_live ON claims (created_at, id) WHERE status < 4;
CREATE INDEX claims_holder ON claims (account_holder_tax_id);
CREATE INDEX audit_list ON audit (ispb, at);
CREATE INDEX audit_resource ON audit (resource);
)sql";

constexpr std::string_view lists_down = R"sql(
DROP INDEX audit_resource;
DROP INDEX audit_list;
DROP INDEX claims_holder;
DROP INDEX claims_live;
DROP INDEX claims_claimer;
DROP INDEX claims_donor;
DROP INDEX entries_ended;
DROP INDEX entries_deleted;
DROP INDEX entries_list;
DROP INDEX accounts_holder;
DROP INDEX accounts_list;
)sql";

constexpr std::string_view counts_up = R"sql(
CREATE INDEX entries_counts ON entries (account_ispb, key_type, status);
CREATE INDEX entries_deleted_list ON entries (account_ispb, created_at, id) WHERE status = 4;
)sql";

constexpr std::string_view counts_down = R"sql(
DROP INDEX entries_deleted_list;
DROP INDEX entries_counts;
)sql";

// outbox: events that wait for the relay. inbox_*: what consumers have applied, by aggregate, or by id where it has no version.
constexpr std::string_view events_up = R"sql(
CREATE TABLE outbox (
  position INTEGER PRIMARY KEY,
  topic TEXT NOT NULL,
  key TEXT NOT NULL,
  body BLOB NOT NULL,
  headers BLOB NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE TABLE inbox_versions (
  subscription TEXT NOT NULL,
  aggregate TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (subscription, aggregate)
) STRICT, WITHOUT ROWID;
CREATE TABLE inbox_ids (
  subscription TEXT NOT NULL,
  event BLOB NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (subscription, event)
) STRICT, WITHOUT ROWID;
)sql";

constexpr std::string_view events_down = R"sql(
DROP TABLE inbox_ids;
DROP TABLE inbox_versions;
DROP TABLE outbox;
)sql";

// What the registry answered last about the VSync of a participant and key type.
constexpr std::string_view sync_up = R"sql(
CREATE TABLE sync_answers (
  ispb TEXT NOT NULL,
  key_type INTEGER NOT NULL,
  agreement INTEGER NOT NULL,
  vsync BLOB NOT NULL,
  verified_at INTEGER NOT NULL,
  PRIMARY KEY (ispb, key_type)
) STRICT, WITHOUT ROWID;
)sql";

constexpr std::string_view sync_down = R"sql(
DROP TABLE sync_answers;
)sql";

constexpr std::array<Migration, 5> steps = {{
    {{1, 0}, "tables", first_up, first_down},
    {{1, 1}, "indexes for lists", lists_up, lists_down},
    {{1, 2}, "indexes for counts", counts_up, counts_down},
    {{1, 3}, "events", events_up, events_down},
    {{1, 4}, "answers about synchronisation", sync_up, sync_down},
}};

}  // namespace

std::span<const Migration> migrations() { return steps; }

SchemaVersion newest_schema() { return steps.back().version; }

}  // namespace chaveiro::clients::sqlite
