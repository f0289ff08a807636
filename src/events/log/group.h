// events/log/group.h
//
// A subscription of one topic, shared by its consumers: who gets what, what is in flight, what comes again and when, what is done.
// It decides; reading the messages is the caller's work (log_subscription.cpp), so that nobody waits for a disk under its lock.
//
// One slot for each message between the oldest that is not done and the newest that was read. A key that has messages in flight or
// waiting stays with its consumer (key_shared); messages of a consumer that goes come again in order before anything newer.
//
// Threads: one caller at a time (wrap in Guarded).
// Time:    O(1) a message, O(log n) for those that come again.
#pragma once

#include <deque>
#include <map>
#include <queue>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "events/bus.h"
#include "events/log/partition.h"

namespace chaveiro::events::log {

// What is kept of a subscription over a restart: everything below `base` is done, and these ranges [first, end) above it.
struct Cursor {
  std::uint64_t base = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> done;
  bool operator==(const Cursor&) const = default;
};

struct Place {
  std::uint32_t partition = 0;
  std::uint64_t offset = 0;
  auto operator<=>(const Place&) const = default;
};

class Group {
 public:
  using MemberId = std::uint32_t;
  static constexpr std::size_t window_max = 200'000;  // slots of one partition; beyond it nothing new is read

  Group(SubscriptionType type, std::vector<Cursor> cursors);

  // Errors: conflict "SubscriptionTaken".
  Result<MemberId> join(const SubscribeOptions& options);
  // What it holds comes again, at once.
  void leave(MemberId member, SteadyTime now);
  std::size_t members() const { return members_.size(); }
  SubscriptionType type() const { return type_; }
  std::uint64_t epoch() const { return epoch_; }

  // Messages for this member that were given out before; they are in flight from now on.
  std::vector<Received> take(MemberId member, std::size_t max, SteadyTime now);
  bool has_ready(MemberId member) const;

  // What shall be read next for this member: places whose time has come, then the end of a partition. A place or partition is given
  // to one caller until put() or unread(). Nothing: there is nothing to read, or the member waits for another one.
  struct Want {
    MemberId member = 0;
    std::uint64_t epoch = 0;
    std::vector<Place> again;   // these, in order; or
    std::optional<Place> from;  // from here on
    bool nothing() const { return again.empty() && !from; }
  };
  Want want(MemberId member, std::span<const std::unique_ptr<Partition>> partitions, SteadyTime now, UtcTime utc);
  // What was read: what lies behind `from`, or the messages of `again` in any order. Those whose time has not come wait for it;
  // outdated ones are dropped, and of `again` those that are not there any more count as done.
  void put(const Want& want, std::vector<std::pair<Place, Stored>> messages, SteadyTime now, UtcTime utc);
  // It could not be read: to be tried again at `when`.
  void unread(const Want& want, SteadyTime when);

  void ack(std::uint32_t partition, std::uint64_t offset, std::uint64_t epoch);
  void ack_up_to(std::uint32_t partition, std::uint64_t offset, std::uint64_t epoch);
  void nack(std::uint32_t partition, std::uint64_t offset, std::uint64_t epoch, SteadyTime due);

  // Forgets what is in flight and goes on from these.
  void seek(std::vector<Cursor> cursors);

  // The next moment at which something comes again.
  std::optional<SteadyTime> wakes_at() const;
  std::vector<Cursor> cursors() const;
  std::uint64_t done_below(std::uint32_t partition) const { return sources_[partition].base; }
  Lag lag(std::span<const std::unique_ptr<Partition>> partitions) const;
  // Grows with everything that a cursor would show.
  std::uint64_t changes() const { return changes_; }

 private:
  enum class State : std::uint8_t { waiting, being_read, ready, in_flight, done };
  struct Slot {
    State state = State::being_read;
    bool counted = false;  // in keys_
    std::uint16_t redeliveries = 0;
    std::uint32_t turn = 0;  // what waits in due_ for an earlier turn is void
    MemberId member = 0;
    std::uint64_t key_hash = 0;
  };
  struct Source {
    std::uint64_t base = 0;  // offset of the first slot
    std::deque<Slot> slots;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> done_before;  // from the cursor, not yet read
    std::uint64_t done = 0;                                            // slots
    bool being_read = false;
    std::uint64_t next() const { return base + slots.size(); }
  };
  struct Member {
    std::deque<Received> ready;
    std::size_t queue_max = 1'000;
    Micros ack_timeout{0};
    std::size_t in_flight = 0;
  };
  struct Due {
    SteadyTime when;
    Place place;
    std::uint32_t turn = 0;
    auto operator<=>(const Due&) const = default;
  };
  struct KeyHolder {
    MemberId member = 0;
    std::uint32_t slots = 0;
  };

  Slot* slot(Place place);
  Slot* slot(Place place, std::uint64_t epoch);
  MemberId member_for(MemberId asking, std::uint64_t key_hash, bool has_key) const;
  void give(MemberId asking, Place place, Slot& slot, Stored stored, SteadyTime now, UtcTime utc);
  void append(const Want& want, Place place, Stored stored, SteadyTime now, UtcTime utc);
  void wait(Place place, Slot& slot, SteadyTime due);
  void free_key(Slot& slot);
  void let_go(Slot& slot);
  void finish(Source& source, Slot& slot);
  void advance(Source& source);
  bool anybody_full() const;
  std::vector<Place> due_now(SteadyTime now);

  const SubscriptionType type_;
  std::vector<Source> sources_;
  std::map<MemberId, Member> members_;  // in the order in which they came
  MemberId last_member_ = 0;
  std::uint64_t epoch_ = 1;
  std::uint64_t changes_ = 0;
  std::uint32_t next_partition_ = 0;
  std::unordered_map<std::uint64_t, KeyHolder> keys_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
};

}  // namespace chaveiro::events::log
