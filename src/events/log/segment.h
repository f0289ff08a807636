// events/log/segment.h
//
// One file of a partition: whole batches one after another, and where some of them begin. The name is the offset of its first
// message in twenty digits; beside a file that takes no more lies its index (.idx), which is made again where it is missing.
//
//   index := "CHVI" crc:u32 end:u64 size:u64 count:u32 (offset:u64 position:u64 at:u64)*       (little-endian)
//
// Threads: as partition.h says; the owner guards `end`, `size` and the index against readers.
// Errors:  corrupt "LogCorrupt" (naming file and position), and those of Disk.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "events/log/disk.h"
#include "events/log/record.h"

namespace chaveiro::events::log {

struct IndexEntry {
  std::uint64_t offset = 0;
  std::uint64_t position = 0;
  UtcTime at{};
};

struct Segment {
  std::string path;  // without .log
  std::uint64_t base = 0;
  std::uint64_t end = 0;   // behind its last message
  std::uint64_t size = 0;  // bytes that count
  UtcTime newest{};        // of its last batch
  std::vector<IndexEntry> index;
  std::unique_ptr<DiskFile> file;

  void note(std::uint64_t offset, std::uint64_t position, UtcTime at);
  // Where to begin to look for the message, by the index.
  const IndexEntry* at_or_before(std::uint64_t offset) const;
};

std::string segment_path(const std::string& folder, std::uint64_t base);

// A new, empty one; its name is durable.
Result<std::shared_ptr<Segment>> make_segment(Disk& disk, const std::string& folder, std::uint64_t base);
// One that takes no more: by its index, or by reading it all where the index is missing or damaged.
Result<std::shared_ptr<Segment>> open_full_segment(Disk& disk, const std::string& path, std::uint64_t base);

struct Opened {
  std::shared_ptr<Segment> segment;
  std::uint64_t cut_bytes = 0;  // of a torn tail
};
// The last one: read through, and its torn tail cut off. Errors: also corrupt where what is damaged had been on the disk.
Result<Opened> open_last_segment(Disk& disk, const std::string& path, std::uint64_t base);

Result<void> write_index(Disk& disk, const Segment& segment);

}  // namespace chaveiro::events::log
