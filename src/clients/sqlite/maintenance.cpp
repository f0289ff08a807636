#include "clients/sqlite/maintenance.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "clients/sqlite/lock_holder.h"

namespace chaveiro::clients::sqlite {

namespace {

namespace fs = std::filesystem;

constexpr int pages_per_step = 1024;

Error gone(const std::string& path, const std::string& what) {
  return fail(Code::unavailable, "DatabaseGone", path + " " + what);
}

// fsync of a file or a directory, so that a name or content survives the loss of power.
Result<void> sync(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return gone(path, std::string("cannot be opened: ") + std::strerror(errno));
  const int failed = ::fsync(file);
  ::close(file);
  if (failed != 0) return gone(path, std::string("cannot be written to the disk: ") + std::strerror(errno));
  return {};
}

Result<void> rename(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) return gone(from, "cannot be renamed to " + to + ": " + error.message());
  return sync(fs::absolute(to).parent_path());
}

Result<void> copy_pages(Connection& from, Connection& to, Deadline deadline) {
  sqlite3_backup* copy = sqlite3_backup_init(to.handle(), "main", from.handle(), "main");
  if (copy == nullptr) return error_of(to.handle(), sqlite3_errcode(to.handle()), to.path());
  int code = SQLITE_OK;
  while (code == SQLITE_OK && !deadline.expired()) code = sqlite3_backup_step(copy, pages_per_step);
  sqlite3_backup_finish(copy);
  if (code == SQLITE_OK) return fail(Code::deadline, "Deadline", "the time ran out before the copy was complete");
  if (code != SQLITE_DONE) return error_of(to.handle(), code, to.path());
  return {};
}

// The copy is a plain file, without a log: it can be moved around as it is.
Result<void> finish_copy(Connection& copy) {
  TRY(const std::string mode, copy.text("PRAGMA journal_mode=DELETE"));
  if (mode != "delete") return fail(Code::internal, "Sqlite", "the copy keeps its write-ahead log");
  return check_integrity(copy, Thoroughness::full);
}

Result<void> copy_checked(Connection& from, const std::string& path, Deadline deadline) {
  TRY_VOID(make_private_file(path));
  {
    TRY(const auto to, Connection::open({.path = path}));
    TRY_VOID(to->run("PRAGMA synchronous=OFF"));  // synced as a whole below
    TRY_VOID(copy_pages(from, *to, deadline));
    TRY_VOID(finish_copy(*to));
    TRY(const std::int64_t copied, to->number("SELECT value FROM meta WHERE name = 'sequence'"));
    TRY(const std::int64_t wanted, from.number("SELECT value FROM meta WHERE name = 'sequence'"));
    if (copied != wanted) return fail(Code::corrupt, "BackupIncomplete", path + " does not hold every commit");
  }
  return sync(path);
}

}  // namespace

Result<void> check_integrity(Connection& connection, Thoroughness thoroughness) {
  const bool quick = thoroughness == Thoroughness::quick;
  TRY(const std::string found, connection.text(quick ? "PRAGMA quick_check(1)" : "PRAGMA integrity_check(1)"));
  if (found == "ok") return {};
  return fail(Code::corrupt, "DatabaseCorrupt",
              connection.path() + " is damaged (" + found + "): stop the server and restore the last backup");
}

Result<void> make_private_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0)
    return gone(path, std::string("cannot be made or written (") + std::strerror(errno) +
                          "): its directory must exist and be writable for the user of the server");
  ::close(file);
  return {};
}

Result<void> copy_to(Connection& from, const std::string& path, Deadline deadline) {
  if (fs::exists(path)) return fail(Code::exists, "BackupExists", path + " is there already: choose another name");
  const std::string unfinished = path + ".unfinished";
  fs::remove(unfinished);
  // The read transaction keeps what is copied as it is now, however long it takes and whoever writes.
  TRY_VOID(from.run("BEGIN; SELECT value FROM meta"));
  auto copied = copy_checked(from, unfinished, deadline);
  static_cast<void>(from.run("ROLLBACK"));
  if (copied) copied = rename(unfinished, path);
  if (!copied) fs::remove(unfinished);
  return copied;
}

Result<void> restore(const std::string& copy, const std::string& path, Deadline deadline) {
  if (!fs::exists(copy)) return fail(Code::not_found, "BackupNotFound", copy + " is not there");
  TRY(const UseLock alone, UseLock::take(path, UseLock::Kind::exclusive));
  const std::string unfinished = path + ".restoring";
  fs::remove(unfinished);
  {
    TRY(const auto from, Connection::open({.path = copy, .mode = ConnectionOptions::Mode::read}));
    TRY_VOID(check_integrity(*from, Thoroughness::full));
    TRY(const SchemaVersion schema, schema_of(*from));
    if (schema == SchemaVersion{} || schema.major > newest_schema().major)
      return fail(Code::corrupt, "NotABackup",
                  copy + " holds no database that this program knows (schema " + to_string(schema) + ")");
    if (auto copied = copy_checked(*from, unfinished, deadline); !copied) {
      fs::remove(unfinished);
      return copied;
    }
  }
  const std::string replaced = path + ".replaced";
  for (const char* part : {"-wal", "-shm", ""}) fs::remove(replaced + part);
  for (const char* part : {"-wal", ""})
    if (fs::exists(path + part)) TRY_VOID(rename(path + part, replaced + part));
  fs::remove(path + "-shm");
  return rename(unfinished, path);
}

Result<void> migrate_file(const std::string& path, SchemaVersion target, UtcTime now) {
  if (!fs::exists(path)) return fail(Code::not_found, "DatabaseNotFound", path + " is not there");
  TRY(const UseLock alone, UseLock::take(path, UseLock::Kind::exclusive));
  TRY(const auto connection, Connection::open({.path = path}));
  TRY_VOID(connection->run("PRAGMA synchronous=FULL"));
  return migrate(*connection, target, now);
}

}  // namespace chaveiro::clients::sqlite
