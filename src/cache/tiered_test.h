// cache/tiered_test.h
//
// What the tests of the tiered cache stand on: two levels in memory with faults on command, a clock moved by hand, a source that counts.
//
// Threads: Origin may be asked by any number of threads.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "cache/map_tier.h"
#include "cache/tiered.h"

namespace chaveiro::cache {

using namespace std::chrono_literals;

inline Deadline soon() { return Deadline::in(30s); }

// A source of texts that can change, fail and be held up.
class Origin {
 public:
  void set(const std::string& key, std::string value, std::uint64_t version = 0) {
    state_.with([&](State& it) { it.values[key] = {std::move(value), version}; });
  }
  void remove(const std::string& key) {
    state_.with([&](State& it) { it.values.erase(key); });
  }
  void set_failure(std::optional<Error> failure) {
    state_.with([&](State& it) { it.failure = std::move(failure); });
  }
  // Loads wait at the gate once they have read, until it opens.
  void close() {
    state_.with([](State& it) { it.closed = true; });
  }
  void open() {
    state_.with([](State& it) { it.closed = false; });
    state_.notify_all();
  }
  // Waits until so many loads wait at the gate.
  bool waits_for(std::size_t count) {
    return state_.lock().wait(soon(), [&](const State& it) { return it.waiting >= count; });
  }
  std::uint64_t loads() const { return state_.lock()->loads; }
  std::string last_etag() const { return state_.lock()->etag; }

  Loader<std::string> loader() {
    return [this](std::string_view key, const LoadContext<std::string>& context) {
      return load(std::string(key), context);
    };
  }
  Result<Loaded<std::string>> load(const std::string& key, const LoadContext<std::string>& context) {
    auto state = state_.lock();
    ++state->loads;
    state->etag = context.etag;
    const auto found = state->values.find(key);
    auto loaded =
        found == state->values.end() ? Loaded<std::string>::nothing() : Loaded<std::string>::of(found->second.first);
    if (found != state->values.end()) loaded.version = found->second.second;
    const auto failure = state->failure;
    ++state->waiting;
    state_.notify_all();
    const bool opened = state.wait(context.deadline, [](const State& it) { return !it.closed; });
    --state->waiting;
    if (!opened) return fail(Code::deadline, "Deadline", "the source was too slow");
    if (failure) return *failure;
    return loaded;
  }

 private:
  struct State {
    std::map<std::string, std::pair<std::string, std::uint64_t>> values;
    std::optional<Error> failure;
    bool closed = false;
    std::size_t waiting = 0;
    std::uint64_t loads = 0;
    std::string etag;
  };
  Guarded<State> state_;
};

inline Error outage() { return fail(Code::unavailable, "SourceDown", "the source is down"); }

struct TieredTest : testing::Test {
  ManualClock clock;
  Registry metrics;
  MapTier l2{clock};
  MapTier l3{clock};
  Origin origin;
  Pool pool{{.name = "refresh", .workers = 2, .queue_max = 16}, clock, {}, metrics};
  using Cache = Tiered<std::string>;

  // CHAVEIRO_TEST_PACKED=1: the same tests over values that lie packed in memory (cmake/rooms.cmake runs both).
  static Packing<std::string> packing(const TieredOptions& options) {
    if (std::getenv("CHAVEIRO_TEST_PACKED") == nullptr || options.failure_ttl > Micros{0}) return {};
    return {.pack = [](const std::string& value, std::string& out) { out += value; },
            .unpack = [](std::string_view bytes) { return std::make_shared<const std::string>(bytes); }};
  }
  // At its end each cache validates itself.
  struct Validated {
    void operator()(Cache* cache) const {
      cache->validate();
      delete cache;
    }
  };
  using Cached = std::unique_ptr<Cache, Validated>;
  Cached make(TieredOptions options = {}) {
    auto packs = packing(options);
    return Cached(Cache::make(std::move(options), {.clock = clock,
                                                   .metrics = metrics,
                                                   .l2 = &l2,
                                                   .l3 = &l3,
                                                   .pool = &pool,
                                                   .packing = std::move(packs),
                                                   .loader = origin.loader()})
                      .value()
                      .release());
  }
  Cached memory_only(TieredOptions options = {}) {
    auto packs = packing(options);
    return Cached(
        Cache::make(
            std::move(options),
            {.clock = clock, .metrics = metrics, .pool = &pool, .packing = std::move(packs), .loader = origin.loader()})
            .value()
            .release());
  }
  static std::string text(const Result<Answer<std::string>>& outcome) {
    if (!outcome) return "error " + outcome.error().reason;
    return outcome->found() ? *outcome->value : "(none)";
  }
  static Level level(const Result<Answer<std::string>>& outcome) { return outcome ? outcome->level : Level::none; }
};

}  // namespace chaveiro::cache
