#include "cache/snapshot.h"

#include <cstring>
#include <string_view>

#include "base/file.h"
#include "cache/codec.h"

namespace chaveiro::cache {
namespace {

constexpr std::string_view magic = "CVSNAP01";

void put(std::string& out, std::uint64_t number, int bytes = 8) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(number >> 8 * i & 0xFF);
}
std::uint64_t take(std::string_view& from, std::size_t bytes, bool& good) {
  if (from.size() < bytes) return good = false, 0;
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < bytes; ++i)
    number |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(from[i])) << 8 * i;
  from.remove_prefix(bytes);
  return number;
}
std::string take_text(std::string_view& from, bool& good) {
  const std::uint64_t size = take(from, 4, good);
  if (size > from.size()) return good = false, std::string();
  std::string text(from.substr(0, size));
  from.remove_prefix(size);
  return text;
}

Error damaged(const std::string& path) {
  return fail(Code::corrupt, "SnapshotDamaged", path + ": this is no whole snapshot of a cache: it begins empty");
}

}  // namespace

Result<void> write_snapshot(const std::string& path, const Snapshot& snapshot) {
  std::string out(magic);
  put(out, static_cast<std::uint64_t>(snapshot.saved_at.time_since_epoch().count()));
  put(out, snapshot.position);
  put(out, snapshot.records.size());
  for (const SnapshotRecord& record : snapshot.records) {
    put(out, record.key.size(), 4);
    out += record.key;
    put(out, record.sealed.size(), 4);
    out += record.sealed;
    put(out, static_cast<std::uint64_t>(record.fresh_left.count()));
    put(out, static_cast<std::uint64_t>(record.age.count()));
  }
  put(out, checksum64(out));
  return write_file(path, out);
}

Result<Snapshot> read_snapshot(const std::string& path, std::size_t size_max) {
  TRY(const std::string file, read_file(path, size_max));
  bool good = file.size() >= magic.size() + 32 && file.starts_with(magic);
  if (!good) return damaged(path);
  std::string_view inside(file.data(), file.size() - 8), check(file.data() + inside.size(), 8);
  if (take(check, 8, good) != checksum64(inside)) return damaged(path);

  inside.remove_prefix(magic.size());
  Snapshot snapshot;
  snapshot.saved_at = UtcTime{Micros{static_cast<std::int64_t>(take(inside, 8, good))}};
  snapshot.position = take(inside, 8, good);
  const std::uint64_t count = take(inside, 8, good);
  for (std::uint64_t i = 0; i < count && good; ++i) {
    SnapshotRecord record;
    record.key = take_text(inside, good);
    record.sealed = take_text(inside, good);
    record.fresh_left = Micros{static_cast<std::int64_t>(take(inside, 8, good))};
    record.age = Micros{static_cast<std::int64_t>(take(inside, 8, good))};
    snapshot.records.push_back(std::move(record));
  }
  if (!good || !inside.empty()) return damaged(path);
  return snapshot;
}

}  // namespace chaveiro::cache
