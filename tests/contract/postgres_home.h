// tests/contract/postgres_home.h
//
// A PostgreSQL for a whole test program, and databases on it that are copies of one that has been migrated.
//
// Threads: one test at a time.
#pragma once

#include <memory>
#include <string>

#include "clients/postgres/migrations.h"
#include "clients/postgres/partitions.h"
#include "clients/postgres/store.h"
#include "directory/audit.h"
#include "tests/contract/samples.h"
#include "tests/support/postgres_server.h"

namespace chaveiro::contract {

// What persons are hashed with.
inline const Secret& person_key() {
  static const Secret key("key of the tests");
  return key;
}

inline clients::postgres::Target target_of(const std::string& url) {
  clients::postgres::Target target;
  target.url = Secret(url);
  return target;
}

// Brings the database to the newest schema, with partitions from December 2025 on.
inline void make_schema(tests::PostgresServer& server, const std::string& database) {
  using namespace clients::postgres;
  const Deadline deadline = Deadline::in(std::chrono::seconds(60));
  auto connection = Connection::open(contract::target_of(server.url("maintenance", database)), deadline);
  if (!connection) throw std::runtime_error(connection.error().message);
  auto done = migrate(**connection, migrations(), newest_schema(), day_one, deadline);
  if (!done) throw std::runtime_error(done.error().message);
  auto made = make_partitions(**connection, day_one - std::chrono::days(3), 3, deadline);
  if (!made) throw std::runtime_error(made.error().message);
}

// The server ends with the program; what it keeps need not survive a loss of power.
inline tests::PostgresServer& shared_postgres() {
  static tests::PostgresServer server({.settings = {"fsync=off", "synchronous_commit=off", "full_page_writes=off"}});
  static const bool ready = [] {
    make_schema(server, "chaveiro");
    return true;
  }();
  (void)ready;
  return server;
}

// One that nobody has used; it is dropped with the object.
class FreshDatabase {
 public:
  explicit FreshDatabase(tests::PostgresServer& server = shared_postgres()) : server_(server) {
    static int number = 0;
    name_ = "test_" + std::to_string(++number);
    server_.copy_database("chaveiro", name_);
  }
  ~FreshDatabase() {
    try {
      server_.sql("DROP DATABASE " + name_ + " WITH (FORCE)", "postgres");
    } catch (const std::exception&) {
      // the server may be gone already
    }
  }
  FreshDatabase(const FreshDatabase&) = delete;
  FreshDatabase& operator=(const FreshDatabase&) = delete;

  tests::PostgresServer& server() const { return server_; }
  const std::string& name() const { return name_; }
  std::string url(const std::string& role = "runtime") const { return server_.url(role, name_); }
  std::string sql(const std::string& text) const { return server_.sql(text, name_); }
  clients::postgres::PostgresOptions options() const {
    clients::postgres::PostgresOptions options;
    options.url = Secret(url());
    options.maintenance_url = Secret(url("maintenance"));
    options.served = {our_ispb, other_ispb};
    return options;
  }

 private:
  tests::PostgresServer& server_;
  std::string name_;
};

}  // namespace chaveiro::contract
