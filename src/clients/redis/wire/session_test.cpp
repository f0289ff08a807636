#include "clients/redis/wire/session.h"

#include <gtest/gtest.h>

#include "clients/redis/wire/backoff.h"
#include "clients/redis/wire/greeting.h"

namespace chaveiro::redis {
namespace {

using namespace std::chrono_literals;

SteadyTime at(std::chrono::milliseconds since) { return SteadyTime{} + 1h + since; }

Request request(Command command, std::chrono::milliseconds deadline = 1000ms) {
  Request made;
  made.command = std::move(command);
  made.deadline = at(deadline);
  made.done = [](Result<Value>&&) {};
  return made;
}

void push(Session& session, Request made) { ASSERT_TRUE(session.push(made, at(0ms))); }

std::string output(Session& session) {
  std::string bytes;
  session.take_output(bytes);
  session.wrote(bytes.size());
  return bytes;
}

std::string answered_name(Session& session, Value value) {
  Answered answered;
  if (!session.on_reply(std::move(value), answered)) return "";
  return answered.request ? std::string(answered.request->command.name()) : "push";
}

TEST(Session, answers_in_the_order_of_sending) {
  Session session;
  push(session, request(Command("GET", "a")));
  push(session, request(Command("SET", "b", 7)));
  EXPECT_EQ(output(session), "*2\r\n$3\r\nGET\r\n$1\r\na\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n7\r\n");
  EXPECT_EQ(answered_name(session, Value::of_text("x")), "GET");
  EXPECT_EQ(answered_name(session, Value::of_status("OK")), "SET");
  EXPECT_TRUE(session.idle());
}

TEST(Session, notices_a_reply_that_nobody_asked_for) {
  Session session;
  EXPECT_EQ(answered_name(session, Value::of_status("OK")), "");
  EXPECT_TRUE(session.faulty());
}

TEST(Session, hands_pushes_out_between_replies) {
  Session session;
  push(session, request(Command("GET", "a")));
  EXPECT_EQ(answered_name(session, Value::of_items(Kind::push, {Value::of_text("invalidate"), Value{}})), "push");
  EXPECT_EQ(answered_name(session, Value::of_text("x")), "GET");
}

TEST(Session, counts_the_pushes_that_answer_a_subscription) {
  Session session;
  push(session, request(Command("SUBSCRIBE", "a", "b")));
  const auto confirmed = [](std::string_view channel) {
    return Value::of_items(Kind::push, {Value::of_text("subscribe"), Value::of_text(channel), Value::of_integer(1)});
  };
  EXPECT_EQ(answered_name(session, confirmed("a")), "");
  EXPECT_EQ(answered_name(session, Value::of_items(Kind::push, {Value::of_text("message"), Value::of_text("a"),
                                                                Value::of_text("hi")})),
            "push");
  EXPECT_EQ(answered_name(session, confirmed("b")), "SUBSCRIBE");
}

TEST(Session, knows_messages_of_resp2_once_subscribed) {
  Session session;
  const auto message =
      Value::of_items(Kind::array, {Value::of_text("message"), Value::of_text("a"), Value::of_text("hi")});
  push(session, request(Command("LRANGE", "k", 0, -1)));
  EXPECT_EQ(answered_name(session, message), "LRANGE");
  push(session, request(Command("SUBSCRIBE", "a")));
  EXPECT_EQ(answered_name(session, Value::of_items(Kind::array, {Value::of_text("subscribe"), Value::of_text("a"),
                                                                 Value::of_integer(1)})),
            "SUBSCRIBE");
  EXPECT_EQ(answered_name(session, message), "push");
}

TEST(Session, refuses_beyond_its_bounds) {
  Session session({.in_flight_max = 2, .out_bytes_max = 1000});
  push(session, request(Command("GET", "a")));
  push(session, request(Command("GET", "b")));
  Request third = request(Command("GET", "c"));
  EXPECT_EQ(session.push(third, at(0ms)).error().code, Code::exhausted);
  EXPECT_EQ(third.command.name(), "GET");
}

TEST(Session, gives_back_what_is_late_and_drops_its_answer) {
  Session session;
  push(session, request(Command("GET", "a"), 10ms));
  push(session, request(Command("GET", "b"), 1000ms));
  std::vector<Lost> late;
  session.expire(at(5ms), late);
  EXPECT_TRUE(late.empty());
  session.expire(at(10ms), late);
  ASSERT_EQ(late.size(), 1U);
  EXPECT_EQ(late[0].request.command.part(1), "a");
  EXPECT_EQ(late[0].request.deadline, at(10ms)) << "by that it is known to be late, and not lost";
  Answered answered;
  ASSERT_TRUE(session.on_reply(Value::of_text("late"), answered));
  EXPECT_FALSE(answered.request->finish(std::move(answered.value)));
  EXPECT_EQ(answered_name(session, Value::of_text("b")), "GET");
}

TEST(Session, tells_what_was_sent_from_what_was_not) {
  Session session;
  push(session, request(Command("INCR", "a")));
  push(session, request(Command("INCR", "b")));
  std::string bytes;
  session.take_output(bytes);
  session.wrote(Command("INCR", "a").wire_size() - 12);  // within the first
  std::vector<Lost> lost;
  session.lose(lost);
  ASSERT_EQ(lost.size(), 2U);
  EXPECT_TRUE(lost[0].sent);
  EXPECT_FALSE(lost[1].sent);
  EXPECT_TRUE(session.idle());
}

TEST(Session, puts_asking_before_a_redirected_command) {
  Session session;
  Request redirected = request(Command("GET", "a"));
  redirected.asking = true;
  push(session, std::move(redirected));
  EXPECT_TRUE(output(session).starts_with("*1\r\n$6\r\nASKING\r\n*2\r\n"));
  EXPECT_EQ(answered_name(session, Value::of_status("OK")), "");
  EXPECT_EQ(answered_name(session, Value::of_text("x")), "GET");
}

TEST(Session, waits_for_replicas_where_told_to) {
  Session session({.wait_replicas = 1, .wait_timeout = 100ms});
  push(session, request(Command("SET", "a", "1")));
  push(session, request(Command("GET", "a")));
  EXPECT_NE(output(session).find("$4\r\nWAIT\r\n$1\r\n1\r\n$3\r\n100\r\n"), std::string::npos);
  Answered answered;
  EXPECT_FALSE(session.on_reply(Value::of_status("OK"), answered));
  ASSERT_TRUE(session.on_reply(Value::of_integer(0), answered));
  EXPECT_EQ(error_of(answered.value.text).code, Code::maybe_applied);
  EXPECT_EQ(answered_name(session, Value::of_text("1")), "GET");
}

using What = Greeting::Next::What;

TEST(Greeting, says_hello_with_the_acl_user_and_names_itself) {
  Greeting greeting({.user = "app", .password = Secret("pw"), .database = 3, .client_name = "me"});
  EXPECT_EQ(greeting.begin(), "*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$3\r\napp\r\n$2\r\npw\r\n");
  auto next = greeting.on_reply(
      Value::of_items(Kind::map, {Value::of_text("proto"), Value::of_integer(3), Value::of_text("version"),
                                  Value::of_text("7.0.15"), Value::of_text("role"), Value::of_text("master")}));
  ASSERT_EQ(next.what, What::send);
  EXPECT_NE(next.bytes.find("SETNAME"), std::string::npos);
  EXPECT_NE(next.bytes.find("$6\r\nSELECT\r\n$1\r\n3\r\n"), std::string::npos);
  EXPECT_EQ(greeting.on_reply(Value::of_status("OK")).what, What::wait);
  EXPECT_EQ(greeting.on_reply(Value::of_error("ERR unknown subcommand 'SETINFO'")).what, What::wait);
  EXPECT_EQ(greeting.on_reply(Value::of_status("OK")).what, What::ready);
  EXPECT_EQ(greeting.server().version, "7.0.15");
  EXPECT_EQ(greeting.server().protocol, 3);
}

TEST(Greeting, falls_back_to_auth_where_hello_is_unknown) {
  Greeting greeting({.password = Secret("pw")});
  (void)greeting.begin();
  const auto next = greeting.on_reply(Value::of_error("ERR unknown command `HELLO`"));
  ASSERT_EQ(next.what, What::send);
  EXPECT_TRUE(next.bytes.starts_with("*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n"));
  EXPECT_EQ(greeting.on_reply(Value::of_status("OK")).what, What::wait);
  EXPECT_EQ(greeting.on_reply(Value::of_error("ERR unknown")).what, What::ready);
  EXPECT_EQ(greeting.server().protocol, 2);
}

TEST(Greeting, fails_on_a_wrong_password_and_on_a_refused_setup) {
  Greeting wrong({.password = Secret("no")});
  (void)wrong.begin();
  EXPECT_EQ(wrong.on_reply(Value::of_error("WRONGPASS invalid username-password pair")).error->code,
            Code::unauthenticated);

  Greeting refused({.protocol_max = 2, .setup = {Command("CLIENT", "TRACKING", "ON")}});
  (void)refused.begin();
  EXPECT_EQ(refused.on_reply(Value::of_status("OK")).what, What::wait);
  EXPECT_EQ(refused.on_reply(Value::of_error("NOPERM no")).error->code, Code::forbidden);
}

TEST(Greeting, refuses_a_replica_where_a_master_is_wanted) {
  Greeting greeting({.role_wanted = "master"});
  (void)greeting.begin();
  const auto next = greeting.on_reply(Value::of_items(Kind::map, {Value::of_text("role"), Value::of_text("replica")}));
  ASSERT_EQ(next.what, What::failed);
  EXPECT_EQ(next.error->reason, "WrongRole");
}

TEST(Backoff, doubles_between_its_bounds_with_jitter) {
  EXPECT_EQ(backoff(8ms, 512ms, 0, 0.0), 4ms);
  EXPECT_EQ(backoff(8ms, 512ms, 0, 1.0), 8ms);
  EXPECT_EQ(backoff(8ms, 512ms, 3, 1.0), 64ms);
  EXPECT_EQ(backoff(8ms, 512ms, 60, 1.0), 512ms);
}

}  // namespace
}  // namespace chaveiro::redis
