#include "clients/sqlite/consumer_memory.h"

#include "clients/sqlite/maintenance.h"
#include "events/outbox.h"

namespace chaveiro::clients::sqlite {

using namespace events;

namespace {

constexpr std::string_view tables = R"sql(
CREATE TABLE IF NOT EXISTS tries (
  subscription TEXT NOT NULL, event BLOB NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (subscription, event)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempts (
  number INTEGER PRIMARY KEY, subscription TEXT NOT NULL, event BLOB NOT NULL, at INTEGER NOT NULL,
  code TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS attempts_of ON attempts (subscription, event);
CREATE TABLE IF NOT EXISTS dead (
  subscription TEXT NOT NULL, key TEXT NOT NULL, event BLOB NOT NULL, PRIMARY KEY (subscription, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parked (
  number INTEGER PRIMARY KEY, subscription TEXT NOT NULL, key TEXT NOT NULL, event BLOB NOT NULL, topic TEXT NOT NULL,
  since INTEGER NOT NULL, body BLOB NOT NULL, headers BLOB NOT NULL, event_time INTEGER NOT NULL,
  UNIQUE (subscription, key, event)
) STRICT;
)sql";

Result<std::uint64_t> run(Connection& connection, std::string_view sql, const auto& add) {
  TRY(Statement* const row, connection.prepare(sql));
  add(*row);
  return row->run();
}

}  // namespace

Result<std::unique_ptr<SqliteConsumerMemory>> SqliteConsumerMemory::open(const std::string& path) {
  TRY_VOID(make_private_file(path));
  TRY(auto connection, Connection::open({.path = path, .vfs = {}, .mode = ConnectionOptions::Mode::create}));
  TRY_VOID(connection->run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON"));
  TRY_VOID(connection->run(tables));
  return std::unique_ptr<SqliteConsumerMemory>(new SqliteConsumerMemory(std::move(connection)));
}

Result<std::uint32_t> SqliteConsumerMemory::begin_try(const std::string& subscription, const Uuid& event, Deadline) {
  auto connection = connection_.lock();
  TRY(Statement* const row, (*connection)
                                ->prepare("INSERT INTO tries VALUES (?, ?, 1) ON CONFLICT (subscription, event) "
                                          "DO UPDATE SET count = count + 1 RETURNING count"));
  TRY_VOID(row->add(subscription).add(event).step());
  const auto count = static_cast<std::uint32_t>(row->number());
  TRY_VOID(row->step());  // to its end, which commits
  row->reset();
  return count;
}

Result<void> SqliteConsumerMemory::failed(const std::string& subscription, const Uuid& event, const Attempt& attempt,
                                          Deadline) {
  auto connection = connection_.lock();
  TRY_VOID(run(
      **connection, "INSERT INTO attempts (subscription, event, at, code, reason, message) VALUES (?, ?, ?, ?, ?, ?)",
      [&](Statement& row) {
        row.add(subscription).add(event).add(attempt.at).add(attempt.code).add(attempt.reason).add(attempt.message);
      }));
  return {};
}

Result<std::vector<Attempt>> SqliteConsumerMemory::attempts(const std::string& subscription, const Uuid& event,
                                                            Deadline) {
  auto connection = connection_.lock();
  TRY(Statement* const rows,
      (*connection)
          ->prepare(
              "SELECT at, code, reason, message FROM attempts WHERE subscription = ? AND event = ? ORDER BY number"));
  rows->add(subscription).add(event);
  std::vector<Attempt> found;
  for (;;) {
    TRY(const bool row, rows->step());
    if (!row) return found;
    Attempt& attempt = found.emplace_back();
    attempt.at = UtcTime(Micros(rows->number()));
    attempt.code = rows->text();
    attempt.reason = rows->text();
    attempt.message = rows->text();
  }
}

Result<void> SqliteConsumerMemory::forget_tries(const std::string& subscription, const Uuid& event, Deadline) {
  auto connection = connection_.lock();
  const auto its = [&](Statement& row) { row.add(subscription).add(event); };
  TRY(const std::uint64_t known, run(**connection, "DELETE FROM tries WHERE subscription = ? AND event = ?", its));
  if (known > 0) TRY_VOID(run(**connection, "DELETE FROM attempts WHERE subscription = ? AND event = ?", its));
  return {};
}

Result<void> SqliteConsumerMemory::set_dead(const std::string& subscription, const std::string& key, const Uuid& event,
                                            Deadline) {
  auto connection = connection_.lock();
  TRY_VOID(run(**connection,
               "INSERT INTO dead VALUES (?, ?, ?) ON CONFLICT (subscription, key) DO UPDATE SET event = excluded.event",
               [&](Statement& row) { row.add(subscription).add(key).add(event); }));
  return {};
}

Result<bool> SqliteConsumerMemory::revive(const std::string& subscription, const std::string& key, const Uuid& event,
                                          Deadline) {
  auto connection = connection_.lock();
  TRY(const std::uint64_t gone, run(**connection, "DELETE FROM dead WHERE subscription = ? AND key = ? AND event = ?",
                                    [&](Statement& row) { row.add(subscription).add(key).add(event); }));
  return gone > 0;
}

Result<KeyState> SqliteConsumerMemory::key_state(const std::string& subscription, const std::string& key, Deadline) {
  auto connection = connection_.lock();
  TRY(Statement* const dead, (*connection)->prepare("SELECT 1 FROM dead WHERE subscription = ? AND key = ?"));
  TRY(const bool is_dead, dead->add(subscription).add(key).step());
  dead->reset();
  if (is_dead) return KeyState::dead;
  TRY(Statement* const waits,
      (*connection)->prepare("SELECT 1 FROM parked WHERE subscription = ? AND key = ? LIMIT 1"));
  TRY(const bool is_waiting, waits->add(subscription).add(key).step());
  waits->reset();
  return is_waiting ? KeyState::waiting_for_gap : KeyState::free;
}

// The message is acknowledged right after: unlike a try, it must not be lost to a power cut.
Result<void> SqliteConsumerMemory::park(const Parked& parked, Deadline) {
  auto connection = connection_.lock();
  TRY_VOID((*connection)->run("PRAGMA synchronous=FULL"));
  const std::string headers = headers_text(parked.message.headers);
  const auto done =
      run(**connection,
          "INSERT INTO parked (subscription, key, event, topic, since, body, headers, event_time) VALUES (?, ?, ?, ?, "
          "?, ?, ?, ?) "
          "ON CONFLICT DO NOTHING",
          [&](Statement& row) {
            row.add(parked.subscription).add(parked.key).add(parked.event_id).add(parked.topic).add(parked.since);
            row.add(as_bytes(parked.message.body)).add(as_bytes(headers)).add(parked.message.event_time);
          });
  TRY_VOID((*connection)->run("PRAGMA synchronous=NORMAL"));
  if (!done) return done.error();
  return {};
}

Result<std::vector<Parked>> SqliteConsumerMemory::parked(const std::string& subscription, const std::string& key,
                                                         std::size_t limit, Deadline) {
  auto connection = connection_.lock();
  TRY(Statement* const rows, (*connection)
                                 ->prepare("SELECT number, event, topic, since, body, headers, event_time FROM parked "
                                           "WHERE subscription = ? AND key = ? ORDER BY number LIMIT ?"));
  rows->add(subscription).add(key).add(static_cast<std::int64_t>(limit));
  std::vector<Parked> found;
  for (;;) {
    TRY(const bool row, rows->step());
    if (!row) return found;
    Parked& one = found.emplace_back();
    one.subscription = subscription;
    one.key = key;
    one.number = static_cast<std::uint64_t>(rows->number());
    const ByteView id = rows->bytes();
    Uuid::Bytes bytes{};
    std::copy_n(id.begin(), std::min(id.size(), bytes.size()), bytes.begin());
    one.event_id = Uuid(bytes);
    one.topic = rows->text();
    one.since = UtcTime(Micros(rows->number()));
    one.message.key = key;
    one.message.body = as_text(rows->bytes());
    auto headers = parse_headers_text(as_text(rows->bytes()));
    one.message.event_time = UtcTime(Micros(rows->number()));
    if (!headers) {
      rows->reset();
      return std::move(headers).error();
    }
    one.message.headers = std::move(*headers);
  }
}

Result<void> SqliteConsumerMemory::unpark(const std::string& subscription, const std::string& key, const Uuid& event,
                                          Deadline) {
  auto connection = connection_.lock();
  TRY_VOID(run(**connection, "DELETE FROM parked WHERE subscription = ? AND key = ? AND event = ?",
               [&](Statement& row) { row.add(subscription).add(key).add(event); }));
  return {};
}

Result<std::vector<ConsumerMemory::ParkedKey>> SqliteConsumerMemory::parked_keys(const std::string& subscription,
                                                                                 std::size_t limit, Deadline) {
  auto connection = connection_.lock();
  TRY(Statement* const rows,
      (*connection)
          ->prepare("SELECT key, max(is_dead), min(since), sum(events) FROM ("
                    "SELECT key, 1 AS is_dead, NULL AS since, 0 AS events FROM dead WHERE subscription = ?1 UNION ALL "
                    "SELECT key, 0, since, 1 FROM parked WHERE subscription = ?1) GROUP BY key ORDER BY key LIMIT ?2"));
  rows->add(subscription).add(static_cast<std::int64_t>(limit));
  std::vector<ParkedKey> found;
  for (;;) {
    TRY(const bool row, rows->step());
    if (!row) return found;
    ParkedKey& key = found.emplace_back();
    key.key = rows->text();
    key.dead = rows->number() != 0;
    if (rows->null()) {
      rows->skip();
    } else {
      key.since = UtcTime(Micros(rows->number()));
    }
    key.events = static_cast<std::uint64_t>(rows->number());
  }
}

}  // namespace chaveiro::clients::sqlite
