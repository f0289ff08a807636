// cache/write_journal.h
//
// The journal of a write queue: accepted writes and which of them are done, appended to one file. When it is opened again, what was
// not done is there; a torn last record was never accepted and is cut off.
//
//   file   = record…
//   record = size(4) kind(1) sequence(8) key_bytes(4) key bytes check(8)         size: from kind to bytes; little-endian
//   kind   = 1 write | 2 removal | 3 done, with the sequence of the write that is in the store or was superseded
//
// Threads: any; one lock.
// Time:    accept() one fdatasync; done() none: one that is lost repeats a write.
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

  Result<void> accept(const QueuedWrite& write);
  void done(std::uint64_t sequence);
  std::uint64_t torn_bytes() const { return torn_bytes_; }

 private:
  struct State {
    File file;
    std::uint64_t size = 0;
    std::map<std::uint64_t, QueuedWrite> undone;
    bool failed = false;
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
