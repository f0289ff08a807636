// A client and a cluster of doubles: how often the map is asked for, of whom, and who moves with it.
#include <gtest/gtest.h>

#include <array>

#include "clients/redis/client.h"
#include "clients/redis/double.h"
#include "clients/redis/wire/slots.h"

namespace chaveiro::redis {
namespace {

using namespace std::chrono_literals;
using Time = std::chrono::steady_clock;

Deadline soon() { return Deadline::in(20s); }

class RedisMap : public testing::Test {
 protected:
  void SetUp() override {
    for (auto& node : nodes_) node = Double::start({}, clock_).value();
    all_belongs_to(*nodes_[0]);
  }

  static DoubleReply range(unsigned first, unsigned last, const Double& owner) {
    return DoubleReply::array(
        {DoubleReply::of(first), DoubleReply::of(last),
         DoubleReply::array({DoubleReply::bulk("127.0.0.1"), DoubleReply::of(owner.port()), DoubleReply::bulk("id")})});
  }
  void all_belongs_to(const Double& owner) {
    for (auto& node : nodes_) node->set_answer("CLUSTER", DoubleReply::array({range(0, slot_count - 1, owner)}));
  }
  void moves(const std::string& tag, const Double& owner, const char* command) {
    all_belongs_to(owner);
    nodes_[0]->set_fault(
        {.kind = DoubleFault::Kind::error,
         .command = command,
         .text = "MOVED " + std::to_string(slot_of(tag)) + " 127.0.0.1:" + std::to_string(owner.port())});
  }
  std::unique_ptr<Client> client_of() const {
    std::string url = "redis+cluster://";
    for (const auto& node : nodes_)
      url += (node == nodes_.front() ? "127.0.0.1:" : ",127.0.0.1:") + std::to_string(node->port());
    return Client::create(parse_url(url).value()).value();
  }
  std::uint64_t questions() const { return nodes_[0]->calls("CLUSTER") + nodes_[1]->calls("CLUSTER"); }
  bool asked(std::uint64_t times, Deadline deadline) const {
    while (questions() < times) {
      if (deadline.expired()) return false;
      Guarded<bool> nothing(false);
      nothing.lock().wait(deadline.capped(2ms), [](bool it) { return it; });
    }
    return true;
  }

  SystemClock clock_;
  std::array<std::unique_ptr<Double>, 2> nodes_;
};

TEST_F(RedisMap, is_asked_for_twice_at_most_when_a_thousand_callers_are_redirected) {
  const auto client = client_of();
  ASSERT_TRUE(client->wait_ready(soon()));
  moves("{t}", *nodes_[1], "GET");
  nodes_[1]->command({"SET", "{t}", "v"});
  const std::uint64_t before = questions();
  const auto begin = Time::now();
  std::vector<Command> commands;
  for (int i = 0; i < 1000; ++i) commands.emplace_back("GET", "{t}");
  for (auto& reply : client->pipeline(std::move(commands), soon())) {
    ASSERT_TRUE(reply) << reply.error().message;
    ASSERT_EQ(reply->text, "v");
  }
  const auto took = Time::now() - begin;
  EXPECT_EQ(nodes_[0]->calls("GET"), 1000U) << "every one was redirected";
  EXPECT_TRUE(asked(before + 1, soon()));
  // On a machine that takes long over a thousand redirections, one more for each shortest pause meanwhile.
  const auto most = 2 + static_cast<std::uint64_t>(took / 50ms);
  EXPECT_FALSE(asked(before + most + 1, Deadline::in(800ms))) << "in " << took / 1ms << " ms";
}

TEST_F(RedisMap, is_asked_for_less_and_less_often_and_of_every_node_in_turn_while_none_knows_it) {
  for (auto& node : nodes_) node->set_answer("CLUSTER", DoubleReply::error("ERR not now"));
  const auto begin = Time::now();
  const auto client = client_of();
  ASSERT_TRUE(asked(6, soon()));
  EXPECT_GE(Time::now() - begin, 25ms + 50ms + 100ms + 200ms + 400ms) << "half of each pause is jitter";
  for (const auto& node : nodes_) EXPECT_GE(node->calls("CLUSTER"), 2U);
  all_belongs_to(*nodes_[1]);
  EXPECT_TRUE(client->wait_ready(soon()));
}

TEST_F(RedisMap, is_asked_for_less_and_less_often_while_it_tells_nothing_new) {
  const auto begin = Time::now();
  const auto client = client_of();
  ASSERT_TRUE(client->wait_ready(soon()));
  nodes_[0]->set_fault(
      {.kind = DoubleFault::Kind::error, .command = "GET", .text = "CLUSTERDOWN Hash slot not served"});
  const Deadline limit = soon();
  while (questions() < 6 && !limit.expired()) (void)client->call(Command("GET", "k"), Deadline::in(50ms));
  EXPECT_GE(questions(), 6U);
  EXPECT_GE(Time::now() - begin, 50ms + 100ms + 200ms + 250ms + 250ms) << "half of each pause is jitter";
}

TEST_F(RedisMap, is_asked_of_those_that_are_in_it_while_they_answer) {
  const auto client = client_of();
  ASSERT_TRUE(client->wait_ready(soon()));
  const std::uint64_t before = nodes_[1]->calls("CLUSTER");
  nodes_[0]->set_fault(
      {.kind = DoubleFault::Kind::error, .command = "GET", .text = "CLUSTERDOWN Hash slot not served"});
  const Deadline limit = soon();
  const std::uint64_t enough = questions() + 4;
  while (questions() < enough && !limit.expired()) (void)client->call(Command("GET", "k"), Deadline::in(50ms));
  EXPECT_EQ(nodes_[1]->calls("CLUSTER"), before) << "one to begin with, and no master";
}

TEST_F(RedisMap, takes_dedicated_connections_along_when_their_slot_has_moved) {
  const auto client = client_of();
  ASSERT_TRUE(client->wait_ready(soon()));
  Guarded<std::uint16_t> at(std::uint16_t{0});
  DedicatedOptions options;
  options.key = "{t}";
  options.on_up = [&](const Endpoint& node, const std::vector<Value>&) {
    at.with([&](std::uint16_t& it) { it = node.port; });
    at.notify_all();
  };
  const auto dedicated = client->dedicate(std::move(options));
  ASSERT_TRUE(at.lock().wait(soon(), [&](std::uint16_t port) { return port == nodes_[0]->port(); }));
  moves("{t}", *nodes_[1], "SET");
  // Nobody says a word on the dedicated connection: another caller meets the redirection.
  ASSERT_TRUE(expect_ok(client->call(Command("SET", "{t}", "v"), soon())));
  EXPECT_TRUE(at.lock().wait(soon(), [&](std::uint16_t port) { return port == nodes_[1]->port(); }));
}

}  // namespace
}  // namespace chaveiro::redis
