// Eight processes ask one Redis for the same limits, as fast as they can, across the edge of a minute: none of them together is ever
// admitted more often than the limit's exact bound. The fixed windows that are only counters admit twice the limit by the same attack.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <map>
#include <vector>

#include "base/random.h"
#include "clients/redis/limits_store.h"
#include "clients/redis/official_store.h"
#include "limits/leased_store.h"
#include "limits/official.h"
#include "tests/support/redis_server.h"

namespace chaveiro::limits {
namespace {

using namespace std::chrono_literals;

constexpr int processes = 8;
constexpr std::int64_t amount = 300;
constexpr std::int64_t leased_amount = 16'000;
constexpr Micros before_edge = 4s, after_edge = 1s;

enum Subject : std::int64_t {
  token_bucket,
  gcra,
  sliding_log,
  sliding_window,
  fixed_window,
  leased,
  official,
  subjects
};

// Between these two moments a call was admitted.
struct Admission {
  std::int64_t subject, asked, answered;
};

std::int64_t now_us() { return SystemClock().now().time_since_epoch().count(); }

// A period near one minute of which an edge is `before_edge` away.
Micros period_with_edge_near(std::int64_t now, Random& random) {
  for (;;) {
    const auto period = static_cast<std::int64_t>(55'000'000 + random.below(10'000'000));
    const std::int64_t away = period - now % period;
    if (away >= before_edge.count() && away < before_edge.count() + 20'000) return Micros{period};
  }
}

struct Plan {
  Micros period;
  std::int64_t edge;
};

template <class T>
bool put(int to, const T* items, std::size_t count) {
  const char* at = reinterpret_cast<const char*>(items);
  for (std::size_t left = count * sizeof(T); left > 0;) {
    const ssize_t written = ::write(to, at, left);
    if (written <= 0) return false;
    at += written;
    left -= static_cast<std::size_t>(written);
  }
  return true;
}
template <class T>
bool get(int from, T& item) {
  char* at = reinterpret_cast<char*>(&item);
  for (std::size_t left = sizeof(T); left > 0;) {
    const ssize_t size = ::read(from, at, left);
    if (size <= 0) return false;
    at += size;
    left -= static_cast<std::size_t>(size);
  }
  return true;
}

// One of the processes: asks for everything in turn until after the edge nothing is left, and tells its admissions.
class Attacker {
 public:
  Attacker(const std::string& url, int number) : is_first_half_(number < processes / 2) {
    client_ = *redis::Client::create(*redis::parse_url(url));
    CHECK(client_->wait_ready(Deadline::in(20s)));
    near_ = std::make_unique<redis::LimitsStore>(redis::LimitsStoreOptions{}, *client_, clock_);
    leases_ =
        std::make_unique<LeasedStore>(LeasedStoreOptions{.nodes_max = processes, .lease_time = 1h}, *near_, clock_);
    policies_ = std::make_unique<redis::OfficialStore>(redis::OfficialStoreOptions{}, *client_, clock_);
    limits_ =
        std::make_unique<OfficialLimits>(OfficialOptions{}, *policies_, HmacKey("names"), clock_, Logger(), metrics_);
  }

  std::vector<Admission> run(const Plan& plan) {
    const auto terms = [&](Algorithm algorithm) {
      return *make_terms("rule", {.algorithm = algorithm, .amount = amount, .period = plan.period});
    };
    terms_ = {terms(Algorithm::token_bucket),
              terms(Algorithm::gcra),
              terms(Algorithm::sliding_log),
              terms(Algorithm::sliding_window),
              terms(Algorithm::fixed_window),
              *make_terms("leased", {.amount = leased_amount, .period = 24h}, OnChange::as_is, Lease::yes)};
    std::vector<Admission> admissions;
    const auto ask = [&](std::int64_t subject) {
      const std::int64_t asked = now_us();
      if (!admitted(subject)) return false;
      admissions.push_back({subject, asked, now_us()});
      return true;
    };
    while (ask(fixed_window)) {  // first, so that also a slow machine has used it up before the edge
    }
    const std::int64_t until = plan.edge + after_edge.count();
    for (bool is_used_up = false; !is_used_up;) {
      is_used_up = now_us() >= until;
      for (const std::int64_t subject : {token_bucket, gcra, sliding_log, sliding_window, fixed_window, official})
        if (ask(subject)) is_used_up = false;
    }
    while (ask(leased)) {}
    return admissions;
  }

 private:
  bool admitted(std::int64_t subject) {
    if (subject == official) {
      const auto permit = limits_->reserve({.call = {"listClaims"}, .participant = "12345678"}, Deadline::in(20s));
      if (permit) CHECK(limits_->settle(*permit, Outcome::status(200), Deadline::in(20s)));
      return permit.has_value();
    }
    // Half of the processes stop in the middle of a share, and what is left of it is lost to the others.
    if (subject == leased && is_first_half_ && ++leased_calls_ > 115) return false;
    const std::string key = "subject" + std::to_string(subject);
    const Ask ask{key, terms_[static_cast<std::size_t>(subject)].get(), 1};
    Store& store = subject == leased ? static_cast<Store&>(*leases_) : *near_;
    const auto verdict = store.take({&ask, 1}, Mode::take, Deadline::in(20s));
    CHECK(verdict);
    return verdict->allowed;
  }

  const bool is_first_half_;
  int leased_calls_ = 0;
  SystemClock clock_;
  Registry metrics_;
  std::unique_ptr<redis::Client> client_;
  std::unique_ptr<redis::LimitsStore> near_;
  std::unique_ptr<LeasedStore> leases_;
  std::unique_ptr<redis::OfficialStore> policies_;
  std::unique_ptr<OfficialLimits> limits_;
  std::array<std::shared_ptr<const Terms>, official> terms_;
};

// The most admissions that certainly lay within one stretch of `length`.
std::int64_t most_within(const std::vector<Admission>& admissions, std::int64_t length) {
  std::int64_t most = 0;
  for (const Admission& first : admissions) {
    std::int64_t count = 0;
    for (const Admission& it : admissions)
      count += it.asked >= first.asked && it.answered < first.asked + length ? 1 : 0;
    most = std::max(most, count);
  }
  return most;
}

// A forked attacker, at the other end of two pipes.
struct Child {
  pid_t pid = 0;
  int to = -1, from = -1;
};

Child start(const std::string& url, int number) {
  int down[2], up[2];
  CHECK(::pipe(down) == 0 && ::pipe(up) == 0);
  const pid_t pid = ::fork();
  CHECK(pid >= 0);
  if (pid > 0) {
    ::close(down[0]);
    ::close(up[1]);
    return {pid, down[1], up[0]};
  }
  ::close(down[1]);
  ::close(up[0]);
  Attacker attacker(url, number);
  const char ready = 1;
  Plan plan{};
  if (!put(up[1], &ready, 1) || !get(down[0], plan)) ::_exit(1);
  const auto admissions = attacker.run(plan);
  ::_exit(put(up[1], admissions.data(), admissions.size()) ? 0 : 1);
}

class OverAdmission : public ::testing::Test {
 protected:
  void attack() {
    std::array<Child, processes> children;
    for (std::size_t i = 0; i < processes; ++i) children[i] = start(server_.url(), static_cast<int>(i));
    for (const Child& child : children) {
      char ready = 0;
      ASSERT_TRUE(get(child.from, ready));
    }
    const std::int64_t now = now_us();
    Random random(static_cast<std::uint64_t>(now));
    period_ = period_with_edge_near(now, random);
    const Plan plan{period_, (now / period_.count() + 1) * period_.count()};
    for (const Child& child : children) ASSERT_TRUE(put(child.to, &plan, 1));
    for (const Child& child : children) {
      for (Admission it{}; get(child.from, it);) {
        admissions_[it.subject].push_back(it);
        begin_ = std::min(begin_, it.asked);
        end_ = std::max(end_, it.answered);
      }
      ::close(child.to);
      ::close(child.from);
      int status = 0;
      ASSERT_EQ(::waitpid(child.pid, &status, 0), child.pid);
      ASSERT_EQ(status, 0);
    }
  }
  std::int64_t count(Subject subject) { return static_cast<std::int64_t>(admissions_[subject].size()); }
  std::int64_t refilled(std::int64_t by, Micros period) const { return (end_ - begin_) * by / period.count(); }

  tests::RedisServer server_;
  Micros period_{};
  std::map<std::int64_t, std::vector<Admission>> admissions_;
  std::int64_t begin_ = INT64_MAX, end_ = 0;
};

TEST_F(OverAdmission, eight_processes_at_the_edge_of_a_minute_never_pass_the_exact_bound) {
  attack();
  if (HasFatalFailure()) return;
  const std::int64_t bound = amount + refilled(amount, period_);
  for (const Subject subject : {token_bucket, gcra}) {
    EXPECT_LE(count(subject), bound);
    EXPECT_GE(count(subject), amount);
  }
  EXPECT_EQ(count(sliding_log), amount) << "in any minute, also over its edge";
  // Half of it before the edge, the rest after it: what a window's estimate takes for evenly used it lets pass at most.
  EXPECT_LE(count(sliding_window), bound);
  EXPECT_EQ(most_within(admissions_[fixed_window], period_.count()), 2 * amount)
      << "counters alone admit twice the limit";
  EXPECT_EQ(count(official), 50) << "capacity in category H; tokens come back at whole minutes";

  const std::int64_t most = leased_amount + refilled(leased_amount, 24h);
  EXPECT_LE(count(leased), most) << "leases never admit more";
  EXPECT_GE(count(leased), most - leased_amount / 100) << "and strand one in a hundred at most";
  std::printf(
      "admitted of %d: token bucket %d, gcra %d, sliding log %d, sliding window %d, fixed window %d; leased %d of %d\n",
      static_cast<int>(amount), static_cast<int>(count(token_bucket)), static_cast<int>(count(gcra)),
      static_cast<int>(count(sliding_log)), static_cast<int>(count(sliding_window)),
      static_cast<int>(count(fixed_window)), static_cast<int>(count(leased)), static_cast<int>(most));
}

}  // namespace
}  // namespace chaveiro::limits
