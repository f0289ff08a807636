#include "events/inbox.h"

#include <algorithm>
#include <map>
#include <set>

namespace chaveiro::events {
namespace {

using KeyOf = std::pair<std::string, std::string>;  // subscription, aggregate or key
using EventOf = std::pair<std::string, Uuid>;       // subscription, event

class MemoryInbox final : public Inbox {
 public:
  Result<Standing> standing(const std::string& subscription, const DomainEvent& event, Deadline) override {
    const auto state = state_.lock();
    Standing standing;
    if (const auto found = state->versions.find({subscription, event.aggregate_id}); found != state->versions.end())
      standing.applied = found->second;
    standing.seen = state->ids.contains({subscription, event.event_id});
    return standing;
  }

  Result<bool> mark(const Mark& mark, Deadline) override {
    auto state = state_.lock();
    if (mark.version == 0) return state->ids.emplace(EventOf{mark.subscription, mark.event_id}, mark.at).second;
    std::uint64_t& applied = state->versions[{mark.subscription, mark.aggregate_id}];
    if (applied >= mark.version) return false;
    applied = mark.version;
    return true;
  }

  Result<std::uint64_t> forget_ids(UtcTime before, Deadline) override {
    auto state = state_.lock();
    return std::erase_if(state->ids, [&](const auto& id) { return id.second < before; });
  }

 private:
  struct State {
    std::map<KeyOf, std::uint64_t> versions;
    std::map<EventOf, UtcTime> ids;
  };
  Guarded<State> state_;
};

class MemoryOfConsumers final : public ConsumerMemory {
 public:
  Result<std::uint32_t> begin_try(const std::string& subscription, const Uuid& event, Deadline) override {
    return ++state_.lock()->tries[{subscription, event}].count;
  }
  Result<void> failed(const std::string& subscription, const Uuid& event, const Attempt& attempt, Deadline) override {
    state_.lock()->tries[{subscription, event}].attempts.push_back(attempt);
    return {};
  }
  Result<std::vector<Attempt>> attempts(const std::string& subscription, const Uuid& event, Deadline) override {
    const auto state = state_.lock();
    const auto found = state->tries.find({subscription, event});
    return found == state->tries.end() ? std::vector<Attempt>() : found->second.attempts;
  }
  Result<void> forget_tries(const std::string& subscription, const Uuid& event, Deadline) override {
    state_.lock()->tries.erase({subscription, event});
    return {};
  }
  Result<void> set_dead(const std::string& subscription, const std::string& key, const Uuid& event, Deadline) override {
    state_.lock()->dead[{subscription, key}] = event;
    return {};
  }
  Result<bool> revive(const std::string& subscription, const std::string& key, const Uuid& event, Deadline) override {
    auto state = state_.lock();
    const auto found = state->dead.find({subscription, key});
    if (found == state->dead.end() || found->second != event) return false;
    state->dead.erase(found);
    return true;
  }
  Result<KeyState> key_state(const std::string& subscription, const std::string& key, Deadline) override {
    const auto state = state_.lock();
    if (state->dead.contains({subscription, key})) return KeyState::dead;
    return state->parked.contains({subscription, key}) ? KeyState::waiting_for_gap : KeyState::free;
  }
  Result<void> park(const Parked& parked, Deadline) override {
    auto state = state_.lock();
    auto& row = state->parked[{parked.subscription, parked.key}];
    if (std::any_of(row.begin(), row.end(), [&](const Parked& one) { return one.event_id == parked.event_id; }))
      return {};
    row.push_back(parked);
    row.back().number = ++state->number;
    return {};
  }
  Result<std::vector<Parked>> parked(const std::string& subscription, const std::string& key, std::size_t limit,
                                     Deadline) override {
    const auto state = state_.lock();
    const auto found = state->parked.find({subscription, key});
    if (found == state->parked.end()) return std::vector<Parked>();
    const auto count = static_cast<std::ptrdiff_t>(std::min(limit, found->second.size()));
    return std::vector<Parked>(found->second.begin(), found->second.begin() + count);
  }
  Result<void> unpark(const std::string& subscription, const std::string& key, const Uuid& event, Deadline) override {
    auto state = state_.lock();
    const auto found = state->parked.find({subscription, key});
    if (found == state->parked.end()) return {};
    std::erase_if(found->second, [&](const Parked& one) { return one.event_id == event; });
    if (found->second.empty()) state->parked.erase(found);
    return {};
  }
  Result<std::vector<ParkedKey>> parked_keys(const std::string& subscription, std::size_t limit, Deadline) override {
    const auto state = state_.lock();
    std::map<std::string, ParkedKey> keys;
    for (const auto& [of, event] : state->dead)
      if (of.first == subscription) keys[of.second].dead = true;
    for (const auto& [of, row] : state->parked) {
      if (of.first != subscription) continue;
      keys[of.second].events = row.size();
      keys[of.second].since = row.front().since;
    }
    std::vector<ParkedKey> found;
    for (auto& [key, parked] : keys) {
      if (found.size() == limit) break;
      parked.key = key;
      found.push_back(parked);
    }
    return found;
  }

 private:
  struct Tries {
    std::uint32_t count = 0;
    std::vector<Attempt> attempts;
  };
  struct State {
    std::map<EventOf, Tries> tries;
    std::map<KeyOf, Uuid> dead;
    std::map<KeyOf, std::vector<Parked>> parked;
    std::uint64_t number = 0;
  };
  Guarded<State> state_;
};

}  // namespace

Mark mark_of(std::string_view subscription, const DomainEvent& event, UtcTime at) {
  return {std::string(subscription), event.event_id, event.aggregate_id, event.version, at};
}

std::string_view to_string(Arrival arrival) {
  switch (arrival) {
    case Arrival::next:
      return "next";
    case Arrival::duplicate:
      return "duplicate";
    case Arrival::missing:
      return "missing";
  }
  return "";
}

Arrival arrival_of(const DomainEvent& event, std::uint64_t applied, bool seen) {
  if (event.version == 0) return seen ? Arrival::duplicate : Arrival::next;
  if (event.version <= applied) return Arrival::duplicate;
  return event.previous_version <= applied ? Arrival::next : Arrival::missing;
}

std::unique_ptr<Inbox> memory_inbox() { return std::make_unique<MemoryInbox>(); }
std::unique_ptr<ConsumerMemory> memory_consumer_memory() { return std::make_unique<MemoryOfConsumers>(); }

}  // namespace chaveiro::events
