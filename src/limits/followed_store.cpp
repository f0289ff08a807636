#include "limits/followed_store.h"

#include <algorithm>
#include <functional>
#include <unordered_map>

namespace chaveiro::limits {
namespace {
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
}  // namespace

struct FollowedStore::Used {
  std::string key;
  std::shared_ptr<const Terms> terms;
  std::int64_t cost = 0;
};

struct FollowedStore::Stripe {
  struct Contents {
    std::unordered_map<std::string, Used, TextHash, std::equal_to<>> used;  // since the last round
    bool away = false;
  };
  Guarded<Contents> contents;
};

FollowedStore::FollowedStore(FollowedStoreOptions options, Store& shared, const Clock& clock)
    : options_(options),
      shared_(shared),
      clock_(clock),
      own_(options.own, clock),
      stripes_(std::make_unique<std::array<Stripe, stripes>>()),
      answered_(clock.steady()) {}
FollowedStore::~FollowedStore() = default;

FollowedStore::Stripe& FollowedStore::stripe_of(std::string_view key) const {
  return (*stripes_)[(std::uint64_t{std::hash<std::string_view>{}(key)} >> 40) % stripes];
}

void FollowedStore::note(const Ask& ask) {
  stripe_of(ask.key).contents.with([&](Stripe::Contents& it) {
    auto known = it.used.find(ask.key);
    if (known == it.used.end()) {
      if (it.used.size() >= options_.told_max / stripes) return;
      known = it.used.try_emplace(std::string(ask.key), Used{std::string(ask.key), nullptr, 0}).first;
    }
    Used& used = known->second;
    if (used.terms.get() != ask.terms) used.terms = ask.terms->shared_from_this();
    used.cost = std::clamp(used.cost + std::clamp(ask.cost, -units_max, units_max), -units_max, units_max);
  });
}

Result<Verdict> FollowedStore::take(std::span<const Ask> asks, Mode mode, Deadline deadline) {
  if (!asks.empty() && stripe_of(asks[0].key).contents.with([](const Stripe::Contents& it) { return it.away; })) {
    if (mode == Mode::take) note({asks[0].key, asks[0].terms, 0});  // so that the next round asks whether it is back
    return fail(Code::unavailable, "StoreAway", "the store that all processes share does not answer");
  }
  TRY(Verdict verdict, own_.take(asks, mode, deadline));
  if (mode == Mode::peek || (mode == Mode::take && !verdict.allowed)) return verdict;
  for (std::size_t i = 0; i < asks.size(); ++i)
    if (asks[i].terms->limit.algorithm != Algorithm::concurrency &&
        (mode == Mode::force || verdict.decisions[i].allowed))
      note(asks[i]);
  return verdict;
}

Result<void> FollowedStore::reset(std::string_view key, Deadline deadline) {
  TRY_VOID(shared_.reset(key, deadline));
  stripe_of(key).contents.with([&](Stripe::Contents& it) {
    if (const auto known = it.used.find(key); known != it.used.end()) it.used.erase(known);
  });
  return own_.reset(key, deadline);
}

// What was used here since it was told is not in the shared bucket yet.
void FollowedStore::follow(const Used& used, const Decision& shared) {
  stripe_of(used.key).contents.with([&](Stripe::Contents& it) {
    const auto since = it.used.find(used.key);
    const std::int64_t untold = since == it.used.end() ? 0 : since->second.cost;
    Ask ask{used.key, used.terms.get(), 0};
    const auto here = own_.take({&ask, 1}, Mode::peek, Deadline::never());
    if (!here) return;
    const Decision& own = here->decisions[0];
    ask.cost = (own.limit - own.count) - (shared.limit - shared.count - untold);
    if (ask.cost > 0) static_cast<void>(own_.take({&ask, 1}, Mode::force, Deadline::never()));
  });
}

void FollowedStore::failed(std::vector<Used>& all, std::size_t from, const Error& error) {
  // What may have arrived is not told again: told twice, it would refuse without reason.
  constexpr std::size_t round_trip = 64;
  if (error.code == Code::maybe_applied) from += round_trip;
  for (std::size_t i = from; i < all.size(); ++i) note({all[i].key, all[i].terms.get(), all[i].cost});
  if (clock_.steady() - *answered_.lock() > options_.patience) set_away(true);
}

void FollowedStore::set_away(bool away) {
  for (Stripe& stripe : *stripes_) stripe.contents.with([&](Stripe::Contents& it) { it.away = away; });
}

Result<void> FollowedStore::hear_of_resets(Deadline deadline) {
  TRY(const Resets resets, shared_.resets(*resets_heard_.lock(), deadline));
  for (const std::string& key : resets.keys) TRY_VOID(own_.reset(key, deadline));
  *resets_heard_.lock() = resets.mark;
  if (resets.mark != 0) set_away(false);
  return {};
}

Result<std::size_t> FollowedStore::run_once(Deadline deadline) {
  constexpr std::size_t round_trip = 64;
  std::vector<Used> all;
  // Before anything is told: what was used since a reset is then taken off both sides.
  if (const auto heard = hear_of_resets(deadline); !heard) {
    failed(all, 0, heard.error());
    return heard.error();
  }
  for (Stripe& stripe : *stripes_)
    stripe.contents.with([&](Stripe::Contents& it) {
      for (auto& [key, used] : it.used) all.push_back(std::move(used));
      it.used.clear();
    });
  for (std::size_t from = 0; from < all.size(); from += round_trip) {
    const std::size_t to = std::min(all.size(), from + round_trip);
    std::vector<Ask> asks;
    for (std::size_t i = from; i < to; ++i) asks.push_back({all[i].key, all[i].terms.get(), all[i].cost});
    const auto verdict = shared_.take(asks, Mode::force, deadline);
    if (!verdict) {
      failed(all, from, verdict.error());
      return verdict.error();
    }
    for (std::size_t i = from; i < to; ++i) {
      follow(all[i], verdict->decisions[i - from]);
      // Once more next time: others may tell of the same bucket in this round, but after us.
      if (all[i].cost != 0) note({all[i].key, all[i].terms.get(), 0});
    }
  }
  *answered_.lock() = clock_.steady();
  if (!all.empty()) set_away(false);
  return all.size();
}

}  // namespace chaveiro::limits
