// directory/lookup_file.h
//
// The look-up log in files: one for each month and writer, append-only, hash-chained (lookup_segment.h has the grammar).
// append() copies into a mapping of the file (lookup_window.h), or writes where there is none: either way into the page cache; a thread of the log's own brings that to the disk at most `sync_every` later.
// What was answered survives the death of the process at once, and the loss of power once it was synced.
//
// At start the tail that a crash tore (behind what is known to be synced) is cut off and counted; damage before that is
// an error: nothing is appended to a broken chain.
//
// Threads: any number at once; append() is a copy and a SHA-256 under one lock, about half a microsecond.
// Errors:  append: exhausted "DiskFull" or "LookupLogBehind" (too much waits for the disk), unavailable "LookupLogFailed"
//          (a sync failed: restart after mending the disk). With WhenFull::count all three are counted instead.
//          open: unavailable "LookupLogInUse", corrupt "LookupFile", and those of base/file.h.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/guarded.h"
#include "directory/audit.h"
#include "directory/lookup_log.h"
#include "directory/lookup_segment.h"

namespace chaveiro::directory {

struct LookupFileOptions {
  std::string folder;                    // must exist
  std::string writer = "main";           // name of this process's chain: letters, digits, - and _, at most 64
  Micros sync_every = Micros(40'000);    // longest time in the page cache only; above 50 ms the log's promise is broken
  std::size_t unsynced_max = 16u << 20;  // bytes that may wait for the disk
  std::size_t grow_by = 4u << 20;        // bytes reserved on the disk ahead of the records; 0: none
  enum class WhenFull : std::uint8_t { refuse, count } when_full = WhenFull::refuse;
};

class LookupFile final : public LookupLog {
 public:
  static Result<std::unique_ptr<LookupFile>> open(const LookupFileOptions& options);
  // Syncs what was appended.
  ~LookupFile() override;

  Result<void> append(const LookupRecord& record) override;
  // What was appended before is on the disk when this answers.
  Result<void> sync();

  struct Counts {
    std::uint64_t appended = 0;
    std::uint64_t lost = 0;      // not appended, with WhenFull::count
    std::uint64_t torn = 0;      // bytes cut off at start
    std::uint64_t unsynced = 0;  // bytes that wait for the disk now
  };
  Counts counts() const;

 private:
  struct Segment;
  struct State;
  explicit LookupFile(LookupFileOptions options);
  Result<void> open_newest(State& state);
  Result<void> begin_month(State& state, Month month);
  Result<void> write(State& state, const LookupRecord& record);
  Result<void> reserve(Segment& segment, std::uint64_t from, std::uint64_t until);
  Result<void> put(Segment& segment, std::uint64_t at, std::string_view bytes);
  static void give_back(State& state);
  Result<void> failed(State& state, const Error& error);
  void keep_synced();

  LookupFileOptions options_;
  std::unique_ptr<Guarded<State>> state_;
  Guarded<bool> syncing_;  // held by whoever syncs, so that marks are written in order
  std::thread thread_;
};

// "lookups-WRITER-202611.log"
std::string lookup_file_name(std::string_view writer, Month month);

}  // namespace chaveiro::directory
