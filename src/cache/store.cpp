#include "cache/store.h"

#include <algorithm>
#include <map>
#include <new>
#include <utility>

#include "base/check.h"

namespace chaveiro::cache {
namespace {

constexpr std::uint32_t far_away = 1U << 30;  // 124 days: an endless entry is told by its flag when that has passed
constexpr std::uint32_t wheel_shift = 4;      // a page is looked through at most once in 16 ticks (160 ms)

std::uint32_t page_bytes_for(std::size_t budget) { return budget >= (std::size_t{3} << 20) ? 16'384 : 4'096; }

}  // namespace

Store::Store(Settings settings, ReuseModel& model, const std::atomic<std::uint32_t>& tick)
    : arena_(settings.bytes_max + settings.bytes_max / 8 + (std::size_t{1} << 20), page_bytes_for(settings.bytes)),
      index_(arena_),
      tick_(tick),
      settings_(settings),
      model_(model),
      last_tick_(tick.load(std::memory_order_relaxed)) {
  wheel_.start(0);
  if (settings.bytes >= large * 40) {
    field_.reserve(std::size_t{batch_max} * (sweep_large + 1));
    chosen_.reserve(batch_max);
  }
  Ref segments[2];
  for (Ref& segment : segments) {
    segment = arena_.take(Arena::segment_bytes);
    if (segment == 0) CHECK(arena_.open(Arena::segment_bytes)), segment = arena_.take(Arena::segment_bytes);
  }
  index_.restart(segments[0], segments[1], [](Ref) {});
}

Store::~Store() {
  empty_cleared(Arena::none);
  for (const Limbo& left : limbo_) {
    if (left.box.object != nullptr) settings_.drop(left.box);
    Index::free_directory(left.directory);
  }
  for_each([&](const Entry& entry, std::uint32_t flags) {
    if ((flags & Entry::boxed) != 0) settings_.drop(entry.box(flags));
  });
}

std::size_t Store::weight_of(const Entry& entry, std::uint32_t flags) const {
  return ((flags & Entry::extras) != 0 ? entry.more().weight : 0) +
         ((flags & Entry::boxed) != 0 ? entry.box(flags).bytes : 0);
}

const Entry* Store::search(std::string_view key, std::uint64_t hash) const {
  const Ref ref = index_.find(hash << shard_bits_max, [&](Ref at) { return same(*index_.at(at), key); });
  return ref == 0 ? nullptr : arena_.at<Entry>(ref);
}

// Put, remove, clear ---------------------------------------------------------------------------------------------------

Stored Store::put(const Item& item, std::uint64_t hash, const Epochs::Reader& writer) {
  index_.expect_change(hash << shard_bits_max);
  __builtin_prefetch(ghosts_.line(hash), 1);
  const bool with_extras = item.soft != 0 || item.sliding || item.weight != 0 || item.tags[0] != 0;
  const std::size_t value = item.box.object != nullptr ? sizeof(Box) : item.value.size();
  const std::size_t bytes = Entry::bytes_for(item.key.size(), value, with_extras);
  const std::size_t charged = bytes + item.box.bytes + item.weight;
  const auto refuse = [&](Stored why) {
    if (item.box.object != nullptr) settings_.drop(item.box);
    remove(item.key, hash, Cause::replaced);
    ++counters_.refused;
    return why;
  };
  if (item.key.size() > Entry::key_max || bytes > Entry::inline_max || charged > settings_.bytes / 8)
    return refuse(Stored::too_large);
  if (item.pinned && pinned_ + charged > settings_.bytes / 2) return refuse(Stored::full);

  if (++puts_ % 8 == 0) expire(1);
  const std::uint64_t every = std::max<std::uint64_t>(1, std::min<std::uint64_t>(entries_ / 1024, 256));
  if (puts_ % every == 0)
    model_.advance(std::max<std::size_t>(1, entries_) << settings_.shard_bits, ghosts_.count() << settings_.shard_bits,
                   entries_ < large ? 0 : sweep_large);
  // To learn what readers have left interrupts them (membarrier): seldom, where there is room.
  if (unstamped_ >= 64 + entries_ / (over(settings_.bytes / 16) ? 64 : 16)) reclaim(true);

  make_room_ahead(Arena::slot_for(bytes), writer);
  const Ref ref = allocate(Arena::slot_for(bytes), true, writer);
  if (ref == 0) return refuse(Stored::full);
  if (outside_ > 0 || item.box.bytes + item.weight > 0) {
    // A little more than is needed, so that readers need not be asked at each put whether they have left.
    const std::size_t more = item.box.bytes + item.weight, slack = settings_.bytes / 64;
    const auto held = [&] { return this->bytes() - leaving_; };
    for (int i = 0; held() + more + slack > settings_.bytes && i < 4096 && evict_one(writer); ++i) {}
    if (over(more)) reclaim(true);
  }

  // What is known already is written while the index line is on its way from memory.
  Entry* entry = new (arena_.at<Entry>(ref)) Entry;
  std::uint32_t flags = Entry::live | Entry::sizes(item.key.size(), value);
  if (with_extras) flags |= Entry::extras;
  if (item.pinned) flags |= Entry::pinned;
  if (item.box.object != nullptr) flags |= Entry::boxed;
  if (item.sliding) flags |= Entry::sliding;
  if (item.tags[0] != 0) flags |= Entry::tagged;
  if (item.soft != 0) flags |= Entry::softened;
  if (item.ttl == 0) flags |= Entry::endless;
  const std::uint32_t tick = tick_.load(std::memory_order_relaxed);
  entry->deadline.store(tick + (item.ttl == 0 ? far_away : item.ttl), std::memory_order_relaxed);
  if (with_extras) {
    Extras extras{tick + item.soft, item.sliding ? item.ttl : 0, item.weight, item.stamp, {}};
    std::copy(std::begin(item.tags), std::end(item.tags), std::begin(extras.tags));
    std::memcpy(entry->at(Entry::after_key(item.key.size())), &extras, sizeof extras);
  }
  std::memcpy(entry->at(Entry::key_at), item.key.data(), item.key.size());
  char* const to = entry->at(entry->value_at(flags, item.key.size()));
  if (item.box.object != nullptr) {
    std::memcpy(to, &item.box, sizeof item.box);
  } else if (value > 0) {
    std::memcpy(to, item.value.data(), value);
  }

  const Ref before = index_.find(hash << shard_bits_max, [&](Ref at) { return same(*index_.at(at), item.key); });
  Use use;
  if (before != 0) {
    use = arena_.at<Entry>(before)->use(arena_.at<Entry>(before)->flags());
  } else {
    if (settings_.entries != 0) {
      while (entries_ >= settings_.entries && evict_one(writer)) {}
    }
    ghosts_.fit(entries_ + 1);
    const bool keep = kept() < keep_limit(entries_ + 1);  // there is room among the kept
    if (const auto past = ghosts_.take(hash)) {
      ++counters_.comebacks;
      use = model_.touch(*past, hash, keep, writer);
    } else {
      use = model_.fresh(hash, keep);
    }
  }

  entry->use(use);
  if (use.kept()) flags |= Entry::kept, ++kept_;
  entry->shape.store(flags, std::memory_order_relaxed);

  payload_ += item.key.size() + (item.box.object != nullptr ? item.box.bytes : value);
  outside_ += item.box.bytes + item.weight;
  if (item.pinned) pinned_ += charged;
  ++entries_;
  if (before != 0) {
    index_.replace(hash << shard_bits_max, before, ref);
    unlink(before, 0, Cause::replaced);
  } else {
    link(ref, hash, writer);
    if (entries_ < large) offer(ref, worth(*entry, flags));
  }
  if (item.ttl != 0) schedule(ref);
  // Index or ghosts have grown: whole pages go for that, but not while readers hold back what left before.
  if (over(0)) [[unlikely]] {
    reclaim(true);
    while (over(0) && limbo_.empty() && evict_page(writer)) reclaim(true);
  }
  return before != 0 ? Stored::replaced : Stored::fresh;
}

bool Store::remove(std::string_view key, std::uint64_t hash, Cause cause) {
  const Ref ref = index_.find(hash << shard_bits_max, [&](Ref at) { return same(*index_.at(at), key); });
  if (ref == 0) return false;
  const Entry* entry = arena_.at<Entry>(ref);
  const bool was_there = !entry->expired(entry->flags(), tick_.load(std::memory_order_relaxed));
  unlink(ref, hash, was_there ? cause : Cause::expired);
  return was_there;
}

// Readers see an empty index at once; slots follow page by page. Entries are visited now only where somebody is told of each.
void Store::clear() {
  if (settings_.notify) {
    for_each([&](const Entry& entry, std::uint32_t) { gone_.push_back({&entry, nullptr, Cause::cleared}); });
  }
  counters_.by_cause[static_cast<int>(Cause::cleared)] += entries_;
  Ref segments[2];
  for (Ref& segment : segments) segment = allocate(Arena::segment_bytes, false, Epochs::self());
  CHECK(segments[0] != 0 && segments[1] != 0);
  if (void* directory = index_.restart(segments[0], segments[1], [&](Ref old) { retire(old, {}, nullptr); }))
    retire(0, {}, directory);
  arena_.detach_entries([&](std::uint32_t page) {
    wheel_.remove(page);
    cleared_.push_back(page);
  });
  due_.clear();
  pooled_ = 0;
  forget_chosen();
  entries_ = payload_ = pinned_ = 0;
  kept_ -= kept();
  ghosts_.clear();
  reclaim(true);
}

void Store::empty_cleared(std::uint32_t pages_max) {
  for (; !cleared_.empty() && pages_max > 0; --pages_max) {
    const std::uint32_t page = cleared_.back();
    cleared_.pop_back();
    const Arena::Page at = arena_.page(page);
    for (std::uint32_t i = 0; i < at.slots; ++i) {
      const Ref ref = arena_.first(page) + i * at.slot / 8;
      Entry* entry = arena_.at<Entry>(ref);
      const std::uint32_t flags = entry->flags();
      if ((flags & Entry::live) == 0) continue;
      entry->shape.fetch_and(~std::uint32_t{Entry::live}, std::memory_order_relaxed);
      outside_ -= weight_of(*entry, flags);
      retire(ref, (flags & Entry::boxed) != 0 ? entry->box(flags) : Box{}, nullptr);
    }
  }
}

void Store::resize(std::size_t bytes, std::size_t entries, const Epochs::Reader& writer) {
  settings_.bytes = std::min(bytes, settings_.bytes_max);
  settings_.entries = entries;
  while (entries != 0 && entries_ > entries && evict_one(writer)) {}
  for (int i = 0; over(0) && i < 1'000'000; ++i) {
    if (!evict_page(writer)) break;
    reclaim(true);
  }
}

// Index, retirement ----------------------------------------------------------------------------------------------------

void Store::link(Ref ref, std::uint64_t hash, const Epochs::Reader& writer) {
  while (!index_.room(hash << shard_bits_max)) {
    const Ref low = allocate(Arena::segment_bytes, false, writer);
    const Ref high = allocate(Arena::segment_bytes, false, writer);
    CHECK(low != 0 && high != 0);
    const Index::Left left = index_.grow(hash << shard_bits_max, low, high,
                                         [&](Ref at) { return hash_of(*arena_.at<Entry>(at)) << shard_bits_max; });
    retire(left.segment, {}, nullptr);
    if (left.directory != nullptr) retire(0, {}, left.directory);
    reclaim(true);
  }
  index_.insert(hash << shard_bits_max, ref);
}

// A hash of 0: the index knows already (the place holds the successor).
void Store::unlink(Ref ref, std::uint64_t hash, Cause cause) {
  Entry* entry = arena_.at<Entry>(ref);
  if (cause != Cause::replaced || hash != 0) index_.remove(hash << shard_bits_max, ref);
  const std::uint32_t flags = entry->shape.fetch_and(~std::uint32_t{Entry::live}, std::memory_order_relaxed);
  if ((flags & Entry::kept) != 0) --kept_;
  const Box box = (flags & Entry::boxed) != 0 ? entry->box(flags) : Box{};
  payload_ -= entry->key_bytes() + (box.object != nullptr ? box.bytes : entry->value_bytes());
  if ((flags & Entry::pinned) != 0) {
    pinned_ -= Entry::bytes_for(entry->key_bytes(), entry->value_bytes(), (flags & Entry::extras) != 0) +
               weight_of(*entry, flags);
  }
  outside_ -= weight_of(*entry, flags);
  --entries_;
  ++counters_.by_cause[static_cast<int>(cause)];
  if (settings_.notify) tell(*entry, box, cause);
  retire(ref, settings_.notify && telling_ == Telling::by_copy ? Box{} : box, nullptr);
}

void Store::tell(const Entry& entry, Box box, Cause cause) {
  Gone gone{&entry, nullptr, cause};
  if (telling_ == Telling::by_copy) {
    const std::uint32_t flags = entry.flags();
    const std::size_t bytes = Entry::bytes_for(
        entry.key_bytes(), box.object != nullptr ? sizeof(Box) : entry.value_bytes(), (flags & Entry::extras) != 0);
    gone.copy = std::make_unique<std::uint64_t[]>(bytes / 8);
    auto* const copy = new (gone.copy.get()) Entry;
    copy->deadline.store(entry.deadline.load(std::memory_order_relaxed), std::memory_order_relaxed);
    copy->use(entry.use(flags));
    copy->shape.store(flags, std::memory_order_relaxed);
    std::memcpy(copy->at(Entry::key_at), entry.at(Entry::key_at), bytes - Entry::key_at);
    gone.entry = copy;
  }
  gone_.push_back(std::move(gone));
}

bool Store::holds_boxes(const std::vector<Gone>& gone) {
  return std::ranges::any_of(
      gone, [](const Gone& one) { return one.copy != nullptr && (one.entry->flags() & Entry::boxed) != 0; });
}

void Store::told(const std::vector<Gone>& gone) {
  for (const Gone& one : gone) {
    const std::uint32_t flags = one.entry->flags();
    if (one.copy != nullptr && (flags & Entry::boxed) != 0) retire(0, one.entry->box(flags), nullptr);
  }
}

void Store::retire(Ref ref, Box box, void* directory) {
  leaving_ += box.bytes;
  limbo_.push_back({ref, box, directory, std::numeric_limits<std::uint64_t>::max()});
  ++unstamped_;
}

void Store::reclaim(bool stamp) {
  if (stamp && unstamped_ > 0) {
    const std::uint64_t now = Epochs::advance();
    for (std::size_t i = limbo_.size() - unstamped_; i < limbo_.size(); ++i) limbo_[i].stamp = now;
    unstamped_ = 0;
  }
  const std::uint64_t oldest = Epochs::oldest();
  while (!limbo_.empty() && limbo_.front().stamp < oldest) {
    const Limbo left = limbo_.front();
    limbo_.pop_front();
    if (left.ref != 0) {
      const std::uint32_t page = arena_.page_of(left.ref);
      arena_.give(left.ref);
      if (arena_.page(page).slot == 0) wheel_.remove(page);
    }
    if (left.box.object != nullptr) {
      leaving_ -= left.box.bytes;
      settings_.drop(left.box);
    }
    Index::free_directory(left.directory);
  }
}

// Deadlines ------------------------------------------------------------------------------------------------------------

std::uint32_t Store::wheel_time(std::uint32_t deadline) const {
  const auto left = static_cast<std::int32_t>(deadline - last_tick_);
  return static_cast<std::uint32_t>((ticks_ + static_cast<std::uint64_t>(std::max(left, 0))) >> wheel_shift) + 1;
}

void Store::schedule(Ref ref) {
  const std::uint32_t page = arena_.page_of(ref);
  const std::uint32_t due = wheel_time(arena_.at<Entry>(ref)->deadline.load(std::memory_order_relaxed));
  if (!wheel_.holds(page) || static_cast<std::int32_t>(due - wheel_.due(page)) < 0) wheel_.place(page, due);
}

void Store::expire(std::uint32_t pages_max) {
  const std::uint32_t tick = tick_.load(std::memory_order_relaxed);
  ticks_ += tick - last_tick_;
  last_tick_ = tick;
  wheel_.advance(static_cast<std::uint32_t>(ticks_ >> wheel_shift), [&](std::uint32_t page) { due_.push_back(page); });
  for (; pages_max > 0 && !due_.empty(); --pages_max) {
    const std::uint32_t page = due_.back();
    due_.pop_back();
    expire_page(page);
  }
  empty_cleared(1);
  if (unstamped_ > 0 && pages_max > 1) reclaim(true);
}

void Store::expire_page(std::uint32_t index) {
  const Arena::Page page = arena_.page(index);
  if (page.slot == 0 || page.slot == Arena::segment_bytes || page.detached) return;
  for (std::uint32_t i = 0; i < page.slots; ++i) {
    const Ref ref = arena_.first(index) + i * page.slot / 8;
    const Entry& entry = *arena_.at<Entry>(ref);
    const std::uint32_t flags = entry.flags();
    if ((flags & Entry::live) == 0 || (flags & Entry::endless) != 0) continue;
    if (entry.expired(flags, last_tick_)) {
      unlink(ref, hash_of(entry), Cause::expired);
    } else {
      schedule(ref);
    }
  }
}

// Invariants -----------------------------------------------------------------------------------------------------------

void Store::validate() const {
  std::size_t entries = 0, payload = 0, weight = 0;
  for_each([&](const Entry& entry, std::uint32_t flags) {
    CHECK((flags & Entry::live) != 0);
    CHECK(find(entry.key(), hash_of(entry)) == &entry);
    ++entries;
    payload += entry.key_bytes() + ((flags & Entry::boxed) != 0 ? entry.box(flags).bytes : entry.value_bytes());
    weight += weight_of(entry, flags);
    if ((flags & Entry::endless) != 0) return;
    const auto offset = reinterpret_cast<const std::byte*>(&entry) - arena_.base();
    const auto page = static_cast<std::uint32_t>(offset / arena_.page_bytes());
    const bool waits = std::find(due_.begin(), due_.end(), page) != due_.end();
    const std::uint32_t due = wheel_time(entry.deadline.load(std::memory_order_relaxed));
    CHECK(waits || (wheel_.holds(page) && static_cast<std::int32_t>(wheel_.due(page) - due) <= 0));
  });
  CHECK(entries == entries_);
  CHECK(payload == payload_);
  CHECK(cleared_.empty() ? weight == outside_ : weight <= outside_);
  std::size_t leaving = 0;
  for (const Limbo& left : limbo_) leaving += left.box.bytes;
  CHECK(leaving == leaving_);
  std::size_t live = 0;
  std::map<std::uint32_t, std::size_t> free_slots;
  for (std::uint32_t i = 1; i < arena_.pages(); ++i) {
    const Arena::Page& page = arena_.page(i);
    if (page.slot == 0 || page.slot == Arena::segment_bytes) continue;
    std::size_t taken = page.slots;
    for (Ref free = page.free; free != 0; free = arena_.at<Entry>(free)->deadline.load(std::memory_order_relaxed))
      --taken;
    CHECK(taken == page.taken);
    if (page.detached) continue;
    free_slots[page.slot] += page.slots - taken;
    for (std::uint32_t s = 0; s < page.slots; ++s) {
      if ((arena_.at<Entry>(arena_.first(i) + s * page.slot / 8)->flags() & Entry::live) != 0) ++live;
    }
  }
  CHECK(live == entries_);
  for (const auto& [slot, count] : free_slots) CHECK(count == arena_.free(slot));
}

}  // namespace chaveiro::cache
