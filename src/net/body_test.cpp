#include "net/body.h"

#include <gmock/gmock.h>

#include <thread>

#include "net/body_pipe.h"
#include "net/test_peer.h"

namespace chaveiro::net {
namespace {

Deadline now() { return Deadline::in(Micros{0}); }

TEST(BodyPipe, tells_the_connection_to_stop_at_the_window_and_wakes_it_when_there_is_room) {
  int woken = 0;
  BodyPipe pipe(4, [&] { ++woken; });
  EXPECT_TRUE(pipe.put("ab"));
  EXPECT_FALSE(pipe.put("cd"));
  EXPECT_EQ(*pipe.wait_take(now()), "abcd");
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(pipe.wait_take(now()).error().code, Code::deadline);
}

TEST(BodyPipe, holds_a_writer_back_until_the_connection_has_taken_something) {
  BodyPipe pipe(4, [] {});
  ASSERT_TRUE(pipe.wait_put("abc", now()));
  EXPECT_EQ(pipe.wait_put("de", now()).error().code, Code::deadline);
  std::thread writer([&] { EXPECT_TRUE(pipe.wait_put("de", soon())); });
  EXPECT_EQ(pipe.take(10).bytes, "abc");
  writer.join();
  EXPECT_EQ(pipe.take(1).bytes, "d");
  EXPECT_EQ(pipe.take(10).bytes, "e");
}

TEST(BodyPipe, a_piece_larger_than_the_window_passes_when_it_is_empty) {
  BodyPipe pipe(4, [] {});
  ASSERT_TRUE(pipe.wait_put("abcdefgh", now()));
  EXPECT_EQ(pipe.take(3).bytes, "abc");
}

TEST(BodyPipe, ends_well_only_after_everything_was_taken) {
  int woken = 0;
  BodyPipe pipe(4, [&] { ++woken; });
  EXPECT_FALSE(pipe.take(10).finished);
  ASSERT_TRUE(pipe.wait_put("ab", now()));
  EXPECT_EQ(woken, 1) << "the connection waited for bytes";
  pipe.finish();
  pipe.fail(fail(Code::cancelled, "", ""));
  EXPECT_FALSE(pipe.take(1).finished);
  EXPECT_TRUE(pipe.take(1).finished) << "the first end counts";
}

TEST(BodyReader, hears_why_the_body_broke_off_after_what_came_before) {
  auto pipe = std::make_shared<BodyPipe>(100, [] {});
  BodyReader reader(pipe);
  pipe->put("ab");
  pipe->fail(fail(Code::invalid, "PayloadTooLarge", ""));
  EXPECT_EQ(*reader.next(now()), "ab");
  EXPECT_EQ(reader.next(now()).error().reason, "PayloadTooLarge");
}

TEST(ResponseWriter, given_up_half_way_breaks_the_body) {
  auto pipe = std::make_shared<BodyPipe>(100, [] {});
  {
    ResponseWriter writer(pipe);
    ASSERT_TRUE(writer.write("ab", now()));
  }
  EXPECT_TRUE(pipe->take(100).broken);
}

}  // namespace
}  // namespace chaveiro::net
