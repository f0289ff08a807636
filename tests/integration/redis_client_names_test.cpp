// Names as the system looks them up: no server but the double, whose address is what matters here.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <fstream>
#include <thread>

#include "clients/redis/client.h"
#include "clients/redis/double.h"
#include "net/test_certificates.h"

namespace chaveiro::redis {
namespace {

using namespace std::chrono_literals;

Deadline soon() { return Deadline::in(20s); }

std::unique_ptr<Client> client_of(const std::string& host, std::uint16_t port) {
  Options options;
  options.connections = 1;
  return Client::create(parse_url("redis://" + host + ":" + std::to_string(port) + "/0", options).value()).value();
}

TEST(RedisSystemNames, are_looked_up) {
  const SystemClock clock;
  const auto server = Double::start({}, clock).value();
  const auto client = client_of("localhost", server->port());
  EXPECT_TRUE(expect_ok(client->call(Command("SET", "k", "v"), soon())));
  const auto nowhere = client_of("nowhere.invalid", server->port());
  EXPECT_EQ(nowhere->call(Command("GET", "k"), Deadline::in(2s)).error().code, Code::unavailable);
}

// Only the thread that calls it, and those that it starts, see this file in the place of /etc/hosts.
bool see_as_hosts(const std::string& file) {
  return ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount(file.c_str(), "/etc/hosts", nullptr, MS_BIND, nullptr) == 0;
}

TEST(RedisSystemNames, are_followed_when_the_hosts_file_changes) {
  const SystemClock clock;
  const net::TestFolder folder;
  const std::string hosts = folder.file("hosts");
  const auto say = [&](const std::string& address) { std::ofstream(hosts) << address << " redis.moves.test\n"; };
  std::unique_ptr<Double> old_server, new_server;
  for (int tries = 0; tries < 20 && !new_server; ++tries) {
    old_server = Double::start({.address = "127.0.0.1"}, clock).value();
    auto other = Double::start({.address = "127.0.0.2", .port = old_server->port()}, clock);
    if (other) new_server = std::move(*other);
  }
  ASSERT_TRUE(new_server);
  old_server->command({"SET", "who", "old"});
  new_server->command({"SET", "who", "new"});
  say("127.0.0.1");
  bool allowed = false;
  std::thread([&] {
    allowed = see_as_hosts(hosts);
    if (!allowed) return;
    const auto client = client_of("redis.moves.test", old_server->port());
    const auto who = [&] { return as_text(client->call(Command("GET", "who"), soon())).value_or("nobody"); };
    EXPECT_EQ(who(), "old");
    say("127.0.0.2");
    EXPECT_EQ(who(), "old");
    old_server->close_connections();
    EXPECT_EQ(who(), "new");
  }).join();
  if (!allowed) GTEST_SKIP() << "only who may mount can see another /etc/hosts";
}

}  // namespace
}  // namespace chaveiro::redis
