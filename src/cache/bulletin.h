// cache/bulletin.h
//
// What the nodes of a platform tell each other about their caches: which keys were written, and by beats in between, up to where each
// of them has come, so that what was lost is noticed.
//
//   bulletin = 'C' 'B' format(1) kind(1) owes(1) publisher(8) epoch(8) serial(8) peers(2) {publisher(8)}… count(2) {line}…
//                                                                                little-endian throughout
//   line     = cache sequence(8)                                                  of a beat or a goodbye: the last one of this cache
//            | cache sequence(8) what(1) told(1) version(8) name                  of news
//   cache, name = length(2) bytes
//
// A publisher numbers what it says of each cache apart, from 1 on: a number that is missing tells which cache may hold something old.
// An epoch is one life of a publisher.
//
// Threads: values.
// Errors:  read_bulletin: nothing, for whatever is not exactly one bulletin.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chaveiro::cache {

// What the writer has reached: whoever hears that a slower level was not told passes over what it holds of the key.
enum class Told : std::uint8_t { levels, memory_only };

struct Invalidation {
  enum class What : std::uint8_t { key, tag, everything };
  What what = What::key;
  std::string cache;  // its name
  std::string name;   // of the key, without the prefix, or of the tag
  std::uint64_t version = 0;
  Told told = Told::levels;

  bool operator==(const Invalidation&) const = default;
};

struct Bulletin {
  enum class Kind : std::uint8_t { news, beat, goodbye };
  struct Line {
    std::uint64_t sequence = 0;
    Invalidation invalidation;  // of a beat: only the cache
    bool operator==(const Line&) const = default;
  };
  Kind kind = Kind::beat;
  std::uint64_t publisher = 0, epoch = 0;
  bool owes = false;         // the publisher could not tell a shared level everything yet
  std::uint64_t serial = 0;  // of a beat: how many it has sent
  // Of a beat: whom the publisher hears. A node that has just come learns of those who cannot be heard now.
  std::vector<std::uint64_t> peers;
  std::vector<Line> lines;

  bool operator==(const Bulletin&) const = default;
};

inline constexpr std::size_t bulletin_lines_max = 1'000;
inline constexpr std::size_t bulletin_peers_max = 1'000;
inline constexpr std::size_t bulletin_text_max = 1'024;  // bytes of a cache's or key's name

std::string to_bytes(const Bulletin& bulletin);
std::optional<Bulletin> read_bulletin(std::string_view bytes);

}  // namespace chaveiro::cache
