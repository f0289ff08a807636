// cache/write_behind.h
//
// WriteBehind: a write is answered when the cache and the queue have it; the store gets it later (cache/write_queue.h says what is
// promised about that). Until then reads of this process answer what was written, also when the cache has thrown it out.
//
// For what may be written twice and late: counters of views, last-seen times, preferences. Not for money, not for what others read
// from the store.
//
// Threads: any.
// Errors:  exhausted when too much waits for the store: nothing was changed then.
#pragma once

#include "cache/strategies.h"
#include "cache/write_queue.h"

namespace chaveiro::cache {

template <class V>
class WriteBehind {
 public:
  static Result<std::unique_ptr<WriteBehind>> open(WriteQueueOptions options, Tiered<V>& cache, Source<V>& source,
                                                   ValueCodec<V> values, const Clock& clock, Logger log,
                                                   Registry& metrics) {
    if constexpr (std::same_as<V, std::string>) {
      if (!values.encode) values.encode = [](const std::string& value) { return value; };
      if (!values.decode) values.decode = [](std::string_view bytes) { return std::optional<std::string>(bytes); };
    }
    if (!values.encode || !values.decode)
      return fail_field("values", "a queue needs the values as bytes", "CacheOptions");
    auto sink = [&source, decode = values.decode](const QueuedWrite& write, Deadline deadline) -> Result<void> {
      if (write.kind == QueuedWrite::Kind::removal) {
        TRY_VOID(source.remove(write.key, deadline));
        return {};
      }
      const auto value = decode(write.bytes);
      if (!value) return fail(Code::invalid, "QueuedValue", "the queued bytes are no value");
      TRY_VOID(source.store(write.key, *value, deadline));
      return {};
    };
    TRY(auto queue, WriteQueue::open(std::move(options), std::move(sink), clock, std::move(log), metrics));
    return std::unique_ptr<WriteBehind>(new WriteBehind(cache, source, std::move(values), std::move(queue)));
  }

  Result<Answer<V>> get(std::string_view key, Deadline deadline) {
    if (auto answer = cache_.peek(key)) return std::move(*answer);
    // The store is behind: what waits is newer than what it would say.
    if (const auto waits = queue_->pending(key)) {
      Answer<V> answer;
      answer.level = Level::l1;
      if (waits->kind == QueuedWrite::Kind::write) {
        auto value = values_.decode(waits->bytes);
        if (!value) return fail(Code::corrupt, "QueuedValue", "the queued bytes are no value");
        answer.value = std::make_shared<const V>(std::move(*value));
      }
      return answer;
    }
    return cache_.get_or_load(key, loader_, deadline);
  }
  // Versions are the store's, and it has not seen the write: write.version must be 0.
  Result<Reached> put(std::string_view key, std::shared_ptr<const V> value, const WriteOptions& write,
                      Deadline deadline) {
    CHECK(write.version == 0);
    const auto turn = turns_.enter(key, deadline);
    if (!turn) return fail(Code::deadline, "Deadline", "another write of this key took too long");
    TRY_VOID(queue_->add(key, values_.encode(*value), QueuedWrite::Kind::write));
    return cache_.put(key, std::move(value), write, deadline);
  }
  Result<Reached> remove(std::string_view key, Deadline deadline) {
    const auto turn = turns_.enter(key, deadline);
    if (!turn) return fail(Code::deadline, "Deadline", "another write of this key took too long");
    TRY_VOID(queue_->add(key, {}, QueuedWrite::Kind::removal));
    return cache_.invalidate(key, 0, deadline);
  }
  WriteQueue& queue() { return *queue_; }

 private:
  WriteBehind(Tiered<V>& cache, Source<V>& source, ValueCodec<V> values, std::unique_ptr<WriteQueue> queue)
      : cache_(cache), loader_(loader_of(source)), values_(std::move(values)), queue_(std::move(queue)) {}

  Tiered<V>& cache_;
  const Loader<V> loader_;
  const ValueCodec<V> values_;
  Fences turns_;
  const std::unique_ptr<WriteQueue> queue_;
};

}  // namespace chaveiro::cache
