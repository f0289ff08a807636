#include "directory/lookup_window.h"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "base/check.h"

namespace chaveiro::directory {

LookupWindow::LookupWindow(LookupWindow&& other) noexcept { *this = std::move(other); }

LookupWindow& LookupWindow::operator=(LookupWindow&& other) noexcept {
  std::swap(map_, other.map_);
  std::swap(mapped_from_, other.mapped_from_);
  std::swap(mapped_, other.mapped_);
  std::swap(begin_, other.begin_);
  std::swap(end_, other.end_);
  return *this;
}

bool LookupWindow::can_map(const File& file) {
  struct statfs system{};
  if (::fstatfs(file.fd(), &system) != 0) return false;
  return system.f_type == EXT4_SUPER_MAGIC || system.f_type == TMPFS_MAGIC;
}

void LookupWindow::open(const File& file, std::uint64_t from, std::uint64_t to) {
  close();
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t begin = from / page * page;
  void* const map =
      ::mmap(nullptr, to - begin, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd(), static_cast<off_t>(begin));
  if (map == MAP_FAILED) return;
  map_ = static_cast<char*>(map);
  mapped_from_ = begin;
  mapped_ = to - begin;
  begin_ = from;
  end_ = to;
}

void LookupWindow::close() {
  if (map_ != nullptr) ::munmap(map_, mapped_);
  map_ = nullptr;
  begin_ = end_ = 0;
}

void LookupWindow::write(std::uint64_t at, std::string_view bytes) {
  CHECK(holds(at, at + bytes.size()) && bytes.size() > 4);
  char* const to = map_ + (at - mapped_from_);
  std::memcpy(to + 4, bytes.data() + 4, bytes.size() - 4);
  order_mapped_writes();
  std::memcpy(to, bytes.data(), 4);
}

}  // namespace chaveiro::directory
