#include "clients/sqlite/store.h"

#include <sys/statvfs.h>

#include "clients/sqlite/impl.h"
#include "clients/sqlite/maintenance.h"

namespace chaveiro::clients::sqlite {

using namespace directory;

namespace {

constexpr std::uint64_t free_bytes_min = 8u << 20;

// The writer's connection: it makes the file, checks it and brings its schema up to date.
Result<std::unique_ptr<Connection>> open_for_writing(const SqliteOptions& options, UtcTime now) {
  TRY_VOID(make_private_file(options.path));
  TRY(auto connection, Connection::open({.path = options.path,
                                         .vfs = options.vfs,
                                         .cache_bytes = options.cache_bytes,
                                         .busy_limit = options.busy_limit,
                                         .mode = ConnectionOptions::Mode::create}));
  TRY(const std::string mode, connection->text("PRAGMA journal_mode=WAL"));
  if (mode != "wal")
    return fail(Code::unavailable, "DatabaseReadOnly",
                options.path + " cannot be switched to write-ahead logging: its file system must allow it");
  // No wal_autocheckpoint=0: SQLite would take it as "no hook at all", and the one of Connection has replaced its own already.
  TRY_VOID(connection->run("PRAGMA synchronous=FULL; PRAGMA secure_delete=ON"));
  if (options.check != SqliteOptions::Check::none)
    TRY_VOID(check_integrity(*connection,
                             options.check == SqliteOptions::Check::quick ? Thoroughness::quick : Thoroughness::full));
  TRY_VOID(migrate(*connection, newest_schema(), now));
  return connection;
}

Result<std::unique_ptr<ReaderPool>> open_readers(const SqliteOptions& options) {
  std::vector<std::unique_ptr<Connection>> connections;
  const std::size_t count = std::max<std::size_t>(options.readers, 1);
  for (std::size_t i = 0; i < count; ++i) {
    TRY(auto connection, Connection::open({.path = options.path,
                                           .vfs = options.vfs,
                                           .cache_bytes = options.cache_bytes / count,
                                           .busy_limit = options.busy_limit}));
    TRY_VOID(connection->run("PRAGMA query_only=ON"));
    connections.push_back(std::move(connection));
  }
  return std::make_unique<ReaderPool>(std::move(connections));
}

Result<void> check_free_space(const std::string& path) {
  struct statvfs info{};
  if (::statvfs(path.c_str(), &info) != 0) return {};  // the write below tells what is wrong
  if (std::uint64_t{info.f_bavail} * info.f_frsize >= free_bytes_min) return {};
  return fail(Code::exhausted, "DiskFull", "less than 8 MiB are free on the disk of " + path + ": free space there");
}

}  // namespace

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const SqliteOptions& options, const Secret& installation_key,
                                                       UtcTime now) {
  TRY(UseLock lock, UseLock::take(options.path, UseLock::Kind::shared));
  TRY(auto connection, open_for_writing(options, now));
  auto impl =
      std::make_unique<Impl>(Impl{options, installation_key, std::move(lock), nullptr, nullptr, nullptr, nullptr});
  TRY(impl->readers, open_readers(options));
  TRY(auto group, Group::make(*connection, impl->installation_key, options.writer,
                              options.keep_events ? Group::Events::kept : Group::Events::none));
  impl->writer = std::make_unique<Writer>(
      std::move(connection), std::move(group),
      WriterOptions{.queue = {.queue_max = options.queue_max, .group_max = std::max<std::size_t>(options.group_max, 1)},
                    .checkpoint_pages = options.log_pages_max});
  impl->events = std::make_unique<StoredEvents>(*impl->readers, *impl->writer);
  impl->sync_answers = std::make_unique<StoredSyncAnswers>(*impl->readers, *impl->writer);
  return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(impl)));
}

SqliteStore::SqliteStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

// The readers go first, so that the writer's connection is the last and folds the log into the database.
SqliteStore::~SqliteStore() { impl_->readers.reset(); }

events::Outbox* SqliteStore::outbox() { return impl_->options.keep_events ? impl_->events.get() : nullptr; }
events::Inbox* SqliteStore::inbox() { return impl_->events.get(); }
vsync::SyncAnswers& SqliteStore::sync_answers() { return *impl_->sync_answers; }

Result<Committed> SqliteStore::commit(const Change& change, Deadline deadline) {
  return impl_->writer->commit(change, deadline);
}

std::vector<Result<Committed>> SqliteStore::commit_all(std::span<const Change> changes, Deadline deadline) {
  return impl_->writer->commit_all(changes, deadline);
}

Result<void> SqliteStore::note(const Note& note, Deadline deadline) {
  const auto record = [note](Group& group) -> Result<std::uint64_t> {
    TRY_VOID(group.note(note, Digest{}));
    return std::uint64_t{0};
  };
  TRY_VOID(impl_->writer->run(record, deadline));
  return {};
}

void SqliteStore::on_commit(CommitHook hook) { impl_->writer->on_commit(std::move(hook)); }
void SqliteStore::on_forget(ForgetHook hook) { impl_->writer->on_forget(std::move(hook)); }

Result<std::uint64_t> SqliteStore::last_sequence(Deadline deadline) {
  TRY(const auto reader, impl_->readers->borrow(deadline));
  TRY(const std::int64_t sequence, reader->number("SELECT value FROM meta WHERE name = 'sequence'"));
  return static_cast<std::uint64_t>(sequence);
}

Result<void> SqliteStore::check(Deadline deadline) {
  TRY_VOID(check_free_space(impl_->options.path));
  {
    TRY(const auto reader, impl_->readers->borrow(deadline));
    TRY_VOID(reader->number("SELECT value FROM meta WHERE name = 'sequence'"));
  }
  // An empty transaction: it needs the write lock and writes the sequence that is there.
  TRY_VOID(impl_->writer->run([](Group&) -> Result<std::uint64_t> { return std::uint64_t{0}; }, deadline));
  return {};
}

Result<void> SqliteStore::backup(const std::string& path, Deadline deadline) {
  TRY(const auto reader, impl_->readers->borrow(deadline));
  return copy_to(*reader, path, deadline);
}

}  // namespace chaveiro::clients::sqlite
