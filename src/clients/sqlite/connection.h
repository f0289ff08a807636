// clients/sqlite/connection.h
//
// A connection to a SQLite file and the statements on it, with errors as values that say what to do. Nothing of
// sqlite3.h leaves this room's .cpp files.
//
// Threads: a Connection and its statements belong to one thread at a time.
// Errors:  exhausted "DiskFull"; unavailable "DatabaseLocked" (naming the process that holds it), "DatabaseReadOnly",
//          "DatabaseGone" (cannot be opened, I/O error); corrupt "DatabaseCorrupt"; conflict "Constraint"; deadline
//          (interrupted); internal for the rest.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/encoding.h"
#include "base/result.h"
#include "base/uuid.h"

struct sqlite3;
struct sqlite3_stmt;

namespace chaveiro::clients::sqlite {

// Values go in with add(), in order; rows come out with step() and the column functions, in order too.
// What is added must stay where it is until the statement has run.
class Statement {
 public:
  Statement(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& add(std::int64_t value);
  Statement& add(std::string_view text);
  Statement& add(ByteView bytes);
  Statement& add_null();
  template <class Enum>
    requires std::is_enum_v<Enum>
  Statement& add(Enum value) {
    return add(static_cast<std::int64_t>(value));
  }
  Statement& add(std::uint64_t value) { return add(static_cast<std::int64_t>(value)); }
  Statement& add(const Uuid& id) { return add(ByteView(id.bytes())); }
  Statement& add(UtcTime time) { return add(std::int64_t{time.time_since_epoch().count()}); }
  template <class T>
  Statement& add(const std::optional<T>& value) {
    return value ? add(*value) : add_null();
  }

  // True: there is a row. False: it is finished, and ready for new values.
  Result<bool> step();
  // For statements without rows; answers how many rows were written.
  Result<std::uint64_t> run();
  // Must be called where rows were left unread.
  void reset();

  bool null();  // does not move on
  std::int64_t number();
  std::string_view text();  // valid until the next step()
  ByteView bytes();
  void skip() { ++column_; }
  void back() { column_ = 0; }  // to the first column again

 private:
  sqlite3* db_;
  sqlite3_stmt* statement_;
  int parameter_ = 0;
  int column_ = 0;
};

struct ConnectionOptions {
  std::string path;
  std::string vfs;                        // empty: the system's own
  std::size_t cache_bytes = 16u << 20;    // page cache
  Micros busy_limit = Micros(5'000'000);  // how long to wait for a lock that another process holds; 0: not at all
  enum class Mode : std::uint8_t { create, write, read } mode = Mode::write;
};

class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const ConnectionOptions& options);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The statement of this text, made on first use and kept; it is reset. The reference lives as long as the connection.
  Result<Statement*> prepare(std::string_view sql);
  // One that is used once, for texts that vary.
  Result<std::unique_ptr<Statement>> prepare_once(std::string_view sql);
  // Any number of statements without values, separated by semicolons.
  Result<void> run(std::string_view sql);
  // The first column of the first row of a query without values.
  Result<std::int64_t> number(std::string_view sql);
  Result<std::string> text(std::string_view sql);

  // From now on statements that run past the deadline end with Code::deadline.
  void limit(Deadline deadline) { deadline_ = deadline; }
  bool in_transaction() const;
  // Pages that lie in the write-ahead log after the last commit.
  int wal_pages() const { return wal_pages_; }
  Result<void> checkpoint(bool truncate);

  sqlite3* handle() const { return db_; }
  const std::string& path() const { return path_; }

 private:
  Connection(sqlite3* db, std::string path);

  sqlite3* db_;
  std::string path_;
  Deadline deadline_ = Deadline::never();
  int wal_pages_ = 0;
  std::unordered_map<std::string, std::unique_ptr<Statement>> statements_;
};

// The error that `code` (of SQLite) is, for the last call on `db`.
Error error_of(sqlite3* db, int code, std::string_view path);

}  // namespace chaveiro::clients::sqlite
