// base/file.h
//
// Durable files: read whole, written so that after a crash either the old or the new content is there, and the lock that keeps two
// processes out of one data folder. Every error names the path and says what to do.
//
// Threads: the functions, any; a File may be read and written at offsets by any number of threads, append() keeps its pieces whole.
// Time:    all of it may wait for the disk: never under a lock of a hot path.
// Errors:  not_found "FileMissing" · forbidden "FileAccess" · exhausted "DiskFull" or "TooManyFiles" · corrupt "DiskFault" (the
//          device failed; after a failed sync() nothing written since the last good one may be believed, and syncing again proves
//          nothing) · invalid "FileTooLarge" · internal "FileFault" for the rest.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace chaveiro {

// The whole content. Errors: also invalid "FileTooLarge" when there are more than `size_max` bytes.
Result<std::string> read_file(const std::string& path, std::size_t size_max);

// Replaces or creates the file in one step: temporary file, fsync, rename, fsync of the folder. When it returns an error the old
// content stands, unless only the last fsync failed.
Result<void> write_file(const std::string& path, std::string_view content, mode_t mode = 0640);

// Creates the folder and those above it that are missing. One that exists keeps its mode.
Result<void> make_folder(const std::string& path, mode_t mode = 0750);

// Makes creations, renames and removals in the folder durable.
Result<void> sync_folder(const std::string& path);

class File {
 public:
  enum class Open : std::uint8_t {
    read,     // must exist
    update,   // read and write; created when missing
    append,   // every append() goes to the end; created when missing
    replace,  // read and write, emptied; created when missing
    fresh,    // read and write; must not exist (Errors: exists "FileExists")
  };

  static Result<File> open(std::string path, Open how, mode_t mode = 0640);

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();  // closes; what was not synced may be lost

  // Reads at most `into.size()` bytes and returns how many there were: fewer only at the end of the file.
  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const;
  // All or an error; after an error some of it may have been written.
  Result<void> write_at(std::uint64_t offset, std::string_view data);
  Result<void> append(std::string_view data);
  // Data and size have reached the device (fdatasync).
  Result<void> sync();
  // The device begins to write what sync() will wait for, so that it works on several files at once. Promises nothing.
  void begin_sync();
  Result<std::uint64_t> size() const;
  Result<void> truncate(std::uint64_t size);

  const std::string& path() const { return path_; }
  int fd() const { return fd_; }

 private:
  File(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  int fd_ = -1;
  std::string path_;
};

// Held by the one process that may use a data folder; given back when it goes, also by a crash.
class FolderLock {
 public:
  // Locks `folder`/LOCK, which stays there and holds the process id.
  // Errors: conflict "FolderInUse" (the message names the process), and those above.
  static Result<FolderLock> take(const std::string& folder);

 private:
  explicit FolderLock(File file) : file_(std::move(file)) {}
  File file_;
};

// In memory that a file is mapped into: what was written before is seen no later than what is written after, by any process.
void order_mapped_writes();

// What errno means, as an Error: "cannot write /data/x.db: no space left …: free some".
Error file_error(std::string_view action, std::string_view path, int error_number);

}  // namespace chaveiro
