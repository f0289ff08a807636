// cache/write_journal.h
//
// The journal of a write queue: accepted writes and which of them are done, appended to one file. When it is opened again, what was
// not done is there; a torn last record was never accepted and is cut off.
//
//   file   = record…
//   record = size(4) kind(1) sequence(8) key_bytes(4) key bytes check(8)         size: from kind to bytes; little-endian
//   kind   = 1 write | 2 removal | 3 done, with the sequence of the write that is in the store or was superseded
//
// Accepting has two steps, so that many who accept at once wait for one fdatasync together: append() gives the record its place, and
// once wait() has answered, it and all before it are on the disk.
//
// Threads: any; one lock, which is not held over fdatasync.
// Time:    append() and done() one write; wait() at most two fdatasyncs, its own and the one under way. done() needs none: one that is
//          lost repeats a write.
// Errors:  those of base/file.h; unavailable "JournalFailed" after one of them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/guarded.h"

namespace chaveiro::cache {

struct QueuedWrite {
  enum class Kind : std::uint8_t { write = 1, removal = 2 };
  std::uint64_t sequence = 0;  // order of acceptance
  Kind kind = Kind::write;
  std::string key;
  std::string bytes;

  bool operator==(const QueuedWrite&) const = default;
};

class WriteJournal {
 public:
  // `undone` gets what waits from before, in its order.
  static Result<std::unique_ptr<WriteJournal>> open(const std::string& path, std::vector<QueuedWrite>& undone);

  using Place = std::uint64_t;
  Result<Place> append(const QueuedWrite& write);
  Result<void> wait(Place place);
  Result<void> accept(const QueuedWrite& write) {
    TRY(const Place place, append(write));
    return wait(place);
  }
  void done(std::uint64_t sequence);
  std::uint64_t torn_bytes() const { return torn_bytes_; }
  std::uint64_t syncs() const { return state_.lock()->syncs; }

 private:
  struct State {
    File file;
    std::uint64_t size = 0;
    std::map<std::uint64_t, QueuedWrite> undone;
    bool failed = false;
    Place appended = 0, synced = 0;  // records
    bool syncing = false;            // then the file stays the same
    std::uint64_t syncs = 0;
  };
  WriteJournal(std::string path, State state, std::uint64_t torn)
      : path_(std::move(path)), torn_bytes_(torn), state_(std::move(state)) {}
  void compact(State& state);

  static constexpr std::uint64_t compact_above = 4U << 20;
  const std::string path_;
  const std::uint64_t torn_bytes_;
  Guarded<State> state_;
};

}  // namespace chaveiro::cache
