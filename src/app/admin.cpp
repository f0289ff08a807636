#include "app/admin.h"

#include <algorithm>

#include "app/import.h"

namespace chaveiro::app {
namespace {

namespace dir = directory;
using dir::Permission;

// The lines of a file that comes in pieces cut anywhere, given to an importer.
class StreamedImport final : public api::ImportRun {
 public:
  StreamedImport(dir::Store& store, const Clock& clock, ImportOptions options, api::ImportFormat format)
      : importer_(store, clock, std::move(options)), csv_(format == api::ImportFormat::csv) {}

  Result<api::ImportProgress> feed(std::string_view piece) override {
    bytes_ += piece.size();
    for (std::size_t end; (end = piece.find('\n')) != std::string_view::npos; piece.remove_prefix(end + 1)) {
      rest_.append(piece.substr(0, end));
      TRY_VOID(take_line());
    }
    rest_.append(piece);
    if (rest_.size() > 2 * import_line_bytes_max) {
      return fail(Code::invalid, "BadRequest", "line " + std::to_string(number_ + 1) + " is longer than 64 KiB");
    }
    return progress(importer_.progress());
  }

  Result<api::ImportProgress> finish() override {
    if (!rest_.empty()) TRY_VOID(take_line());
    TRY(const ImportReport report, importer_.finish(Deadline::in(batch_time_max)));
    api::ImportProgress last = progress(report);
    last.committed_line = number_;
    return last;
  }

 private:
  static constexpr std::chrono::seconds batch_time_max{60};

  Result<void> take_line() {
    ++number_;
    if (rest_.ends_with('\r')) rest_.pop_back();
    const Deadline deadline = Deadline::in(batch_time_max);
    auto taken = csv_ ? importer_.add_csv(number_, rest_, deadline) : importer_.add_json(number_, rest_, deadline);
    rest_.clear();
    return taken;
  }

  api::ImportProgress progress(const ImportReport& report) {
    api::ImportProgress now;
    now.lines = report.lines;
    now.imported = report.entries_created + report.accounts_created;
    now.repeated = report.already_there;
    now.committed_line = report.committed_line;
    now.bytes = bytes_;
    for (; told_ < report.faults.size(); ++told_) {
      const LineFault& fault = report.faults[told_];
      if (fault.error.violations.empty()) now.faults.push_back({fault.line, "", fault.error.message});
      for (const FieldViolation& violation : fault.error.violations) {
        now.faults.push_back({fault.line, violation.field, violation.description});
      }
    }
    now.faulty = report.bad;
    return now;
  }

  Importer importer_;
  bool csv_;
  std::string rest_;  // of a line whose end has not come yet
  std::uint64_t number_ = 0;
  std::uint64_t bytes_ = 0;
  std::size_t told_ = 0;
};

std::string line_of(const auto& item, api::ImportFormat format) {
  return (format == api::ImportFormat::csv ? to_csv_line(item) : to_json_line(item)) + "\n";
}

// Walks every page of a list. `visit` answers false to stop.
template <class Fetch, class Visit>
Result<bool> each_item(Fetch fetch, Visit visit) {
  dir::PageRequest request{.limit = 200, .after = {}};
  while (true) {
    TRY(const auto page, fetch(request));
    for (const auto& item : page.items) {
      TRY(const bool go_on, visit(item));
      if (!go_on) return false;
    }
    if (!page.next) return true;
    request.after = page.next;
  }
}

}  // namespace

Result<void> Admin::may(const dir::Context& context, Permission permission) const {
  return authorise(context.caller, permission, context.caller.ispb);
}

dir::Actor Admin::actor(const dir::Context& context) const { return {context.caller.subject, context.correlation_id}; }

Result<void> Admin::note(const dir::Context& context, std::string operation, std::string resource_type,
                         std::string text) {
  return parts_.store.note({std::move(operation), std::move(resource_type), context.caller.ispb, actor(context),
                            parts_.clock.now(), std::move(text)},
                           context.deadline);
}

Result<api::LogSettings> Admin::log_settings(const dir::Context& context) {
  TRY_VOID(may(context, Permission::administrate));
  return api::LogSettings{std::string(to_string(parts_.log.level())), parts_.log.access_sample()};
}

Result<api::LogSettings> Admin::set_log(const dir::Context& context, std::optional<std::string> level,
                                        std::optional<std::uint32_t> access_log_one_in) {
  TRY_VOID(may(context, Permission::administrate));
  std::optional<Level> wanted;
  if (level) {
    const auto parsed = parse_level(*level);
    if (!parsed) return fail_field("level", parsed.error().message);
    wanted = *parsed;
  }
  std::string text;
  if (wanted) text = "level=" + std::string(to_string(*wanted));
  if (access_log_one_in)
    text += (text.empty() ? "" : " ") + std::string("access_log_one_in=") + std::to_string(*access_log_one_in);
  if (!text.empty()) TRY_VOID(note(context, "set_log", "log", text));
  if (wanted) parts_.log.set_level(*wanted);
  if (access_log_one_in) parts_.log.set_access_sample(*access_log_one_in);
  return log_settings(context);
}

Result<void> Admin::revoke(const dir::Context& context, const api::Revocation& revocation) {
  TRY_VOID(may(context, Permission::administrate));
  api::Revocation full = revocation;
  full.by = context.caller.subject;
  if (full.at == UtcTime{}) full.at = parts_.clock.now();
  TRY_VOID(parts_.revocations.revoke(full));
  // The value of a token's hash or id opens nothing.
  return note(context, "revoke", "credential", std::string(to_string(full.kind)) + " " + full.value);
}

Result<std::vector<api::Revocation>> Admin::revocations(const dir::Context& context) {
  TRY_VOID(may(context, Permission::administrate));
  return parts_.revocations.list();
}

Result<void> Admin::reload_keys(const dir::Context& context) {
  TRY_VOID(may(context, Permission::administrate));
  TRY_VOID(parts_.authenticator.reload());
  return note(context, "reload_keys", "credential", "");
}

Result<api::BackupAnswer> Admin::backup(const dir::Context& context, std::string_view name) {
  TRY_VOID(may(context, Permission::administrate));
  TRY(api::BackupAnswer answer, parts_.backup(std::string(name), context.deadline));
  TRY_VOID(note(context, "backup", "store", answer.file));
  return answer;
}

Result<std::unique_ptr<api::ImportRun>> Admin::import(const dir::Context& context, api::ImportFormat format) {
  TRY_VOID(may(context, Permission::write_entries));
  TRY_VOID(may(context, Permission::write_accounts));
  ImportOptions options;
  options.served = {context.caller.ispb};
  if (context.caller.roles.has(dir::Role::admin)) options.served = parts_.served;
  options.rules.check_digits = parts_.check_digits;
  options.actor = actor(context);
  TRY_VOID(note(context, "import", "store", ""));
  return std::unique_ptr<api::ImportRun>(
      std::make_unique<StreamedImport>(parts_.store, parts_.clock, std::move(options), format));
}

Result<std::uint64_t> Admin::export_entries(const dir::Context& context, api::ImportFormat format,
                                            const std::function<bool(std::string_view line)>& line) {
  TRY_VOID(may(context, Permission::read_entries));
  TRY_VOID(may(context, Permission::see_full_lookup));
  TRY_VOID(note(context, "export", "store", ""));
  const bool all = context.caller.roles.has(dir::Role::admin);
  const Deadline deadline = Deadline::never();
  std::uint64_t lines = 0;
  if (format == api::ImportFormat::csv && !line(csv_header() + "\n")) return lines;
  for (const dir::Ispb& ispb : all ? parts_.served : std::vector<dir::Ispb>{context.caller.ispb}) {
    const auto entries = [&](const dir::PageRequest& page) {
      return parts_.store.entries({.ispb = ispb, .accounts = {}, .key_type = {}, .status = {}}, page, deadline);
    };
    TRY(const bool entries_done, each_item(entries, [&](const dir::Entry& entry) -> Result<bool> {
          if (entry.status == dir::EntryStatus::pending) return true;  // nobody has said yes to it
          return ++lines, line(line_of(entry, format));
        }));
    if (!entries_done) return lines;
    const auto accounts = [&](const dir::PageRequest& page) {
      return parts_.store.accounts({.ispb = ispb, .accounts = {}, .holder_tax_id = {}}, page, deadline);
    };
    TRY(const bool accounts_done, each_item(accounts, [&](const dir::Account& account) -> Result<bool> {
          if (account.status != dir::AccountStatus::open) return true;
          TRY(const std::uint32_t slots, parts_.store.slots_taken(account.id, deadline));
          if (slots != 0) return true;  // its entries have told it
          return ++lines, line(line_of(account, format));
        }));
    if (!accounts_done) return lines;
  }
  return lines;
}

Result<api::AuditVerification> Admin::verify_audit(const dir::Context& context,
                                                   const std::vector<std::string>& anchors) {
  TRY_VOID(may(context, Permission::read_audit));
  TRY(const AuditVerdict verdict, parts_.verify(anchors, context.deadline));
  api::AuditVerification answer;
  for (const AuditVerdict::Chain& chain : verdict.chains) {
    answer.records += chain.records;
    for (const dir::ChainFault& fault : chain.faults) {
      answer.faults.push_back(
          {chain.name, std::string(to_string(fault.kind)), fault.writer, fault.month, fault.number, fault.message});
    }
    for (const dir::Anchor& head : chain.heads) answer.anchors.push_back(to_json_line(head));
  }
  return answer;
}

Result<std::uint64_t> Admin::erase_person(const dir::Context& context, std::string_view tax_id) {
  TRY_VOID(may(context, Permission::administrate));
  return parts_.store.erase_person(tax_id, actor(context), parts_.clock.now(), context.deadline);
}

Result<std::uint64_t> Admin::purge(const dir::Context& context, UtcTime before) {
  TRY_VOID(may(context, Permission::administrate));
  if (before > parts_.clock.now()) return fail_field("before", "lies in the future");
  TRY(const std::uint64_t rows, parts_.store.purge(before, actor(context), parts_.clock.now(), context.deadline));
  TRY(const std::uint64_t files, parts_.purge_lookups(before));
  return rows + files;
}

}  // namespace chaveiro::app
