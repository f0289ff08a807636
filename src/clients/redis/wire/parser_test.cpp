#include "clients/redis/wire/parser.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace chaveiro::redis {
namespace {

Value read_whole(std::string_view bytes) {
  Parser parser;
  parser.feed(bytes);
  Value value;
  EXPECT_EQ(parser.next(value), Parser::Step::reply) << bytes;
  EXPECT_TRUE(parser.empty());
  return value;
}

std::string fault_of(std::string_view bytes, ParserOptions options = {}) {
  Parser parser(options);
  parser.feed(bytes);
  Value value;
  return parser.next(value) == Parser::Step::broken ? parser.fault() : "";
}

Value list(std::vector<Value> items, Kind kind = Kind::array) { return Value::of_items(kind, std::move(items)); }

// Every type, each with what it means.
const std::vector<std::pair<std::string, Value>>& samples() {
  static const std::vector<std::pair<std::string, Value>> all{
      {"+OK\r\n", Value::of_status("OK")},
      {"-WRONGTYPE no\r\n", Value::of_error("WRONGTYPE no")},
      {":-42\r\n", Value::of_integer(-42)},
      {":9223372036854775807\r\n", Value::of_integer(INT64_MAX)},
      {"$5\r\nhe\r\no\r\n", Value::of_text("he\r\no")},
      {"$0\r\n\r\n", Value::of_text("")},
      {"$-1\r\n", Value{}},
      {"*-1\r\n", Value{}},
      {"_\r\n", Value{}},
      {"#t\r\n", Value{Kind::boolean, 1, 0, {}, {}}},
      {"#f\r\n", Value{Kind::boolean, 0, 0, {}, {}}},
      {",3.25\r\n", Value{Kind::real, 0, 3.25, {}, {}}},
      {",-inf\r\n", Value{Kind::real, 0, -std::numeric_limits<double>::infinity(), {}, {}}},
      {"(-123456789012345678901234567890\r\n", Value{Kind::big_number, 0, 0, "-123456789012345678901234567890", {}}},
      {"!8\r\nERR a\r\nb\r\n", Value::of_error("ERR a\r\nb")},
      {"=8\r\ntxt:some\r\n", Value::of_text("some")},
      {"*0\r\n", list({})},
      {"%0\r\n", list({}, Kind::map)},
      {"*2\r\n:1\r\n$1\r\na\r\n", list({Value::of_integer(1), Value::of_text("a")})},
      {"*2\r\n*1\r\n*0\r\n$-1\r\n", list({list({list({})}), Value{}})},
      {"%1\r\n+k\r\n*1\r\n:1\r\n", list({Value::of_status("k"), list({Value::of_integer(1)})}, Kind::map)},
      {"~1\r\n+a\r\n", list({Value::of_status("a")}, Kind::set)},
      {">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n",
       list({Value::of_status("invalidate"), list({Value::of_text("k")})}, Kind::push)},
      {"|1\r\n+ttl\r\n:5\r\n$1\r\nv\r\n", Value::of_text("v")},
      {"*2\r\n|1\r\n+a\r\n*1\r\n+b\r\n:1\r\n:2\r\n", list({Value::of_integer(1), Value::of_integer(2)})},
      {"|0\r\n+OK\r\n", Value::of_status("OK")},
  };
  return all;
}

TEST(Parser, reads_every_type) {
  for (const auto& [bytes, value] : samples()) EXPECT_EQ(read_whole(bytes), value) << bytes;
  EXPECT_TRUE(std::isnan(read_whole(",nan\r\n").real));
}

TEST(Parser, reads_the_same_however_the_bytes_are_split_in_two) {
  for (const auto& [bytes, value] : samples()) {
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
      Parser parser;
      Value read;
      parser.feed(std::string_view(bytes).substr(0, cut));
      ASSERT_EQ(parser.next(read), Parser::Step::more) << bytes << " at " << cut;
      parser.feed(std::string_view(bytes).substr(cut));
      ASSERT_EQ(parser.next(read), Parser::Step::reply) << bytes << " at " << cut;
      EXPECT_EQ(read, value) << bytes << " at " << cut;
      EXPECT_TRUE(parser.empty());
    }
  }
}

TEST(Parser, reads_a_stream_byte_by_byte) {
  std::string stream;
  for (const auto& [bytes, value] : samples()) stream += bytes;
  Parser parser;
  std::size_t read = 0;
  for (const char byte : stream) {
    parser.feed({&byte, 1});
    Value value;
    while (parser.next(value) == Parser::Step::reply) {
      ASSERT_LT(read, samples().size());
      EXPECT_EQ(value, samples()[read++].second);
    }
  }
  EXPECT_EQ(read, samples().size());
  EXPECT_TRUE(parser.empty());
}

TEST(Parser, takes_many_replies_from_one_piece) {
  std::string stream;
  for (int i = 0; i < 10'000; ++i) stream += ":" + std::to_string(i) + "\r\n";
  Parser parser;
  parser.feed(stream);
  Value value;
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_EQ(parser.next(value), Parser::Step::reply);
    ASSERT_EQ(value.integer, i);
  }
  EXPECT_EQ(parser.next(value), Parser::Step::more);
}

TEST(Parser, refuses_what_is_no_resp) {
  for (const std::string_view bad : {"?\r\n", "\r\n", "hello\r\n", ":\r\n", ":1x\r\n", ":99999999999999999999\r\n",
                                     "$-2\r\n", "$x\r\n", "*-2\r\n", "$2\r\nabc\r\n", "#x\r\n", "_x\r\n", ",one\r\n",
                                     "(1.5\r\n", "(\r\n", "=3\r\nabc\r\n", "+a\n", "$?\r\n", "*?\r\n"}) {
    EXPECT_NE(fault_of(bad), "") << bad;
  }
}

TEST(Parser, stays_broken_once_it_is) {
  Parser parser;
  parser.feed("?\r\n+OK\r\n");
  Value value;
  EXPECT_EQ(parser.next(value), Parser::Step::broken);
  EXPECT_EQ(parser.next(value), Parser::Step::broken);
  parser.reset();
  parser.feed("+OK\r\n");
  EXPECT_EQ(parser.next(value), Parser::Step::reply);
}

TEST(Parser, bounds_depth_size_and_lines) {
  std::string deep;
  for (int i = 0; i < 9; ++i) deep += "*1\r\n";
  EXPECT_EQ(fault_of(deep, {.depth_max = 8}), "lists lie too deep");
  EXPECT_EQ(fault_of(deep, {.depth_max = 9}), "");
  EXPECT_EQ(fault_of("$101\r\n", {.reply_bytes_max = 100}), "a reply is too large");
  EXPECT_EQ(fault_of("*3\r\n$40\r\n" + std::string(40, 'a') + "\r\n$60\r\n", {.reply_bytes_max = 100}),
            "a reply is too large");
  EXPECT_EQ(fault_of("*100\r\n", {.reply_bytes_max = 100}), "a reply is too large");
  EXPECT_EQ(fault_of("+" + std::string(20, 'a'), {.line_bytes_max = 10}), "a line does not end");
  EXPECT_EQ(fault_of("+" + std::string(20, 'a') + "\r\n", {.line_bytes_max = 10}), "a line is too long");
}

TEST(Parser, believes_no_announcement_before_it_has_come) {
  // Four thousand million items announced: refused, or waited for without memory for them.
  EXPECT_NE(fault_of("*4294967296\r\n"), "");
  Parser parser;
  parser.feed("*170000000\r\n$500000000\r\n");
  Value value;
  EXPECT_EQ(parser.next(value), Parser::Step::more);
}

TEST(Parser, reads_a_large_text_that_comes_in_small_pieces) {
  const std::string text(3'000'000, 'x');
  const std::string bytes = "$3000000\r\n" + text + "\r\n";
  Parser parser;
  Value value;
  for (std::size_t at = 0; at < bytes.size(); at += 1000) {
    ASSERT_EQ(parser.next(value), Parser::Step::more);
    parser.feed(std::string_view(bytes).substr(at, 1000));
  }
  ASSERT_EQ(parser.next(value), Parser::Step::reply);
  EXPECT_EQ(value.text, text);
}

TEST(ServerErrors, say_what_the_caller_can_do) {
  EXPECT_EQ(error_of("WRONGTYPE Operation against a key").code, Code::invalid);
  EXPECT_EQ(error_of("NOAUTH Authentication required.").code, Code::unauthenticated);
  EXPECT_EQ(error_of("NOPERM this user has no permissions").code, Code::forbidden);
  EXPECT_EQ(error_of("OOM command not allowed when used memory > 'maxmemory'.").code, Code::exhausted);
  EXPECT_EQ(error_of("LOADING Redis is loading").code, Code::unavailable);
  EXPECT_EQ(error_of("NOSCRIPT No matching script.").reason, "NOSCRIPT");
  EXPECT_EQ(error_of("my own words").reason, "ERR");
  EXPECT_EQ(error_of("ERR unknown command 'X', with args beginning with: '12345678900'").message,
            "Redis: unknown command 'X'");
}

}  // namespace
}  // namespace chaveiro::redis
