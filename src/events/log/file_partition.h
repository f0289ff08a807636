// events/log/file_partition.h
//
// A partition in a folder of its own, as a row of segments (segment.h).
//
// Guarantees: what append() wrote and sync() answered is there after a crash, a kill and a power cut. A torn tail is cut when it is
//             opened, and told (cut_bytes()); damage to anything that had been on the disk is an error, never cut.
// Threads: as partition.h says.
// Errors:  those of partition.h; unavailable "LogBroken" after a failed sync: the program must open it anew.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "events/log/partition.h"
#include "events/log/segment.h"

namespace chaveiro::events::log {

struct FilePartitionOptions {
  std::uint64_t segment_bytes = 64u << 20;  // a file takes no more once it is so long
};

class FilePartition final : public Partition {
 public:
  static Result<std::unique_ptr<FilePartition>> open(Disk& disk, std::string folder, FilePartitionOptions options);

  Result<std::uint64_t> append(Batches& batches, UtcTime at) override;
  void begin_sync() override { active_->file->begin_sync(); }
  Result<void> sync() override;
  std::uint64_t begin() const override;
  std::uint64_t end() const override;
  std::uint64_t bytes() const override;
  Result<std::vector<Stored>> read(std::uint64_t from, std::size_t max) const override;
  Result<std::uint64_t> offset_at(UtcTime time) const override;
  Result<void> trim(const Trim& trim) override;

  std::uint64_t cut_bytes() const { return cut_bytes_; }

 private:
  using Segments = std::vector<std::shared_ptr<Segment>>;
  struct State {
    Segments segments;  // never empty; the last one is written
    std::uint64_t visible = 0;
  };
  struct Place {
    std::shared_ptr<Segment> segment;
    std::uint64_t position = 0;
    std::uint64_t size = 0;  // bytes of the segment that may be read
    std::uint64_t visible = 0;
  };

  FilePartition(Disk& disk, std::string folder, FilePartitionOptions options)
      : disk_(disk), folder_(std::move(folder)), options_(options) {}
  Result<void> load();
  Result<void> roll();
  std::optional<Place> place_of(std::uint64_t& from) const;

  Disk& disk_;
  const std::string folder_;
  const FilePartitionOptions options_;
  std::uint64_t cut_bytes_ = 0;
  // Of the appending thread.
  std::shared_ptr<Segment> active_;
  std::uint64_t next_ = 0;         // offset of the next message
  std::uint64_t written_ = 0;      // bytes of the active segment, also what is not synced
  std::vector<IndexEntry> marks_;  // batches that are not synced
  UtcTime newest_{};
  bool broken_ = false;
  Guarded<State> state_;
};

}  // namespace chaveiro::events::log
