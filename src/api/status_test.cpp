#include "api/status.h"

#include <gtest/gtest.h>

#include <set>

namespace chaveiro::api {
namespace {

constexpr Code all[] = {Code::invalid,       Code::unauthenticated, Code::forbidden, Code::not_found, Code::exists,
                        Code::conflict,      Code::exhausted,       Code::deadline,  Code::cancelled, Code::unavailable,
                        Code::maybe_applied, Code::corrupt,         Code::internal};

TEST(Status, a_grpc_status_tells_the_code_that_made_it) {
  for (const Code code : all) EXPECT_EQ(code_of_grpc(status_row(code).grpc), code) << to_string(code);
}

TEST(Status, every_code_has_its_own_exit_code_and_none_is_success) {
  std::set<int> seen;
  for (const Code code : all) {
    EXPECT_NE(status_row(code).exit, 0);
    EXPECT_TRUE(seen.insert(status_row(code).exit).second) << to_string(code);
  }
}

TEST(Status, faults_of_ours_are_not_told_outside) {
  const Error outside = for_outside(fail(Code::internal, "SqliteError", "/var/lib/x.db: row 3 of 12345678909"));
  EXPECT_EQ(outside.reason, "Internal");
  EXPECT_EQ(outside.message.find("12345678909"), std::string::npos);
  EXPECT_EQ(for_outside(fail(Code::conflict, "EntryLockedByClaim", "a claim is open")).message, "a claim is open");
}

TEST(Status, http_status_reads_back_as_what_a_client_may_do) {
  EXPECT_EQ(code_of_http(404), Code::not_found);
  EXPECT_EQ(code_of_http(409), Code::conflict);
  EXPECT_EQ(code_of_http(429), Code::exhausted);
  EXPECT_EQ(code_of_http(503), Code::unavailable);
  EXPECT_EQ(code_of_http(504), Code::deadline);
  EXPECT_EQ(code_of_http(413), Code::invalid);
  EXPECT_EQ(code_of_http(500), Code::internal);
}

}  // namespace
}  // namespace chaveiro::api
