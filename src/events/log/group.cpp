#include "events/log/group.h"

#include <algorithm>
#include <functional>
#include <limits>

namespace chaveiro::events::log {
namespace {

constexpr std::size_t again_max = 1'000;

bool contains(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& ranges, std::uint64_t offset) {
  const auto behind = std::upper_bound(ranges.begin(), ranges.end(), offset,
                                       [](std::uint64_t value, const auto& range) { return value < range.first; });
  return behind != ranges.begin() && offset < std::prev(behind)->second;
}

}  // namespace

Group::Group(SubscriptionType type, std::vector<Cursor> cursors) : type_(type) { seek(std::move(cursors)); }

Result<Group::MemberId> Group::join(const SubscribeOptions& options) {
  if (options.type != type_ && !members_.empty())
    return fail(Code::conflict, "SubscriptionTaken",
                "the subscription has consumers of type " + std::string(to_string(type_)) + "; this one wants another");
  if (type_ == SubscriptionType::exclusive && !members_.empty())
    return fail(Code::conflict, "SubscriptionTaken", "the subscription is exclusive and has its consumer");
  Member& member = members_[++last_member_];
  member.queue_max = std::max<std::size_t>(options.queue_max, 1);
  member.ack_timeout = options.ack_timeout;
  return last_member_;
}

void Group::leave(MemberId member, SteadyTime now) {
  if (members_.erase(member) == 0) return;
  for (std::uint32_t p = 0; p < sources_.size(); ++p) {
    for (std::size_t i = 0; i < sources_[p].slots.size(); ++i) {
      Slot& slot = sources_[p].slots[i];
      if (slot.member != member || slot.state == State::done || slot.state == State::being_read) continue;
      free_key(slot);
      slot.member = 0;
      if (slot.state == State::waiting) continue;
      if (slot.state == State::in_flight) ++slot.redeliveries;
      wait({p, sources_[p].base + i}, slot, now);
    }
  }
}

std::vector<Received> Group::take(MemberId member, std::size_t max, SteadyTime now) {
  std::vector<Received> taken;
  const auto found = members_.find(member);
  if (found == members_.end()) return taken;
  Member& it = found->second;
  while (taken.size() < max && !it.ready.empty()) {
    Received received = std::move(it.ready.front());
    it.ready.pop_front();
    const Place place{static_cast<std::uint32_t>(received.delivery.id.partition), received.delivery.id.entry};
    Slot* const its = slot(place);
    if (its == nullptr || its->state != State::ready || its->member != member) continue;
    its->state = State::in_flight;
    received.redeliveries = its->redeliveries;
    ++it.in_flight;
    if (it.ack_timeout > Micros{0}) due_.push({now + it.ack_timeout, place, ++its->turn});
    taken.push_back(std::move(received));
  }
  return taken;
}

bool Group::has_ready(MemberId member) const {
  const auto found = members_.find(member);
  return found != members_.end() && !found->second.ready.empty();
}

bool Group::anybody_full() const {
  return std::any_of(members_.begin(), members_.end(),
                     [](const auto& member) { return member.second.ready.size() >= member.second.queue_max; });
}

std::vector<Place> Group::due_now(SteadyTime now) {
  std::vector<Place> again;
  while (!due_.empty() && due_.top().when <= now && again.size() < again_max) {
    const Due due = due_.top();
    due_.pop();
    Slot* const its = slot(due.place);
    if (its == nullptr || its->turn != due.turn) continue;
    if (its->state == State::in_flight) {  // nobody acknowledged it in time
      let_go(*its);
      ++its->redeliveries;
    } else if (its->state != State::waiting) {
      continue;
    }
    its->state = State::being_read;
    again.push_back(due.place);
  }
  std::sort(again.begin(), again.end());
  return again;
}

Group::Want Group::want(MemberId member, std::span<const std::unique_ptr<Partition>> partitions, SteadyTime now,
                        UtcTime) {
  Want want{member, epoch_, {}, {}};
  const bool one_at_a_time = type_ == SubscriptionType::exclusive || type_ == SubscriptionType::failover;
  if (!members_.contains(member) || (one_at_a_time && members_.begin()->first != member)) return want;
  want.again = due_now(now);
  if (!want.again.empty() || anybody_full()) return want;
  for (std::uint32_t tried = 0; tried < sources_.size(); ++tried) {
    const std::uint32_t p = next_partition_++ % static_cast<std::uint32_t>(sources_.size());
    Source& source = sources_[p];
    if (source.being_read || source.slots.size() >= window_max || source.next() >= partitions[p]->end()) continue;
    source.being_read = true;
    want.from = Place{p, source.next()};
    break;
  }
  return want;
}

Group::MemberId Group::member_for(MemberId asking, std::uint64_t key_hash, bool has_key) const {
  if (type_ != SubscriptionType::key_shared || !has_key) return members_.contains(asking) ? asking : 0;
  if (const auto holder = keys_.find(key_hash); holder != keys_.end() && members_.contains(holder->second.member))
    return holder->second.member;
  if (members_.empty()) return 0;
  return std::next(members_.begin(), static_cast<std::ptrdiff_t>((key_hash >> 16) % members_.size()))->first;
}

void Group::give(MemberId asking, Place place, Slot& slot, Stored stored, SteadyTime now, UtcTime utc) {
  if (stored.message.deliver_at && *stored.message.deliver_at > utc)
    return wait(place, slot, now + (*stored.message.deliver_at - utc));
  const bool has_key = !stored.message.key.empty();
  slot.key_hash = has_key ? std::hash<std::string>{}(stored.message.key) : 0;
  const MemberId member = member_for(asking, slot.key_hash, has_key);
  if (member == 0) return wait(place, slot, now);
  slot.member = member;
  slot.state = State::ready;
  if (has_key && type_ == SubscriptionType::key_shared && !slot.counted) {
    KeyHolder& holder = keys_[slot.key_hash];
    holder.member = member;
    ++holder.slots;
    slot.counted = true;
  }
  Received received;
  received.delivery = {0, {static_cast<std::int32_t>(place.partition), 0, place.offset, -1}, epoch_};
  received.message = std::move(stored.message);
  received.published_at = stored.at;
  members_.find(member)->second.ready.push_back(std::move(received));
}

void Group::append(const Want& want, Place place, Stored stored, SteadyTime now, UtcTime utc) {
  Source& source = sources_[place.partition];
  if (place.offset < source.next()) return;
  while (source.next() < place.offset) {  // no longer kept
    source.slots.emplace_back().state = State::done;
    ++source.done;
  }
  Slot& fresh = source.slots.emplace_back();
  if (contains(source.done_before, place.offset)) {
    fresh.state = State::done;
    ++source.done;
    return;
  }
  give(want.member, place, fresh, std::move(stored), now, utc);
}

void Group::put(const Want& want, std::vector<std::pair<Place, Stored>> messages, SteadyTime now, UtcTime utc) {
  if (want.epoch != epoch_) return;
  if (want.from) {
    sources_[want.from->partition].being_read = false;
    for (auto& [place, stored] : messages) append(want, place, std::move(stored), now, utc);
    return advance(sources_[want.from->partition]);
  }
  for (auto& [place, stored] : messages) {
    Slot* const its = slot(place);
    if (its != nullptr && its->state == State::being_read) give(want.member, place, *its, std::move(stored), now, utc);
  }
  for (const Place& place : want.again) {
    Slot* const its = slot(place);
    if (its != nullptr && its->state == State::being_read) finish(sources_[place.partition], *its);
  }
}

void Group::unread(const Want& want, SteadyTime when) {
  if (want.epoch != epoch_) return;
  if (want.from) sources_[want.from->partition].being_read = false;
  for (const Place& place : want.again)
    if (Slot* const its = slot(place); its != nullptr && its->state == State::being_read) wait(place, *its, when);
}

Group::Slot* Group::slot(Place place) {
  if (place.partition >= sources_.size()) return nullptr;
  Source& source = sources_[place.partition];
  if (place.offset < source.base || place.offset >= source.next()) return nullptr;
  return &source.slots[place.offset - source.base];
}

Group::Slot* Group::slot(Place place, std::uint64_t epoch) { return epoch == epoch_ ? slot(place) : nullptr; }

void Group::wait(Place place, Slot& slot, SteadyTime due) {
  slot.state = State::waiting;
  due_.push({due, place, ++slot.turn});
}

void Group::free_key(Slot& slot) {
  if (!slot.counted) return;
  slot.counted = false;
  const auto holder = keys_.find(slot.key_hash);
  if (holder != keys_.end() && --holder->second.slots == 0) keys_.erase(holder);
}

void Group::let_go(Slot& slot) {
  if (slot.state != State::in_flight) return;
  if (const auto member = members_.find(slot.member); member != members_.end()) --member->second.in_flight;
}

void Group::finish(Source& source, Slot& slot) {
  if (slot.state == State::done) return;
  let_go(slot);
  free_key(slot);
  slot.state = State::done;
  ++source.done;
  advance(source);
}

void Group::advance(Source& source) {
  ++changes_;
  while (!source.slots.empty() && source.slots.front().state == State::done) {
    source.slots.pop_front();
    ++source.base;
    --source.done;
  }
  auto& ranges = source.done_before;
  while (!ranges.empty() && ranges.front().second <= source.base) ranges.erase(ranges.begin());
}

void Group::ack(std::uint32_t partition, std::uint64_t offset, std::uint64_t epoch) {
  if (Slot* const its = slot({partition, offset}, epoch)) finish(sources_[partition], *its);
}

void Group::ack_up_to(std::uint32_t partition, std::uint64_t offset, std::uint64_t epoch) {
  if (epoch != epoch_ || partition >= sources_.size()) return;
  Source& source = sources_[partition];
  while (!source.slots.empty() && source.base <= offset) finish(source, source.slots.front());
}

void Group::nack(std::uint32_t partition, std::uint64_t offset, std::uint64_t epoch, SteadyTime due) {
  Slot* const its = slot({partition, offset}, epoch);
  if (its == nullptr || its->state != State::in_flight) return;
  let_go(*its);
  ++its->redeliveries;
  wait({partition, offset}, *its, due);
}

void Group::seek(std::vector<Cursor> cursors) {
  ++epoch_;
  ++changes_;
  keys_.clear();
  due_ = {};
  for (auto& [id, member] : members_) {
    member.ready.clear();
    member.in_flight = 0;
  }
  sources_.assign(cursors.size(), {});
  for (std::size_t p = 0; p < cursors.size(); ++p) {
    sources_[p].base = cursors[p].base;
    sources_[p].done_before = std::move(cursors[p].done);
  }
}

std::optional<SteadyTime> Group::wakes_at() const {
  if (due_.empty()) return std::nullopt;
  return due_.top().when;
}

std::vector<Cursor> Group::cursors() const {
  std::vector<Cursor> made;
  for (const Source& source : sources_) {
    Cursor& cursor = made.emplace_back();
    cursor.base = source.base;
    const auto add = [&](std::uint64_t first, std::uint64_t end) {
      if (!cursor.done.empty() && cursor.done.back().second == first) {
        cursor.done.back().second = end;
      } else {
        cursor.done.emplace_back(first, end);
      }
    };
    if (source.done > 0) {
      for (std::size_t i = 0; i < source.slots.size(); ++i)
        if (source.slots[i].state == State::done) add(source.base + i, source.base + i + 1);
    }
    for (const auto& [first, end] : source.done_before)
      if (end > source.next()) add(std::max(first, source.next()), end);
  }
  return made;
}

Lag Group::lag(std::span<const std::unique_ptr<Partition>> partitions) const {
  Lag lag;
  for (std::size_t p = 0; p < sources_.size(); ++p) {
    const Source& source = sources_[p];
    const std::uint64_t end = std::max(partitions[p]->end(), source.next());
    std::uint64_t done = source.done;
    for (const auto& [first, behind] : source.done_before)
      if (behind > source.next()) done += behind - std::max(first, source.next());
    lag.messages +=
        end - std::max(source.base, std::min(partitions[p]->begin(), end)) - std::min(done, end - source.base);
  }
  for (const auto& [id, member] : members_) lag.in_flight += member.in_flight;
  return lag;
}

}  // namespace chaveiro::events::log
