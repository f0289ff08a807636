#include "app/keyring.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/encoding.h"
#include "base/hash.h"
#include "base/random.h"

namespace chaveiro::app {
namespace {

constexpr std::size_t key_digits = 64;

std::string reason_of(int error) { return std::generic_category().message(error); }

Error cannot(const std::string& what, const std::string& path, int error) {
  return fail(Code::unavailable, "DataFolder", "cannot " + what + " " + path + ": " + reason_of(error));
}

std::string path_of(const std::string& folder) { return folder + "/" + std::string(keyring_file); }

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

Result<Secret> read_key(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.get() < 0) {
    if (errno == ENOENT) {
      return fail(Code::not_found, "DataFolder",
                  path + " does not exist: start the platform there once, or name its folder with --data");
    }
    return cannot("read", path, errno);
  }
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return cannot("read", path, errno);
  if ((status.st_mode & 077) != 0) {
    return fail(Code::forbidden, "DataFolder",
                path + " can be read by others: run `chmod 600 " + path + "`, and change the secret if they did");
  }
  std::string text(key_digits + 2, '\0');
  const ssize_t got = ::read(file.get(), text.data(), text.size());
  if (got < 0) return cannot("read", path, errno);
  text.resize(static_cast<std::size_t>(got));
  if (!text.empty() && text.back() == '\n') text.pop_back();
  const bool digits = text.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (text.size() != key_digits || !digits) {
    return fail(Code::corrupt, "DataFolder",
                path + " is damaged: it must hold 64 hexadecimal digits; put it back from a backup");
  }
  return Secret(std::move(text));
}

// Written under another name and linked into place, so that two first starts agree on one key and a crash leaves none half-written.
Result<void> make_key(const std::string& folder, const std::string& path) {
  std::array<std::uint8_t, key_digits / 2> bytes;
  random_bytes(bytes);
  std::string text = to_hex(bytes) + "\n";
  std::string draft = path + ".XXXXXX";
  const Descriptor file(::mkostemp(draft.data(), O_CLOEXEC));
  if (file.get() < 0) return cannot("write", draft, errno);
  const bool written =
      ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(file.get()) == 0;
  const int write_error = errno;
  Secret::wipe(text);
  const bool linked = written && (::link(draft.c_str(), path.c_str()) == 0 || errno == EEXIST);
  const int link_error = errno;
  ::unlink(draft.c_str());
  if (!written) return cannot("write", path, write_error);
  if (!linked) return cannot("write", path, link_error);
  const Descriptor parent(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent.get() < 0 || ::fsync(parent.get()) != 0) return cannot("write", folder, errno);
  return {};
}

}  // namespace

Result<Keyring> Keyring::open(const std::string& data_folder) {
  TRY(Secret key, read_key(path_of(data_folder)));
  return Keyring(std::move(key));
}

Result<Keyring> Keyring::open_or_make(const std::string& data_folder) {
  const std::filesystem::path folder(data_folder);
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) {
    std::filesystem::create_directories(folder, error);
    if (error) return cannot("make the folder", data_folder, error.value());
    if (::chmod(data_folder.c_str(), 0700) != 0) return cannot("make the folder", data_folder, errno);
  }
  Result<Keyring> there = open(data_folder);
  if (there || there.error().code != Code::not_found) return there;
  TRY_VOID(make_key(data_folder, path_of(data_folder)));
  return open(data_folder);
}

Secret Keyring::derive(std::string_view label) const {
  return Secret(to_hex(hmac_sha256(key_.expose(), "chaveiro/" + std::string(label))));
}

}  // namespace chaveiro::app
