#include "limits/idempotency.h"

#include <algorithm>
#include <deque>
#include <unordered_map>

namespace chaveiro::limits {

bool is_kept(int status) {
  return (status >= 200 && status < 300) || (status >= 400 && status < 500 && status != 401 && status != 429);
}

Idempotency::Idempotency(IdempotencyOptions options, IdempotencyStore& store) : options_(options), store_(store) {}

void Idempotency::poke() {
  state_.with([](State& it) { ++it.finished; });
  state_.notify_all();
}

std::size_t Idempotency::waiting() const {
  return state_.with([](const State& it) { return it.waiting; });
}

Result<Idempotency::Ran> Idempotency::run(const IdempotencyKey& key, Deadline deadline,
                                          const std::function<Result<StoredAnswer>()>& work) {
  const Deadline patience = deadline.capped(options_.wait_max);
  for (;;) {
    const std::uint64_t seen = state_.with([](const State& it) { return it.finished; });
    TRY(Begun begun, store_.begin(key, options_.lease, deadline.capped(options_.store_time_max)));
    switch (begun.kind) {
      case Begun::Kind::first:
        return work_as_first(key, begun.fence, deadline, work);
      case Begun::Kind::done:
        return Ran{std::move(begun.answer), true};
      case Begun::Kind::other_body:
        return fail(Code::conflict, "RequestIdAlreadyUsed", "the same request id was used with another body");
      case Begun::Kind::in_progress:
        break;
    }
    if (patience.expired()) {
      Error error = fail(Code::conflict, "RequestInProgress", "the first call with this request id is still at work");
      error.retry_after = std::chrono::ceil<std::chrono::milliseconds>(
          std::clamp(begun.lease_left, options_.ask_again, std::max(options_.ask_again, Micros{1'000'000})));
      return error;
    }
    auto state = state_.lock();
    ++state->waiting;
    state.wait(patience.capped(options_.ask_again), [&](const State& it) { return it.finished != seen; });
    --state->waiting;
  }
}

Result<Idempotency::Ran> Idempotency::work_as_first(const IdempotencyKey& key, std::uint64_t fence, Deadline deadline,
                                                    const std::function<Result<StoredAnswer>()>& work) {
  Result<StoredAnswer> answer = work();
  // An answer that cannot be stored is given all the same: the work is done, and the store behind it knows its request id.
  if (answer && is_kept(answer->status)) {
    static_cast<void>(store_.finish(key, fence, *answer, deadline.capped(options_.store_time_max)));
  } else {
    static_cast<void>(store_.abandon(key, fence, deadline.capped(options_.store_time_max)));
  }
  poke();
  if (!answer) return std::move(answer).error();
  return Ran{std::move(*answer), false};
}

struct IdempotencyMemoryStore::Contents {
  struct Row {
    Digest256 body{};
    std::uint64_t fence = 0;
    std::optional<StoredAnswer> answer;
    SteadyTime lease_end{};
    SteadyTime kept_until = SteadyTime::max();
  };
  std::unordered_map<std::string, Row> rows;
  std::deque<std::string> oldest;
  std::uint64_t last_fence = 0;
};

IdempotencyMemoryStore::IdempotencyMemoryStore(IdempotencyMemoryOptions options, const Clock& clock)
    : options_(options), clock_(clock), contents_(std::make_unique<Guarded<Contents>>()) {}
IdempotencyMemoryStore::~IdempotencyMemoryStore() = default;

Result<Begun> IdempotencyMemoryStore::begin(const IdempotencyKey& key, Micros lease, Deadline) {
  const SteadyTime now = clock_.steady();
  return contents_->with([&](Contents& it) -> Result<Begun> {
    auto found = it.rows.find(key.key);
    if (found != it.rows.end() && found->second.answer && found->second.kept_until <= now) {
      it.rows.erase(found);
      found = it.rows.end();
    }
    if (found == it.rows.end()) {
      // A row that is at work is never dropped for a newer one: then nobody would know of its work.
      for (std::size_t looks = 0; it.rows.size() >= options_.answers_max && looks < 16 && !it.oldest.empty(); ++looks) {
        const auto old = it.rows.find(it.oldest.front());
        if (old != it.rows.end() && !old->second.answer && old->second.lease_end > now) {
          it.oldest.push_back(it.oldest.front());
        } else if (old != it.rows.end()) {
          it.rows.erase(old);
        }
        it.oldest.pop_front();
      }
      if (it.rows.size() >= options_.answers_max)
        return fail(Code::exhausted, "TooManyRequestIds", "too many calls with a request id are at work");
      it.oldest.push_back(key.key);
      it.rows[key.key] = {key.body, ++it.last_fence, std::nullopt, now + lease};
      return Begun{.kind = Begun::Kind::first, .fence = it.last_fence};
    }
    Contents::Row& row = found->second;
    if (row.body != key.body) return Begun{.kind = Begun::Kind::other_body};
    if (row.answer) return Begun{.kind = Begun::Kind::done, .answer = *row.answer};
    if (row.lease_end > now)
      return Begun{.kind = Begun::Kind::in_progress,
                   .lease_left = std::chrono::duration_cast<Micros>(row.lease_end - now)};
    row.fence = ++it.last_fence;
    row.lease_end = now + lease;
    return Begun{.kind = Begun::Kind::first, .fence = row.fence};
  });
}

Result<void> IdempotencyMemoryStore::finish(const IdempotencyKey& key, std::uint64_t fence, const StoredAnswer& answer,
                                            Deadline) {
  return contents_->with([&](Contents& it) -> Result<void> {
    const auto found = it.rows.find(key.key);
    if (found == it.rows.end() || found->second.fence != fence)
      return fail(Code::conflict, "LeaseLost", "another call has taken this request over");
    if (answer.body.size() > options_.answer_bytes_max) {
      it.rows.erase(found);
      return {};
    }
    found->second.answer = answer;
    if (options_.keep > Micros{0}) found->second.kept_until = clock_.steady() + options_.keep;
    return {};
  });
}

Result<void> IdempotencyMemoryStore::abandon(const IdempotencyKey& key, std::uint64_t fence, Deadline) {
  contents_->with([&](Contents& it) {
    const auto found = it.rows.find(key.key);
    if (found != it.rows.end() && found->second.fence == fence && !found->second.answer) it.rows.erase(found);
  });
  return {};
}

Result<Begun> TieredIdempotencyStore::begin(const IdempotencyKey& key, Micros lease, Deadline deadline) {
  // The front is asked with a lease of nothing: it never decides who is first.
  auto known = front_.begin(key, Micros{0}, deadline);
  if (known && (known->kind == Begun::Kind::done || known->kind == Begun::Kind::other_body)) return known;
  TRY(Begun begun, behind_.begin(key, lease, deadline));
  if (begun.kind == Begun::Kind::done && known && known->kind == Begun::Kind::first)
    static_cast<void>(front_.finish(key, known->fence, begun.answer, deadline));
  return begun;
}

Result<void> TieredIdempotencyStore::finish(const IdempotencyKey& key, std::uint64_t fence, const StoredAnswer& answer,
                                            Deadline deadline) {
  TRY_VOID(behind_.finish(key, fence, answer, deadline));
  if (auto known = front_.begin(key, Micros{0}, deadline); known && known->kind == Begun::Kind::first)
    static_cast<void>(front_.finish(key, known->fence, answer, deadline));
  return {};
}

Result<void> TieredIdempotencyStore::abandon(const IdempotencyKey& key, std::uint64_t fence, Deadline deadline) {
  // The front's row must not make another body of the same key look refused.
  if (auto known = front_.begin(key, Micros{0}, deadline); known && known->kind == Begun::Kind::first)
    static_cast<void>(front_.abandon(key, known->fence, deadline));
  return behind_.abandon(key, fence, deadline);
}

}  // namespace chaveiro::limits
