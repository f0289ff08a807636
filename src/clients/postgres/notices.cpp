#include "clients/postgres/notices.h"

#include "clients/postgres/rows.h"

namespace chaveiro::clients::postgres {

using namespace directory;

namespace {

constexpr std::chrono::milliseconds look_interval{500};
constexpr std::size_t told_max = 1'000;  // records at once; more count as everything

// At most one row more than told_max.
constexpr std::string_view changed_by_others = "SELECT type, resource, is_sweeping FROM changed_by_others($1, $2, $3)";

template <class T>
Result<void> add_records(Connection& connection, const std::string& ispbs, const Table& table, const Columns& ids,
                         Result<T> (*read)(Row), std::vector<Write>& records, Deadline deadline) {
  if (ids.rows() == 0) return {};
  const std::string text =
      "SELECT " + table.list() + " FROM " + std::string(table.name) + " WHERE id = ANY ($1::uuid[])";
  Params params;
  ids.add_to(params);
  TRY(const Rows rows, connection.run_as(ispbs, text, params, deadline));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    TRY(T record, read(rows[i]));
    records.push_back(Put<T>{{}, std::move(record)});
  }
  return {};
}

}  // namespace

Notices::Notices(Target target, std::string writer, std::string ispbs, Hook hook)
    : target_(std::move(target)),
      writer_(std::move(writer)),
      ispbs_(std::move(ispbs)),
      hook_(std::move(hook)),
      thread_([this] { loop(); }) {}

Notices::~Notices() {
  state_.with([](State& state) { state.stopping = true; });
  state_.notify_all();
  thread_.join();
}

void Notices::loop() {
  while (!stopping()) {
    (void)listen();
    set_hears(false);
    auto state = state_.lock();
    (void)state.wait(Deadline::in(look_interval), [](const State& it) { return it.stopping; });
  }
}

// Until the connection breaks.
Result<void> Notices::listen() {
  TRY(const auto connection, Connection::open(target_, Deadline::in(std::chrono::seconds(5))));
  TRY_VOID(connection->run("LISTEN chaveiro_commits", {}, Deadline::in(std::chrono::seconds(5))));
  TRY(const Rows rows,
      connection->run_as(ispbs_, "SELECT sequence FROM state", {}, Deadline::in(std::chrono::seconds(5))));
  auto handled = static_cast<std::uint64_t>(rows.empty() ? 0 : rows[0].number());
  hook_({handled, ForeignCommits::Lost::memory, {}});
  set_hears(true);
  while (!stopping()) {
    TRY_VOID(connection->wait_for_notices(Deadline::in(look_interval)));
    TRY_VOID(look(*connection, handled));
  }
  return {};
}

Result<void> Notices::look(Connection& connection, std::uint64_t& handled) {
  const Deadline deadline = Deadline::in(std::chrono::seconds(1));
  TRY(const Rows rows, connection.run_as(ispbs_, "SELECT sequence FROM state", {}, deadline));
  const auto now = static_cast<std::uint64_t>(rows.empty() ? 0 : rows[0].number());
  if (now == handled) return {};
  ForeignCommits news;
  news.sequence = now;
  if (now < handled)  // a restored database, or a fail-over that lost some
    news.lost = ForeignCommits::Lost::everything;
  else
    TRY_VOID(read(connection, handled, news, deadline));
  handled = now;
  if (news.lost != ForeignCommits::Lost::nothing || !news.records.empty()) hook_(news);
  return {};
}

Result<void> Notices::read(Connection& connection, std::uint64_t handled, ForeignCommits& news, Deadline deadline) {
  const auto first = static_cast<std::int64_t>((handled + 1) * positions_per_commit);
  const auto end = static_cast<std::int64_t>((news.sequence + 1) * positions_per_commit);
  TRY(const Rows rows,
      connection.run_as(ispbs_, changed_by_others, Params().add(first).add(end).add(writer_), deadline));
  constexpr Oid id_type[] = {oid::uuid};
  Columns accounts(id_type), entries(id_type), claims(id_type);
  bool sweeping = rows.size() > told_max;
  for (std::size_t i = 0; i < rows.size() && !sweeping; ++i) {
    Row row = rows[i];
    const std::string_view type = row.text();
    const Uuid id = row.uuid();
    sweeping = row.yes();
    if (type == "account") accounts.add(id);
    if (type == "entry") entries.add(id);
    if (type == "claim") claims.add(id);
  }
  if (sweeping) {
    news.lost = ForeignCommits::Lost::memory;
    return {};
  }
  TRY_VOID(add_records(connection, ispbs_, accounts_table, accounts, read_account, news.records, deadline));
  TRY_VOID(add_records(connection, ispbs_, entries_table, entries, read_entry, news.records, deadline));
  return add_records(connection, ispbs_, claims_table, claims, read_claim, news.records, deadline);
}

}  // namespace chaveiro::clients::postgres
