#include "app/storage.h"

#include <sys/types.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include <algorithm>
#include <filesystem>

#include "app/backup.h"
#include "base/file.h"
#include "base/guarded.h"
#include "base/uuid.h"
#include "clients/memory/store.h"
#include "clients/postgres/store.h"
#include "clients/sqlite/store.h"
#include "directory/lookup_file.h"
#include "directory/lookup_files.h"

namespace chaveiro::app {
namespace {

constexpr const char* writer_names[] = {"main", "next"};

namespace dir = directory;
namespace fs = std::filesystem;

Result<AuditVerdict::Chain> verify_changes(dir::Store& store, const std::vector<dir::Anchor>& anchors,
                                           Deadline deadline) {
  dir::ChainChecker checker("changes");
  for (const dir::Anchor& anchor : anchors) checker.expect(anchor);
  TRY_VOID(store.each_audit_record([&](const dir::AuditRecord& record) { checker.feed(record); }, deadline));
  AuditVerdict::Chain chain{"changes", 0, checker.finish(), checker.heads()};
  chain.records = checker.records();
  return chain;
}

Result<AuditVerdict::Chain> verify_lookups(const std::string& folder, const std::vector<dir::Anchor>& anchors) {
  dir::ChainChecker checker("lookups");
  for (const dir::Anchor& anchor : anchors) checker.expect(anchor);
  if (fs::exists(folder)) TRY_VOID(dir::walk_lookups(folder, checker));
  AuditVerdict::Chain chain{"lookups", 0, checker.finish(), checker.heads()};
  chain.records = checker.records();
  return chain;
}

// What the look-up log has done, as metrics.
std::vector<Registry::Watch> watch_lookups(const dir::LookupFile& log, Registry& metrics) {
  std::vector<Registry::Watch> watches;
  const auto watch = [&](const char* name, const char* help, std::uint64_t dir::LookupFile::Counts::* count) {
    watches.push_back(
        metrics.watch_counter(name, help, {}, [&log, count] { return static_cast<double>(log.counts().*count); }));
  };
  watch("dict_lookup_records_total", "Look-ups that left their record.", &dir::LookupFile::Counts::appended);
  watch("dict_lookup_records_lost_total", "Look-ups that were answered without a record (LOOKUP_LOG_WHEN_FULL=count).",
        &dir::LookupFile::Counts::lost);
  return watches;
}

// How the connections to the database's server are used. The watches must go before the store.
std::vector<Registry::Watch> watch_server(const clients::postgres::PostgresStore& server, Registry& metrics) {
  std::vector<Registry::Watch> watches;
  const auto gauge = [&](const char* name, const char* help, auto read) {
    watches.push_back(
        metrics.watch_gauge(name, help, {}, [&server, read] { return static_cast<double>(read(server)); }));
  };
  const auto counter = [&](const char* name, const char* help, auto read) {
    watches.push_back(
        metrics.watch_counter(name, help, {}, [&server, read] { return static_cast<double>(read(server)); }));
  };
  using Server = clients::postgres::PostgresStore;
  gauge("database_connections_open", "Connections of the pool.", [](const Server& s) { return s.pool_counts().open; });
  gauge("database_connections_idle", "Connections of the pool that nobody uses.",
        [](const Server& s) { return s.pool_counts().idle; });
  gauge("database_waiting", "Callers that wait for a connection.",
        [](const Server& s) { return s.pool_counts().waiting; });
  gauge("database_pipelines_ready", "Shared connections that answer.",
        [](const Server& s) { return s.pipeline_counts().ready; });
  counter("database_reads_total", "Statements on shared connections.",
          [](const Server& s) { return s.pipeline_counts().calls; });
  counter("database_reads_repeated_total", "Of these, asked again after a connection broke.",
          [](const Server& s) { return s.pipeline_counts().retried; });
  counter("database_groups_total", "Transactions that wrote.",
          [](const Server& s) { return s.writer_counts().groups; });
  counter("database_groups_repeated_total", "Of these, done again.",
          [](const Server& s) { return s.writer_counts().repeated; });
  counter("database_commits_resolved_total", "Commits whose answer was lost and found out.",
          [](const Server& s) { return s.writer_counts().resolved; });
  counter("database_replica_reads_total", "Lists that a standby was asked for.",
          [](const Server& s) { return s.replica_counts().asked - s.replica_counts().refused; });
  counter("database_replica_refused_total", "Lists that went to the primary because the standby lagged or was gone.",
          [](const Server& s) { return s.replica_counts().refused; });
  gauge("database_hears_others", "1: what other nodes commit is heard.",
        [](const Server& s) { return s.hears_others() ? 1 : 0; });
  return watches;
}

// Everything in files below the data folder.
class FileStorage final : public Storage {
 public:
  FileStorage(FolderLock lock, std::string own_folder, std::unique_ptr<dir::Store> store,
              vsync::SyncAnswers& sync_answers, clients::sqlite::SqliteStore* database,
              clients::postgres::PostgresStore* server, std::unique_ptr<dir::LookupFile> lookups, std::string data,
              const Keyring& keyring, const Clock& clock, Registry& metrics)
      : lock_(std::move(lock)),
        own_folder_(std::move(own_folder)),
        store_(std::move(store)),
        sync_answers_(sync_answers),
        database_(database),
        server_(server),
        lookups_(std::move(lookups)),
        data_(std::move(data)),
        anchor_key_(keyring.anchor_key()),
        clock_(clock),
        watches_(watch_lookups(*lookups_, metrics)) {
    if (server_ == nullptr) return;
    watches_.push_back(metrics.watch_gauge("database_months_ahead",
                                           "Months of the audit from this one on that have been made; alarm below 2.",
                                           {}, [this] { return static_cast<double>(months_.lock()->ahead); }));
    watches_.push_back(metrics.watch_gauge(
        "database_months_overdue",
        "Months of the audit older than DATABASE_AUDIT_MONTHS that nobody has detached; alarm above 0.", {},
        [this] { return static_cast<double>(months_.lock()->overdue); }));
    for (Registry::Watch& watch : watch_server(*server_, metrics)) watches_.push_back(std::move(watch));
  }

  dir::Store& store() override { return *store_; }
  const std::string& own_folder() const override { return own_folder_; }
  dir::LookupLog& lookups() override { return *lookups_; }
  Result<void> check_lookups() override { return lookups_->sync(); }
  Result<std::uint64_t> purge_lookups(UtcTime before) override {
    return dir::remove_lookups(data_ + "/lookups", before);
  }

  // The lock of a writer holds the number of its process; one that is gone left only the number.
  bool shared() const override {
    if (server_ != nullptr) return !server_->hears_others();
    for (const char* name : writer_names) {
      const auto text = read_file(data_ + "/writers/" + name + "/LOCK", 64);
      const long process = text ? std::strtol(text->c_str(), nullptr, 10) : 0;
      if (process > 0 && process != ::getpid() && ::kill(static_cast<pid_t>(process), 0) == 0) return true;
    }
    return false;
  }

  void on_change_elsewhere(std::function<void(const Elsewhere&)> hook) override {
    if (server_ == nullptr) return;
    using News = clients::postgres::ForeignCommits;
    server_->on_foreign_commits([hook = std::move(hook)](const News& news) {
      hook({news.sequence, news.lost != News::Lost::nothing, news.records});
    });
  }

  events::ConsumerMemory* consumer_memory() override {
    return server_ == nullptr ? nullptr : &server_->consumer_memory();
  }

  vsync::SyncAnswers& sync_answers() override { return sync_answers_; }

  Result<std::string> shared_database(Deadline deadline) override {
    return server_ == nullptr ? std::string() : server_->database_id(deadline);
  }

  Result<void> keep_up(Deadline deadline) override {
    return server_ == nullptr ? Result<void>() : server_->keep_months(clock_.now(), deadline);
  }

  Result<void> look_after(Deadline deadline) override {
    if (server_ == nullptr) return {};
    TRY(const auto months, server_->months(clock_.now(), deadline));
    *months_.lock() = months;
    return {};
  }

  Result<api::BackupAnswer> backup(const std::string& name, Deadline deadline) override {
    if (server_ != nullptr)
      return fail(Code::conflict, "NothingToCopy",
                  "the database is a PostgreSQL server's: back it up there (docs/postgres.md)");
    if (database_ == nullptr)
      return fail(Code::conflict, "NothingToCopy", "DATABASE_URL=memory: keeps nothing that could be copied");
    return write_backup(data_, name, [&](const std::string& path) { return database_->backup(path, deadline); });
  }

  Result<AuditVerdict> verify(const std::vector<std::string>& anchor_lines, Deadline deadline) override {
    TRY(const std::vector<dir::Anchor> anchors, read_anchors(anchor_key_, anchor_lines));
    AuditVerdict verdict;
    TRY(AuditVerdict::Chain changes, verify_changes(*store_, anchors, deadline));
    verdict.chains.push_back(std::move(changes));
    TRY(AuditVerdict::Chain lookups, verify_lookups(data_ + "/lookups", anchors));
    verdict.chains.push_back(std::move(lookups));
    sign_heads(anchor_key_, verdict);
    return verdict;
  }

 private:
  FolderLock lock_;
  std::string own_folder_;
  std::unique_ptr<dir::Store> store_;
  vsync::SyncAnswers& sync_answers_;
  clients::sqlite::SqliteStore* database_;    // null: memory, or a server
  clients::postgres::PostgresStore* server_;  // null: a file, or memory
  std::unique_ptr<dir::LookupFile> lookups_;
  std::string data_;
  Secret anchor_key_;
  const Clock& clock_;
  Guarded<clients::postgres::PostgresStore::Months> months_;
  std::vector<Registry::Watch> watches_;
};

struct WriterLock {
  std::string name;
  FolderLock lock;
};

// Each server that runs on a data folder writes audit chains of its own name; two may run at once, as during an upgrade.
Result<WriterLock> take_writer(const std::string& data) {
  std::optional<Error> last;
  for (const char* name : writer_names) {
    const std::string folder = data + "/writers/" + name;
    TRY_VOID(make_folder(folder, 0700));
    auto lock = FolderLock::take(folder);
    if (lock) return WriterLock{name, *std::move(lock)};
    last = lock.error();
  }
  return fail(Code::unavailable, "DataFolder", "two servers run on " + data + " already: " + last->message);
}

Result<std::unique_ptr<clients::sqlite::SqliteStore>> open_database(const std::string& path, const std::string& writer,
                                                                    const Keyring& keyring, UtcTime now) {
  clients::sqlite::SqliteOptions options;
  options.path = path;
  options.writer = writer;
  options.keep_events = true;
  return clients::sqlite::SqliteStore::open(options, keyring.person_key(), now);
}

bool is_server(const Settings& settings) { return settings.database_url.starts_with("postgres://"); }

Result<std::unique_ptr<clients::postgres::PostgresStore>> open_server(const Settings& settings,
                                                                      const std::string& writer, const Keyring& keyring,
                                                                      UtcTime now) {
  clients::postgres::PostgresOptions options;
  options.url = Secret(settings.database_url);
  options.maintenance_url = settings.database_maintenance_url;
  TRY(const std::string node, node_of(settings.data));
  options.writer = writer + "-" + node;
  for (const std::string& text : settings.ispbs) {
    TRY(const dir::Ispb ispb, dir::Ispb::parse(text));
    options.served.push_back(ispb);
  }
  options.replica_url = settings.database_replica_url;
  options.replica_lag_max = settings.database_replica_lag_max;
  options.months_kept = settings.database_audit_months;
  options.keep_events = true;
  options.open_max = settings.db_open_max;
  options.idle_max = settings.db_idle_max;
  return clients::postgres::PostgresStore::open(options, keyring.person_key(), now,
                                                Deadline::in(std::chrono::seconds(60)));
}

}  // namespace

// Several data folders may share one server, so that the names of their writers must differ: each has a number of its own.
Result<std::string> node_of(const std::string& data) {
  const std::string file = data + "/writers/node";
  if (const auto text = read_file(file, 64); text && !text->empty()) return *text;
  const std::string made = to_string(uuid_v4()).substr(0, 8);
  TRY_VOID(write_file(file, made, 0600));
  return made;
}

std::string database_path(const Settings& settings) {
  const std::string name = settings.database_url.substr(std::string_view("sqlite:").size());
  return name.starts_with('/') ? name : settings.data + "/" + name;
}

Result<std::unique_ptr<Storage>> open_storage(const Settings& settings, const Keyring& keyring, const Clock& clock,
                                              const Logger& log, Registry& metrics) {
  TRY(WriterLock writer, take_writer(settings.data));
  std::unique_ptr<dir::Store> store;
  clients::sqlite::SqliteStore* database = nullptr;
  clients::postgres::PostgresStore* server = nullptr;
  vsync::SyncAnswers* sync_answers = nullptr;
  if (settings.database_url == "memory:") {
    auto opened = std::make_unique<clients::memory::MemoryStore>(keyring.person_key(), writer.name,
                                                                 clients::memory::MemoryStore::Events::kept);
    sync_answers = &opened->sync_answers();
    store = std::move(opened);
    log.warn("DATABASE_URL is memory: everything is forgotten at exit");
  } else if (is_server(settings)) {
    TRY(auto opened, open_server(settings, writer.name, keyring, clock.now()));
    server = opened.get();
    sync_answers = &opened->sync_answers();
    store = std::move(opened);
  } else {
    TRY(auto opened, open_database(database_path(settings), writer.name, keyring, clock.now()));
    database = opened.get();
    sync_answers = &opened->sync_answers();
    store = std::move(opened);
  }
  dir::LookupFileOptions options;
  options.folder = settings.data + "/lookups";
  options.writer = writer.name;
  options.when_full = settings.lookup_log_refuses_when_full ? dir::LookupFileOptions::WhenFull::refuse
                                                            : dir::LookupFileOptions::WhenFull::count;
  TRY_VOID(make_folder(options.folder, 0700));
  TRY(auto lookups, dir::LookupFile::open(options));
  if (const std::uint64_t torn = lookups->counts().torn; torn > 0) {
    log.warn("a look-up record that a crash tore was cut off", {{"bytes", torn}});
  }
  return std::unique_ptr<Storage>(std::make_unique<FileStorage>(
      std::move(writer.lock), settings.data + "/writers/" + writer.name, std::move(store), *sync_answers, database,
      server, std::move(lookups), settings.data, keyring, clock, metrics));
}

Result<AuditVerdict> verify_audit_files(const Settings& settings, const std::string& anchor_file,
                                        const std::string& write_anchors) {
  TRY(const Keyring keyring, Keyring::open(settings.data));
  std::vector<std::string> lines;
  if (!anchor_file.empty()) {
    TRY(const std::string text, read_file(anchor_file, 16 << 20));
    lines = lines_of(text);
  }
  TRY(const std::vector<dir::Anchor> anchors, read_anchors(keyring.anchor_key(), lines));
  AuditVerdict verdict;
  const Deadline deadline = Deadline::never();
  if (is_server(settings)) {
    TRY(const auto database, open_server(settings, "verify", keyring, SystemClock{}.now()));
    TRY(AuditVerdict::Chain changes, verify_changes(*database, anchors, deadline));
    verdict.chains.push_back(std::move(changes));
  } else if (settings.database_url != "memory:") {
    const std::string path = database_path(settings);
    if (!fs::exists(path))
      return fail(Code::not_found, "DataFolder", path + " does not exist: name the data folder with --data");
    TRY(const auto database, open_database(path, "verify", keyring, SystemClock{}.now()));
    TRY(AuditVerdict::Chain changes, verify_changes(*database, anchors, deadline));
    verdict.chains.push_back(std::move(changes));
  }
  TRY(AuditVerdict::Chain lookups, verify_lookups(settings.data + "/lookups", anchors));
  verdict.chains.push_back(std::move(lookups));
  sign_heads(keyring.anchor_key(), verdict);
  if (!write_anchors.empty()) {
    std::string text;
    for (const auto& chain : verdict.chains) {
      for (const dir::Anchor& head : chain.heads) text += to_json_line(head) + "\n";
    }
    TRY_VOID(write_file(write_anchors, text, 0600));
  }
  return verdict;
}

}  // namespace chaveiro::app
