#include "clients/redis/options.h"

#include <gtest/gtest.h>

namespace chaveiro::redis {
namespace {

using namespace std::chrono_literals;

std::string fault(std::string_view url) {
  const auto read = parse_url(url);
  return read ? "" : read.error().message;
}

TEST(RedisUrl, names_one_server) {
  const auto options = parse_url("redis://app:p%40ss@cache.example:7000/3?read_timeout=250ms&pool_size=20&protocol=2");
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->mode, Mode::single);
  EXPECT_EQ(options->endpoints, (std::vector<Endpoint>{{"cache.example", 7000, ""}}));
  EXPECT_EQ(options->credentials.user, "app");
  EXPECT_EQ(options->credentials.password.expose(), "p@ss");
  EXPECT_EQ(options->database, 3);
  EXPECT_EQ(options->read_timeout, 250ms);
  EXPECT_EQ(options->pool_size, 20U);
  EXPECT_EQ(options->protocol, Protocol::resp2);
  EXPECT_FALSE(options->tls);
}

TEST(RedisUrl, has_defaults) {
  const auto options = parse_url("redis://localhost");
  ASSERT_TRUE(options);
  EXPECT_EQ(options->endpoints.front().port, 6379);
  EXPECT_EQ(options->pool_size, 10U);
  EXPECT_EQ(options->min_idle, 5U);
  EXPECT_EQ(options->idle_time, 5min);
  EXPECT_EQ(options->lifetime, 30min);
  EXPECT_EQ(options->dial_timeout, 5s);
  EXPECT_EQ(options->read_timeout, 3s);
  EXPECT_EQ(options->write_timeout, 3s);
  EXPECT_EQ(options->retries, 3);
}

TEST(RedisUrl, names_sentinels_clusters_tls_and_unix_sockets) {
  const auto sentinel = parse_url("redis+sentinel://:pw@s1,s2:5000/mymaster/2?sentinel_password=other");
  ASSERT_TRUE(sentinel) << sentinel.error().message;
  EXPECT_EQ(sentinel->mode, Mode::sentinel);
  EXPECT_EQ(sentinel->master_name, "mymaster");
  EXPECT_EQ(sentinel->database, 2);
  EXPECT_EQ(sentinel->endpoints, (std::vector<Endpoint>{{"s1", 26379, ""}, {"s2", 5000, ""}}));
  EXPECT_EQ(sentinel->sentinel_credentials.password.expose(), "other");

  const auto cluster = parse_url("rediss+cluster://[::1]:7000,h?ca_file=/ca.pem&replicas=prefer");
  ASSERT_TRUE(cluster) << cluster.error().message;
  EXPECT_EQ(cluster->mode, Mode::cluster);
  EXPECT_EQ(cluster->endpoints.front(), (Endpoint{"::1", 7000, ""}));
  EXPECT_EQ(to_string(cluster->endpoints.front()), "[::1]:7000");
  EXPECT_EQ(cluster->tls->ca_file, "/ca.pem");
  EXPECT_EQ(cluster->replicas, ReplicaReads::prefer);

  const auto local = parse_url("unix:///run/redis.sock?db=1");
  ASSERT_TRUE(local) << local.error().message;
  EXPECT_EQ(local->endpoints.front().path, "/run/redis.sock");
  EXPECT_EQ(local->database, 1);
}

TEST(RedisUrl, refuses_what_it_does_not_understand_and_never_shows_the_password) {
  for (const std::string_view bad : {"http://h",
                                     "redis",
                                     "redis://",
                                     "redis://h:0",
                                     "redis://h:99999",
                                     "redis://h/x",
                                     "redis://a,b",
                                     "redis://h?what=1",
                                     "redis://h?pool_size=x",
                                     "redis://h?read_timeout=5",
                                     "redis://h?read_timeout=0s",
                                     "redis://h?ca_file=x",
                                     "redis+sentinel://h",
                                     "redis+cluster://h/1",
                                     "redis://u:secret%zz@h",
                                     "redis://[::1",
                                     "redis://h?min_idle=11",
                                     "unix://",
                                     "redis://h?protocol=4",
                                     "redis://h?replicas=some",
                                     "redis://::1"}) {
    EXPECT_NE(fault(bad), "") << bad;
    EXPECT_EQ(fault(bad).find("secret"), std::string::npos) << bad;
  }
}

}  // namespace
}  // namespace chaveiro::redis
