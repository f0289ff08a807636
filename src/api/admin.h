// api/admin.h
//
// What an operator may do to a running process, as the edges see it; app/ implements it. Authorisation (admin for most,
// operator where it says so) and the audit record are the implementation's: it is handed the Context.
//
// Threads: any number at once; blocking, until the context's deadline, except where a stream says otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/cache_port.h"
#include "api/revocations.h"
#include "directory/directory.h"
#include "events/dead_letter_desk.h"

namespace chaveiro::api {

struct LogSettings {
  std::string level;                      // trace debug info warn error
  std::uint32_t access_log_one_in = 100;  // 0: only faults of ours
};

struct BackupAnswer {
  std::string file;  // path on the server
  std::uint64_t bytes = 0;
};

struct ImportLineFault {
  std::uint64_t line = 0;
  std::string field;
  std::string message;
};

struct ImportProgress {
  std::uint64_t lines = 0;              // read so far
  std::uint64_t imported = 0;           // new
  std::uint64_t repeated = 0;           // were there already
  std::uint64_t faulty = 0;             // lines
  std::uint64_t committed_line = 0;     // every line up to this one is done with: an import goes on after it
  std::uint64_t bytes = 0;              // received so far
  std::vector<ImportLineFault> faults;  // since the last progress
};

enum class ImportFormat : std::uint8_t { ndjson = 1, csv };

// An import in progress: pieces of the file as they come, cut anywhere.
class ImportRun {
 public:
  virtual ~ImportRun() = default;
  // Errors: end the run. Faulty lines are no errors; they stand in the progress.
  virtual Result<ImportProgress> feed(std::string_view piece) = 0;
  virtual Result<ImportProgress> finish() = 0;
};

struct AuditFault {
  std::string chain;  // changes lookups
  std::string kind;   // changed missing reordered cut torn
  std::string writer;
  std::uint32_t month = 0;
  std::uint64_t number = 0;
  std::string message;
};

struct AuditVerification {
  std::uint64_t records = 0;
  std::vector<AuditFault> faults;    // empty: the chains hold
  std::vector<std::string> anchors;  // one JSON line each: heads of the chains as they are now, signed
};

// Personal data in bodies is masked unless it is revealed.
enum class Bodies : std::uint8_t { masked, revealed };

struct TailedEvent {
  events::MessageId id;
  UtcTime published_at{};
  std::string key;
  std::string body;
};

class EventsPort {
 public:
  virtual ~EventsPort() = default;
  virtual Result<std::vector<events::LetterView>> dead_letters(const directory::Context& context,
                                                               const std::string& subscription, std::size_t limit) = 0;
  // The body of the letter is masked unless it is revealed.
  virtual Result<events::LetterView> dead_letter(const directory::Context& context, const std::string& id,
                                                 Bodies bodies) = 0;
  virtual Result<events::ReplayProgress> replay_dead_letters(const directory::Context& context,
                                                             const events::ReplayRequest& request) = 0;
  virtual Result<std::uint64_t> discard_dead_letters(const directory::Context& context,
                                                     const std::vector<std::string>& ids) = 0;
  virtual Result<std::vector<TailedEvent>> tail(const directory::Context& context, const std::string& topic,
                                                std::optional<UtcTime> from, std::size_t limit, Bodies bodies) = 0;
  // Answers how many messages the subscription has before it.
  virtual Result<std::uint64_t> replay(const directory::Context& context, const std::string& topic,
                                       const std::string& subscription, UtcTime from) = 0;
};

class AdminPort {
 public:
  virtual ~AdminPort() = default;

  virtual Result<LogSettings> log_settings(const directory::Context& context) = 0;
  // Fields that are absent stay as they are.
  virtual Result<LogSettings> set_log(const directory::Context& context, std::optional<std::string> level,
                                      std::optional<std::uint32_t> access_log_one_in) = 0;

  virtual Result<void> revoke(const directory::Context& context, const Revocation& revocation) = 0;
  virtual Result<std::vector<Revocation>> revocations(const directory::Context& context) = 0;
  virtual Result<void> reload_keys(const directory::Context& context) = 0;

  // An online copy into the server's backup folder; `name` "" makes one from the time.
  virtual Result<BackupAnswer> backup(const directory::Context& context, std::string_view name) = 0;

  // Operator. The rows become `context.caller.ispb`'s unless they say another one that is served (admin only).
  virtual Result<std::unique_ptr<ImportRun>> import(const directory::Context& context, ImportFormat format) = 0;
  // Operator. Calls `line` for every line, in order of creation; false from it ends the export without an error.
  virtual Result<std::uint64_t> export_entries(const directory::Context& context, ImportFormat format,
                                               const std::function<bool(std::string_view line)>& line) = 0;

  // Auditor. `anchors`: lines as verify gave them earlier.
  virtual Result<AuditVerification> verify_audit(const directory::Context& context,
                                                 const std::vector<std::string>& anchors) = 0;

  // Erases a person; answers how many rows were blanked.
  virtual Result<std::uint64_t> erase_person(const directory::Context& context, std::string_view tax_id) = 0;
  // Removes what ended before; answers how many rows went.
  virtual Result<std::uint64_t> purge(const directory::Context& context, UtcTime before) = 0;

  // Null: this process has no caches.
  virtual CachePort* caches() { return nullptr; }

  // Events; null: this process has none. The calls are the operator's; `reveal` is the admin's.
  virtual EventsPort* events() { return nullptr; }
};

}  // namespace chaveiro::api
