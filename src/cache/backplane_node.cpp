#include "cache/backplane_node.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace chaveiro::cache {

using Kind = BackplaneAction::Kind;

std::string_view to_string(DropReason reason) {
  switch (reason) {
    case DropReason::gap:
      return "gap";
    case DropReason::restart:
      return "restart";
    case DropReason::missed:
      return "missed";
    case DropReason::deaf:
      return "deaf";
    case DropReason::silent:
      return "silent";
    case DropReason::crowded:
      return "crowded";
  }
  return "gap";
}

BackplaneNode::BackplaneNode(BackplaneOptions options, std::uint64_t publisher, std::uint64_t epoch)
    : options_(options), publisher_(publisher), epoch_(epoch), levels_suspect_(!options.clean_start) {
  CHECK(options_.beat_interval > Micros{0} && options_.silence_max >= 2 * options_.beat_interval);
}

std::vector<Bulletin> BackplaneNode::news(std::span<const Invalidation> invalidations) {
  std::vector<Bulletin> all;
  for (Invalidation one : invalidations) {
    if (one.name.size() > bulletin_text_max) one = {.what = Invalidation::What::everything, .cache = one.cache};
    if (all.empty() || all.back().lines.size() == bulletin_lines_max)
      all.push_back(
          {.kind = Bulletin::Kind::news, .publisher = publisher_, .epoch = epoch_, .owes = owes_, .serial = beats_});
    const std::uint64_t sequence = ++own_[one.cache];
    all.back().lines.push_back({sequence, std::move(one)});
  }
  return all;
}

Bulletin BackplaneNode::numbers(Bulletin::Kind kind) const {
  Bulletin bulletin{.kind = kind, .publisher = publisher_, .epoch = epoch_, .owes = owes_, .serial = beats_};
  for (const auto& [id, one] : publishers_) {
    if (!one.gone && !one.known_from_others && bulletin.peers.size() < bulletin_peers_max) bulletin.peers.push_back(id);
  }
  for (const auto& [cache, sequence] : own_) bulletin.lines.push_back({sequence, {.cache = cache}});
  return bulletin;
}

Bulletin BackplaneNode::goodbye() { return numbers(Bulletin::Kind::goodbye); }

void BackplaneNode::drop(BackplaneActions& todo, DropReason reason, Levels levels, std::string cache) {
  ++figures_.drops;
  BackplaneAction action{.kind = levels == Levels::drop ? Kind::drop_levels : Kind::drop, .reason = reason};
  action.invalidation.cache = std::move(cache);
  todo.push_back(std::move(action));
}

void BackplaneNode::distrust(BackplaneActions& todo, DropReason reason, SteadyTime now) {
  if (!trusting_ && now < drop_due_) return;
  if (std::exchange(levels_on_, false)) todo.push_back({.kind = Kind::levels_off});
  trusting_ = false;
  if (reason == DropReason::silent) levels_suspect_ = true;
  drop(todo, reason, Levels::keep);
  drop_due_ = now + options_.distrust_interval;
}

bool BackplaneNode::is_deaf(SteadyTime now) const {
  return echo_sent_ == SteadyTime::min() || now - echo_sent_ > options_.silence_max;
}

// Whether we may trust now, and what must go where we may not.
void BackplaneNode::judge(BackplaneActions& todo, SteadyTime now) {
  if (is_deaf(now)) {
    if (!options_.replays) missed_ = true;
    hearing_ = false;
    return distrust(todo, DropReason::deaf, now);
  }
  if (!std::exchange(hearing_, true)) hearing_since_ = now;
  for (auto it = publishers_.begin(); it != publishers_.end();) {
    const Publisher& one = it->second;
    if (one.known_from_others && now > one.awaited_until) {
      it = publishers_.erase(it);
      continue;
    }
    if (!one.known_from_others && options_.forget_after > Micros{0} && now - one.heard_at > options_.forget_after) {
      if (!one.gone) drop(todo, DropReason::silent, Levels::drop);
      it = publishers_.erase(it);
      continue;
    }
    const SteadyTime since = now - options_.silence_max;
    if (!one.gone && one.alive_at < since) {
      // It may just not have spoken again since we hear.
      const bool is_silent = one.alive_at >= hearing_since_ || hearing_since_ < since;
      return distrust(todo, is_silent ? DropReason::silent : DropReason::deaf, now);
    }
    ++it;
  }
  if (!trusting_) trust(todo);
}

// What was taken in before we heard again may be older than what we missed; what is taken in from now on is not.
void BackplaneNode::trust(BackplaneActions& todo) {
  for (const auto& [id, one] : publishers_) levels_suspect_ |= one.owes;
  if (missed_ || levels_suspect_) drop(todo, DropReason::missed, levels_suspect_ ? Levels::drop : Levels::keep);
  missed_ = levels_suspect_ = false;
  trusting_ = levels_on_ = true;
  todo.push_back({.kind = Kind::levels_on});
}

BackplaneActions BackplaneNode::connected(std::span<const std::uint64_t> members, SteadyTime now) {
  BackplaneActions todo;
  if (!options_.replays) first_serial_ = beats_ + 1;
  beat_due_ = SteadyTime::min();
  const Micros patience = options_.forget_after > Micros{0} ? options_.forget_after : Micros{std::chrono::hours{24}};
  for (const std::uint64_t member : members) hear_of(member, now + patience, todo);
  return todo;
}

BackplaneActions BackplaneNode::lost(SteadyTime now) {
  if (options_.replays) return {};
  return missed(now);
}

BackplaneActions BackplaneNode::missed(SteadyTime now) {
  BackplaneActions todo;
  missed_ = true;
  first_serial_ = beats_ + 1;
  echo_sent_ = SteadyTime::min();
  distrust(todo, DropReason::missed, now);
  return todo;
}

void BackplaneNode::echoed(const Bulletin& beat, SteadyTime now, BackplaneActions& todo) {
  if (beat.kind != Bulletin::Kind::beat || beat.epoch != epoch_ || beat.serial < first_serial_) return;
  const auto sent = on_their_way_.find(beat.serial);
  if (sent == on_their_way_.end()) return;
  echo_sent_ = std::max(echo_sent_, sent->second);
  figures_.echo = std::chrono::duration_cast<Micros>(now - sent->second);
  on_their_way_.erase(on_their_way_.begin(), std::next(sent));
  judge(todo, now);
}

BackplaneNode::Publisher& BackplaneNode::enrol(std::uint64_t id, BackplaneActions& todo) {
  const auto known = publishers_.find(id);
  if (known != publishers_.end()) return known->second;
  if (publishers_.size() >= options_.publishers_max) {
    publishers_.erase(std::ranges::min_element(publishers_, {}, [](const auto& one) { return one.second.heard_at; }));
    drop(todo, DropReason::crowded, Levels::drop);
  }
  return publishers_[id];
}

void BackplaneNode::hear_of(std::uint64_t peer, SteadyTime until, BackplaneActions& todo) {
  if (peer == publisher_) return;
  if (!publishers_.contains(peer)) enrol(peer, todo).known_from_others = true;
  Publisher& named = publishers_[peer];
  if (named.known_from_others) named.awaited_until = std::max(named.awaited_until, until);
}

BackplaneActions BackplaneNode::heard(const Bulletin& bulletin, SteadyTime now) {
  BackplaneActions todo;
  if (bulletin.publisher == publisher_) {
    echoed(bulletin, now, todo);
    return todo;
  }
  const bool is_new = !publishers_.contains(bulletin.publisher);
  Publisher& from = enrol(bulletin.publisher, todo);
  if (is_new || from.known_from_others) {
    from = {.epoch = bulletin.epoch, .last = {}, .heard_at = now};
  } else if (bulletin.epoch != from.epoch) {
    // Nobody knows what it said last. A late word of the life before costs a second drop, and no more.
    if (!from.gone) {
      ++figures_.restarts;
      drop(todo, DropReason::restart, Levels::drop);
    }
    from = {.epoch = bulletin.epoch, .last = {}, .heard_at = now};
  }
  from.heard_at = now;
  from.alive_at = std::max(from.alive_at, echo_sent_);
  from.owes = bulletin.owes;
  take(from, bulletin, todo);
  // Only once its numbers are settled: a goodbye that shows a gap has just been mended.
  from.gone = bulletin.kind == Bulletin::Kind::goodbye;
  for (const std::uint64_t peer : bulletin.peers) hear_of(peer, now + 2 * options_.silence_max, todo);
  if (!trusting_) judge(todo, now);
  return todo;
}

void BackplaneNode::take(Publisher& from, const Bulletin& bulletin, BackplaneActions& todo) {
  const bool is_news = bulletin.kind == Bulletin::Kind::news;
  for (const Bulletin::Line& line : bulletin.lines) {
    std::uint64_t& last = from.last[line.invalidation.cache];
    const std::uint64_t expected = is_news ? last + 1 : last;
    if (line.sequence > expected) {
      ++figures_.gaps;
      drop(todo, DropReason::gap, bulletin.owes ? Levels::drop : Levels::keep, line.invalidation.cache);
    } else if (is_news && line.sequence == expected) {
      ++figures_.applied;
      todo.push_back({.kind = Kind::apply, .bulletin = {}, .invalidation = line.invalidation});
    } else if (is_news) {
      ++figures_.repeated;
    }
    last = std::max(last, line.sequence);
  }
}

BackplaneActions BackplaneNode::tick(SteadyTime now) {
  BackplaneActions todo;
  if (now >= beat_due_) {
    ++beats_;
    todo.push_back({.kind = Kind::publish, .bulletin = numbers(Bulletin::Kind::beat)});
    on_their_way_[beats_] = now;
    if (on_their_way_.size() > 64) on_their_way_.erase(on_their_way_.begin());
    beat_due_ = now + options_.beat_interval;
  }
  judge(todo, now);
  return todo;
}

SteadyTime BackplaneNode::wakes_at() const {
  SteadyTime at = beat_due_;
  if (!trusting_) return std::min(at, drop_due_);
  at = std::min(at, echo_sent_ + options_.silence_max);
  for (const auto& [id, one] : publishers_) {
    if (!one.gone) at = std::min(at, one.alive_at + options_.silence_max);
  }
  return at;
}

}  // namespace chaveiro::cache
