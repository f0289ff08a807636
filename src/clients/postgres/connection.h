// clients/postgres/connection.h
//
// A session that one caller has for itself, with calls that wait until a deadline: statements in pipelines, scripts, COPY in and out.
//
// When the deadline passes the caller is free at once and the connection is closed: the server notices within a second and stops what it
// was doing for it.
//
// Threads: belongs to one thread at a time.
// Errors:  deadline, and those of errors.h. For a COMMIT that was sent and not answered the caller must say maybe_applied.
#pragma once

#include <functional>
#include <memory>

#include "base/clock.h"
#include "clients/postgres/session.h"

namespace chaveiro::clients::postgres {

class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const Target& target, Deadline deadline);

  // Several statements in one trip: send each, end(), then receive as many answers, and the end's.
  void send(std::string_view sql, const Params& params) { session_->send(sql, params); }
  void end() { session_->send_sync(); }
  Result<Rows> receive(Deadline deadline);
  Result<void> receive_end(Deadline deadline);

  // One statement, one trip, a transaction of its own.
  Result<Rows> run(std::string_view sql, const Params& params, Deadline deadline);
  // The same for rows that row-level security shows to these participants alone ("12345678,87654321").
  Result<Rows> run_as(std::string_view ispbs, std::string_view sql, const Params& params, Deadline deadline);
  // Any number of statements without values, separated by semicolons; one transaction unless they say otherwise.
  Result<void> script(const std::string& sql, Deadline deadline);

  // `sql` is COPY … FROM STDIN; `more` answers the next piece, "" at the end. Answers the number of rows. An error of `more` ends it and
  // nothing is stored.
  Result<std::uint64_t> copy_in(const std::string& sql, const std::function<Result<std::string_view>()>& more,
                                Deadline deadline);
  // `sql` is COPY … TO STDOUT.
  Result<std::uint64_t> copy_out(const std::string& sql, const std::function<Result<void>(std::string_view)>& take,
                                 Deadline deadline);

  // Waits for notices of the channels that it listens to. Empty: the deadline passed.
  Result<std::vector<std::string>> wait_for_notices(Deadline deadline);

  bool reusable() const { return session_->idle(); }
  // Whether an idle connection has not been closed by the other side; costs no trip.
  bool still_there();
  bool broken() const { return session_->broken() || abandoned_; }
  bool standby() const { return session_->standby(); }

 private:
  explicit Connection(std::unique_ptr<Session> session) : session_(std::move(session)) {}
  Result<void> wait(short events, Deadline deadline);
  Result<Session::Reply> reply(Deadline deadline);
  Result<Rows> plain_result(Deadline deadline);
  Result<void> drain(Deadline deadline);
  Result<void> send_copy_piece(std::string_view piece, Deadline deadline);

  std::unique_ptr<Session> session_;
  bool abandoned_ = false;  // a deadline passed in the middle of something
};

// Sets whose rows the rest of the transaction sees.
inline constexpr std::string_view set_ispbs = "SELECT set_config('app.ispb', $1, true)";

}  // namespace chaveiro::clients::postgres
