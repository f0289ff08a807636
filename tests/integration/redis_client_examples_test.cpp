// The examples do what they say, against real servers.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/support/redis_server.h"

namespace chaveiro::redis {
namespace {

int run(const std::string& name, const std::string& url) {
  return std::system((CHAVEIRO_EXAMPLES "/example_redis_" + name + " '" + url + "' >/dev/null").c_str());
}

TEST(RedisExamples, do_what_they_say) {
  tests::RedisServer server;
  for (const char* name : {"basic", "pipeline", "stream"}) EXPECT_EQ(run(name, server.url()), 0) << name;
  EXPECT_NE(run("basic", "redis://127.0.0.1:1"), 0) << "nobody listens there";
  tests::RedisCluster cluster;
  EXPECT_EQ(run("cluster", cluster.url()), 0);
}

}  // namespace
}  // namespace chaveiro::redis
