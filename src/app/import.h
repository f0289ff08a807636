// app/import.h
//
// Brings many entries with their accounts and owners into a store. Lines are taken in order, checked, and committed in batches: a
// group for the first lines of all their accounts, one for the second lines, and so on. A line that is wrong is reported with its number and fields, and the rest goes on. A line that is there already is counted,
// not refused: running the same file again, or from the middle, is harmless.
//
// The registry is not asked: an import tells us what it already holds. Entries become ACTIVE with the dates and RequestId of
// their line.
//
// Threads: one caller at a time; a thread of its own commits one batch while the caller parses the next.
// Time:    a line costs its parsing and one commit in a group; nothing is read from the store unless a commit says that something
//          is there already. Memory: the accounts of the last 100,000 lines, and two batches.
// Errors:  of a line: as in import_line.h, and EntryLimitExceeded, EntryAlreadyExists, EntryKeyInCustodyOfDifferentParticipant,
//          EntryKeyOwnedByDifferentPerson, RequestIdAlreadyUsed, Forbidden (a participant that is not served), AccountClosed.
//          Of the run: those of Store; what was committed before stays.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/import_line.h"
#include "directory/store.h"

namespace chaveiro::app {

struct ImportOptions {
  std::vector<directory::Ispb> served;  // participants that may be imported for
  ImportRules rules;
  directory::Actor actor;
  std::size_t batch_lines = 1000;      // lines a commit group
  std::size_t faults_kept_max = 1000;  // faulty lines that are described; the others are only counted
};

struct LineFault {
  std::uint64_t line = 0;  // from 1
  Error error;
};

struct ImportReport {
  std::uint64_t lines = 0;  // read, without empty ones
  std::uint64_t accounts_created = 0;
  std::uint64_t entries_created = 0;
  std::uint64_t already_there = 0;
  std::uint64_t bad = 0;
  std::uint64_t committed_line = 0;  // every line up to this one is done with: go on after it
  std::vector<LineFault> faults;     // the first faults_kept_max
};

class Importer {
 public:
  Importer(directory::Store& store, const Clock& clock, ImportOptions options);
  ~Importer();

  // The number is that of the file (from 1); numbers must rise. An empty line is skipped.
  Result<void> add_json(std::uint64_t number, std::string_view line, Deadline deadline);
  // The first line is the header.
  Result<void> add_csv(std::uint64_t number, std::string_view line, Deadline deadline);
  // Everything that was added is committed when this answers.
  Result<ImportReport> finish(Deadline deadline);
  // As of the last finished batch.
  ImportReport progress() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace chaveiro::app
