#include "cache/far.h"

#include <algorithm>

namespace chaveiro::cache {
namespace {

Error skipped() { return fail(Code::unavailable, "LevelSkipped", "the level is passed over for a while"); }

// A refusal that says nothing about the level's health.
bool is_the_callers(Code code) { return code == Code::invalid || code == Code::cancelled; }

}  // namespace

Far::Far(Level level, Tier& tier, FarOptions options, std::string prefix, Codec codec, const Clock& clock, Logger log,
         LevelMetrics& metrics)
    : level_(level),
      tier_(tier),
      options_(options),
      options_prefix_(std::move(prefix)),
      codec_(std::move(codec)),
      clock_(clock),
      log_(std::move(log)),
      metrics_(metrics),
      circuit_({options.failures_max, options.pause, options.pause_max}) {}

template <class Call>
auto Far::ask(Deadline deadline, Call call) -> decltype(call(deadline)) {
  if (deadline.expired()) return fail(Code::deadline, "Deadline", "no time left for the level");
  const SteadyTime begin = clock_.steady();
  if (!circuit_.allows(begin)) {
    metrics_.skipped.add();
    return skipped();
  }
  const Deadline capped = options_.budget > Micros{0} ? deadline.capped(options_.budget) : deadline;
  auto answer = call(capped);
  metrics_.latency.record(clock_.steady() - begin);
  if (answer) {
    circuit_.succeeded();
  } else if (is_the_callers(answer.error().code) ||
             (answer.error().code == Code::deadline && capped == deadline && options_.budget > Micros{0})) {
    circuit_.undecided();
  } else {
    failed(answer.error());
  }
  return answer;
}

void Far::failed(const Error& error) {
  metrics_.errors.add();
  const bool before = circuit_.is_open();
  circuit_.failed(clock_.steady());
  if (!before && circuit_.is_open())
    log_.warn("cache level is passed over for a while",
              {{"level", to_string(level_)}, {"kind", tier_.kind()}, {"error", error}});
}

std::optional<Far::Found> Far::opened(std::string_view key, TierValue value) {
  auto opened = codec_.open(key, value.bytes);
  if (!opened.ok) {
    metrics_.damaged.add();
    return std::nullopt;
  }
  Envelope& envelope = opened.envelope;
  const bool distrusted = owed_.with([&](const Owed& owed) {
    return std::ranges::any_of(envelope.tags, [&](const std::string& tag) { return owed.tags.contains(tag); });
  });
  if (distrusted) {
    metrics_.skipped.add();
    return std::nullopt;
  }
  Found found;
  found.fresh_left = value.ttl_left - envelope.keep_stale;
  found.keep_left = value.ttl_left;
  // The level may have kept it for less than its whole time; its own clock says how much was left when it came.
  found.age = std::max(Micros{0}, envelope.fresh_for - found.fresh_left);
  found.envelope = std::move(envelope);
  return found;
}

bool Far::believes(std::string_view full_key) const {
  return owed_.with([&](const Owed& owed) { return owed.everything == 0 && !owed.keys.contains(full_key); });
}

std::optional<Far::Found> Far::get(std::string_view key, Deadline deadline) {
  const std::string name = full(key);
  settle(deadline);
  if (!believes(name)) {
    metrics_.skipped.add();
    return std::nullopt;
  }
  auto value = ask(deadline, [&](Deadline capped) { return tier_.get(name, capped); });
  std::optional<Found> found;
  if (value && *value) found = opened(name, std::move(**value));
  (found && found->fresh_left > Micros{0} ? metrics_.hits : metrics_.misses).add();
  return found;
}

std::vector<std::optional<Far::Found>> Far::get_many(std::span<const std::string> keys, Deadline deadline) {
  std::vector<std::optional<Found>> all(keys.size());
  settle(deadline);
  for (std::size_t from = 0; from < keys.size(); from += tier_batch_max) {
    const auto part = keys.subspan(from, std::min(tier_batch_max, keys.size() - from));
    std::vector<std::string> names;
    names.reserve(part.size());
    for (const std::string& key : part) names.push_back(full(key));
    auto values = ask(deadline, [&](Deadline capped) { return tier_.get_many(names, capped); });
    if (!values || values->size() != names.size()) {
      metrics_.misses.add(part.size());
      continue;
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      auto& found = all[from + i];
      if ((*values)[i] && believes(names[i])) found = opened(names[i], std::move(*(*values)[i]));
      (found && found->fresh_left > Micros{0} ? metrics_.hits : metrics_.misses).add();
    }
  }
  return all;
}

Far::Put Far::put(std::string_view key, const Envelope& envelope, Micros fresh, As as, Deadline deadline) {
  const std::string name = full(key);
  if (options_.ttl_max > Micros{0}) fresh = std::min(fresh, options_.ttl_max);
  const auto sealed = codec_.seal(name, envelope);
  settle(deadline);
  if (owed_.with([](const Owed& owed) { return owed.everything != 0; })) {
    metrics_.skipped.add();
    return Put::failed;  // whatever it holds goes before it is read again
  }
  const std::uint64_t begin = owed_.with([](const Owed& owed) { return owed.last; });
  auto stored = [&]() -> Result<TierStored> {
    if (!sealed) return sealed.error();
    return ask(deadline, [&](Deadline capped) {
      return tier_.put({.key = name,
                        .bytes = *sealed,
                        .ttl = fresh + envelope.keep_stale,
                        .version = envelope.version,
                        .tags = envelope.tags},
                       capped);
    });
  }();
  if (!stored) {
    if (as == As::write) note(key);
    return Put::failed;
  }
  owed_.with([&](Owed& owed) { Owed::paid(owed.keys, name, begin); });
  return *stored == TierStored::superseded ? Put::superseded : Put::stored;
}

void Far::Owed::add(Debts& to, std::string name, std::size_t most) {
  if (everything != 0) return owe_everything();
  to[std::move(name)] = ++last;
  if (keys.size() + tags.size() > most) owe_everything();
}

void Far::Owed::owe_everything() {
  everything = ++last;
  keys.clear();
  tags.clear();
}

void Far::Owed::cleared(std::uint64_t until) {
  if (everything <= until) everything = 0;
  const auto paid = [&](const auto& debt) { return debt.second <= until; };
  std::erase_if(keys, paid);
  std::erase_if(tags, paid);
}

void Far::Owed::paid(Debts& of, std::string_view name, std::uint64_t until) {
  if (const auto debt = of.find(name); debt != of.end() && debt->second <= until) of.erase(debt);
}

void Far::note(std::string_view key) {
  owed_.with([&](Owed& owed) { owed.add(owed.keys, full(key), options_.owed_max); });
}

bool Far::erase(std::string_view key, std::uint64_t version, Deadline deadline) {
  const std::string name = full(key);
  const std::uint64_t begin = owed_.with([](const Owed& owed) { return owed.last; });
  if (!ask(deadline, [&](Deadline capped) { return tier_.erase(name, version, capped); })) {
    note(key);
    return false;
  }
  owed_.with([&](Owed& owed) { Owed::paid(owed.keys, name, begin); });
  return true;
}

bool Far::erase_tag(std::string_view tag, Deadline deadline) {
  if (ask(deadline, [&](Deadline capped) { return tier_.erase_tag(tag, capped); })) return true;
  owe_tag(tag);
  return false;
}

void Far::owe_tag(std::string_view tag) {
  owed_.with([&](Owed& owed) { owed.add(owed.tags, std::string(tag), options_.owed_max); });
}

void Far::owe_everything() {
  owed_.with([](Owed& owed) { owed.owe_everything(); });
}

bool Far::clear(Deadline deadline) {
  const std::uint64_t begin = owed_.with([](const Owed& owed) { return owed.last; });
  const bool done = ask(deadline, [&](Deadline capped) { return tier_.clear(capped); }).has_value();
  owed_.with([&](Owed& owed) { done ? owed.cleared(begin) : owed.owe_everything(); });
  return done;
}

bool Far::settle(Deadline deadline) {
  // A step: at most one call to the level, by one caller at a time.
  enum class Step : std::uint8_t { nothing, busy, all, keys, tag };
  std::vector<std::string> keys;
  std::string tag;
  std::uint64_t begin = 0;
  const Step step = owed_.with([&](Owed& owed) {
    if (!owed.any()) return Step::nothing;
    if (owed.settling) return Step::busy;
    owed.settling = true;
    begin = owed.last;
    if (owed.everything != 0) return Step::all;
    if (!owed.tags.empty()) return tag = owed.tags.begin()->first, Step::tag;
    for (auto key = owed.keys.begin(); key != owed.keys.end() && keys.size() < 100; ++key) keys.push_back(key->first);
    return Step::keys;
  });
  if (step == Step::nothing) return true;
  if (step == Step::busy) return false;
  const auto done = ask(deadline, [&](Deadline capped) -> Result<void> {
    if (step == Step::all) return tier_.clear(capped);
    if (step == Step::tag) return tier_.erase_tag(tag, capped);
    return tier_.erase_many(keys, capped);
  });
  return owed_.with([&](Owed& owed) {
    owed.settling = false;
    if (!done) return false;
    if (step == Step::all) owed.cleared(begin);
    if (step == Step::tag) Owed::paid(owed.tags, tag, begin);
    for (const std::string& key : keys) Owed::paid(owed.keys, key, begin);
    return !owed.any();
  });
}

std::size_t Far::owed() const {
  return owed_.with(
      [](const Owed& owed) { return owed.everything != 0 ? SIZE_MAX : owed.keys.size() + owed.tags.size(); });
}

}  // namespace chaveiro::cache
