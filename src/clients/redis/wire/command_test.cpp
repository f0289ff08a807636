#include "clients/redis/wire/command.h"

#include <gtest/gtest.h>

#include <memory>

#include "clients/redis/wire/callback.h"
#include "clients/redis/wire/slots.h"
#include "clients/redis/wire/waiter.h"

namespace chaveiro::redis {
namespace {

using namespace std::chrono_literals;

std::string bytes(const Command& command) {
  std::string out;
  command.append_to(out);
  return out;
}

TEST(Command, is_written_as_an_array_of_texts) {
  EXPECT_EQ(bytes(Command("set", "k", std::string("v"), "PX", 5000)),
            "*5\r\n$3\r\nset\r\n$1\r\nk\r\n$1\r\nv\r\n$2\r\nPX\r\n$4\r\n5000\r\n");
  EXPECT_EQ(bytes(Command("ZADD", "z", 1.5, "m")), "*4\r\n$4\r\nZADD\r\n$1\r\nz\r\n$3\r\n1.5\r\n$1\r\nm\r\n");
  EXPECT_EQ(Command("ECHO", std::string_view("a\0b", 3)).part(1), std::string_view("a\0b", 3));
}

TEST(Command, knows_its_first_key) {
  EXPECT_EQ(Command("GET", "k").key(), "k");
  EXPECT_EQ(Command("PING").key(), "");
  EXPECT_EQ(Command("PUBLISH", "channel", "x").key(), "");
  EXPECT_EQ(Command("EVALSHA", "sha", 2, "k1", "k2", "arg").key(), "k1");
  EXPECT_EQ(Command("EVAL", "script", 0, "arg").key(), "");
  EXPECT_EQ(Command("OBJECT", "ENCODING", "k").key(), "k");
  EXPECT_EQ(Command("XREADGROUP", "GROUP", "g", "c", "COUNT", 10, "streams", "s", ">").key(), "s");
  EXPECT_EQ(Command("ZUNION", 2, "a", "b").key(), "a");
  EXPECT_EQ(Command("SOMETHING.NEW", "k").key(), "k");
}

TEST(Command, knows_whether_it_may_be_repeated) {
  EXPECT_EQ(Command("get", "k").access(), Access::read);
  EXPECT_EQ(Command("SET", "k", "v").access(), Access::write);
  EXPECT_EQ(Command("SET", "k", "v").idempotent().access(), Access::idempotent);
  EXPECT_EQ(Command("EVAL", "x", 0).access(), Access::write);
  EXPECT_EQ(Command("EVAL_RO", "x", 0).access(), Access::read);
  EXPECT_EQ(Command("SOMETHING.NEW", "k").access(), Access::write);
  EXPECT_EQ(Command("BLPOP", "k", 0).patience(), Patience::blocking);
  EXPECT_TRUE(Command("ssubscribe", "c").subscribes());
}

TEST(Command, knows_what_others_must_not_meet) {
  for (const Command& command :
       {Command("multi"), Command("SELECT", 1), Command("SUBSCRIBE", "c"), Command("BLPOP", "k", 0),
        Command("WATCH", "k"), Command("XREAD", "BLOCK", 0, "STREAMS", "s", "$"), Command("CLIENT", "reply", "OFF")}) {
    EXPECT_TRUE(command.needs_own_connection()) << command.name();
  }
  for (const Command& command : {Command("GET", "MULTI"), Command("XREAD", "STREAMS", "s", "0"),
                                 Command("CLIENT", "ID"), Command("PUBLISH", "c", "x"), Command("SET", "k", "BLOCK")}) {
    EXPECT_FALSE(command.needs_own_connection()) << command.name();
  }
}

TEST(Slots, follow_the_specification) {
  EXPECT_EQ(slot_of("123456789"), 0x31C3U);
  EXPECT_EQ(slot_of("{user1000}.following"), slot_of("{user1000}.followers"));
  EXPECT_EQ(slot_of("foo{}{bar}"), slot_of("foo{}{bar}"));
  EXPECT_NE(slot_of("foo{}{bar}"), slot_of("bar"));
  EXPECT_EQ(slot_of("foo{{bar}}zap"), slot_of("{bar"));
  EXPECT_EQ(slot_of("foo{bar}{zap}"), slot_of("bar"));
}

TEST(Slots, read_redirections) {
  const auto moved = read_redirect("MOVED 3999 127.0.0.1:6381");
  ASSERT_TRUE(moved);
  EXPECT_FALSE(moved->ask);
  EXPECT_EQ(moved->slot, 3999U);
  EXPECT_EQ(moved->to, (SlotNode{"127.0.0.1", 6381}));
  EXPECT_TRUE(read_redirect("ASK 1 ::1:7000")->ask);
  EXPECT_EQ(read_redirect("MOVED 1 :7000")->to.host, "");
  for (const std::string_view bad : {"ERR x", "MOVED", "MOVED x y:1", "MOVED 99999 h:1", "MOVED 1 h:0", "ASK 1 h"}) {
    EXPECT_FALSE(read_redirect(bad)) << bad;
  }
}

TEST(Once, calls_once_what_cannot_be_copied_small_or_large) {
  int calls = 0;
  Once<int> small([&calls, held = std::make_unique<int>(1)](int by) { calls += by * *held; });
  Once<int> moved(std::move(small));
  EXPECT_FALSE(small);  // NOLINT(bugprone-use-after-move): that is what is tested
  moved(2);
  EXPECT_EQ(calls, 2);
  EXPECT_FALSE(moved);
  struct Large {
    char bytes[200] = {};
  };
  Once<int> large([&calls, place = Large{}](int by) { calls += by + place.bytes[7]; });
  Once<int> other;
  other = std::move(large);
  other(3);
  EXPECT_EQ(calls, 5);
}

TEST(Waiter, gives_the_answer_or_says_whether_it_was_sent) {
  Spin spin(0us);
  Waiter answered;
  EXPECT_TRUE(answered.begin_send());
  EXPECT_TRUE(answered.complete(Value::of_integer(1)));
  EXPECT_TRUE(answered.wait(Deadline::in(0us), spin));
  EXPECT_EQ(answered.take()->integer, 1);

  Waiter sent;
  EXPECT_TRUE(sent.begin_send());
  EXPECT_FALSE(sent.wait(Deadline::in(1ms), spin));
  EXPECT_EQ(sent.abandon(), true);
  EXPECT_FALSE(sent.complete(Value{}));

  Waiter never_sent;
  EXPECT_EQ(never_sent.abandon(), false);
  EXPECT_FALSE(never_sent.begin_send());
}

}  // namespace
}  // namespace chaveiro::redis
