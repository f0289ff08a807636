// tests/integration/fault_vfs.h
//
// A file system layer for SQLite that loses power and fills up when told to. It keeps beside each file what a disk would
// have kept of it: what was written is lost, wholly or in part, unless it was synced afterwards. Syncing costs no time.
//
// Threads: any; the settings too.
// Source:  SQLite, "The SQLite OS Interface or VFS"; "Atomic Commit", section 4.2 (what a disk may do to unsynced sectors).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace chaveiro::contract {

class FaultVfs {
 public:
  // Registered with SQLite under `name` as long as it lives.
  FaultVfs(std::string name, std::uint64_t seed);
  ~FaultVfs();
  FaultVfs(const FaultVfs&) = delete;

  const std::string& name() const;

  // The power goes at the `operations`th write or sync from now on: from then on nothing works any more.
  void cut_power_after(std::uint64_t operations);
  bool power_is_cut() const;
  // Writes the files as they would be found after the power came back: what was synced, and of the rest a part that the
  // seed chooses, with writes torn at sectors of 512 bytes.
  void recover_into(const std::string& folder) const;

  // Files may grow to this many bytes in all.
  void limit_disk(std::uint64_t bytes);
  void fail_next_sync();
  std::uint64_t syncs() const;

 private:
  friend struct VfsCalls;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace chaveiro::contract
