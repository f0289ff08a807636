#include "clients/redis/double.h"

#include <gtest/gtest.h>

#include "tests/support/redis_server.h"
#include "tests/support/resp_socket.h"

namespace chaveiro::redis {
namespace {

using tests::RespReply;
using tests::RespSocket;

struct RedisDouble : testing::Test {
  ManualClock clock;
  std::unique_ptr<Double> twin = Double::start({}, clock).value();
  RespSocket socket{twin->port()};
};

std::string text_of(const RespReply& reply) {
  std::string text(1, reply.type);
  text += reply.text;
  for (const RespReply& item : reply.items) text += " " + text_of(item);
  return text;
}

// The double is right when a server says the same.
TEST_F(RedisDouble, says_what_a_server_says) {
  tests::RedisServer server;
  RespSocket real(server.port());
  const std::vector<std::vector<std::string>> session{{"SET", "k", "v"},
                                                      {"GET", "k"},
                                                      {"GET", "nothing"},
                                                      {"SET", "k", "w", "NX"},
                                                      {"SET", "k", "w", "XX", "GET"},
                                                      {"SET", "k", "w", "NX", "GET"},
                                                      {"APPEND", "k", "x"},
                                                      {"GETRANGE", "k", "0", "0"},
                                                      {"GETRANGE", "k", "-1", "-1"},
                                                      {"GETRANGE", "k", "5", "9"},
                                                      {"STRLEN", "k"},
                                                      {"INCR", "n"},
                                                      {"INCRBY", "n", "41"},
                                                      {"DECR", "n"},
                                                      {"DECRBY", "n", "2"},
                                                      {"INCR", "k"},
                                                      {"INCRBY", "n", "9223372036854775807"},
                                                      {"MSET", "a", "1", "b", "2"},
                                                      {"MGET", "a", "x", "b", "n"},
                                                      {"EXISTS", "a", "b", "x"},
                                                      {"PTTL", "a"},
                                                      {"PTTL", "x"},
                                                      {"EXPIRE", "a", "100"},
                                                      {"TTL", "a"},
                                                      {"PERSIST", "a"},
                                                      {"PERSIST", "a"},
                                                      {"EXPIRE", "a", "100", "XX"},
                                                      {"EXPIRE", "a", "100", "GT"},
                                                      {"TYPE", "a"},
                                                      {"TYPE", "x"},
                                                      {"DEL", "a", "b", "x"},
                                                      {"GETDEL", "n"},
                                                      {"GET", "n"},
                                                      {"SETNX", "n", "1"},
                                                      {"SETNX", "n", "2"},
                                                      {"HSET", "h", "f", "1", "g", "2"},
                                                      {"HGET", "h", "f"},
                                                      {"HGET", "h", "x"},
                                                      {"HMGET", "h", "f", "x"},
                                                      {"HGETALL", "h"},
                                                      {"HINCRBY", "h", "f", "5"},
                                                      {"HLEN", "h"},
                                                      {"HDEL", "h", "f", "x"},
                                                      {"HEXISTS", "h", "g"},
                                                      {"GET", "h"},
                                                      {"RPUSH", "l", "1", "2", "3"},
                                                      {"LPUSH", "l", "0"},
                                                      {"LRANGE", "l", "0", "-1"},
                                                      {"LRANGE", "l", "-2", "9"},
                                                      {"LPOP", "l"},
                                                      {"RPOP", "l"},
                                                      {"LLEN", "l"},
                                                      {"SADD", "s", "1", "2", "1"},
                                                      {"SISMEMBER", "s", "2"},
                                                      {"SCARD", "s"},
                                                      {"SREM", "s", "1", "7"},
                                                      {"SMEMBERS", "s"},
                                                      {"SREM", "s", "2"},
                                                      {"EXISTS", "s"},
                                                      {"ZADD", "z", "2", "b", "1", "a", "3.5", "c"},
                                                      {"ZRANGE", "z", "0", "-1", "WITHSCORES"},
                                                      {"ZSCORE", "z", "c"},
                                                      {"ZRANGEBYSCORE", "z", "(1", "+inf"},
                                                      {"ZREM", "z", "a"},
                                                      {"ZREMRANGEBYSCORE", "z", "-inf", "2"},
                                                      {"ZCARD", "z"},
                                                      {"XADD", "x1", "5-1", "f", "v"},
                                                      {"XADD", "x1", "5-1", "f", "v"},
                                                      {"XADD", "x1", "MAXLEN", "2", "6-0", "f", "w"},
                                                      {"XADD", "x1", "MAXLEN", "=", "2", "7-0", "f", "x"},
                                                      {"XLEN", "x1"},
                                                      {"XRANGE", "x1", "-", "+"},
                                                      {"XRANGE", "x1", "6", "6"},
                                                      {"XREVRANGE", "x1", "+", "-", "COUNT", "1"},
                                                      {"XREAD", "COUNT", "1", "STREAMS", "x1", "6-0"},
                                                      {"XREAD", "STREAMS", "x1", "9"},
                                                      {"MULTI"},
                                                      {"SET", "t", "1"},
                                                      {"INCR", "t"},
                                                      {"EXEC"},
                                                      {"EXEC"},
                                                      {"MULTI"},
                                                      {"SET", "t", "9"},
                                                      {"DISCARD"},
                                                      {"GET", "t"},
                                                      {"PING"},
                                                      {"PING", "x"},
                                                      {"ECHO", "e"},
                                                      {"EVALSHA", "0000000000000000000000000000000000000000", "0"},
                                                      {"SCAN", "0", "MATCH", "no*"},
                                                      {"SETEX", "q", "9", "v"},
                                                      {"PSETEX", "q", "0", "v"},
                                                      {"SET", "q", "v", "PX", "0"},
                                                      {"SET", "q", "v", "SOON"},
                                                      {"FLUSHALL"},
                                                      {"DBSIZE"}};
  for (const auto& words : session) {
    const RespReply theirs = real.command(words), ours = socket.command(words);
    std::string what;
    for (const auto& word : words) what += word + " ";
    if (theirs.is_error())
      EXPECT_EQ(ours.text.substr(0, ours.text.find(' ')), theirs.text.substr(0, theirs.text.find(' '))) << what;
    else
      EXPECT_EQ(text_of(ours), text_of(theirs)) << what;
  }
}

TEST_F(RedisDouble, lets_keys_end_by_the_clock_that_it_was_given) {
  socket.command({"SET", "k", "v", "PX", "1500"});
  EXPECT_EQ(socket.command({"PTTL", "k"}).number(), 1500);
  clock.advance(std::chrono::milliseconds{1499});
  EXPECT_EQ(socket.command({"GET", "k"}).text, "v");
  clock.advance(std::chrono::milliseconds{1});
  EXPECT_EQ(socket.command({"GET", "k"}).type, '_');
}

TEST_F(RedisDouble, runs_scripts_that_it_was_taught) {
  twin->teach("return redis.call('GET', KEYS[1])", [](DoubleCall& call) {
    return call.arguments.at(0) == "x" ? call.command({"GET", call.keys.at(0)}) : DoubleReply{};
  });
  socket.command({"SET", "k", "v"});
  EXPECT_EQ(socket.command({"EVAL", "return redis.call('GET', KEYS[1])", "1", "k", "x"}).text, "v");
  const std::string sha = socket.command({"SCRIPT", "LOAD", "return redis.call('GET', KEYS[1])"}).text;
  EXPECT_EQ(socket.command({"EVALSHA", sha, "1", "k", "x"}).text, "v");
  EXPECT_TRUE(socket.command({"EVAL", "return 7", "0"}).is_error());
}

TEST_F(RedisDouble, publishes_and_wakes_readers_of_streams) {
  RespSocket other(twin->port());
  EXPECT_EQ(text_of(other.command({"SUBSCRIBE", "news"})), "* $subscribe $news :1");
  EXPECT_EQ(socket.command({"PUBLISH", "news", "hello"}).number(), 1);
  EXPECT_EQ(text_of(other.receive()), "* $message $news $hello");
  RespSocket reader(twin->port());
  reader.send("*6\r\n$5\r\nXREAD\r\n$5\r\nBLOCK\r\n$1\r\n0\r\n$7\r\nSTREAMS\r\n$1\r\ns\r\n$1\r\n0\r\n");
  socket.command({"XADD", "s", "1-1", "f", "v"});
  EXPECT_EQ(text_of(reader.receive()), "* * $s * * $1-1 * $f $v");
}

TEST_F(RedisDouble, tells_who_tracks_what_changed) {
  RespSocket second(twin->port());
  for (RespSocket* tracker : {&socket, &second}) tracker->command({"HELLO", "3"});
  socket.command({"CLIENT", "TRACKING", "ON"});
  second.command({"CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "user:"});
  socket.command({"GET", "user:1"});
  twin->command({"SET", "user:1", "v"});
  EXPECT_EQ(text_of(socket.receive()), "> $invalidate * $user:1");
  EXPECT_EQ(text_of(second.receive()), "> $invalidate * $user:1");
  twin->command({"SET", "user:1", "w"});
  EXPECT_EQ(socket.command({"PING"}).text, "PONG") << "a key is tracked until it has changed once";
  EXPECT_EQ(text_of(second.receive()), "> $invalidate * $user:1") << "a prefix, always";
  twin->command({"SET", "other", "w"});
  EXPECT_EQ(second.command({"PING"}).text, "PONG");
  twin->command({"FLUSHALL"});
  EXPECT_EQ(text_of(socket.receive()), "> $invalidate _");
}

TEST_F(RedisDouble, breaks_off_as_it_is_told) {
  twin->set_fault({.kind = DoubleFault::Kind::error, .command = "GET", .text = "LOADING wait"});
  EXPECT_EQ(socket.command({"GET", "k"}).text, "LOADING wait");
  twin->set_fault({.kind = DoubleFault::Kind::halve, .delay = std::chrono::milliseconds{5}});
  EXPECT_EQ(socket.command({"PING"}).text, "PONG");
  twin->set_fault({.kind = DoubleFault::Kind::close_after, .command = "SET", .skip = 1});
  EXPECT_EQ(socket.command({"SET", "k", "1"}).text, "OK");
  EXPECT_THROW(socket.command({"SET", "k", "2"}), std::runtime_error);
  twin->set_fault({});
  EXPECT_EQ(twin->command({"GET", "k"}).text, "2") << "it ran";
  twin->set_fault({.kind = DoubleFault::Kind::close_before, .command = "SET"});
  RespSocket second(twin->port());
  EXPECT_THROW(second.command({"SET", "k", "3"}), std::runtime_error);
  EXPECT_EQ(twin->command({"GET", "k"}).text, "2") << "it did not run";
  twin->hang_up();
  EXPECT_THROW(RespSocket{twin->port()}, std::runtime_error);
  twin->listen();
  twin->set_fault({});
  EXPECT_EQ(RespSocket(twin->port()).command({"GET", "k"}).text, "2");
}

TEST_F(RedisDouble, asks_for_the_password) {
  const auto closed = Double::start({.password = "secret"}, clock).value();
  RespSocket stranger(closed->port());
  EXPECT_TRUE(stranger.command({"GET", "k"}).text.starts_with("NOAUTH"));
  EXPECT_TRUE(stranger.command({"AUTH", "wrong"}).text.starts_with("WRONGPASS"));
  EXPECT_EQ(stranger.command({"AUTH", "secret"}).text, "OK");
  EXPECT_EQ(stranger.command({"PING"}).text, "PONG");
}

}  // namespace
}  // namespace chaveiro::redis
