// directory/lookup_files.h
//
// All look-up files of a folder, for people and for the audit: walked along the chains, searched, removed when old. Works
// beside running writers, on what they have written so far.
//
// Threads: plain functions; each opens the files anew.
// Errors:  those of base/file.h; corrupt "LookupFile" where a head is damaged.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "directory/audit.h"
#include "directory/lookup_segment.h"

namespace chaveiro::directory {

bool good_writer_name(std::string_view writer);

struct LookupSegmentName {
  std::string writer;
  Month month = 0;
  std::string path;
  auto operator<=>(const LookupSegmentName&) const = default;
};
// By writer, then month. Files with other names are left out.
Result<std::vector<LookupSegmentName>> lookup_segments(const std::string& folder);

Result<std::string> read_lookup_segment(const std::string& path);

// Where the records of a file end, as a writer that goes on from there must know it.
struct LookupTail {
  LookupMark end;
  std::uint64_t synced = 0;  // offset up to which the disk is known to have it
  std::uint64_t torn = 0;    // bytes behind the end that are neither records nor zeros
};
// Errors: corrupt "LookupFile", where records that were synced are damaged or gone.
Result<LookupTail> lookup_tail(const std::string& path, std::string_view bytes, std::string_view writer);

// Whether the file was made and nothing of it was ever synced: a full disk or a crash right after the turn of the month.
bool lookup_file_is_stillborn(std::string_view bytes);

// Feeds every record of every file to the checker (made with chain "lookups"), and reports what it cannot see: torn
// tails.
Result<void> walk_lookups(const std::string& folder, ChainChecker& checker);

struct LookupFilter {
  std::optional<UtcTime> from;   // inclusive
  std::optional<UtcTime> until;  // exclusive
  std::optional<Digest> key_hash;
  std::optional<Ispb> ispb;
};
// Visits matching records, file by file; false from `visit` ends it.
Result<void> each_lookup(const std::string& folder, const LookupFilter& filter,
                         const std::function<bool(const LookupRecord&)>& visit);

// Removes files whose month ended before `before`, but never the newest of a writer. Answers how many.
Result<std::uint64_t> remove_lookups(const std::string& folder, UtcTime before);

}  // namespace chaveiro::directory
