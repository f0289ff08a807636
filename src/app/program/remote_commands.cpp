#include <CLI/CLI.hpp>

#include "app/program/print.h"
#include "app/program/session.h"
#include "app/program/transfer.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "directory/key.h"

namespace chaveiro::app {
namespace {

namespace core = dict::core::v1;
namespace common = dict::common::v1;
namespace admin = dict::admin::v1;
using Core = core::CoreDictService::Stub;
using Admin = admin::AdminService::Stub;

// Options of a command live as long as the program: CLI11 writes into them, the action reads them.
template <class T>
T& kept() {
  static std::vector<std::unique_ptr<T>> all;
  return *all.emplace_back(std::make_unique<T>());
}

const std::vector<std::string> key_types{"CPF", "CNPJ", "EMAIL", "PHONE", "EVP"};
const std::vector<std::string> reasons{"USER_REQUESTED", "ACCOUNT_CLOSURE", "BRANCH_TRANSFER",  "RECONCILIATION",
                                       "FRAUD",          "RFB_VALIDATION",  "DEFAULT_OPERATION"};

template <class Enum, class Parse>
Enum enum_of(const std::string& prefix, const std::string& text, Parse parse) {
  Enum value{};
  if (!text.empty()) parse(prefix + text, &value);
  return value;
}

common::KeyType key_type_of(const std::string& type, const std::string& key) {
  std::string name = type;
  if (name.empty()) {
    if (const auto guessed = directory::guess_key_type(key)) name = to_string(*guessed);
  }
  return enum_of<common::KeyType>("KEY_TYPE_", name, common::KeyType_Parse);
}

common::Reason reason_of(const std::string& text) {
  return enum_of<common::Reason>("REASON_", text, common::Reason_Parse);
}

void set_key(common::DictKey& to, const std::string& type, const std::string& key) {
  to.set_key_type(key_type_of(type, key));
  to.set_key_value(key);
}

struct KeyOptions {
  std::string key, type;
  void add_to(CLI::App& command, bool needed) {
    command.add_option("key", key, "the key; people's spelling is accepted (dots, spaces, capitals)")->required(needed);
    command.add_option("--type", type, "CPF, CNPJ, EMAIL, PHONE or EVP; told from its form where left out")
        ->check(CLI::IsMember(key_types));
  }
};

struct PageOptions {
  std::int32_t size = 0;
  std::string token;
  void add_to(CLI::App& command) {
    command.add_option("--page-size", size, "items a page (20; at most 200)");
    command.add_option("--page-token", token, "next_page_token of the page before");
  }
  template <class Request>
  void put(Request& request) const {
    request.set_page_size(size);
    request.set_page_token(token);
  }
};

class Builder {
 public:
  Builder(CLI::App& root, Session& session) : root_(root), session_(session) {}

  void entries() {
    CLI::App* group =
        root_.add_subcommand("entries", "keys of our accounts: create, get, list, update, delete, block, unblock");
    group->alias("keys")->require_subcommand(1);
    create_entry(*group);
    get_entry(*group);
    list_entries(*group);
    update_entry(*group);
    delete_entry(*group);
    block_entry(*group, "block", "block a key by court order", &Core::BlockKey);
    block_entry(*group, "unblock", "lift the block of a key", &Core::UnblockKey);
  }

  void accounts() {
    CLI::App* group = root_.add_subcommand("accounts", "accounts and their holders: create, get, list, close, verify");
    group->require_subcommand(1);
    create_account(*group);
    by_id<core::GetAccountRequest>(
        *group, "get", "show an account", "account",
        [](core::GetAccountRequest& request, const std::string& id) { request.set_account_id(id); }, &Core::GetAccount);
    list_accounts(*group);
    by_id<core::CloseAccountRequest>(
        *group, "close", "close an account that has no keys", "account",
        [](core::CloseAccountRequest& request, const std::string& id) { request.set_account_id(id); },
        &Core::CloseAccount);
    verify_account(*group);
  }

  void claims() {
    CLI::App* group = root_.add_subcommand(
        "claims", "portability and ownership claims: start, get, list, acknowledge, confirm, reject, cancel, complete");
    group->require_subcommand(1);
    start_claim(*group);
    by_id<core::GetClaimStatusRequest>(
        *group, "get", "show a claim", "claim",
        [](core::GetClaimStatusRequest& request, const std::string& id) { request.set_claim_id(id); },
        &Core::GetClaimStatus);
    list_claims(*group);
    by_id<core::AcknowledgeClaimRequest>(
        *group, "acknowledge", "as donor: say that the claim was seen", "claim",
        [](core::AcknowledgeClaimRequest& request, const std::string& id) { request.set_claim_id(id); },
        &Core::AcknowledgeClaim);
    respond_to_claim(*group, "confirm", "as donor: give the key away",
                     core::RespondToClaimRequest::CLAIM_RESPONSE_ACCEPT);
    respond_to_claim(*group, "reject", "as donor: keep the key", core::RespondToClaimRequest::CLAIM_RESPONSE_REJECT);
    cancel_claim(*group);
    complete_claim(*group);
  }

  void lookup() {
    struct Options : KeyOptions {
      std::string payer, end_to_end;
    };
    auto& options = kept<Options>();
    CLI::App* command = root_.add_subcommand("lookup", "who holds this key?");
    options.add_to(*command, true);
    command->add_option("--payer", options.payer,
                        "CPF or CNPJ of the payer (PI-PayerId), for keys of other participants");
    command->add_option("--end-to-end-id", options.end_to_end,
                        "of the payment order (PI-EndToEndId), for keys of other participants");
    action(*command, [&options](Client& client, const Output& output) {
      core::LookupKeyRequest request;
      set_key(*request.mutable_key(), options.type, options.key);
      request.set_payer_id(options.payer);
      request.set_end_to_end_id(options.end_to_end);
      return client.call(client.core(), &Core::LookupKey, request, output);
    });
  }

  void transfer() {
    auto& import = kept<ImportCommand>();
    CLI::App* in = root_.add_subcommand("import", "bring in entries with their accounts and owners (NDJSON or CSV)");
    in->add_option("file", import.file, "the file; - is standard input")->required();
    in->add_option("--format", import.format, "ndjson or csv; by the name of the file where left out");
    in->add_option("--faults", import.faults_file, "file that gets the faulty lines too");
    in->add_flag("--resume", import.resume, "go on after the last confirmed line of an import that was stopped");
    action(*in, [&import](Client& client, const Output& output) { return run_import(client, import, output); });

    auto& export_ = kept<ExportCommand>();
    CLI::App* out = root_.add_subcommand("export", "write all entries and accounts as import would read them");
    out->add_option("file", export_.file, "the file, which must not exist; none or - is standard output");
    out->add_option("--format", export_.format, "ndjson or csv");
    action(*out, [&export_](Client& client, const Output& output) { return run_export(client, export_, output); });
  }

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
    action(*command, [&options](Client& client, const Output& output) {
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
    action(*stats, [](Client& client, const Output& output) {
      return client.call(client.core(), &Core::GetStatistics, core::GetStatisticsRequest(), output);
    });
    CLI::App* health = root_.add_subcommand("health", "is the server well?");
    action(*health, [](Client& client, const Output& output) {
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
    action(*backup, [&options](Client& client, const Output& output) {
      admin::BackupRequest request;
      request.set_name(options.name);
      return client.call(client.admin(), &Admin::Backup, request, output);
    });
    CLI::App* erase = root_.add_subcommand("erase", "erase a person (LGPD) who has no live key, account or claim");
    erase->add_option("tax-id", options.tax_id, "CPF or CNPJ")->required();
    action(*erase, [&options](Client& client, const Output& output) {
      admin::ErasePersonRequest request;
      request.set_tax_id(options.tax_id);
      return client.call(client.admin(), &Admin::ErasePerson, request, output);
    });
    CLI::App* purge = root_.add_subcommand(
        "purge", "remove what ended before a moment: deleted entries, ended claims, old audit months");
    purge->add_option("--before", options.before, "RFC 3339")->required();
    action(*purge, [&options](Client& client, const Output& output) {
      admin::PurgeRequest request;
      if (const auto fault = set_time(options.before, "--before", *request.mutable_before()))
        return Client::failed(*fault, output);
      return client.call(client.admin(), &Admin::Purge, request, output);
    });
  }

 private:
  void action(CLI::App& command, std::function<int(Client&, const Output&)> run) {
    Session& session = session_;
    command.callback([&session, run = std::move(run)] {
      session.action = [&session, run] {
        return session.with_client([&](Client& client) { return run(client, session.output); });
      };
    });
  }

  static std::optional<Error> set_time(const std::string& text, const char* option, google::protobuf::Timestamp& to) {
    if (text.empty()) return std::nullopt;
    const auto time = parse_rfc3339(text);
    if (!time) return fail_field(option, time.error().message);
    const std::int64_t micros = time->time_since_epoch().count();
    to.set_seconds(micros / 1'000'000);
    to.set_nanos(static_cast<std::int32_t>(micros % 1'000'000) * 1000);
    return std::nullopt;
  }

  template <class Request, class Method>
  void by_id(CLI::App& group, const char* name, const char* help, const char* what,
             void (*set)(Request&, const std::string&), Method method) {
    auto& id = kept<std::string>();
    CLI::App* command = group.add_subcommand(name, help);
    command->add_option("id", id, std::string("id of the ") + what)->required();
    action(*command, [&id, set, method](Client& client, const Output& output) {
      Request request;
      set(request, id);
      return client.call(client.core(), method, request, output);
    });
  }

  void create_entry(CLI::App& group) {
    struct Options : KeyOptions {
      std::string account, request_id, reason;
    };
    auto& options = kept<Options>();
    CLI::App* command = group.add_subcommand("create", "register a key; without a key a random one (EVP)");
    options.add_to(*command, false);
    command->add_option("--account", options.account, "id of the account")->required();
    command->add_option("--request-id", options.request_id, "UUID of version 4 that makes repeating harmless");
    command->add_option("--reason", options.reason, "USER_REQUESTED (default) or RECONCILIATION")
        ->check(CLI::IsMember(reasons));
    action(*command, [&options](Client& client, const Output& output) {
      core::CreateKeyRequest request;
      request.set_key_type(options.key.empty() ? common::KEY_TYPE_EVP : key_type_of(options.type, options.key));
      request.set_key_value(options.key);
      request.set_account_id(options.account);
      request.set_request_id(options.request_id);
      request.set_reason(reason_of(options.reason));
      return client.call(client.core(), &Core::CreateKey, request, output);
    });
  }

  void get_entry(CLI::App& group) {
    auto& options = kept<KeyOptions>();
    CLI::App* command = group.add_subcommand("get", "show an entry by its id or its key");
    options.add_to(*command, true);
    action(*command, [&options](Client& client, const Output& output) {
      core::GetKeyRequest request;
      const bool is_id = options.type.empty() && is_entry_id(options.key);
      if (is_id) {
        request.set_key_id(options.key);
      } else {
        set_key(*request.mutable_key(), options.type, options.key);
      }
      return client.call(client.core(), &Core::GetKey, request, output);
    });
  }
  // An entry's id is a UUID of version 7, an EVP is one of version 4.
  static bool is_entry_id(const std::string& text) {
    const auto uuid = Uuid::parse(text);
    return uuid && uuid->version() == 7;
  }

  void list_entries(CLI::App& group) {
    struct Options : PageOptions {
      std::string type, status, account;
    };
    auto& options = kept<Options>();
    CLI::App* command = group.add_subcommand("list", "entries, oldest first");
    options.add_to(*command);
    command->add_option("--type", options.type, "only this type")->check(CLI::IsMember(key_types));
    command->add_option("--status", options.status, "PENDING, ACTIVE, BLOCKED or DELETED")
        ->check(CLI::IsMember(std::vector<std::string>{"PENDING", "ACTIVE", "BLOCKED", "DELETED"}));
    command->add_option("--account", options.account, "only of this account");
    action(*command, [&options](Client& client, const Output& output) {
      core::ListKeysRequest request;
      options.put(request);
      request.set_key_type(enum_of<common::KeyType>("KEY_TYPE_", options.type, common::KeyType_Parse));
      request.set_status(enum_of<common::EntryStatus>("ENTRY_STATUS_", options.status, common::EntryStatus_Parse));
      request.set_account_id(options.account);
      return client.call(client.core(), &Core::ListKeys, request, output);
    });
  }

  void update_entry(CLI::App& group) {
    struct Options {
      std::string id, account, name, trade_name, reason;
    };
    auto& options = kept<Options>();
    CLI::App* command =
        group.add_subcommand("update", "move a key to another account of its owner, or mend the owner's names");
    command->add_option("id", options.id, "id of the entry")->required();
    command->add_option("--account", options.account, "the new account");
    command->add_option("--name", options.name, "the owner's name");
    CLI::Option* trade_name =
        command->add_option("--trade-name", options.trade_name, "the owner's trade name; \"\" removes it");
    command
        ->add_option("--reason", options.reason,
                     "USER_REQUESTED (default), BRANCH_TRANSFER, RECONCILIATION or RFB_VALIDATION")
        ->check(CLI::IsMember(reasons));
    action(*command, [&options, trade_name](Client& client, const Output& output) {
      core::UpdateKeyRequest request;
      request.set_key_id(options.id);
      if (!options.account.empty()) request.set_account_id(options.account);
      if (!options.name.empty()) request.set_account_holder_name(options.name);
      if (trade_name->count() > 0) request.set_trade_name(options.trade_name);
      request.set_reason(reason_of(options.reason));
      return client.call(client.core(), &Core::UpdateKey, request, output);
    });
  }

  void delete_entry(CLI::App& group) {
    struct Options {
      std::string id, reason;
    };
    auto& options = kept<Options>();
    CLI::App* command = group.add_subcommand("delete", "delete a key");
    command->add_option("id", options.id, "id of the entry")->required();
    command
        ->add_option("--reason", options.reason,
                     "USER_REQUESTED (default), ACCOUNT_CLOSURE, RECONCILIATION, FRAUD or RFB_VALIDATION")
        ->check(CLI::IsMember(reasons));
    action(*command, [&options](Client& client, const Output& output) {
      core::DeleteKeyRequest request;
      request.set_key_id(options.id);
      request.set_reason(reason_of(options.reason));
      return client.call(client.core(), &Core::DeleteKey, request, output);
    });
  }

  template <class Request, class Response>
  void block_entry(CLI::App& group, const char* name, const char* help,
                   grpc::Status (Core::*method)(grpc::ClientContext*, const Request&, Response*)) {
    struct Options {
      std::string id, order;
    };
    auto& options = kept<Options>();
    CLI::App* command = group.add_subcommand(name, help);
    command->add_option("id", options.id, "id of the entry")->required();
    command->add_option("--order", options.order, "what names the court order; stands in the audit")->required();
    action(*command, [&options, method](Client& client, const Output& output) {
      Request request;
      request.set_key_id(options.id);
      request.set_order(options.order);
      return client.call(client.core(), method, request, output);
    });
  }

  void create_account(CLI::App& group) {
    struct Options {
      std::string ispb, branch, number, type = "CACC", opened, holder_type, tax_id, name, trade_name;
    };
    auto& options = kept<Options>();
    CLI::App* command = group.add_subcommand("create", "make an account known");
    command->add_option("--branch", options.branch, "1-4 digits");
    command->add_option("--number", options.number, "with the check digit at the end")->required();
    command->add_option("--type", options.type, "CACC, SVGS, TRAN or SLRY")
        ->check(CLI::IsMember(std::vector<std::string>{"CACC", "SVGS", "TRAN", "SLRY"}));
    command->add_option("--opened", options.opened, "RFC 3339; now where left out");
    command->add_option("--tax-id", options.tax_id, "CPF or CNPJ of the holder")->required();
    command->add_option("--name", options.name, "of the holder")->required();
    command->add_option("--trade-name", options.trade_name, "of a legal person");
    Session& session = session_;
    action(*command, [&options, &session](Client& client, const Output& output) {
      core::CreateAccountRequest request;
      common::Account& account = *request.mutable_account();
      account.set_ispb(session.ispb);
      account.set_branch_code(options.branch);
      account.set_account_number(options.number);
      account.set_account_type(options.type == "CACC"   ? common::ACCOUNT_TYPE_CHECKING
                               : options.type == "SVGS" ? common::ACCOUNT_TYPE_SAVINGS
                               : options.type == "SLRY" ? common::ACCOUNT_TYPE_SALARY
                                                        : common::ACCOUNT_TYPE_PAYMENT);
      account.set_account_holder_document(options.tax_id);
      account.set_document_type(options.tax_id.size() == 11 ? common::DOCUMENT_TYPE_CPF : common::DOCUMENT_TYPE_CNPJ);
      account.set_account_holder_name(options.name);
      account.set_trade_name(options.trade_name);
      const std::string opened = options.opened.empty() ? to_rfc3339(SystemClock{}.now()) : options.opened;
      if (const auto fault = set_time(opened, "--opened", *account.mutable_opened_at()))
        return Client::failed(*fault, output);
      return client.call(client.core(), &Core::CreateAccount, request, output);
    });
  }

  void list_accounts(CLI::App& group) {
    struct Options : PageOptions {
      std::string holder;
    };
    auto& options = kept<Options>();
    CLI::App* command = group.add_subcommand("list", "accounts, oldest first");
    options.add_to(*command);
    command->add_option("--holder", options.holder, "CPF or CNPJ of the holder");
    action(*command, [&options](Client& client, const Output& output) {
      core::ListAccountsRequest request;
      options.put(request);
      request.set_holder_document(options.holder);
      return client.call(client.core(), &Core::ListAccounts, request, output);
    });
  }

  void verify_account(CLI::App& group) {
    struct Options {
      std::string id, tax_id;
    };
    auto& options = kept<Options>();
    CLI::App* command = group.add_subcommand("verify", "does the account exist, and is it held by this person?");
    command->add_option("id", options.id, "id of the account")->required();
    command->add_option("--tax-id", options.tax_id, "CPF or CNPJ of the supposed holder")->required();
    action(*command, [&options](Client& client, const Output& output) {
      core::VerifyAccountRequest request;
      request.set_account_id(options.id);
      request.set_holder_document(options.tax_id);
      return client.call(client.core(), &Core::VerifyAccount, request, output);
    });
  }

  void start_claim(CLI::App& group) {
    struct Options : KeyOptions {
      std::string account, kind;
    };
    auto& options = kept<Options>();
    CLI::App* command = group.add_subcommand("start", "claim a key for one of our accounts");
    options.add_to(*command, true);
    command->add_option("--account", options.account, "the account that shall get the key")->required();
    command->add_option("--kind", options.kind, "PORTABILITY or OWNERSHIP; told from the owners where left out")
        ->check(CLI::IsMember(std::vector<std::string>{"PORTABILITY", "OWNERSHIP"}));
    action(*command, [&options](Client& client, const Output& output) {
      core::StartClaimRequest request;
      set_key(*request.mutable_key(), options.type, options.key);
      request.set_account_id(options.account);
      request.set_type(enum_of<common::ClaimType>("CLAIM_TYPE_", options.kind, common::ClaimType_Parse));
      return client.call(client.core(), &Core::StartClaim, request, output);
    });
  }

  void list_claims(CLI::App& group) {
    struct Options : PageOptions {
      std::string status;
      bool outgoing = false;
    };
    auto& options = kept<Options>();
    CLI::App* command =
        group.add_subcommand("list", "claims on our keys (incoming), or ours on keys of others (--outgoing)");
    options.add_to(*command);
    command->add_flag("--outgoing", options.outgoing, "those that we have made");
    command->add_option("--status", options.status, "only these")
        ->check(CLI::IsMember(
            std::vector<std::string>{"OPEN", "WAITING_RESOLUTION", "CONFIRMED", "CANCELLED", "COMPLETED"}));
    action(*command, [&options](Client& client, const Output& output) {
      const auto status = enum_of<common::ClaimStatus>("CLAIM_STATUS_", options.status, common::ClaimStatus_Parse);
      if (options.outgoing) {
        core::ListOutgoingClaimsRequest request;
        options.put(request);
        request.set_status(status);
        return client.call(client.core(), &Core::ListOutgoingClaims, request, output);
      }
      core::ListIncomingClaimsRequest request;
      options.put(request);
      request.set_status(status);
      return client.call(client.core(), &Core::ListIncomingClaims, request, output);
    });
  }

  void respond_to_claim(CLI::App& group, const char* name, const char* help,
                        core::RespondToClaimRequest::ClaimResponse response) {
    struct Options {
      std::string id, reason = "USER_REQUESTED";
    };
    auto& options = kept<Options>();
    CLI::App* command = group.add_subcommand(name, help);
    command->add_option("id", options.id, "id of the claim")->required();
    command->add_option("--reason", options.reason, "an official reason (USER_REQUESTED)")
        ->check(CLI::IsMember(reasons));
    action(*command, [&options, response](Client& client, const Output& output) {
      core::RespondToClaimRequest request;
      request.set_claim_id(options.id);
      request.set_response(response);
      request.set_official_reason(reason_of(options.reason));
      return client.call(client.core(), &Core::RespondToClaim, request, output);
    });
  }

  void cancel_claim(CLI::App& group) {
    struct Options {
      std::string id, role, reason = "USER_REQUESTED";
    };
    auto& options = kept<Options>();
    CLI::App* command = group.add_subcommand("cancel", "cancel a claim");
    command->add_option("id", options.id, "id of the claim")->required();
    command->add_option("--role", options.role, "DONOR or CLAIMER; needed where both sides are served here")
        ->check(CLI::IsMember(std::vector<std::string>{"DONOR", "CLAIMER"}));
    command->add_option("--reason", options.reason, "an official reason (USER_REQUESTED)")
        ->check(CLI::IsMember(reasons));
    action(*command, [&options](Client& client, const Output& output) {
      core::CancelClaimRequest request;
      request.set_claim_id(options.id);
      request.set_role(enum_of<common::ClaimRole>("CLAIM_ROLE_", options.role, common::ClaimRole_Parse));
      request.set_official_reason(reason_of(options.reason));
      return client.call(client.core(), &Core::CancelClaim, request, output);
    });
  }

  void complete_claim(CLI::App& group) {
    struct Options {
      std::string id, request_id;
    };
    auto& options = kept<Options>();
    CLI::App* command = group.add_subcommand("complete", "as claimer: take the key over");
    command->add_option("id", options.id, "id of the claim")->required();
    command->add_option("--request-id", options.request_id, "UUID of version 4 that makes repeating harmless");
    action(*command, [&options](Client& client, const Output& output) {
      core::CompleteClaimRequest request;
      request.set_claim_id(options.id);
      request.set_request_id(options.request_id);
      return client.call(client.core(), &Core::CompleteClaim, request, output);
    });
  }

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
    action(*command, [&options, sample](Client& client, const Output& output) {
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
    action(*command, [&options](Client& client, const Output& output) {
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

void add_remote_commands(CLI::App& root, Session& session) {
  Builder builder(root, session);
  builder.lookup();
  builder.entries();
  builder.accounts();
  builder.claims();
  builder.transfer();
  builder.audit(command_group(root, "audit", "the trail of changes and look-ups"));
  builder.administration();
}

}  // namespace chaveiro::app
