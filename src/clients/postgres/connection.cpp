#include "clients/postgres/connection.h"

#include <libpq-fe.h>
#include <poll.h>

#include <cerrno>

#include "clients/postgres/errors.h"

namespace chaveiro::clients::postgres {

Result<std::unique_ptr<Connection>> Connection::open(const Target& target, Deadline deadline) {
  if (deadline.expired()) return too_late();
  TRY(auto session, Session::start(target));
  std::unique_ptr<Connection> connection(new Connection(std::move(session)));
  // libpq's own limit for a host counts only in its blocking calls: a host that does not answer costs the whole time here.
  const Deadline limit = deadline.capped(target.connect_limit);
  short events = POLLOUT;
  for (;;) {
    if (auto ready = connection->wait(events, limit); !ready) {
      if (deadline.expired()) return ready.error();
      return gone(describe(target.url) + " did not answer in time");
    }
    TRY(const Session::Wants wants, connection->session_->connect_step());
    if (wants == Session::Wants::ready) return connection;
    events = wants == Session::Wants::read ? POLLIN : POLLOUT;
  }
}

Result<void> Connection::wait(short events, Deadline deadline) {
  for (;;) {
    const Micros left = deadline.remaining();
    if (left <= Micros{0}) {
      abandoned_ = true;
      return too_late();
    }
    const auto millis = std::min<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(left).count(), 60'000);
    pollfd waiting{session_->socket(), events, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(millis));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return gone("poll failed");
  }
}

// What arrives unasked is a notice, or the server's last words before it closes.
bool Connection::still_there() {
  for (int looks = 0; looks < 10 && !broken(); ++looks) {
    pollfd waiting{session_->socket(), POLLIN, 0};
    if (::poll(&waiting, 1, 0) == 0) return true;
    session_->receive();
    (void)session_->notices();
  }
  return false;
}

Result<Session::Reply> Connection::reply(Deadline deadline) {
  for (;;) {
    const bool all_out = session_->flush();
    if (auto answer = session_->next()) return std::move(*answer);
    if (session_->broken()) return gone("the connection broke");
    TRY_VOID(wait(static_cast<short>(all_out ? POLLIN : POLLIN | POLLOUT), deadline));
    session_->receive();
  }
}

Result<Rows> Connection::receive(Deadline deadline) {
  TRY(Session::Reply answer, reply(deadline));
  CHECK(!answer.is_sync);
  return std::move(answer.rows);
}

Result<void> Connection::receive_end(Deadline deadline) {
  TRY(const Session::Reply answer, reply(deadline));
  CHECK(answer.is_sync);
  if (!answer.rows) return answer.rows.error();
  return {};
}

Result<Rows> Connection::run(std::string_view sql, const Params& params, Deadline deadline) {
  if (deadline.expired()) return too_late();
  send(sql, params);
  end();
  Result<Rows> rows = receive(deadline);
  if (!broken()) TRY_VOID(receive_end(deadline));
  return rows;
}

Result<Rows> Connection::run_as(std::string_view ispbs, std::string_view sql, const Params& params, Deadline deadline) {
  if (deadline.expired()) return too_late();
  send(set_ispbs, Params().add(ispbs));
  send(sql, params);
  end();
  const Result<Rows> set = receive(deadline);
  if (!set && broken()) return set.error();
  Result<Rows> rows = receive(deadline);
  if (!broken()) TRY_VOID(receive_end(deadline));
  return rows;
}

// One result outside of pipeline mode; null rows at the end.
Result<Rows> Connection::plain_result(Deadline deadline) {
  PGconn* const connection = session_->plain();
  for (;;) {
    const int left = PQflush(connection);
    if (PQisBusy(connection) == 0) break;
    TRY_VOID(wait(static_cast<short>(left == 0 ? POLLIN : POLLIN | POLLOUT), deadline));
    if (PQconsumeInput(connection) != 1) {
      abandoned_ = true;
      return gone(PQerrorMessage(connection));
    }
  }
  PGresult* const result = PQgetResult(connection);
  if (result == nullptr) return fail(Code::internal, "", "");
  return rows_of(result);
}

// Reads to the end of what was sent; the first error counts.
Result<void> Connection::drain(Deadline deadline) {
  std::optional<Error> first;
  for (;;) {
    const Result<Rows> rows = plain_result(deadline);
    if (!rows && rows.error().code == Code::internal && rows.error().message.empty()) break;
    if (!rows && !first) first = rows.error();
    if (abandoned_) break;
  }
  if (!abandoned_) TRY_VOID(session_->pipeline_again());
  if (first) return *first;
  return {};
}

Result<void> Connection::script(const std::string& sql, Deadline deadline) {
  if (deadline.expired()) return too_late();
  PGconn* const connection = session_->plain();
  if (PQsendQuery(connection, sql.c_str()) != 1) return gone(PQerrorMessage(connection));
  return drain(deadline);
}

Result<void> Connection::send_copy_piece(std::string_view piece, Deadline deadline) {
  PGconn* const connection = session_->plain();
  for (;;) {
    const int sent = PQputCopyData(connection, piece.data(), static_cast<int>(piece.size()));
    if (sent < 0) return gone(PQerrorMessage(connection));
    if (sent > 0) break;
    TRY_VOID(wait(POLLOUT, deadline));
  }
  // Keeps libpq's buffer from growing with the file.
  for (int left = PQflush(connection); left != 0; left = PQflush(connection)) {
    if (left < 0) return gone(PQerrorMessage(connection));
    TRY_VOID(wait(POLLIN | POLLOUT, deadline));
    if (PQconsumeInput(connection) != 1) return gone(PQerrorMessage(connection));
  }
  return {};
}

Result<std::uint64_t> Connection::copy_in(const std::string& sql, const std::function<Result<std::string_view>()>& more,
                                          Deadline deadline) {
  if (deadline.expired()) return too_late();
  PGconn* const connection = session_->plain();
  if (PQsendQuery(connection, sql.c_str()) != 1) return gone(PQerrorMessage(connection));
  if (const Result<Rows> begun = plain_result(deadline); !begun) {
    if (!abandoned_) TRY_VOID(drain(deadline));
    return begun.error();
  }
  std::optional<Error> stopped;
  for (;;) {
    const Result<std::string_view> piece = more();
    if (!piece) stopped = piece.error();
    if (!piece || piece->empty()) break;
    if (const auto sent = send_copy_piece(*piece, deadline); !sent) {
      if (abandoned_) return sent.error();
      stopped = sent.error();
      break;
    }
  }
  while (PQputCopyEnd(connection, stopped ? "stopped by the sender" : nullptr) == 0) TRY_VOID(wait(POLLOUT, deadline));
  const Result<Rows> done = plain_result(deadline);
  if (abandoned_) return done.error();
  const auto rest = drain(deadline);
  if (stopped && (done || done.error().code != Code::invalid)) return *stopped;
  if (!done) return done.error();
  if (!rest) return rest.error();
  return done->affected();
}

Result<std::uint64_t> Connection::copy_out(const std::string& sql,
                                           const std::function<Result<void>(std::string_view)>& take,
                                           Deadline deadline) {
  if (deadline.expired()) return too_late();
  PGconn* const connection = session_->plain();
  if (PQsendQuery(connection, sql.c_str()) != 1) return gone(PQerrorMessage(connection));
  if (const Result<Rows> begun = plain_result(deadline); !begun) {
    if (!abandoned_) TRY_VOID(drain(deadline));
    return begun.error();
  }
  for (;;) {
    char* piece = nullptr;
    const int size = PQgetCopyData(connection, &piece, 1);
    if (size == 0) {
      TRY_VOID(wait(POLLIN, deadline));
      if (PQconsumeInput(connection) != 1) return abandoned_ = true, gone(PQerrorMessage(connection));
      continue;
    }
    if (size < 0) break;
    const Result<void> taken = take({piece, static_cast<std::size_t>(size)});
    PQfreemem(piece);
    if (!taken) return abandoned_ = true, taken.error();
  }
  const Result<Rows> done = plain_result(deadline);
  if (abandoned_) return done.error();
  TRY_VOID(drain(deadline));
  if (!done) return done.error();
  return done->affected();
}

Result<std::vector<std::string>> Connection::wait_for_notices(Deadline deadline) {
  for (;;) {
    if (auto found = session_->notices(); !found.empty()) return found;
    if (auto ready = wait(POLLIN, deadline); !ready) {
      abandoned_ = false;  // nothing was under way
      if (ready.error().code == Code::deadline) return std::vector<std::string>{};
      return ready.error();
    }
    session_->receive();
    if (session_->broken()) return gone("the connection broke");
  }
}

}  // namespace chaveiro::clients::postgres
