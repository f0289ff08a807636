#include "tests/support/postgres_server.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace chaveiro::tests {
namespace {

TEST(PostgresServer, answers_keeps_its_rows_over_a_kill_and_is_frozen_by_order) {
  PostgresServer server;
  server.sql("CREATE TABLE t (n int); INSERT INTO t VALUES (42)");
  server.kill();
  EXPECT_THROW(server.sql("SELECT 1"), std::runtime_error);
  server.start();
  EXPECT_EQ(server.sql("SELECT n FROM t"), "42");
  server.copy_database("chaveiro", "other");
  EXPECT_EQ(server.sql("SELECT n FROM t", "other"), "42");
  server.freeze();
  server.thaw();
  EXPECT_EQ(server.sql("SELECT rolbypassrls FROM pg_roles WHERE rolname = 'chaveiro_runtime'"), "f");
}

}  // namespace
}  // namespace chaveiro::tests
