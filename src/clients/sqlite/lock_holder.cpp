#include "clients/sqlite/lock_holder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

namespace chaveiro::clients::sqlite {

namespace {

// "MAJOR:MINOR:INODE" as /proc/locks writes it; empty where the file is not there.
std::string file_in_proc_locks(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return {};
  char text[64];
  std::snprintf(text, sizeof text, "%02x:%02x:%lu", major(info.st_dev), minor(info.st_dev),
                static_cast<unsigned long>(info.st_ino));
  return text;
}

std::string describe(long pid) {
  std::string name;
  std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/comm"), name);
  return "process " + std::to_string(pid) + (name.empty() ? "" : " (" + name + ")");
}

// The first process but ours that holds a lock on one of the files; where only we do: ours.
std::string holder_of(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) files.push_back(file_in_proc_locks(path));
  std::ifstream locks("/proc/locks");
  bool ours = false;
  for (std::string line; std::getline(locks, line);) {
    // 3: POSIX  ADVISORY  WRITE 1234 fe:00:262155 120 120
    std::istringstream words(line);
    std::string number, kind, advisory, access, file;
    long pid = 0;
    if (!(words >> number >> kind)) continue;
    if (kind == "->") continue;  // waits for it
    if (!(words >> advisory >> access >> pid >> file)) continue;
    for (const std::string& wanted : files) {
      if (wanted.empty() || file != wanted) continue;
      if (pid != ::getpid()) return describe(pid);
      ours = true;
    }
  }
  return ours ? describe(::getpid()) : "another process";
}

}  // namespace

std::string lock_holder(const std::string& database_path) { return holder_of({database_path + "-shm", database_path}); }

Result<UseLock> UseLock::take(const std::string& database_path, Kind kind) {
  const std::string path = database_path + "-use";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0)
    return fail(Code::unavailable, "DatabaseGone",
                path + " cannot be made (" + std::strerror(errno) +
                    "): the directory must exist and be writable for the user of the server");
  if (::flock(file, (kind == Kind::shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0) return UseLock(file);
  const std::string holder = holder_of({path});
  ::close(file);
  return fail(Code::unavailable, "DatabaseInUse", database_path + " is in use by " + holder + ": stop it first");
}

UseLock::UseLock(UseLock&& other) noexcept : file_(other.file_) { other.file_ = -1; }

UseLock::~UseLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace chaveiro::clients::sqlite
