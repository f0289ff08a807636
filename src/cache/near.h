// cache/near.h
//
// Near: the memory level as a tiered cache sees it: values with everything that is known about them, bounded by bytes.
//
// Values lie there as objects that readers share, or packed: as bytes in the entry itself, behind a head of 64 bytes, so that a value takes
// what its text takes and a hit reads memory in one place. Packed values are made anew for whoever wants the object.
//
// Threads: any. visit() holds the value where it is for the length of the call.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/answer.h"
#include "cache/memory.h"
#include "cache/stamps.h"
#include "cache/tiered_options.h"

namespace chaveiro::cache {

// A moment that readers may move while the rest of what holds it is constant.
class Moment {
 public:
  Moment() = default;
  Moment(const Moment& other) : at_(other.at_.load(std::memory_order_relaxed)) {}
  Moment& operator=(const Moment& other) {
    at_.store(other.at_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    return *this;
  }
  SteadyTime get() const { return SteadyTime{SteadyTime::duration{at_.load(std::memory_order_relaxed)}}; }
  void set(SteadyTime at) { at_.store(at.time_since_epoch().count(), std::memory_order_relaxed); }

 private:
  std::atomic<SteadyTime::rep> at_{SteadyTime::min().time_since_epoch().count()};
};

// What a hit reads stands in the first line of memory.
template <class V>
struct alignas(64) Held {
  std::shared_ptr<const V> value;  // null: the source said that there is none, or `failure`
  SteadyTime fresh_until;          // no later: here, it counts as fresh until then
  SteadyTime keep_until;           // shown until then where the source fails
  std::uint64_t stamp = 0;
  std::vector<Stamps::Cell> cells;  // of its tags

  SteadyTime loaded_at;
  SteadyTime expires_at;  // the end of its own time to live
  std::uint64_t version = 0;
  std::chrono::nanoseconds cost{0};
  std::shared_ptr<const Error> failure;  // of a load that failed, where that is kept; without a value then
  mutable Moment ask_again;              // the source failed: not before this
  std::vector<std::string> tags;
  std::string etag;
};

// How a value becomes bytes for this process's own memory, and back; both or none.
template <class V>
struct Packing {
  std::function<void(const V&, std::string& out)> pack;  // appends
  std::function<std::shared_ptr<const V>(std::string_view)> unpack;
};

// What stands before a packed value.
struct PackedHead {
  SteadyTime fresh_until, keep_until, loaded_at, expires_at, ask_again;
  std::uint64_t stamp = 0, version = 0;
  std::uint32_t cost_us = 0;  // at most; 71 minutes are enough
  std::uint32_t value_bytes : 30 = 0;
  std::uint32_t has_value : 1 = 0;
  std::uint32_t has_tail : 1 = 0;  // tags and etag behind the value
};
static_assert(sizeof(PackedHead) == 64);

// Deadlines are told by the values themselves, to the microsecond; the memory level's own, of 10 ms, give the room back.
template <class V>
class Near {
 public:
  Near(NearOptions options, const Clock& clock, Packing<V> packing = {})
      : clock_(clock), packing_(std::move(packing)), ticked_(clock.steady().time_since_epoch().count()) {
    if (!options.enabled) return;
    const MemoryOptions memory{.bytes = std::max(options.bytes_max, bytes_min),
                               .bytes_max = options.bytes_limit,
                               .ttl = Micros{0},
                               .jitter = 0};
    if (packing_.pack)
      packed_.emplace(memory, clock);
    else
      objects_.emplace(memory, clock);
  }
  bool packs() const { return packed_.has_value(); }

  // fn(const Held<V>&) if there is one; answers whether.
  template <class Fn>
  bool visit(std::string_view key, Fn&& fn) {
    if (packed_)
      return visit_packed(key, [&](const PackedHead& head, std::string_view rest) { fn(held_of(head, rest, true)); });
    return objects_ && visit_object(key, std::forward<Fn>(fn));
  }
  // The same where the value does not matter: it may be left out.
  template <class Fn>
  bool visit_times(std::string_view key, Fn&& fn) {
    if (packed_)
      return visit_packed(key, [&](const PackedHead& head, std::string_view rest) { fn(held_of(head, rest, false)); });
    return objects_ && visit_object(key, std::forward<Fn>(fn));
  }
  // fn(const PackedHead&, rest): the value's bytes are the first `value_bytes` of the rest. Only where packs().
  template <class Fn>
  bool visit_packed(std::string_view key, Fn&& fn) {
    const View<std::string> view = packed_->read(key);
    if (!view) return false;
    read(*view, fn);
    return true;
  }
  void expect(std::string_view key) {
    any([&](auto& memory) { memory.expect(key); });
  }
  static std::vector<Stamps::Cell> cells_of(const PackedHead& head, std::string_view rest) {
    Held<V> held;
    read_tail(head, rest, held);
    return std::move(held.cells);
  }

  // `bytes` of an object, beyond what is held of it here.
  void put(std::string_view key, Held<V>&& held, std::size_t bytes, SteadyTime now) {
    if (!objects_ && !packed_) return;
    tick_at(now);
    const auto left = std::chrono::duration_cast<Micros>(held.keep_until - now);
    if (left <= Micros{0}) return erase(key);
    PutOptions how{.ttl = std::min(left + tick_length, ttl_max)};
    if (packed_) {
      thread_local std::string text;
      pack(held, text);
      packed_->put(key, text, how);
    } else {
      how.weight = static_cast<std::uint32_t>(std::min<std::size_t>(bytes, UINT32_MAX));
      objects_->put(key, std::move(held), how);
    }
  }
  void erase(std::string_view key) {
    any([&](auto& memory) { memory.remove(key); });
  }
  void clear() {
    any([](auto& memory) { memory.clear(); });
  }
  // fn(key, held) for everything that is held; fn must be quick and not come back here.
  template <class Fn>
  void for_each(Fn&& fn) const {
    if (objects_) objects_->for_each(fn);
    if (packed_)
      packed_->for_each([&](std::string_view key, std::string_view text) {
        read(text, [&](const PackedHead& head, std::string_view rest) { fn(key, held_of(head, rest, true)); });
      });
  }
  void validate() const {  // CHECKs the memory level's invariants
    if (objects_) objects_->validate();
    if (packed_) packed_->validate();
  }
  MemoryStats stats() const { return packed_ ? packed_->stats() : objects_ ? objects_->stats() : MemoryStats{}; }
  void tick() {
    if (objects_ || packed_) tick_at(clock_.steady());
  }
  void resize(std::size_t bytes) {
    any([&](auto& memory) { memory.resize(std::max(bytes, bytes_min)); });
  }

 private:
  static constexpr std::size_t bytes_min = 64U << 10;
  static constexpr Micros tick_length = std::chrono::milliseconds{10};
  static constexpr Micros ttl_max = std::chrono::hours{24 * 190};

  template <class Fn>
  void any(Fn fn) {
    if (objects_) fn(*objects_);
    if (packed_) fn(*packed_);
  }
  template <class Fn>
  bool visit_object(std::string_view key, Fn&& fn) {
    const View<Held<V>> view = objects_->read(key);
    if (!view) return false;
    fn(*view);
    return true;
  }
  template <class Fn>
  static void read(std::string_view text, Fn&& fn) {
    PackedHead head;
    std::memcpy(&head, text.data(), sizeof head);
    fn(head, text.substr(sizeof head));
  }

  // tail = tags(2) { bytes(2) tag }… bytes(2) etag
  void pack(const Held<V>& held, std::string& text) const {
    PackedHead head{.fresh_until = held.fresh_until,
                    .keep_until = held.keep_until,
                    .loaded_at = held.loaded_at,
                    .expires_at = held.expires_at,
                    .ask_again = held.ask_again.get(),
                    .stamp = held.stamp,
                    .version = held.version};
    head.cost_us = static_cast<std::uint32_t>(std::clamp<std::int64_t>(held.cost.count() / 1'000, 0, UINT32_MAX));
    text.assign(sizeof head, '\0');
    if (held.value) packing_.pack(*held.value, text);
    head.has_value = held.value != nullptr;
    head.value_bytes = static_cast<std::uint32_t>(text.size() - sizeof head) & 0x3FFF'FFFF;
    head.has_tail = !held.tags.empty() || !held.etag.empty();
    if (head.has_tail) {
      const auto number = [&](std::size_t value) {
        text.push_back(static_cast<char>(value));
        text.push_back(static_cast<char>(value >> 8));
      };
      number(held.tags.size());
      for (const std::string& tag : held.tags) number(tag.size()), text += tag;
      number(held.etag.size()), text += held.etag;
    }
    std::memcpy(text.data(), &head, sizeof head);
  }
  static void read_tail(const PackedHead& head, std::string_view rest, Held<V>& held) {
    if (!head.has_tail) return;
    rest.remove_prefix(head.value_bytes);
    const auto number = [&] {
      const auto value = static_cast<std::size_t>(static_cast<unsigned char>(rest[0])) |
                         static_cast<std::size_t>(static_cast<unsigned char>(rest[1])) << 8;
      rest.remove_prefix(2);
      return value;
    };
    const auto text = [&] {
      const std::size_t size = number();
      std::string taken(rest.substr(0, size));
      rest.remove_prefix(size);
      return taken;
    };
    for (std::size_t count = number(); count > 0; --count) held.tags.push_back(text());
    held.etag = text();
    for (const std::string& tag : held.tags) held.cells.push_back(Stamps::cell_of(tag));
  }
  Held<V> held_of(const PackedHead& head, std::string_view rest, bool with_value) const {
    Held<V> held;
    held.fresh_until = head.fresh_until;
    held.keep_until = head.keep_until;
    held.loaded_at = head.loaded_at;
    held.expires_at = head.expires_at;
    held.ask_again.set(head.ask_again);
    held.stamp = head.stamp;
    held.version = head.version;
    held.cost = std::chrono::microseconds{head.cost_us};
    if (with_value && head.has_value) held.value = packing_.unpack(rest.substr(0, head.value_bytes));
    read_tail(head, rest, held);
    return held;
  }

  void tick_at(SteadyTime now) {
    const SteadyTime::rep at = now.time_since_epoch().count();
    SteadyTime::rep before = ticked_.load(std::memory_order_relaxed);
    if (SteadyTime::duration{at - before} < tick_length) return;
    if (ticked_.compare_exchange_strong(before, at, std::memory_order_relaxed))
      any([](auto& memory) { memory.tick(); });
  }

  const Clock& clock_;
  const Packing<V> packing_;
  std::atomic<SteadyTime::rep> ticked_;
  std::optional<Memory<std::string, Held<V>>> objects_;     // one of the two
  std::optional<Memory<std::string, std::string>> packed_;  // or none
};

}  // namespace chaveiro::cache
