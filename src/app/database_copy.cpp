#include "app/database_copy.h"

#include <filesystem>
#include <map>

#include "clients/postgres/migrations.h"
#include "clients/postgres/partitions.h"
#include "clients/postgres/rows.h"
#include "clients/sqlite/consumer_memory.h"
#include "clients/sqlite/lock_holder.h"
#include "clients/sqlite/maintenance.h"
#include "clients/sqlite/rows.h"
#include "events/topics.h"

namespace chaveiro::app {
namespace {

namespace dir = directory;
namespace lite = clients::sqlite;
namespace pg = clients::postgres;

constexpr std::string_view progress_table =
    "CREATE TABLE IF NOT EXISTS copy_progress (source text PRIMARY KEY, last bytea NOT NULL, rows bigint NOT NULL);"
    "ALTER TABLE copy_progress ENABLE ROW LEVEL SECURITY";

constexpr pg::Column key_columns[] = {{"person", pg::oid::bytes}, {"key", pg::oid::bytes}};
constexpr pg::Column writer_columns[] = {
    {"name", pg::oid::text}, {"month", pg::oid::int4}, {"number", pg::oid::int8}, {"hash", pg::oid::bytes}};
const pg::Table seal_keys{"seal_keys", key_columns};
const pg::Table writers{"writers", writer_columns};

// One table: where it is read (behind `last`, which is one text value), how a row is carried over, and what it leaves as `last`.
struct Part {
  const pg::Table& table;
  std::string select;  // …  WHERE place > ?1 ORDER BY place LIMIT ?2; its first column is the place
  std::function<Result<void>(lite::Statement& row, pg::Columns& into)> carry;
  bool place_is_number;
};

template <class T>
Result<void> carry_as(lite::Statement& row, pg::Columns& into, Result<T> (*read)(lite::Statement&)) {
  TRY(const T value, read(row));
  add(into, value);
  return {};
}

// The two halves of a place, which is the blob ?1.
const std::string before_nul = "coalesce(cast(substr(?1, 1, instr(?1, x'00') - 1) AS TEXT), '')";
const std::string after_nul = "coalesce(substr(?1, instr(?1, x'00') + 1), x'')";

std::vector<Part> parts() {
  const auto rows_of = [](std::string_view table, std::string_view columns) {
    return "SELECT row, " + std::string(columns) + " FROM " + std::string(table) +
           " WHERE row > ?1 ORDER BY row LIMIT ?2";
  };
  std::vector<Part> all;
  all.push_back({seal_keys, "SELECT person, person, key FROM seal_keys WHERE person > ?1 ORDER BY person LIMIT ?2",
                 [](lite::Statement& row, pg::Columns& into) -> Result<void> {
                   into.add(ByteView(lite::bytes_of<32>(row)));
                   into.add(ByteView(lite::bytes_of<32>(row)));
                   return {};
                 },
                 false});
  all.push_back({pg::accounts_table, rows_of("accounts", lite::account_columns),
                 [](lite::Statement& row, pg::Columns& into) { return carry_as(row, into, lite::read_account); },
                 true});
  all.push_back({pg::entries_table, rows_of("entries", lite::entry_columns),
                 [](lite::Statement& row, pg::Columns& into) { return carry_as(row, into, lite::read_entry); }, true});
  all.push_back({pg::claims_table, rows_of("claims", lite::claim_columns),
                 [](lite::Statement& row, pg::Columns& into) { return carry_as(row, into, lite::read_claim); }, true});
  all.push_back(
      {pg::requests_table,
       "SELECT cast(ispb AS BLOB) || id, ispb, id, body_hash, operation, resource, sequence FROM requests "
       "WHERE (ispb, id) > "
       "(coalesce(cast(substr(?1, 1, 8) AS TEXT), ''), coalesce(substr(?1, 9), x'')) ORDER BY ispb, id LIMIT ?2",
       [](lite::Statement& row, pg::Columns& into) -> Result<void> {
         into.add(row.text());
         into.add(lite::uuid_in(row));
         into.add(ByteView(lite::bytes_of<32>(row)));
         into.add(row.text());
         into.add(lite::uuid_in(row));
         into.add(row.number());
         return {};
       },
       false});
  all.push_back({pg::audit_table,
                 "SELECT position, " + std::string(lite::audit_columns) + std::string(lite::audit_from) +
                     "WHERE position > ?1 ORDER BY position LIMIT ?2",
                 [](lite::Statement& row, pg::Columns& into) -> Result<void> {
                   const auto place = static_cast<std::uint64_t>(row.number()) % lite::positions_per_commit;
                   row.back();
                   row.skip();
                   TRY(const dir::AuditRecord record, lite::read_audit(row));
                   add(into, record, place);
                   return {};
                 },
                 true});
  all.push_back({writers, "SELECT id, name, month, number, hash FROM writers WHERE id > ?1 ORDER BY id LIMIT ?2",
                 [](lite::Statement& row, pg::Columns& into) -> Result<void> {
                   into.add(row.text());
                   into.add(row.number()).add(row.number());
                   into.add(ByteView(lite::bytes_of<32>(row)));
                   return {};
                 },
                 true});
  // Whose event it is tells the audit of its commit.
  all.push_back({pg::outbox_table,
                 "SELECT position, position, (SELECT ispb FROM audit WHERE audit.position >= outbox.position / " +
                     std::to_string(events::outbox_places) + " * " + std::to_string(lite::positions_per_commit) +
                     " ORDER BY audit.position LIMIT 1), topic, key, body, headers, at FROM outbox WHERE position > ?1 "
                     "ORDER BY position LIMIT ?2",
                 [](lite::Statement& row, pg::Columns& into) -> Result<void> {
                   into.add(row.number());
                   for (int text = 0; text < 3; ++text) into.add(row.text());
                   for (int blob = 0; blob < 2; ++blob) into.add(row.bytes());
                   into.add(UtcTime(Micros(row.number())));
                   return {};
                 },
                 true});
  all.push_back({pg::inbox_versions_table,
                 "SELECT cast(subscription || char(0) || aggregate AS BLOB), subscription, aggregate, version FROM "
                 "inbox_versions WHERE (subscription, aggregate) > (" +
                     before_nul + ", cast(" + after_nul + " AS TEXT)) ORDER BY subscription, aggregate LIMIT ?2",
                 [](lite::Statement& row, pg::Columns& into) -> Result<void> {
                   into.add(row.text());
                   into.add(row.text());
                   into.add(row.number());
                   return {};
                 },
                 false});
  all.push_back({pg::inbox_ids_table,
                 "SELECT cast(subscription || char(0) AS BLOB) || event, subscription, event, at FROM inbox_ids WHERE "
                 "(subscription, event) > (" +
                     before_nul + ", " + after_nul + ") ORDER BY subscription, event LIMIT ?2",
                 [](lite::Statement& row, pg::Columns& into) -> Result<void> {
                   into.add(row.text());
                   into.add(lite::uuid_in(row));
                   into.add(UtcTime(Micros(row.number())));
                   return {};
                 },
                 false});
  all.push_back({pg::sync_answers_table,
                 "SELECT cast(ispb || key_type AS BLOB), " + std::string(lite::sync_answer_columns) +
                     " FROM sync_answers WHERE (ispb, key_type) > (coalesce(cast(substr(?1, 1, 8) AS TEXT), ''), "
                     "coalesce(cast(cast(substr(?1, 9) AS TEXT) AS INTEGER), 0)) ORDER BY ispb, key_type LIMIT ?2",
                 [](lite::Statement& row, pg::Columns& into) { return carry_as(row, into, lite::read_sync_answer); },
                 false});
  return all;
}

struct Progress {
  std::string last;
  std::uint64_t rows = 0;
};

class Copier {
 public:
  Copier(lite::Connection& from, pg::Connection& to, const CopyOptions& options, Deadline deadline)
      : from_(from), to_(to), options_(options), deadline_(deadline) {}

  Result<CopyReport> run() {
    TRY_VOID(begin());
    for (const Part& part : parts()) TRY_VOID(copy(part));
    TRY(const std::int64_t sequence, from_.number("SELECT value FROM meta WHERE name = 'sequence'"));
    TRY_VOID(to_.run("UPDATE state SET sequence = $1", pg::Params().add(sequence), deadline_));
    TRY_VOID(compare());
    TRY_VOID(to_.script("DROP TABLE copy_progress; ANALYZE", deadline_));
    return report_;
  }

 private:
  // A target that holds rows without that a copy of ours was under way is somebody's.
  Result<void> begin() {
    TRY(const pg::Rows under_way, to_.run("SELECT 1 WHERE to_regclass('copy_progress') IS NOT NULL", {}, deadline_));
    if (under_way.empty()) {
      TRY(const pg::Rows rows,
          to_.run("SELECT 1 FROM accounts UNION ALL SELECT 1 FROM audit UNION ALL SELECT 1 FROM writers LIMIT 1", {},
                  deadline_));
      if (!rows.empty())
        return fail(Code::exists, "TargetNotEmpty",
                    "the target holds data already: copy into a schema that was just made");
    }
    TRY_VOID(to_.script(std::string(progress_table), deadline_));
    TRY(const auto months, from_.prepare_once("SELECT DISTINCT month FROM audit ORDER BY month"));
    for (;;) {
      TRY(const bool row, months->step());
      if (!row) return {};
      const auto month = static_cast<dir::Month>(months->number());
      const auto first = std::chrono::year_month_day(std::chrono::year(static_cast<int>(month / 100)),
                                                     std::chrono::month(month % 100), std::chrono::day(1));
      TRY_VOID(pg::make_partitions(to_, UtcTime(std::chrono::sys_days(first)), 0, deadline_));
    }
  }

  Result<Progress> progress_of(const Part& part) {
    TRY(const pg::Rows rows, to_.run("SELECT last, rows FROM copy_progress WHERE source = $1",
                                     pg::Params().add(part.table.name), deadline_));
    Progress progress;
    if (rows.empty()) return progress;
    pg::Row row = rows[0];
    progress.last = row.text();
    progress.rows = static_cast<std::uint64_t>(row.number());
    return progress;
  }

  Result<void> copy(const Part& part) {
    TRY(Progress progress, progress_of(part));
    for (;;) {
      pg::Columns rows(part.table.types());
      TRY_VOID(read(part, progress, rows));
      if (rows.rows() == 0) return {};
      progress.rows += rows.rows();
      TRY_VOID(write(part, progress, rows));
      report_.rows += rows.rows();
      if (options_.progress) TRY_VOID(options_.progress(std::string(part.table.name), progress.rows));
    }
  }

  Result<void> read(const Part& part, Progress& progress, pg::Columns& rows) {
    TRY(const auto statement, from_.prepare_once(part.select));
    const std::int64_t after = progress.last.empty() ? -1 : std::stoll(part.place_is_number ? progress.last : "0");
    part.place_is_number ? statement->add(after) : statement->add(as_bytes(progress.last));
    statement->add(std::uint64_t{std::max<std::size_t>(options_.rows_at_once, 1)});
    std::string last;
    for (;;) {
      TRY(const bool row, statement->step());
      if (!row) break;
      last = part.place_is_number ? std::to_string(statement->number()) : std::string(as_text(statement->bytes()));
      TRY_VOID(part.carry(*statement, rows));
    }
    if (!last.empty()) progress.last = last;
    return {};
  }

  // The rows and how far they reach, together.
  Result<void> write(const Part& part, const Progress& progress, const pg::Columns& rows) {
    std::string bytes(pg::copy_header);
    rows.append_copy_rows(bytes);
    bytes += pg::copy_trailer;
    std::size_t sent = 0;
    const auto more = [&]() -> Result<std::string_view> {
      const std::string_view piece = std::string_view(bytes).substr(sent, 256 << 10);
      sent += piece.size();
      return piece;
    };
    TRY_VOID(to_.script("BEGIN", deadline_));
    const auto done = [&]() -> Result<void> {
      TRY_VOID(to_.copy_in(part.table.copy_in(), more, deadline_));
      TRY_VOID(
          to_.run("INSERT INTO copy_progress VALUES ($1, $2, $3) ON CONFLICT (source) DO UPDATE SET last = "
                  "excluded.last, rows = excluded.rows",
                  pg::Params().add(part.table.name).add(as_bytes(progress.last)).add(progress.rows), deadline_));
      return to_.script("COMMIT", deadline_);
    }();
    if (!done && !to_.broken()) (void)to_.script("ROLLBACK", deadline_);
    return done;
  }

  Result<void> compare() {
    for (const Part& part : parts()) {
      const std::string name(part.table.name);
      TRY(const std::int64_t theirs, from_.number("SELECT count(*) FROM " + name));
      TRY(const pg::Rows ours, to_.run("SELECT count(*) FROM " + name, {}, deadline_));
      if (ours[0].number() == theirs) continue;
      return fail(Code::corrupt, "CopyDiffers",
                  name + ": " + std::to_string(theirs) + " rows in the source and " + std::to_string(ours[0].number()) +
                      " in the copy");
    }
    return compare_chains();
  }

  Result<void> compare_chains() {
    TRY(const auto heads, from_.prepare_once("SELECT name, month, number, hash FROM writers WHERE number > 0"));
    for (;;) {
      TRY(const bool row, heads->step());
      if (!row) return {};
      const std::string name(heads->text());
      const auto month = static_cast<dir::Month>(heads->number());
      const auto number = static_cast<std::uint64_t>(heads->number());
      const auto hash = lite::bytes_of<32>(*heads);
      TRY(const dir::AuditRecord last, walk(name));
      if (last.month != month || last.number != number || last.hash != hash)
        return fail(Code::corrupt, "CopyDiffers",
                    "the chain of " + name + " does not end in the copy as in the source");
      ++report_.chains;
    }
  }

  // The last record of a chain that holds from end to end.
  Result<dir::AuditRecord> walk(const std::string& writer) {
    static const std::string text = "SELECT " + pg::audit_table.list() +
                                    " FROM audit WHERE writer = $1 AND position > $2 ORDER BY position LIMIT 2000";
    dir::ChainChecker checker("changes");
    dir::AuditRecord last;
    for (std::int64_t after = -1;;) {
      TRY(const pg::Rows rows, to_.run(text, pg::Params().add(writer).add(after), deadline_));
      if (rows.empty()) break;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(last, pg::read_audit(rows[i]));
        checker.feed(last);
        ++report_.audit;
      }
      after = rows[rows.size() - 1].number();
    }
    for (const dir::ChainFault& fault : checker.finish()) return fail(Code::corrupt, "CopyDiffers", fault.message);
    return last;
  }

  lite::Connection& from_;
  pg::Connection& to_;
  const CopyOptions& options_;
  const Deadline deadline_;
  CopyReport report_;
};

// The log of events stays behind with its node, and what waits for it would wait for ever.
Result<void> expect_nothing_waits(const std::string& consumers, Deadline deadline) {
  if (consumers.empty() || !std::filesystem::exists(consumers)) return {};
  TRY(const auto memory, lite::SqliteConsumerMemory::open(consumers));
  TRY(const auto keys, memory->parked_keys(std::string(events::subscriptions::responses), 1, deadline));
  if (keys.empty()) return {};
  return fail(Code::conflict, "EventsWait",
              "events wait behind a dead letter or a gap: start the server once more and settle them "
              "(chaveiro dlq list)");
}

}  // namespace

Result<CopyReport> copy_database(const CopyOptions& options, Deadline deadline) {
  TRY(const lite::UseLock lock, lite::UseLock::take(options.source, lite::UseLock::Kind::exclusive));
  lite::ConnectionOptions from_options;
  from_options.path = options.source;
  TRY_VOID(expect_nothing_waits(options.consumers, deadline));
  TRY(const auto from, lite::Connection::open(from_options));
  pg::Target target;
  target.url = options.target;
  target.statement_limit = Micros{0};
  TRY(const auto to, pg::Connection::open(target, deadline));
  TRY_VOID(pg::check_schema(*to, deadline));
  return Copier(*from, *to, options, deadline).run();
}

}  // namespace chaveiro::app
