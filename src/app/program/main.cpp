// The program. Reads the command line, runs the command that was given and exits with its code.

#include <CLI/CLI.hpp>

#include "app/limits.h"
#include "app/program/print.h"
#include "app/program/session.h"

namespace chaveiro::app {

Result<Loaded> Session::load() const { return load_settings({process_environment, flags}); }
Result<Loaded> Session::load_with_files() const { return load_settings({process_environment, flags, faults_of_rules}); }

int Session::with_client(const std::function<int(Client&)>& run) {
  const Result<Loaded> loaded = load();
  if (!loaded) return Client::failed(loaded.error(), output);
  const Result<Micros> limit = parse_duration(timeout);
  if (!limit) return Client::failed(fail_field("--timeout", limit.error().message), output);
  Result<Client> client = Client::connect(loaded->settings, ispb, *limit);
  return client ? run(*client) : Client::failed(client.error(), output);
}

CLI::App& command_group(CLI::App& root, const std::string& name, const std::string& help) {
  for (CLI::App* there : root.get_subcommands([&](const CLI::App* command) { return command->get_name() == name; }))
    return *there;
  return *root.add_subcommand(name, help)->require_subcommand(1);
}

void add_setting_flags(CLI::App& command, Session& session, std::initializer_list<std::string_view> only) {
  for (const Setting& setting : all_settings()) {
    if (only.size() > 0 && std::find(only.begin(), only.end(), setting.name) == only.end()) continue;
    // A secret on a command line can be read by everybody on the machine.
    if (setting.kind == SettingKind::secret && setting.name != "CHAVEIRO_TOKEN") continue;
    const std::string name(setting.name);
    command
        .add_option_function<std::string>(
            flag_name(setting), [&session, name](const std::string& text) { session.flags[name] = text; },
            std::string(setting.meaning))
        ->group("Settings");
  }
}

}  // namespace chaveiro::app

int main(int argc, char** argv) {
  using namespace chaveiro::app;
  Session session;
  session.program = argv[0];
  CLI::App root{"Chaveiro: the keys of a payment institution in DICT", "chaveiro"};
  root.require_subcommand(1);
  root.fallthrough();
  root.add_flag("--json", session.output.json, "answers and errors as JSON");
  root.add_option("--ispb", session.ispb, "participant for whom to ask; the first that is served where left out");
  root.add_option("--timeout", session.timeout, "how long to wait for an answer (30s)");
  add_setting_flags(root, session,
                    {"CHAVEIRO_SERVER", "CHAVEIRO_CA", "CHAVEIRO_CERT", "CHAVEIRO_CERT_KEY", "CHAVEIRO_TOKEN",
                     "CHAVEIRO_DATA", "CHAVEIRO_CONFIG", "CHAVEIRO_ISPBS"});
  add_local_commands(root, session);
  add_database_commands(root, session);
  add_entry_commands(root, session);
  add_claim_commands(root, session);
  add_administration_commands(root, session);
  add_cache_commands(root, session);
  add_limits_commands(root, session);
  add_event_commands(root, session);
  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = root.exit(error);
    return code == 0 ? 0 : 2;
  }
  return session.action ? session.action() : 2;
}
