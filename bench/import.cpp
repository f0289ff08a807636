// What an import costs beside the plainest thing that SQLite can do with the same rows.
//
// Ours: lines of JSON → checked → decided → committed in groups with audit chain, sealed before and after, RequestIds. Raw: the rows
// of all tables that ours has written, inserted with prepared statements into the same schema, a transaction each 1,000 lines, same
// settings of the disk. Three rounds of each, in turn, each into a new file; the figure is the median in lines a second.
//
//   import [LINES [FOLDER]]
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "app/import.h"
#include "bench/keys.h"
#include "clients/sqlite/store.h"

namespace chaveiro {
namespace {

namespace fs = std::filesystem;
using Seconds = std::chrono::duration<double>;

[[noreturn]] void stop(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

double run_ours(const std::string& path, const std::vector<std::string>& lines) {
  const SystemClock clock;
  clients::sqlite::SqliteOptions options;
  options.path = path;
  options.check = clients::sqlite::SqliteOptions::Check::none;
  auto store = clients::sqlite::SqliteStore::open(options, Secret("0123456789abcdef0123456789abcdef"), clock.now());
  if (!store) stop(store.error().message);
  const auto begin = std::chrono::steady_clock::now();
  app::Importer importer(**store, clock,
                         {.served = {*directory::Ispb::parse("12345678")}, .rules = {}, .actor = {"bench", "bench"}});
  std::uint64_t number = 0;
  for (const std::string& line : lines) {
    if (auto added = importer.add_json(++number, line, Deadline::never()); !added) stop(added.error().message);
  }
  const auto report = importer.finish(Deadline::never());
  if (!report) stop(report.error().message);
  if (report->entries_created != lines.size()) stop("not every line was imported");
  return Seconds(std::chrono::steady_clock::now() - begin).count();
}

class Database {
 public:
  explicit Database(const std::string& path) {
    if (sqlite3_open(path.c_str(), &handle_) != SQLITE_OK) stop("cannot open " + path);
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() { sqlite3_close(handle_); }
  void run(const std::string& sql) {
    if (sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
      stop(sql + ": " + sqlite3_errmsg(handle_));
  }
  sqlite3_stmt* prepare(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(handle_, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK)
      stop(sql + ": " + sqlite3_errmsg(handle_));
    return statement;
  }

 private:
  sqlite3* handle_ = nullptr;
};

struct Table {
  std::string name;
  int columns = 0;
  std::vector<sqlite3_value*> values;  // row after row
};

// Schema and rows of what ours has written.
struct Copy {
  std::vector<std::string> schema;
  std::vector<Table> tables;
};

Copy read_copy(const std::string& path) {
  Copy copy;
  Database database(path);
  sqlite3_stmt* schema = database.prepare(
      "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type = "
      "'index', rowid");
  while (sqlite3_step(schema) == SQLITE_ROW) {
    const auto text = [&](int column) {
      return std::string(reinterpret_cast<const char*>(sqlite3_column_text(schema, column)));
    };
    copy.schema.push_back(text(2));
    if (text(0) == "table") copy.tables.push_back({text(1), 0, {}});
  }
  sqlite3_finalize(schema);
  for (Table& table : copy.tables) {
    sqlite3_stmt* rows = database.prepare("SELECT * FROM " + table.name);
    table.columns = sqlite3_column_count(rows);
    while (sqlite3_step(rows) == SQLITE_ROW) {
      for (int i = 0; i < table.columns; ++i) table.values.push_back(sqlite3_value_dup(sqlite3_column_value(rows, i)));
    }
    sqlite3_finalize(rows);
  }
  return copy;
}

double run_raw(const std::string& path, const Copy& copy, std::size_t lines) {
  Database database(path);
  database.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA cache_size=-65536");
  for (const std::string& sql : copy.schema) database.run(sql);
  std::vector<sqlite3_stmt*> inserts;
  for (const Table& table : copy.tables) {
    std::string marks;
    for (int i = 0; i < table.columns; ++i) marks += i > 0 ? ",?" : "?";
    inserts.push_back(database.prepare("INSERT INTO " + table.name + " VALUES(" + marks + ")"));
  }
  const std::size_t batches = std::max<std::size_t>(1, lines / 1000);
  database.run("PRAGMA foreign_keys=OFF");  // tables are filled one after another within a batch
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t batch = 0; batch < batches; ++batch) {
    database.run("BEGIN IMMEDIATE");
    for (std::size_t t = 0; t < copy.tables.size(); ++t) {
      const Table& table = copy.tables[t];
      const auto columns = static_cast<std::size_t>(table.columns);
      const std::size_t rows = table.values.size() / columns;
      for (std::size_t row = rows * batch / batches; row < rows * (batch + 1) / batches; ++row) {
        for (std::size_t i = 0; i < columns; ++i)
          sqlite3_bind_value(inserts[t], static_cast<int>(i) + 1, table.values[row * columns + i]);
        if (sqlite3_step(inserts[t]) != SQLITE_DONE) stop("cannot insert into " + table.name);
        sqlite3_reset(inserts[t]);
      }
    }
    database.run("COMMIT");
  }
  const double seconds = Seconds(std::chrono::steady_clock::now() - begin).count();
  for (sqlite3_stmt* insert : inserts) sqlite3_finalize(insert);
  return seconds;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace
}  // namespace chaveiro

int main(int argc, char** argv) {
  using namespace chaveiro;
  const std::size_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 200'000;
  const fs::path folder = (argc > 2 ? fs::path(argv[2]) : fs::temp_directory_path()) /
                          ("chaveiro-bench-import-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  std::vector<std::string> lines;
  for (std::size_t n = 0; n < count; ++n) lines.push_back(bench::line_of(n));

  std::vector<double> ours, raw;
  Copy copy;
  for (int round = 0; round < 3; ++round) {
    const std::string ours_path = folder / ("ours" + std::to_string(round));
    ours.push_back(static_cast<double>(count) / run_ours(ours_path, lines));
    if (round == 0) copy = read_copy(ours_path);
    raw.push_back(static_cast<double>(count) / run_raw(folder / ("raw" + std::to_string(round)), copy, count));
    std::fprintf(stderr, "round %d: ours %8.0f lines/s   raw %8.0f lines/s\n", round + 1, ours.back(), raw.back());
  }
  std::size_t rows = 0;
  for (const Table& table : copy.tables)
    rows += table.values.size() / static_cast<std::size_t>(std::max(1, table.columns));
  fs::remove_all(folder);
  const double value = median(ours), peer = median(raw);
  std::fprintf(stderr, "%zu lines, %.1f rows a line: ours %.0f/s, raw inserts of the same rows %.0f/s, ratio %.2f\n",
               count, static_cast<double>(rows) / static_cast<double>(count), value, peer, value / peer);
  std::printf(
      R"({"bench":"import","case":"sqlite/%zu","value":%.0f,"unit":"lines/s","peer":"raw batch inserts","peer_value":%.0f,"ratio":%.3f})"
      "\n",
      count, value, peer, value / peer);
}
