// events/log/partition.h
//
// One partition of a topic: messages at the offsets 0, 1, 2, … appended at the end and forgotten at the front. Kept in files
// (file_partition.h) or in memory (memory_partition.h).
//
// Threads: append(), trim() by one thread at a time; the reading calls by any number beside it.
// Errors:  exhausted "DiskFull", corrupt, and those of Disk.
#pragma once

#include <cstdint>
#include <vector>

#include "events/log/record.h"

namespace chaveiro::events::log {

// What may go: everything below `everybody_has` that is older than `before`, and more of it where more than `bytes_max` is kept.
struct Trim {
  std::uint64_t everybody_has = 0;
  UtcTime before{};
  std::uint64_t bytes_max = 0;  // 0: no bound
};

class Partition {
 public:
  virtual ~Partition() = default;

  // Writes the batches at the end and returns the offset of their first record; they can be read once sync() has succeeded. They
  // are all there, or none.
  virtual Result<std::uint64_t> append(Batches& batches, UtcTime at) = 0;
  // Begins what sync() waits for, so that several partitions are written at once.
  virtual void begin_sync() {}
  // Errors: after one nothing that was appended since the last sync() may be believed, and the partition takes no more.
  virtual Result<void> sync() = 0;

  virtual std::uint64_t begin() const = 0;  // of the oldest that is kept
  virtual std::uint64_t end() const = 0;    // behind the newest that can be read
  virtual std::uint64_t bytes() const = 0;

  // Messages from `from` on (or from begin(), where that is later), at least one where there is one, about `max` of them and not
  // many more than 1 MiB.
  virtual Result<std::vector<Stored>> read(std::uint64_t from, std::size_t max) const = 0;
  // The first message that was appended at `time` or later; end() where there is none.
  virtual Result<std::uint64_t> offset_at(UtcTime time) const = 0;

  virtual Result<void> trim(const Trim& trim) = 0;
};

}  // namespace chaveiro::events::log
