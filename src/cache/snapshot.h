// cache/snapshot.h
//
// What was in memory, in a file, for a start that is warm. The file is replaced in one step, so that there is a whole one or the one
// before; a damaged one is an error, and the cache begins empty.
//
//   file   = "CVSNAP01" saved_at(8) position(8) count(8) record… check(8)         little-endian
//   record = key_bytes(4) key sealed_bytes(4) sealed fresh_left(8) age(8)         durations and moments in microseconds
//   check  = checksum64 of everything before
//
// Threads: any.
// Time:    linear; waits for the disk.
// Errors:  those of base/file.h; corrupt "SnapshotDamaged".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace chaveiro::cache {

struct SnapshotRecord {
  std::string key;
  std::string sealed;  // an envelope, sealed for this key
  Micros fresh_left{0};
  Micros age{0};
};
struct Snapshot {
  UtcTime saved_at;
  std::uint64_t position = 0;  // how far the owner had handled invalidations
  std::vector<SnapshotRecord> records;
};

Result<void> write_snapshot(const std::string& path, const Snapshot& snapshot);
Result<Snapshot> read_snapshot(const std::string& path, std::size_t size_max);

}  // namespace chaveiro::cache
