// clients/postgres/session.h
//
// One connection to a server, driven from outside: it says what it waits for, and is told when to go on. Nothing here waits. Statements
// are sent in libpq's pipeline mode, each prepared when it is first used on this session; a segment ends with send_sync(), and what
// follows a failed statement in its segment fails with the same error.
//
// The session refuses a pooler between us and the server (PgBouncer): prepared statements and settings would end up with somebody else.
//
// Threads: belongs to one thread at a time.
// Time:    never blocks, but for resolving host names in start().
// Errors:  those of errors.h; after one for which is_lost() holds the session is of no use any more.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "clients/postgres/values.h"

struct pg_conn;

namespace chaveiro::clients::postgres {

struct Target {
  Secret url;                                // postgres://USER@HOST[,HOST…]/DATABASE?…, with every parameter of libpq
  std::string application = "chaveiro";      // as pg_stat_activity shows it
  Micros connect_limit = Micros(5'000'000);  // for each host, in whole seconds, at least 2
  Micros statement_limit = Micros(30'000'000);  // the server stops a statement that takes longer; 0: never
};

// Faults of the URL, without its password. Where it names neither sslmode nor sslrootcert, hosts that are not loopback get verify-full
// with the machine's authorities. Errors: invalid.
Result<Secret> complete_url(const Secret& url);
// host:port and database, for people.
std::string describe(const Secret& url);

class Session {
 public:
  // Begins to connect.
  static Result<std::unique_ptr<Session>> start(const Target& target);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  enum class Wants : std::uint8_t { read, write, ready };
  // Goes on connecting; the socket may be another one afterwards.
  Result<Wants> connect_step();
  int socket() const;

  // What does not fit (Params::fits) is answered with `invalid`, like any statement that failed.
  void send(std::string_view sql, const Params& params);
  void send_sync();
  // True: all is out; false: call again when the socket can be written.
  bool flush();
  // Takes what has arrived.
  void receive();

  struct Reply {
    bool is_sync = false;  // the end of a segment; then `rows` says only whether the session is lost
    Result<Rows> rows;
  };
  // The next answer that is there, in the order of sending.
  std::optional<Reply> next();
  std::size_t outstanding() const { return expected_.size(); }
  bool broken() const { return broken_.has_value(); }
  // Nothing is under way and nothing failed: it may serve somebody else.
  bool idle() const;
  bool standby() const { return standby_; }

  // A channel's notices that have come, with their payload.
  std::vector<std::string> notices();

  // Leaves pipeline mode for COPY and scripts; nothing may be outstanding.
  pg_conn* plain();
  Result<void> pipeline_again();

 private:
  enum class Phase : std::uint8_t { connecting, greeting, ready };
  enum class Kind : std::uint8_t { prepare, query, sync };
  struct Expected {
    Kind kind;
    std::string sql;  // of a prepare or query
  };

  explicit Session(pg_conn* connection) : connection_(connection) {}
  Result<Wants> greet();
  void lose(std::string_view what);
  std::optional<Reply> settle(Expected expected, Result<Rows> rows);

  pg_conn* connection_;
  Phase phase_ = Phase::connecting;
  bool standby_ = false;
  bool piped_ = false;
  std::optional<Error> broken_;
  std::optional<Error> segment_;  // the first error of the segment whose answers are being read
  std::deque<Expected> expected_;
  std::map<std::string, std::string, std::less<>> prepared_;  // statement → its name here
  std::uint64_t names_ = 0;
};

// The answer of libpq as ours.
Result<Rows> rows_of(pg_result* result);

}  // namespace chaveiro::clients::postgres
