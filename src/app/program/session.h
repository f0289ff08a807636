// app/program/session.h
//
// What every command of the command line stands on: the flags that all share, the settings they give, and the connection to the
// server, made when first needed. A command is added to the CLI11 tree with an action; main() runs the action of the command that was given
// and exits with its code.
//
// Exit codes: 0 done; 2 wrong usage or settings; the others say what can be done about it, see docs/cli.md and api/status.h.
//
// Threads: one.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "app/program/client.h"
#include "app/settings.h"

namespace CLI {
class App;
}

namespace chaveiro::app {

struct Session {
  std::string program;                       // how it was called
  std::map<std::string, std::string> flags;  // settings given as flags, by setting name
  Output output;
  std::string ispb;
  std::string timeout = "30s";
  std::function<int()> action;  // of the command that was given

  Result<Loaded> load() const;
  Result<Loaded> load_with_files() const;  // the rules files that settings name are looked at too
  // Calls `run` with a connected client, or prints why there is none.
  int with_client(const std::function<int(Client&)>& run);
};

// The group of commands of that name, made where it is not there yet.
CLI::App& command_group(CLI::App& root, const std::string& name, const std::string& help);

// Settings of the table as flags of `command`; `only` names those wanted, empty: all.
void add_setting_flags(CLI::App& command, Session& session, std::initializer_list<std::string_view> only);

// lookup, entries (keys), accounts, import, export
void add_entry_commands(CLI::App& root, Session& session);
// claims
void add_claim_commands(CLI::App& root, Session& session);
// audit list, stats, health, log, revoke, backup, erase, purge
void add_administration_commands(CLI::App& root, Session& session);
// cache stats, get, explain, invalidate, warm, key
void add_cache_commands(CLI::App& root, Session& session);
// limits
void add_limits_commands(CLI::App& root, Session& session);
// serve, config, version, token, restore, audit verify
void add_local_commands(CLI::App& root, Session& session);
// events, dlq
void add_event_commands(CLI::App& root, Session& session);
// db
void add_database_commands(CLI::App& root, Session& session);

}  // namespace chaveiro::app
