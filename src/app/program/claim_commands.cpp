// claims: the command line's side of portability and ownership.
#include "app/program/commands.h"

namespace chaveiro::app {
namespace {

namespace core = dict::core::v1;
namespace common = dict::common::v1;
using Core = core::CoreDictService::Stub;

class Builder {
 public:
  Builder(CLI::App& root, Session& session) : root_(root), session_(session) {}

  void claims() {
    CLI::App* group = root_.add_subcommand(
        "claims", "portability and ownership claims: start, get, list, acknowledge, confirm, reject, cancel, complete");
    group->require_subcommand(1);
    start_claim(*group);
    by_id<core::GetClaimStatusRequest>(
        session_, *group, "get", "show a claim", "claim",
        [](core::GetClaimStatusRequest& request, const std::string& id) { request.set_claim_id(id); },
        &Core::GetClaimStatus);
    list_claims(*group);
    by_id<core::AcknowledgeClaimRequest>(
        session_, *group, "acknowledge", "as donor: say that the claim was seen", "claim",
        [](core::AcknowledgeClaimRequest& request, const std::string& id) { request.set_claim_id(id); },
        &Core::AcknowledgeClaim);
    respond_to_claim(*group, "confirm", "as donor: give the key away",
                     core::RespondToClaimRequest::CLAIM_RESPONSE_ACCEPT);
    respond_to_claim(*group, "reject", "as donor: keep the key", core::RespondToClaimRequest::CLAIM_RESPONSE_REJECT);
    cancel_claim(*group);
    complete_claim(*group);
  }

 private:
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
    action(session_, *command, [&options](Client& client, const Output& output) {
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
    action(session_, *command, [&options](Client& client, const Output& output) {
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
    action(session_, *command, [&options, response](Client& client, const Output& output) {
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
    action(session_, *command, [&options](Client& client, const Output& output) {
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
    action(session_, *command, [&options](Client& client, const Output& output) {
      core::CompleteClaimRequest request;
      request.set_claim_id(options.id);
      request.set_request_id(options.request_id);
      return client.call(client.core(), &Core::CompleteClaim, request, output);
    });
  }

  CLI::App& root_;
  Session& session_;
};

}  // namespace

void add_claim_commands(CLI::App& root, Session& session) {
  Builder builder(root, session);
  builder.claims();
}

}  // namespace chaveiro::app
