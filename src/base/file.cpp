#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

#include "base/encoding.h"
#include "base/random.h"

namespace chaveiro {
namespace {

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

int flags_of(File::Open how) {
  switch (how) {
    case File::Open::read:
      return O_RDONLY;
    case File::Open::update:
      return O_RDWR | O_CREAT;
    case File::Open::append:
      return O_WRONLY | O_APPEND | O_CREAT;
    case File::Open::replace:
      return O_RDWR | O_CREAT | O_TRUNC;
    case File::Open::fresh:
      return O_RDWR | O_CREAT | O_EXCL;
  }
  return O_RDONLY;
}

// Removes a temporary file unless it was renamed to where it belongs.
class Remover {
 public:
  explicit Remover(const std::string& path) : path_(&path) {}
  ~Remover() {
    if (path_ != nullptr) ::unlink(path_->c_str());
  }
  void keep() { path_ = nullptr; }

 private:
  const std::string* path_;
};

struct Meaning {
  Code code;
  const char* reason;
  const char* advice;
};

Meaning meaning_of(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return {Code::not_found, "FileMissing", "check the path"};
    case EEXIST:
      return {Code::exists, "FileExists", "remove it or choose another name"};
    case EACCES:
    case EPERM:
    case EROFS:
      return {Code::forbidden, "FileAccess", "give the user of this process the right to it, or choose another folder"};
    case ENOSPC:
    case EDQUOT:
      return {Code::exhausted, "DiskFull", "free some space or enlarge the disk"};
    case EMFILE:
    case ENFILE:
      return {Code::exhausted, "TooManyFiles", "raise the limit of open files"};
    case EIO:
      return {Code::corrupt, "DiskFault", "the device failed: check it, and what was written last"};
    default:
      return {Code::internal, "FileFault", "see the system's message"};
  }
}

}  // namespace

void order_mapped_writes() { std::atomic_thread_fence(std::memory_order_release); }

Error file_error(std::string_view action, std::string_view path, int error_number) {
  const Meaning meaning = meaning_of(error_number);
  std::string message = "cannot ";
  message.append(action).append(" ").append(path).append(": ");
  message += std::generic_category().message(error_number);
  message.append(" (").append(meaning.advice).append(")");
  return fail(meaning.code, meaning.reason, std::move(message));
}

Result<File> File::open(std::string path, Open how, mode_t mode) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags_of(how) | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return file_error("open", path, errno);
  return File(fd, std::move(path));
}

File::File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
    path_ = std::move(other.path_);
  }
  return *this;
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

Result<std::size_t> File::read_at(std::uint64_t offset, std::span<char> into) const {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t got = ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error("read", path_, errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Result<void> File::write_at(std::uint64_t offset, std::string_view data) {
  while (!data.empty()) {
    const ssize_t wrote = ::pwrite(fd_, data.data(), data.size(), static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return file_error("write", path_, errno);
    offset += static_cast<std::size_t>(wrote);
    data.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

Result<void> File::append(std::string_view data) {
  while (!data.empty()) {
    const ssize_t wrote = ::write(fd_, data.data(), data.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return file_error("write", path_, errno);
    data.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

void File::begin_sync() { ::sync_file_range(fd_, 0, 0, SYNC_FILE_RANGE_WRITE); }

Result<void> File::sync() {
  if (::fdatasync(fd_) != 0) return file_error("sync", path_, errno);
  return {};
}

Result<std::uint64_t> File::size() const {
  struct stat about{};
  if (::fstat(fd_, &about) != 0) return file_error("look at", path_, errno);
  return static_cast<std::uint64_t>(about.st_size);
}

Result<void> File::truncate(std::uint64_t size) {
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return file_error("truncate", path_, errno);
  return {};
}

Result<std::string> read_file(const std::string& path, std::size_t size_max) {
  TRY(const File file, File::open(path, File::Open::read));
  constexpr std::size_t piece = 64 << 10;
  std::string content;
  // By what is read and not by the size that is told: files under /proc tell zero, and a pipe tells nothing.
  for (;;) {
    const std::size_t before = content.size();
    content.resize(before + piece);
    TRY(const std::size_t got, file.read_at(before, std::span(content).subspan(before)));
    content.resize(before + got);
    if (content.size() > size_max) {
      return fail(Code::invalid, "FileTooLarge", path + ": holds more than " + std::to_string(size_max) + " bytes");
    }
    if (got < piece) return content;
  }
}

Result<void> write_file(const std::string& path, std::string_view content, mode_t mode) {
  std::uint8_t unique[8];
  random_bytes(unique);
  const std::string temporary = path + ".tmp-" + to_hex(unique);
  TRY(File file, File::open(temporary, File::Open::fresh, mode));
  Remover remover(temporary);
  TRY_VOID(file.append(content));
  TRY_VOID(file.sync());
  if (::rename(temporary.c_str(), path.c_str()) != 0) return file_error("replace", path, errno);
  remover.keep();
  return sync_folder(folder_of(path));
}

Result<void> make_folder(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) return sync_folder(folder_of(path));
  if (errno == ENOENT && folder_of(path) != path && path != ".") {
    TRY_VOID(make_folder(folder_of(path), mode));
    if (::mkdir(path.c_str(), mode) == 0) return sync_folder(folder_of(path));
  }
  const int error_number = errno;
  struct stat about{};
  if (error_number == EEXIST && ::stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode)) return {};
  return file_error("create the folder", path, error_number);
}

Result<void> sync_folder(const std::string& path) {
  TRY(const File folder, File::open(path, File::Open::read));
  // EINVAL: a file system that has nothing to sync here.
  if (::fsync(folder.fd()) != 0 && errno != EINVAL) return file_error("sync the folder", path, errno);
  return {};
}

Result<FolderLock> FolderLock::take(const std::string& folder) {
  TRY(File file, File::open(folder + "/LOCK", File::Open::update));
  if (::flock(file.fd(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return file_error("lock", file.path(), errno);
    char holder[32] = {};
    const std::size_t length = file.read_at(0, holder).value_or(0);
    const std::string_view id = std::string_view(holder, length).substr(0, std::string_view(holder, length).find('\n'));
    return fail(Code::conflict, "FolderInUse",
                "process " + std::string(id) + " uses " + folder + ": stop it or choose another data folder");
  }
  TRY_VOID(file.truncate(0));
  TRY_VOID(file.write_at(0, std::to_string(::getpid()) + "\n"));
  return FolderLock(std::move(file));
}

}  // namespace chaveiro
