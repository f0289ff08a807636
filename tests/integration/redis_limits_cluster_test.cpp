// Limits on a cluster of three masters: all keys of a call lie in one slot, and nothing is lost, passed or said twice when that slot goes
// to another master, or when the master that it went to dies.
#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "base/uuid.h"
#include "clients/redis/limits_reapply.h"
#include "clients/redis/limits_store.h"
#include "clients/redis/official_reapply.h"
#include "clients/redis/wire/slots.h"
#include "tests/support/redis_server.h"

namespace chaveiro::redis {
namespace {

using namespace std::chrono_literals;

Deadline soon() { return Deadline::in(30s); }

class LimitsOnACluster : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { cluster_ = new tests::RedisCluster; }
  static void TearDownTestSuite() { delete std::exchange(cluster_, nullptr); }

  // One process: a client of its own.
  struct Process {
    std::unique_ptr<Client> client;
    std::unique_ptr<LimitsStore> store;
    std::unique_ptr<LimitsReapply> lasting;
    std::unique_ptr<OfficialStore> official_store;
    std::unique_ptr<OfficialReapply> official;
  };
  Process process() {
    Process made;
    made.client = Client::create(parse_url(cluster_->url()).value()).value();
    EXPECT_TRUE(made.client->wait_ready(soon()));
    made.store = std::make_unique<LimitsStore>(LimitsStoreOptions{}, *made.client, clock_);
    made.lasting = std::make_unique<LimitsReapply>(LimitsReapplyOptions{}, *made.store, *made.client, clock_, metrics_);
    made.official_store = std::make_unique<OfficialStore>(OfficialStoreOptions{}, *made.client, clock_);
    made.official = std::make_unique<OfficialReapply>(OfficialReapplyOptions{}, *made.official_store, *made.client,
                                                      clock_, metrics_);
    tests::wait_until("the watches know their servers",
                      [&] { return made.lasting->watching() && made.official->watching(); });
    return made;
  }
  // The slot of these keys goes to the next master.
  static std::size_t move_on(std::string_view key) {
    const unsigned slot = slot_of(key);
    std::size_t at = 0;
    while (&cluster_->nodes()[at] != &cluster_->master_of(slot)) ++at;
    const std::size_t to = (at + 1) % 3;
    cluster_->move_slots(slot, slot, to);
    return to;
  }
  static limits::Decision take(limits::Store& store, const limits::Ask& ask, limits::Mode mode = limits::Mode::take) {
    const auto verdict = store.take({&ask, 1}, mode, soon());
    EXPECT_TRUE(verdict) << verdict.error().reason << " " << verdict.error().message;
    return verdict ? verdict->decisions[0] : limits::Decision{};
  }

  static inline tests::RedisCluster* cluster_ = nullptr;
  SystemClock clock_;
  Registry metrics_;
  UuidV7 ids_;
};

constexpr std::string_view limits_tag = "{limits}:", policies_tag = "{policies}:";

TEST_F(LimitsOnACluster, charge_the_buckets_of_a_call_together_wherever_their_slot_lies) {
  Process one = process();
  const auto wide = *limits::make_terms("wide", {.amount = 100, .period = 24h * 300});
  const auto narrow = *limits::make_terms("narrow", {.amount = 6, .period = 24h * 300});
  const std::vector<limits::Ask> both{{"wide|x", wide.get(), 1}, {"narrow|y", narrow.get(), 1}};
  for (int i = 0; i < 3; ++i) {
    for (int n = 0; n < 2; ++n) {
      const auto verdict = one.lasting->take(both, limits::Mode::take, soon());
      ASSERT_TRUE(verdict) << verdict.error().message;
      EXPECT_TRUE(verdict->allowed);
    }
    move_on(limits_tag);
  }
  EXPECT_FALSE(one.lasting->take(both, limits::Mode::take, soon())->allowed);
  EXPECT_EQ(take(*one.lasting, both[0], limits::Mode::peek).remaining, 94) << "what was refused charged nothing";
}

TEST_F(LimitsOnACluster, count_every_call_once_while_their_slot_moves) {
  std::array<Process, 2> both{process(), process()};
  const auto terms = *limits::make_terms("moving", {.amount = 1'000'000, .period = 24h * 300});
  const limits::Ask ask{"moving|x", terms.get(), 1};
  std::atomic<std::int64_t> admitted = 0, wrong = 0;
  std::atomic<bool> over = false;
  std::vector<std::jthread> callers;
  for (std::size_t i = 0; i < 4; ++i) {
    callers.emplace_back([&, i] {
      limits::Store& store = *both[i % 2].lasting;
      while (!over) {
        const auto verdict = store.take({&ask, 1}, limits::Mode::take, soon());
        // `unavailable` charged nothing: the keys of the slot were on their way for too long.
        if (verdict ? !verdict->allowed : verdict.error().code != Code::unavailable) ++wrong;
        if (verdict) ++admitted;
      }
    });
  }
  for (int i = 0; i < 6; ++i) {
    move_on(limits_tag);
    tests::wait_until("calls are admitted there", [&, before = admitted.load()] { return admitted > before + 50; });
  }
  over = true;
  callers.clear();
  EXPECT_EQ(wrong, 0) << "a redirection is no loss";
  EXPECT_EQ(take(*both[0].lasting, ask, limits::Mode::peek).count, admitted);
}

TEST_F(LimitsOnACluster, settle_official_reservations_where_their_slot_lies_by_then) {
  Process one = process();
  const std::vector<limits::OfficialAsk> asks{{"user", {2, 24h, 100, limits::Refill::whole_periods}, 20, 0},
                                              {"psp", {2, 24h, 50, limits::Refill::whole_periods}, 3, 0}};
  const std::vector<limits::OfficialCharge> found{{1, false, {}, 1}, {1, false, {}, 1}};
  const auto balance_and_held = [&](std::size_t bucket) {
    const auto view = one.official->look(asks[bucket], soon());
    EXPECT_TRUE(view) << view.error().message;
    return view ? std::pair(view->balance, view->held) : std::pair(std::int64_t{-1}, std::int64_t{-1});
  };
  const std::string id = to_string(ids_.make(clock_.now()));
  const auto reserved = one.official->reserve(id, asks, 60s, soon());
  ASSERT_TRUE(reserved) << reserved.error().message;
  EXPECT_TRUE(reserved->allowed);
  move_on(policies_tag);
  EXPECT_EQ(balance_and_held(0), std::pair(std::int64_t{100}, std::int64_t{20}));
  const std::string end_to_end = "E" + id.substr(0, 8);
  for (const bool repeated : {false, true}) {
    const auto settled = one.official->settle(id, asks, found, end_to_end, soon());
    ASSERT_TRUE(settled) << settled.error().message;
    EXPECT_EQ(settled->repeated, repeated);
    move_on(policies_tag);
  }
  EXPECT_EQ(balance_and_held(0), std::pair(std::int64_t{99}, std::int64_t{0}));
  EXPECT_EQ(balance_and_held(1), std::pair(std::int64_t{49}, std::int64_t{0}));
  const auto credited = one.official->credit(end_to_end, soon());
  ASSERT_TRUE(credited) << credited.error().message;
  EXPECT_TRUE(*credited);
  move_on(policies_tag);
  EXPECT_FALSE(one.official->credit(end_to_end, soon()).value_or(true)) << "once, wherever it is asked";
  EXPECT_EQ(balance_and_held(0), std::pair(std::int64_t{100}, std::int64_t{0}));
}

TEST_F(LimitsOnACluster, tell_every_process_of_a_reset_wherever_their_slot_lies) {
  Process one = process(), other = process();
  const auto terms = *limits::make_terms("r", {.amount = 100, .period = 24h * 300});
  const limits::Ask ask{"r|x", terms.get(), 90};
  EXPECT_TRUE(take(*one.lasting, ask).allowed);
  EXPECT_FALSE(take(*other.lasting, ask).allowed);
  std::int64_t mark = one.lasting->resets(0, soon()).value().mark;
  for (const char* key : {"r|x", "r|y", "r|x", "r|z"}) {
    ASSERT_TRUE(other.lasting->reset(key, soon()));
    move_on(limits_tag);
    const auto heard = one.lasting->resets(mark, soon());
    ASSERT_TRUE(heard) << heard.error().message;
    EXPECT_EQ(heard->keys, std::vector<std::string>{key});
    EXPECT_GT(heard->mark, mark);
    mark = heard->mark;
  }
  EXPECT_TRUE(one.lasting->resets(mark, soon())->keys.empty());
  EXPECT_TRUE(take(*one.lasting, ask).allowed);
}

TEST_F(LimitsOnACluster, say_again_what_the_master_lost_to_which_their_slot_had_moved) {
  Process one = process();
  const auto terms = *limits::make_terms("lost", {.amount = 100, .period = 24h * 300});
  const limits::Ask ask{"lost|x", terms.get(), 30};
  EXPECT_EQ(take(*one.lasting, ask).remaining, 70);
  const std::size_t at = move_on(limits_tag);
  EXPECT_EQ(take(*one.lasting, ask).remaining, 40);
  tests::wait_until("the watch has come along", [&] { return one.lasting->server_changed(); });
  ASSERT_TRUE(one.lasting->run_once(soon()));
  EXPECT_EQ(take(*one.lasting, ask, limits::Mode::peek).remaining, 40)
      << "nothing was lost, and nothing is charged again";
  // Its replica hears of nothing more.
  tests::RedisServer& master = cluster_->nodes()[at];
  tests::RedisServer& replica = cluster_->nodes()[at + 3];
  tests::wait_until("the replica has what was charged so far", [&] {
    return master.info("replication", "master_repl_offset") == replica.info("replication", "slave_repl_offset");
  });
  replica.freeze();
  master.command({"CLIENT", "KILL", "TYPE", "replica"});
  EXPECT_EQ(take(*one.lasting, ask).remaining, 10);
  master.kill();
  replica.thaw();
  tests::wait_until("the watch sees the replica that took over", [&] { return one.lasting->server_changed(); }, 60s);
  tests::wait_until("it was said again", [&] { return one.lasting->run_once(Deadline::in(5s)).has_value(); }, 60s);
  // What may have come back since cannot be told from what was lost.
  EXPECT_NEAR(static_cast<double>(take(*one.lasting, ask, limits::Mode::peek).remaining), 10, 2)
      << "the replica said 40";
}

}  // namespace
}  // namespace chaveiro::redis
