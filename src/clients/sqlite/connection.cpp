#include "clients/sqlite/connection.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients/sqlite/lock_holder.h"

namespace chaveiro::clients::sqlite {

Error error_of(sqlite3* db, int code, std::string_view path) {
  const std::string file(path);
  const std::string detail = db == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(db);
  switch (code & 0xff) {
    case SQLITE_FULL:
      return fail(Code::exhausted, "DiskFull",
                  "the disk of " + file + " is full: free space there; nothing that was answered is lost");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return fail(Code::unavailable, "DatabaseLocked",
                  file + " is locked by " + lock_holder(file) + ": end that, or try again later");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return fail(Code::corrupt, "DatabaseCorrupt",
                  file + " is damaged (" + detail + "): stop the server and restore the last backup");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return fail(Code::unavailable, "DatabaseReadOnly",
                  file + " cannot be written: give the user of the server write access to the file and its directory");
    case SQLITE_CANTOPEN:
      return fail(Code::unavailable, "DatabaseGone",
                  file + " cannot be opened: its directory must exist and be readable and writable for the server");
    case SQLITE_IOERR:
      return fail(Code::unavailable, "DatabaseGone",
                  file + ": reading or writing failed (" + detail + "): look at the disk and the kernel's log");
    case SQLITE_CONSTRAINT:
      return fail(Code::conflict, "Constraint", detail);
    case SQLITE_INTERRUPT:
      return fail(Code::deadline, "Deadline", "the time ran out while the store was being read");
    default:
      return fail(Code::internal, "Sqlite", file + ": " + detail);
  }
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::add(std::int64_t value) {
  CHECK(sqlite3_bind_int64(statement_, ++parameter_, value) == SQLITE_OK);
  return *this;
}
Statement& Statement::add(std::string_view text) {
  static constexpr char empty[] = "";
  const char* data = text.data() == nullptr ? empty : text.data();
  CHECK(sqlite3_bind_text64(statement_, ++parameter_, data, text.size(), SQLITE_STATIC, SQLITE_UTF8) == SQLITE_OK);
  return *this;
}
Statement& Statement::add(ByteView bytes) {
  static constexpr char empty[] = "";
  const void* data = bytes.data() == nullptr ? static_cast<const void*>(empty) : bytes.data();
  CHECK(sqlite3_bind_blob64(statement_, ++parameter_, data, bytes.size(), SQLITE_STATIC) == SQLITE_OK);
  return *this;
}
Statement& Statement::add_null() {
  CHECK(sqlite3_bind_null(statement_, ++parameter_) == SQLITE_OK);
  return *this;
}

Result<bool> Statement::step() {
  column_ = 0;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    reset();
    return false;
  }
  const Error error = error_of(db_, sqlite3_extended_errcode(db_), sqlite3_db_filename(db_, "main"));
  reset();
  return error;
}

Result<std::uint64_t> Statement::run() {
  TRY_VOID(step());
  reset();
  return static_cast<std::uint64_t>(sqlite3_changes(db_));
}

void Statement::reset() {
  sqlite3_reset(statement_);
  parameter_ = 0;
}

bool Statement::null() { return sqlite3_column_type(statement_, column_) == SQLITE_NULL; }
std::int64_t Statement::number() { return sqlite3_column_int64(statement_, column_++); }
std::string_view Statement::text() {
  const int column = column_++;
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return data == nullptr ? std::string_view()
                         : std::string_view(data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}
ByteView Statement::bytes() {
  const int column = column_++;
  const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
  return {data, data == nullptr ? 0 : static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

Connection::Connection(sqlite3* db, std::string path) : db_(db), path_(std::move(path)) {
  // The deadline is looked at every 4,000 steps of SQLite's machine: well below a millisecond.
  sqlite3_progress_handler(
      db_, 4000, [](void* self) { return static_cast<Connection*>(self)->deadline_.expired() ? 1 : 0; }, this);
  sqlite3_wal_hook(
      db_,
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<Connection*>(self)->wal_pages_ = pages;
        return SQLITE_OK;
      },
      this);
}

Connection::~Connection() {
  statements_.clear();
  sqlite3_close_v2(db_);
}

Result<std::unique_ptr<Connection>> Connection::open(const ConnectionOptions& options) {
  using Mode = ConnectionOptions::Mode;
  const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (options.mode == Mode::read     ? SQLITE_OPEN_READONLY
                     : options.mode == Mode::create ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                                    : SQLITE_OPEN_READWRITE);
  sqlite3* db = nullptr;
  const char* vfs = options.vfs.empty() ? nullptr : options.vfs.c_str();
  const int code = sqlite3_open_v2(options.path.c_str(), &db, flags, vfs);
  if (code != SQLITE_OK) {
    const Error error = error_of(db, code, options.path);
    sqlite3_close_v2(db);
    return error;
  }
  std::unique_ptr<Connection> connection(new Connection(db, options.path));
  sqlite3_busy_timeout(db, static_cast<int>(options.busy_limit.count() / 1000));
  sqlite3_extended_result_codes(db, 1);
  const std::string cache = std::to_string(options.cache_bytes / 1024);
  TRY_VOID(
      connection->run("PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA temp_store=MEMORY;"
                      "PRAGMA cell_size_check=ON; PRAGMA cache_size=-" +
                      cache));
  return connection;
}

Result<std::unique_ptr<Statement>> Connection::prepare_once(std::string_view sql) {
  sqlite3_stmt* made = nullptr;
  const int code = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), 0, &made, nullptr);
  if (code != SQLITE_OK) return error_of(db_, code, path_);
  return std::make_unique<Statement>(db_, made);
}

Result<Statement*> Connection::prepare(std::string_view sql) {
  std::string text(sql);
  const auto found = statements_.find(text);
  if (found != statements_.end()) {
    found->second->reset();
    return found->second.get();
  }
  sqlite3_stmt* made = nullptr;
  const int code =
      sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &made, nullptr);
  if (code != SQLITE_OK) return error_of(db_, code, path_);
  return statements_.emplace(std::move(text), std::make_unique<Statement>(db_, made)).first->second.get();
}

Result<void> Connection::run(std::string_view sql) {
  const int code = sqlite3_exec(db_, std::string(sql).c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error_of(db_, code, path_);
  return {};
}

Result<std::int64_t> Connection::number(std::string_view sql) {
  TRY(const auto statement, prepare_once(sql));
  TRY(const bool row, statement->step());
  return row ? statement->number() : 0;
}

Result<std::string> Connection::text(std::string_view sql) {
  TRY(const auto statement, prepare_once(sql));
  TRY(const bool row, statement->step());
  return row ? std::string(statement->text()) : std::string();
}

bool Connection::in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

Result<void> Connection::checkpoint(bool truncate) {
  const int mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
  const int code = sqlite3_wal_checkpoint_v2(db_, nullptr, mode, nullptr, nullptr);
  wal_pages_ = 0;
  if (code != SQLITE_OK) return error_of(db_, code, path_);
  return {};
}

}  // namespace chaveiro::clients::sqlite
