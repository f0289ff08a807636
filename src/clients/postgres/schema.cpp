// The steps of the schema. A step that was released is never changed: write a new one.
//
// Times come from the program, in UTC; enumerations are the numbers of directory/*.h. Row-level security compares with the setting
// app.ispb, a list such as '12345678,87654321' that each transaction sets for itself: without it no row is seen and none can be written.
#include <array>

#include "clients/postgres/migrations.h"

namespace chaveiro::clients::postgres {

namespace {

#define SEEN_BY(column) \
  "(" column " = ANY ((SELECT string_to_array(nullif(current_setting('app.ispb', true), ''), ','))::text[]))"
#define SEEN_BY_ANY "((SELECT nullif(current_setting('app.ispb', true), '')) IS NOT NULL)"
#define SNAPSHOT                                                                                                       \
  "  account_id uuid NOT NULL,\n"                                                                                      \
  "  account_ispb text COLLATE \"C\" NOT NULL CHECK (length(account_ispb) = 8),\n"                                     \
  "  account_branch text,\n  account_number text NOT NULL,\n  account_type smallint NOT NULL,\n"                       \
  "  account_opened_at timestamptz NOT NULL,\n  account_holder_type smallint NOT NULL CHECK (account_holder_type IN "  \
  "(1, 2)),\n"                                                                                                         \
  "  account_holder_tax_id text COLLATE \"C\" NOT NULL,\n  account_holder_name text NOT NULL,\n  "                     \
  "account_holder_trade_name text,\n"                                                                                  \
  "  account_status smallint NOT NULL,\n  account_created_at timestamptz NOT NULL,\n  account_updated_at timestamptz " \
  "NOT NULL,\n"                                                                                                        \
  "  account_version bigint NOT NULL,\n"

constexpr std::string_view first_up = R"sql(
CREATE TABLE accounts (
  id uuid PRIMARY KEY,
  ispb text COLLATE "C" NOT NULL CHECK (length(ispb) = 8),
  branch text,
  number text NOT NULL,
  type smallint NOT NULL CHECK (type BETWEEN 1 AND 4),
  opened_at timestamptz NOT NULL,
  holder_type smallint NOT NULL CHECK (holder_type IN (1, 2)),
  holder_tax_id text COLLATE "C" NOT NULL,
  holder_name text NOT NULL,
  holder_trade_name text,
  status smallint NOT NULL CHECK (status IN (1, 2)),
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  version bigint NOT NULL CHECK (version > 0)
) WITH (fillfactor = 90);

-- account_*: the account as it stood when the entry was last written. status 4 = deleted.
CREATE TABLE entries (
  id uuid PRIMARY KEY,
  key_type smallint NOT NULL CHECK (key_type BETWEEN 1 AND 5),
  key text COLLATE "C" NOT NULL,
)sql" SNAPSHOT R"sql(
  status smallint NOT NULL CHECK (status BETWEEN 1 AND 4),
  request_id uuid NOT NULL,
  slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 31),
  created_at timestamptz NOT NULL,
  owned_since timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  open_claim_id uuid,
  open_claim_at timestamptz,
  open_claim_portability boolean,
  block_order text,
  deleted_at timestamptz,
  delete_reason smallint,
  version bigint NOT NULL CHECK (version > 0),
  CONSTRAINT entries_account FOREIGN KEY (account_id) REFERENCES accounts (id),
  CONSTRAINT entries_key_limit CHECK (status = 4 OR slot < CASE account_holder_type WHEN 1 THEN 5 ELSE 20 END)
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX entries_live_key ON entries (key, key_type) WHERE status <> 4;
CREATE UNIQUE INDEX entries_live_slot ON entries (account_id, slot) WHERE status <> 4;

-- account_*: of the claimer, who may be at a participant that is not ours. status 4 = cancelled, 5 = completed.
CREATE TABLE claims (
  id uuid PRIMARY KEY,
  registry_id text,
  type smallint NOT NULL CHECK (type IN (1, 2)),
  key_type smallint NOT NULL CHECK (key_type BETWEEN 1 AND 5),
  key text COLLATE "C" NOT NULL,
  donor_entry uuid NOT NULL,
  donor text COLLATE "C" NOT NULL CHECK (length(donor) = 8),
)sql" SNAPSHOT R"sql(
  status smallint NOT NULL CHECK (status BETWEEN 1 AND 5),
  created_at timestamptz NOT NULL,
  resolution_end timestamptz NOT NULL,
  completion_end timestamptz,
  claimer_deadline timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  donor_owned_since timestamptz NOT NULL,
  confirm_reason smallint,
  cancel_reason smallint,
  cancelled_by smallint,
  ended_at timestamptz,
  complete_request uuid,
  completed_entry uuid,
  version bigint NOT NULL CHECK (version > 0)
);
CREATE UNIQUE INDEX claims_live_key ON claims (key, key_type) WHERE status < 4;

-- Kept for ever.
CREATE TABLE requests (
  ispb text COLLATE "C" NOT NULL CHECK (length(ispb) = 8),
  id uuid NOT NULL,
  body_hash bytea NOT NULL,
  operation text NOT NULL,
  resource uuid NOT NULL,
  sequence bigint NOT NULL,
  PRIMARY KEY (ispb, id)
);

-- One row for each chain: its last month, number and hash.
CREATE TABLE writers (
  name text PRIMARY KEY,
  month integer NOT NULL,
  number bigint NOT NULL,
  hash bytea NOT NULL
) WITH (fillfactor = 50);

-- position = sequence of the commit * 8 + place within it: records lie in commit order. month = yyyymm of the chain.
CREATE TABLE audit (
  position bigint NOT NULL,
  writer text NOT NULL,
  month integer NOT NULL,
  number bigint NOT NULL,
  at timestamptz NOT NULL,
  ispb text COLLATE "C" NOT NULL,
  actor text NOT NULL,
  correlation_id text NOT NULL,
  operation text NOT NULL,
  resource_type text NOT NULL,
  resource uuid NOT NULL,
  person bytea NOT NULL,
  before bytea NOT NULL,
  after bytea NOT NULL,
  previous bytea NOT NULL,
  hash bytea NOT NULL,
  PRIMARY KEY (position, month)
) PARTITION BY RANGE (month);
-- Takes what no month was made for; one that holds anything is an alarm.
CREATE TABLE audit_rest PARTITION OF audit DEFAULT;

CREATE TABLE seal_keys (
  person bytea PRIMARY KEY,
  key bytea NOT NULL
);

-- One row. sequence: of the last commit; whoever writes holds its lock until its commit. erasures: counts persons erased.
CREATE TABLE state (
  single boolean PRIMARY KEY CHECK (single),
  sequence bigint NOT NULL,
  erasures bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO state VALUES (true, 0, 0);

ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE claims ENABLE ROW LEVEL SECURITY;
ALTER TABLE requests ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_rest ENABLE ROW LEVEL SECURITY;
ALTER TABLE writers ENABLE ROW LEVEL SECURITY;
ALTER TABLE seal_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE state ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_participant ON accounts USING )sql" SEEN_BY("ispb") R"sql(;
CREATE POLICY of_participant ON entries USING )sql" SEEN_BY("account_ispb") R"sql(;
CREATE POLICY of_participant ON claims USING ()sql" SEEN_BY("donor") " OR " SEEN_BY("account_ispb") R"sql();
CREATE POLICY of_participant ON requests USING )sql" SEEN_BY("ispb") R"sql(;
CREATE POLICY of_participant ON audit USING )sql" SEEN_BY("ispb") R"sql(;
CREATE POLICY of_any ON writers USING )sql" SEEN_BY_ANY R"sql(;
CREATE POLICY of_any ON seal_keys USING )sql" SEEN_BY_ANY R"sql(;
CREATE POLICY of_any ON state USING )sql" SEEN_BY_ANY R"sql(;

GRANT SELECT, INSERT, UPDATE ON accounts, writers TO chaveiro_runtime;
GRANT SELECT, INSERT, UPDATE, DELETE ON entries, claims TO chaveiro_runtime;
GRANT SELECT, INSERT ON requests, audit TO chaveiro_runtime;
GRANT SELECT, INSERT, DELETE ON seal_keys TO chaveiro_runtime;
GRANT SELECT, UPDATE ON state TO chaveiro_runtime;
GRANT INSERT ON accounts, entries, requests, audit TO chaveiro_import;

-- Who holds a key, and whether it is the same person, also where the entry is not the caller's to see.
CREATE FUNCTION who_holds(smallint, text) RETURNS TABLE (ispb text, owner bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT account_ispb, sha256(convert_to(account_holder_tax_id, 'UTF8')) FROM entries WHERE key = $2 AND key_type = $1 AND status <> 4 $$;
REVOKE ALL ON FUNCTION who_holds(smallint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION who_holds(smallint, text) TO chaveiro_runtime;
)sql";

constexpr std::string_view first_down = R"sql(
DROP FUNCTION who_holds(smallint, text);
DROP TABLE state;
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
CREATE INDEX entries_list ON entries (account_ispb, created_at, id) WHERE status <> 4;
CREATE INDEX entries_deleted_list ON entries (account_ispb, created_at, id) WHERE status = 4;
CREATE INDEX entries_deleted ON entries (account_id) WHERE status = 4;
CREATE INDEX entries_ended ON entries ((coalesce(deleted_at, updated_at))) WHERE status = 4;
CREATE INDEX claims_donor ON claims (donor, created_at, id);
CREATE INDEX claims_claimer ON claims (account_ispb, created_at, id);
CREATE INDEX claims_live ON claims (created_at, id) WHERE status < 4;
CREATE INDEX claims_holder ON claims (account_holder_tax_id);
CREATE INDEX audit_list ON audit (ispb, at);
CREATE INDEX audit_resource ON audit (resource);
CREATE INDEX audit_chain ON audit (writer, position);
)sql";

constexpr std::string_view lists_down = R"sql(
DROP INDEX audit_chain;
DROP INDEX audit_resource;
DROP INDEX audit_list;
DROP INDEX claims_holder;
DROP INDEX claims_live;
DROP INDEX claims_claimer;
DROP INDEX claims_donor;
DROP INDEX entries_ended;
DROP INDEX entries_deleted;
DROP INDEX entries_deleted_list;
DROP INDEX entries_list;
DROP INDEX accounts_holder;
DROP INDEX accounts_list;
)sql";

// Unlogged: a server that crashed comes back with an empty cache, in which no erasure can have come undone.
constexpr std::string_view cache_up = R"sql(
CREATE UNLOGGED TABLE cache_value (
  key bytea PRIMARY KEY,
  bytes bytea,
  version bigint NOT NULL,
  stored_at bigint NOT NULL,
  until bigint NOT NULL,
  epoch bigint NOT NULL,
  hits bigint NOT NULL,
  tags bytea[]
) WITH (fillfactor = 85);
CREATE INDEX cache_value_until ON cache_value (until);
CREATE INDEX cache_value_epoch ON cache_value (epoch);
CREATE INDEX cache_value_tags ON cache_value USING gin (tags) WHERE tags IS NOT NULL;
CREATE TABLE cache_state (
  single boolean PRIMARY KEY CHECK (single),
  epoch bigint NOT NULL
);
INSERT INTO cache_state VALUES (true, 1);
-- What the cache held when it was last counted, by the first parts of its keys.
CREATE TABLE cache_hot (
  prefix bytea PRIMARY KEY,
  keys bigint NOT NULL,
  hits bigint NOT NULL,
  bytes bigint NOT NULL,
  built_at bigint NOT NULL
);
ALTER TABLE cache_value ENABLE ROW LEVEL SECURITY;
ALTER TABLE cache_state ENABLE ROW LEVEL SECURITY;
ALTER TABLE cache_hot ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_any ON cache_value USING )sql" SEEN_BY_ANY R"sql(;
CREATE POLICY of_any ON cache_state USING )sql" SEEN_BY_ANY R"sql(;
CREATE POLICY of_any ON cache_hot USING )sql" SEEN_BY_ANY R"sql(;
GRANT SELECT, INSERT, UPDATE, DELETE ON cache_value, cache_hot TO chaveiro_runtime;
GRANT SELECT, UPDATE ON cache_state TO chaveiro_runtime;
)sql";

constexpr std::string_view cache_down = R"sql(
DROP TABLE cache_hot;
DROP TABLE cache_state;
DROP TABLE cache_value;
)sql";

// outbox: events that wait for the relay. inbox_*: what consumers have applied, by aggregate, or by id where it has no version.
constexpr std::string_view events_up = R"sql(
CREATE TABLE outbox (
  position bigint PRIMARY KEY,
  ispb text COLLATE "C" NOT NULL CHECK (length(ispb) = 8),
  topic text NOT NULL,
  key text NOT NULL,
  body bytea NOT NULL,
  headers bytea NOT NULL,
  at timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_scale_factor = 0);
CREATE TABLE inbox_versions (
  subscription text COLLATE "C" NOT NULL,
  aggregate text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  PRIMARY KEY (subscription, aggregate)
) WITH (fillfactor = 80);
CREATE TABLE inbox_ids (
  subscription text COLLATE "C" NOT NULL,
  event uuid NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (subscription, event)
);
CREATE INDEX inbox_ids_at ON inbox_ids (at);
ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE inbox_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE inbox_ids ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_participant ON outbox USING )sql" SEEN_BY("ispb") R"sql(;
CREATE POLICY of_any ON inbox_versions USING )sql" SEEN_BY_ANY R"sql(;
CREATE POLICY of_any ON inbox_ids USING )sql" SEEN_BY_ANY R"sql(;
GRANT SELECT, INSERT, DELETE ON outbox TO chaveiro_runtime;
GRANT SELECT, INSERT, UPDATE ON inbox_versions TO chaveiro_runtime;
GRANT SELECT, INSERT, DELETE ON inbox_ids TO chaveiro_runtime;

-- Which records other writers than $3 changed from position $1 until before $2, also where another participant did; at most 1,001.
CREATE FUNCTION changed_by_others(bigint, bigint, text) RETURNS TABLE (type text, resource uuid, is_sweeping boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT DISTINCT resource_type, resource, operation IN ('purge', 'erase_person') FROM audit
   WHERE position >= $1 AND position < $2 AND writer <> $3 LIMIT 1001 $$;
REVOKE ALL ON FUNCTION changed_by_others(bigint, bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION changed_by_others(bigint, bigint, text) TO chaveiro_runtime;
)sql";

constexpr std::string_view events_down = R"sql(
DROP FUNCTION changed_by_others(bigint, bigint, text);
DROP TABLE inbox_ids;
DROP TABLE inbox_versions;
DROP TABLE outbox;
)sql";

// What consumers remember. consumer_parked holds events, which belong to the participants of the node that parked them.
constexpr std::string_view consumers_up = R"sql(
CREATE TABLE consumer_tries (
  subscription text COLLATE "C" NOT NULL,
  event uuid NOT NULL,
  count integer NOT NULL,
  PRIMARY KEY (subscription, event)
) WITH (fillfactor = 80);
CREATE TABLE consumer_attempts (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subscription text COLLATE "C" NOT NULL,
  event uuid NOT NULL,
  at timestamptz NOT NULL,
  code text NOT NULL,
  reason text NOT NULL,
  message text NOT NULL
);
CREATE INDEX consumer_attempts_of ON consumer_attempts (subscription, event);
CREATE TABLE consumer_dead (
  subscription text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  event uuid NOT NULL,
  PRIMARY KEY (subscription, key)
);
CREATE TABLE consumer_parked (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ispbs text NOT NULL,
  subscription text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  event uuid NOT NULL,
  topic text NOT NULL,
  since timestamptz NOT NULL,
  body bytea NOT NULL,
  headers bytea NOT NULL,
  event_time timestamptz NOT NULL,
  UNIQUE (subscription, key, event)
);
ALTER TABLE consumer_tries ENABLE ROW LEVEL SECURITY;
ALTER TABLE consumer_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE consumer_dead ENABLE ROW LEVEL SECURITY;
ALTER TABLE consumer_parked ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_any ON consumer_tries USING )sql" SEEN_BY_ANY R"sql(;
CREATE POLICY of_any ON consumer_attempts USING )sql" SEEN_BY_ANY R"sql(;
CREATE POLICY of_any ON consumer_dead USING )sql" SEEN_BY_ANY R"sql(;
CREATE POLICY of_participants ON consumer_parked USING
  (string_to_array(ispbs, ',') && (SELECT string_to_array(nullif(current_setting('app.ispb', true), ''), ',')));
GRANT SELECT, INSERT, UPDATE, DELETE ON consumer_tries, consumer_dead TO chaveiro_runtime;
GRANT SELECT, INSERT, DELETE ON consumer_attempts, consumer_parked TO chaveiro_runtime;
)sql";

constexpr std::string_view consumers_down = R"sql(
DROP TABLE consumer_parked;
DROP TABLE consumer_dead;
DROP TABLE consumer_attempts;
DROP TABLE consumer_tries;
)sql";

// What the registry answered last about the VSync of a participant and key type.
constexpr std::string_view sync_up = R"sql(
CREATE TABLE sync_answers (
  ispb text COLLATE "C" NOT NULL CHECK (length(ispb) = 8),
  key_type smallint NOT NULL CHECK (key_type BETWEEN 1 AND 5),
  agreement smallint NOT NULL CHECK (agreement IN (1, 2)),
  vsync bytea NOT NULL CHECK (length(vsync) = 32),
  verified_at timestamptz NOT NULL,
  PRIMARY KEY (ispb, key_type)
) WITH (fillfactor = 80);
ALTER TABLE sync_answers ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_participant ON sync_answers USING )sql" SEEN_BY("ispb") R"sql(;
GRANT SELECT, INSERT, UPDATE ON sync_answers TO chaveiro_runtime;
)sql";

constexpr std::string_view sync_down = R"sql(
DROP TABLE sync_answers;
)sql";

constexpr std::array<Migration, 6> steps = {{
    {{1, 0}, "tables", first_up, first_down},
    {{1, 1}, "indexes for lists", lists_up, lists_down},
    {{1, 2}, "the cache's third level", cache_up, cache_down},
    {{1, 3}, "events", events_up, events_down},
    {{1, 4}, "what consumers remember", consumers_up, consumers_down},
    {{1, 5}, "answers about synchronisation", sync_up, sync_down},
}};

}  // namespace

std::span<const Migration> migrations() { return steps; }

SchemaVersion newest_schema() { return steps.back().version; }

}  // namespace chaveiro::clients::postgres
