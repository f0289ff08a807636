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

Deadline soon() { return Deadline::in(30s); }

class PoliciesFailOver : public ::testing::Test {
 protected:
  void connect(const std::string& url) {
    Options options = *parse_url(url);
    options.connections = 1;  // so that one answer tells that it is up again
    client_ = *Client::create(options);
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
    reconnect();
  }
  // The watch has a connection of its own: the other one may not have noticed yet.
  void reconnect() {
    ASSERT_TRUE(client_->wait_ready(soon()));
    tests::wait_until("the server answers", [&] { return client_->call(Command("PING"), soon()).has_value(); });
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
  ASSERT_TRUE(reapply_->run_once(Deadline::in(60s)));
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
  reconnect();
  // The first knew of its own charges only, the second of both.
  EXPECT_NEAR(static_cast<double>(room(one, 0, 0)), 50, 1) << "a forgetful server would have said 100";
  EXPECT_NEAR(static_cast<double>(room(two, 0, 0)), 40, 2);
  for (std::size_t i = 1; i < terms.size(); ++i) EXPECT_NEAR(static_cast<double>(room(two, i, 0)), 40, 2) << i;
  EXPECT_EQ(*one.run_once(soon()), 0u);
  EXPECT_EQ(*two.run_once(soon()), 0u);
}

// A sliding log is charged down to what was left, and places are taken again by the process through which they were given.
TEST_F(PoliciesFailOver, sliding_logs_and_places_of_calls_at_once_are_made_good_too) {
  tests::RedisServer server;
  connect(server.url());
  LimitsStore store({}, *client_, clock_);
  LimitsReapply one({}, store, *client_, clock_, metrics_), two({}, store, *client_, clock_, metrics_);
  tests::wait_until("both know their server", [&] { return one.watching() && two.watching(); });
  const auto log =
      *limits::make_terms("log", {.algorithm = limits::Algorithm::sliding_log, .amount = 100, .period = 1h});
  const auto places =
      *limits::make_terms("places", {.algorithm = limits::Algorithm::concurrency, .amount = 4, .period = 1h});
  const auto take = [&](limits::Store& asked, const auto& terms, std::int64_t cost, std::int64_t holder = 0) {
    const limits::Ask ask{terms->rule, terms.get(), cost, limits::Weight::binding, holder};
    const auto verdict = asked.take({&ask, 1}, limits::Mode::take, soon());
    EXPECT_TRUE(verdict) << verdict.error().message;
    return verdict && verdict->allowed ? verdict->decisions[0].remaining : -1;
  };
  const auto release = [&](limits::Store& asked, std::int64_t holder) {
    const limits::Ask ask{"places", places.get(), 1, limits::Weight::binding, holder};
    EXPECT_TRUE(asked.release(ask, soon()));
  };
  EXPECT_EQ(take(one, log, 50), 50);
  EXPECT_EQ(take(two, log, 10), 40);
  EXPECT_EQ(take(one, places, 1, 11), 3);
  EXPECT_EQ(take(one, places, 1, 12), 2);
  EXPECT_EQ(take(two, places, 1, 21), 1);
  release(one, 12);
  server.kill();
  server.start();
  tests::wait_until("both see another server", [&] { return one.server_changed() && two.server_changed(); });
  reconnect();
  const auto again = one.run_once(soon());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, 2u) << "the log, and one place";
  EXPECT_EQ(*two.run_once(soon()), 2u);
  EXPECT_EQ(take(one, log, 0), 40) << "what both had admitted, to the one";
  EXPECT_EQ(take(two, places, 1, 22), 1) << "two of four were held";
  EXPECT_EQ(take(two, places, 2, 23), -1);
  release(one, 11);
  release(two, 21);
  release(two, 22);
  EXPECT_EQ(take(two, places, 4, 24), 0) << "no place is left over from before";
}

// What a replica had received is not taken twice.
TEST_F(PoliciesFailOver, places_that_were_not_lost_are_not_taken_twice) {
  tests::RedisServer server;
  connect(server.url());
  LimitsStore store({}, *client_, clock_);
  LimitsReapply lasting({}, store, *client_, clock_, metrics_);
  tests::wait_until("it knows its server", [&] { return lasting.watching(); });
  const auto places =
      *limits::make_terms("places", {.algorithm = limits::Algorithm::concurrency, .amount = 4, .period = 1h});
  const limits::Ask held{"places", places.get(), 1, limits::Weight::binding, 7};
  ASSERT_TRUE(lasting.take({&held, 1}, limits::Mode::take, soon())->allowed);
  server.kill();
  server.start();
  tests::wait_until("it sees another server", [&] { return lasting.server_changed(); });
  reconnect();
  ASSERT_TRUE(store.take({&held, 1}, limits::Mode::take, soon())) << "as if it had come over";
  const auto again = lasting.run_once(soon());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, 1u);
  const limits::Ask look{"places", places.get(), 0};
  EXPECT_EQ(store.take({&look, 1}, limits::Mode::peek, soon())->decisions[0].count, 1);
}

TEST_F(PoliciesFailOver, a_reset_is_told_to_every_process_and_is_not_undone_by_a_fail_over) {
  tests::RedisServer server;
  connect(server.url());
  LimitsStore store({}, *client_, clock_);
  LimitsReapply one({}, store, *client_, clock_, metrics_), two({}, store, *client_, clock_, metrics_);
  tests::wait_until("both know their server", [&] { return one.watching() && two.watching(); });
  const auto terms = *limits::make_terms("r", {.amount = 100, .period = 24h * 300});
  const limits::Ask ask{"r|x", terms.get(), 90};
  ASSERT_TRUE(one.take({&ask, 1}, limits::Mode::take, soon())->allowed);
  const auto before = two.resets(0, soon());
  ASSERT_TRUE(before) << before.error().message;
  EXPECT_TRUE(before->keys.empty());
  ASSERT_TRUE(two.reset("r|x", soon()));
  ASSERT_TRUE(two.reset("r|y", soon()));
  const auto heard = one.resets(before->mark, soon());
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->keys, (std::vector<std::string>{"r|x", "r|y"}));
  EXPECT_TRUE(one.resets(heard->mark, soon())->keys.empty());
  ASSERT_TRUE(two.reset("r|x", soon()));
  EXPECT_EQ(one.resets(heard->mark, soon())->keys, std::vector<std::string>{"r|x"});
  server.kill();
  server.start();
  tests::wait_until("both see another server", [&] { return one.server_changed() && two.server_changed(); });
  reconnect();
  EXPECT_EQ(*one.run_once(soon()), 0u);
  EXPECT_TRUE(one.take({&ask, 1}, limits::Mode::take, soon())->allowed);
}

}  // namespace
}  // namespace chaveiro::redis
