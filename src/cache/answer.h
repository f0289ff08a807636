// cache/answer.h
//
// The words in which a tiered cache is asked and answers: levels, answers, what a loader returns, what is written with a value.
//
// Threads: values.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace chaveiro::cache {

enum class Level : std::uint8_t { none, l1, l2, l3, origin };
std::string_view to_string(Level level);  // "none" "L1" "L2" "L3" "origin"

// What is known about a key. found(): there is a value. known() without found(): the source said that there is none.
template <class V>
struct Answer {
  std::shared_ptr<const V> value;
  Level level = Level::none;  // which level gave it; none: nobody knew, and nobody was asked to load
  bool stale = false;    // past its time to live: the source failed (then `error` says how) or is still being asked
  bool shared = false;   // a load that another caller had begun
  Micros age{0};         // since it was loaded
  Micros fresh_left{0};  // of its time to live; 0 when stale
  std::uint64_t version = 0;  // 0: none
  std::shared_ptr<const Error> error;

  bool found() const { return value != nullptr; }
  bool known() const { return level != Level::none; }
};

// What a loader is told: until when it is waited for, and what is held, for conditional refresh.
template <class V>
struct LoadContext {
  Deadline deadline = Deadline::never();
  std::shared_ptr<const V> held;  // null: nothing to compare with, not_modified() is no answer
  std::string etag;
  std::uint64_t version = 0;
};

// What the source said, and how it wants to be cached.
template <class V>
struct Loaded {
  enum class Kind : std::uint8_t { value, nothing, not_modified };
  enum class Keep : std::uint8_t { yes, no };

  Kind kind = Kind::nothing;
  std::shared_ptr<const V> value;
  std::optional<Micros> ttl;      // instead of the cache's own; 0: as Keep::no
  Keep keep = Keep::yes;          // no: answered to those who wait, and kept nowhere
  std::vector<std::string> tags;  // at most 8
  std::uint64_t version = 0;      // of what was read; fences older fills; 0: none
  std::string etag;               // handed to the next load of this key

  static Loaded of(V value) { return of(std::make_shared<const V>(std::move(value))); }
  static Loaded of(std::shared_ptr<const V> value) {
    Loaded loaded;
    loaded.kind = Kind::value;
    loaded.value = std::move(value);
    return loaded;
  }
  static Loaded nothing() { return {}; }
  static Loaded not_modified() {
    Loaded loaded;
    loaded.kind = Kind::not_modified;
    return loaded;
  }
};

// Asks the source for one key. It may be called on another thread and may outlive the call that brought it (soft and hard
// time-outs, refresh in the background): capture by value, or what outlives the cache.
template <class V>
using Loader = std::function<Result<Loaded<V>>(std::string_view key, const LoadContext<V>&)>;

// Asks for many at once: one result for each key, in their order. Always runs on the caller's thread.
template <class V>
using ManyLoader = std::function<Result<std::vector<Result<Loaded<V>>>>(std::span<const std::string> keys, Deadline)>;

struct WriteOptions {
  std::optional<Micros> ttl = {};      // instead of the cache's own; 0: the key is invalidated instead
  std::uint64_t version = 0;           // 0: none; a lower version than the one held changes nothing
  std::vector<std::string> tags = {};  // at most 8
  std::string etag = {};
};

// What became of a write or an invalidation. In this process it always holds; `owed` says that a slower level could not be told,
// and is passed over for what it may hold wrongly until it has been.
enum class Reached : std::uint8_t { everywhere, owed, superseded };

}  // namespace chaveiro::cache
