// clients/pulsar/deliveries.h
//
// What a consumer of one partition holds of the broker's entries: which of their messages wait here, are with the application, were
// refused, or are done. It decides what is given on, acknowledged and asked for again; it talks to nobody.
//
// Threads: one caller at a time.
// Time:    O(log n) an entry, and O(1) for each message of the entry that was looked at before.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <queue>
#include <set>
#include <span>
#include <vector>

#include "base/clock.h"
#include "clients/pulsar/wire/messages.h"

namespace chaveiro::clients::pulsar {

struct EntryId {
  std::uint64_t ledger = 0, entry = 0;
  auto operator<=>(const EntryId&) const = default;
};
// A message: its entry and its place there; 0 where it is alone.
struct Slot {
  EntryId entry;
  std::uint32_t index = 0;
  auto operator<=>(const Slot&) const = default;
};

class Deliveries {
 public:
  Deliveries() = default;
  Deliveries(const Deliveries&) = delete;
  Deliveries& operator=(const Deliveries&) = delete;

  // An entry of `count` messages came; `left` is the broker's bit set of those that are not acknowledged (empty: all). Answers which of
  // them are to be given on; the others are here already, wait for their time, or are done.
  std::vector<std::uint32_t> arrived(EntryId entry, std::uint32_t count, std::span<const std::int64_t> left,
                                     std::uint32_t redeliveries = 0);
  // It is with the application from now on, which has until then to acknowledge it.
  void taken(Slot slot, std::optional<SteadyTime> until);
  // How often its entry came again, by the broker's count or by how often it was asked for here.
  std::uint32_t redeliveries(Slot slot) const;
  // Messages that the application has and neither acknowledged nor refused.
  std::size_t with_application() const;
  void ack(Slot slot);
  // Everything up to here.
  void ack_up_to(Slot slot);
  // To be asked for again at `when`.
  void nack(Slot slot, SteadyTime when);

  // What was acknowledged since the last call: whole entries, and of others the bit set of what is left.
  std::vector<wire::MessageIdData> acks();
  // Entries whose time has come: the broker shall send them again.
  std::vector<EntryId> due(SteadyTime now);
  std::optional<SteadyTime> wakes_at() const;

  // The connection is gone: what waits here comes again, what the application has does not.
  void queue_lost();
  void clear();
  std::size_t entries() const { return entries_.size(); }

 private:
  enum class State : std::uint8_t { waiting, taken, refused, awaited, done };
  struct Message {
    State state = State::waiting;
    std::uint32_t turn = 0;  // what lies in due_ for an earlier turn is void
  };
  struct Entry {
    std::vector<Message> messages;
    std::uint32_t left = 0;  // not done
    std::uint32_t redeliveries = 0;
    bool acked = false;  // in acked_
  };
  struct Due {
    SteadyTime when;
    Slot slot;
    std::uint32_t turn = 0;
    auto operator<=>(const Due&) const = default;
  };
  Entry* find(EntryId id);
  Message* find(Slot slot);
  void finish(EntryId id, Entry& entry, Message& message);

  std::map<EntryId, Entry> entries_;
  std::map<EntryId, Entry>::iterator near_ = entries_.end();  // the one that was looked at last
  std::set<EntryId> acked_;                                   // something of them was acknowledged, and not told yet
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
};

}  // namespace chaveiro::clients::pulsar
