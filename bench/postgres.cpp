// What the directory's store in PostgreSQL does beside the plainest thing that the same server can do, in turn, with row-level security on.
//
//   point           reads by key a second over our pipelines, 128 under way; peer: pgbench -S -M prepared with two clients
//   point_joined    the same joined into = ANY; peer: our single ones
//   import          rows a second by COPY through our encoder (import role); peer: COPY of the same rows as ready bytes
//   durable_writes  rows a second of commit_all (six for each registration); peer: inserts of one row each in pipelines of 256, durable
//   store_import    registrations a second of commit_all
//   import_program  lines a second of `chaveiro import` into `chaveiro serve`, events kept, from the command's start to its end
//
// Median of the rounds, with minimum and maximum on stderr. It starts servers of its own.   postgres [ENTRIES [LINES]]   0: without
#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <thread>

#include "base/guarded.h"
#include "base/random.h"
#include "bench/postgres_program.h"
#include "clients/postgres/connection.h"
#include "clients/postgres/rows.h"
#include "clients/postgres/store.h"
#include "tests/contract/postgres_home.h"

namespace chaveiro::bench {
namespace {

using namespace clients::postgres;
using namespace std::chrono_literals;
using contract::our_ispb;

const Secret key("0123456789abcdef0123456789abcdef");
constexpr int rounds = 7;
Deadline soon() { return Deadline::in(120s); }

[[noreturn]] void stop(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}
template <class T>
T must(Result<T> result) {
  if (!result) stop(result.error().reason + ": " + result.error().message);
  return std::move(result).value();
}
void must(const Result<void>& result) {
  if (!result) stop(result.error().message);
}

struct Figure {
  std::vector<double> values;
  double at(std::size_t i) const {
    auto sorted = values;
    std::sort(sorted.begin(), sorted.end());
    return sorted[i];
  }
  double median() const { return at(values.size() / 2); }
};

void tell(const std::string& name, const Figure& ours, const char* unit, const std::string& peer,
          const Figure& theirs) {
  const double ratio = theirs.values.empty() ? 0 : ours.median() / theirs.median();
  std::fprintf(stderr, "%-15s %9.0f %s (%.0f – %.0f)", name.c_str(), ours.median(), unit, ours.at(0),
               ours.at(ours.values.size() - 1));
  std::printf("{\"bench\":\"postgres\",\"case\":\"%s\",\"value\":%.0f,\"unit\":\"%s\"", name.c_str(), ours.median(),
              unit);
  if (!theirs.values.empty()) {
    std::fprintf(stderr, "   %s %.0f (%.0f – %.0f)   ratio %.2f", peer.c_str(), theirs.median(), theirs.at(0),
                 theirs.at(theirs.values.size() - 1), ratio);
    std::printf(",\"peer\":\"%s\",\"peer_value\":%.0f,\"ratio\":%.3f", peer.c_str(), theirs.median(), ratio);
  }
  std::fprintf(stderr, "\n");
  std::printf("}\n");
  std::fflush(stdout);
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Reads a second with `under_way` at once: each answer begins the next.
double reads(KeyReads& source, std::uint64_t entries, std::size_t under_way, std::chrono::milliseconds time) {
  struct State {
    std::uint64_t done = 0, running = 0, missing = 0;
    Random random{1};
    bool ends = false;
  };
  Guarded<State> state;
  std::function<void()> next = [&] {
    const std::uint64_t n = state.with([&](State& it) { return it.random.below(entries); });
    source.find(contract::phone_of(n), soon(), [&](Result<KeyReads::Found> found) {
      const bool there = found && found->row.has_value();
      const bool again = state.with([&](State& it) {
        ++it.done;
        it.missing += there ? 0 : 1;
        if (it.ends) --it.running;
        return !it.ends;
      });
      again ? next() : state.notify_all();
    });
  };
  const auto begin = std::chrono::steady_clock::now();
  state.lock()->running = under_way;
  for (std::size_t i = 0; i < under_way; ++i) next();
  std::this_thread::sleep_for(time);
  const double seconds = seconds_since(begin);
  auto it = state.lock();
  const auto done = static_cast<double>(it->done);
  it->ends = true;
  (void)it.wait(soon(), [](const State& s) { return s.running == 0; });
  if (it->missing > 0) stop("a key was not found");
  return done / seconds;
}

double pgbench(std::uint16_t port, std::chrono::milliseconds time) {
  const std::string command = "/usr/lib/postgresql/15/bin/pgbench -n -S -M prepared -c 2 -j 1 -T " +
                              std::to_string(std::max<std::int64_t>(1, time.count() / 1000)) + " -h 127.0.0.1 -p " +
                              std::to_string(port) + " -U postgres postgres 2>/dev/null";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) stop("pgbench cannot be run");
  double rate = 0;
  std::array<char, 512> line{};
  while (std::fgets(line.data(), line.size(), pipe) != nullptr)
    (void)std::sscanf(line.data(), "tps = %lf (without", &rate);
  ::pclose(pipe);
  if (rate == 0) stop("pgbench told no figure");
  return rate;
}

// Entries as rows for COPY into a table like `entries`, without what refers to other tables.
std::string copy_rows(std::uint64_t from, std::uint64_t until) {
  std::string bytes;
  for (std::uint64_t n = from; n < until;) {
    Columns columns(entries_table.types());
    for (const std::uint64_t end = std::min(until, n + 10'000); n < end; ++n) {
      directory::Entry entry = contract::entry_of(n, contract::account_of(n), contract::phone_of(n));
      entry.version = entry.account.version = 1;
      add(columns, entry);
    }
    columns.append_copy_rows(bytes);
  }
  return bytes;
}

std::uint64_t copy_in(Connection& connection, const std::function<Result<std::string_view>()>& more) {
  const std::string sql = "COPY plain_entries (" + entries_table.list() + ") FROM STDIN WITH (FORMAT binary)";
  return must(connection.copy_in(sql, more, soon()));
}

double ready_copy(Connection& connection, const std::string& rows, std::uint64_t count) {
  must(connection.script("TRUNCATE plain_entries", soon()));
  const auto begin = std::chrono::steady_clock::now();
  std::size_t at = 0;
  int part = 0;
  copy_in(connection, [&]() -> Result<std::string_view> {
    if (part == 0) return ++part, copy_header;
    if (at < rows.size()) {
      const auto piece = std::string_view(rows).substr(at, 64 << 10);
      at += piece.size();
      return piece;
    }
    return part++ == 1 ? copy_trailer : std::string_view();
  });
  return static_cast<double>(count) / seconds_since(begin);
}

double encoded_copy(Connection& connection, const std::vector<directory::Entry>& entries) {
  must(connection.script("TRUNCATE plain_entries", soon()));
  const auto begin = std::chrono::steady_clock::now();
  std::size_t next = 0;
  std::string piece(copy_header);
  Columns columns(entries_table.types());
  bool ended = false;
  copy_in(connection, [&]() -> Result<std::string_view> {
    if (ended) return std::string_view();
    if (next > 0) piece.clear();
    columns.clear();
    for (const std::size_t end = std::min(entries.size(), next + 500); next < end; ++next) add(columns, entries[next]);
    columns.append_copy_rows(piece);
    if (next == entries.size()) piece += copy_trailer, ended = true;
    return std::string_view(piece);
  });
  return static_cast<double>(entries.size()) / seconds_since(begin);
}

Params params_of(const directory::Entry& entry) {
  const directory::Account& account = entry.account;
  Params p;
  p.add(entry.id.uuid).add(entry.key.type()).add(entry.key.value()).add(account.id.uuid).add(account.ispb.view());
  p.add(*account.branch).add(account.number).add(account.type).add(account.opened_at).add(account.holder.type);
  p.add(account.holder.tax_id).add(account.holder.name).add_null(oid::text).add(account.status).add(account.created_at);
  p.add(account.updated_at).add(account.version).add(entry.status).add(entry.request_id.uuid);
  p.add(static_cast<std::int16_t>(entry.slot)).add(entry.created_at).add(entry.owned_since).add(entry.updated_at);
  p.add_null(oid::uuid)
      .add_null(oid::time)
      .add_null(oid::boolean)
      .add_null(oid::text)
      .add_null(oid::time)
      .add_null(oid::int2);
  return std::move(p.add(entry.version));
}

// One row a statement, 256 statements a segment, each segment durable: the plainest durable pipeline.
double raw_pipeline(Connection& connection, const std::vector<directory::Entry>& entries) {
  must(connection.script("TRUNCATE plain_entries", soon()));
  std::string marks;
  for (std::size_t i = 1; i <= entries_table.columns.size(); ++i) marks += (i == 1 ? "$" : ", $") + std::to_string(i);
  const std::string sql = "INSERT INTO plain_entries (" + entries_table.list() + ") VALUES (" + marks + ")";
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t first = 0; first < entries.size(); first += 256) {
    const std::size_t end = std::min(entries.size(), first + 256);
    for (std::size_t i = first; i < end; ++i) connection.send(sql, params_of(entries[i]));
    connection.end();
    for (std::size_t i = first; i < end; ++i) must(connection.receive(soon()));
    must(connection.receive_end(soon()));
  }
  return static_cast<double>(entries.size()) / seconds_since(begin);
}

double commits(PostgresStore& store, std::uint64_t& next, std::size_t count) {
  std::vector<directory::Change> changes;
  for (std::size_t i = 0; i < count; ++i) changes.push_back(contract::registration_of(next++));
  const auto begin = std::chrono::steady_clock::now();
  for (const auto& answer : store.commit_all(changes, soon()))
    if (!answer) stop(answer.error().message);
  return static_cast<double>(count) / seconds_since(begin);
}

int run(std::uint64_t entries, std::uint64_t lines) {
  tests::PostgresServerOptions server_options{.settings = {"shared_buffers=1GB", "max_wal_size=4GB"}};
  if (lines > 0) {
    tests::PostgresServer server(server_options);
    tell("import_program", {{import_by_program(server, lines)}}, "lines/s", "", {});
  }
  if (entries == 0) return 0;
  server_options.settings.emplace_back("autovacuum=off");
  tests::PostgresServer server(server_options);
  contract::make_schema(server, "chaveiro");
  server.sql(
      "CREATE TABLE plain_entries (LIKE entries INCLUDING DEFAULTS INCLUDING INDEXES); GRANT ALL ON plain_entries TO "
      "chaveiro_import, "
      "chaveiro_maintenance; ALTER TABLE plain_entries OWNER TO chaveiro_maintenance");
  const std::string init = "/usr/lib/postgresql/15/bin/pgbench -q -i -s 10 -h 127.0.0.1 -p " +
                           std::to_string(server.port()) + " -U postgres postgres >/dev/null 2>&1";
  if (std::system(init.c_str()) != 0) stop("pgbench -i failed");
  PostgresOptions options;
  options.url = Secret(server.url());
  options.served = {our_ispb};
  const auto store = must(PostgresStore::open(options, key, contract::day_one, soon()));

  std::uint64_t next = 0;
  Figure imported;
  while (next < entries)
    imported.values.push_back(
        commits(*store, next, static_cast<std::size_t>(std::min<std::uint64_t>(10'000, entries - next))));
  tell("store_import", imported, "1/s", "", {});
  for (const char* database : {"chaveiro", "postgres"}) server.sql("VACUUM ANALYZE", database);
  server.sql("CHECKPOINT");

  const std::string ispb(our_ispb.view());
  std::optional<KeyReads> single, joined;  // outlive the pipeline
  Pipeline pipeline({.target = contract::target_of(server.url()), .connections = 2});
  single.emplace(pipeline, ispb, KeyReadOptions{.joined = false});
  joined.emplace(pipeline, ispb, KeyReadOptions{.statements_max = 2, .keys_max = 128});
  Figure point, together, bare;
  for (int i = 0; i < rounds; ++i) {
    point.values.push_back(reads(*single, entries, 128, 1'000ms));
    bare.values.push_back(pgbench(server.port(), 1'000ms));
    together.values.push_back(reads(*joined, entries, 256, 1'000ms));
  }
  tell("point", point, "1/s", "pgbench -S -M prepared", bare);
  tell("point_joined", together, "1/s", "point", point);

  std::vector<directory::Entry> rows;
  for (std::uint64_t n = 0; n < 50'000; ++n) {
    rows.push_back(contract::entry_of(n, contract::account_of(n), contract::phone_of(n)));
    rows.back().version = rows.back().account.version = 1;
  }
  const std::string ready = copy_rows(0, rows.size());
  const auto owner = must(Connection::open(contract::target_of(server.url("maintenance")), soon()));
  Figure ours, raw;
  for (int i = 0; i < rounds; ++i) {
    ours.values.push_back(encoded_copy(*owner, rows));
    raw.values.push_back(ready_copy(*owner, ready, rows.size()));
  }
  tell("import", ours, "rows/s", "COPY", raw);

  constexpr double rows_each = 6;  // account, entry, RequestId, seal key, two audit records
  Figure written, piped;
  rows.erase(rows.begin() + 10'000, rows.end());
  for (int i = 0; i < rounds; ++i) {
    written.values.push_back(commits(*store, next, 5'000) * rows_each);
    piped.values.push_back(raw_pipeline(*owner, rows));
  }
  tell("durable_writes", written, "rows/s", "pipeline of 256", piped);
  return 0;
}

}  // namespace
}  // namespace chaveiro::bench

int main(int argc, char** argv) {
  try {
    const auto number = [&](int i, std::uint64_t otherwise) {
      return argc > i ? std::strtoull(argv[i], nullptr, 10) : otherwise;
    };
    return chaveiro::bench::run(number(1, 100'000), number(2, 1'000'000));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
