#include "limits/memory_store.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

namespace chaveiro::limits {
namespace {

struct Cell {
  std::shared_ptr<const Terms> terms;
  State state;
};

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
using Table = std::unordered_map<std::string, Cell, TextHash, std::equal_to<>>;

Cell new_cell(const Ask& ask, const Moment& moment) {
  return {ask.terms->shared_from_this(), fresh(ask.terms->numbers, moment)};
}

// The cell under the terms of today, at this moment.
void bring_up_to_date(Cell& cell, const Ask& ask, const Moment& moment) {
  roll(cell.terms->numbers, cell.state, moment);
  if (cell.terms.get() == ask.terms) return;
  if (cell.terms->numbers != ask.terms->numbers)
    cell.state = changed(cell.terms->numbers, cell.state, ask.terms->numbers, moment, ask.terms->on_change);
  cell.terms = ask.terms->shared_from_this();
}

}  // namespace

struct MemoryStore::Stripe {
  Table table;
  std::size_t hand = 0;  // where the search for something to forget goes on
  std::uint64_t overflowed = 0;
  std::uint64_t forgotten = 0;
};

struct MemoryStore::Stripes {
  std::array<Guarded<Stripe>, stripes> all;
  Guarded<Stripe> overflow;  // locked after all others
};

// One call of take(): the stripes that it holds and the cells that it found there.
struct MemoryStore::Call {
  Call(MemoryStore& its_store, std::span<const Ask> its_asks) : store(its_store), asks(its_asks), cells(asks.size()) {
    std::bitset<stripes> wanted;
    for (const Ask& ask : asks) wanted.set(store.stripe_of(ask.key));
    locks.reserve(asks.size() + 1);
    for (std::size_t i = 0; i < stripes; ++i) {
      if (!wanted.test(i)) continue;
      locks.push_back(store.stripes_->all[i].lock());
      held[i] = &*locks.back();
    }
  }

  void find_cells(Mode mode) {
    passing.reserve(asks.size());
    for (std::size_t i = 0; i < asks.size(); ++i) {
      const Moment moment = moment_of(asks[i].terms->limit, store.now_for(*asks[i].terms));
      Stripe& stripe = *held[store.stripe_of(asks[i].key)];
      const auto known = stripe.table.find(asks[i].key);
      if (known != stripe.table.end()) {
        cells[i] = &known->second;
      } else if (mode == Mode::peek) {
        cells[i] = &passing.emplace_back(new_cell(asks[i], moment));
      } else {
        cells[i] = &make(stripe, asks[i], moment);
      }
      bring_up_to_date(*cells[i], asks[i], moment);
    }
  }

  Cell& make(Stripe& stripe, const Ask& ask, const Moment& moment) {
    const std::size_t most = store.options_.buckets_max / stripes;
    if (stripe.table.size() >= most) forget_one(stripe);
    if (stripe.table.size() < most)
      return stripe.table.try_emplace(std::string(ask.key), new_cell(ask, moment)).first->second;
    if (overflow == nullptr) {
      locks.push_back(store.stripes_->overflow.lock());
      overflow = &*locks.back();
      ++overflow->overflowed;
    }
    return overflow->table.try_emplace(ask.terms->rule, new_cell(ask, moment)).first->second;
  }

  // Erases one of the next few buckets that is as new, if there is one.
  void forget_one(Stripe& stripe) const {
    std::size_t looks = store.options_.sweep_max;
    const std::size_t count = stripe.table.bucket_count();
    for (std::size_t steps = 0; looks > 0 && steps < count && steps < 64; ++steps) {
      stripe.hand = (stripe.hand + 1) % count;
      for (auto it = stripe.table.begin(stripe.hand); it != stripe.table.end(stripe.hand) && looks > 0; ++it, --looks) {
        if (!may_be_forgotten(it->second)) continue;
        const std::string key = it->first;
        stripe.table.erase(key);
        ++stripe.forgotten;
        return;
      }
    }
  }
  bool may_be_forgotten(Cell& cell) const {
    if (std::find(cells.begin(), cells.end(), &cell) != cells.end()) return false;
    roll(cell.terms->numbers, cell.state, moment_of(cell.terms->limit, store.now_for(*cell.terms)));
    return is_as_new(cell.terms->numbers, cell.state);
  }

  Verdict decide(Mode mode) {
    Verdict verdict{.allowed = true, .decisions = std::vector<Decision>(asks.size()), .overflow = overflow != nullptr};
    for (std::size_t i = 0; i < asks.size(); ++i) {
      Decision& decision = verdict.decisions[i];
      decision.allowed = asks[i].cost <= room(cells[i]->terms->numbers, cells[i]->state) - asked_before(i);
      if (!decision.allowed && asks[i].weight == Weight::binding) verdict.allowed = false;
    }
    for (std::size_t i = 0; i < asks.size(); ++i) {
      const bool admitted = verdict.allowed && verdict.decisions[i].allowed;
      if (mode == Mode::force || (mode == Mode::take && admitted))
        spend(cells[i]->terms->numbers, cells[i]->state, asks[i].cost, asks[i].holder);
    }
    for (std::size_t i = 0; i < asks.size(); ++i)
      verdict.decisions[i] =
          describe(cells[i]->terms->numbers, cells[i]->state, asks[i].cost, verdict.decisions[i].allowed);
    return verdict;
  }
  // A call may name one bucket twice (the overflow bucket, above all): what it asks of it adds up.
  std::int64_t asked_before(std::size_t i) const {
    std::int64_t sum = 0;
    for (std::size_t j = 0; j < i; ++j)
      if (cells[j] == cells[i]) sum += std::clamp(asks[j].cost, std::int64_t{0}, units_max);
    return sum;
  }

  MemoryStore& store;
  const std::span<const Ask> asks;
  std::vector<Guarded<Stripe>::Locked> locks;
  std::array<Stripe*, stripes> held{};
  Stripe* overflow = nullptr;
  std::vector<Cell*> cells;
  std::vector<Cell> passing;  // what peek sees of unknown subjects
};

MemoryStore::MemoryStore(MemoryStoreOptions options, const Clock& clock)
    : options_(options),
      clock_(clock),
      utc_begin_(clock.now().time_since_epoch().count()),
      steady_begin_(clock.steady()),
      stripes_(std::make_unique<Stripes>()) {}
MemoryStore::~MemoryStore() = default;

std::int64_t MemoryStore::now_for(const Terms& terms) const {
  if (terms.limit.algorithm == Algorithm::calendar) return clock_.now().time_since_epoch().count();
  return utc_begin_ + std::chrono::duration_cast<Micros>(clock_.steady() - steady_begin_).count();
}

std::size_t MemoryStore::stripe_of(std::string_view key) const {
  return static_cast<std::size_t>((std::uint64_t{std::hash<std::string_view>{}(key)} >> 48) % stripes);
}

Result<Verdict> MemoryStore::take(std::span<const Ask> asks, Mode mode, Deadline) {
  Call call(*this, asks);
  call.find_cells(mode);
  return call.decide(mode);
}

Result<void> MemoryStore::release(const Ask& ask, Deadline) {
  const auto gone = [&](Stripe& stripe, std::string_view key) {
    const auto known = stripe.table.find(key);
    if (known != stripe.table.end()) limits::release(known->second.state, ask.holder);
    return known != stripe.table.end();
  };
  if (!stripes_->all[stripe_of(ask.key)].with([&](Stripe& stripe) { return gone(stripe, ask.key); }))
    stripes_->overflow.with([&](Stripe& stripe) { return gone(stripe, ask.terms->rule); });
  return {};
}

Result<void> MemoryStore::reset(std::string_view key, Deadline) {
  stripes_->all[stripe_of(key)].with([&](Stripe& stripe) {
    if (const auto known = stripe.table.find(key); known != stripe.table.end()) stripe.table.erase(known);
  });
  return {};
}

Result<std::vector<BucketView>> MemoryStore::busiest(std::string_view rule, std::size_t most, Deadline) {
  std::vector<BucketView> found;
  // By the share of the limit that is in use, compared without dividing.
  const auto busier = [](const BucketView& a, const BucketView& b) {
    const auto limit = [](const BucketView& view) {
      return static_cast<double>(std::max<std::int64_t>(1, view.decision.limit));
    };
    return static_cast<double>(a.decision.count) * limit(b) > static_cast<double>(b.decision.count) * limit(a);
  };
  const auto look = [&](Stripe& stripe, std::string_view suffix) {
    for (auto& [key, cell] : stripe.table) {
      if (!rule.empty() && cell.terms->rule != rule) continue;
      roll(cell.terms->numbers, cell.state, moment_of(cell.terms->limit, now_for(*cell.terms)));
      found.push_back({key + std::string(suffix), cell.terms->rule,
                       describe(cell.terms->numbers, cell.state, 1, room(cell.terms->numbers, cell.state) >= 1)});
      if (found.size() < 2 * most + 16) continue;
      std::nth_element(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(most), found.end(), busier);
      found.resize(most);
    }
  };
  for (auto& stripe : stripes_->all) stripe.with([&](Stripe& it) { look(it, ""); });
  stripes_->overflow.with([&](Stripe& it) { look(it, "|(overflow)"); });
  std::sort(found.begin(), found.end(), busier);
  if (found.size() > most) found.resize(most);
  return found;
}

MemoryStore::Figures MemoryStore::figures() const {
  Figures figures;
  for (auto& stripe : stripes_->all)
    stripe.with([&](const Stripe& it) {
      figures.buckets += it.table.size();
      figures.forgotten += it.forgotten;
    });
  figures.overflowed = stripes_->overflow.with([](const Stripe& it) { return it.overflowed; });
  return figures;
}

}  // namespace chaveiro::limits
