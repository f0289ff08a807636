#include "cache/codec.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace chaveiro::cache {
namespace {

using namespace std::chrono_literals;

Secret key_of(char c) { return Secret(std::string(32, c)); }

Codec codec(CodecOptions options = {}) { return Codec::make(std::move(options)).value(); }
CodecOptions with_keys(std::uint32_t writes) {
  CodecOptions options;
  options.keys.emplace(1, key_of('a'));
  options.keys.emplace(2, key_of('b'));
  options.key_id = writes;
  return options;
}

Envelope sample(std::size_t bytes = 40) {
  Envelope envelope{
      .fresh_for = 5min, .keep_stale = 1h, .cost = 12ms, .version = 77, .etag = "\"x\"", .tags = {"account:1", ""}};
  for (std::size_t i = 0; i < bytes; ++i) envelope.value += static_cast<char>('a' + i % 7);
  return envelope;
}

TEST(Codec, gives_back_what_was_sealed) {
  for (const std::size_t bytes : {0U, 1U, 40U, 1'024U, 100'000U}) {
    for (const CodecOptions& options : {CodecOptions{}, with_keys(2)}) {
      const Codec it = codec(options);
      const auto opened = it.open("k", it.seal("k", sample(bytes)).value());
      ASSERT_TRUE(opened.ok) << bytes;
      EXPECT_EQ(opened.envelope, sample(bytes));
    }
  }
  Envelope none = sample(0);
  none.negative = true;
  EXPECT_TRUE(codec().open("k", codec().seal("k", none).value()).envelope.negative);
}

TEST(Codec, compresses_above_the_threshold_only) {
  const Codec it = codec({.compress_above = 1'000});
  EXPECT_GT(it.seal("k", sample(900)).value().size(), 900U);
  EXPECT_LT(it.seal("k", sample(2'000)).value().size(), 500U);
}

TEST(Codec, keeps_what_does_not_get_smaller) {
  Envelope noise = sample(0);
  Random random(1);
  for (int i = 0; i < 4'000; ++i) noise.value += static_cast<char>(random());
  const Codec it = codec();
  const std::string sealed = it.seal("k", noise).value();
  EXPECT_LT(sealed.size(), noise.value.size() + 120);
  EXPECT_EQ(it.open("k", sealed).envelope, noise);
}

TEST(Codec, misses_on_every_flipped_bit) {
  for (const CodecOptions& options : {CodecOptions{}, CodecOptions{.compress_above = 0}, with_keys(1)}) {
    const Codec it = codec(options);
    const std::string sealed = it.seal("k", sample(200)).value();
    for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
      std::string flipped = sealed;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
      EXPECT_FALSE(it.open("k", flipped).ok) << "bit " << bit;
    }
  }
}

TEST(Codec, misses_on_every_cut) {
  const Codec it = codec();
  const std::string sealed = it.seal("k", sample()).value();
  for (std::size_t size = 0; size < sealed.size(); ++size)
    EXPECT_FALSE(it.open("k", sealed.substr(0, size)).ok) << size;
  EXPECT_FALSE(it.open("k", sealed + "x").ok);
}

TEST(Codec, misses_on_an_older_and_a_newer_schema) {
  const std::string old = codec({.schema = 1}).seal("k", sample()).value();
  const std::string young = codec({.schema = 3}).seal("k", sample()).value();
  for (const std::string& bytes : {old, young}) {
    const auto opened = codec({.schema = 2}).open("k", bytes);
    EXPECT_FALSE(opened.ok);
    EXPECT_EQ(opened.fault, CodecFault::schema);
  }
}

TEST(Codec, binds_a_value_to_its_key) {
  for (const CodecOptions& options : {CodecOptions{}, with_keys(1)}) {
    const Codec it = codec(options);
    EXPECT_FALSE(it.open("other", it.seal("k", sample()).value()).ok);
  }
}

// A stranger who can write to the level mends the checksum: only encryption withstands that.
TEST(Codec, withstands_a_stranger_where_values_are_encrypted) {
  const Codec it = codec(with_keys(1));
  std::string sealed = it.seal("k", sample()).value();
  sealed[40] = static_cast<char>(sealed[40] ^ 1);
  const std::string_view inside(sealed.data(), sealed.size() - 8);
  const std::uint64_t check = checksum64(inside, checksum64("k"));
  for (std::size_t i = 0; i < 8; ++i) sealed[inside.size() + i] = static_cast<char>(check >> 8 * i);
  EXPECT_EQ(it.open("k", sealed).fault, CodecFault::damaged);
  EXPECT_FALSE(it.open("k", sealed).ok);
}

TEST(Codec, reads_what_the_key_before_wrote_and_nothing_of_a_key_it_lacks) {
  const std::string before = codec(with_keys(1)).seal("k", sample()).value();
  EXPECT_TRUE(codec(with_keys(2)).open("k", before).ok);

  CodecOptions without = with_keys(2);
  without.keys.erase(1);
  EXPECT_EQ(codec(without).open("k", before).fault, CodecFault::unknown_key);
  EXPECT_EQ(codec().open("k", before).fault, CodecFault::unknown_key);
  EXPECT_EQ(codec(with_keys(1)).open("k", codec().seal("k", sample()).value()).fault, CodecFault::unknown_key);
}

TEST(Codec, writes_the_same_value_differently_each_time_when_encrypted) {
  const Codec it = codec(with_keys(1));
  EXPECT_NE(it.seal("k", sample()).value(), it.seal("k", sample()).value());
}

TEST(Codec, refuses_keys_that_are_none) {
  CodecOptions shorter;
  shorter.keys.emplace(1, Secret("short"));
  shorter.key_id = 1;
  EXPECT_EQ(Codec::make(shorter).error().reason, "CacheKeyring");
  EXPECT_EQ(Codec::make(with_keys(9)).error().reason, "CacheKeyring");
}

TEST(Codec, refuses_values_that_are_too_large) {
  EXPECT_EQ(codec({.plain_max = 100}).seal("k", sample(200)).error().reason, "CacheValue");
}

TEST(Codec, does_not_believe_a_size_that_the_bytes_do_not_bear_out) {
  const Codec it = codec({.compress_above = 0});
  std::string sealed = it.seal("k", sample(4'000)).value();
  sealed[14] = '\x7f';  // plain_bytes: some 8 MB
  const std::string_view inside(sealed.data(), sealed.size() - 8);
  const std::uint64_t check = checksum64(inside, checksum64("k"));
  for (std::size_t i = 0; i < 8; ++i) sealed[inside.size() + i] = static_cast<char>(check >> 8 * i);
  EXPECT_EQ(it.open("k", sealed).fault, CodecFault::damaged);
}

}  // namespace
}  // namespace chaveiro::cache
