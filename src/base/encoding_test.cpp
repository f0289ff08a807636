#include "base/encoding.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace chaveiro {
namespace {

TEST(Base64, gives_the_published_examples) {
  const std::pair<const char*, const char*> examples[] = {{"", ""},
                                                          {"f", "Zg=="},
                                                          {"fo", "Zm8="},
                                                          {"foo", "Zm9v"},
                                                          {"foob", "Zm9vYg=="},
                                                          {"fooba", "Zm9vYmE="},
                                                          {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : examples) {
    EXPECT_EQ(to_base64(as_bytes(plain)), coded);
    EXPECT_EQ(parse_base64(coded).value(), plain);
  }
  EXPECT_EQ(to_base64url(as_bytes("\xfb\xff\xfe?")), "-__-Pw");
  EXPECT_EQ(to_base64(as_bytes("\xfb\xff\xfe?")), "+//+Pw==");
}

TEST(Base64, reads_back_every_length) {
  Random random(7);
  for (std::size_t size = 0; size < 70; ++size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(random.below(256)));
    EXPECT_EQ(parse_base64(to_base64(as_bytes(bytes))).value(), bytes);
    EXPECT_EQ(parse_base64url(to_base64url(as_bytes(bytes))).value(), bytes);
    EXPECT_EQ(parse_hex(to_hex(as_bytes(bytes))).value(), bytes);
  }
}

TEST(Base64, has_one_spelling_only) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Zh==", "Zm9=", "Zm 9v", "Zm9v\n", "Zm-_", "Z=g="}) {
    EXPECT_FALSE(parse_base64(text)) << text;
  }
  for (const char* text : {"Z", "Zg==", "Zh", "Zm9", "Zm+/", "Zm9v=", "\xc3\xa9"}) {
    EXPECT_FALSE(parse_base64url(text)) << text;
  }
}

TEST(Hex, is_lower_case_and_reads_both) {
  EXPECT_EQ(to_hex(as_bytes(std::string_view("\x00\xff\x1a", 3))), "00ff1a");
  EXPECT_EQ(parse_hex("00Ff1A").value(), std::string("\x00\xff\x1a", 3));
  for (const char* text : {"0", "0g", "0x", "00 1"}) EXPECT_FALSE(parse_hex(text)) << text;
}

}  // namespace
}  // namespace chaveiro
