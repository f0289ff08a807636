#include <CLI/CLI.hpp>

#include <boost/json.hpp>
#include <cstdio>

#include "api/auth.h"
#include "app/keyring.h"
#include "app/offline.h"
#include "app/program/print.h"
#include "app/program/serve.h"
#include "app/program/session.h"
#include "app/program/version.h"

namespace chaveiro::app {
namespace {

namespace json = boost::json;

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

int show_config(const Session& session) {
  const Result<Loaded> loaded = session.load();
  if (!loaded) return Client::failed(loaded.error(), session.output), 2;
  json::array rows;
  std::string table;
  for (const Setting& setting : all_settings()) {
    const Origin& origin = loaded->origins.at(std::string(setting.name));
    rows.push_back(
        {{"name", setting.name}, {"value", origin.text}, {"from", origin.where}, {"meaning", setting.meaning}});
    std::string line(setting.name);
    line.resize(std::max<std::size_t>(line.size() + 1, 34), ' ');
    line += origin.text.empty() ? "-" : origin.text;
    line.resize(std::max<std::size_t>(line.size() + 1, 66), ' ');
    table += line + origin.where + "\n";
  }
  print(session.output.json ? json::serialize(rows) + "\n" : table);
  return 0;
}

int check_config(const Session& session) {
  const Result<Loaded> loaded = session.load_with_files();
  if (!loaded) return Client::failed(loaded.error(), session.output), 2;
  for (const std::string& warning : loaded->warnings) std::fprintf(stderr, "warning: %s\n", warning.c_str());
  print(session.output.json ? "{\"ok\":true}\n" : "every setting is right\n");
  return 0;
}

void add_config(CLI::App& root, Session& session) {
  CLI::App* config = root.add_subcommand("config", "show every setting, its value and where it comes from");
  CLI::App* check = config->add_subcommand("check", "tell all faults of the settings and of their rules files at once");
  for (CLI::App* command : {config, check})
    add_setting_flags(*command, session, {"HTTP_PORT", "GRPC_PORT", "METRICS_PORT", "DATABASE_URL"});
  config->callback([&session, check] {
    if (!check->parsed()) session.action = [&session] { return show_config(session); };
  });
  check->callback([&session] { session.action = [&session] { return check_config(session); }; });
}

struct TokenOptions {
  std::string subject = "operator";
  std::vector<std::string> roles{"operator"};
  std::vector<std::string> accounts;
  std::string lifetime;
};

Result<std::string> make_token(const Session& session, const TokenOptions& options) {
  TRY(const Loaded loaded, session.load());
  Secret secret = loaded.settings.jwt_secret;
  if (secret.empty()) {
    TRY(const Keyring keyring, Keyring::open(loaded.settings.data));
    secret = keyring.token_secret();
  }
  api::TokenRequest request;
  request.subject = options.subject;
  TRY(request.ispb, directory::Ispb::parse(session.ispb.empty() ? loaded.settings.ispbs.front() : session.ispb));
  for (const std::string& text : options.roles) {
    const auto role = directory::role_of(text);
    if (!role) return fail_field("--role", "must be user, operator, auditor or admin");
    request.roles.add(*role);
  }
  for (const std::string& text : options.accounts) {
    TRY(const directory::AccountId account, directory::AccountId::parse(text));
    if (!request.accounts) request.accounts.emplace();
    request.accounts->push_back(account);
  }
  request.issuer = loaded.settings.jwt_issuer;
  request.audience = loaded.settings.jwt_audience;
  request.lifetime = loaded.settings.jwt_expiration;
  if (!options.lifetime.empty()) {
    TRY(request.lifetime, parse_duration(options.lifetime));
  }
  return api::issue_token(request, secret, SystemClock{}.now());
}

void add_token(CLI::App& root, Session& session) {
  static TokenOptions options;
  CLI::App* command = root.add_subcommand("token", "make a token with the secret of this machine's data folder");
  command->add_option("--subject", options.subject, "who it is for; stands in the audit (operator)");
  command->add_option("--role", options.roles, "user, operator, auditor, admin; may be given several times (operator)");
  command->add_option(
      "--account", options.accounts,
      "id of an account that it may touch; several times; absent: none for a user, all for other roles");
  command->add_option("--lifetime", options.lifetime, "such as 1h (JWT_EXPIRATION)");
  command->callback([&session] {
    session.action = [&session] {
      const Result<std::string> token = make_token(session, options);
      if (!token) return Client::failed(token.error(), session.output);
      print(session.output.json ? json::serialize(json::object{{"token", *token}}) + "\n" : *token + "\n");
      return 0;
    };
  });
}

void add_serve(CLI::App& root, Session& session) {
  static ServeOptions options;
  CLI::App* command = root.add_subcommand("serve", "run the platform");
  command->add_flag("--empty", options.empty, "leave the demonstration base out");
  add_setting_flags(*command, session, {});
  command->callback([&session] {
    session.action = [&session] {
      const Result<Loaded> loaded = session.load();
      if (!loaded) return Client::failed(loaded.error(), session.output), 2;
      options.program = session.program;
      const Result<void> served = serve(*loaded, options);
      return served ? 0 : Client::failed(served.error(), session.output);
    };
  });
}

void add_audit_verify(CLI::App& root, Session& session) {
  static std::string anchor_file, write_anchors;
  CLI::App* command =
      command_group(root, "audit", "the trail of changes and look-ups")
          .add_subcommand(
              "verify",
              "check every chain of this machine's data folder; finds changed, missing, reordered and cut records");
  command->add_option("--anchor", anchor_file,
                      "anchors that an earlier run wrote: they show records cut off at the end");
  command->add_option("--write-anchors", write_anchors, "write the heads of the chains as they are now, signed");
  command->callback([&session] {
    session.action = [&session] {
      const Result<Loaded> loaded = session.load();
      if (!loaded) return Client::failed(loaded.error(), session.output), 2;
      const Result<AuditVerdict> verdict = verify_audit_files(loaded->settings, anchor_file, write_anchors);
      if (!verdict) return Client::failed(verdict.error(), session.output);
      print(session.output.json ? to_json(*verdict) : for_people(*verdict));
      return verdict->holds() ? 0 : api::status_row(Code::corrupt).exit;
    };
  });
}

void add_restore(CLI::App& root, Session& session) {
  static std::string from;
  CLI::App* command =
      root.add_subcommand("restore", "put a backup into an empty data folder (--data); the server must not be running");
  command->add_option("backup", from, "folder that `chaveiro backup` made")->required();
  command->callback([&session] {
    session.action = [&session] {
      const Result<Loaded> loaded = session.load();
      if (!loaded) return Client::failed(loaded.error(), session.output), 2;
      const Result<std::string> restored = restore_backup(loaded->settings, from);
      if (!restored) return Client::failed(restored.error(), session.output);
      print(session.output.json ? json::serialize(json::object{{"restored", *restored}}) + "\n" : *restored + "\n");
      return 0;
    };
  });
}

}  // namespace

void add_local_commands(CLI::App& root, Session& session) {
  add_serve(root, session);
  add_config(root, session);
  add_token(root, session);
  add_audit_verify(root, session);
  add_restore(root, session);
  CLI::App* version = root.add_subcommand("version", "which version this is");
  version->callback([&session] {
    session.action = [&session] {
      print(session.output.json ? "{\"version\":\"" + std::string(program_version) + "\"}\n"
                                : "chaveiro " + std::string(program_version) + "\n");
      return 0;
    };
  });
}

}  // namespace chaveiro::app
