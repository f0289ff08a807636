#include "clients/redis/client.h"

#include <gtest/gtest.h>

#include <ctime>
#include <future>
#include <set>
#include <thread>

#include "clients/redis/double.h"
#include "clients/redis/scan.h"
#include "clients/redis/subscriber.h"

namespace chaveiro::redis {
namespace {

using namespace std::chrono_literals;

Deadline soon() { return Deadline::in(30s); }

class ClientTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = Double::start({}, clock_);
    ASSERT_TRUE(started) << started.error().message;
    server_ = std::move(*started);
    connect({});
  }
  void connect(Options options) {
    auto read = parse_url(server_->url(), std::move(options));
    ASSERT_TRUE(read) << read.error().message;
    auto made = Client::create(std::move(*read));
    ASSERT_TRUE(made) << made.error().message;
    client_ = std::move(*made);
  }

  SystemClock clock_;
  std::unique_ptr<Double> server_;
  std::unique_ptr<Client> client_;
};

TEST_F(ClientTest, sets_and_gets) {
  ASSERT_TRUE(expect_ok(client_->call(Command("SET", "k", "v"), soon())));
  const auto got = as_text(client_->call(Command("GET", "k"), soon()));
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(*got, "v");
  EXPECT_EQ(as_text(client_->call(Command("GET", "none"), soon())).error().code, Code::not_found);
}

TEST_F(ClientTest, gives_every_caller_its_own_answer) {
  constexpr int callers = 8;
  constexpr int calls = 500;
  std::vector<std::thread> threads;
  std::vector<std::string> wrong(callers);
  for (int t = 0; t < callers; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < calls; ++i) {
        const std::string text = std::to_string(t) + ":" + std::to_string(i);
        const auto echoed = as_text(client_->call(Command("ECHO", text), soon()));
        if (!echoed || *echoed != text) wrong[static_cast<std::size_t>(t)] = echoed ? *echoed : echoed.error().message;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& text : wrong) EXPECT_EQ(text, "");
}

TEST_F(ClientTest, answers_callbacks_in_order_for_one_key) {
  constexpr int count = 2000;
  std::vector<std::int64_t> seen;
  std::promise<void> all;
  for (int i = 0; i < count; ++i) {
    client_->send(Command("INCR", "n"), soon(), [&](Result<Value>&& reply) {
      seen.push_back(as_integer(std::move(reply)).value_or(-1));
      if (seen.size() == count) all.set_value();
    });
  }
  ASSERT_EQ(all.get_future().wait_for(30s), std::future_status::ready);
  for (int i = 0; i < count; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i + 1);
}

TEST_F(ClientTest, keeps_a_pipeline_in_order_with_errors_in_their_places) {
  std::vector<Command> commands;
  commands.emplace_back("SET", "a", "1");
  commands.emplace_back("LPUSH", "a", "x");
  commands.emplace_back("GET", "a");
  Replies replies = client_->pipeline(std::move(commands), soon());
  ASSERT_EQ(replies.size(), 3U);
  EXPECT_TRUE(replies[0]);
  EXPECT_EQ(replies[1].error().reason, "WRONGTYPE");
  EXPECT_EQ(replies[2]->text, "1");
}

TEST_F(ClientTest, frees_the_caller_at_its_deadline_and_drops_the_late_answer) {
  ASSERT_TRUE(client_->call(Command("SET", "k", "v"), soon()));
  server_->set_fault({.kind = DoubleFault::Kind::delay, .command = "GET", .times = 1, .delay = 1s});
  const auto begin = std::chrono::steady_clock::now();
  const auto late = client_->call(Command("GET", "k"), Deadline::in(30ms));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 900ms);
  EXPECT_EQ(late.error().code, Code::deadline);
  const auto next = as_text(client_->call(Command("ECHO", "mine"), soon()));
  EXPECT_EQ(next.value_or(""), "mine");
}

TEST_F(ClientTest, ends_a_callback_at_its_deadline_and_does_not_ask_again) {
  for (const std::string_view name : {"GET", "INCR"}) {
    ASSERT_TRUE(client_->call(Command(name, "k"), soon()));
    server_->set_fault({.kind = DoubleFault::Kind::silence, .command = std::string(name)});
    std::promise<Code> code;
    const auto begin = std::chrono::steady_clock::now();
    client_->send(Command(name, "k"), Deadline::in(100ms),
                  [&](Result<Value>&& reply) { code.set_value(reply ? Code::internal : reply.error().code); });
    EXPECT_EQ(code.get_future().get(), name == "GET" ? Code::deadline : Code::maybe_applied);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s) << "sooner than the silence is noticed";
    EXPECT_EQ(server_->calls(name), 2U);
    connect({});
  }
}

TEST_F(ClientTest, says_maybe_applied_for_a_write_whose_answer_is_late) {
  ASSERT_TRUE(client_->call(Command("SET", "k", "v"), soon()));
  server_->set_fault({.kind = DoubleFault::Kind::silence, .command = "SET"});
  EXPECT_EQ(client_->call(Command("SET", "k", "v"), Deadline::in(50ms)).error().code, Code::maybe_applied);
}

TEST_F(ClientTest, never_repeats_a_write_whose_connection_was_lost) {
  ASSERT_TRUE(client_->call(Command("PING"), soon()));
  server_->set_fault({.kind = DoubleFault::Kind::close_after, .command = "INCR", .times = 1});
  EXPECT_EQ(client_->call(Command("INCR", "n"), soon()).error().code, Code::maybe_applied);
  EXPECT_EQ(server_->calls("INCR"), 1U);
  EXPECT_EQ(as_text(client_->call(Command("GET", "n"), soon())).value_or(""), "1");
}

TEST_F(ClientTest, repeats_reads_and_what_the_caller_vouches_for) {
  ASSERT_TRUE(client_->call(Command("SET", "k", "v"), soon()));
  server_->set_fault({.kind = DoubleFault::Kind::close_before, .command = "GET", .times = 2});
  const auto got = as_text(client_->call(Command("GET", "k"), soon()));
  EXPECT_EQ(got.value_or("none"), "v") << (got ? "" : got.error().message);
  server_->set_fault({.kind = DoubleFault::Kind::close_after, .command = "SET", .times = 1});
  EXPECT_TRUE(client_->call(Command("SET", "k", "w").idempotent(), soon()));
  EXPECT_EQ(server_->calls("SET"), 3U);
}

TEST_F(ClientTest, sends_a_write_again_that_a_replica_has_refused) {
  ASSERT_TRUE(client_->call(Command("PING"), soon()));
  server_->set_fault({.kind = DoubleFault::Kind::error,
                      .command = "INCR",
                      .times = 2,
                      .text = "READONLY You can't write against a read only replica."});
  EXPECT_EQ(as_integer(client_->call(Command("INCR", "n"), soon())).value_or(0), 1);
}

TEST_F(ClientTest, asks_idle_connections_whether_they_live_and_dials_again_where_one_is_silent) {
  Options options;
  options.health_check = 20ms;
  options.read_timeout = 100ms;
  connect(std::move(options));
  ASSERT_TRUE(client_->wait_ready(soon()));
  const auto comes_to = [&](std::string_view command, std::uint64_t times) {
    const Deadline deadline = soon();
    while (server_->calls(command) < times && !deadline.expired()) std::this_thread::yield();
    return server_->calls(command) >= times;
  };
  EXPECT_TRUE(comes_to("PING", server_->calls("PING") + 5));
  server_->set_fault({.kind = DoubleFault::Kind::silence, .command = "PING", .times = 1});
  EXPECT_TRUE(comes_to("HELLO", server_->calls("HELLO") + 1));
  EXPECT_TRUE(client_->call(Command("SET", "k", "v"), soon()));
}

TEST_F(ClientTest, survives_garbage_and_halved_frames) {
  ASSERT_TRUE(client_->call(Command("SET", "k", "v"), soon()));
  for (const auto kind : {DoubleFault::Kind::garbage, DoubleFault::Kind::cut, DoubleFault::Kind::halve}) {
    server_->set_fault({.kind = kind, .command = "GET", .times = 1, .delay = 10ms, .text = "?what\r\n"});
    const auto got = as_text(client_->call(Command("GET", "k"), soon()));
    EXPECT_EQ(got.value_or("none"), "v") << (got ? "" : got.error().message);
  }
}

// Whatever happens while a connection greets: the next one serves those who wait.
TEST_F(ClientTest, dials_again_when_a_greeting_breaks) {
  using Kind = DoubleFault::Kind;
  for (const Kind kind :
       {Kind::cut, Kind::garbage, Kind::halve, Kind::silence, Kind::close_before, Kind::close_after}) {
    for (const char* command : {"HELLO", "CLIENT"}) {
      server_->set_fault({.kind = kind, .command = command, .times = 2, .delay = 1ms, .text = "?\xff nonsense\r\n"});
      connect({.dial_timeout = 200ms, .reconnect_delay_min = 1ms});
      EXPECT_TRUE(client_->call(Command("SET", "k", "v").idempotent(), soon())) << static_cast<int>(kind) << command;
      EXPECT_EQ(client_->figures().in_flight, 0U);
    }
  }
}

TEST_F(ClientTest, mistakes_nothing_after_the_greeting_for_the_first_answer) {
  server_->set_fault(
      {.kind = DoubleFault::Kind::garbage, .command = "CLIENT", .times = 1, .text = "+OK\r\n$3\r\nbad\r\n"});
  connect({.reconnect_delay_min = 1ms});
  EXPECT_EQ(as_text(client_->call(Command("ECHO", "mine"), soon())).value_or(""), "mine");
}

TEST_F(ClientTest, hears_the_answer_to_a_callback_behind_a_blocking_call) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(client_->call(Command("PING"), soon()));
    std::promise<void> answered;
    client_->send(Command("PING"), soon(), [&](Result<Value>&&) { answered.set_value(); });
    ASSERT_EQ(answered.get_future().wait_for(5s), std::future_status::ready);
  }
  // A tick comes every 100 ms: it must not be what notices the answer.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
}

TEST_F(ClientTest, refuses_at_once_when_the_server_has_been_away_for_long) {
  ASSERT_TRUE(client_->call(Command("PING"), soon()));
  server_->hang_up();
  EXPECT_EQ(client_->call(Command("GET", "k"), soon()).error().code, Code::unavailable);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(client_->call(Command("GET", "k"), soon()).error().code, Code::unavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 900ms) << "it waited for the connection no more";
  server_->listen();
  EXPECT_TRUE(client_->wait_ready(soon()));
}

TEST_F(ClientTest, runs_a_transaction_on_a_connection_of_its_own) {
  std::vector<Command> commands;
  commands.emplace_back("SET", "a", "1");
  commands.emplace_back("INCR", "a");
  const auto values = client_->transaction(std::move(commands), soon());
  ASSERT_TRUE(values) << values.error().message;
  ASSERT_EQ(values->size(), 2U);
  EXPECT_EQ((*values)[1].integer, 2);
}

TEST_F(ClientTest, notices_that_a_watched_key_changed) {
  auto borrowed = client_->borrow(soon());
  ASSERT_TRUE(borrowed);
  ASSERT_TRUE(borrowed->call(Command("WATCH", "k"), soon()));
  ASSERT_TRUE(client_->call(Command("SET", "k", "other"), soon()));
  std::vector<Command> commands;
  commands.emplace_back("SET", "k", "mine");
  const auto done = borrowed->transaction(std::move(commands), soon());
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_FALSE(done->has_value());
}

TEST_F(ClientTest, lends_in_turn_and_gives_up_at_the_deadline) {
  connect({.pool_size = 1, .min_idle = 0});
  auto first = client_->borrow(soon());
  ASSERT_TRUE(first);
  EXPECT_EQ(client_->borrow(Deadline::in(10ms)).error().reason, "PoolEmpty");
  auto waiting = std::async(std::launch::async, [&] { return client_->borrow(soon()).has_value(); });
  { const Borrowed back = std::move(*first); }
  EXPECT_TRUE(waiting.get());
}

TEST_F(ClientTest, refuses_what_would_answer_other_callers) {
  for (Command command :
       {Command("MULTI"), Command("SELECT", 1), Command("BLPOP", "k", 0), Command("SUBSCRIBE", "c")}) {
    EXPECT_EQ(client_->call(std::move(command), soon()).error().reason, "NeedsOwnConnection");
  }
  EXPECT_EQ(server_->calls("MULTI"), 0U);
}

TEST_F(ClientTest, runs_no_callback_on_the_thread_that_sends) {
  server_->hang_up();
  std::promise<std::thread::id> where;
  client_->send(Command("SELECT", 1), soon(), [&](Result<Value>&&) { where.set_value(std::this_thread::get_id()); });
  EXPECT_NE(where.get_future().get(), std::this_thread::get_id());
}

TEST_F(ClientTest, counts_what_it_does) {
  Registry metrics;
  Options options;
  options.hot_key_sample = 1;
  options.slow_command = 1us;
  auto client = Client::create(*parse_url(server_->url(), options), {.metrics = &metrics});
  ASSERT_TRUE(client);
  for (int i = 0; i < 8; ++i) ASSERT_TRUE((*client)->call(Command("SET", "often", "v"), soon()));
  ASSERT_TRUE((*client)->call(Command("GET", "seldom"), soon()));
  EXPECT_FALSE((*client)->call(Command("LPUSH", "often", "x"), soon()));
  const Client::Figures figures = (*client)->figures();
  EXPECT_EQ(figures.commands, 10U);
  EXPECT_EQ(figures.errors, 1U);
  EXPECT_GT(figures.slow, 0U);
  EXPECT_EQ(figures.in_flight, 0U);
  ASSERT_FALSE((*client)->hot_keys(5).empty());
  EXPECT_EQ((*client)->hot_keys(5).front(), (std::pair<std::string, double>("often", 0.9)));
  const std::string text = metrics.expose();
  for (const std::string_view line :
       {"redis_commands_total 10", "redis_errors_total{reason=\"WRONGTYPE\"} 1", "redis_connections_active ",
        "redis_connections_idle 0", "redis_operations_duration_seconds_count 10"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line;
  }
}

TEST_F(ClientTest, warns_at_the_start_of_an_old_server_and_of_a_policy_that_loses_state) {
  server_->set_answer("INFO",
                      DoubleReply::bulk("# Server\r\nredis_version:6.0.16\r\nmaxmemory_policy:allkeys-lru\r\n"));
  server_->set_answer("COMMAND", DoubleReply::array({DoubleReply::array({DoubleReply::bulk("get")})}));
  const auto cache = client_->check(Purpose::cache, soon());
  ASSERT_TRUE(cache) << cache.error().message;
  EXPECT_EQ(cache->front().warnings, std::vector<std::string>{"Redis 6.0.16 is older than 6.2"});
  EXPECT_EQ(client_->check(Purpose::state, soon())->front().warnings.size(), 2U);
  server_->set_answer("INFO", DoubleReply::bulk("# Server\r\nredis_version:10.0.0\r\nmaxmemory_policy:noeviction\r\n"));
  EXPECT_TRUE(client_->check(Purpose::state, soon())->front().warnings.empty());
}

// What the whole process takes, the double included.
double cpu_seconds() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

TEST_F(ClientTest, burns_no_cpu_while_nobody_asks_or_the_server_is_silent) {
  ASSERT_TRUE(expect_ok(client_->call(Command("SET", "k", "v"), soon())));
  Guarded<bool> nothing(false);
  const auto idle_for_a_second = [&] {
    const double before = cpu_seconds();
    nothing.lock().wait(Deadline::in(1s), [](bool it) { return it; });
    return cpu_seconds() - before;
  };
  EXPECT_LT(idle_for_a_second(), 0.1) << "a thread that spins would have taken a second";
  server_->set_fault({.kind = DoubleFault::Kind::silence, .command = "GET"});
  std::promise<void> over;
  client_->send(Command("GET", "k"), Deadline::in(2s), [&](Result<Value>&&) { over.set_value(); });
  EXPECT_LT(idle_for_a_second(), 0.1) << "an answer is due, and does not come";
  over.get_future().wait();
}

TEST_F(ClientTest, falls_back_to_resp2) {
  auto old = Double::start({.resp3 = false}, clock_);
  ASSERT_TRUE(old);
  auto client = Client::create(*parse_url((*old)->url()));
  ASSERT_TRUE(client);
  EXPECT_TRUE(expect_ok((*client)->call(Command("HSET", "h", "f", "v"), soon())));
  const auto pairs = as_pairs((*client)->call(Command("HGETALL", "h"), soon()));
  ASSERT_TRUE(pairs);
  EXPECT_EQ(*pairs, (Pairs{{"f", "v"}}));
}

TEST_F(ClientTest, subscribes_again_after_a_lost_connection) {
  Guarded<std::vector<std::string>> messages;
  Guarded<int> gaps(0);
  Subscriber subscriber(*client_, {.on_message =
                                       [&](const Message& message) {
                                         messages.with([&](auto& all) { all.emplace_back(message.payload); });
                                         messages.notify_all();
                                       },
                                   .on_gap =
                                       [&] {
                                         gaps.with([](int& n) { ++n; });
                                         gaps.notify_all();
                                       }});
  ASSERT_TRUE(gaps.lock().wait(soon(), [](int n) { return n == 1; }));
  for (;;) {
    if (subscriber.subscribe("news", soon())) break;
  }
  ASSERT_TRUE(client_->call(Command("PUBLISH", "news", "one"), soon()));
  ASSERT_TRUE(messages.lock().wait(soon(), [](const auto& all) { return all.size() == 1; }));
  server_->close_connections();
  ASSERT_TRUE(gaps.lock().wait(soon(), [](int n) { return n == 2; }));
  ASSERT_TRUE(client_->call(Command("PUBLISH", "news", "two").idempotent(), soon()));
  ASSERT_TRUE(messages.lock().wait(soon(), [](const auto& all) { return all.size() == 2; }));
  EXPECT_EQ(messages.lock()->back(), "two");
}

TEST_F(ClientTest, scans_everything_as_a_range) {
  std::vector<Command> commands;
  for (int i = 0; i < 300; ++i) commands.emplace_back("SET", "key:" + std::to_string(i), "v");
  (void)client_->pipeline(std::move(commands), soon());
  std::set<std::string> seen;
  Scan keys(*client_, {.match = "key:*", .count = 50}, soon());
  for (const std::string& key : keys) seen.insert(key);
  EXPECT_TRUE(keys.status());
  EXPECT_EQ(seen.size(), 300U);
}

TEST_F(ClientTest, falls_back_to_eval_when_the_script_is_unknown) {
  const Script script("return ARGV[1]");
  server_->teach(script.text(), [](DoubleCall& call) { return DoubleReply::bulk(call.arguments.at(0)); });
  const std::string_view argument = "x";
  EXPECT_EQ(as_text(client_->eval(script, {}, {&argument, 1}, soon())).value_or(""), "x");
}

TEST_F(ClientTest, answers_everything_when_it_is_destroyed) {
  server_->set_fault({.kind = DoubleFault::Kind::silence, .command = "GET"});
  Guarded<std::vector<Code>> codes;
  for (int i = 0; i < 10; ++i) {
    client_->send(Command("GET", "k"), soon(), [&](Result<Value>&& reply) {
      codes.with([&](auto& all) { all.push_back(reply ? Code::internal : reply.error().code); });
    });
  }
  client_.reset();
  EXPECT_EQ(*codes.lock(), std::vector<Code>(10, Code::cancelled));
}

}  // namespace
}  // namespace chaveiro::redis
