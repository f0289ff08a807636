#include <CLI/CLI.hpp>

#include <boost/json.hpp>
#include <cstdio>

#include "app/database.h"
#include "app/database_copy.h"
#include "app/program/session.h"

namespace chaveiro::app {
namespace {

namespace json = boost::json;

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

int show_status(const Session& session, bool verify) {
  const Result<Loaded> loaded = session.load();
  if (!loaded) return Client::failed(loaded.error(), session.output), 2;
  const Result<SchemaStatus> status = schema_status(loaded->settings);
  if (!status) return Client::failed(status.error(), session.output);
  json::array steps, months, detached, faults;
  std::string text;
  for (const auto& step : status->steps) {
    steps.push_back(
        {{"version", step.version}, {"name", step.name}, {"applied_at", step.applied_at}, {"as_known", step.as_known}});
    text += step.version + "  " + (step.applied_at.empty() ? "waits                   " : step.applied_at) + "  " +
            step.name + (step.as_known ? "" : "  (made by another build)") + "\n";
  }
  for (const std::string& month : status->months) months.push_back(json::value(month));
  if (!status->months.empty()) text += "audit months " + status->months.front() + " to " + status->months.back() + "\n";
  for (const std::string& month : status->detached) {
    detached.push_back(json::value(month));
    text += "detached month " + month + "\n";
  }
  for (const std::string& fault : status->faults) {
    faults.push_back(json::value(fault));
    text += "look: " + fault + "\n";
  }
  print(session.output.json ? json::serialize(json::object{
                                  {"steps", steps}, {"months", months}, {"detached", detached}, {"faults", faults}}) +
                                  "\n"
                            : text);
  return verify && !status->faults.empty() ? api::status_row(Code::corrupt).exit : 0;
}

template <class Change>
int run_change(const Session& session, Result<std::string> (*make)(const Settings&, const Change&),
               const Change& change) {
  const Result<Loaded> loaded = session.load();
  if (!loaded) return Client::failed(loaded.error(), session.output), 2;
  const Result<std::string> done = make(loaded->settings, change);
  if (!done) return Client::failed(done.error(), session.output);
  print(session.output.json ? json::serialize(json::object{{"done", *done}}) + "\n" : *done);
  return 0;
}

int run_copy(const Session& session, const std::string& source, const std::string& target) {
  const Result<Loaded> loaded = session.load();
  if (!loaded) return Client::failed(loaded.error(), session.output), 2;
  if (!source.starts_with("sqlite:"))
    return Client::failed(fail_field("source", "must be sqlite:FILE"), session.output);
  CopyOptions options;
  options.source = source.substr(std::string_view("sqlite:").size());
  if (!options.source.starts_with('/')) options.source = loaded->settings.data + "/" + options.source;
  options.consumers = loaded->settings.data + "/consumers.db";
  options.target = target.empty() ? loaded->settings.database_maintenance_url : Secret(target);
  options.progress = [](const std::string& table, std::uint64_t rows) -> Result<void> {
    std::fprintf(stderr, "%s: %llu rows\n", table.c_str(), static_cast<unsigned long long>(rows));
    return {};
  };
  const Result<CopyReport> report = copy_database(options, Deadline::never());
  if (!report) return Client::failed(report.error(), session.output);
  print(session.output.json
            ? json::serialize(
                  json::object{{"rows", report->rows}, {"audit", report->audit}, {"chains", report->chains}}) +
                  "\n"
            : std::to_string(report->rows) + " rows copied; counts are the same, " + std::to_string(report->audit) +
                  " audit records hold, " + std::to_string(report->chains) + " chains end alike\n");
  return 0;
}

}  // namespace

void add_database_commands(CLI::App& root, Session& session) {
  static SchemaChange up, down;
  CLI::App& group =
      command_group(root, "db", "the schema of the PostgreSQL database (DATABASE_URL, DATABASE_MAINTENANCE_URL)");
  CLI::App* migrate = group.add_subcommand("migrate", "bring the schema up to date and make the audit's next months");
  migrate->add_option("--to", up.target, "stop at this version, such as 1.1 (the newest)");
  migrate->add_flag("--dry-run", up.dry_run, "only print the SQL");
  migrate->callback([&session] { session.action = [&session] { return run_change(session, change_schema, up); }; });
  CLI::App* back = group.add_subcommand("down", "go back to an older version; what newer steps made is lost");
  back->add_option("version", down.target, "such as 1.0; 0.0 takes everything away")->required();
  back->add_flag("--dry-run", down.dry_run, "only print the SQL");
  back->callback([&session] {
    down.down = true;
    session.action = [&session] { return run_change(session, change_schema, down); };
  });
  static Maintenance maintenance;
  CLI::App* maintain = group.add_subcommand(
      "maintain", "make the audit's next months, detach those older than DATABASE_AUDIT_MONTHS, and look for faults");
  maintain->add_flag("--dry-run", maintenance.dry_run, "only tell what there is to do");
  maintain->callback(
      [&session] { session.action = [&session] { return run_change(session, maintain_database, maintenance); }; });
  static MonthsGone gone;
  CLI::App* drop = group.add_subcommand("drop-months", "drop months of the audit that a purge has detached");
  drop->add_option("--before", gone.before, "months before this one, such as 2025-01")->required();
  drop->add_flag("--dry-run", gone.dry_run, "only print the SQL");
  drop->callback(
      [&session] { session.action = [&session] { return run_change(session, drop_detached_months, gone); }; });
  static std::string source, target;
  CLI::App* copy = group.add_subcommand(
      "copy", "everything of a SQLite database into an empty PostgreSQL schema; goes on after a break");
  copy->add_option("source", source, "sqlite:FILE (relative to the data folder)")->required();
  copy->add_option("target", target, "postgres://… of the role that owns the tables (DATABASE_MAINTENANCE_URL)");
  copy->callback([&session] { session.action = [&session] { return run_copy(session, source, target); }; });
  group.add_subcommand("status", "which steps were applied, which months there are")->callback([&session] {
    session.action = [&session] { return show_status(session, false); };
  });
  group.add_subcommand("verify", "the same, and fail where anything is not as it must be")->callback([&session] {
    session.action = [&session] { return show_status(session, true); };
  });
}

}  // namespace chaveiro::app
