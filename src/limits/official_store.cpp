#include "limits/official_store.h"

#include <algorithm>
#include <deque>

namespace chaveiro::limits {
namespace {

struct Bucket {
  OfficialTerms terms;
  OfficialState state;
};

enum class Progress : std::uint8_t { in_flight, settled };

// A charged look-up, until its payment order comes.
struct LookUp {
  struct Part {
    std::string bucket;
    std::int64_t tokens;
    std::int64_t charged_then;
  };
  std::vector<Part> parts;
  bool credited = false;
};

}  // namespace

struct OfficialMemoryStore::Contents {
  std::unordered_map<std::string, Bucket> buckets;
  std::unordered_map<std::string, Progress> reservations;
  std::deque<std::string> oldest_reservations;
  std::unordered_map<std::string, LookUp> look_ups;
  std::deque<std::pair<std::int64_t, std::string>> oldest_look_ups;

  Bucket& bucket(const OfficialAsk& ask, std::int64_t now, std::size_t buckets_max) {
    auto found = buckets.find(ask.key);
    if (found == buckets.end()) {
      if (buckets.size() >= buckets_max) forget(now);
      // Full of payers in debt: further ones share a bucket with all others of the same terms.
      const std::string key = buckets.size() < buckets_max ? ask.key : "overflow|" + std::to_string(ask.terms.capacity);
      found = buckets.try_emplace(key, Bucket{ask.terms, fresh(ask.terms, now)}).first;
    }
    Bucket& it = found->second;
    roll(it.terms, it.state, now);
    if (it.terms != ask.terms) {
      it.state = changed(it.terms, it.state, ask.terms);
      it.terms = ask.terms;
    }
    return it;
  }

  void forget(std::int64_t now) {
    for (auto it = buckets.begin(); it != buckets.end();) {
      roll(it->second.terms, it->second.state, now);
      it = is_as_new(it->second.terms, it->second.state) ? buckets.erase(it) : std::next(it);
    }
  }

  void remember(const std::string& id, std::size_t most) {
    reservations[id] = Progress::in_flight;
    oldest_reservations.push_back(id);
    while (oldest_reservations.size() > most) {
      reservations.erase(oldest_reservations.front());
      oldest_reservations.pop_front();
    }
  }
};

OfficialView view_of(const OfficialTerms& terms, const OfficialState& state, std::int64_t kept) {
  OfficialView view{
      .balance = balance(terms, state), .held = held(state), .charged = state.charged, .allowed_at = state.at};
  if (view.balance - view.held < 1 + kept) view.allowed_at = reaches(terms, state, 1 + kept);
  return view;
}

OfficialMemoryStore::OfficialMemoryStore(OfficialMemoryOptions options, const Clock& clock)
    : options_(options),
      clock_(clock),
      utc_begin_(clock.now().time_since_epoch().count()),
      steady_begin_(clock.steady()),
      contents_(std::make_unique<Guarded<Contents>>()) {}
OfficialMemoryStore::~OfficialMemoryStore() = default;

// A step of the wall clock must not refill: only the steady clock moves time.
std::int64_t OfficialMemoryStore::now() const {
  return utc_begin_ + std::chrono::duration_cast<Micros>(clock_.steady() - steady_begin_).count();
}

Result<OfficialVerdict> OfficialMemoryStore::reserve(const std::string& id, const std::vector<OfficialAsk>& asks,
                                                     Micros timeout, Deadline) {
  return contents_->with([&](Contents& it) -> Result<OfficialVerdict> {
    if (it.reservations.contains(id))
      return fail(Code::exists, "ReservationExists", "this reservation was made before");
    const std::int64_t now = this->now();
    OfficialVerdict verdict{.allowed = true, .views = {}};
    std::vector<Bucket*> buckets;
    for (const OfficialAsk& ask : asks) {
      Bucket& bucket = it.bucket(ask, now, options_.buckets_max);
      if (balance(bucket.terms, bucket.state) - held(bucket.state) - ask.kept < 1) verdict.allowed = false;
      buckets.push_back(&bucket);
    }
    if (verdict.allowed) {
      for (std::size_t i = 0; i < asks.size(); ++i) hold(buckets[i]->state, {id, asks[i].worst, now + timeout.count()});
      it.remember(id, options_.settled_max);
    }
    for (std::size_t i = 0; i < asks.size(); ++i)
      verdict.views.push_back(view_of(buckets[i]->terms, buckets[i]->state, asks[i].kept));
    return verdict;
  });
}

Result<OfficialSettled> OfficialMemoryStore::settle(const std::string& id, const std::vector<OfficialAsk>& asks,
                                                    const std::vector<OfficialCharge>& charges,
                                                    const std::string& end_to_end, Deadline) {
  return contents_->with([&](Contents& it) -> Result<OfficialSettled> {
    const auto known = it.reservations.find(id);
    if (known == it.reservations.end())
      return fail(Code::not_found, "ReservationUnknown", "no such reservation, or it was settled long ago");
    const std::int64_t now = this->now();
    OfficialSettled settled{.repeated = known->second == Progress::settled, .views = {}};
    LookUp look_up;
    for (std::size_t i = 0; i < asks.size(); ++i) {
      Bucket& bucket = it.bucket(asks[i], now, options_.buckets_max);
      const OfficialCharge& charge = charges[i];
      if (!settled.repeated && !limits::settle(bucket.terms, bucket.state, id, charge.cost)) settled.repeated = true;
      if (!settled.repeated && charge.empties) lower_to(bucket.terms, bucket.state, 0);
      if (!settled.repeated && charge.floor && balance(bucket.terms, bucket.state) < *charge.floor)
        set_balance(bucket.terms, bucket.state, *charge.floor);
      if (charge.credit > 0 && charge.cost > 0)
        look_up.parts.push_back({asks[i].key, charge.credit, bucket.state.charged});
      settled.views.push_back(view_of(bucket.terms, bucket.state, asks[i].kept));
    }
    known->second = Progress::settled;
    if (settled.repeated || end_to_end.empty() || look_up.parts.empty()) return settled;
    // The same EndToEndId looked up again: one credit, for the first of them.
    if (it.look_ups.try_emplace(end_to_end, std::move(look_up)).second)
      it.oldest_look_ups.emplace_back(now, end_to_end);
    while (!it.oldest_look_ups.empty() && (it.oldest_look_ups.size() > options_.look_ups_max ||
                                           it.oldest_look_ups.front().first + options_.look_up_time.count() <= now)) {
      it.look_ups.erase(it.oldest_look_ups.front().second);
      it.oldest_look_ups.pop_front();
    }
    return settled;
  });
}

Result<bool> OfficialMemoryStore::credit(const std::string& end_to_end, Deadline) {
  return contents_->with([&](Contents& it) -> Result<bool> {
    const auto known = it.look_ups.find(end_to_end);
    if (known == it.look_ups.end())
      return fail(Code::not_found, "LookupUnknown", "no look-up with this EndToEndId was charged within the last days");
    if (known->second.credited) return false;
    known->second.credited = true;
    const std::int64_t now = this->now();
    for (const LookUp::Part& part : known->second.parts) {
      const auto bucket = it.buckets.find(part.bucket);
      if (bucket == it.buckets.end()) continue;  // full again, and forgotten
      roll(bucket->second.terms, bucket->second.state, now);
      limits::credit(bucket->second.terms, bucket->second.state, part.tokens, part.charged_then);
    }
    return true;
  });
}

Result<OfficialView> OfficialMemoryStore::look(const OfficialAsk& ask, Deadline deadline) {
  TRY(const OfficialState now, state(ask, deadline));
  return view_of(ask.terms, now, ask.kept);
}

Result<OfficialState> OfficialMemoryStore::state(const OfficialAsk& ask, Deadline) {
  return contents_->with([&](Contents& it) -> Result<OfficialState> {
    if (!it.buckets.contains(ask.key)) return fresh(ask.terms, now());
    return it.bucket(ask, now(), options_.buckets_max).state;
  });
}

Result<OfficialView> OfficialMemoryStore::correct(const OfficialAsk& ask, Correction correction, std::int64_t tokens,
                                                  std::int64_t charged_then, Deadline) {
  return contents_->with([&](Contents& it) -> Result<OfficialView> {
    Bucket& bucket = it.bucket(ask, now(), options_.buckets_max);
    const std::int64_t since = bucket.state.charged - std::clamp<std::int64_t>(charged_then, 0, bucket.state.charged);
    if (correction == Correction::lower)
      lower_to(bucket.terms, bucket.state, tokens - since);
    else
      limits::credit(bucket.terms, bucket.state, tokens, charged_then);
    return view_of(bucket.terms, bucket.state, ask.kept);
  });
}

}  // namespace chaveiro::limits
