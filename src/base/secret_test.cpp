#include "base/secret.h"

#include <gtest/gtest.h>

#include <sstream>

namespace chaveiro {
namespace {

template <class T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };
static_assert(!Printable<Secret> && Printable<int>, "a secret can be neither logged nor shown by accident");
static_assert(!std::is_convertible_v<Secret, std::string_view> && !std::is_convertible_v<std::string, Secret>);

TEST(Secret, shows_itself_only_when_asked_loudly) {
  const Secret secret{"hunter2"};
  EXPECT_EQ(to_string(secret), "***");
  EXPECT_EQ(secret.expose(), "hunter2");
  EXPECT_TRUE(Secret{}.empty());
}

TEST(Secret, equals_by_content) {
  EXPECT_EQ(Secret{"a"}, Secret{"a"});
  EXPECT_NE(Secret{"a"}, Secret{"b"});
  EXPECT_NE(Secret{"a"}, Secret{"aa"});
}

TEST(Secret, wipes_where_it_came_from) {
  std::string source = "a password long enough to live on the heap";
  const char* place = source.data();
  const Secret first{std::move(source)};
  EXPECT_EQ(place[0], '\0') << "the buffer is still owned by `source`, and is zero";
  EXPECT_EQ(place[20], '\0');

  Secret second{"another password that is long enough"};
  const char* old = second.expose().data();
  Secret third{std::move(second)};
  EXPECT_EQ(old[0], '\0');
  EXPECT_EQ(old[30], '\0');
  EXPECT_EQ(third.expose(), "another password that is long enough");
  third = first;
  EXPECT_EQ(third, first);
}

TEST(Secret, wipes_beyond_the_end_of_a_shortened_text) {
  std::string text = "long secret, long secret, long secret";
  text.resize(4);
  const char* place = text.data();
  Secret::wipe(text);
  for (int i = 0; i < 37; ++i) EXPECT_EQ(place[i], '\0') << i;
}

}  // namespace
}  // namespace chaveiro
