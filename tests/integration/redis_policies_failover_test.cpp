// What buckets a server forgets when it falls is said again to the one that takes over, and nothing is charged twice.
#include <gtest/gtest.h>

#include "base/uuid.h"
#include "clients/redis/limits_reapply.h"
#include "clients/redis/limits_store.h"
#include "clients/redis/official_reapply.h"
#include "tests/support/redis_server.h"

namespace chaveiro::redis {
namespace {

using namespace std::chrono_literals;
using limits::OfficialAsk;
using limits::OfficialCharge;

const std::vector<OfficialAsk> asks{{"user", {2, 24h, 100, limits::Refill::whole_periods}, 20, 0},
                                    {"psp", {2, 24h, 50, limits::Refill::whole_periods}, 3, 0}};
const std::vector<OfficialCharge> found{{1, false, {}, 1}, {1, false, {}, 1}};
const std::vector<OfficialCharge> not_found{{20, false, {}, 0}, {3, false, {}, 0}};

Deadline soon() { return Deadline::in(10s); }

class PoliciesFailOver : public ::testing::Test {
 protected:
  void connect(const std::string& url) {
    client_ = *Client::create(*parse_url(url));
    ASSERT_TRUE(client_->wait_ready(soon()));
    store_ = std::make_unique<OfficialStore>(OfficialStoreOptions{}, *client_, clock_);
    reapply_ = std::make_unique<OfficialReapply>(OfficialReapplyOptions{}, *store_, *client_, clock_, metrics_);
    tests::wait_until("the watch knows its server", [&] { return reapply_->watching(); });
  }
  std::string reserve() {
    const std::string id = to_string(ids_.make(clock_.now()));
    const auto verdict = reapply_->reserve(id, asks, 10s, soon());
    EXPECT_TRUE(verdict && verdict->allowed);
    return id;
  }
  void settle(const std::string& id, const std::vector<OfficialCharge>& charges) {
    EXPECT_TRUE(reapply_->settle(id, asks, charges, "E" + id.substr(0, 8), soon()));
  }
  std::pair<std::int64_t, std::int64_t> balance_and_held(std::size_t bucket) {
    const auto view = store_->look(asks[bucket], soon());
    EXPECT_TRUE(view);
    return {view ? view->balance : -1, view ? view->held : -1};
  }
  void hear_of_it() {
    tests::wait_until("the watch sees another server", [&] { return reapply_->server_changed(); });
    ASSERT_TRUE(client_->wait_ready(soon()));
  }

  SystemClock clock_;
  Registry metrics_;
  UuidV7 ids_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<OfficialStore> store_;
  std::unique_ptr<OfficialReapply> reapply_;
};

TEST_F(PoliciesFailOver, charges_and_holds_of_the_last_seconds_are_said_again_to_an_empty_server) {
  tests::RedisServer server;
  connect(server.url());
  settle(reserve(), found);
  settle(reserve(), not_found);
  const std::string open = reserve();
  ASSERT_EQ(balance_and_held(0), std::pair(79L, 20L));
  server.kill();
  server.start();
  hear_of_it();
  const auto again = reapply_->run_once(soon());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, 3u);
  EXPECT_EQ(balance_and_held(0), std::pair(79L, 20L));
  EXPECT_EQ(balance_and_held(1), std::pair(46L, 3L));
  EXPECT_EQ(*reapply_->run_once(soon()), 0u);
  settle(open, found);
  EXPECT_EQ(balance_and_held(0), std::pair(78L, 0L));
}

TEST_F(PoliciesFailOver, a_step_whose_answer_was_lost_may_be_sent_again) {
  tests::RedisServer server;
  connect(server.url());
  const std::string id = reserve();
  EXPECT_TRUE(store_->reserve(id, asks, 10s, soon())->allowed);
  EXPECT_EQ(balance_and_held(0), std::pair(100L, 20L));
  settle(id, not_found);
  settle(id, not_found);
  EXPECT_EQ(balance_and_held(0), std::pair(80L, 0L));
}

TEST_F(PoliciesFailOver, the_next_reservation_says_everything_again_before_it_is_admitted) {
  tests::RedisServer server;
  connect(server.url());
  for (int i = 0; i < 4; ++i) settle(reserve(), not_found);
  ASSERT_EQ(balance_and_held(0).first, 20);
  server.kill();
  server.start();
  hear_of_it();
  settle(reserve(), not_found);
  EXPECT_EQ(balance_and_held(0).first, 0) << "a forgetful server would have said 80";
  const auto refused = reapply_->reserve(to_string(ids_.make(clock_.now())), asks, 10s, soon());
  EXPECT_FALSE(refused->allowed);
}

TEST_F(PoliciesFailOver, what_a_replica_had_received_is_not_charged_twice) {
  tests::RedisSentinels world(1);
  connect(world.url());
  settle(reserve(), found);
  settle(reserve(), not_found);
  const std::string open = reserve();
  tests::RedisServer& master = world.master();
  // The last bucket of the last script: what came before it has arrived too.
  const std::vector<std::string> ask{"GET", "{policies}:psp"};
  tests::wait_until("the replica has everything", [&] {
    for (tests::RedisServer& server : world.servers())
      if (server.command(ask).text != master.command(ask).text) return false;
    return true;
  });
  master.kill();
  hear_of_it();
  ASSERT_TRUE(reapply_->run_once(Deadline::in(20s)));
  EXPECT_EQ(balance_and_held(0), std::pair(79L, 20L));
  EXPECT_EQ(balance_and_held(1), std::pair(46L, 3L));
  settle(open, not_found);
  EXPECT_EQ(balance_and_held(0), std::pair(59L, 0L));
}

// Our own limits: two processes, one server that comes back empty.
TEST_F(PoliciesFailOver, buckets_of_our_own_limits_are_charged_again_and_by_one_process_only) {
  tests::RedisServer server;
  connect(server.url());
  LimitsStore store({}, *client_, clock_);
  LimitsReapply one({}, store, *client_, clock_, metrics_), two({}, store, *client_, clock_, metrics_);
  tests::wait_until("both know their server", [&] { return one.watching() && two.watching(); });
  std::vector<std::shared_ptr<const limits::Terms>> terms;
  for (const auto algorithm :
       {limits::Algorithm::token_bucket, limits::Algorithm::gcra, limits::Algorithm::sliding_window,
        limits::Algorithm::fixed_window, limits::Algorithm::calendar})
    terms.push_back(*limits::make_terms("r", {.algorithm = algorithm, .amount = 100, .period = 24h * 300}));
  const auto room = [&](limits::Store& asked, std::size_t i, std::int64_t cost) {
    const std::string key = "k" + std::to_string(i);
    const limits::Ask ask{key, terms[i].get(), cost};
    const auto verdict = asked.take({&ask, 1}, limits::Mode::take, soon());
    EXPECT_TRUE(verdict) << verdict.error().message;
    return verdict ? verdict->decisions[0].remaining : -1;
  };
  for (std::size_t i = 0; i < terms.size(); ++i) {
    EXPECT_EQ(room(one, i, 50), 50);
    EXPECT_EQ(room(two, i, 10), 40);
  }
  server.kill();
  server.start();
  tests::wait_until("both see another server", [&] { return one.server_changed() && two.server_changed(); });
  ASSERT_TRUE(client_->wait_ready(soon()));
  // The first knew of its own charges only, the second of both.
  EXPECT_NEAR(static_cast<double>(room(one, 0, 0)), 50, 1) << "a forgetful server would have said 100";
  EXPECT_NEAR(static_cast<double>(room(two, 0, 0)), 40, 2);
  for (std::size_t i = 1; i < terms.size(); ++i) EXPECT_NEAR(static_cast<double>(room(two, i, 0)), 40, 2) << i;
  EXPECT_EQ(*one.run_once(soon()), 0u);
  EXPECT_EQ(*two.run_once(soon()), 0u);
}

}  // namespace
}  // namespace chaveiro::redis
