// app/storage.h
//
// What the settings say about where things are kept, opened: the store of the directory and the log of look-ups, with what administration
// needs of them (copy, verify). The data folder belongs to one server at a time.
//
// Threads: as Store and LookupLog say; open and destruction by one thread.
// Errors:  those of the stores, naming the file; unavailable where another server holds the folder.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "api/admin.h"
#include "app/keyring.h"
#include "app/offline.h"
#include "app/settings.h"
#include "base/log.h"
#include "base/metrics.h"
#include "directory/lookup_log.h"
#include "directory/store.h"
#include "vsync/sync_answers.h"

namespace chaveiro::app {

class Storage {
 public:
  virtual ~Storage() = default;
  virtual directory::Store& store() = 0;
  virtual directory::LookupLog& lookups() = 0;
  // A folder that no other server uses.
  virtual const std::string& own_folder() const = 0;
  // Does another server change the same store, as during an upgrade, without that we are told of it?
  virtual bool shared() const = 0;
  // What other processes have committed.
  struct Elsewhere {
    std::uint64_t sequence = 0;             // up to this commit
    bool everything = false;                // too much to tell, or nobody knows what
    std::vector<directory::Write> changed;  // else these records, as they are now; without `before`
  };
  // Called after other processes have changed the store, where it can tell (PostgreSQL), from a thread of its own. Set once.
  virtual void on_change_elsewhere(std::function<void(const Elsewhere&)> hook) = 0;
  // What consumers of events remember, where the database keeps it; null: keep it elsewhere.
  virtual events::ConsumerMemory* consumer_memory() = 0;
  virtual vsync::SyncAnswers& sync_answers() = 0;
  // Tells the database that several nodes share from every other one; "" where it is this process's own.
  virtual Result<std::string> shared_database(Deadline deadline) = 0;
  // What the store needs now and then, about once an hour: the months of a server's audit made ahead, and detached after their time.
  // One of the nodes is enough.
  virtual Result<void> keep_up(Deadline deadline) = 0;
  // Looks how that stands, for the metrics.
  virtual Result<void> look_after(Deadline deadline) = 0;
  // Removes look-up records of months that ended before.
  virtual Result<std::uint64_t> purge_lookups(UtcTime before) = 0;
  // Can look-ups be recorded now? For /ready.
  virtual Result<void> check_lookups() = 0;
  virtual Result<api::BackupAnswer> backup(const std::string& name, Deadline deadline) = 0;
  virtual Result<AuditVerdict> verify(const std::vector<std::string>& anchors, Deadline deadline) = 0;
};

// What tells this data folder from others on the same servers; made at the first call. Needs open storage.
Result<std::string> node_of(const std::string& data);

Result<std::unique_ptr<Storage>> open_storage(const Settings& settings, const Keyring& keyring, const Clock& clock,
                                              const Logger& log, Registry& metrics);

}  // namespace chaveiro::app
