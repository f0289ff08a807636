#include "clients/redis/leases.h"

#include <algorithm>
#include <thread>

#include "base/random.h"
#include "clients/redis/double.h"

namespace chaveiro::redis {
namespace {

using std::chrono::milliseconds;

// {1, fence} when it is ours now, {0, ms until its end} when another holds it.
const Script& take_script() {
  static const Script script(R"(if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return {1, redis.call('INCR', KEYS[2])}
end
return {0, redis.call('PTTL', KEYS[1])})");
  return script;
}

const Script& renew_script() {
  static const Script script(
      R"(if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0)",
      Access::idempotent);
  return script;
}

const Script& release_script() {
  static const Script script(R"(if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0)",
                             Access::idempotent);
  return script;
}

std::string fresh_token() {
  static constexpr char names[] = "0123456789abcdef";
  std::string token;
  for (int word = 0; word < 2; ++word) {
    std::uint64_t bits = random_u64();
    for (int i = 0; i < 16; ++i, bits >>= 4) token += names[bits & 15];
  }
  return token;
}

std::int64_t ms_of(Micros time) { return std::chrono::duration_cast<milliseconds>(time).count(); }

}  // namespace

class RedisLeases::Held final : public Lease {
 public:
  Held(Client& client, const Clock& clock, std::string name, std::string key, std::string token, Micros duration)
      : client_(client),
        clock_(clock),
        name_(std::move(name)),
        key_(std::move(key)),
        token_(std::move(token)),
        duration_(duration) {}

  std::string_view name() const override { return name_; }
  std::uint64_t fence() const override { return fence_; }
  SteadyTime held_until() const override { return until_; }
  void taken(std::uint64_t fence, SteadyTime until) { fence_ = fence, until_ = until; }

  Result<void> renew(Deadline deadline) override {
    const SteadyTime begin = clock_.steady();
    const std::string time = std::to_string(ms_of(duration_));
    const std::string_view keys[] = {key_}, args[] = {token_, time};
    TRY(const std::int64_t ours, as_integer(client_.eval(renew_script(), keys, args, deadline)));
    if (ours == 0) {
      until_ = SteadyTime::min();
      return fail(Code::conflict, "LeaseLost", "the lock is not ours any more");
    }
    until_ = begin + duration_ - milliseconds{1};
    return {};
  }
  Result<void> release(Deadline deadline) override {
    until_ = SteadyTime::min();
    const std::string_view keys[] = {key_}, args[] = {token_};
    return expect_ok(client_.eval(release_script(), keys, args, deadline));
  }

 private:
  Client& client_;
  const Clock& clock_;
  const std::string name_, key_, token_;
  const Micros duration_;
  std::uint64_t fence_ = 0;
  SteadyTime until_ = SteadyTime::min();
};

Result<std::unique_ptr<Lease>> RedisLeases::try_once(std::string_view name, Micros duration, Deadline deadline,
                                                     Micros& held_for) {
  const std::string key = "{" + options_.prefix + std::string(name) + "}", fence_key = key + ":fence";
  const SteadyTime begin = clock_.steady();
  const std::string token = fresh_token(), time = std::to_string(ms_of(duration));
  auto lease = std::make_unique<Held>(client_, clock_, std::string(name), key, token, duration);
  const std::string_view keys[] = {key, fence_key}, args[] = {token, time};
  TRY(const auto reply, as_items(client_.eval(take_script(), keys, args, deadline)));
  if (reply.size() != 2)
    return fail(Code::corrupt, "UnexpectedReply", "Redis: a lock was answered with something else");
  if (reply[0].integer == 0) {
    held_for = milliseconds{std::max<std::int64_t>(reply[1].integer, 1)};
    Error held = fail(Code::conflict, "LeaseHeld", "another holds the lock");
    held.retry_after = std::chrono::duration_cast<milliseconds>(held_for);
    return held;
  }
  std::uint64_t fence = static_cast<std::uint64_t>(reply[1].integer);
  if (options_.fence_source) {
    auto counted = options_.fence_source(name, deadline);
    if (!counted) {
      (void)lease->release(deadline);
      return std::move(counted).error();
    }
    fence = *counted;
  }
  lease->taken(fence, begin + duration - milliseconds{1});
  return std::unique_ptr<Lease>(std::move(lease));
}

Result<std::unique_ptr<Lease>> RedisLeases::take(std::string_view name, Micros duration, Deadline deadline) {
  if (name.empty() || name.size() > 512 || name.find_first_of("{}") != std::string_view::npos)
    return fail(Code::invalid, "LeaseName", "a lock's name has 1 to 512 bytes and no braces");
  if (duration < milliseconds{10}) return fail_field("duration", "at least 10 ms", "LeaseName");
  // One try has the time that a round trip may take, also when the deadline has passed.
  constexpr auto one_try = std::chrono::seconds{1};
  Random random(random_u64());
  Micros pause = milliseconds{2};
  while (true) {
    Micros held_for{0};
    auto lease = try_once(name, duration, std::max(deadline, Deadline::in(one_try)), held_for);
    if (lease || lease.error().code != Code::conflict || deadline.expired()) return lease;
    const Micros wait =
        std::min({pause + Micros{static_cast<std::int64_t>(random.below(1'000))}, held_for, deadline.remaining()});
    std::this_thread::sleep_for(wait);
    pause = std::min<Micros>(pause * 2, milliseconds{64});
  }
}

void teach_lease_scripts(Double& twin) {
  twin.teach(take_script().text(), [](DoubleCall& call) {
    const auto set = call.command({"SET", call.keys[0], call.arguments[0], "NX", "PX", call.arguments[1]});
    if (!set.is_nil()) return DoubleReply::array({DoubleReply::of(1), call.command({"INCR", call.keys[1]})});
    return DoubleReply::array({DoubleReply::of(0), call.command({"PTTL", call.keys[0]})});
  });
  twin.teach(renew_script().text(), [](DoubleCall& call) {
    if (call.command({"GET", call.keys[0]}).text != call.arguments[0]) return DoubleReply::of(0);
    return call.command({"PEXPIRE", call.keys[0], call.arguments[1]});
  });
  twin.teach(release_script().text(), [](DoubleCall& call) {
    if (call.command({"GET", call.keys[0]}).text != call.arguments[0]) return DoubleReply::of(0);
    return call.command({"DEL", call.keys[0]});
  });
}

}  // namespace chaveiro::redis
