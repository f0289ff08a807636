// audit list, stats, health, log, revoke, backup, erase, purge: what an administrator asks the running server for.
#include "app/program/commands.h"

namespace chaveiro::app {
namespace {

namespace core = dict::core::v1;
namespace admin = dict::admin::v1;
using Core = core::CoreDictService::Stub;
using Admin = admin::AdminService::Stub;

class Builder {
 public:
  Builder(CLI::App& root, Session& session) : root_(root), session_(session) {}

  void audit(CLI::App& group) {
    struct Options : PageOptions {
      std::string resource, actor, operation, from, until;
    };
    auto& options = kept<Options>();
    CLI::App* command = group.add_subcommand("list", "changes, newest first");
    options.add_to(*command);
    command->add_option("--resource", options.resource, "id of an entry, account or claim");
    command->add_option("--actor", options.actor, "who did it");
    command->add_option("--operation", options.operation, "such as create_entry");
    command->add_option("--from", options.from, "RFC 3339, inclusive");
    command->add_option("--until", options.until, "RFC 3339, exclusive");
    action(session_, *command, [&options](Client& client, const Output& output) {
      core::ListAuditEventsRequest request;
      options.put(request);
      request.set_resource_id(options.resource);
      request.set_actor(options.actor);
      request.set_operation(options.operation);
      if (const auto fault = set_time(options.from, "--from", *request.mutable_from()))
        return Client::failed(*fault, output);
      if (options.from.empty()) request.clear_from();
      if (const auto fault = set_time(options.until, "--until", *request.mutable_until()))
        return Client::failed(*fault, output);
      if (options.until.empty()) request.clear_until();
      return client.call(client.core(), &Core::ListAuditEvents, request, output);
    });
  }

  void administration() {
    CLI::App* stats = root_.add_subcommand("stats", "how many entries, claims, accounts and audit records there are");
    action(session_, *stats, [](Client& client, const Output& output) {
      return client.call(client.core(), &Core::GetStatistics, core::GetStatisticsRequest(), output);
    });
    CLI::App* health = root_.add_subcommand("health", "is the server well?");
    action(session_, *health, [](Client& client, const Output& output) {
      return client.call(client.core(), &Core::HealthCheck, google::protobuf::Empty(), output);
    });
    log();
    revoke();
    struct Options {
      std::string name, tax_id, before;
    };
    auto& options = kept<Options>();
    CLI::App* backup = root_.add_subcommand("backup", "copy the data of the running server into its backup folder");
    backup->add_option("name", options.name, "name of the copy; made from the time where left out");
    action(session_, *backup, [&options](Client& client, const Output& output) {
      admin::BackupRequest request;
      request.set_name(options.name);
      return client.call(client.admin(), &Admin::Backup, request, output);
    });
    CLI::App* erase = root_.add_subcommand("erase", "erase a person (LGPD) who has no live key, account or claim");
    erase->add_option("tax-id", options.tax_id, "CPF or CNPJ")->required();
    action(session_, *erase, [&options](Client& client, const Output& output) {
      admin::ErasePersonRequest request;
      request.set_tax_id(options.tax_id);
      return client.call(client.admin(), &Admin::ErasePerson, request, output);
    });
    CLI::App* purge = root_.add_subcommand(
        "purge", "remove what ended before a moment: deleted entries, ended claims, old audit months");
    purge->add_option("--before", options.before, "RFC 3339")->required();
    action(session_, *purge, [&options](Client& client, const Output& output) {
      admin::PurgeRequest request;
      if (const auto fault = set_time(options.before, "--before", *request.mutable_before()))
        return Client::failed(*fault, output);
      return client.call(client.admin(), &Admin::Purge, request, output);
    });
  }

 private:
  void log() {
    struct Options {
      std::string level;
      std::uint32_t sample = 0;
    };
    auto& options = kept<Options>();
    CLI::App* command = root_.add_subcommand("log", "show or change level and sampling of the running server's log");
    command->add_option("--level", options.level, "debug, info, warn or error");
    CLI::Option* sample = command->add_option("--sample", options.sample,
                                              "one of this many requests leaves a line; 1: all, 0: none but faults");
    action(session_, *command, [&options, sample](Client& client, const Output& output) {
      if (options.level.empty() && sample->count() == 0) {
        return client.call(client.admin(), &Admin::GetLog, admin::GetLogRequest(), output);
      }
      admin::SetLogRequest request;
      if (!options.level.empty()) request.set_level(options.level);
      if (sample->count() > 0) request.set_access_log_one_in(options.sample);
      return client.call(client.admin(), &Admin::SetLog, request, output);
    });
  }

  void revoke() {
    struct Options {
      std::string kind, value;
    };
    auto& options = kept<Options>();
    CLI::App* command =
        root_.add_subcommand("revoke", "take a token, a signing key or an API key out of use; without arguments: list");
    command->add_option("kind", options.kind, "jti, token_sha256, subject, kid or api_key")
        ->check(CLI::IsMember(std::vector<std::string>{"jti", "token_sha256", "subject", "kid", "api_key"}));
    command->add_option("value", options.value, "which one");
    action(session_, *command, [&options](Client& client, const Output& output) {
      if (options.kind.empty())
        return client.call(client.admin(), &Admin::ListRevocations, admin::ListRevocationsRequest(), output);
      admin::RevokeRequest request;
      request.mutable_revocation()->set_kind(options.kind);
      request.mutable_revocation()->set_value(options.value);
      return client.call(client.admin(), &Admin::Revoke, request, output);
    });
  }

  CLI::App& root_;
  Session& session_;
};

}  // namespace

void add_administration_commands(CLI::App& root, Session& session) {
  Builder builder(root, session);
  builder.audit(command_group(root, "audit", "the trail of changes and look-ups"));
  builder.administration();
}

}  // namespace chaveiro::app
