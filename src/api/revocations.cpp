#include "api/revocations.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <unordered_map>

#include "base/encoding.h"
#include "base/guarded.h"
#include "base/text.h"

namespace chaveiro::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kept_max = 100'000;
constexpr std::size_t value_bytes_max = 255;

// One thing that can be revoked: its kind and its value.
std::string name_of(RevocationKind kind, std::string_view value) {
  std::string name(to_string(kind));
  name += ':';
  name += value;
  return name;
}

std::string line_of(const Revocation& revocation) {
  std::string line = R"({"kind":)" + to_json_string(to_string(revocation.kind));
  line += R"(,"value":)" + to_json_string(revocation.value);
  line += R"(,"at":)" + to_json_string(to_rfc3339(revocation.at));
  if (revocation.expires_at) line += R"(,"expires_at":)" + to_json_string(to_rfc3339(*revocation.expires_at));
  line += R"(,"by":)" + to_json_string(revocation.by) + "}\n";
  return line;
}

Result<Revocation> read_line(std::string_view line) {
  boost::system::error_code error;
  const json::value value = json::parse(line, error);
  if (error || !value.is_object()) return fail(Code::corrupt, "DataCorrupt", "is not a JSON object");
  const auto text = [&](std::string_view name) -> std::string {
    const json::value* found = value.get_object().if_contains(name);
    return found && found->is_string() ? std::string(found->get_string()) : std::string();
  };
  Revocation revocation;
  const auto kind = revocation_kind_of(text("kind"));
  const auto at = parse_rfc3339(text("at"));
  if (!kind || !at || text("value").empty())
    return fail(Code::corrupt, "DataCorrupt", "kind, value or at is missing or wrong");
  revocation.kind = *kind;
  revocation.value = text("value");
  revocation.at = *at;
  revocation.by = text("by");
  if (const std::string expires = text("expires_at"); !expires.empty()) {
    const auto time = parse_rfc3339(expires);
    if (!time) return fail(Code::corrupt, "DataCorrupt", "expires_at is wrong");
    revocation.expires_at = *time;
  }
  return revocation;
}

Error cannot_write(const std::string& file) {
  return fail(Code::unavailable, "ServiceUnavailable",
              "the list of revocations cannot be written: " + file + ": " + std::strerror(errno));
}

// Writes all of it to the disk, or says why not.
Result<void> write_all(int fd, std::string_view text, const std::string& file) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return cannot_write(file);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(fd) != 0) return cannot_write(file);
  return {};
}

Result<void> sync_folder_of(const std::string& file) {
  const std::size_t slash = file.rfind('/');
  const std::string folder = slash == file.npos ? "." : file.substr(0, slash + 1);
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return cannot_write(folder);
  const bool done = ::fsync(fd) == 0;
  ::close(fd);
  if (!done) return cannot_write(folder);
  return {};
}

}  // namespace

std::string_view to_string(RevocationKind kind) {
  switch (kind) {
    case RevocationKind::token_id:
      return "jti";
    case RevocationKind::token_hash:
      return "token_sha256";
    case RevocationKind::subject:
      return "subject";
    case RevocationKind::signing_key:
      return "kid";
    case RevocationKind::api_key:
      break;
  }
  return "api_key";
}

std::optional<RevocationKind> revocation_kind_of(std::string_view text) {
  for (const auto kind : {RevocationKind::token_id, RevocationKind::token_hash, RevocationKind::subject,
                          RevocationKind::signing_key, RevocationKind::api_key})
    if (to_string(kind) == text) return kind;
  return std::nullopt;
}

struct Revocations::Impl {
  using Known = std::unordered_map<std::string, Revocation>;

  Impl(std::string path, const Clock& its_clock) : file(std::move(path)), clock(its_clock) {}

  // Adds it to what is known; the later moment wins for one thing revoked twice.
  static void remember(Known& known, const Revocation& revocation) {
    auto [it, fresh] = known.try_emplace(name_of(revocation.kind, revocation.value), revocation);
    if (!fresh && it->second.at < revocation.at) it->second = revocation;
  }
  static void forget_expired(Known& known, UtcTime now) {
    std::erase_if(known, [&](const auto& item) { return item.second.expires_at && *item.second.expires_at < now; });
  }

  Result<void> load();
  Result<void> rewrite(const Known& known) const;
  Result<void> append(const Revocation& revocation) const;

  const std::string file;
  const Clock& clock;
  Guarded<Known> known;
  Guarded<std::uint64_t> generation{1};
};

Result<void> Revocations::Impl::load() {
  if (file.empty()) return {};
  std::ifstream in(file, std::ios::binary);
  if (!in) return {};
  std::stringstream text;
  text << in.rdbuf();
  const std::string all = text.str();
  auto locked = known.lock();
  std::size_t number = 0;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = all.find('\n', at);
    if (end == all.npos) break;  // torn while being written: was never answered
    ++number;
    auto revocation = read_line(std::string_view(all).substr(at, end - at));
    if (!revocation)
      return fail(Code::corrupt, "DataCorrupt",
                  file + ": line " + std::to_string(number) + " " + revocation.error().message +
                      "; mend it, for what it revokes would open the door again");
    remember(*locked, *revocation);
    at = end + 1;
  }
  forget_expired(*locked, clock.now());
  return rewrite(*locked);
}

Result<void> Revocations::Impl::rewrite(const Known& all) const {
  const std::string fresh = file + ".new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return cannot_write(fresh);
  std::string text;
  for (const auto& [name, revocation] : all) text += line_of(revocation);
  auto written = write_all(fd, text, fresh);
  ::close(fd);
  TRY_VOID(std::move(written));
  if (::rename(fresh.c_str(), file.c_str()) != 0) return cannot_write(file);
  return sync_folder_of(file);
}

Result<void> Revocations::Impl::append(const Revocation& revocation) const {
  if (file.empty()) return {};
  const int fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd < 0) return cannot_write(file);
  const off_t before = ::lseek(fd, 0, SEEK_END);
  auto written = write_all(fd, line_of(revocation), file);
  // A half line would make the file unreadable for the next line.
  if (!written && ::ftruncate(fd, before) != 0) written.error().message += " (and a torn line is left at its end)";
  ::close(fd);
  return written;
}

Result<std::unique_ptr<Revocations>> Revocations::open(std::string file, const Clock& clock) {
  auto impl = std::make_unique<Impl>(std::move(file), clock);
  TRY_VOID(impl->load());
  if (!impl->file.empty() && ::access(impl->file.c_str(), F_OK) != 0) TRY_VOID(impl->rewrite({}));
  return std::unique_ptr<Revocations>(new Revocations(std::move(impl)));
}

Revocations::Revocations(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Revocations::~Revocations() = default;

Result<void> Revocations::revoke(const Revocation& revocation) {
  if (revocation.value.empty() || revocation.value.size() > value_bytes_max || !valid_utf8(revocation.value))
    return fail_field("value", "must be 1 to 255 bytes of UTF-8");
  Revocation kept = revocation;
  if (kept.kind == RevocationKind::token_hash) {
    const auto bytes = parse_hex(kept.value);
    if (!bytes || bytes->size() != 32) return fail_field("value", "must be a SHA-256 in 64 hexadecimal digits");
    kept.value = lower_ascii(kept.value);
  }
  // The lock is held over the write: what is known and what lies in the file never part.
  auto known = impl_->known.lock();
  Impl::forget_expired(*known, impl_->clock.now());
  if (known->size() >= kept_max && !known->contains(name_of(kept.kind, kept.value)))
    return fail(Code::exhausted, "RateLimited", "100,000 revocations are kept at most: change the signing key instead");
  TRY_VOID(impl_->append(kept));
  Impl::remember(*known, kept);
  ++*impl_->generation.lock();
  return {};
}

std::vector<Revocation> Revocations::list() const {
  std::vector<Revocation> all;
  const auto known = impl_->known.lock();
  all.reserve(known->size());
  for (const auto& [name, revocation] : *known) all.push_back(revocation);
  return all;
}

bool Revocations::revoked(const RevocableToken& token) const {
  const auto known = impl_->known.lock();
  if (known->empty()) return false;
  const auto has = [&](RevocationKind kind, std::string_view value) {
    return !value.empty() && known->contains(name_of(kind, value));
  };
  if (has(RevocationKind::token_id, token.jti) || has(RevocationKind::signing_key, token.kid) ||
      has(RevocationKind::token_hash, token.sha256_hex))
    return true;
  const auto subject = known->find(name_of(RevocationKind::subject, token.subject));
  return subject != known->end() && token.issued_at < subject->second.at;
}

bool Revocations::api_key_revoked(std::string_view name) const {
  return impl_->known.with(
      [&](const Impl::Known& known) { return known.contains(name_of(RevocationKind::api_key, name)); });
}

std::uint64_t Revocations::generation() const { return *std::as_const(impl_->generation).lock(); }

}  // namespace chaveiro::api
