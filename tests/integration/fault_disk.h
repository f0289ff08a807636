// tests/integration/fault_disk.h
//
// A disk in memory for the event log that forgets, at cut_power(), what was not synced (all of it, or some of the writes and a torn
// one, by seed), fails syncs on demand and is full beyond a bound.
//
// Threads: any.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/random.h"
#include "events/log/disk.h"

namespace chaveiro::contract {

class FaultDisk final : public events::log::Disk {
 public:
  explicit FaultDisk(std::uint64_t seed) : random_(std::in_place, seed) {}

  Result<void> make_folder(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Result<std::unique_ptr<events::log::DiskFile>> open(const std::string& path) override;
  Result<void> sync_folder(const std::string& path) override;
  Result<void> remove(const std::string& path) override;
  Result<std::string> read(const std::string& path, std::size_t size_max) override;
  Result<void> replace(const std::string& path, std::string_view content) override;

  // Unsynced writes are gone, or some of them; every open file answers errors from now on. The disk can be used again.
  void cut_power();
  // The power goes in the place of the n-th sync from now on.
  void cut_power_at_sync(std::uint64_t n) { *syncs_left_.lock() = n; }
  void set_bytes_max(std::uint64_t bytes) { *bytes_max_.lock() = bytes; }
  void fail_syncs(bool fail) { *fail_syncs_.lock() = fail; }
  // Flips a bit of what lies on the disk.
  void damage(const std::string& path, std::uint64_t position);
  std::uint64_t size_of(const std::string& path);

  struct Write {
    std::uint64_t offset = 0;
    std::string data;
    bool truncates = false;
  };
  struct Inode {
    std::string content;  // as programs see it
    std::string on_disk;  // as it was synced last
    std::vector<Write> unsynced;
    std::uint64_t generation = 0;
    bool name_synced = false;
  };
  using Files = std::map<std::string, std::shared_ptr<Guarded<Inode>>>;

 private:
  friend class FaultFile;
  bool has_room(std::uint64_t more);
  bool power_goes_now();
  bool syncs_fail() { return *fail_syncs_.lock(); }

  Guarded<Files> files_;
  Guarded<std::map<std::string, bool>> folders_;
  Guarded<Random> random_;
  Guarded<std::uint64_t> bytes_max_{UINT64_MAX};
  Guarded<std::uint64_t> generation_;
  Guarded<bool> fail_syncs_;
  Guarded<std::uint64_t> syncs_left_;  // 0: the power stays
};

}  // namespace chaveiro::contract
