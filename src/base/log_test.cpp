#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "base/log_sink.h"
#include "base/text.h"

namespace chaveiro {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::SizeIs;

struct LogTest : testing::Test {
  ManualClock clock;
  MemorySink sink;
  Log log{clock, sink};
  Logger logger = log.logger("cache");
};

TEST_F(LogTest, writes_one_json_object_a_line) {
  clock.advance(123ms);
  const std::string owned = "x\"y";
  logger.warn("answers slowly", {{"text", owned},
                                 {"int", -3},
                                 {"big", UINT64_MAX},
                                 {"ratio", 0.5},
                                 {"yes", true},
                                 {"took_ms", 1500us},
                                 {"nan", std::nan("")},
                                 {"error", fail(Code::unavailable, "RedisAway", "no answer")}});
  EXPECT_THAT(sink.lines(),
              ElementsAre(R"({"time":"2026-01-01T00:00:00.123Z","level":"warn","logger":"cache",)"
                          R"("message":"answers slowly","text":"x\"y","int":-3,"big":18446744073709551615,)"
                          R"("ratio":0.5,"yes":true,"took_ms":1.5,"nan":null,)"
                          R"("error":{"code":"unavailable","reason":"RedisAway","message":"no answer"}})"));
}

TEST_F(LogTest, writes_the_right_second_after_the_clock_went_on_or_back) {
  logger.info("a");
  clock.advance(61'007ms);
  logger.info("b");
  clock.set_utc(UtcTime{-1us});
  logger.info("c");
  const auto lines = sink.lines();
  EXPECT_THAT(lines[0], HasSubstr("2026-01-01T00:00:00.000Z"));
  EXPECT_THAT(lines[1], HasSubstr("2026-01-01T00:01:01.007Z"));
  EXPECT_THAT(lines[2], HasSubstr("1969-12-31T23:59:59.999Z"));
}

TEST_F(LogTest, changes_its_level_while_running) {
  logger.debug("no");
  log.set_level(Level::debug);
  EXPECT_TRUE(logger.wants(Level::debug));
  logger.debug("yes");
  log.set_level(Level::off);
  logger.error("no");
  EXPECT_THAT(sink.lines(), ElementsAre(HasSubstr("yes")));
}

TEST_F(LogTest, keeps_one_access_line_in_so_many_and_every_other_line) {
  log.set_access_sample(10);
  for (int i = 0; i < 100; ++i) logger.access("request");
  logger.info("kept");
  EXPECT_THAT(sink.lines(), SizeIs(11));
  EXPECT_THAT(sink.lines().front(), HasSubstr(R"("sampled":10)"));
  log.set_access_sample(0);
  logger.access("request");
  EXPECT_THAT(sink.lines(), SizeIs(11));
}

TEST_F(LogTest, carries_the_correlation_id_of_the_innermost_scope_of_its_thread) {
  const CorrelationScope outer("outer");
  {
    const CorrelationScope inner("inner");
    logger.info("a");
    std::jthread([&] { logger.info("b"); }).join();
  }
  logger.info("c");
  const auto lines = sink.lines();
  EXPECT_THAT(lines[0], HasSubstr(R"("correlation_id":"inner")"));
  EXPECT_THAT(lines[1], testing::Not(HasSubstr("correlation_id")));
  EXPECT_THAT(lines[2], HasSubstr(R"("correlation_id":"outer")"));
}

TEST_F(LogTest, cannot_be_forged_by_what_it_writes) {
  logger.named("api").info("a\n{\"level\":\"error\"}\x1b[2J\xff", {{"na\"me", "v\r\n"}});
  const auto lines = sink.lines();
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_TRUE(valid_utf8(lines[0]));
  EXPECT_THAT(lines[0], HasSubstr(R"("logger":"api","message":"a\n{\"level\":\"error\"}\u001b[2J)"));
  EXPECT_THAT(lines[0], EndsWith(R"("na\"me":"v\r\n"})"));
}

TEST_F(LogTest, cuts_long_texts_between_characters) {
  std::string text = "x";
  while (text.size() < 3 * text_max) text += "\xe2\x82\xac";
  logger.info(text);
  const std::string line = sink.lines().front();
  EXPECT_TRUE(valid_utf8(line));
  EXPECT_EQ(line.find("\xef\xbf\xbd"), std::string::npos);
  EXPECT_LT(line.size(), text_max + 200);
  EXPECT_THAT(line, EndsWith("…\"}"));
}

TEST(Logger, writes_nothing_when_default_made) {
  const Logger logger;
  EXPECT_FALSE(logger.wants(Level::error));
  logger.error("nowhere");
  logger.access("nowhere");
}

TEST(Level, is_read_in_either_case) {
  EXPECT_EQ(parse_level("INFO").value(), Level::info);
  EXPECT_EQ(parse_level("Warning").value(), Level::warn);
  EXPECT_EQ(parse_level("off").value(), Level::off);
  EXPECT_FALSE(parse_level("loud"));
}

}  // namespace
}  // namespace chaveiro
