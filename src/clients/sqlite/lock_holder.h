// clients/sqlite/lock_holder.h
//
// Who holds a lock on a database: so that "locked" names a process. And the lock of our own beside the database that
// tells running servers (shared) from work that needs the file alone (exclusive).
//
// Threads: any.
// Source:  proc(5), /proc/locks; flock(2).
#pragma once

#include <string>

#include "base/result.h"

namespace chaveiro::clients::sqlite {

// "process 1234 (sqlite3)", or "another process" where it cannot be told.
std::string lock_holder(const std::string& database_path);

class UseLock {
 public:
  enum class Kind { shared, exclusive };
  // Errors: unavailable "DatabaseInUse" (naming the holder), "DatabaseGone" (the directory cannot be written).
  static Result<UseLock> take(const std::string& database_path, Kind kind);

  UseLock(UseLock&& other) noexcept;
  UseLock& operator=(UseLock&&) = delete;
  ~UseLock();

 private:
  explicit UseLock(int file) : file_(file) {}
  int file_;
};

}  // namespace chaveiro::clients::sqlite
