#include <CLI/CLI.hpp>

#include <boost/json.hpp>
#include <cstdio>

#include "app/database.h"
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
  json::array steps, months, faults;
  std::string text;
  for (const auto& step : status->steps) {
    steps.push_back(
        {{"version", step.version}, {"name", step.name}, {"applied_at", step.applied_at}, {"as_known", step.as_known}});
    text += step.version + "  " + (step.applied_at.empty() ? "waits                   " : step.applied_at) + "  " +
            step.name + (step.as_known ? "" : "  (made by another build)") + "\n";
  }
  for (const std::string& month : status->months) months.push_back(json::value(month));
  if (!status->months.empty()) text += "audit months " + status->months.front() + " to " + status->months.back() + "\n";
  for (const std::string& fault : status->faults) {
    faults.push_back(json::value(fault));
    text += "look: " + fault + "\n";
  }
  print(session.output.json
            ? json::serialize(json::object{{"steps", steps}, {"months", months}, {"faults", faults}}) + "\n"
            : text);
  return verify && !status->faults.empty() ? api::status_row(Code::corrupt).exit : 0;
}

int run_change(const Session& session, const SchemaChange& change) {
  const Result<Loaded> loaded = session.load();
  if (!loaded) return Client::failed(loaded.error(), session.output), 2;
  const Result<std::string> done = change_schema(loaded->settings, change);
  if (!done) return Client::failed(done.error(), session.output);
  print(session.output.json ? json::serialize(json::object{{"done", *done}}) + "\n" : *done);
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
  migrate->callback([&session] { session.action = [&session] { return run_change(session, up); }; });
  CLI::App* back = group.add_subcommand("down", "go back to an older version; what newer steps made is lost");
  back->add_option("version", down.target, "such as 1.0; 0.0 takes everything away")->required();
  back->add_flag("--dry-run", down.dry_run, "only print the SQL");
  back->callback([&session] {
    down.down = true;
    session.action = [&session] { return run_change(session, down); };
  });
  group.add_subcommand("status", "which steps were applied, which months there are")->callback([&session] {
    session.action = [&session] { return show_status(session, false); };
  });
  group.add_subcommand("verify", "the same, and fail where anything is not as it must be")->callback([&session] {
    session.action = [&session] { return show_status(session, true); };
  });
}

}  // namespace chaveiro::app
