#include "events/log/segment.h"

#include <algorithm>
#include <cstdio>

#include "base/crc32c.h"

namespace chaveiro::events::log {
namespace {

constexpr std::uint64_t index_every = 16u << 10;  // bytes
constexpr std::size_t index_bytes_max = 64u << 20;
constexpr std::size_t piece = 1u << 20;
constexpr std::string_view index_magic = "CHVI";

Error corrupt(const std::string& path, std::uint64_t position, std::string_view what) {
  return fail(
      Code::corrupt, "LogCorrupt",
      path + ".log is damaged at byte " + std::to_string(position) + ": " + std::string(what) +
          "; what stands there had been on the disk. Restore the file from a backup, or move the topic's folder away");
}

template <class T>
void put(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}
template <class T>
T take(std::string_view& in) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    value |= static_cast<T>(static_cast<T>(static_cast<unsigned char>(in[i])) << (8 * i));
  in.remove_prefix(sizeof(T));
  return value;
}

// Reads a file forward in pieces; view() shows at least `wanted` bytes from `position` where there are so many.
class Window {
 public:
  Window(const DiskFile& file, std::uint64_t size) : file_(file), size_(size) {}
  Result<std::string_view> view(std::uint64_t position, std::size_t wanted) {
    const std::size_t there =
        static_cast<std::size_t>(std::min<std::uint64_t>(wanted, size_ - std::min(position, size_)));
    if (position < begin_ || position + there > begin_ + bytes_.size()) {
      begin_ = position;
      bytes_.resize(static_cast<std::size_t>(
          std::min<std::uint64_t>(std::max(wanted, piece), size_ - std::min(position, size_))));
      TRY(const std::size_t read, file_.read_at(position, bytes_));
      bytes_.resize(read);
    }
    return std::string_view(bytes_).substr(static_cast<std::size_t>(position - begin_));
  }

 private:
  const DiskFile& file_;
  std::uint64_t size_;
  std::uint64_t begin_ = 0;
  std::string bytes_;
};

// The whole batch at `position` whose first message is `expected` (or any, where it is absent).
Result<std::optional<BatchHead>> whole_batch(Window& window, std::uint64_t position,
                                             std::optional<std::uint64_t> expected) {
  TRY(const std::string_view front, window.view(position, batch_head_size));
  const auto head = read_batch_head(front);
  if (!head || (expected && head->first != *expected)) return std::optional<BatchHead>();
  TRY(const std::string_view bytes, window.view(position, head->whole_size()));
  if (bytes.size() < head->whole_size() || !batch_is_whole(bytes.substr(0, head->whole_size()), *head))
    return std::optional<BatchHead>();
  return head;
}

// Reads batch after batch; stops at the end or before the first that is not whole.
Result<void> scan(Segment& segment, std::uint64_t file_size) {
  Window window(*segment.file, file_size);
  while (segment.size < file_size) {
    TRY(const auto head, whole_batch(window, segment.size, segment.end));
    if (!head) return {};
    segment.note(head->first, segment.size, head->at);
    segment.size += head->whole_size();
    segment.end = head->end();
    segment.newest = head->at;
  }
  return {};
}

// Whether behind a damaged place stands a batch that was written when the damaged one was already on the disk.
Result<bool> was_on_disk(const Segment& segment, std::uint64_t file_size) {
  Window window(*segment.file, file_size);
  for (std::uint64_t position = segment.size + 1; position + batch_head_size <= file_size;) {
    TRY(const std::string_view bytes, window.view(position, batch_head_size));
    const std::size_t found = bytes.find("CHVB");
    if (found == std::string_view::npos) {
      position += std::max<std::size_t>(bytes.size() - 3, 1);
      continue;
    }
    position += found;
    TRY(const auto head, whole_batch(window, position, {}));
    if (head && head->durable > segment.end) return true;
    ++position;
  }
  return false;
}

Result<bool> read_index(Disk& disk, Segment& segment) {
  const auto text = disk.read(segment.path + ".idx", index_bytes_max);
  if (!text) return text.error().code == Code::not_found ? Result<bool>(false) : Result<bool>(text.error());
  std::string_view in(*text);
  if (in.size() < 28 || !in.starts_with(index_magic)) return false;
  in.remove_prefix(4);
  const auto sum = take<std::uint32_t>(in);
  if (crc32c(in) != sum) return false;
  segment.end = take<std::uint64_t>(in);
  segment.size = take<std::uint64_t>(in);
  const auto count = take<std::uint32_t>(in);
  if (in.size() != std::size_t{count} * 24) return false;
  for (std::uint32_t i = 0; i < count; ++i) {
    IndexEntry entry;
    entry.offset = take<std::uint64_t>(in);
    entry.position = take<std::uint64_t>(in);
    entry.at = UtcTime(Micros(static_cast<std::int64_t>(take<std::uint64_t>(in))));
    segment.index.push_back(entry);
  }
  if (!segment.index.empty()) segment.newest = segment.index.back().at;
  return true;
}

Result<std::shared_ptr<Segment>> open_file(Disk& disk, const std::string& path, std::uint64_t base) {
  auto segment = std::make_shared<Segment>();
  segment->path = path;
  segment->base = segment->end = base;
  TRY(segment->file, disk.open(path + ".log"));
  return segment;
}

}  // namespace

void Segment::note(std::uint64_t offset, std::uint64_t position, UtcTime at) {
  if (index.empty() || position - index.back().position >= index_every) index.push_back({offset, position, at});
}

const IndexEntry* Segment::at_or_before(std::uint64_t offset) const {
  const auto behind =
      std::upper_bound(index.begin(), index.end(), offset,
                       [](std::uint64_t value, const IndexEntry& entry) { return value < entry.offset; });
  return behind == index.begin() ? nullptr : &*std::prev(behind);
}

std::string segment_path(const std::string& folder, std::uint64_t base) {
  char name[32];
  std::snprintf(name, sizeof name, "%020llu", static_cast<unsigned long long>(base));
  return folder + "/" + name;
}

Result<std::shared_ptr<Segment>> make_segment(Disk& disk, const std::string& folder, std::uint64_t base) {
  TRY(auto segment, open_file(disk, segment_path(folder, base), base));
  TRY_VOID(segment->file->truncate(0));
  TRY_VOID(segment->file->sync());
  TRY_VOID(disk.sync_folder(folder));
  return segment;
}

Result<std::shared_ptr<Segment>> open_full_segment(Disk& disk, const std::string& path, std::uint64_t base) {
  TRY(auto segment, open_file(disk, path, base));
  TRY(const std::uint64_t size, segment->file->size());
  TRY(const bool indexed, read_index(disk, *segment));
  if (indexed && segment->size == size) return segment;
  segment->index.clear();
  segment->end = base;
  segment->size = 0;
  TRY_VOID(scan(*segment, size));
  if (segment->size != size) return corrupt(path, segment->size, "no whole batch stands there and newer files follow");
  TRY_VOID(write_index(disk, *segment));
  return segment;
}

Result<Opened> open_last_segment(Disk& disk, const std::string& path, std::uint64_t base) {
  TRY(auto segment, open_file(disk, path, base));
  TRY(const std::uint64_t size, segment->file->size());
  TRY_VOID(scan(*segment, size));
  const std::uint64_t torn = size - segment->size;
  if (torn > 0) {
    TRY(const bool damage, was_on_disk(*segment, size));
    if (damage) return corrupt(path, segment->size, "a batch is not whole and newer ones follow");
    TRY_VOID(segment->file->truncate(segment->size));
  }
  // What was read may be in the page cache only: it must be on the disk before anybody sees it.
  TRY_VOID(segment->file->sync());
  return Opened{std::move(segment), torn};
}

Result<void> write_index(Disk& disk, const Segment& segment) {
  std::string body;
  put<std::uint64_t>(body, segment.end);
  put<std::uint64_t>(body, segment.size);
  put<std::uint32_t>(body, static_cast<std::uint32_t>(segment.index.size()));
  for (const IndexEntry& entry : segment.index) {
    put<std::uint64_t>(body, entry.offset);
    put<std::uint64_t>(body, entry.position);
    put<std::uint64_t>(body, static_cast<std::uint64_t>(entry.at.time_since_epoch().count()));
  }
  std::string text(index_magic);
  put<std::uint32_t>(text, crc32c(body));
  return disk.replace(segment.path + ".idx", text + body);
}

}  // namespace chaveiro::events::log
