// cache/administered.h
//
// What an operator can do with a cache whatever its values are, and the catalogue of the caches of a process by their names.
//
// Threads: any.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.h"
#include "cache/answer.h"
#include "cache/bulletin.h"
#include "cache/memory_core.h"

namespace chaveiro::cache {

struct LevelStats {
  Level level = Level::none;
  std::string kind;  // "memory", "redis", "sqlite"
  std::uint64_t hits = 0, misses = 0, errors = 0, skipped = 0, promotions = 0, damaged = 0;
  std::size_t entries = 0, bytes = 0;  // of memory only
  std::uint64_t evictions = 0;
  std::size_t owed = 0;  // erasures that the level has not had yet; SIZE_MAX: it must be cleared
  bool skipping = false;
};
struct CacheStats {
  std::string name;
  std::vector<LevelStats> levels;  // the origin comes last: hits are loads that succeeded, errors those that failed
};

// What is held of a key, for people.
struct Shown {
  std::string text;  // the value as it travels to slower levels; empty: it is known that there is none
  bool found = false;
  Level level = Level::none;
  Micros age{0}, fresh_left{0};
  std::uint64_t version = 0;
};

// Where a key is and why it is answered as it is.
struct Explanation {
  struct At {
    Level level = Level::none;
    std::string state;  // "fresh", "stale", "absent", "invalidated", "skipped", "none known", "failed load"
    Micros age{0};
    Micros fresh_left{0};
    std::uint64_t version = 0;
  };
  std::vector<At> levels;       // as they would be asked
  Level answers = Level::none;  // the first with something fresh; none: the source would be asked
  std::string strategy;         // what a miss and a write do
  std::string why;              // a sentence for people
};

enum class Forget : std::uint8_t { memory, levels };

class Administered {
 public:
  virtual ~Administered() = default;
  virtual const std::string& name() const = 0;
  virtual CacheStats stats() const = 0;
  // Through the levels, never from the source. Nothing: no level has it. Errors: invalid, where the values have no form as text.
  virtual Result<std::optional<Shown>> show(std::string_view key, Deadline deadline) = 0;
  virtual Explanation explain(std::string_view key, Deadline deadline) = 0;
  virtual Reached invalidate(std::string_view key, std::uint64_t version, Deadline deadline) = 0;
  virtual Reached invalidate_tag(std::string_view tag, Deadline deadline) = 0;
  virtual Reached clear(Deadline deadline) = 0;

  // Of its memory level; a new bound holds at once (no less than 64 KiB, no more than NearOptions::bytes_limit).
  virtual MemoryStats memory() const = 0;
  virtual void resize_memory(std::size_t bytes) = 0;

  // What another node has written: memory forgets it, and loads under way are not kept. The slower levels are the writer's affair; those
  // that it could not tell are passed over for it until we have. A version that memory has reached already is left. Never waits.
  virtual void heard(const Invalidation& invalidation) = 0;
  // Memory forgets everything; with `levels` so do they all, before anything is read from them again.
  virtual void forget(Forget what) = 0;
  // True: levels that are shared may hold what their writer could not erase: they are passed over until told otherwise.
  virtual void pass_over_shared(bool on) = 0;
  // Is a shared level still to be told something?
  virtual bool owes() const = 0;
};

// Caches enter after they are made and leave before they go.
class Catalogue {
 public:
  // `prefixes`: how its keys begin. A second cache of the same name is a bug.
  void add(Administered& cache, std::vector<std::string> prefixes = {}) {
    caches_.with(
        [&](auto& caches) { CHECK(caches.emplace(cache.name(), Listed{&cache, std::move(prefixes)}).second); });
  }
  void remove(const Administered& cache) {
    caches_.with([&](auto& caches) { caches.erase(cache.name()); });
  }
  Administered* find(std::string_view name) const {
    return caches_.with([&](const auto& caches) -> Administered* {
      const auto found = caches.find(name);
      return found == caches.end() ? nullptr : found->second.cache;
    });
  }
  // fn(Administered&), which must be quick and not come back here.
  template <class Fn>
  void each(Fn fn) const {
    const auto caches = caches_.lock();
    for (const auto& [name, listed] : *caches) fn(*listed.cache);
  }
  template <class Fn>
  void with(std::string_view name, Fn fn) const {
    const auto caches = caches_.lock();
    if (const auto found = caches->find(name); found != caches->end()) fn(*found->second.cache);
  }
  // The cache whose keys begin like this one; of several the one that says most about them.
  Administered* owner_of(std::string_view key) const {
    const auto caches = caches_.lock();
    Administered* owner = nullptr;
    std::size_t longest = 0;
    for (const auto& [name, listed] : *caches) {
      for (const std::string& prefix : listed.prefixes) {
        if (key.starts_with(prefix) && prefix.size() > longest) owner = listed.cache, longest = prefix.size();
      }
    }
    return owner;
  }
  std::vector<CacheStats> stats() const {
    const auto caches = caches_.lock();
    std::vector<CacheStats> all;
    for (const auto& [name, listed] : *caches) all.push_back(listed.cache->stats());
    return all;
  }

 private:
  struct Listed {
    Administered* cache = nullptr;
    std::vector<std::string> prefixes;
  };
  Guarded<std::map<std::string, Listed, std::less<>>> caches_;
};

}  // namespace chaveiro::cache
