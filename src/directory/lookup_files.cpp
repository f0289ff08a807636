#include "directory/lookup_files.h"

#include <sys/mman.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/text.h"

namespace chaveiro::directory {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t segment_size_max = std::size_t{1} << 40;
constexpr std::string_view prefix = "lookups-", suffix = ".log";

Error damaged(const std::string& path, const std::string& what) {
  return fail(Code::corrupt, "LookupFile",
              path + ": " + what + "; move the file away to go on with a new chain, and keep it for whoever looks");
}

std::optional<LookupSegmentName> segment_name(const fs::path& path) {
  const std::string file_name = path.filename().string();
  std::string_view name = file_name;
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
  name = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  const std::size_t hyphen = name.rfind('-');
  if (hyphen == std::string_view::npos || !good_writer_name(name.substr(0, hyphen))) return std::nullopt;
  const auto month = parse_uint(name.substr(hyphen + 1), 999'912);
  if (!month) return std::nullopt;
  return LookupSegmentName{std::string(name.substr(0, hyphen)), static_cast<Month>(*month), path.string()};
}

std::uint64_t bytes_that_are_not_zero(std::string_view bytes) {
  const std::size_t last = bytes.find_last_not_of('\0');
  return last == std::string_view::npos ? 0 : last + 1;
}

// One file along the chain. A torn record behind the mark of the newest file is no fault of anybody.
void walk(const LookupSegmentName& name, std::string_view bytes, bool newest, ChainChecker& checker) {
  const auto header = read_lookup_header(bytes);
  const auto report = [&](ChainFault::Kind kind, std::uint64_t number, const std::string& message) {
    checker.report(kind, name.writer, name.month, number, message);
  };
  if (!header) {
    report(newest && lookup_file_is_stillborn(bytes) ? ChainFault::Kind::torn : ChainFault::Kind::changed, 1,
           "the head of the file is damaged; its records cannot be trusted");
    return;
  }
  const std::uint64_t synced = header->mark ? header->mark->offset : lookup_header_size;
  std::uint64_t last = 0;
  std::size_t at = lookup_header_size;
  for (;;) {
    const auto read = read_lookup(bytes.substr(std::min(at, bytes.size())));
    const bool in_tail = newest && at >= synced;
    if (!read || (in_tail && !read->whole)) break;
    checker.feed({name.writer, name.month, read->number, read->previous, read->hash, read->whole});
    last = read->number;
    at += read->size;
  }
  if (at < synced) {
    const bool cut = at >= bytes.size() || bytes_that_are_not_zero(bytes.substr(at)) == 0;
    report(cut ? ChainFault::Kind::cut : ChainFault::Kind::changed, last + 1,
           cut ? "the file ends before it, although more records had been synced; they were cut off"
               : "its length makes no sense; it and what follows cannot be read");
  } else if (at < bytes.size() && bytes_that_are_not_zero(bytes.substr(at)) != 0) {
    report(newest ? ChainFault::Kind::torn : ChainFault::Kind::changed, last + 1,
           newest
               ? "it was being written when process or machine stopped, or is being written now; it was not answered "
                 "as synced, and the next start cuts it off"
               : "it cannot be read");
  }
}

bool is_torn(const LookupSegmentName& name, std::string_view bytes) {
  const auto tail = lookup_tail(name.path, bytes, name.writer);
  return tail && tail->torn > 0;
}

}  // namespace

bool good_writer_name(std::string_view writer) {
  return !writer.empty() && writer.size() <= 64 && std::all_of(writer.begin(), writer.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

Result<std::vector<LookupSegmentName>> lookup_segments(const std::string& folder) {
  std::error_code error;
  std::vector<LookupSegmentName> names;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (auto name = segment_name(at->path())) names.push_back(std::move(*name));
  if (error) return file_error("read", folder, error.value());
  std::sort(names.begin(), names.end());
  return names;
}

bool lookup_file_is_stillborn(std::string_view bytes) {
  return !read_lookup_header(bytes) && (bytes.size() <= lookup_header_size || bytes_that_are_not_zero(bytes) == 0);
}

Result<std::string> read_lookup_segment(const std::string& path) { return read_file(path, segment_size_max); }

Result<LookupTail> lookup_tail(const std::string& path, std::string_view bytes, std::string_view writer) {
  const auto header = read_lookup_header(bytes);
  if (!header) return damaged(path, "the head of the file is damaged");
  if (header->writer != writer) return damaged(path, "it belongs to writer " + header->writer);
  if (!header->mark) return damaged(path, "the mark in its head is damaged");
  LookupTail tail;
  tail.synced = header->mark->offset;
  if (header->mark->offset > bytes.size()) return damaged(path, "records that had been synced are gone from its end");
  tail.end = last_whole_lookup(bytes, *header->mark);
  tail.torn = bytes_that_are_not_zero(bytes.substr(tail.end.offset));
  return tail;
}

Result<void> walk_lookups(const std::string& folder, ChainChecker& checker) {
  TRY(const auto segments, lookup_segments(folder));
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const bool newest = i + 1 == segments.size() || segments[i + 1].writer != segments[i].writer;
    std::string bytes;
    // A record that is being copied into the file just now is whole the next time.
    for (int reads = 0; reads < 3; ++reads) {
      TRY(bytes, read_lookup_segment(segments[i].path));
      if (!newest || !is_torn(segments[i], bytes)) break;
    }
    walk(segments[i], bytes, newest, checker);
  }
  return {};
}

Result<void> each_lookup(const std::string& folder, const LookupFilter& filter,
                         const std::function<bool(const LookupRecord&)>& visit) {
  TRY(const auto segments, lookup_segments(folder));
  for (const LookupSegmentName& segment : segments) {
    // A file may hold records that are older than its month (a clock that went back), never newer ones.
    if (filter.from && segment.month < month_of(*filter.from)) continue;
    TRY(const std::string bytes, read_lookup_segment(segment.path));
    for (std::size_t at = lookup_header_size; at < bytes.size();) {
      const auto read = read_lookup(std::string_view(bytes).substr(at));
      if (!read || !read->whole) break;
      at += read->size;
      const LookupRecord& record = read->record;
      if ((filter.from && record.at < *filter.from) || (filter.until && record.at >= *filter.until) ||
          (filter.key_hash && record.key_hash != *filter.key_hash) || (filter.ispb && record.ispb != *filter.ispb))
        continue;
      if (!visit(record)) return {};
    }
  }
  return {};
}

Result<std::uint64_t> remove_lookups(const std::string& folder, UtcTime before) {
  TRY(const auto segments, lookup_segments(folder));
  std::uint64_t removed = 0;
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    if (segments[i].writer != segments[i + 1].writer || segments[i].month >= month_of(before)) continue;
    std::error_code error;
    if (!fs::remove(segments[i].path, error)) return file_error("remove", segments[i].path, error.value());
    ++removed;
  }
  if (removed > 0) TRY_VOID(sync_folder(folder));
  return removed;
}

}  // namespace chaveiro::directory
