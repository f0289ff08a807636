// events/log/disk.h
//
// The few things that the log asks of a file system, as an interface, so that tests can take its place with one that forgets
// unsynced writes (a power cut), fails or is full. LocalDisk is the real one, over base/file.h.
//
// Threads: a Disk, any; a DiskFile may be read by any number of threads while one writes.
// Time:    all of it may wait for the disk.
// Errors:  those of base/file.h.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace chaveiro::events::log {

class DiskFile {
 public:
  virtual ~DiskFile() = default;
  // Fewer bytes than asked for only at the end of the file.
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const = 0;
  virtual Result<void> write_at(std::uint64_t offset, std::string_view data) = 0;
  virtual Result<void> sync() = 0;
  // Begins what sync() waits for, so that several files are written at once; promises nothing.
  virtual void begin_sync() {}
  virtual Result<std::uint64_t> size() const = 0;
  virtual Result<void> truncate(std::uint64_t size) = 0;
};

class Disk {
 public:
  virtual ~Disk() = default;
  virtual Result<void> make_folder(const std::string& path) = 0;
  // The folder is this process's own until the lock goes; null where the disk knows no other process.
  virtual Result<std::shared_ptr<void>> lock_folder(const std::string& path) {
    static_cast<void>(path);
    return std::shared_ptr<void>();
  }
  // Names within the folder, in no order.
  virtual Result<std::vector<std::string>> list(const std::string& folder) = 0;
  // Read and write; made where it is not there. The name is durable once sync_folder() was called.
  virtual Result<std::unique_ptr<DiskFile>> open(const std::string& path) = 0;
  virtual Result<void> sync_folder(const std::string& path) = 0;
  virtual Result<void> remove(const std::string& path) = 0;
  virtual Result<std::string> read(const std::string& path, std::size_t size_max) = 0;
  // Whole or not at all, and durable.
  virtual Result<void> replace(const std::string& path, std::string_view content) = 0;
};

class LocalDisk final : public Disk {
 public:
  Result<std::shared_ptr<void>> lock_folder(const std::string& path) override;
  Result<void> make_folder(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Result<std::unique_ptr<DiskFile>> open(const std::string& path) override;
  Result<void> sync_folder(const std::string& path) override;
  Result<void> remove(const std::string& path) override;
  Result<std::string> read(const std::string& path, std::size_t size_max) override;
  Result<void> replace(const std::string& path, std::string_view content) override;
};

}  // namespace chaveiro::events::log
