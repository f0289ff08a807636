#include "limits/abuse.h"

#include <algorithm>
#include <array>
#include <unordered_map>

namespace chaveiro::limits {
namespace {

constexpr std::int64_t hours = 25;  // a day, and the hour that runs

struct Sums {
  std::int64_t found = 0;
  std::int64_t not_found = 0;
  std::int64_t orders = 0;
  std::int64_t keys = 0;

  void add(const Sums& other, int sign) {
    found += sign * other.found;
    not_found += sign * other.not_found;
    orders += sign * other.orders;
    keys += sign * other.keys;
  }
  bool none() const { return found == 0 && not_found == 0 && orders == 0 && keys == 0; }
};

}  // namespace

std::string_view to_string(Suspicion suspicion) {
  switch (suspicion) {
    case Suspicion::many_not_found:
      return "many_not_found";
    case Suspicion::few_orders:
      return "few_orders";
    case Suspicion::many_keys:
      break;
  }
  return "many_keys";
}

struct AbuseMonitor::Subject {
  std::array<Sums, hours> by_hour{};
  Sums sum;
  std::int64_t hour = 0;
  std::vector<Suspicion> suspicions;

  void pass_to(std::int64_t now) {
    if (now <= hour) return;
    for (std::int64_t i = 0; i < std::min(now - hour, hours); ++i) {
      Sums& old = by_hour[static_cast<std::size_t>((hour + 1 + i) % hours)];
      sum.add(old, -1);
      old = {};
    }
    hour = now;
  }
  Sums& now() { return by_hour[static_cast<std::size_t>(hour % hours)]; }
  void count(const Sums& more) {
    now().add(more, 1);
    sum.add(more, 1);
  }
};

struct AbuseMonitor::Contents {
  std::unordered_map<std::string, Subject> users;
  std::unordered_map<std::string, Subject> participants;
  std::int64_t swept_hour = 0;
};

AbuseMonitor::AbuseMonitor(AbuseOptions options, const Clock& clock, Registry& metrics)
    : options_(options),
      clock_(clock),
      metrics_(metrics),
      unwatched_(metrics.counter("lookup_abuse_unwatched_total", "Look-ups of users for whom memory had no place.")),
      contents_(std::make_unique<Guarded<Contents>>()) {}
AbuseMonitor::~AbuseMonitor() = default;

// Hours of the steady clock: a step of the wall clock forgets nothing.
std::int64_t AbuseMonitor::hour() const {
  return std::chrono::duration_cast<std::chrono::hours>(clock_.steady().time_since_epoch()).count();
}

AbuseMonitor::Subject* AbuseMonitor::user(Contents& contents, std::string_view name) {
  if (name.empty()) return nullptr;
  const std::int64_t now = hour();
  auto found = contents.users.find(std::string(name));
  if (found == contents.users.end()) {
    if (contents.users.size() >= options_.users_max && contents.swept_hour < now) {
      contents.swept_hour = now;
      std::vector<std::string> quiet;
      for (auto& [key, subject] : contents.users) {
        subject.pass_to(now);
        if (subject.sum.none()) quiet.push_back(key);
      }
      for (const auto& key : quiet) contents.users.erase(key);
    }
    if (contents.users.size() >= options_.users_max) {
      unwatched_.add();
      return nullptr;
    }
    found = contents.users.emplace(name, Subject{}).first;
  }
  found->second.pass_to(now);
  return &found->second;
}

std::vector<Suspicion> AbuseMonitor::judge(Subject& subject, bool is_participant) {
  std::vector<Suspicion> holds;
  const Sums& sum = subject.sum;
  const std::int64_t answered = sum.found + sum.not_found;
  if (answered >= (is_participant ? options_.participant_look_ups_min : options_.user_look_ups_min)) {
    const double share = static_cast<double>(sum.not_found) / static_cast<double>(answered);
    const double most = is_participant ? options_.not_found_participant : options_.not_found_user;
    if (most > 0 && share > most) holds.push_back(Suspicion::many_not_found);
    if (options_.look_ups_per_order > 0 &&
        static_cast<double>(answered) >=
            options_.look_ups_per_order * static_cast<double>(std::max<std::int64_t>(1, sum.orders)))
      holds.push_back(Suspicion::few_orders);
  }
  if (!is_participant && sum.keys > options_.keys_warned) holds.push_back(Suspicion::many_keys);
  std::vector<Suspicion> news;
  for (const Suspicion it : holds)
    if (std::find(subject.suspicions.begin(), subject.suspicions.end(), it) == subject.suspicions.end()) {
      news.push_back(it);
      metrics_
          .counter("lookup_abuse_alarms_total", "Thresholds of the manual that were crossed.",
                   {{"subject", is_participant ? "participant" : "user"}, {"suspicion", std::string(to_string(it))}})
          .add();
    }
  subject.suspicions = std::move(holds);
  return news;
}

std::vector<Suspicion> AbuseMonitor::looked_up(std::string_view participant, std::string_view name, int http_status) {
  if (http_status != 200 && http_status != 404) return {};
  const Sums one{.found = http_status == 200 ? 1 : 0, .not_found = http_status == 404 ? 1 : 0};
  return contents_->with([&](Contents& it) {
    Subject& all = it.participants[std::string(participant)];
    all.pass_to(hour());
    all.count(one);
    std::vector<Suspicion> news = judge(all, true);
    if (Subject* its = user(it, name)) {
      its->count(one);
      for (const Suspicion more : judge(*its, false)) news.push_back(more);
    }
    return news;
  });
}

void AbuseMonitor::payment_order(std::string_view participant, std::string_view name) {
  contents_->with([&](Contents& it) {
    Subject& all = it.participants[std::string(participant)];
    all.pass_to(hour());
    all.count({.orders = 1});
    judge(all, true);
    if (Subject* its = user(it, name)) {
      its->count({.orders = 1});
      judge(*its, false);
    }
  });
}

Result<void> AbuseMonitor::admit(std::string_view name) {
  if (options_.tighten == Tighten::no || name.empty()) return {};
  return contents_->with([&](Contents& it) -> Result<void> {
    const auto found = it.users.find(std::string(name));
    if (found == it.users.end()) return {};
    found->second.pass_to(hour());
    judge(found->second, false);
    const auto& holds = found->second.suspicions;
    if (std::find(holds.begin(), holds.end(), Suspicion::many_not_found) == holds.end()) return {};
    return fail(Code::forbidden, "ScanSuspected", "too many look-ups of this user found nobody within 24 hours");
  });
}

Result<bool> AbuseMonitor::check_keys(std::string_view name, std::int64_t keys) {
  return contents_->with([&](Contents& it) -> Result<bool> {
    Subject* its = user(it, name);
    if (its == nullptr)
      return fail(Code::exhausted, "KeysCheckLimitExceeded", "the keys that this user checks cannot be counted now");
    if (keys < 0 || keys > options_.keys_max - its->sum.keys) {
      Error error =
          fail(Code::exhausted, "KeysCheckLimitExceeded",
               "at most " + std::to_string(options_.keys_max) + " keys may be checked for a user within a day");
      error.retry_after = std::chrono::hours{1};
      return error;
    }
    its->count({.keys = keys});
    judge(*its, false);
    return its->sum.keys > options_.keys_warned;
  });
}

std::vector<AbuseFigures> AbuseMonitor::report(std::size_t most) const {
  return contents_->with([&](const Contents& it) {
    std::vector<AbuseFigures> all;
    const auto add = [&](const auto& subjects, bool is_participant) {
      for (const auto& [name, known] : subjects) {
        Subject subject = known;
        subject.pass_to(hour());
        all.push_back({name, is_participant, subject.sum.found, subject.sum.not_found, subject.sum.orders,
                       subject.sum.keys, subject.suspicions});
      }
    };
    add(it.participants, true);
    add(it.users, false);
    const auto rank = [](const AbuseFigures& figures) {
      return std::tuple(!figures.is_participant, -static_cast<std::ptrdiff_t>(figures.suspicions.size()),
                        -figures.not_found, -figures.found, figures.subject);
    };
    const auto end = all.begin() + static_cast<std::ptrdiff_t>(std::min(most, all.size()));
    std::partial_sort(all.begin(), end, all.end(), [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
    all.erase(end, all.end());
    return all;
  });
}

}  // namespace chaveiro::limits
