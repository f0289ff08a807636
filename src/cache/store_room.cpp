// What makes room in a shard: weighing residents, throwing out those worth least.
#include <algorithm>
#include <chrono>
#include <thread>

#include "cache/store.h"

namespace chaveiro::cache {

Ref Store::allocate(std::size_t bytes, bool may_evict, const Epochs::Reader& writer) {
  const auto slot = static_cast<std::uint32_t>(bytes);
  for (int round = 0; round < 64; ++round) {
    if (const Ref ref = arena_.take(slot)) return ref;
    if (!cleared_.empty()) {
      empty_cleared(4);
      reclaim(true);
      continue;
    }
    if (!may_evict || !over(arena_.page_bytes())) {
      if (!arena_.open(slot)) return 0;
      continue;
    }
    if (Ref ref = 0; !wait_for_readers(slot, ref)) return ref;
    if (!over(arena_.page_bytes())) continue;
    // In the first rounds one for one; then, if the sizes do not fit, a whole page.
    bool some = false;
    if (round < 4) {
      for (std::size_t i = 0; i < batch(); ++i) some |= entries_ >= large ? evict_next(writer) : evict_one(writer);
    } else {
      some = evict_page(writer);
    }
    reclaim(true);
    if (!some && round > 8) return 0;
  }
  return 0;
}

// A reader that was interrupted inside holds back what was removed: let it go on. Throwing others out would give no room
// either, for it would hold them back too: rather this one put goes without. False: there is a slot, or none is to be had (0).
// Of one that stays (somebody holds a View) this costs two milliseconds once, not each time.
bool Store::wait_for_readers(std::uint32_t slot, Ref& ref) {
  for (int patience = 0; patience < 64 + 40; ++patience) {
    reclaim(true);
    ref = arena_.take(slot);
    if (ref != 0) return false;
    if (limbo_.empty() || !over(arena_.page_bytes())) return true;
    if (limbo_.front().stamp == waited_for_) return false;
    if (patience < 64)
      std::this_thread::yield();
    else
      std::this_thread::sleep_for(std::chrono::microseconds{50});
  }
  waited_for_ = limbo_.front().stamp;
  return false;
}

bool Store::valid(Ref ref) const {
  const std::uint32_t page = arena_.page_of(ref);
  if (page >= arena_.pages()) return false;
  const Arena::Page& at = arena_.page(page);
  if (at.slot == 0 || at.slot == Arena::segment_bytes || at.detached || (ref - arena_.first(page)) * 8 % at.slot != 0)
    return false;
  const std::uint32_t flags = arena_.at<Entry>(ref)->flags();
  return (flags & Entry::live) != 0 && (flags & Entry::pinned) == 0;
}

void Store::offer(Ref ref, float worth) {
  if (pooled_ == pool_max && worth >= pool_worst_) return;
  std::uint32_t most = 0;
  for (std::uint32_t i = 0; i < pooled_; ++i) {
    if (pool_[i].ref == ref) return void(pool_[i].worth = worth);
    if (pool_[i].worth > pool_[most].worth) most = i;
  }
  if (pooled_ < pool_max) {
    pool_[pooled_++] = {ref, worth};
  } else if (worth < pool_[most].worth) {
    pool_[most] = {ref, worth};
  }
  if (pooled_ < pool_max) return;
  pool_worst_ = 0;
  for (const Candidate& one : pool_) pool_worst_ = std::max(pool_worst_, one.worth);
}

void Store::refresh_pool() {
  std::uint32_t kept = 0;
  for (std::uint32_t i = 0; i < pooled_; ++i) {
    if (!valid(pool_[i].ref)) continue;
    const Entry& entry = *arena_.at<Entry>(pool_[i].ref);
    pool_[kept++] = {pool_[i].ref, worth(entry, entry.flags())};
  }
  pooled_ = kept;
}

// Weighs the next residents of an endless round over all pages, and tells the model what ages there are.
template <class Weighed>
void Store::look_around(const Epochs::Reader& writer, std::uint32_t count, Weighed weighed) {
  ReuseModel::Stripe& stripe = model_.stripe(writer);
  const std::uint32_t tick = tick_.load(std::memory_order_relaxed);
  const bool too_many = too_many_kept();
  std::uint32_t met_ghosts = 0;
  for (std::uint32_t i = 0; i < count / 2; ++i) {
    if (const auto ghost = ghosts_.next()) model_.met_ghost(*ghost, writer, stripe), ++met_ghosts;
  }
  const std::uint32_t wanted = count;
  for (std::uint32_t empty_pages = 0; count > 0 && empty_pages <= arena_.pages();) {
    if (hand_page_ >= arena_.pages()) hand_page_ = 1;
    const Arena::Page& page = arena_.page(hand_page_);
    if (page.slot == Arena::segment_bytes || page.detached || hand_slot_ >= page.slots) {
      ++hand_page_;
      ++empty_pages;
      hand_slot_ = 0;
      continue;
    }
    const Ref ref = arena_.first(hand_page_) + hand_slot_++ * page.slot / 8;
    Entry* entry = arena_.at<Entry>(ref);
    __builtin_prefetch(entry->at(std::size_t{page.slot} * 12));
    const std::uint32_t flags = entry->flags();
    if ((flags & Entry::live) == 0) continue;
    --count;
    model_.met(entry->use(flags), writer, stripe);
    if ((flags & Entry::pinned) != 0) continue;
    weighed(ref, entry->expired(flags, tick) ? -1.0F : worth(*entry, flags, too_many));
  }
  model_.met_in_all(wanted - count, met_ghosts, writer, stripe);
}

// What was weighed under the other policy counts no more.
void Store::heed_policy() {
  if (pool_keeping_ == model_.keeping()) return;
  pool_keeping_ = !pool_keeping_;
  pooled_ = 0;
  forget_chosen();
}

void Store::forget_chosen() {
  field_.clear();
  chosen_.clear();
  next_ = asked_ = lines_asked_ = 0;
}

// A put into a full cache, while it waits for its line of the index, throws one out for a later put.
void Store::make_room_ahead(std::uint32_t slot, const Epochs::Reader& writer) {
  if (entries_ < large || arena_.free(slot) + limbo_.size() >= batch() || !over(arena_.page_bytes())) return;
  evict_next(writer);
}

// In a large cache who goes is chosen for a batch, and then they go one by one. What is read of each then is asked of the memory some
// calls before.
bool Store::evict_next(const Epochs::Reader& writer) {
  heed_policy();
  if (next_ == chosen_.size()) choose(writer);
  for (; next_ != chosen_.size(); ++next_) {
    for (; asked_ != chosen_.size() && asked_ <= next_ + slots_ahead; ++asked_) prefetch_slot(chosen_[asked_].ref);
    for (; lines_asked_ != chosen_.size() && lines_asked_ <= next_ + lines_ahead; ++lines_asked_)
      prefetch_lines(chosen_[lines_asked_].ref);
    const Candidate one = chosen_[next_];
    if (!valid(one.ref)) continue;
    const Entry& entry = *arena_.at<Entry>(one.ref);
    const std::uint32_t flags = entry.flags();
    const bool expired = entry.expired(flags, tick_.load(std::memory_order_relaxed));
    if (!expired && worth(entry, flags, chosen_too_many_) > one.worth * 1.5F) continue;  // used since
    const std::uint64_t hash = hash_of(entry);
    if (!expired) ghosts_.add(hash, entry.use(flags), model_.now());
    unlink(one.ref, hash, expired ? Cause::expired : Cause::evicted);
    ++next_;
    return true;
  }
  return false;
}

// The least of those just weighed and of those that were left over. A batch is weighed under one order, too many kept or not, though what
// goes changes that.
void Store::choose(const Epochs::Reader& writer) {
  const std::size_t count = batch();
  chosen_too_many_ = too_many_kept();
  look_around(writer, static_cast<std::uint32_t>(count * sweep_large),
              [&](Ref ref, float worth) { field_.push_back({ref, worth}); });
  const auto less = [](const Candidate& a, const Candidate& b) { return a.worth < b.worth; };
  const auto place = [&](std::size_t at) {
    return field_.begin() + static_cast<std::ptrdiff_t>(std::min(at, field_.size()));
  };
  std::nth_element(field_.begin(), place(count), field_.end(), less);
  chosen_.assign(field_.begin(), place(count));
  field_.erase(field_.begin(), place(count));
  std::nth_element(field_.begin(), place(count), field_.end(), less);
  field_.erase(place(count), field_.end());
  next_ = asked_ = lines_asked_ = 0;
}

void Store::prefetch_slot(Ref ref) const {
  __builtin_prefetch(arena_.at<Entry>(ref));
  __builtin_prefetch(arena_.at<Entry>(ref)->at(47));
}

void Store::prefetch_lines(Ref ref) const {
  if (!valid(ref)) return;
  const std::uint64_t hash = hash_of(*arena_.at<Entry>(ref));
  index_.expect_change(hash << shard_bits_max);
  __builtin_prefetch(ghosts_.line(hash), 1);
}

bool Store::evict_one(const Epochs::Reader& writer) {
  if (entries_ == 0) return false;
  heed_policy();
  const bool small = entries_ < large;
  const auto weighed = [&](Ref ref, float worth) { offer(ref, worth); };
  look_around(writer, small ? sweep : sweep / 2, weighed);
  if (small) refresh_pool();
  for (std::uint32_t tries = 0; tries < 2 * pool_max; ++tries) {
    if (pooled_ == 0) look_around(writer, sweep, weighed);
    if (pooled_ == 0) return false;
    Candidate* const least = std::min_element(pool_, pool_ + pooled_,
                                              [](const Candidate& a, const Candidate& b) { return a.worth < b.worth; });
    const Candidate chosen = *least;
    *least = pool_[--pooled_];
    if (!valid(chosen.ref)) continue;
    const Entry& entry = *arena_.at<Entry>(chosen.ref);
    const std::uint32_t flags = entry.flags();
    const bool expired = entry.expired(flags, tick_.load(std::memory_order_relaxed));
    if (const float now = worth(entry, flags); !expired && now > chosen.worth * 1.5F && pooled_ > 0) {
      offer(chosen.ref, now);  // it was used since it was weighed
      continue;
    }
    const std::uint64_t hash = hash_of(entry);
    if (!expired) ghosts_.add(hash, entry.use(entry.flags()), model_.now());
    unlink(chosen.ref, hash, expired ? Cause::expired : Cause::evicted);
    return true;
  }
  return false;
}

// Sizes have shifted: the emptiest of a few pages is emptied for other sizes.
bool Store::evict_page(const Epochs::Reader& writer) {
  std::uint32_t best = 0;
  double best_share = 2;
  for (std::uint32_t i = 0, looked = 0; i < arena_.pages() && looked < 16; ++i) {
    if (++hand_page_ >= arena_.pages()) hand_page_ = 1;
    hand_slot_ = 0;
    const Arena::Page& page = arena_.page(hand_page_);
    if (page.slot == 0 || page.slot == Arena::segment_bytes || page.detached) continue;
    ++looked;
    const double share = static_cast<double>(page.taken) / page.slots;
    if (share < best_share) best_share = share, best = hand_page_;
  }
  if (best == 0) return false;
  bool some = false;
  const Arena::Page page = arena_.page(best);
  for (std::uint32_t i = 0; i < page.slots; ++i) {
    const Ref ref = arena_.first(best) + i * page.slot / 8;
    const Entry& entry = *arena_.at<Entry>(ref);
    const std::uint32_t flags = entry.flags();
    if ((flags & Entry::live) == 0 || (flags & Entry::pinned) != 0) continue;
    const std::uint64_t hash = hash_of(entry);
    ghosts_.add(hash, entry.use(entry.flags()), model_.now());
    unlink(ref, hash, Cause::evicted);
    some = true;
  }
  static_cast<void>(writer);
  return some;
}

}  // namespace chaveiro::cache
