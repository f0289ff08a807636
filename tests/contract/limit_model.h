// tests/contract/limit_model.h
//
// What each limit means, written down as literally as possible: everything that was ever admitted is remembered, and the answer is
// worked out from that history in rational numbers (128-bit numerators over the period). Slow, unbounded and obviously right: the
// arithmetic of the limits room, in memory and in Redis, is held against it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "limits/arithmetic.h"

namespace chaveiro::limits::test {

__extension__ using Wide = __int128;

class LiteralModel {
 public:
  LiteralModel(const Limit& limit, std::int64_t now) : limit_(limit), now_(now), begin_(now) {
    capacity_ = limit.burst > 0 && is_bucket() ? limit.burst : limit.amount;
    if (limit.amount == 0) capacity_ = 0;
  }

  void advance_to(std::int64_t now) { now_ = std::max(now_, now); }
  std::int64_t capacity() const { return capacity_; }
  void admit(std::int64_t cost) { history_.push_back({now_, cost}); }

  // Whole tokens that are left now.
  std::int64_t left() const { return left_at(now_, 0); }
  bool allows(std::int64_t cost) const { return cost <= left(); }
  // The same, asked at a later moment if nothing happens until then.
  bool would_allow(std::int64_t cost, std::int64_t at) const { return cost <= left_at(at, 0); }
  std::int64_t left_later(std::int64_t at) const { return left_at(at, 0); }

 private:
  struct Admission {
    std::int64_t at;
    std::int64_t cost;
  };

  bool is_bucket() const { return limit_.algorithm == Algorithm::token_bucket || limit_.algorithm == Algorithm::gcra; }
  std::int64_t period() const { return limit_.period.count(); }

  static Wide floor_div(Wide a, Wide b) { return a / b - (a % b < 0 ? 1 : 0); }
  static Wide ceil_div(Wide a, Wide b) { return -floor_div(-a, b); }

  std::int64_t left_at(std::int64_t at, int) const {
    switch (limit_.algorithm) {
      case Algorithm::token_bucket:
        return bucket(at);
      case Algorithm::gcra:
        return arrival(at);
      case Algorithm::sliding_log:
        return capacity_ - spent(at - period() + 1, at + 1);
      case Algorithm::sliding_window:
        return estimate(at);
      case Algorithm::fixed_window:
        return capacity_ - spent(at / period() * period(), at + 1);
      case Algorithm::calendar: {
        const Window window = calendar_window(*limit_.zone, limit_.unit, at);
        return capacity_ - spent(window.begin, window.end);
      }
      case Algorithm::concurrency:
        return capacity_ - spent(at - period() + 1, at + 1);
    }
    return 0;
  }

  // Tokens × period: they come back at amount / period, up to the capacity.
  std::int64_t bucket(std::int64_t at) const {
    const Wide full = static_cast<Wide>(capacity_) * period();
    Wide level = full;
    std::int64_t time = begin_;
    for (const Admission& one : history_) {
      level = std::min(full, level + static_cast<Wide>(one.at - time) * limit_.amount);
      time = one.at;
      level -= static_cast<Wide>(one.cost) * period();
    }
    level = std::min(full, level + static_cast<Wide>(at - time) * limit_.amount);
    return static_cast<std::int64_t>(floor_div(level, period()));
  }

  // The arrival time in µs × amount: each admission moves it by period / amount, from now at the earliest.
  std::int64_t arrival(std::int64_t at) const {
    if (limit_.amount == 0) return 0;
    Wide arrives = 0;
    for (const Admission& one : history_)
      arrives = std::max(arrives, static_cast<Wide>(one.at) * limit_.amount) + static_cast<Wide>(one.cost) * period();
    const Wide ahead = std::max(Wide{0}, arrives - static_cast<Wide>(at) * limit_.amount);
    return static_cast<std::int64_t>(floor_div(static_cast<Wide>(capacity_) * period() - ahead, period()));
  }

  std::int64_t spent(std::int64_t from, std::int64_t before) const {
    Wide sum = 0;
    for (const Admission& one : history_)
      if (one.at >= from && one.at < before) sum += one.cost;
    return static_cast<std::int64_t>(sum);
  }

  std::int64_t estimate(std::int64_t at) const {
    const std::int64_t begin = at / period() * period();
    const std::int64_t now = spent(begin, begin + period());
    const std::int64_t before = spent(begin - period(), begin);
    return static_cast<std::int64_t>(capacity_ - now -
                                     ceil_div(static_cast<Wide>(before) * (begin + period() - at), period()));
  }

  Limit limit_;
  std::int64_t capacity_ = 0;
  std::int64_t now_;
  std::int64_t begin_;
  std::vector<Admission> history_;
};

}  // namespace chaveiro::limits::test
