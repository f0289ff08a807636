#include "clients/postgres/store.h"

#include <algorithm>

#include "clients/postgres/errors.h"
#include "clients/postgres/impl.h"
#include "clients/postgres/migrations.h"
#include "clients/postgres/partitions.h"

namespace chaveiro::clients::postgres {

using namespace directory;

std::string list_of(std::span<const Ispb> ispbs) {
  std::string text;
  for (const Ispb& ispb : ispbs) text += (text.empty() ? "" : ",") + std::string(ispb.view());
  return text;
}

Target target_of(const Secret& url) {
  Target target;
  target.url = url;
  return target;
}

PostgresStore::Impl::Impl(const PostgresOptions& given, const Secret& key, const std::string& list)
    : options(given),
      installation_key(key),
      ispbs(list),
      pool({.target = target_of(given.url), .open_max = given.open_max, .idle_max = given.idle_max}),
      keys(pipeline, list, {.joined = given.joined_reads}),
      pipeline({.target = target_of(given.url), .connections = given.shared_connections}),
      writer({.target = target_of(given.url),
              .name = given.writer,
              .ispbs = list,
              .events = given.keep_events ? Group::Events::kept : Group::Events::none,
              .queue = {.queue_max = given.queue_max, .group_max = std::max<std::size_t>(given.group_max, 1)}},
             installation_key),
      events(pool, list),
      sync_answers(pool, list),
      consumers(pool, list) {
  if (given.replica_url.empty()) return;
  replica = std::make_unique<Replica>(ReplicaOptions{.primary = target_of(given.url),
                                                     .standby = target_of(given.replica_url),
                                                     .ispbs = list,
                                                     .lag_max = given.replica_lag_max});
}

Target PostgresStore::Impl::maintenance() const { return target_of(options.maintenance_url); }

Result<std::unique_ptr<PostgresStore>> PostgresStore::open(const PostgresOptions& options,
                                                           const Secret& installation_key, UtcTime now,
                                                           Deadline deadline) {
  if (options.served.empty()) return fail_field("served", "must name at least one participant");
  if (!options.maintenance_url.empty()) {
    TRY(const auto connection, Connection::open(target_of(options.maintenance_url), deadline));
    TRY_VOID(migrate(*connection, migrations(), newest_schema(), now, deadline));
    TRY_VOID(make_partitions(*connection, now, options.months_ahead, deadline));
  }
  TRY(const auto connection, Connection::open(target_of(options.url), deadline));
  TRY_VOID(check_schema(*connection, deadline));
  TRY(const Rows role,
      connection->run("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user", {}, deadline));
  if (!role.empty() && role[0].yes())
    return fail(Code::unavailable, "DatabaseLogin",
                "the role of DATABASE_URL is not held by row-level security: use chaveiro_runtime or one like it");
  return std::unique_ptr<PostgresStore>(
      new PostgresStore(std::make_unique<Impl>(options, installation_key, list_of(options.served))));
}

PostgresStore::PostgresStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PostgresStore::~PostgresStore() = default;

Result<Committed> PostgresStore::commit(const Change& change, Deadline deadline) {
  return impl_->writer.commit(change, deadline);
}

std::vector<Result<Committed>> PostgresStore::commit_all(std::span<const Change> changes, Deadline deadline) {
  return impl_->writer.commit_all(changes, deadline);
}

Result<void> PostgresStore::note(const Note& note, Deadline deadline) {
  const auto record = [note](Group& group, Deadline) -> Result<std::uint64_t> {
    group.note(note, Digest{});
    return std::uint64_t{0};
  };
  TRY_VOID(impl_->writer.run(record, deadline));
  return {};
}

void PostgresStore::on_commit(CommitHook hook) { impl_->writer.on_commit(std::move(hook)); }
void PostgresStore::on_forget(ForgetHook hook) { impl_->writer.on_forget(std::move(hook)); }

Result<std::uint64_t> PostgresStore::last_sequence(Deadline deadline) {
  TRY(const Rows rows, impl_->pipeline.run("SELECT sequence FROM state", {}, impl_->ispbs, deadline));
  if (rows.size() == 0) return std::uint64_t{0};
  return static_cast<std::uint64_t>(rows[0].number());
}

Result<void> PostgresStore::check(Deadline deadline) {
  TRY_VOID(impl_->pipeline.run("SELECT sequence FROM state", {}, impl_->ispbs, deadline));
  // An empty transaction: it needs the write lock and writes what is there.
  TRY_VOID(impl_->writer.run([](Group&, Deadline) -> Result<std::uint64_t> { return std::uint64_t{0}; }, deadline));
  return {};
}

Result<void> PostgresStore::keep_months(UtcTime now, Deadline deadline) {
  if (impl_->options.maintenance_url.empty()) return {};
  TRY(const auto connection, Connection::open(impl_->maintenance(), deadline));
  TRY_VOID(make_partitions(*connection, now, impl_->options.months_ahead, deadline));
  const std::uint32_t kept = impl_->options.months_kept;
  return kept == 0 ? Result<void>() : detach_before(first_month_kept(now, kept), now, deadline);
}

Result<PostgresStore::Months> PostgresStore::months(UtcTime now, Deadline deadline) {
  const std::uint32_t kept = impl_->options.months_kept;
  const Month first_kept = kept == 0 ? Month{} : first_month_kept(now, kept);
  TRY(const Pool::Lease connection, impl_->pool.borrow(deadline));
  TRY(const std::vector<Month> there, partitions_of_audit(*connection, deadline));
  Months months;
  for (Month month = month_of(now); std::ranges::find(there, month) != there.end(); month = next_month(month))
    ++months.ahead;
  months.overdue =
      static_cast<std::size_t>(std::ranges::count_if(there, [&](Month month) { return month < first_kept; }));
  return months;
}

Result<std::string> PostgresStore::database_id(Deadline deadline) {
  TRY(const Pool::Lease connection, impl_->pool.borrow(deadline));
  TRY(const Rows rows, connection->run("SELECT to_hex(system_identifier) || '-' || oid FROM pg_control_system(), "
                                       "pg_database WHERE datname = current_database()",
                                       {}, deadline));
  if (rows.empty()) return fail(Code::corrupt, "DatabaseId", "the server does not tell which database this is");
  return std::string(rows[0].text());
}

void PostgresStore::on_foreign_commits(Notices::Hook hook) {
  impl_->notices =
      std::make_unique<Notices>(target_of(impl_->options.url), impl_->options.writer, impl_->ispbs, std::move(hook));
  (void)impl_->notices->wait_until_it_hears(Deadline::in(std::chrono::seconds(5)));
}

bool PostgresStore::hears_others() const { return impl_->notices && impl_->notices->hears(); }

events::Outbox* PostgresStore::outbox() { return impl_->options.keep_events ? &impl_->events : nullptr; }
events::Inbox* PostgresStore::inbox() { return &impl_->events; }
vsync::SyncAnswers& PostgresStore::sync_answers() { return impl_->sync_answers; }

events::ConsumerMemory& PostgresStore::consumer_memory() { return impl_->consumers; }

KeyReads& PostgresStore::key_reads() { return impl_->keys; }
Writer::Counts PostgresStore::writer_counts() const { return impl_->writer.counts(); }
Pool::Counts PostgresStore::pool_counts() const { return impl_->pool.counts(); }
Replica::Counts PostgresStore::replica_counts() const {
  return impl_->replica ? impl_->replica->counts() : Replica::Counts{};
}
Pipeline::Counts PostgresStore::pipeline_counts() const { return impl_->pipeline.counts(); }

}  // namespace chaveiro::clients::postgres
