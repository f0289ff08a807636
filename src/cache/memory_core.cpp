#include "cache/memory_core.h"

#include <algorithm>
#include <bit>
#include <random>

namespace chaveiro::cache {
namespace {

std::uint32_t shards_for(const MemoryOptions& options) {
  if (options.shards != 0) return std::min(std::bit_floor(options.shards), 1U << Store::shard_bits_max);
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(std::bit_floor(options.bytes >> 24), 1, 16));
}

std::uint64_t random_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

}  // namespace

MemoryCore::MemoryCore(MemoryOptions options, const Clock& clock, void (*drop)(Box), Told told)
    : seed_(options.seed != 0 ? options.seed : random_seed()),
      options_(options),
      clock_(clock),
      start_(clock.steady()),
      told_(std::move(told)),
      tag_cells_(std::clamp(std::bit_floor(options.bytes / 256), tag_cells_min, tag_cells_max)) {
  options_.bytes = std::max(options_.bytes, std::size_t{64} << 10);
  if (options_.bytes_max == 0) options_.bytes_max = options_.bytes * 4;
  options_.bytes_max = std::max(options_.bytes_max, options_.bytes);
  bytes_now_ = options_.bytes;
  entries_now_ = options_.entries;
  const std::uint32_t shards = shards_for(options_);
  Store::Settings settings{.bytes = options_.bytes / shards,
                           .bytes_max = options_.bytes_max / shards,
                           .entries = options_.entries == 0 ? 0 : std::max<std::size_t>(1, options_.entries / shards),
                           .seed = seed_,
                           .shard_bits = static_cast<std::uint32_t>(std::countr_zero(shards)),
                           .drop = drop,
                           .notify = told_ != nullptr};
  for (std::uint32_t i = 0; i < shards; ++i) {
    shards_.push_back(std::make_unique<Store>(settings, model_, tick_));
    const std::uint32_t each = static_cast<std::uint32_t>(direct_.size()) / shards;
    std::fill_n(direct_.begin() + i * each, each, shards_.back().get());
  }
}

// Every change: under the shard's lock, and what it removed is told after that, while it can still be read. What makes room
// tells by copies: inside a Section it would hold back the very room that it makes.
template <class Change>
auto MemoryCore::changing(Store& store, Store::Telling telling, Change change) {
  if (!told_) {
    std::scoped_lock lock(store.lock());
    return change(store);
  }
  std::optional<Section> section;
  if (telling == Store::Telling::in_place) section.emplace();
  std::unique_lock lock(store.lock());
  store.begin_telling(telling);
  const auto answer = change(store);
  const std::vector<Store::Gone> gone = store.take_gone();
  lock.unlock();
  for (const Store::Gone& one : gone) told_(*one.entry, one.cause);
  if (Store::holds_boxes(gone)) {
    lock.lock();
    store.told(gone);
  }
  return answer;
}

bool MemoryCore::heed(Entry& entry, std::uint32_t flags, std::uint64_t hash, const Epochs::Reader& reader) {
  if ((flags & Entry::tagged) != 0 && invalidated(entry)) return false;
  if ((flags & Entry::sliding) != 0) {
    const std::uint32_t deadline = now() + entry.more().slide;
    if (entry.deadline.load(std::memory_order_relaxed) != deadline)
      entry.deadline.store(deadline, std::memory_order_relaxed);
  }
  const Use before = entry.use(flags);
  if (before.last() == model_.now()) return true;
  const Use use = model_.touch(before, hash, before.kept(), reader);
  entry.use(use);  // lost to another reader's: fine
  if (use.kept() && !before.kept()) {
    const std::uint32_t then = entry.shape.fetch_or(Entry::kept, std::memory_order_relaxed);
    if ((then & (Entry::kept | Entry::live)) == Entry::live) store(hash).kept_one_more();
  }
  return true;
}

bool MemoryCore::invalidated(const Entry& entry) const {
  const Extras extras = entry.more();
  const std::atomic<std::uint32_t>* const tags = tags_.load(std::memory_order_acquire);
  for (const std::uint16_t tag : extras.tags) {
    if (tag != 0 && static_cast<std::int32_t>(tags[tag].load(std::memory_order_acquire) - extras.stamp) > 0)
      return true;
  }
  return false;
}

std::uint32_t MemoryCore::ticks(Micros duration) const {
  constexpr Micros most = std::chrono::hours{24 * 200};
  if (duration <= Micros{0}) return duration == Micros{0} ? 0 : 1;
  return static_cast<std::uint32_t>(std::max<std::int64_t>(1, std::min(duration, most) / tick_length));
}

std::optional<Micros> MemoryCore::left(const Entry& entry) const {
  if ((entry.flags() & Entry::endless) != 0) return std::nullopt;
  const auto ticks = static_cast<std::int32_t>(entry.deadline.load(std::memory_order_relaxed) - now());
  return std::max(ticks, 0) * tick_length;
}

Stored MemoryCore::put(std::string_view key, std::string_view value, Box box, const PutOptions& options) {
  const std::uint64_t hash = this->hash(key);
  {
    const Glance glance;
    prefetch_line(hash);
  }
  Item item{.key = key, .value = value, .box = box};
  item.ttl = ticks(options.ttl.value_or(options_.ttl));
  if (item.ttl > 1 && options_.jitter > 0) {
    const std::uint64_t dice = hashing::fold(dice_.load(std::memory_order_relaxed) ^ hash, seed_.c);
    dice_.store(dice, std::memory_order_relaxed);
    const double share = options_.jitter * static_cast<double>(dice >> 11) * 0x1p-53;
    item.ttl = std::max(1U, item.ttl - static_cast<std::uint32_t>(item.ttl * std::min(share, 1.0)));
  }
  item.soft = ticks(options.soft_ttl.value_or(options_.soft_ttl));
  item.sliding = options.sliding.value_or(options_.sliding) && item.ttl != 0;
  item.pinned = options.pinned;
  item.weight = options.weight;
  if (!options.tags.empty()) {
    make_tags();
    item.stamp = tag_sequence_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < std::min<std::size_t>(options.tags.size(), 4); ++i)
      item.tags[i] = cell_of(options.tags[i]);
  }
  // A value too large to lie in a slot gets a box.
  if (box.object == nullptr && Entry::bytes_for(key.size(), value.size(), true) > Entry::inline_max) {
    char* copy = static_cast<char*>(::operator new(value.size()));
    std::memcpy(copy, value.data(), value.size());
    item.box = {copy, value.size()};
    item.value = {};
  }
  Epochs::Reader& self = Epochs::self();
  ReuseModel::count(self, model_.tally(self).inserts);
  return changing(store(hash), Store::Telling::by_copy, [&](Store& store) { return store.put(item, hash, self); });
}

bool MemoryCore::remove(std::string_view key) {
  const std::uint64_t hash = this->hash(key);
  return changing(store(hash), Store::Telling::in_place,
                  [&](Store& store) { return store.remove(key, hash, Cause::removed); });
}

// The cells take their room from the shards.
void MemoryCore::make_tags() {
  if (tags_.load(std::memory_order_acquire) != nullptr) [[likely]]
    return;
  {
    const std::scoped_lock lock(room_);
    if (tags_owner_ != nullptr) return;
    tags_owner_.reset(new std::atomic<std::uint32_t>[tag_cells_]());
    tags_.store(tags_owner_.get(), std::memory_order_release);
  }
  share_room();
}

void MemoryCore::invalidate(std::string_view tag) {
  std::atomic<std::uint32_t>* const tags = tags_.load(std::memory_order_acquire);
  if (tags == nullptr) return;
  const std::uint32_t sequence = tag_sequence_.fetch_add(1, std::memory_order_acq_rel) + 1;
  tags[cell_of(tag)].store(sequence, std::memory_order_release);
}

void MemoryCore::clear() {
  for (auto& shard : shards_) changing(*shard, Store::Telling::in_place, [](Store& store) { return store.clear(), 0; });
}

void MemoryCore::resize(std::size_t bytes, std::size_t entries) {
  {
    const std::scoped_lock lock(room_);
    bytes_now_ = std::clamp(bytes, std::size_t{64} << 10, options_.bytes_max);
    entries_now_ = entries;
  }
  share_room();
}

void MemoryCore::share_room() {
  std::unique_lock lock(room_);
  const std::size_t count = shards_.size(), entries = entries_now_;
  const std::size_t bytes = bytes_now_ - std::min(tag_bytes(), bytes_now_ / 4);
  lock.unlock();
  for (auto& shard : shards_) {
    changing(*shard, Store::Telling::by_copy, [&](Store& store) {
      store.resize(bytes / count, entries == 0 ? 0 : std::max<std::size_t>(1, entries / count), Epochs::self());
      return 0;
    });
  }
}

void MemoryCore::tick() {
  const auto passed = std::chrono::duration_cast<Micros>(clock_.steady() - start_) / tick_length;
  tick_.store(static_cast<std::uint32_t>(passed), std::memory_order_relaxed);
  for (auto& shard : shards_)
    changing(*shard, Store::Telling::in_place, [](Store& store) { return store.expire(256), 0; });
}

MemoryStats MemoryCore::stats() const {
  MemoryStats sum;
  const ReuseModel::Totals totals = model_.totals();
  sum.hits = totals.hits;
  sum.misses = totals.misses;
  sum.inserts = totals.inserts;
  sum.bytes = tag_bytes();
  sum.tables = model_.bytes();
  for (const auto& shard : shards_) {
    std::scoped_lock lock(shard->lock());
    const Store::Counters& c = shard->counters();
    sum.expired += c.by_cause[static_cast<int>(Cause::expired)];
    sum.evicted += c.by_cause[static_cast<int>(Cause::evicted)];
    sum.replaced += c.by_cause[static_cast<int>(Cause::replaced)];
    sum.removed += c.by_cause[static_cast<int>(Cause::removed)];
    sum.cleared += c.by_cause[static_cast<int>(Cause::cleared)];
    sum.refused += c.refused;
    sum.comebacks += c.comebacks;
    sum.entries += shard->entries();
    sum.bytes += shard->bytes();
    sum.payload += shard->payload();
    sum.ghosts += shard->ghosts();
  }
  return sum;
}

Advice MemoryCore::advise() const {
  const MemoryStats now = stats();
  std::size_t ghosts = 0, budget;
  {
    const std::scoped_lock lock(room_);
    budget = bytes_now_;
  }
  for (const auto& shard : shards_) {
    std::scoped_lock lock(shard->lock());
    ghosts += shard->ghosts();
  }
  const double requests = static_cast<double>(std::max<std::uint64_t>(1, now.hits + now.misses));
  Advice advice{.hit_ratio = static_cast<double>(now.hits) / requests,
                .hit_ratio_larger = 0,
                .bytes_larger = 0,
                .bytes_advised = 0};
  advice.hit_ratio_larger = static_cast<double>(now.hits + now.comebacks) / requests;
  const double growth = 1 + static_cast<double>(ghosts) / static_cast<double>(std::max<std::size_t>(1, now.entries));
  advice.bytes_larger = static_cast<std::size_t>(static_cast<double>(budget) * growth);
  advice.bytes_advised = advice.hit_ratio_larger - advice.hit_ratio >= 0.01 ? advice.bytes_larger : budget;
  return advice;
}

void MemoryCore::validate() const {
  for (const auto& shard : shards_) {
    std::scoped_lock lock(shard->lock());
    shard->validate();
  }
}

}  // namespace chaveiro::cache
