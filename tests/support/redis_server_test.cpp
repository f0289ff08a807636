#include "tests/support/redis_server.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace chaveiro::tests {
namespace {

TEST(RedisServers, start_alone_and_come_back_empty_after_a_kill) {
  RedisServer server;
  EXPECT_EQ(server.command({"SET", "k", "v"}).text, "OK");
  EXPECT_EQ(RespSocket(server.port()).command({"GET", "k"}).text, "v");
  server.kill();
  EXPECT_THROW((void)server.command({"PING"}), std::runtime_error);
  server.start();
  EXPECT_EQ(server.command({"GET", "k"}).type, '_');
}

TEST(RedisServers, are_of_the_program_that_the_environment_names) {
  RedisServer server;
  const char* other = std::getenv("CHAVEIRO_REDIS_PROGRAM");
  const bool valkey = other != nullptr && std::string_view(other).ends_with("valkey-server");
  const std::string version = server.info("server", valkey ? "valkey_version" : "redis_version");
  EXPECT_TRUE(version.starts_with(valkey ? "8." : "7.")) << version;
  EXPECT_EQ(server.info("server", "valkey_version").empty(), !valkey);
}

TEST(RedisServers, speak_tls_by_an_authority_of_their_own) {
  RedisServer server({.tls = true});
  EXPECT_EQ(server.command({"CONFIG", "GET", "tls-port"}).items.at(1).text, std::to_string(server.port()));
}

TEST(RedisServers, fail_the_test_where_the_program_is_missing) {
  EXPECT_THROW(RedisServer({.program = "no-such-server"}), std::runtime_error);
}

TEST(RedisServers, stand_under_sentinels_that_name_a_new_master) {
  RedisSentinels sentinels;
  RedisServer& before = sentinels.master();
  before.kill();
  wait_until("another master is named", [&] {
    RedisServer& now = sentinels.master();
    return &now != &before && now.info("replication", "role") == "master";
  });
}

TEST(RedisServers, form_a_cluster_whose_slots_move) {
  RedisCluster cluster;
  EXPECT_EQ(&cluster.master_of(0), &cluster.nodes()[0]);
  RedisServer& home = cluster.master_of(12'182);  // of "foo"
  EXPECT_EQ(&home, &cluster.nodes()[2]);
  EXPECT_EQ(home.command({"SET", "foo", "v"}).text, "OK");
  cluster.move_slots(12'182, 12'182, 0);
  EXPECT_EQ(&cluster.master_of(12'182), &cluster.nodes()[0]);
  EXPECT_EQ(cluster.nodes()[0].command({"GET", "foo"}).text, "v");
}

}  // namespace
}  // namespace chaveiro::tests
