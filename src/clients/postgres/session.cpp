#include "clients/postgres/session.h"

#include <libpq-fe.h>

#include <algorithm>
#include <cctype>

#include "clients/postgres/errors.h"

namespace chaveiro::clients::postgres {

namespace {

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using Options = std::unique_ptr<PQconninfoOption, FreeOptions>;

Result<Options> parse(const Secret& url) {
  const std::string text(url.expose());
  if (!text.starts_with("postgres://") && !text.starts_with("postgresql://"))
    return fail_field("DATABASE_URL", "must begin with postgres://");
  char* message = nullptr;
  Options options(PQconninfoParse(text.c_str(), &message));
  if (message != nullptr) PQfreemem(message);  // may quote the password
  if (!options) return fail_field("DATABASE_URL", "is no address that PostgreSQL's library can read");
  return options;
}

std::string value_of(const Options& options, std::string_view name) {
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->keyword == name) return option->val == nullptr ? "" : option->val;
  }
  return "";
}

bool is_near(const std::string& hosts) {
  std::string_view rest = hosts;
  while (!rest.empty()) {
    const std::string_view host = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), host.size() + 1));
    if (!host.starts_with('/') && host != "localhost" && !host.starts_with("127.") && host != "::1") return false;
  }
  return true;
}

void ignore_notice(void*, const PGresult*) {}

// Fails with `program_limit_exceeded`.
constexpr std::string_view too_large = "SELECT repeat('x', 1073741824)";
constexpr std::string_view greeting =
    "SELECT pg_backend_pid(), pg_is_in_recovery()::int::int4, current_setting('server_encoding')";

}  // namespace

Result<Secret> complete_url(const Secret& url) {
  TRY(const Options options, parse(url));
  std::string text(url.expose());
  const std::string hosts = value_of(options, "host") + "," + value_of(options, "hostaddr");
  if (is_near(hosts) || !value_of(options, "sslmode").empty() || !value_of(options, "sslrootcert").empty())
    return Secret(std::move(text));
  text += text.find('?') == std::string::npos ? '?' : '&';
  text += "sslmode=verify-full&sslrootcert=/etc/ssl/certs/ca-certificates.crt";
  return Secret(std::move(text));
}

std::string describe(const Secret& url) {
  const auto options = parse(url);
  if (!options) return "the database";
  return value_of(*options, "host") + ":" + value_of(*options, "port") + "/" + value_of(*options, "dbname");
}

Result<Rows> rows_of(pg_result* result) {
  Rows rows(result);
  switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_SINGLE_TUPLE:
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_EMPTY_QUERY:
      return rows;
    default:
      break;
  }
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  return error_of_state(state == nullptr ? "" : state, message == nullptr ? "the connection broke" : message);
}

Result<std::unique_ptr<Session>> Session::start(const Target& target) {
  TRY(const Secret url, complete_url(target.url));
  const std::string address(url.expose());
  const std::string seconds = std::to_string(std::max<std::int64_t>(2, target.connect_limit.count() / 1'000'000));
  const std::string options = "-c statement_timeout=" + std::to_string(target.statement_limit.count() / 1'000) +
                              " -c client_connection_check_interval=1000 -c idle_in_transaction_session_timeout=30000" +
                              " -c timezone=UTC -c jit=off";
  // What stands later wins: the URL over our defaults, but for the application's name and the encoding.
  const char* names[] = {
      "connect_timeout", "keepalives_idle", "keepalives_interval",       "keepalives_count", "tcp_user_timeout",
      "options",         "dbname",          "fallback_application_name", "client_encoding",  nullptr};
  const char* values[] = {
      seconds.c_str(), "10",   "5", "3", "20000", options.c_str(), address.c_str(), target.application.c_str(),
      "UTF8",          nullptr};
  std::unique_ptr<Session> session(new Session(PQconnectStartParams(names, values, 1)));
  if (session->connection_ == nullptr) return gone("no memory");
  PQsetNoticeReceiver(session->connection_, ignore_notice, nullptr);
  if (PQstatus(session->connection_) == CONNECTION_BAD) return gone(PQerrorMessage(session->connection_));
  return session;
}

Session::~Session() { PQfinish(connection_); }

int Session::socket() const { return PQsocket(connection_); }

// The words for a login that was refused come without a state before version 16 of the library, hence the look at the text.
Result<Session::Wants> Session::connect_step() {
  if (phase_ == Phase::ready) return Wants::ready;
  if (phase_ == Phase::greeting) return greet();
  switch (PQconnectPoll(connection_)) {
    case PGRES_POLLING_READING:
      return Wants::read;
    case PGRES_POLLING_WRITING:
      return Wants::write;
    case PGRES_POLLING_OK:
      break;
    default: {
      const std::string_view why = PQerrorMessage(connection_);
      const auto says = [&](std::string_view words) { return why.find(words) != std::string_view::npos; };
      if (says("unsupported startup parameter"))
        return fail(
            Code::unavailable, "BehindPooler",
            "DATABASE_URL leads to a pooler such as PgBouncer: name the server itself, connections are pooled here");
      if (says("too many clients") || says("remaining connection slots"))
        return error_of_state("53300", "sorry, too many clients already");
      if (says("certificate verify failed") || says("does not match host name"))
        return fail(
            Code::unavailable, "DatabaseLogin",
            "the certificate of the database is not believed: it has expired, is for another name, or comes from "
            "another authority than sslrootcert (" +
                std::string(why.substr(0, why.find('\n'))) + ")");
      if (says("authentication failed") || says("no pg_hba.conf entry") || says("does not exist") ||
          says("no password supplied") || says("permission denied") || says("certificate") ||
          says("not permitted to log in"))
        return error_of_state("28000", why.substr(0, why.find('\n')));
      return gone(why);
    }
  }
  if (PQsetnonblocking(connection_, 1) != 0 || PQenterPipelineMode(connection_) != 1)
    return gone(PQerrorMessage(connection_));
  phase_ = Phase::greeting;
  piped_ = true;
  send(greeting, {});
  send_sync();
  return greet();
}

Result<Session::Wants> Session::greet() {
  const bool all_out = flush();
  receive();
  while (auto reply = next()) {
    if (reply->is_sync) {
      if (broken_) return *broken_;
      phase_ = Phase::ready;
      return Wants::ready;
    }
    if (!reply->rows) return reply->rows.error();
    Row row = (*reply->rows)[0];
    if (row.number() != PQbackendPID(connection_))
      return fail(
          Code::unavailable, "BehindPooler",
          "DATABASE_URL leads to a pooler such as PgBouncer: name the server itself, connections are pooled here");
    standby_ = row.number() != 0;
    if (row.text() != "UTF8")
      return fail(Code::unavailable, "DatabaseLogin", "the database must be made with ENCODING 'UTF8'");
  }
  if (broken_) return *broken_;
  return all_out ? Wants::read : Wants::write;
}

void Session::lose(std::string_view what) {
  if (!broken_) broken_ = gone(what.empty() ? "the connection broke" : what);
}

void Session::send(std::string_view sql, const Params& params) {
  // The server must fail the segment, or what follows in it would be done without this.
  if (!params.fits()) return send(too_large, {});
  auto prepared = prepared_.find(sql);
  if (prepared == prepared_.end()) {
    prepared = prepared_.emplace(std::string(sql), "s" + std::to_string(++names_)).first;
    expected_.push_back({Kind::prepare, prepared->first});
    if (!broken_ && PQsendPrepare(connection_, prepared->second.c_str(), prepared->first.c_str(),
                                  static_cast<int>(params.size()), params.types().data()) != 1)
      lose(PQerrorMessage(connection_));
  }
  expected_.push_back({Kind::query, prepared->first});
  static const std::vector<int> all_binary(64, 1);
  const std::vector<const char*> values = params.values();
  CHECK(values.size() <= all_binary.size());
  if (!broken_ && PQsendQueryPrepared(connection_, prepared->second.c_str(), static_cast<int>(values.size()),
                                      values.data(), params.lengths().data(), all_binary.data(), 1) != 1)
    lose(PQerrorMessage(connection_));
}

void Session::send_sync() {
  expected_.push_back({Kind::sync, {}});
  if (!broken_ && PQpipelineSync(connection_) != 1) lose(PQerrorMessage(connection_));
}

bool Session::flush() {
  if (broken_) return true;
  const int left = PQflush(connection_);
  if (left < 0) receive();  // the server's last words may say why
  return left <= 0;
}

void Session::receive() {
  if (!broken_ && PQconsumeInput(connection_) != 1) lose(PQerrorMessage(connection_));
}

std::optional<Session::Reply> Session::next() {
  while (!expected_.empty()) {
    if (broken_) {
      Expected lost = std::move(expected_.front());
      expected_.pop_front();
      if (lost.kind == Kind::prepare) continue;
      return Reply{lost.kind == Kind::sync, *broken_};
    }
    if (PQisBusy(connection_) == 1) return std::nullopt;
    PGresult* result = PQgetResult(connection_);
    if (result == nullptr) {  // the end of a statement's answers
      if (PQstatus(connection_) == CONNECTION_BAD) lose(PQerrorMessage(connection_));
      continue;
    }
    Expected expected = std::move(expected_.front());
    expected_.pop_front();
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_PIPELINE_SYNC) {
      PQclear(result);
      segment_.reset();
      return Reply{true, Rows{}};
    }
    if (status == PGRES_PIPELINE_ABORTED) {
      PQclear(result);
      if (auto reply = settle(std::move(expected), segment_ ? *segment_ : gone("the segment was aborted")))
        return reply;
      continue;
    }
    Result<Rows> rows = rows_of(result);
    if (!rows && !segment_) segment_ = rows.error();
    if (!rows && is_lost(rows.error()) && PQstatus(connection_) == CONNECTION_BAD) broken_ = rows.error();
    if (auto reply = settle(std::move(expected), std::move(rows))) return reply;
  }
  return std::nullopt;
}

// Whose preparation failed is prepared again, under a new name, when it is used next.
std::optional<Session::Reply> Session::settle(Expected expected, Result<Rows> rows) {
  if (!rows && (expected.kind == Kind::prepare || rows.error().reason == "PlanChanged")) prepared_.erase(expected.sql);
  if (expected.kind == Kind::prepare) return std::nullopt;
  return Reply{false, std::move(rows)};
}

bool Session::idle() const {
  return phase_ == Phase::ready && !broken_ && expected_.empty() && PQtransactionStatus(connection_) == PQTRANS_IDLE;
}

std::vector<std::string> Session::notices() {
  std::vector<std::string> found;
  while (PGnotify* notice = PQnotifies(connection_)) {
    found.emplace_back(notice->extra);
    PQfreemem(notice);
  }
  return found;
}

pg_conn* Session::plain() {
  CHECK(expected_.empty());
  if (piped_ && PQexitPipelineMode(connection_) != 1) lose(PQerrorMessage(connection_));
  piped_ = false;
  return connection_;
}

Result<void> Session::pipeline_again() {
  if (!broken_ && PQenterPipelineMode(connection_) != 1) lose(PQerrorMessage(connection_));
  if (broken_) return *broken_;
  piped_ = true;
  return {};
}

}  // namespace chaveiro::clients::postgres
