#include "api/first_answers.h"

#include <gtest/gtest.h>

namespace chaveiro::api {
namespace {

using namespace std::chrono_literals;

// A store that may be away.
class Store final : public limits::IdempotencyStore {
 public:
  explicit Store(const Clock& clock) : behind({}, clock) {}
  Result<limits::Begun> begin(const limits::IdempotencyKey& key, Micros lease, Deadline deadline) override {
    if (away) return fail(Code::unavailable, "Away", "away");
    return behind.begin(key, lease, deadline);
  }
  Result<void> finish(const limits::IdempotencyKey& key, std::uint64_t fence, const limits::StoredAnswer& answer,
                      Deadline deadline) override {
    if (away) return fail(Code::unavailable, "Away", "away");
    return behind.finish(key, fence, answer, deadline);
  }
  Result<void> abandon(const limits::IdempotencyKey& key, std::uint64_t fence, Deadline deadline) override {
    return behind.abandon(key, fence, deadline);
  }
  limits::IdempotencyMemoryStore behind;
  bool away = false;
};

struct World {
  Result<std::string> run(Result<std::string> answer, std::string_view body = "a", std::string subject = "joana",
                          std::string_view id = "1") {
    const directory::Context context{
        {std::move(subject), *directory::Ispb::parse("12345678"), {}, {}}, "c", Deadline::never()};
    return first.run(context, "rest.CreateKey", id, {body}, [&] {
      ++worked;
      return answer;
    });
  }
  ManualClock clock;
  Registry metrics;
  Store store{clock};
  FirstAnswers first{{.wait_max = Micros{0}}, store, metrics};
  int worked = 0;
};

TEST(FirstAnswers, a_repetition_gets_the_first_answer_and_nothing_is_done_again) {
  World world;
  EXPECT_EQ(*world.run("made"), "made");
  EXPECT_EQ(*world.run("other"), "made");
  EXPECT_EQ(world.worked, 1);
  world.clock.advance(25h);
  EXPECT_EQ(*world.run("after a day the store behind decides"), "after a day the store behind decides");
}

TEST(FirstAnswers, a_fault_of_the_request_is_kept_and_one_of_the_moment_is_not) {
  World world;
  const Error invalid = fail_field("key", "is no key");
  EXPECT_EQ(world.run(invalid).error().violations, invalid.violations);
  const auto again = world.run("now it works");
  EXPECT_EQ(again.error().code, Code::invalid);
  EXPECT_EQ(again.error().message, invalid.message);
  EXPECT_EQ(again.error().violations, invalid.violations);
  for (const Code code :
       {Code::not_found, Code::conflict, Code::exhausted, Code::unavailable, Code::internal, Code::maybe_applied}) {
    const std::string id = std::to_string(static_cast<int>(code));
    EXPECT_FALSE(world.run(fail(code, "X", "x"), "a", "joana", id));
    EXPECT_EQ(*world.run("now it works", "a", "joana", id), "now it works");
  }
}

TEST(FirstAnswers, other_contents_and_other_callers_are_for_the_store_behind_to_decide) {
  World world;
  ASSERT_TRUE(world.run("made"));
  EXPECT_EQ(world.run(fail(Code::conflict, "RequestIdAlreadyUsed", "used"), "b").error().reason,
            "RequestIdAlreadyUsed");
  EXPECT_EQ(*world.run("seen by pedro", "a", "pedro"), "seen by pedro");
}

TEST(FirstAnswers, without_a_store_the_work_is_done_each_time) {
  World world;
  world.store.away = true;
  EXPECT_EQ(*world.run("made"), "made");
  EXPECT_EQ(*world.run("the store behind says: made"), "the store behind says: made");
  EXPECT_EQ(world.worked, 2);
}

TEST(FirstAnswers, a_repetition_during_the_first_is_told_so) {
  World world;
  const directory::Context context{{"joana", *directory::Ispb::parse("12345678"), {}, {}}, "c", Deadline::never()};
  const auto first = world.first.run(context, "rest.CreateKey", "1", {"a"}, [&]() -> Result<std::string> {
    const auto second = world.run("twice");
    EXPECT_EQ(second.error().reason, "RequestInProgress");
    EXPECT_TRUE(second.error().retry_after);
    return std::string("once");
  });
  EXPECT_EQ(*first, "once");
  EXPECT_EQ(world.worked, 0);
}

}  // namespace
}  // namespace chaveiro::api
