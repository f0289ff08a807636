#include "limits/leased_store.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace chaveiro::limits {

struct LeasedStore::Share {
  const Terms* terms = nullptr;         // those under which it was taken
  std::shared_ptr<const Terms> keeps;   // them, alive
  std::shared_ptr<const Terms> behind;  // the same with the smaller capacity
  std::int64_t tokens = 0;
  SteadyTime until{};
  std::int64_t left_behind = 0;  // what the store had left when it was asked last
};

namespace {
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
}  // namespace

struct alignas(64) LeasedStore::Stripe {
  struct Contents {
    std::unordered_map<std::string, Share, TextHash, std::equal_to<>> shares;
  };
  Guarded<Contents> contents;
};

namespace {
// Threads get them by turns, as they come.
std::size_t lane_of_this_thread(std::size_t lanes) {
  static Guarded<std::size_t> threads(0);
  thread_local const std::size_t mine = threads.with([](std::size_t& it) { return it++; });
  return mine % lanes;
}
constexpr std::int64_t share_of_lane_min = 64;
}  // namespace

LeasedStore::LeasedStore(LeasedStoreOptions options, Store& behind, const Clock& clock)
    : options_(options),
      behind_(behind),
      clock_(clock),
      stripes_(std::make_unique<std::array<Stripe, stripes * lanes>>()),
      capacity_of_lanes_(share_of_lane_min * std::int64_t{lanes} * 200 * std::max<std::int64_t>(1, options.nodes_max)) {
}
LeasedStore::~LeasedStore() = default;

std::size_t LeasedStore::lane_of(const Terms& terms) const {
  return terms.numbers.capacity < capacity_of_lanes_ ? 0 : lane_of_this_thread(lanes);
}

LeasedStore::Stripe& LeasedStore::stripe_of(std::string_view key, std::size_t lane) const {
  return (*stripes_)[lane * stripes + (std::uint64_t{std::hash<std::string_view>{}(key)} >> 40) % stripes];
}

std::int64_t LeasedStore::share_of(const Terms& terms) const {
  if (terms.lease == Lease::no) return 0;
  const std::int64_t share = terms.numbers.capacity / 200 / std::max<std::int64_t>(1, options_.nodes_max);
  return share < 2 ? 0 : share;
}

std::int64_t LeasedStore::share_of_lane(const Terms& terms) const {
  const std::int64_t share = share_of(terms);
  return terms.numbers.capacity < capacity_of_lanes_ ? share : share / std::int64_t{lanes};
}

bool LeasedStore::from_share(const Ask& ask, Decision& decision) {
  if (ask.terms->lease == Lease::no || ask.cost < 0) return false;
  return stripe_of(ask.key, lane_of(*ask.terms)).contents.with([&](Stripe::Contents& it) {
    const auto found = it.shares.find(ask.key);
    if (found == it.shares.end()) return false;
    Share& share = found->second;
    if (share.terms != ask.terms || share.tokens < ask.cost || share.until <= clock_.steady()) return false;
    share.tokens -= ask.cost;
    decision = {.allowed = true,
                .limit = ask.terms->numbers.capacity,
                .remaining = share.left_behind + share.tokens,
                .count = ask.terms->numbers.capacity - share.left_behind - share.tokens};
    return true;
  });
}

Result<Verdict> LeasedStore::take(std::span<const Ask> asks, Mode mode, Deadline deadline) {
  if (mode == Mode::take && asks.size() == 1) {
    Verdict verdict{.allowed = true, .decisions = std::vector<Decision>(1)};
    if (from_share(asks[0], verdict.decisions[0])) return verdict;
  }
  return ask_behind(asks, mode, deadline);
}

// Every ask goes to the store behind; a leased one asks for a whole share, if there is room for that, and keeps the rest.
Result<Verdict> LeasedStore::ask_behind(std::span<const Ask> asks, Mode mode, Deadline deadline) {
  std::vector<Ask> behind(asks.begin(), asks.end());
  std::vector<std::shared_ptr<const Terms>> smaller(asks.size());
  std::vector<std::int64_t> extra(asks.size(), 0);
  for (std::size_t i = 0; i < asks.size(); ++i) {
    const std::int64_t share = share_of(*asks[i].terms);
    if (share == 0) continue;
    const auto full = stripe_of(asks[i].key, lane_of(*asks[i].terms)).contents.with([&](Stripe::Contents& it) {
      if (const auto known = it.shares.find(asks[i].key);
          known != it.shares.end() && known->second.terms == asks[i].terms)
        smaller[i] = known->second.behind;
      return it.shares.size() >= options_.shares_max / stripes;
    });
    if (!smaller[i]) {
      Limit limit = asks[i].terms->limit;
      limit.burst = asks[i].terms->numbers.capacity - share * options_.nodes_max;
      TRY(smaller[i], make_terms(asks[i].terms->rule, limit, asks[i].terms->on_change));
      if (full) continue;
    }
    behind[i].terms = smaller[i].get();
    const std::int64_t mine = share_of_lane(*asks[i].terms);
    if (mode == Mode::take && asks[i].cost >= 0 && asks[i].cost < mine) extra[i] = mine - asks[i].cost;
  }
  for (std::size_t i = 0; i < asks.size(); ++i) {
    if (smaller[i]) behind[i].terms = smaller[i].get();
    behind[i].cost += extra[i];
  }
  TRY(Verdict verdict, behind_.take(behind, mode, deadline));
  const bool wanted_more = std::any_of(extra.begin(), extra.end(), [](auto it) { return it > 0; });
  if (!verdict.allowed && wanted_more) {  // no room for whole shares: perhaps for the calls themselves
    for (std::size_t i = 0; i < asks.size(); ++i) behind[i].cost = asks[i].cost;
    std::fill(extra.begin(), extra.end(), 0);
    TRY(verdict, behind_.take(behind, mode, deadline));
  }
  if (!verdict.allowed) return verdict;
  for (std::size_t i = 0; i < asks.size(); ++i) {
    if (extra[i] == 0) continue;
    const std::int64_t surplus =
        stripe_of(asks[i].key, lane_of(*asks[i].terms)).contents.with([&](Stripe::Contents& it) {
          Share& share = it.shares[std::string(asks[i].key)];
          const SteadyTime now = clock_.steady();
          std::int64_t too_much = 0;
          if (share.terms != asks[i].terms || share.until <= now)  // of an old rule, or ended
            too_much = std::exchange(share.tokens, 0);
          // Two callers may have fetched at once: together they hold no more than one share.
          const std::int64_t kept = std::min(extra[i], share_of_lane(*asks[i].terms) - share.tokens);
          too_much += extra[i] - kept;
          share.tokens += kept;
          share.terms = asks[i].terms;
          share.keeps = asks[i].terms->shared_from_this();
          share.behind = smaller[i];
          share.until = now + options_.lease_time;
          share.left_behind = verdict.decisions[i].remaining;
          return too_much;
        });
    if (surplus > 0) {
      const Ask back{asks[i].key, smaller[i].get(), -surplus};
      static_cast<void>(
          behind_.take({&back, 1}, Mode::force, deadline));  // else it is stranded until the bucket refills
    }
    verdict.decisions[i].remaining += extra[i];
    verdict.decisions[i].count -= extra[i];
    verdict.decisions[i].limit = asks[i].terms->numbers.capacity;
  }
  return verdict;
}

Result<void> LeasedStore::reset(std::string_view key, Deadline deadline) {
  for (std::size_t lane = 0; lane < lanes; ++lane)
    stripe_of(key, lane).contents.with([&](Stripe::Contents& it) {
      if (const auto known = it.shares.find(key); known != it.shares.end()) it.shares.erase(known);
    });
  return behind_.reset(key, deadline);
}

std::int64_t LeasedStore::give_back(Deadline deadline) {
  std::int64_t sum = 0;
  for (Stripe& stripe : *stripes_) {
    std::vector<std::pair<std::string, Share>> ended;
    stripe.contents.with([&](Stripe::Contents& it) {
      for (auto share = it.shares.begin(); share != it.shares.end();) {
        if (share->second.until > clock_.steady()) {
          ++share;
          continue;
        }
        if (share->second.tokens > 0) ended.emplace_back(share->first, std::move(share->second));
        share = it.shares.erase(share);
      }
    });
    for (auto& [key, share] : ended) {
      const Ask back{key, share.behind.get(), -share.tokens};
      // What cannot be given back is stranded until the bucket has refilled.
      if (behind_.take({&back, 1}, Mode::force, deadline)) sum += share.tokens;
    }
  }
  return sum;
}

std::int64_t LeasedStore::held() const {
  std::int64_t sum = 0;
  for (const Stripe& stripe : *stripes_)
    stripe.contents.with([&](const Stripe::Contents& it) {
      for (const auto& [key, share] : it.shares) sum += share.tokens;
    });
  return sum;
}

}  // namespace chaveiro::limits
