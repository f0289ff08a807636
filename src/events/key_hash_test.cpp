#include "events/key_hash.h"

#include <gtest/gtest.h>

namespace chaveiro::events {
namespace {

TEST(KeyHash, murmur3_gives_the_published_values) {
  EXPECT_EQ(murmur3_32(""), 0u);
  EXPECT_EQ(murmur3_32("a"), 0x3c2569b2u);
  EXPECT_EQ(murmur3_32("hello"), 0x248bfa47u);
  EXPECT_EQ(murmur3_32("hello, world"), 0x149bbb7fu);
  EXPECT_EQ(murmur3_32("The quick brown fox jumps over the lazy dog"), 0x2e4ff723u);
}

TEST(KeyHash, java_hashes_utf_16_units) {
  EXPECT_EQ(java_string_hash(""), 0u);
  EXPECT_EQ(java_string_hash("hello"), 99162322u);
  EXPECT_EQ(java_string_hash("\xc3\xa9"), 233u);                            // é
  EXPECT_EQ(java_string_hash("\xf0\x9f\x98\x80"), 0xd83du * 31 + 0xde00u);  // a pair of surrogates
  EXPECT_EQ(java_string_hash("polygenelubricants"), 0x80000000u);           // Integer.MIN_VALUE
}

TEST(KeyHash, a_partition_is_never_negative_and_the_sign_bit_does_not_count) {
  EXPECT_EQ(partition_of("polygenelubricants", KeyHash::java, 7), 0u);
  for (const std::uint32_t partitions : {1u, 2u, 3u, 7u, 64u})
    for (const char* key : {"", "a", "+5511987654321", "joana@example.com"}) {
      EXPECT_LT(partition_of(key, KeyHash::murmur3, partitions), partitions);
      EXPECT_LT(partition_of(key, KeyHash::java, partitions), partitions);
    }
  EXPECT_EQ(partition_of("hello", KeyHash::murmur3, 10), 0x248bfa47u % 10);
}

}  // namespace
}  // namespace chaveiro::events
