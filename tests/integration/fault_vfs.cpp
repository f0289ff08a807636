#include "tests/integration/fault_vfs.h"

#include <sqlite3.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <vector>

#include "base/check.h"
#include "base/guarded.h"
#include "base/random.h"

namespace chaveiro::contract {

namespace {

struct Write {
  std::uint64_t offset = 0;
  std::string bytes;
  bool truncates = false;  // to `offset`
};

void apply_to(std::string& content, const Write& write) {
  if (write.truncates) {
    content.resize(std::min<std::size_t>(content.size(), write.offset));
    return;
  }
  if (content.size() < write.offset + write.bytes.size()) content.resize(write.offset + write.bytes.size());
  std::memcpy(content.data() + write.offset, write.bytes.data(), write.bytes.size());
}

struct OnDisk {
  std::string durable;
  std::vector<Write> unsynced;
  std::uint64_t size = 0;  // as the running machine sees it
};

struct Disk {
  std::map<std::string, OnDisk> files;
  std::optional<std::uint64_t> operations_left;
  bool cut = false;
  bool fail_sync = false;
  std::uint64_t syncs = 0;
  std::uint64_t size_max = ~std::uint64_t{0};
  Random random{0};

  // Counts an operation; false: there is no power (any more).
  bool power() {
    if (!cut && operations_left && (*operations_left)-- == 0) cut = true;
    return !cut;
  }
  std::uint64_t size() const {
    std::uint64_t all = 0;
    for (const auto& [path, file] : files) all += file.size;
    return all;
  }
};

}  // namespace

struct FaultVfs::Impl {
  std::string name;
  sqlite3_vfs vfs{};
  sqlite3_vfs* real = nullptr;
  Guarded<Disk> disk;
};

namespace {

// What SQLite holds of an open file; the real file's memory follows behind it.
struct ShimFile {
  sqlite3_file base;
  Guarded<Disk>* disk;
  const std::string* path;  // null: a file that is not watched
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
ShimFile* shim(sqlite3_file* file) { return reinterpret_cast<ShimFile*>(file); }
sqlite3_file* real(sqlite3_file* file) { return shim(file)->real(); }

int close_file(sqlite3_file* file) { return real(file)->pMethods->xClose(real(file)); }
int read_file(sqlite3_file* file, void* into, int size, sqlite3_int64 offset) {
  return real(file)->pMethods->xRead(real(file), into, size, offset);
}

int write_file(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  if (shim(file)->path != nullptr) {
    auto disk = shim(file)->disk->lock();
    if (!disk->power()) return SQLITE_IOERR_WRITE;
    OnDisk& on_disk = disk->files[*shim(file)->path];
    const auto end = static_cast<std::uint64_t>(offset) + static_cast<std::uint64_t>(size);
    if (end > on_disk.size && disk->size() + (end - on_disk.size) > disk->size_max) return SQLITE_FULL;
    on_disk.size = std::max(on_disk.size, end);
    on_disk.unsynced.push_back({static_cast<std::uint64_t>(offset),
                                std::string(static_cast<const char*>(data), static_cast<std::size_t>(size)), false});
  }
  return real(file)->pMethods->xWrite(real(file), data, size, offset);
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  if (shim(file)->path != nullptr) {
    auto disk = shim(file)->disk->lock();
    if (!disk->power()) return SQLITE_IOERR_TRUNCATE;
    OnDisk& on_disk = disk->files[*shim(file)->path];
    on_disk.size = static_cast<std::uint64_t>(size);
    on_disk.unsynced.push_back({static_cast<std::uint64_t>(size), "", true});
  }
  return real(file)->pMethods->xTruncate(real(file), size);
}

int sync_file(sqlite3_file* file, int) {
  if (shim(file)->path == nullptr) return SQLITE_OK;
  auto disk = shim(file)->disk->lock();
  if (!disk->power()) return SQLITE_IOERR_FSYNC;
  if (std::exchange(disk->fail_sync, false)) return SQLITE_IOERR_FSYNC;
  ++disk->syncs;
  OnDisk& on_disk = disk->files[*shim(file)->path];
  for (const Write& write : on_disk.unsynced) apply_to(on_disk.durable, write);
  on_disk.unsynced.clear();
  return SQLITE_OK;
}

int file_size(sqlite3_file* file, sqlite3_int64* size) { return real(file)->pMethods->xFileSize(real(file), size); }
int lock_file(sqlite3_file* file, int level) { return real(file)->pMethods->xLock(real(file), level); }
int unlock_file(sqlite3_file* file, int level) { return real(file)->pMethods->xUnlock(real(file), level); }
int check_lock(sqlite3_file* file, int* out) { return real(file)->pMethods->xCheckReservedLock(real(file), out); }
int control(sqlite3_file* file, int what, void* argument) {
  return real(file)->pMethods->xFileControl(real(file), what, argument);
}
int sector_size(sqlite3_file* file) { return real(file)->pMethods->xSectorSize(real(file)); }
int characteristics(sqlite3_file* file) { return real(file)->pMethods->xDeviceCharacteristics(real(file)); }
int map_shm(sqlite3_file* file, int region, int size, int extend, void volatile** out) {
  return real(file)->pMethods->xShmMap(real(file), region, size, extend, out);
}
int lock_shm(sqlite3_file* file, int offset, int n, int flags) {
  return real(file)->pMethods->xShmLock(real(file), offset, n, flags);
}
void barrier_shm(sqlite3_file* file) { real(file)->pMethods->xShmBarrier(real(file)); }
int unmap_shm(sqlite3_file* file, int remove) { return real(file)->pMethods->xShmUnmap(real(file), remove); }

constexpr sqlite3_io_methods methods = {2,           close_file,  read_file,       write_file,  truncate_file,
                                        sync_file,   file_size,   lock_file,       unlock_file, check_lock,
                                        control,     sector_size, characteristics, map_shm,     lock_shm,
                                        barrier_shm, unmap_shm,   nullptr,         nullptr};

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

// The functions of the layer itself; pAppData is the Impl.
struct VfsCalls {
  using Impl = FaultVfs::Impl;
  static Impl& self(sqlite3_vfs* vfs) { return *static_cast<Impl*>(vfs->pAppData); }

  static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out_flags) {
    Impl& impl = self(vfs);
    ShimFile* made = shim(file);
    made->base.pMethods = nullptr;
    made->disk = &impl.disk;
    made->path = nullptr;
    if (path != nullptr && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) != 0) {
      auto disk = impl.disk.lock();
      if (disk->cut) return SQLITE_CANTOPEN;
      const auto [entry, fresh] = disk->files.try_emplace(path);
      if (fresh) {
        entry->second.durable = content_of(path);
        entry->second.size = entry->second.durable.size();
      }
      made->path = &entry->first;
    }
    const int code = impl.real->xOpen(impl.real, path, made->real(), flags, out_flags);
    if (code == SQLITE_OK) made->base.pMethods = &methods;
    return code;
  }
  static int remove(sqlite3_vfs* vfs, const char* path, int sync) {
    Impl& impl = self(vfs);
    {
      auto disk = impl.disk.lock();
      if (!disk->power()) return SQLITE_IOERR_DELETE;
      // Open files point to their names, so the name stays.
      if (const auto found = disk->files.find(path); found != disk->files.end()) found->second = {};
    }
    return impl.real->xDelete(impl.real, path, sync);
  }
  static int access(sqlite3_vfs* vfs, const char* path, int flags, int* out) {
    return self(vfs).real->xAccess(self(vfs).real, path, flags, out);
  }
  static int full_path(sqlite3_vfs* vfs, const char* path, int size, char* out) {
    return self(vfs).real->xFullPathname(self(vfs).real, path, size, out);
  }
};

FaultVfs::FaultVfs(std::string name, std::uint64_t seed) : impl_(std::make_unique<Impl>()) {
  impl_->name = std::move(name);
  impl_->real = sqlite3_vfs_find(nullptr);
  CHECK(impl_->real != nullptr);
  impl_->disk.with([&](Disk& disk) { disk.random = Random(seed); });
  sqlite3_vfs& vfs = impl_->vfs;
  vfs = *impl_->real;  // time, randomness, sleep and the like stay the real ones
  vfs.pNext = nullptr;
  vfs.zName = impl_->name.c_str();
  vfs.szOsFile = static_cast<int>(sizeof(ShimFile)) + impl_->real->szOsFile;
  vfs.pAppData = impl_.get();
  vfs.xOpen = VfsCalls::open;
  vfs.xDelete = VfsCalls::remove;
  vfs.xAccess = VfsCalls::access;
  vfs.xFullPathname = VfsCalls::full_path;
  CHECK(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
}

FaultVfs::~FaultVfs() { sqlite3_vfs_unregister(&impl_->vfs); }

const std::string& FaultVfs::name() const { return impl_->name; }

void FaultVfs::cut_power_after(std::uint64_t operations) {
  impl_->disk.with([&](Disk& disk) { disk.operations_left = operations; });
}
bool FaultVfs::power_is_cut() const {
  return impl_->disk.with([](const Disk& disk) { return disk.cut; });
}
void FaultVfs::limit_disk(std::uint64_t bytes) {
  impl_->disk.with([&](Disk& disk) { disk.size_max = bytes; });
}
void FaultVfs::fail_next_sync() {
  impl_->disk.with([](Disk& disk) { disk.fail_sync = true; });
}
std::uint64_t FaultVfs::syncs() const {
  return impl_->disk.with([](const Disk& disk) { return disk.syncs; });
}

void FaultVfs::recover_into(const std::string& folder) const {
  auto disk = impl_->disk.lock();
  for (auto& [path, file] : disk->files) {
    std::string content = file.durable;
    for (Write write : file.unsynced) {
      const std::uint64_t fate = disk->random.below(3);
      if (fate == 0) continue;  // never got there
      if (fate == 1 && write.bytes.size() > 512)
        write.bytes.resize(512 * (1 + disk->random.below(write.bytes.size() / 512)));
      apply_to(content, write);
    }
    if (content.empty()) continue;
    std::ofstream(folder + "/" + std::filesystem::path(path).filename().string(), std::ios::binary) << content;
  }
}

}  // namespace chaveiro::contract
