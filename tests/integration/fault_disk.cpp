#include "tests/integration/fault_disk.h"

#include <cerrno>

#include "base/file.h"

namespace chaveiro::contract {
namespace {

void write_into(std::string& content, const FaultDisk::Write& write) {
  if (write.truncates) return content.resize(write.offset);
  if (content.size() < write.offset + write.data.size()) content.resize(write.offset + write.data.size());
  content.replace(write.offset, write.data.size(), write.data);
}

}  // namespace

class FaultFile final : public events::log::DiskFile {
 public:
  FaultFile(FaultDisk& disk, std::string path, std::shared_ptr<Guarded<FaultDisk::Inode>> inode,
            std::uint64_t generation)
      : disk_(disk), path_(std::move(path)), inode_(std::move(inode)), generation_(generation) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const override {
    const auto inode = inode_->lock();
    if (inode->generation != generation_) return gone();
    if (offset >= inode->content.size()) return std::size_t{0};
    return inode->content.copy(into.data(), into.size(), offset);
  }
  Result<void> write_at(std::uint64_t offset, std::string_view data) override {
    if (!disk_.has_room(data.size())) return file_error("write", path_, ENOSPC);
    return change({offset, std::string(data), false});
  }
  Result<void> truncate(std::uint64_t size) override { return change({size, {}, true}); }
  Result<void> sync() override {
    if (disk_.power_goes_now()) disk_.cut_power();
    auto inode = inode_->lock();
    if (inode->generation != generation_) return gone();
    if (disk_.syncs_fail()) return file_error("sync", path_, EIO);
    inode->on_disk = inode->content;
    inode->unsynced.clear();
    return {};
  }
  Result<std::uint64_t> size() const override { return std::uint64_t{inode_->lock()->content.size()}; }

 private:
  Result<void> change(FaultDisk::Write write) {
    auto inode = inode_->lock();
    if (inode->generation != generation_) return gone();
    write_into(inode->content, write);
    inode->unsynced.push_back(std::move(write));
    return {};
  }
  Error gone() const { return file_error("use", path_, EIO); }

  FaultDisk& disk_;
  const std::string path_;
  const std::shared_ptr<Guarded<FaultDisk::Inode>> inode_;
  const std::uint64_t generation_;
};

bool FaultDisk::power_goes_now() {
  auto left = syncs_left_.lock();
  return *left > 0 && --*left == 0;
}

bool FaultDisk::has_room(std::uint64_t more) {
  std::uint64_t used = 0;
  const auto files = files_.lock();
  for (const auto& [path, inode] : *files) used += inode->lock()->content.size();
  return used + more <= *bytes_max_.lock();
}

Result<void> FaultDisk::make_folder(const std::string& path) {
  folders_.lock()->emplace(path, true);
  return {};
}

Result<std::vector<std::string>> FaultDisk::list(const std::string& folder) {
  std::map<std::string, bool> names;
  const auto add = [&](const std::string& path) {
    if (!path.starts_with(folder + "/")) return;
    const std::string rest = path.substr(folder.size() + 1);
    names[rest.substr(0, rest.find('/'))] = true;
  };
  folders_.with([&](const auto& all) {
    for (const auto& [path, there] : all) add(path);
  });
  files_.with([&](const Files& all) {
    for (const auto& [path, inode] : all) add(path);
  });
  std::vector<std::string> found;
  for (const auto& [name, there] : names) found.push_back(name);
  return found;
}

Result<std::unique_ptr<events::log::DiskFile>> FaultDisk::open(const std::string& path) {
  auto files = files_.lock();
  const std::uint64_t generation = *generation_.lock();
  auto& inode = (*files)[path];
  if (!inode) {
    inode = std::make_shared<Guarded<Inode>>();
    inode->lock()->generation = generation;
  }
  return std::unique_ptr<events::log::DiskFile>(std::make_unique<FaultFile>(*this, path, inode, generation));
}

Result<void> FaultDisk::sync_folder(const std::string& folder) {
  const auto files = files_.lock();
  for (const auto& [path, inode] : *files)
    if (path.substr(0, path.rfind('/')) == folder) inode->lock()->name_synced = true;
  return {};
}

Result<void> FaultDisk::remove(const std::string& path) {
  files_.lock()->erase(path);
  return {};
}

Result<std::string> FaultDisk::read(const std::string& path, std::size_t) {
  const auto files = files_.lock();
  const auto found = files->find(path);
  if (found == files->end()) return file_error("open", path, ENOENT);
  return found->second->lock()->content;
}

Result<void> FaultDisk::replace(const std::string& path, std::string_view content) {
  if (!has_room(content.size())) return file_error("write", path, ENOSPC);
  if (syncs_fail()) return file_error("sync", path, EIO);
  const auto inode = std::make_shared<Guarded<Inode>>();
  auto files = files_.lock();
  {
    auto fresh = inode->lock();
    fresh->content = fresh->on_disk = std::string(content);
    fresh->generation = *generation_.lock();
    fresh->name_synced = true;
  }
  (*files)[path] = inode;
  return {};
}

void FaultDisk::cut_power() {
  auto random = random_.lock();
  auto files = files_.lock();
  const std::uint64_t generation =
      ++*generation_.lock();  // with the files: none may be opened in between and be of neither
  for (auto at = files->begin(); at != files->end();) {
    const auto held = at->second;  // until its lock is given back
    auto old = held->lock();
    if (!old->name_synced && random->below(2) == 0) {
      old->generation = UINT64_MAX;
      at = files->erase(at);
      continue;
    }
    // Of what was not synced each write may have reached the disk, wholly, partly, or not; in any order.
    auto fresh = std::make_shared<Guarded<Inode>>();
    {
      auto inode = fresh->lock();
      inode->on_disk = old->on_disk;
      for (Write write : old->unsynced) {
        const std::uint64_t fate = random->below(3);
        if (fate == 0) continue;
        if (fate == 1 && !write.truncates) write.data.resize(random->below(write.data.size() + 1));
        write_into(inode->on_disk, write);
      }
      inode->content = inode->on_disk;
      inode->generation = generation;
      inode->name_synced = true;
    }
    old->generation = UINT64_MAX;
    old->unsynced.clear();
    at->second = std::move(fresh);
    ++at;
  }
}

void FaultDisk::damage(const std::string& path, std::uint64_t position) {
  const auto files = files_.lock();
  auto inode = files->at(path)->lock();
  inode->content[position] = static_cast<char>(inode->content[position] ^ 0x20);
  inode->on_disk = inode->content;
}

std::uint64_t FaultDisk::size_of(const std::string& path) { return files_.lock()->at(path)->lock()->content.size(); }

}  // namespace chaveiro::contract
