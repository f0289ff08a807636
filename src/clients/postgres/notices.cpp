#include "clients/postgres/notices.h"

#include "clients/postgres/rows.h"

namespace chaveiro::clients::postgres {

using namespace directory;

namespace {

constexpr std::chrono::milliseconds look_interval{500};
constexpr std::size_t told_max = 1'000;  // keys at once; more count as everything

constexpr std::string_view foreign_entries =
    "SELECT e.key_type, e.key, max(e.version) FROM audit AS a JOIN entries AS e ON e.id = a.resource "
    "WHERE a.position >= $1 AND a.position < $2 AND a.writer <> $3 AND a.resource_type = 'entry' GROUP BY 1, 2 LIMIT "
    "$4";
constexpr std::string_view foreign_others =
    "SELECT 1 FROM audit WHERE position >= $1 AND position < $2 AND writer <> $3 AND operation IN ('purge', "
    "'erase_person') LIMIT 1";

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
  hook_({handled, true, {}});
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
  ForeignCommits news{now, now < handled, {}};  // a restored database, or a fail-over that lost some
  if (!news.everything) {
    const auto first = static_cast<std::int64_t>((handled + 1) * positions_per_commit);
    const auto end = static_cast<std::int64_t>((now + 1) * positions_per_commit);
    const Params range = Params().add(first).add(end).add(writer_);
    TRY(const Rows others, connection.run_as(ispbs_, foreign_others, range, deadline));
    news.everything = !others.empty();
    TRY(const Rows keys,
        connection.run_as(ispbs_, foreign_entries, Params(range).add(std::uint64_t{told_max + 1}), deadline));
    news.everything |= keys.size() > told_max;
    for (std::size_t i = 0; i < keys.size() && !news.everything; ++i) {
      Row row = keys[i];
      const auto type = static_cast<KeyType>(row.number());
      auto key = Key::parse(type, row.text(), KeyRules{.check_digits = false});
      if (key) news.changed.push_back({std::move(*key), static_cast<std::uint64_t>(row.number())});
    }
  }
  handled = now;
  if (news.everything || !news.changed.empty()) hook_(news);
  return {};
}

}  // namespace chaveiro::clients::postgres
