// tests/support/postgres_server.h
//
// A real PostgreSQL for tests: on a free port of loopback, in a folder of its own, as user nobody where the test runs as root, gone with
// its object and with the test. Where the server's programs are missing the test fails. It has the roles and the database `chaveiro` of
// tools/servers/postgres.sql.
//
// Threads: one at a time for each object.
// Errors:  throws; the test fails.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/child_process.h"

namespace chaveiro::tests {

struct PostgresServerOptions {
  std::vector<std::string> settings;  // of the server: "fsync=off"
  std::string copy_of;                // conninfo of a server of which this one is made a streaming replica; empty: none
  std::string hba;                    // in the place of pg_hba.conf; empty: everybody of loopback is trusted
  std::string data_on;  // an existing folder for its files, such as a small file system; empty: under /tmp
};

class PostgresServer {
 public:
  explicit PostgresServer(PostgresServerOptions options = {});
  ~PostgresServer();

  std::uint16_t port() const { return port_; }
  // Of a database, as one of the roles runtime, import, maintenance; or as any other role by its full name.
  std::string url(const std::string& role = "runtime", const std::string& database = "chaveiro") const;
  const std::string& folder() const { return folder_; }

  // As the superuser, by a connection of the call's own: the first column of the first row, "" where there is none.
  std::string sql(const std::string& text, const std::string& database = "chaveiro") const;
  // A new database that is a copy of another one.
  void copy_database(const std::string& from, const std::string& to) const;

  void kill();          // SIGKILL to the server and all of its processes
  void start();         // again, on the same port and files
  void freeze() const;  // SIGSTOP to all of its processes
  void thaw() const;
  void promote() const;

 private:
  std::vector<pid_t> processes() const;
  void make_files();
  std::string run(const std::string& program, const std::vector<std::string>& arguments) const;

  PostgresServerOptions options_;
  std::string folder_;
  std::uint16_t port_ = 0;
  ChildProcess process_;
};

}  // namespace chaveiro::tests
