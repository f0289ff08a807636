// lookup, entries (keys), accounts, import, export: the command line's side of the directory.
#include "app/program/commands.h"
#include "app/program/transfer.h"
#include "base/clock.h"
#include "base/uuid.h"

namespace chaveiro::app {
namespace {

namespace core = dict::core::v1;
namespace common = dict::common::v1;
using Core = core::CoreDictService::Stub;

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
        session_, *group, "get", "show an account", "account",
        [](core::GetAccountRequest& request, const std::string& id) { request.set_account_id(id); }, &Core::GetAccount);
    list_accounts(*group);
    by_id<core::CloseAccountRequest>(
        session_, *group, "close", "close an account that has no keys", "account",
        [](core::CloseAccountRequest& request, const std::string& id) { request.set_account_id(id); },
        &Core::CloseAccount);
    verify_account(*group);
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
    action(session_, *command, [&options](Client& client, const Output& output) {
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
    action(session_, *in,
           [&import](Client& client, const Output& output) { return run_import(client, import, output); });

    auto& export_ = kept<ExportCommand>();
    CLI::App* out = root_.add_subcommand("export", "write all entries and accounts as import would read them");
    out->add_option("file", export_.file, "the file, which must not exist; none or - is standard output");
    out->add_option("--format", export_.format, "ndjson or csv");
    action(session_, *out,
           [&export_](Client& client, const Output& output) { return run_export(client, export_, output); });
  }

 private:
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
    action(session_, *command, [&options](Client& client, const Output& output) {
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
    action(session_, *command, [&options](Client& client, const Output& output) {
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
    action(session_, *command, [&options](Client& client, const Output& output) {
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
    action(session_, *command, [&options, trade_name](Client& client, const Output& output) {
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
    action(session_, *command, [&options](Client& client, const Output& output) {
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
    action(session_, *command, [&options, method](Client& client, const Output& output) {
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
    action(session_, *command, [&options, &session](Client& client, const Output& output) {
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
    action(session_, *command, [&options](Client& client, const Output& output) {
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
    action(session_, *command, [&options](Client& client, const Output& output) {
      core::VerifyAccountRequest request;
      request.set_account_id(options.id);
      request.set_holder_document(options.tax_id);
      return client.call(client.core(), &Core::VerifyAccount, request, output);
    });
  }

  CLI::App& root_;
  Session& session_;
};

}  // namespace

void add_entry_commands(CLI::App& root, Session& session) {
  Builder builder(root, session);
  builder.lookup();
  builder.entries();
  builder.accounts();
  builder.transfer();
}

}  // namespace chaveiro::app
