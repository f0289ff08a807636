// The client against one real server: what the double cannot show.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "clients/redis/client.h"
#include "clients/redis/commands.h"
#include "clients/redis/scan.h"
#include "clients/redis/subscriber.h"
#include "tests/support/redis_server.h"

namespace chaveiro::redis {
namespace {

using namespace std::chrono_literals;
using tests::RedisServer;

Deadline soon() { return Deadline::in(30s); }

std::unique_ptr<Client> client_of(const std::string& url, Options options = {}) {
  auto read = parse_url(url, std::move(options));
  EXPECT_TRUE(read) << read.error().message;
  auto client = Client::create(std::move(*read));
  EXPECT_TRUE(client) << client.error().message;
  return std::move(*client);
}

TEST(RedisClient, speaks_resp3_and_resp2_over_tcp_and_a_unix_socket) {
  RedisServer server;
  for (const std::string& url : {server.url(), server.url() + "?protocol=2", "unix://" + server.socket()}) {
    const auto client = client_of(url);
    ASSERT_TRUE(expect_ok(client->call(Command("HSET", "h", "a", "1", "b", "2"), soon()))) << url;
    const auto pairs = as_pairs(client->call(Command("HGETALL", "h"), soon()));
    ASSERT_TRUE(pairs) << url;
    EXPECT_EQ(pairs->size(), 2U);
    EXPECT_TRUE(expect_ok(client->call(Command("ZADD", "z", 1.5, "m"), soon())));
    EXPECT_EQ(as_scored(client->call(Command("ZRANGE", "z", 0, -1, "WITHSCORES"), soon())).value_or(Scored{}),
              (Scored{{"m", 1.5}}));
  }
}

TEST(RedisClient, checks_the_certificate_and_shows_its_own) {
  RedisServer server({.tls = true});
  const auto mine = server.issue("client");
  const std::string own = "&cert_file=" + mine.cert_file + "&key_file=" + mine.key_file;
  const auto good = client_of(server.url() + "?ca_file=" + server.authority().ca_file + own);
  EXPECT_TRUE(expect_ok(good->call(Command("SET", "k", "v"), soon())));
  EXPECT_EQ(as_text(good->call(Command("GET", "k"), soon())).value_or(""), "v");
  std::vector<Command> many;
  for (int i = 0; i < 500; ++i) many.emplace_back("ECHO", std::string(1000, static_cast<char>('a' + i % 26)));
  const Replies replies = good->pipeline(std::move(many), soon());
  for (std::size_t i = 0; i < replies.size(); ++i) {
    ASSERT_TRUE(replies[i]) << replies[i].error().message;
    EXPECT_EQ(replies[i].value().text.front(), static_cast<char>('a' + i % 26));
  }

  const net::TestFolder folder;
  const net::TestAuthority stranger(folder, "stranger");
  const auto distrusting = client_of(server.url() + "?ca_file=" + stranger.ca_file + own);
  EXPECT_EQ(distrusting->call(Command("PING"), Deadline::in(2s)).error().code, Code::unavailable);
  const auto careless = client_of(server.url() + "?skip_verify=true" + own);
  EXPECT_TRUE(careless->call(Command("PING"), soon()));
}

TEST(RedisClient, reads_the_files_of_tls_again_for_each_new_connection) {
  RedisServer server({.tls = true});
  const auto mine = server.issue("client");
  const net::TestFolder folder;
  const net::TestAuthority stranger(folder, "stranger");
  const std::string trusted = folder.file("trusted.pem");
  const auto trust = [&](const std::string& ca_file) {
    std::ofstream(trusted) << std::ifstream(ca_file).rdbuf();
    server.command({"CLIENT", "KILL", "TYPE", "normal"});
  };
  trust(server.authority().ca_file);
  const auto client =
      client_of(server.url() + "?ca_file=" + trusted + "&cert_file=" + mine.cert_file + "&key_file=" + mine.key_file);
  const auto answers = [&] { return client->call(Command("PING"), Deadline::in(1s)).has_value(); };
  ASSERT_TRUE(client->call(Command("PING"), soon()));
  trust(stranger.ca_file);
  tests::wait_until("the server is not trusted any more", [&] { return !answers(); });
  trust(server.authority().ca_file);
  tests::wait_until("it is trusted again", answers);
}

TEST(RedisClient, logs_in_as_an_acl_user_and_follows_a_changed_password) {
  RedisServer server;
  server.command({"ACL", "SETUSER", "app", "on", ">first", "~app:*", "+@read", "+@write", "+@connection", "-flushall"});
  Guarded<std::string> password(std::string("first"));
  Options options;
  options.current_credentials = [&] { return Credentials{"app", Secret(std::string_view(*password.lock()))}; };
  const auto client = client_of(server.url(), options);
  EXPECT_TRUE(expect_ok(client->call(Command("SET", "app:k", "v"), soon())));
  EXPECT_EQ(client->call(Command("SET", "other", "v"), soon()).error().code, Code::forbidden);
  EXPECT_EQ(client->call(Command("FLUSHALL"), soon()).error().code, Code::forbidden);

  server.command({"ACL", "SETUSER", "app", "resetpass", ">second"});
  password.with([](std::string& it) { it = "second"; });
  server.command({"CLIENT", "KILL", "TYPE", "normal"});
  tests::wait_until("the new password is used",
                    [&] { return client->call(Command("GET", "app:k"), soon()).has_value(); });

  Options wrong;
  wrong.credentials = {"app", Secret("third")};
  const auto refused = client_of(server.url(), wrong);
  const auto answer = refused->call(Command("GET", "app:k"), Deadline::in(3s));
  EXPECT_EQ(answer.error().code, Code::unavailable);
  EXPECT_EQ(answer.error().message.find("third"), std::string::npos);
}

// The line of docs/redis.md, word by word.
TEST(RedisClient, needs_no_more_than_the_smallest_access_list) {
  RedisServer server;
  std::ifstream docs(std::string(CHAVEIRO_SOURCE) + "/docs/redis.md");
  std::vector<std::string> words;
  for (std::string line; words.empty() && std::getline(docs, line);) {
    if (!line.starts_with("ACL SETUSER")) continue;
    std::istringstream split(line);
    words.assign(std::istream_iterator<std::string>(split), {});
  }
  ASSERT_GT(words.size(), 4U);
  ASSERT_FALSE(server.command(words).is_error()) << server.command(words).text;
  const auto client = client_of("redis://chaveiro:PASSWORD@" + server.address());
  Commands redis(*client);
  EXPECT_TRUE(redis.set("dict:k", "v", soon()));
  EXPECT_EQ(redis.mget({"dict:k"}, soon()).value_or(OptionalTexts{}), OptionalTexts{"v"});
  EXPECT_TRUE(redis.xgroup_create("dict:s", "g", "0", soon()));
  EXPECT_EQ(redis.set("other", "v", soon()).error().code, Code::forbidden);
  EXPECT_EQ(client->call(Command("FLUSHALL"), soon()).error().code, Code::forbidden);
  EXPECT_EQ(client->call(Command("KEYS", "*"), soon()).error().code, Code::forbidden);
  const Script script("return redis.call('GET', KEYS[1])");
  const std::string_view key = "dict:k";
  EXPECT_EQ(as_text(client->eval(script, {&key, 1}, {}, soon())).value_or(""), "v");
  EXPECT_TRUE(redis.publish("dict:changes", "x", soon()));
  Scan keys(*client, {.match = "dict:*"}, soon());
  EXPECT_NE(keys.begin(), keys.end());
  EXPECT_TRUE(client->transaction({Command("INCR", "dict:n")}, soon()));
  const auto reports = client->check(Purpose::state, soon());
  ASSERT_TRUE(reports) << reports.error().message;
  EXPECT_TRUE(reports->front().warnings.empty()) << reports->front().warnings.front();
  Guarded<bool> up(false);
  DedicatedOptions options;
  options.setup = {Command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "dict:"),
                   Command("SUBSCRIBE", "dict:changes")};
  options.on_up = [&](const Endpoint&, const std::vector<Value>&) {
    up.with([](bool& it) { it = true; });
    up.notify_all();
  };
  const auto tracking = client->dedicate(std::move(options));
  EXPECT_TRUE(up.lock().wait(soon(), [](bool it) { return it; }));
}

TEST(RedisClient, reads_and_writes_typed_values) {
  RedisServer server;
  const auto client = client_of(server.url());
  Commands redis(*client);
  EXPECT_TRUE(redis.set("k", "v", soon()));
  EXPECT_EQ(redis.get("k", soon()).value_or(std::nullopt), "v");
  EXPECT_EQ(redis.get("none", soon()).value_or("?"), std::nullopt);
  EXPECT_TRUE(redis.set_ex("t", "v", 1500ms, soon()));
  const auto ttl = redis.ttl("t", soon());
  ASSERT_TRUE(ttl);
  EXPECT_GT(ttl->value_or(Micros{0}), 1s);
  EXPECT_EQ(redis.ttl("k", soon()).value_or(Micros{1}), std::nullopt);
  EXPECT_EQ(redis.ttl("none", soon()).error().code, Code::not_found);
  EXPECT_TRUE(redis.set_nx("once", "1", 1min, soon()).value_or(false));
  EXPECT_FALSE(redis.set_nx("once", "2", 1min, soon()).value_or(true));
  EXPECT_EQ(redis.incr_by("n", 5, soon()).value_or(0), 5);
  EXPECT_EQ(redis.decr("n", soon()).value_or(0), 4);
  EXPECT_TRUE(redis.mset({{"a", "1"}, {"b", "2"}}, soon()));
  EXPECT_EQ(redis.mget({"a", "none", "b"}, soon()).value_or(OptionalTexts{}), (OptionalTexts{"1", std::nullopt, "2"}));
  EXPECT_EQ(redis.del({"a", "b", "none"}, soon()).value_or(0), 2);
  EXPECT_EQ(redis.exists({"k", "a"}, soon()).value_or(0), 1);
  EXPECT_TRUE(redis.expire("k", 1min, soon()).value_or(false));
  EXPECT_EQ(redis.hset("h", {{"f", "1"}, {"g", "2"}}, soon()).value_or(0), 2);
  EXPECT_EQ(redis.hget("h", "f", soon()).value_or(std::nullopt), "1");
  EXPECT_EQ(redis.hgetall("h", soon()).value_or(Pairs{}), (Pairs{{"f", "1"}, {"g", "2"}}));
  EXPECT_EQ(redis.hdel("h", {"f"}, soon()).value_or(0), 1);
  EXPECT_EQ(redis.sadd("s", {"x", "y"}, soon()).value_or(0), 2);
  EXPECT_TRUE(redis.sismember("s", "x", soon()).value_or(false));
  EXPECT_EQ(redis.srem("s", {"x"}, soon()).value_or(0), 1);
  EXPECT_EQ(redis.smembers("s", soon()).value_or(Texts{}), Texts{"y"});
  EXPECT_EQ(redis.zadd("z", {{"m", 2.5}, {"n", 1}}, soon()).value_or(0), 2);
  EXPECT_EQ(redis.zscore("z", "m", soon()).value_or(std::nullopt), 2.5);
  EXPECT_EQ(redis.zrange("z", 0, -1, soon()).value_or(Scored{}), (Scored{{"n", 1}, {"m", 2.5}}));
  EXPECT_EQ(redis.zrem("z", {"m"}, soon()).value_or(0), 1);
}

TEST(RedisClient, works_a_stream_with_a_group) {
  RedisServer server;
  const auto client = client_of(server.url());
  Commands redis(*client);
  ASSERT_TRUE(redis.xgroup_create("s", "g", "0", soon()));
  EXPECT_EQ(redis.xgroup_create("s", "g", "0", soon()).error().code, Code::exists);
  const auto id = redis.xadd("s", {{"f", "1"}}, {.length_max = 100}, soon());
  ASSERT_TRUE(id) << id.error().message;
  ASSERT_TRUE(redis.xadd("s", {{"f", "2"}}, {}, soon()));
  const auto first = redis.xread_group("s", {.group = "g", .consumer = "c", .count = 1}, soon());
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_EQ(first->size(), 1U);
  EXPECT_EQ(first->front().id, *id);
  EXPECT_EQ(first->front().fields, (Pairs{{"f", "1"}}));
  EXPECT_EQ(redis.xack("s", "g", {*id}, soon()).value_or(0), 1);
  // Waits on a connection of its own, so that nobody else is held up.
  auto borrowed = client->borrow(soon());
  ASSERT_TRUE(borrowed);
  (void)redis.xread_group("s", {.group = "g", .consumer = "c", .count = 10}, soon());
  std::thread later([&] { (void)redis.xadd("s", {{"f", "3"}}, {}, soon()); });
  const auto waited = stream_entries(
      borrowed->call(Command("XREADGROUP", "GROUP", "g", "c", "BLOCK", 5000, "STREAMS", "s", ">"), soon()));
  later.join();
  ASSERT_TRUE(waited) << waited.error().message;
  ASSERT_EQ(waited->size(), 1U);
  EXPECT_EQ(waited->front().fields, (Pairs{{"f", "3"}}));
  const auto claimed = redis.xautoclaim("s", {.group = "g", .consumer = "other", .idle_min = 0ms}, soon());
  ASSERT_TRUE(claimed) << claimed.error().message;
  EXPECT_EQ(claimed->size(), 2U);
}

TEST(RedisClient, runs_scripts_and_functions) {
  RedisServer server;
  const auto client = client_of(server.url());
  const Script script("return {KEYS[1], ARGV[1]}");
  const std::string_view key = "k", argument = "a";
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(as_texts(client->eval(script, {&key, 1}, {&argument, 1}, soon())).value_or(Texts{}), (Texts{"k", "a"}));
    server.command({"SCRIPT", "FLUSH"});
  }
  ASSERT_TRUE(client->call(
      Command("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function(k, a) return a[1] end)"),
      soon()));
  EXPECT_EQ(as_text(client->call(Command("FCALL", "f", 0, "x"), soon())).value_or(""), "x");
}

TEST(RedisClient, tells_a_full_memory_from_a_dead_server) {
  RedisServer server({.arguments = {"--maxmemory", "2mb", "--maxmemory-policy", "noeviction"}});
  const auto client = client_of(server.url());
  const std::string large(200'000, 'x');
  Result<void> stored;
  for (int i = 0; i < 50 && stored; ++i)
    stored = expect_ok(client->call(Command("SET", "k" + std::to_string(i), large), soon()));
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code, Code::exhausted);
  EXPECT_EQ(stored.error().reason, "OOM");
  const auto reports = client->check(Purpose::cache, soon());
  ASSERT_TRUE(reports) << reports.error().message;
  EXPECT_EQ(reports->front().role, "master");
  EXPECT_EQ(reports->front().eviction_policy, "noeviction");
  ASSERT_EQ(reports->front().warnings.size(), 1U);
  EXPECT_NE(reports->front().warnings.front().find("maxmemory-policy"), std::string::npos);
  EXPECT_TRUE(client->check(Purpose::state, soon())->front().warnings.empty());
}

TEST(RedisClient, tells_at_the_start_which_commands_are_disabled) {
  RedisServer server(
      {.config = "rename-command SCAN \"\"\nrename-command PUBLISH \"\"\nmaxmemory-policy allkeys-lru\n"});
  const auto reports = client_of(server.url())->check(Purpose::cache, soon());
  ASSERT_TRUE(reports) << reports.error().message;
  EXPECT_EQ(reports->front().warnings,
            (std::vector<std::string>{"the command SCAN is disabled", "the command PUBLISH is disabled"}));
  EXPECT_FALSE(reports->front().version.empty());
}

TEST(RedisClient, says_that_a_write_which_too_few_replicas_have_may_be_lost) {
  RedisServer server;
  const auto client = client_of(server.url() + "?wait_replicas=1");
  const auto written = client->call(Command("SET", "k", "v"), soon());
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::maybe_applied);
  EXPECT_EQ(written.error().reason, "NOTREPLICATED");
  EXPECT_EQ(as_text(client->call(Command("GET", "k"), soon())).value_or(""), "v") << "reads wait for nobody";
}

TEST(RedisClient, is_back_within_a_second_of_a_restart) {
  RedisServer server;
  const auto client = client_of(server.url());
  ASSERT_TRUE(client->call(Command("PING"), soon()));
  server.kill();
  server.start();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(client->wait_ready(Deadline::in(60s)));
  const auto took = std::chrono::steady_clock::now() - begin;
  RecordProperty("recovery_ms", static_cast<int>(took / 1ms));
  EXPECT_LT(took, 1s + tests::slack);
}

TEST(RedisClient, hangs_on_nothing_while_the_server_stands_still) {
  RedisServer server;
  const auto client = client_of(server.url() + "?read_timeout=60s");
  ASSERT_TRUE(client->call(Command("SET", "k", "v"), soon()));
  server.freeze();
  for (const char* name : {"GET", "INCR"}) {
    const auto begin = std::chrono::steady_clock::now();
    const auto answer = client->call(Command(name, "k"), Deadline::in(100ms));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 100ms + tests::slack);
    EXPECT_EQ(answer.error().code, name == std::string_view("GET") ? Code::deadline : Code::maybe_applied);
  }
  server.thaw();
  tests::wait_until("it answers again",
                    [&] { return client->call(Command("GET", "k"), Deadline::in(1s)).has_value(); });
  EXPECT_EQ(as_text(client->call(Command("ECHO", "mine"), soon())).value_or(""), "mine");
}

TEST(RedisClient, receives_what_a_dedicated_connection_tracks) {
  RedisServer server;
  const auto client = client_of(server.url());
  Guarded<std::vector<std::string>> invalid;
  Guarded<bool> up(false);
  DedicatedOptions options;
  options.setup = {Command("CLIENT", "TRACKING", "ON")};
  options.on_up = [&](const Endpoint&, const std::vector<Value>& replies) {
    up.with([&](bool& it) { it = replies.size() == 1; });
    up.notify_all();
  };
  options.on_push = [&](const Value& push) {
    if (push.items.front().text != "invalidate") return;
    invalid.with([&](auto& all) { all.push_back(push.items[1].items.front().text); });
    invalid.notify_all();
  };
  const auto tracking = client->dedicate(std::move(options));
  ASSERT_TRUE(up.lock().wait(soon(), [](bool it) { return it; }));
  tests::wait_until("it takes commands", [&] { return tracking->call(Command("GET", "k"), soon()).has_value(); });
  ASSERT_TRUE(client->call(Command("SET", "k", "v"), soon()));
  ASSERT_TRUE(invalid.lock().wait(soon(), [](const auto& all) { return all.size() == 1; }));
  EXPECT_EQ(invalid.lock()->front(), "k");
}

}  // namespace
}  // namespace chaveiro::redis
