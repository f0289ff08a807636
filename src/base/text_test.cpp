#include "base/text.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace chaveiro {
namespace {

TEST(Utf8, knows_the_edges_of_every_length) {
  for (const char* good :
       {"", "abc", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "Jo\xc3\xa3o da Silva, S\xc3\xa3o Paulo"}) {
    EXPECT_TRUE(valid_utf8(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "abcdefgh\xc3", "abcdefghi\xe2\x28\xa1"}) {
    EXPECT_FALSE(valid_utf8(bad)) << bad;
  }
}

TEST(Text, is_trimmed_and_lowered_without_touching_other_letters) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim(" \n"), "");
  EXPECT_EQ(lower_ascii("JO\xc3\x83O@X.COM"), "jo\xc3\x83o@x.com");
  EXPECT_TRUE(equal_ignoring_ascii_case("Content-Type", "content-TYPE"));
  EXPECT_FALSE(equal_ignoring_ascii_case("a", "ab"));
}

TEST(Integers, are_read_strictly) {
  EXPECT_EQ(parse_int("-42").value(), -42);
  EXPECT_EQ(parse_int("9223372036854775807").value(), INT64_MAX);
  EXPECT_EQ(parse_int("-9223372036854775808").value(), INT64_MIN);
  EXPECT_EQ(parse_uint("18446744073709551615").value(), UINT64_MAX);
  EXPECT_EQ(parse_int("007").value(), 7);
  for (const char* text : {"", "-", "+1", " 1", "1 ", "1.0", "0x1", "1e3", "9223372036854775808"}) {
    EXPECT_FALSE(parse_int(text)) << text;
  }
  EXPECT_FALSE(parse_uint("-1"));
  EXPECT_EQ(parse_int("65536", 1, 65535).error().message, "must lie between 1 and 65535");
  EXPECT_EQ(parse_int("99999999999999999999", 1, 9).error().message, "must lie between 1 and 9");
}

TEST(JsonString, escapes_what_would_break_a_line_or_a_reader) {
  EXPECT_EQ(to_json_string("a\"b\\c\n\r\t"), R"("a\"b\\c\n\r\t")");
  EXPECT_EQ(to_json_string(std::string_view("\0\x1b\x7f", 3)), R"("\u0000\u001b\u007f")");
  EXPECT_EQ(to_json_string("Jo\xc3\xa3o \xf0\x9f\x94\x91"), "\"Jo\xc3\xa3o \xf0\x9f\x94\x91\"");
  EXPECT_EQ(to_json_string("a\xe2\x80\xa8\xe2\x80\xa9z"), R"("a\u2028\u2029z")");
  EXPECT_EQ(to_json_string("\xc3(\xff"), "\"\xef\xbf\xbd(\xef\xbf\xbd\"");
}

TEST(JsonString, is_one_line_of_utf8_for_any_bytes) {
  Random random(3);
  for (int round = 0; round < 2'000; ++round) {
    std::string bytes(random.below(40), '\0');
    for (char& c : bytes) c = static_cast<char>(random.below(256));
    const std::string written = to_json_string(bytes);
    ASSERT_TRUE(valid_utf8(written)) << round;
    for (const char c : written) ASSERT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) << round;
  }
}

}  // namespace
}  // namespace chaveiro
