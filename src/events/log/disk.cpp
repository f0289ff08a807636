#include "events/log/disk.h"

#include <filesystem>
#include <system_error>

#include "base/file.h"

namespace chaveiro::events::log {
namespace {

constexpr mode_t private_file = 0600;
constexpr mode_t private_folder = 0700;

class LocalFile final : public DiskFile {
 public:
  explicit LocalFile(File file) : file_(std::move(file)) {}
  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const override {
    return file_.read_at(offset, into);
  }
  Result<void> write_at(std::uint64_t offset, std::string_view data) override { return file_.write_at(offset, data); }
  Result<void> sync() override { return file_.sync(); }
  void begin_sync() override { file_.begin_sync(); }
  Result<std::uint64_t> size() const override { return file_.size(); }
  Result<void> truncate(std::uint64_t size) override { return file_.truncate(size); }

 private:
  File file_;
};

}  // namespace

Result<void> LocalDisk::make_folder(const std::string& path) { return chaveiro::make_folder(path, private_folder); }

Result<std::shared_ptr<void>> LocalDisk::lock_folder(const std::string& path) {
  TRY(FolderLock lock, FolderLock::take(path));
  return std::shared_ptr<void>(std::make_shared<FolderLock>(std::move(lock)));
}

Result<std::vector<std::string>> LocalDisk::list(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code failed;
  for (auto at = std::filesystem::directory_iterator(folder, failed);
       !failed && at != std::filesystem::directory_iterator(); at.increment(failed))
    names.push_back(at->path().filename().string());
  if (failed) return file_error("list", folder, failed.value());
  return names;
}

Result<std::unique_ptr<DiskFile>> LocalDisk::open(const std::string& path) {
  TRY(File file, File::open(path, File::Open::update, private_file));
  return std::unique_ptr<DiskFile>(std::make_unique<LocalFile>(std::move(file)));
}

Result<void> LocalDisk::sync_folder(const std::string& path) { return chaveiro::sync_folder(path); }

Result<void> LocalDisk::remove(const std::string& path) {
  std::error_code failed;
  std::filesystem::remove(path, failed);
  if (failed) return file_error("remove", path, failed.value());
  return {};
}

Result<std::string> LocalDisk::read(const std::string& path, std::size_t size_max) { return read_file(path, size_max); }

Result<void> LocalDisk::replace(const std::string& path, std::string_view content) {
  return write_file(path, content, private_file);
}

}  // namespace chaveiro::events::log
