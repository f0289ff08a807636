#include "directory/operation.h"

#include <gtest/gtest.h>

namespace chaveiro::directory {
namespace {

Error stale() { return fail(Code::conflict, "Stale", "somebody was faster"); }

TEST(DecideUntilFresh, decides_again_while_somebody_is_faster) {
  int decisions = 0;
  const auto answer = decide_until_fresh([&]() -> Result<int> {
    if (++decisions < 4) return stale();
    return 42;
  });
  EXPECT_EQ(answer.value(), 42);
  EXPECT_EQ(decisions, 4);
}

TEST(DecideUntilFresh, gives_up_after_four_decisions) {
  int decisions = 0;
  const auto answer = decide_until_fresh([&]() -> Result<int> {
    ++decisions;
    return stale();
  });
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::conflict);
  EXPECT_EQ(answer.error().reason, "ResourceConflict");
  EXPECT_EQ(decisions, 4);
}

TEST(DecideUntilFresh, passes_every_other_error_on_at_once) {
  for (const Error& error : {fail(Code::conflict, "EntryLockedByClaim", ""), fail(Code::maybe_applied, "Stale", "")}) {
    int decisions = 0;
    const auto answer = decide_until_fresh([&]() -> Result<int> {
      ++decisions;
      return error;
    });
    EXPECT_EQ(answer.error().reason, error.reason);
    EXPECT_EQ(decisions, 1);
  }
}

TEST(BodyHash, fields_do_not_run_into_each_other) {
  const std::optional<std::string_view> none;
  EXPECT_EQ(body_hash({"a", "b"}), body_hash({"a", "b"}));
  EXPECT_NE(body_hash({"a", "b"}), body_hash({"ab", ""}));
  EXPECT_NE(body_hash({"a", "b"}), body_hash({"ab"}));
  EXPECT_NE(body_hash({"a", none}), body_hash({"a", ""}));
  EXPECT_NE(body_hash({"a", none}), body_hash({"a"}));
  EXPECT_NE(body_hash({"1:", "x"}), body_hash({"", ":x"}));
}

}  // namespace
}  // namespace chaveiro::directory
