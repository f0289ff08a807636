#include "clients/sqlite/cache_tier.h"

#include "base/file.h"
#include "base/text.h"
#include "clients/sqlite/maintenance.h"

namespace chaveiro::clients::sqlite {
namespace {

using cache::TierPut;
using cache::TierStored;
using cache::TierValue;

constexpr std::string_view schema =
    "CREATE TABLE IF NOT EXISTS cache_state (id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL, open_on "
    "TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS cache_value (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, bytes BLOB,"  // without bytes: a fence
    " version INTEGER NOT NULL, stored_at INTEGER NOT NULL, until INTEGER NOT NULL, epoch INTEGER NOT NULL,"
    " hits INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX IF NOT EXISTS cache_value_until ON cache_value (until);"
    "CREATE INDEX IF NOT EXISTS cache_value_epoch ON cache_value (epoch);"
    "CREATE TABLE IF NOT EXISTS cache_tag (tag BLOB NOT NULL, value INTEGER NOT NULL REFERENCES cache_value (id) ON "
    "DELETE CASCADE,"
    " PRIMARY KEY (tag, value)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS cache_tag_value ON cache_tag (value);"
    "CREATE TABLE IF NOT EXISTS cache_hot (prefix BLOB PRIMARY KEY, keys INTEGER NOT NULL, hits INTEGER NOT NULL, "
    "bytes "
    "INTEGER NOT NULL, built_at INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT OR IGNORE INTO cache_state VALUES (1, 1, '');";

// The same as long as the machine runs: what a process wrote is then in the page cache, whatever became of the process.
std::string machine_run() {
  const auto id = read_file("/proc/sys/kernel/random/boot_id", 128);
  return id ? std::string(trim(*id)) : std::string();
}

Result<void> within_bounds(const TierPut& put) {
  if (put.key.empty() || put.key.size() > cache::tier_key_max) return fail_field("key", "1 to 512 bytes", "CacheKey");
  if (put.bytes.size() > cache::tier_value_max) return fail_field("bytes", "at most 16 MiB", "CacheValue");
  if (put.tags.size() > cache::tier_tags_max) return fail_field("tags", "at most 16", "CacheTags");
  return {};
}

Error too_late() { return fail(Code::deadline, "Deadline", "no time left for the cache's file"); }

ByteView blob(std::string_view text) { return as_bytes(text); }

}  // namespace

Result<std::unique_ptr<CacheTier>> CacheTier::open(CacheTierOptions options, const Clock& clock) {
  TRY_VOID(make_private_file(options.path));
  ConnectionOptions how;
  how.path = options.path;
  how.cache_bytes = options.cache_bytes;
  TRY(auto connection, Connection::open(how));
  TRY_VOID(connection->text("PRAGMA journal_mode=WAL"));
  // FULL while the state is written, so that it stands before anything that relies on it.
  TRY_VOID(connection->run("PRAGMA synchronous=FULL; PRAGMA secure_delete=ON"));
  TRY_VOID(connection->run(schema));
  TRY(const std::string open_on, connection->text("SELECT open_on FROM cache_state"));
  const std::string here = machine_run();
  if (!open_on.empty() && (open_on != here || here.empty()))
    TRY_VOID(connection->run("UPDATE cache_state SET epoch = epoch + 1"));
  TRY(Statement * mark, connection->prepare("UPDATE cache_state SET open_on = ?"));
  TRY_VOID(mark->add(here.empty() ? std::string_view("unknown") : std::string_view(here)).run());
  TRY(const std::int64_t epoch, connection->number("SELECT epoch FROM cache_state"));
  TRY_VOID(connection->run("PRAGMA synchronous=NORMAL"));
  return std::unique_ptr<CacheTier>(new CacheTier(std::move(options), std::move(connection), epoch, clock));
}

CacheTier::CacheTier(CacheTierOptions options, std::unique_ptr<Connection> connection, std::int64_t epoch,
                     const Clock& clock)
    : options_(std::move(options)), clock_(clock), connection_(std::move(connection)), epoch_(epoch) {}

CacheTier::~CacheTier() {
  connection_->limit(Deadline::never());
  (void)connection_->run("PRAGMA synchronous=FULL; UPDATE cache_state SET open_on = ''");
}

template <class Work>
auto CacheTier::in_turn(Deadline deadline, Work work) -> decltype(work()) {
  if (deadline.expired()) return too_late();
  {
    auto turn = turn_.lock();
    if (!turn.wait(deadline, [](const Turn& it) { return !it.busy; })) return too_late();
    turn->busy = true;
  }
  connection_->limit(deadline);
  auto result = work();
  turn_.with([](Turn& it) { it.busy = false; });
  turn_.notify_one();
  return result;
}

template <class Work>
Result<void> CacheTier::in_transaction(Work work) {
  TRY_VOID(connection_->run("BEGIN IMMEDIATE"));
  Result<void> done = work();
  if (done) done = connection_->run("COMMIT");
  if (!done && connection_->in_transaction()) {
    connection_->limit(Deadline::never());
    (void)connection_->run("ROLLBACK");
  }
  return done;
}

Result<std::optional<TierValue>> CacheTier::read(std::string_view key) {
  TRY(Statement * find,
      connection_->prepare("SELECT bytes, version, stored_at, until FROM cache_value"
                           " WHERE key = ? AND epoch = ? AND until > ? AND stored_at <= ? AND bytes IS NOT NULL"));
  const std::int64_t at = now();
  TRY(const bool there, find->add(blob(key)).add(epoch_).add(at).add(at).step());
  if (!there) return std::optional<TierValue>();
  TierValue value;
  value.bytes = as_text(find->bytes());
  value.version = static_cast<std::uint64_t>(find->number());
  value.stored_at = UtcTime{Micros{find->number()}};
  value.ttl_left = Micros{find->number() - at};
  find->reset();
  if (hits_.size() < options_.hits_held || hits_.contains(std::string(key))) ++hits_[std::string(key)];
  return std::optional(std::move(value));
}

Result<CacheTier::Row> CacheTier::look(std::string_view key) {
  TRY(Statement * find, connection_->prepare("SELECT version, until, epoch FROM cache_value WHERE key = ?"));
  TRY(const bool there, find->add(blob(key)).step());
  Row row;
  if (!there) return row;
  row.version = static_cast<std::uint64_t>(find->number());
  const std::int64_t until = find->number();
  row.holds = find->number() == epoch_ && until > now();
  find->reset();
  return row;
}

Result<void> CacheTier::remove(std::string_view key) {
  hits_.erase(std::string(key));
  TRY(Statement * drop, connection_->prepare("DELETE FROM cache_value WHERE key = ?"));
  TRY_VOID(drop->add(blob(key)).run());
  return {};
}

Result<TierStored> CacheTier::write(const TierPut& put) {
  if (put.version != 0) {
    TRY(const Row row, look(put.key));
    if (row.holds && row.version > put.version) return TierStored::superseded;
  }
  TRY_VOID(remove(put.key));
  if (put.ttl <= Micros{0}) return TierStored::stored;
  const Micros ttl = options_.ttl_max > Micros{0} ? std::min(put.ttl, options_.ttl_max) : put.ttl;
  TRY(Statement * insert, connection_->prepare("INSERT INTO cache_value (key, bytes, version, stored_at, until, epoch)"
                                               " VALUES (?, ?, ?, ?, ?, ?) RETURNING id"));
  TRY(const bool there, insert->add(blob(put.key))
                            .add(blob(put.bytes))
                            .add(put.version)
                            .add(now())
                            .add(now() + ttl.count())
                            .add(epoch_)
                            .step());
  CHECK(there);
  const std::int64_t id = insert->number();
  insert->reset();
  for (const std::string& tag : put.tags) {
    TRY(Statement * note, connection_->prepare("INSERT OR IGNORE INTO cache_tag VALUES (?, ?)"));
    TRY_VOID(note->add(blob(tag)).add(id).run());
  }
  return TierStored::stored;
}

Result<std::optional<TierValue>> CacheTier::get(std::string_view key, Deadline deadline) {
  return in_turn(deadline, [&] { return read(key); });
}

Result<std::vector<std::optional<TierValue>>> CacheTier::get_many(std::span<const std::string> keys,
                                                                  Deadline deadline) {
  return in_turn(deadline, [&]() -> Result<std::vector<std::optional<TierValue>>> {
    std::vector<std::optional<TierValue>> all;
    all.reserve(keys.size());
    for (const std::string& key : keys) {
      TRY(auto value, read(key));
      all.push_back(std::move(value));
    }
    return all;
  });
}

Result<TierStored> CacheTier::put(const TierPut& put, Deadline deadline) {
  TRY(const std::vector<TierStored> stored, put_many({&put, 1}, deadline));
  return stored.front();
}

Result<std::vector<TierStored>> CacheTier::put_many(std::span<const TierPut> puts, Deadline deadline) {
  for (const TierPut& put : puts) TRY_VOID(within_bounds(put));
  return in_turn(deadline, [&]() -> Result<std::vector<TierStored>> {
    std::vector<TierStored> stored;
    const auto done = in_transaction([&]() -> Result<void> {
      for (const TierPut& put : puts) {
        TRY(const TierStored one, write(put));
        stored.push_back(one);
      }
      return {};
    });
    if (!done) return done.error();
    return stored;
  });
}

Result<void> CacheTier::erase(std::string_view key, std::uint64_t version, Deadline deadline) {
  return in_turn(deadline, [&]() -> Result<void> {
    return in_transaction([&]() -> Result<void> {
      if (version == 0) return remove(key);
      TRY(const Row row, look(key));
      if (row.holds && row.version > version) return {};
      TRY_VOID(remove(key));
      TRY(Statement * fence, connection_->prepare("INSERT INTO cache_value (key, version, stored_at, until, epoch)"
                                                  " VALUES (?, ?, ?, ?, ?)"));
      TRY_VOID(fence->add(blob(key)).add(version).add(now()).add(now() + cache::fence_time.count()).add(epoch_).run());
      return {};
    });
  });
}

Result<void> CacheTier::erase_many(std::span<const std::string> keys, Deadline deadline) {
  return in_turn(deadline, [&]() -> Result<void> {
    return in_transaction([&]() -> Result<void> {
      for (const std::string& key : keys) TRY_VOID(remove(key));
      return {};
    });
  });
}

Result<void> CacheTier::erase_tag(std::string_view tag, Deadline deadline) {
  return in_turn(deadline, [&]() -> Result<void> {
    return in_transaction([&]() -> Result<void> {
      TRY(Statement * drop,
          connection_->prepare("DELETE FROM cache_value WHERE id IN (SELECT value FROM cache_tag WHERE tag = ?)"));
      TRY_VOID(drop->add(blob(tag)).run());
      return {};
    });
  });
}

Result<void> CacheTier::clear(Deadline deadline) {
  return in_turn(deadline, [&]() -> Result<void> {
    TRY_VOID(in_transaction([&] { return connection_->run("UPDATE cache_state SET epoch = epoch + 1"); }));
    ++epoch_;
    hits_.clear();
    return {};
  });
}

Result<void> CacheTier::write_hits(Deadline deadline) {
  return in_turn(deadline, [&]() -> Result<void> {
    if (hits_.empty()) return {};
    const auto done = in_transaction([&]() -> Result<void> {
      TRY(Statement * count, connection_->prepare("UPDATE cache_value SET hits = hits + ? WHERE key = ?"));
      for (const auto& [key, hits] : hits_) TRY_VOID(count->add(hits).add(blob(key)).run());
      return {};
    });
    if (done) hits_.clear();
    return done;
  });
}

Result<bool> CacheTier::purge_step(Deadline deadline) {
  return in_turn(deadline, [&]() -> Result<bool> {
    std::uint64_t removed = 0;
    const auto done = in_transaction([&]() -> Result<void> {
      TRY(Statement * drop,
          connection_->prepare("DELETE FROM cache_value WHERE id IN (SELECT id FROM cache_value"
                               " WHERE until <= ? UNION SELECT id FROM cache_value WHERE epoch < ? LIMIT ?)"));
      TRY(const std::uint64_t rows, drop->add(now()).add(epoch_).add(std::int64_t{options_.purge_rows}).run());
      removed = rows;
      return {};
    });
    if (!done) return done.error();
    return removed == options_.purge_rows;
  });
}

Result<CacheTier::Usage> CacheTier::usage(Deadline deadline) {
  return in_turn(deadline, [&]() -> Result<Usage> {
    TRY(const std::int64_t rows, connection_->number("SELECT count(*) FROM cache_value"));
    TRY(const std::int64_t pages, connection_->number("PRAGMA page_count"));
    TRY(const std::int64_t size, connection_->number("PRAGMA page_size"));
    return Usage{static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(pages * size),
                 static_cast<std::uint64_t>(epoch_)};
  });
}

Result<std::uint64_t> CacheTier::hits(std::string_view key, Deadline deadline) {
  return in_turn(deadline, [&]() -> Result<std::uint64_t> {
    TRY(Statement * find, connection_->prepare("SELECT hits FROM cache_value WHERE key = ?"));
    TRY(const bool there, find->add(blob(key)).step());
    if (!there) return std::uint64_t{0};
    const auto hits = static_cast<std::uint64_t>(find->number());
    find->reset();
    return hits;
  });
}

// One transaction: the count of another process either stands whole or not at all.
Result<bool> CacheTier::rebuild_hot(Micros not_before, Deadline deadline) {
  return in_turn(deadline, [&]() -> Result<bool> {
    bool due = false;
    const auto done = in_transaction([&]() -> Result<void> {
      TRY(Statement * recent, connection_->prepare("SELECT 1 FROM cache_hot WHERE built_at > ? LIMIT 1"));
      TRY(const bool counted, recent->add(now() - not_before.count()).step());
      recent->reset();
      if (counted) return {};
      due = true;
      TRY_VOID(connection_->run("DELETE FROM cache_hot"));
      TRY(Statement * count,
          connection_->prepare(
              "INSERT INTO cache_hot SELECT CASE WHEN first = 0 OR second = 0 THEN key ELSE substr(key, 1, "
              "first + second - 1) END AS prefix, count(*), sum(hits), sum(length(bytes)), ?1 FROM (SELECT key, "
              "bytes, hits, instr(key, x'3a') AS first, instr(substr(key, instr(key, x'3a') + 1), x'3a') AS second "
              "FROM cache_value WHERE bytes IS NOT NULL AND until > ?1 AND epoch = ?2) GROUP BY prefix"));
      TRY_VOID(count->add(now()).add(epoch_).run());
      return {};
    });
    if (!done) return done.error();
    return due;
  });
}

Result<std::vector<cache::HotPrefix>> CacheTier::hot(Deadline deadline) {
  return in_turn(deadline, [&]() -> Result<std::vector<cache::HotPrefix>> {
    TRY(Statement * rows,
        connection_->prepare("SELECT prefix, keys, hits, bytes, built_at FROM cache_hot ORDER BY hits "
                             "DESC, prefix LIMIT ?"));
    rows->add(std::uint64_t{cache::hot_prefixes_max});
    std::vector<cache::HotPrefix> all;
    for (;;) {
      TRY(const bool row, rows->step());
      if (!row) return all;
      cache::HotPrefix& one = all.emplace_back();
      one.prefix = as_text(rows->bytes());
      one.keys = static_cast<std::uint64_t>(rows->number());
      one.hits = static_cast<std::uint64_t>(rows->number());
      one.bytes = static_cast<std::uint64_t>(rows->number());
      one.built_at = UtcTime{Micros{rows->number()}};
    }
  });
}

}  // namespace chaveiro::clients::sqlite
