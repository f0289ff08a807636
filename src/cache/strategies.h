// cache/strategies.h
//
// How a cache and the store behind it are kept in step: five strategies, each a small class over a Tiered<V>. docs/cache.md says how to
// choose; WriteBehind is in cache/write_behind.h.
//
//   CacheAside    the caller loads on a miss, and says when it has changed the store
//   ReadThrough   the cache loads on a miss
//   WriteThrough  a write goes to the store, then into the cache: whoever reads next hits
//   WriteAround   a write goes to the store, and the cache forgets: for what is written more often than read
//   WriteBehind   a write goes into the cache and a queue; the store gets it later
//
// All of them: the store is changed first and the cache after, and a write whose outcome is not known makes the cache forget the key, so
// that the cache never says what the store does not.
//
// Threads: any. Writes of one key through one strategy object are made one after the other.
// Errors:  those of the source, unchanged; deadline when another write of the key took too long (nothing was changed then).
#pragma once

#include "cache/tiered.h"

namespace chaveiro::cache {

// The store behind a cache, in the cache's words.
template <class V>
class Source {
 public:
  virtual ~Source() = default;
  virtual Result<Loaded<V>> load(std::string_view key, const LoadContext<V>& context) = 0;
  // The version of the change, 0 where there are none.
  virtual Result<std::uint64_t> store(std::string_view key, const V& value, Deadline deadline) = 0;
  virtual Result<std::uint64_t> remove(std::string_view key, Deadline deadline) = 0;
};

template <class V>
Loader<V> loader_of(Source<V>& source) {
  return [&source](std::string_view key, const LoadContext<V>& context) { return source.load(key, context); };
}

// Whether the store may have changed although the write failed.
inline bool may_have_changed(Code code) {
  return code == Code::maybe_applied || code == Code::internal || code == Code::corrupt || code == Code::deadline;
}

template <class V>
class CacheAside {
 public:
  explicit CacheAside(Tiered<V>& cache) : cache_(cache) {}

  Result<Answer<V>> get_or_load(std::string_view key, const Loader<V>& loader, Deadline deadline) {
    return cache_.get_or_load(key, loader, deadline);
  }
  // Call after the store was changed, or may have been.
  Reached changed(std::string_view key, std::uint64_t version, Deadline deadline) {
    return cache_.invalidate(key, version, deadline);
  }

 private:
  Tiered<V>& cache_;
};

template <class V>
class ReadThrough {
 public:
  ReadThrough(Tiered<V>& cache, Source<V>& source) : cache_(cache), loader_(loader_of(source)) {}
  Result<Answer<V>> get(std::string_view key, Deadline deadline) { return cache_.get_or_load(key, loader_, deadline); }

 private:
  Tiered<V>& cache_;
  const Loader<V> loader_;
};

template <class V>
class WriteThrough {
 public:
  WriteThrough(Tiered<V>& cache, Source<V>& source) : cache_(cache), source_(source), loader_(loader_of(source)) {}

  Result<Answer<V>> get(std::string_view key, Deadline deadline) { return cache_.get_or_load(key, loader_, deadline); }

  // `write.version` is taken from the source's answer.
  Result<Reached> put(std::string_view key, std::shared_ptr<const V> value, WriteOptions write, Deadline deadline) {
    const auto turn = turns_.enter(key, deadline);
    if (!turn) return busy();
    auto version = source_.store(key, *value, deadline);
    if (!version) return undone(key, std::move(version).error());
    write.version = *version;
    return cache_.put(key, std::move(value), write, deadline);
  }
  Result<Reached> remove(std::string_view key, Deadline deadline) {
    const auto turn = turns_.enter(key, deadline);
    if (!turn) return busy();
    auto version = source_.remove(key, deadline);
    if (!version) return undone(key, std::move(version).error());
    return cache_.invalidate(key, *version, deadline);
  }

 private:
  static Error busy() { return fail(Code::deadline, "Deadline", "another write of this key took too long"); }
  Error undone(std::string_view key, Error error) {
    if (may_have_changed(error.code)) (void)cache_.invalidate(key, 0, Deadline::in(std::chrono::seconds(1)));
    return error;
  }

  Tiered<V>& cache_;
  Source<V>& source_;
  const Loader<V> loader_;
  Fences turns_;
};

template <class V>
class WriteAround {
 public:
  WriteAround(Tiered<V>& cache, Source<V>& source) : cache_(cache), source_(source), loader_(loader_of(source)) {}

  Result<Answer<V>> get(std::string_view key, Deadline deadline) { return cache_.get_or_load(key, loader_, deadline); }

  Result<Reached> put(std::string_view key, const V& value, Deadline deadline) {
    return forget(key, source_.store(key, value, deadline), deadline);
  }
  Result<Reached> remove(std::string_view key, Deadline deadline) {
    return forget(key, source_.remove(key, deadline), deadline);
  }

 private:
  Result<Reached> forget(std::string_view key, Result<std::uint64_t> version, Deadline deadline) {
    if (version) return cache_.invalidate(key, *version, deadline);
    if (may_have_changed(version.error().code)) (void)cache_.invalidate(key, 0, Deadline::in(std::chrono::seconds(1)));
    return std::move(version).error();
  }

  Tiered<V>& cache_;
  Source<V>& source_;
  const Loader<V> loader_;
};

}  // namespace chaveiro::cache
