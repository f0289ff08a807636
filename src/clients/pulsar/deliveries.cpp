#include "clients/pulsar/deliveries.h"

#include <algorithm>
#include <utility>

namespace chaveiro::clients::pulsar {
namespace {

constexpr std::uint32_t bits = 64;

bool is_left(std::span<const std::int64_t> set, std::uint32_t index) {
  if (set.empty()) return true;
  const std::size_t word = index / bits;
  return word < set.size() && (static_cast<std::uint64_t>(set[word]) >> (index % bits) & 1) != 0;
}

}  // namespace

std::vector<std::uint32_t> Deliveries::arrived(EntryId id, std::uint32_t count, std::span<const std::int64_t> left,
                                               std::uint32_t redeliveries) {
  std::vector<std::uint32_t> given;
  const auto [found, fresh] = entries_.try_emplace(id);
  Entry& entry = found->second;
  if (fresh) {
    entry.messages.resize(count);
    entry.left = count;
  }
  entry.redeliveries = std::max(entry.redeliveries, redeliveries);
  for (std::uint32_t i = 0; i < std::min<std::size_t>(count, entry.messages.size()); ++i) {
    Message& message = entry.messages[i];
    if (message.state != State::done && !is_left(left, i)) {
      message.state = State::done;
      --entry.left;
    }
    if (message.state == State::awaited || (fresh && message.state == State::waiting)) {
      message.state = State::waiting;
      given.push_back(i);
    }
  }
  if (entry.left == 0 && !entry.acked) {
    near_ = entries_.end();
    entries_.erase(found);
  }
  return given;
}

Deliveries::Entry* Deliveries::find(EntryId id) {
  if (near_ == entries_.end() || near_->first != id) near_ = entries_.find(id);
  return near_ == entries_.end() ? nullptr : &near_->second;
}

Deliveries::Message* Deliveries::find(Slot slot) {
  Entry* const entry = find(slot.entry);
  return entry == nullptr || slot.index >= entry->messages.size() ? nullptr : &entry->messages[slot.index];
}

void Deliveries::taken(Slot slot, std::optional<SteadyTime> until) {
  Message* const message = find(slot);
  if (message == nullptr || (message->state != State::waiting && message->state != State::awaited)) return;
  message->state = State::taken;
  ++message->turn;
  if (until) due_.push({*until, slot, message->turn});
}

std::uint32_t Deliveries::redeliveries(Slot slot) const {
  const auto found = entries_.find(slot.entry);
  return found == entries_.end() ? 0 : found->second.redeliveries;
}

std::size_t Deliveries::with_application() const {
  std::size_t count = 0;
  for (const auto& [id, entry] : entries_)
    count += static_cast<std::size_t>(std::count_if(entry.messages.begin(), entry.messages.end(),
                                                    [](const Message& it) { return it.state == State::taken; }));
  return count;
}

void Deliveries::finish(EntryId id, Entry& entry, Message& message) {
  if (message.state == State::done) return;
  message.state = State::done;
  --entry.left;
  if (!std::exchange(entry.acked, true)) acked_.insert(id);
}

void Deliveries::ack(Slot slot) {
  if (Message* const message = find(slot)) finish(slot.entry, *find(slot.entry), *message);
}

void Deliveries::ack_up_to(Slot slot) {
  for (auto& [id, entry] : entries_) {
    if (id > slot.entry) break;
    for (std::uint32_t i = 0; i < entry.messages.size(); ++i)
      if (id < slot.entry || i <= slot.index) finish(id, entry, entry.messages[i]);
  }
}

void Deliveries::nack(Slot slot, SteadyTime when) {
  Message* const message = find(slot);
  if (message == nullptr || message->state != State::taken) return;
  message->state = State::refused;
  due_.push({when, slot, ++message->turn});
}

std::vector<wire::MessageIdData> Deliveries::acks() {
  std::vector<wire::MessageIdData> told;
  for (const EntryId& id : acked_) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) continue;
    Entry& entry = found->second;
    entry.acked = false;
    wire::MessageIdData& one = told.emplace_back();
    one.ledger_id = id.ledger;
    one.entry_id = id.entry;
    if (entry.left == 0) {
      near_ = entries_.end();
      entries_.erase(found);
      continue;
    }
    one.ack_set.resize((entry.messages.size() + bits - 1) / bits);
    one.batch_size = static_cast<std::int32_t>(entry.messages.size());
    for (std::uint32_t i = 0; i < entry.messages.size(); ++i) {
      if (entry.messages[i].state == State::done) continue;
      std::int64_t& word = one.ack_set[i / bits];
      word = static_cast<std::int64_t>(static_cast<std::uint64_t>(word) | std::uint64_t{1} << (i % bits));
    }
  }
  acked_.clear();
  return told;
}

std::vector<EntryId> Deliveries::due(SteadyTime now) {
  std::set<EntryId> found;
  while (!due_.empty() && due_.top().when <= now) {
    const Due due = due_.top();
    due_.pop();
    Message* const message = find(due.slot);
    if (message == nullptr || message->turn != due.turn) continue;
    if (message->state != State::taken && message->state != State::refused) continue;
    message->state = State::awaited;
    found.insert(due.slot.entry);
  }
  for (const EntryId& id : found) ++entries_.find(id)->second.redeliveries;
  return {found.begin(), found.end()};
}

std::optional<SteadyTime> Deliveries::wakes_at() const {
  if (due_.empty()) return std::nullopt;
  return due_.top().when;
}

void Deliveries::queue_lost() {
  for (auto& [id, entry] : entries_)
    for (Message& message : entry.messages)
      if (message.state == State::waiting) message.state = State::awaited;
}

void Deliveries::clear() {
  near_ = entries_.end();
  entries_.clear();
  acked_.clear();
  due_ = {};
}

}  // namespace chaveiro::clients::pulsar
