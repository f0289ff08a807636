#include "cache/map_tier.h"

#include <algorithm>

namespace chaveiro::cache {
namespace {

Error lost_answer() { return fail(Code::maybe_applied, "AnswerLost", "the level's answer was lost"); }

Result<void> within_bounds(const TierPut& put) {
  if (put.key.empty() || put.key.size() > tier_key_max) return fail_field("key", "1 to 512 bytes", "CacheKey");
  if (put.bytes.size() > tier_value_max) return fail_field("bytes", "at most 16 MiB", "CacheValue");
  if (put.tags.size() > tier_tags_max) return fail_field("tags", "at most 16", "CacheTags");
  return {};
}

}  // namespace

void MapTier::set_fault(Fault fault) {
  state_.with([&](State& state) { state.fault = fault; });
  state_.notify_all();
}

void MapTier::overwrite(std::string_view key, std::string bytes) {
  state_.with([&](State& state) {
    if (const auto found = state.entries.find(key); found != state.entries.end())
      found->second.bytes = std::move(bytes);
  });
}

std::optional<std::string> MapTier::raw(std::string_view key) const {
  const auto state = state_.lock();
  const auto found = state->entries.find(key);
  if (found == state->entries.end() || found->second.is_fence) return std::nullopt;
  return found->second.bytes;
}

Result<void> MapTier::admit(Deadline deadline, bool& lost, Kind kind) {
  if (deadline.expired()) return fail(Code::deadline, "Deadline", "no time left for the level");
  auto state = state_.lock();
  Calls& calls = state->calls;
  ++(kind == Kind::read ? calls.gets : calls.puts);
  switch (state->fault) {
    case Fault::none:
      return {};
    case Fault::dead:
      return fail(Code::unavailable, "LevelDown", "the level is down");
    case Fault::hung:
      if (!state.wait(deadline, [](const State& now) { return now.fault != Fault::hung; }))
        return fail(Code::deadline, "Deadline", "the level did not answer in time");
      return {};
    case Fault::loses_answer:
      if (kind == Kind::read) return fail(Code::unavailable, "AnswerLost", "the level's answer was lost");
      lost = true;
      return {};
  }
  return {};
}

std::optional<TierValue> MapTier::look_up(State& state, std::string_view key) const {
  const auto found = state.entries.find(key);
  if (found == state.entries.end() || found->second.is_fence) return std::nullopt;
  const Entry& entry = found->second;
  const auto left = std::chrono::duration_cast<Micros>(entry.until - clock_.steady());
  if (left <= Micros{0}) {
    drop(state, key);
    return std::nullopt;
  }
  return TierValue{entry.bytes, left, entry.stored_at, entry.version};
}

void MapTier::drop(State& state, std::string_view key) {
  const auto found = state.entries.find(key);
  if (found == state.entries.end()) return;
  for (const std::string& tag : found->second.tags) {
    const auto tagged = state.tagged.find(tag);
    tagged->second.erase(found->first);
    if (tagged->second.empty()) state.tagged.erase(tagged);
  }
  state.order.erase(found->second.place);
  state.entries.erase(found);
}

MapTier::Entry& MapTier::place(State& state, std::string_view key) const {
  drop(state, key);
  while (!state.order.empty() && state.entries.size() >= options_.entries_max)
    drop(state, std::string(state.order.front()));
  Entry& entry = state.entries[std::string(key)];
  entry.place = state.order.insert(state.order.end(), std::string(key));
  return entry;
}

TierStored MapTier::store(State& state, const TierPut& put) const {
  if (put.era != 0 && put.era != state.era) return TierStored::superseded;
  const auto found = state.entries.find(put.key);
  if (found != state.entries.end() && put.version != 0 && found->second.version > put.version &&
      found->second.until > clock_.steady())
    return TierStored::superseded;
  if (put.ttl <= Micros{0} || options_.entries_max == 0) {
    drop(state, put.key);
    return TierStored::stored;
  }
  Entry& entry = place(state, put.key);
  entry.bytes = put.bytes;
  entry.until = clock_.steady() + put.ttl;
  entry.stored_at = clock_.now();
  entry.version = put.version;
  for (const std::string& tag : put.tags) {
    if (state.tagged[tag].insert(std::string(put.key)).second) entry.tags.push_back(tag);
  }
  return TierStored::stored;
}

void MapTier::fence(State& state, std::string_view key, std::uint64_t version) const {
  const auto found = state.entries.find(key);
  if (version == 0) return drop(state, key);
  if (found != state.entries.end() && found->second.version > version) return;
  if (options_.entries_max == 0) return;
  Entry& entry = place(state, key);
  entry.is_fence = true;
  entry.version = version;
  entry.until = clock_.steady() + fence_time;
}

Result<std::optional<TierValue>> MapTier::get(std::string_view key, Deadline deadline) {
  bool lost = false;
  TRY_VOID(admit(deadline, lost, Kind::read));
  return look_up(*state_.lock(), key);
}

Result<std::vector<std::optional<TierValue>>> MapTier::get_many(std::span<const std::string> keys, Deadline deadline) {
  bool lost = false;
  TRY_VOID(admit(deadline, lost, Kind::read));
  const auto state = state_.lock();
  std::vector<std::optional<TierValue>> found;
  found.reserve(keys.size());
  for (const std::string& key : keys) found.push_back(look_up(*state, key));
  return found;
}

Result<TierStored> MapTier::put(const TierPut& put, Deadline deadline) {
  TRY(const std::vector<TierStored> stored, put_many({&put, 1}, deadline));
  return stored.front();
}

Result<std::vector<TierStored>> MapTier::put_many(std::span<const TierPut> puts, Deadline deadline) {
  for (const TierPut& put : puts) TRY_VOID(within_bounds(put));
  bool lost = false;
  TRY_VOID(admit(deadline, lost, Kind::write));
  std::vector<TierStored> stored;
  {
    const auto state = state_.lock();
    for (const TierPut& put : puts) stored.push_back(store(*state, put));
  }
  if (lost) return lost_answer();
  return stored;
}

Result<void> MapTier::erase(std::string_view key, std::uint64_t version, Deadline deadline) {
  bool lost = false;
  TRY_VOID(admit(deadline, lost, Kind::write));
  state_.with([&](State& state) { ++state.calls.erases, fence(state, key, version); });
  return lost ? Result<void>(lost_answer()) : Result<void>();
}

Result<void> MapTier::erase_many(std::span<const std::string> keys, Deadline deadline) {
  bool lost = false;
  TRY_VOID(admit(deadline, lost, Kind::write));
  state_.with([&](State& state) {
    ++state.calls.erases;
    for (const std::string& key : keys) drop(state, key);
  });
  return lost ? Result<void>(lost_answer()) : Result<void>();
}

Result<void> MapTier::erase_tag(std::string_view tag, Deadline deadline) {
  bool lost = false;
  TRY_VOID(admit(deadline, lost, Kind::write));
  state_.with([&](State& state) {
    ++state.calls.erases;
    const auto tagged = state.tagged.find(tag);
    if (tagged == state.tagged.end()) return;
    const std::set<std::string> keys = tagged->second;
    for (const std::string& key : keys) drop(state, key);
  });
  return lost ? Result<void>(lost_answer()) : Result<void>();
}

Result<void> MapTier::clear(Deadline deadline) {
  bool lost = false;
  TRY_VOID(admit(deadline, lost, Kind::write));
  State old;
  state_.with([&](State& state) {
    ++state.calls.erases, ++state.era;
    std::swap(old.entries, state.entries);
    std::swap(old.order, state.order);
    std::swap(old.tagged, state.tagged);
  });
  return lost ? Result<void>(lost_answer()) : Result<void>();
}

}  // namespace chaveiro::cache
