#include "app/backup.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "app/keyring.h"
#include "app/offline.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/hash.h"
#include "clients/sqlite/maintenance.h"

namespace chaveiro::app {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view manifest_name = "MANIFEST";
constexpr std::string_view database_name = "chaveiro.db";

Error disk_error(const fs::filesystem_error& error) {
  return fail(Code::unavailable, "Backup", error.path1().string() + ": " + error.code().message());
}

bool good_name(const std::string& name) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  return !name.empty() && name.size() <= 64 && name.front() != '.' && std::ranges::all_of(name, good);
}

std::string name_from_time() {
  std::string name = to_rfc3339(SystemClock{}.now());
  std::erase_if(name, [](char c) { return c == ':' || c == '-' || c == '.'; });
  return name;
}

Result<std::string> hash_of_file(const std::string& path) {
  TRY(const File file, File::open(path, File::Open::read));
  Sha256 hash;
  std::string block(1 << 20, '\0');
  for (std::uint64_t offset = 0;;) {
    TRY(const std::size_t got, file.read_at(offset, block));
    hash.update(std::string_view(block).substr(0, got));
    offset += got;
    if (got < block.size()) return to_hex(hash.digest());
  }
}

// Copies what is there of a file, which may still grow behind it.
Result<void> duplicate_file(const fs::path& from, const fs::path& to) {
  TRY(const File source, File::open(from.string(), File::Open::read));
  TRY(File target, File::open(to.string(), File::Open::fresh, 0600));
  TRY(const std::uint64_t size, source.size());
  std::string block(1 << 20, '\0');
  for (std::uint64_t offset = 0; offset < size;) {
    TRY(const std::size_t got,
        source.read_at(offset, {block.data(), std::min<std::size_t>(block.size(), size - offset)}));
    if (got == 0) break;
    TRY_VOID(target.append(std::string_view(block).substr(0, got)));
    offset += got;
  }
  return target.sync();
}

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  if (!fs::exists(folder)) return files;
  for (const auto& item : fs::recursive_directory_iterator(folder)) {
    if (item.is_regular_file()) files.push_back(fs::relative(item.path(), folder));
  }
  std::ranges::sort(files);
  return files;
}

Result<void> duplicate_folder(const fs::path& from, const fs::path& to) {
  for (const fs::path& file : files_below(from)) {
    if (file.filename() == "LOCK" || fs::exists(to / file)) continue;
    TRY_VOID(make_folder((to / file).parent_path().string(), 0700));
    TRY_VOID(duplicate_file(from / file, to / file));
  }
  return {};
}

Result<std::uint64_t> write_manifest(const fs::path& folder) {
  std::string text;
  std::uint64_t bytes = 0;
  for (const fs::path& file : files_below(folder)) {
    TRY(const std::string hash, hash_of_file((folder / file).string()));
    text += hash + "  " + file.string() + "\n";
    bytes += fs::file_size(folder / file);
  }
  TRY_VOID(write_file((folder / manifest_name).string(), text, 0600));
  return bytes;
}

Result<void> check_manifest(const fs::path& folder) {
  const std::string manifest = (folder / manifest_name).string();
  if (!fs::exists(manifest))
    return fail(Code::not_found, "Backup", folder.string() + " is no finished backup: it has no MANIFEST");
  TRY(const std::string text, read_file(manifest, 16 << 20));
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::size_t gap = line.find("  ");
    const fs::path file = gap == std::string_view::npos ? fs::path() : fs::path(line.substr(gap + 2));
    const bool inside = !file.empty() && file.is_relative() && file.string().find("..") == std::string::npos;
    if (!inside) return fail(Code::corrupt, "Backup", manifest + " is damaged");
    TRY(const std::string hash, hash_of_file((folder / file).string()));
    if (hash != line.substr(0, gap))
      return fail(Code::corrupt, "Backup", (folder / file).string() + " is not what it was when the backup was made");
  }
  return {};
}

Result<api::BackupAnswer> write_into(const fs::path& data, const fs::path& folder,
                                     const std::function<Result<void>(const std::string&)>& copy_database) {
  TRY_VOID(make_folder(folder.string(), 0700));
  TRY_VOID(duplicate_file(data / keyring_file, folder / keyring_file));
  // Look-ups first: the record of every change that the copy holds is older than the database's copy.
  TRY_VOID(duplicate_folder(data / "lookups", folder / "lookups"));
  if (fs::exists(data / "revocations")) TRY_VOID(duplicate_file(data / "revocations", folder / "revocations"));
  TRY_VOID(copy_database((folder / database_name).string()));
  TRY(const std::uint64_t bytes, write_manifest(folder));
  return api::BackupAnswer{fs::absolute(folder).string(), bytes};
}

Result<std::string> restore_into(const Settings& settings, const fs::path& backup) {
  TRY_VOID(check_manifest(backup));
  const fs::path data = settings.data;
  TRY_VOID(make_folder(data.string(), 0700));
  std::vector<FolderLock> locks;
  for (const char* writer : {"main", "next"}) {
    TRY_VOID(make_folder((data / "writers" / writer).string(), 0700));
    auto lock = FolderLock::take((data / "writers" / writer).string());
    if (!lock)
      return fail(Code::unavailable, "DataFolder",
                  "a server runs on " + data.string() + ": stop it first (" + lock.error().message + ")");
    locks.push_back(*std::move(lock));
  }
  TRY_VOID(clients::sqlite::restore((backup / database_name).string(), database_path(settings), Deadline::never()));
  if (fs::exists(data / keyring_file))
    fs::rename(data / keyring_file, data / (std::string(keyring_file) + ".replaced"));
  TRY_VOID(duplicate_file(backup / keyring_file, data / keyring_file));
  // What was revoked since stays revoked, and look-ups recorded since stay recorded.
  if (!fs::exists(data / "revocations") && fs::exists(backup / "revocations"))
    TRY_VOID(duplicate_file(backup / "revocations", data / "revocations"));
  TRY_VOID(duplicate_folder(backup / "lookups", data / "lookups"));
  return "restored " + backup.string() + " into " + data.string() +
         "; what was there before is kept beside it as *.replaced";
}

}  // namespace

Result<api::BackupAnswer> write_backup(const std::string& data_folder, const std::string& name,
                                       const std::function<Result<void>(const std::string&)>& copy_database) {
  if (!name.empty() && !good_name(name))
    return fail_field("name", "must be 1 to 64 letters, digits, dots, hyphens or underscores");
  const fs::path data = data_folder;
  const fs::path folder = data / "backups" / (name.empty() ? name_from_time() : name);
  try {
    if (fs::exists(folder)) return fail(Code::exists, "Backup", folder.string() + " is there already");
    auto written = write_into(data, folder, copy_database);
    std::error_code ignored;
    if (!written) fs::remove_all(folder, ignored);
    return written;
  } catch (const fs::filesystem_error& error) {
    return disk_error(error);
  }
}

Result<std::string> restore_backup(const Settings& settings, const std::string& backup_folder) {
  try {
    return restore_into(settings, backup_folder);
  } catch (const fs::filesystem_error& error) {
    return disk_error(error);
  }
}

}  // namespace chaveiro::app
