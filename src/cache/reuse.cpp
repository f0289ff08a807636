#include "cache/reuse.h"

#include <algorithm>
#include <cmath>

namespace chaveiro::cache {
namespace {

constexpr double past = 0.98;           // its weight at each lesson
constexpr double lessons_per_turn = 4;  // lessons while as many requests pass as there are residents
constexpr std::uint64_t sweep_least = 48;

// Lower edge of a bin, in units of age.
double edge(std::uint32_t bin) { return (1 + (bin & 3) / 4.0) * std::exp2(bin >> 2) - 1; }

}  // namespace

ReuseModel::ReuseModel() : sums_(std::make_unique<Sums>()) { learn(1, 0, 0); }
ReuseModel::~ReuseModel() {
  for (auto& stripe : stripes_) delete stripe.load();
}

ReuseModel::Stripe& ReuseModel::add_stripe(std::uint32_t index) {
  auto fresh = std::make_unique<Stripe>();
  Stripe* expected = nullptr;
  if (stripes_[index].compare_exchange_strong(expected, fresh.get(), std::memory_order_acq_rel))
    return *fresh.release();
  return *expected;
}

void ReuseModel::tell_duel(std::uint64_t hash) {
  duel_.request(hash, now(), span_.load(std::memory_order_relaxed), [this](Use use) { return learned(use); });
}

Use ReuseModel::fresh(std::uint64_t hash, bool keep) {
  if (duel_.concerns(hash)) tell_duel(hash);
  return Use::make(now(), 0, false, keep);
}

ReuseModel::Totals ReuseModel::totals() const {
  Totals sum;
  const auto add = [&](const Tally& tally) {
    sum.hits += tally.hits.load(std::memory_order_relaxed);
    sum.misses += tally.misses.load(std::memory_order_relaxed);
    sum.inserts += tally.inserts.load(std::memory_order_relaxed);
  };
  for (std::uint32_t i = 0; i < Epochs::stripes_in_use(); ++i) add(tallies_[i]);
  add(tallies_[Epochs::own_stripes]);
  return sum;
}

std::size_t ReuseModel::bytes() const {
  std::size_t bytes = sizeof *this + sizeof(Sums) + duel_.bytes();
  for (const auto& slot : stripes_) bytes += slot.load(std::memory_order_acquire) != nullptr ? sizeof(Stripe) : 0;
  return bytes;
}

void ReuseModel::advance(std::uint64_t residents, std::uint64_t ghosts, std::uint32_t weighed) {
  std::unique_lock lock(learning_, std::try_to_lock);
  if (!lock) return;
  const Totals sum = totals();
  const std::uint64_t clock = sum.hits + std::max(sum.misses, sum.inserts);
  units_ += static_cast<double>(clock - clock_) / unit_;
  clock_ = clock;
  while (residents / unit_ >= 512) {  // ages known so far halve with the longer unit
    unit_ *= 2;
    units_ /= 2;
    learnt_at_ /= 2;
    for (auto* table : {&sums_->used, &sums_->exposed}) {
      for (auto& row : *table) {
        for (std::uint32_t i = 0; i + 4 < bins; ++i) row[i] = row[i + 4];
        std::fill(row.end() - 4, row.end(), 0);
      }
    }
    for (auto& row : sums_->exposed)
      for (double& x : row) x /= 2;
  }
  span_.store(static_cast<std::uint32_t>(std::max<std::uint64_t>(1, residents / unit_)), std::memory_order_relaxed);
  now_.store(static_cast<std::uint32_t>(static_cast<std::uint64_t>(units_)), std::memory_order_relaxed);
  duel_.fit(residents, weighed);
  if (clock < learn_next_) return;
  learn(static_cast<double>(residents), static_cast<double>(ghosts), units_ - learnt_at_);
  learnt_at_ = units_;
  learn_gap_ = std::min<std::uint64_t>(
      learn_gap_ * 2,
      std::max<std::uint64_t>(32, static_cast<std::uint64_t>(static_cast<double>(residents) / lessons_per_turn)));
  learn_next_ = clock + learn_gap_;
}

void ReuseModel::learn(double residents, double ghosts, double elapsed) {
  std::array<std::array<std::uint64_t, bins>, groups> used{}, seen{}, ghost{};
  std::uint64_t residents_seen = 0, ghosts_seen = 0;
  for (const auto& slot : stripes_) {
    const Stripe* stripe = slot.load(std::memory_order_acquire);
    if (stripe == nullptr) continue;
    for (std::uint32_t g = 0; g < groups; ++g) {
      for (std::uint32_t i = 0; i < bins; ++i) {
        used[g][i] += stripe->used[g][i].load(std::memory_order_relaxed);
        seen[g][i] += stripe->seen[g][i].load(std::memory_order_relaxed);
        ghost[g][i] += stripe->seen_ghost[g][i].load(std::memory_order_relaxed);
      }
    }
    residents_seen += stripe->residents_seen.load(std::memory_order_relaxed);
    ghosts_seen += stripe->ghosts_seen.load(std::memory_order_relaxed);
  }
  // Too few met since the last lesson: wait until the sweep has met more, and learn the longer stretch then.
  if (elapsed > 0 && residents_seen - residents_before_ < sweep_least) return;

  const double each = residents_seen > residents_before_
                          ? elapsed * residents / static_cast<double>(residents_seen - residents_before_)
                          : 0;
  const double each_ghost =
      ghosts_seen > ghosts_before_ ? elapsed * ghosts / static_cast<double>(ghosts_seen - ghosts_before_) : 0;
  std::array<double, bins> all_used{}, all_exposed{};
  for (std::uint32_t g = 0; g < groups; ++g) {
    for (std::uint32_t i = 0; i < bins; ++i) {
      // Counters are 32 bits wide and wrap; differences do not.
      const auto fresh = [](std::uint64_t now, std::uint64_t before) {
        return static_cast<double>(static_cast<std::uint32_t>(now - before));
      };
      double& u = sums_->used[g][i];
      double& e = sums_->exposed[g][i];
      u = u * past + fresh(used[g][i], used_before_[g][i]);
      e = e * past + fresh(seen[g][i], seen_before_[g][i]) * each +
          fresh(ghost[g][i], ghost_before_[g][i]) * each_ghost;
      all_used[i] += u;
      all_exposed[i] += e;
    }
  }
  used_before_ = used;
  seen_before_ = seen;
  ghost_before_ = ghost;
  residents_before_ = residents_seen;
  ghosts_before_ = ghosts_seen;

  // Hazard at each age: one imagined use at the rate of all groups, which in turn starts from 1/age and more for each group.
  const double span = span_.load(std::memory_order_relaxed);
  for (std::uint32_t g = 0; g < groups; ++g) {
    std::array<double, bins> hazard;
    for (std::uint32_t i = 0; i < bins; ++i) {
      const double middle = (edge(i) + edge(i + 1)) / 2;
      const double guess = (1.0 + (g == 0 ? 0 : 1 + (g - 1) / 2)) / (middle + span);
      const double pooled = (all_used[i] + 1) / (all_exposed[i] + 1 / guess);
      hazard[i] = (sums_->used[g][i] + 1) / (sums_->exposed[g][i] + 1 / pooled);
    }
    judge(g, hazard);
  }
}

void ReuseModel::judge(std::uint32_t group, const std::array<double, bins>& hazard) {
  std::array<double, bins> survive, stay;
  for (std::uint32_t i = 0; i < bins; ++i) {
    const double width = edge(i + 1) - edge(i);
    survive[i] = std::exp(-hazard[i] * width);
    stay[i] = hazard[i] * width < 1e-9 ? width : (1 - survive[i]) / hazard[i];
  }
  for (std::uint32_t from = 0; from < bins; ++from) {
    double alive = 1, hits = 0, time = 0, best = 0;
    for (std::uint32_t i = from; i < bins && alive > 1e-3; ++i) {
      hits += alive * (1 - survive[i]);
      time += alive * stay[i];
      alive *= survive[i];
      if (hits > best * time) best = hits / time;
    }
    worth_[group][from].store(static_cast<float>(best), std::memory_order_relaxed);
  }
  worth_[group][bins].store(worth_[group][bins - 1].load(std::memory_order_relaxed), std::memory_order_relaxed);
}

}  // namespace chaveiro::cache
