#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace chaveiro {
namespace {

Result<std::vector<std::string>> words() {
  return std::vector<std::string>{"a word beyond what a string keeps inside", "b"};
}
Result<int> refused() { return fail(Code::not_found, "NotFound", "nothing there"); }

TEST(Result, a_temporary_gives_its_value_away) {
  static_assert(std::is_same_v<decltype(*words()), std::vector<std::string>>);
  static_assert(std::is_same_v<decltype(words().value()), std::vector<std::string>>);
  static_assert(std::is_same_v<decltype(refused().error()), Error>);
  std::size_t length = 0;
  for (const std::string& word : *words()) length += word.size();  // under AddressSanitizer a reference would be found
  EXPECT_EQ(length, 41u);
  const Error& error = refused().error();
  EXPECT_EQ(error.message, "nothing there");
}

TEST(Result, passes_on_what_cannot_be_copied) {
  const auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(7); };
  const auto twice = [&]() -> Result<int> {
    TRY(const auto number, make());
    return *number * 2;
  };
  EXPECT_EQ(twice().value(), 14);
  EXPECT_EQ(**make(), 7);
}

TEST(Result, try_returns_the_error_as_it_came) {
  const auto passes_on = []() -> Result<std::string> {
    TRY(const int number, refused());
    return std::to_string(number);
  };
  EXPECT_EQ(passes_on().error().reason, "NotFound");
  EXPECT_EQ(refused().value_or(3), 3);
}

}  // namespace
}  // namespace chaveiro
