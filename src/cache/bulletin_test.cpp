#include "cache/bulletin.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace chaveiro::cache {
namespace {

Bulletin news() {
  return {.kind = Bulletin::Kind::news,
          .publisher = 7,
          .epoch = UINT64_MAX,
          .owes = true,
          .serial = 3,
          .lines = {{1, {.cache = "entries", .name = std::string("k\0y", 3), .version = (1ULL << 53) + 1}},
                    {9, {Invalidation::What::tag, "claims", "t", 0, Told::memory_only}},
                    {2, {Invalidation::What::everything, "claims", "", 0, Told::levels}}}};
}

TEST(Bulletin, comes_back_as_it_was_written) {
  EXPECT_EQ(read_bulletin(to_bytes(news())), news());
  const Bulletin beat{.publisher = 1,
                      .epoch = 2,
                      .serial = 5,
                      .peers = {3, UINT64_MAX},
                      .lines = {{4, {.cache = "entries"}}, {0, {.cache = ""}}}};
  EXPECT_EQ(read_bulletin(to_bytes(beat)), beat);
}

TEST(Bulletin, is_refused_when_anything_is_missing_or_too_much) {
  const std::string bytes = to_bytes(news());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(read_bulletin(std::string_view(bytes).substr(0, size)), std::nullopt) << size;
  EXPECT_EQ(read_bulletin(bytes + '\0'), std::nullopt);
}

TEST(Bulletin, survives_whatever_comes) {
  Random random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = to_bytes(news());
    for (std::uint64_t flips = 1 + random.below(4); flips > 0; --flips)
      bytes[random.below(bytes.size())] = static_cast<char>(random());
    if (const auto read = read_bulletin(bytes)) {
      EXPECT_EQ(to_bytes(*read), bytes) << "what is read is exactly what was said";
    }
  }
}

}  // namespace
}  // namespace chaveiro::cache
