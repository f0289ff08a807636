#include "cache/bulletin.h"

#include <concepts>

#include "base/check.h"

namespace chaveiro::cache {
namespace {

constexpr char format = 1;

template <std::unsigned_integral Number>
void add(std::string& bytes, Number number) {
  for (std::size_t i = 0; i < sizeof(Number); ++i)
    bytes += static_cast<char>(static_cast<std::uint64_t>(number) >> (8 * i));
}

void add_text(std::string& bytes, std::string_view text) {
  CHECK(text.size() <= bulletin_text_max);
  add(bytes, static_cast<std::uint16_t>(text.size()));
  bytes += text;
}

// Takes from the front; once something was missing, everything is.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}
  template <std::unsigned_integral Number>
  Number number() {
    if (!has(sizeof(Number))) return 0;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(Number); ++i)
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(left_[i])) << (8 * i);
    left_.remove_prefix(sizeof(Number));
    return static_cast<Number>(value);
  }
  std::string text() {
    const std::size_t size = number<std::uint16_t>();
    if (size > bulletin_text_max || !has(size)) return broken_ = true, std::string();
    std::string text(left_.substr(0, size));
    left_.remove_prefix(size);
    return text;
  }
  bool ended_well() const { return !broken_ && left_.empty(); }
  bool broken() const { return broken_; }

 private:
  bool has(std::size_t size) { return broken_ |= left_.size() < size, !broken_; }
  std::string_view left_;
  bool broken_ = false;
};

}  // namespace

std::string to_bytes(const Bulletin& bulletin) {
  CHECK(bulletin.lines.size() <= bulletin_lines_max && bulletin.peers.size() <= bulletin_peers_max);
  std::string bytes{'C', 'B', format, static_cast<char>(bulletin.kind), static_cast<char>(bulletin.owes)};
  add(bytes, bulletin.publisher), add(bytes, bulletin.epoch), add(bytes, bulletin.serial);
  add(bytes, static_cast<std::uint16_t>(bulletin.peers.size()));
  for (const std::uint64_t peer : bulletin.peers) add(bytes, peer);
  add(bytes, static_cast<std::uint16_t>(bulletin.lines.size()));
  for (const Bulletin::Line& line : bulletin.lines) {
    add_text(bytes, line.invalidation.cache);
    add(bytes, line.sequence);
    if (bulletin.kind != Bulletin::Kind::news) continue;
    bytes += static_cast<char>(line.invalidation.what);
    bytes += static_cast<char>(line.invalidation.told);
    add(bytes, line.invalidation.version);
    add_text(bytes, line.invalidation.name);
  }
  return bytes;
}

std::optional<Bulletin> read_bulletin(std::string_view bytes) {
  Reader in(bytes);
  Bulletin bulletin;
  if (in.number<std::uint8_t>() != 'C' || in.number<std::uint8_t>() != 'B' || in.number<std::uint8_t>() != format)
    return std::nullopt;
  const auto kind = in.number<std::uint8_t>();
  const auto owes = in.number<std::uint8_t>();
  bulletin.publisher = in.number<std::uint64_t>();
  bulletin.epoch = in.number<std::uint64_t>();
  bulletin.serial = in.number<std::uint64_t>();
  const std::size_t peers = in.number<std::uint16_t>();
  for (std::size_t i = 0; i < peers && !in.broken(); ++i) bulletin.peers.push_back(in.number<std::uint64_t>());
  const std::size_t count = in.number<std::uint16_t>();
  if (kind > static_cast<std::uint8_t>(Bulletin::Kind::goodbye) || owes > 1 || peers > bulletin_peers_max ||
      count > bulletin_lines_max)
    return std::nullopt;
  bulletin.kind = static_cast<Bulletin::Kind>(kind);
  bulletin.owes = owes == 1;
  for (std::size_t i = 0; i < count && !in.broken(); ++i) {
    Bulletin::Line line;
    line.invalidation.cache = in.text();
    line.sequence = in.number<std::uint64_t>();
    if (bulletin.kind == Bulletin::Kind::news) {
      const auto what = in.number<std::uint8_t>(), told = in.number<std::uint8_t>();
      if (what > static_cast<std::uint8_t>(Invalidation::What::everything) ||
          told > static_cast<std::uint8_t>(Told::memory_only))
        return std::nullopt;
      line.invalidation.what = static_cast<Invalidation::What>(what);
      line.invalidation.told = static_cast<Told>(told);
      line.invalidation.version = in.number<std::uint64_t>();
      line.invalidation.name = in.text();
    }
    bulletin.lines.push_back(std::move(line));
  }
  if (!in.ended_well()) return std::nullopt;
  return bulletin;
}

}  // namespace chaveiro::cache
