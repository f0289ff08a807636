// bench/raw_copy.h
//
// The plainest thing that SQLite can do with the rows of a store: they are read from the store's file into memory and
// inserted into a new file with prepared statements, in batches, with the same schema and the same care for the disk.
//
// Threads: one. Faults end the process: it is a benchmark.
#pragma once

#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace chaveiro::bench {

using Seconds = std::chrono::duration<double>;

[[noreturn]] inline void stop(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
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

inline Copy read_copy(const std::string& path) {
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

// Seconds for all rows, in transactions of the rows that a thousand of `changes` wrote.
inline double run_raw(const std::string& path, const Copy& copy, std::size_t changes) {
  Database database(path);
  database.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA cache_size=-65536");
  for (const std::string& sql : copy.schema) database.run(sql);
  std::vector<sqlite3_stmt*> inserts;
  for (const Table& table : copy.tables) {
    std::string marks;
    for (int i = 0; i < table.columns; ++i) marks += i > 0 ? ",?" : "?";
    inserts.push_back(database.prepare("INSERT INTO " + table.name + " VALUES(" + marks + ")"));
  }
  const std::size_t batches = std::max<std::size_t>(1, changes / 1000);
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

}  // namespace chaveiro::bench
