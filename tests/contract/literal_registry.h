// tests/contract/literal_registry.h
//
// The registry's own rate limits, as the text of the regulation says them and nothing cleverer: rational balances, refill when time
// passes, pass while tokens > 0, charge when the status is known. It shares no line with the engine that is held against it. What the
// text leaves open is a setting; the engine must stay below all of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace chaveiro::limits::test {

class LiteralRegistry {
 public:
  __extension__ using Wide = __int128;

  struct Setting {
    bool in_steps = false;               // else evenly
    std::int64_t phase = 0;              // µs: steps come at phase + n · period
    std::int64_t other_status_cost = 0;  // of a look-up answered neither 200 nor 404
    bool limited_costs = false;          // a 429 costs as another answer does
    std::optional<std::int64_t> floor;
    bool payer_over_all = false;
  };
  struct Size {
    std::int64_t refill, period, capacity;
  };
  struct Call {
    std::string participant;
    std::string payer;
    bool by_phone = false;  // which of the two user policies
    std::string end_to_end;
  };

  LiteralRegistry(Setting setting, Size participant_size) : setting_(setting), participant_size_(participant_size) {}

  // Would a getEntry that arrives now pass?
  bool passes(const Call& call, std::int64_t now) {
    return tokens(user(call), now) > 0 && tokens(participant(call), now) > 0;
  }
  // It was answered with this status now.
  void answered(const Call& call, int status, std::int64_t now) {
    charge(user(call), status == 200 ? 1 : status == 404 ? 20 : other(status), now);
    charge(participant(call), status == 200 ? 1 : status == 404 ? 3 : other(status), now);
  }
  void payment_order(const Call& call, std::int64_t now) {
    charge(user(call), call.payer.size() == 11 ? -1 : -2, now);
    charge(participant(call), -1, now);
  }

 private:
  struct Bucket {
    Size size;
    Wide level;  // tokens × period
    std::int64_t at;
  };

  std::int64_t other(int status) const {
    return status == 429 && !setting_.limited_costs ? 0 : setting_.other_status_cost;
  }
  Bucket& bucket(const std::string& key, Size size) {
    return buckets_.try_emplace(key, Bucket{size, static_cast<Wide>(size.capacity) * size.period, 0}).first->second;
  }
  Bucket& user(const Call& call) {
    const Size size = call.payer.size() == 11 ? Size{2, 60'000'000, 100} : Size{20, 60'000'000, 1000};
    return bucket("user " + call.payer + (call.by_phone ? " A" : " B") +
                      (setting_.payer_over_all ? std::string() : " " + call.participant),
                  size);
  }
  Bucket& participant(const Call& call) { return bucket("psp " + call.participant, participant_size_); }

  void pass_time(Bucket& it, std::int64_t now) const {
    Wide gained = 0;
    if (setting_.in_steps) {
      const auto steps = [&](std::int64_t t) { return (t - setting_.phase + 1000 * it.size.period) / it.size.period; };
      gained = static_cast<Wide>(steps(now) - steps(it.at)) * it.size.refill * it.size.period;
    } else {
      gained = static_cast<Wide>(now - it.at) * it.size.refill;
    }
    it.at = now;
    it.level = std::min(static_cast<Wide>(it.size.capacity) * it.size.period, it.level + gained);
  }
  Wide tokens(Bucket& it, std::int64_t now) const {
    pass_time(it, now);
    return it.level;
  }
  void charge(Bucket& it, std::int64_t cost, std::int64_t now) const {
    pass_time(it, now);
    it.level = std::min(static_cast<Wide>(it.size.capacity) * it.size.period,
                        it.level - static_cast<Wide>(cost) * it.size.period);
    if (setting_.floor) it.level = std::max(it.level, static_cast<Wide>(*setting_.floor) * it.size.period);
  }

  Setting setting_;
  Size participant_size_;
  std::map<std::string, Bucket> buckets_;
};

}  // namespace chaveiro::limits::test
