// Every rpc of CoreDictService as a client sees it.
#include <set>

#include "tests/integration/grpc_edge.h"

namespace chaveiro {
namespace {

using namespace std::chrono_literals;
using directory::Role;
using Stub = core::CoreDictService::Stub;
using ::grpc::StatusCode;

#define ASSERT_ANSWERED(status_expression)                                                         \
  do {                                                                                             \
    const ::grpc::Status answered = (status_expression);                                           \
    ASSERT_TRUE(answered.ok()) << refusal_of(answered).reason << ": " << answered.error_message(); \
  } while (false)

struct GrpcCore : GrpcEdge {
  core::GetKeyResponse get(const std::string& id) {
    core::GetKeyRequest request;
    request.set_key_id(id);
    core::GetKeyResponse response;
    EXPECT_TRUE(call(&Stub::GetKey, request, response).ok());
    return response;
  }
  ::grpc::Status look_up(common::KeyType type, const std::string& value, core::LookupKeyResponse& response) {
    core::LookupKeyRequest request;
    request.mutable_key()->set_key_type(type);
    request.mutable_key()->set_key_value(value);
    return call(&Stub::LookupKey, request, response);
  }
  core::StartClaimResponse claim(common::KeyType type, const std::string& value, const std::string& account) {
    core::StartClaimRequest request;
    request.mutable_key()->set_key_type(type);
    request.mutable_key()->set_key_value(value);
    request.set_account_id(account);
    core::StartClaimResponse response;
    const auto status = call(&Stub::StartClaim, request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  void as_bank(const std::string& ispb) { as(token({Role::operator_}, ispb)); }
};

TEST_F(GrpcCore, a_key_is_created_read_listed_changed_and_deleted) {
  const std::string account = make_account(cpf_1, "1");
  core::CreateKeyRequest create;
  create.set_key_type(common::KEY_TYPE_CPF);
  create.set_key_value("123.456.789-09");
  create.set_account_id(account);
  create.set_request_id("7f1d9c1e-5b0a-4f3e-9c55-0d6d3c1f2a11");
  core::CreateKeyResponse created;
  ASSERT_ANSWERED(call(&Stub::CreateKey, create, created));
  EXPECT_EQ(created.key().key_value(), cpf_1);
  EXPECT_EQ(created.status(), common::ENTRY_STATUS_ACTIVE);
  EXPECT_EQ(created.request_id(), create.request_id());

  core::CreateKeyResponse again;
  ASSERT_ANSWERED(call(&Stub::CreateKey, create, again));
  EXPECT_EQ(again.key_id(), created.key_id());

  const auto read = get(created.key_id());
  EXPECT_EQ(read.account().account_id(), account);
  EXPECT_EQ(read.account().account_type(), common::ACCOUNT_TYPE_PAYMENT);
  EXPECT_EQ(read.account().account_holder_document(), cpf_1);
  EXPECT_EQ(read.account().document_type(), common::DOCUMENT_TYPE_CPF);
  core::GetKeyRequest by_key;
  by_key.mutable_key()->set_key_type(common::KEY_TYPE_CPF);
  by_key.mutable_key()->set_key_value(cpf_1);
  core::GetKeyResponse same;
  ASSERT_ANSWERED(call(&Stub::GetKey, by_key, same));
  EXPECT_EQ(same.key_id(), created.key_id());

  core::UpdateKeyRequest update;
  update.set_key_id(created.key_id());
  update.set_account_holder_name("João Maria da Silva");
  core::UpdateKeyResponse updated;
  ASSERT_ANSWERED(call(&Stub::UpdateKey, update, updated));
  EXPECT_EQ(updated.key().account().account_holder_name(), "João Maria da Silva");

  core::ListKeysResponse list;
  ASSERT_ANSWERED(call(&Stub::ListKeys, core::ListKeysRequest(), list));
  ASSERT_EQ(list.keys_size(), 1);
  EXPECT_EQ(list.keys(0).account_id(), account);
  EXPECT_EQ(list.total_count(), 1);

  core::DeleteKeyRequest remove;
  remove.set_key_id(created.key_id());
  core::DeleteKeyResponse removed;
  ASSERT_ANSWERED(call(&Stub::DeleteKey, remove, removed));
  EXPECT_TRUE(removed.deleted());
  EXPECT_EQ(refusal_of(call(&Stub::DeleteKey, remove, removed)).code, StatusCode::NOT_FOUND);
}

TEST_F(GrpcCore, an_evp_is_made_by_the_registry_and_must_not_be_sent) {
  core::CreateKeyRequest create;
  create.set_key_type(common::KEY_TYPE_EVP);
  create.set_account_id(make_account(cpf_1, "1"));
  core::CreateKeyResponse created;
  ASSERT_ANSWERED(call(&Stub::CreateKey, create, created));
  EXPECT_EQ(created.key().key_value().size(), 36u);
  create.set_key_value(created.key().key_value());
  const Refusal refused = refusal_of(call(&Stub::CreateKey, create, created));
  EXPECT_EQ(refused.reason, "EntryInvalid");
  EXPECT_EQ(refused.fields, std::vector<std::string>{"key_value"});
}

TEST_F(GrpcCore, x_request_id_stands_in_for_a_missing_request_id) {
  core::CreateKeyRequest create;
  create.set_key_type(common::KEY_TYPE_CPF);
  create.set_key_value(cpf_1);
  create.set_account_id(make_account(cpf_1, "1"));
  core::CreateKeyResponse first_answer, second_answer;
  with("x-request-id", "7f1d9c1e-5b0a-4f3e-9c55-0d6d3c1f2a11");
  ASSERT_ANSWERED(call(&Stub::CreateKey, create, first_answer));
  with("x-request-id", "7f1d9c1e-5b0a-4f3e-9c55-0d6d3c1f2a11");
  ASSERT_ANSWERED(call(&Stub::CreateKey, create, second_answer));
  EXPECT_EQ(first_answer.key_id(), second_answer.key_id());
  // Without any, each call is one of its own, as v1's clients know it.
  const Refusal refused = refusal_of(call(&Stub::CreateKey, create, second_answer));
  EXPECT_EQ(refused.reason, "EntryAlreadyExists");
}

TEST_F(GrpcCore, pages_follow_one_another_and_end) {
  const std::string account = make_account(cpf_1, "1");
  for (int i = 0; i < 5; ++i) {
    core::CreateKeyRequest create;
    create.set_key_type(common::KEY_TYPE_EVP);
    create.set_account_id(account);
    core::CreateKeyResponse created;
    ASSERT_ANSWERED(call(&Stub::CreateKey, create, created));
    clock.advance(1s);
  }
  core::ListKeysRequest list;
  list.set_page_size(2);
  std::vector<std::string> seen;
  int pages = 0;
  do {
    core::ListKeysResponse page;
    ASSERT_ANSWERED(call(&Stub::ListKeys, list, page));
    EXPECT_EQ(page.total_count(), 5);
    for (const auto& key : page.keys()) seen.push_back(key.key_id());
    list.set_page_token(page.next_page_token());
    ++pages;
  } while (!list.page_token().empty());
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 5u);

  core::ListKeysResponse page;
  list.set_page_token("forged");
  EXPECT_EQ(refusal_of(call(&Stub::ListKeys, list, page)).reason, "PageTokenInvalid");
  list.set_page_size(100'000);
  EXPECT_EQ(refusal_of(call(&Stub::ListKeys, list, page)).fields, std::vector<std::string>{"page_size"});
}

TEST_F(GrpcCore, a_blocked_key_is_neither_looked_up_nor_deleted_until_it_is_unblocked) {
  const std::string id = make_key(common::KEY_TYPE_CPF, cpf_1);
  core::BlockKeyRequest block;
  block.set_key_id(id);
  block.set_order("court 7, 2026/13");
  core::BlockKeyResponse blocked;
  ASSERT_ANSWERED(call(&Stub::BlockKey, block, blocked));
  EXPECT_EQ(blocked.key().status(), common::ENTRY_STATUS_BLOCKED);
  core::LookupKeyResponse found;
  EXPECT_EQ(refusal_of(look_up(common::KEY_TYPE_CPF, cpf_1, found)).reason, "EntryBlocked");
  core::DeleteKeyRequest remove;
  remove.set_key_id(id);
  core::DeleteKeyResponse removed;
  const Refusal refused = refusal_of(call(&Stub::DeleteKey, remove, removed));
  EXPECT_EQ(refused.reason, "EntryBlocked");
  EXPECT_EQ(refused.code, StatusCode::FAILED_PRECONDITION);
  ASSERT_TRUE(refused.resource);
  EXPECT_EQ(refused.resource->resource_type(), "entry");
  EXPECT_EQ(refused.resource->resource_name(), id);
  core::UnblockKeyRequest unblock;
  unblock.set_key_id(id);
  unblock.set_order("court 7, 2026/14");
  core::UnblockKeyResponse unblocked;
  ASSERT_ANSWERED(call(&Stub::UnblockKey, unblock, unblocked));
  EXPECT_EQ(unblocked.key().status(), common::ENTRY_STATUS_ACTIVE);
}

TEST_F(GrpcCore, a_look_up_is_answered_from_the_store_first_and_from_memory_then) {
  make_key(common::KEY_TYPE_CPF, cpf_1);
  core::LookupKeyResponse found;
  ASSERT_ANSWERED(look_up(common::KEY_TYPE_CPF, cpf_1, found));
  EXPECT_EQ(found.source(), core::LOOKUP_SOURCE_STORE);
  EXPECT_EQ(found.account_holder_name(), "João da Silva");
  EXPECT_EQ(found.account().account_number(), "1234567");
  EXPECT_FALSE(found.masked());
  ASSERT_ANSWERED(look_up(common::KEY_TYPE_CPF, cpf_1, found));
  EXPECT_EQ(found.source(), core::LOOKUP_SOURCE_MEMORY);
  EXPECT_EQ(lookup_records.records.lock()->size(), 2u);
}

TEST_F(GrpcCore, a_user_sees_of_a_payee_what_people_may_see) {
  make_key(common::KEY_TYPE_CPF, cpf_1);
  as(token({Role::user}));
  core::LookupKeyResponse found;
  ASSERT_ANSWERED(look_up(common::KEY_TYPE_CPF, cpf_1, found));
  EXPECT_TRUE(found.masked());
  EXPECT_EQ(found.account().account_holder_document(), "***.456.789-**");
  EXPECT_EQ(found.account().account_number(), "");
  EXPECT_EQ(found.account().account_id(), "");
  EXPECT_FALSE(found.has_created_at());
}

TEST_F(GrpcCore, a_foreign_key_needs_payer_and_end_to_end_id_as_field_or_metadata) {
  core::LookupKeyResponse found;
  const Refusal refused = refusal_of(look_up(common::KEY_TYPE_CPF, cpf_2, found));
  EXPECT_EQ(refused.code, StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(refused.fields, (std::vector<std::string>{"PI-PayerId", "PI-EndToEndId"}));
  with("pi-payer-id", cpf_1);
  with("pi-end-to-end-id", "E1111111120260101000012345678901");
  EXPECT_EQ(refusal_of(look_up(common::KEY_TYPE_CPF, cpf_2, found)).reason, "NotFound");
  core::LookupKeyRequest request;
  request.mutable_key()->set_key_type(common::KEY_TYPE_CPF);
  request.mutable_key()->set_key_value(cpf_2);
  request.set_payer_id(cpf_1);
  request.set_end_to_end_id("E1111111120260101000012345678901");
  EXPECT_EQ(refusal_of(call(&Stub::LookupKey, request, found)).reason, "NotFound");
  request.set_payer_id("12345678901");
  EXPECT_EQ(refusal_of(call(&Stub::LookupKey, request, found)).fields, std::vector<std::string>{"payer_id"});
}

TEST_F(GrpcCore, many_look_ups_in_one_call_have_each_an_answer_in_order) {
  make_key(common::KEY_TYPE_CPF, cpf_1);
  core::LookupKeysRequest request;
  core::LookupKeysResponse response;
  EXPECT_EQ(refusal_of(call(&Stub::LookupKeys, request, response)).fields, std::vector<std::string>{"lookups"});
  for (const auto& value : {cpf_1, std::string("nonsense"), cpf_2}) {
    auto& lookup = *request.add_lookups();
    lookup.mutable_key()->set_key_type(common::KEY_TYPE_CPF);
    lookup.mutable_key()->set_key_value(value);
    lookup.set_payer_id(cpf_1);
    lookup.set_end_to_end_id("E1111111120260101000012345678901");
  }
  ASSERT_ANSWERED(call(&Stub::LookupKeys, request, response));
  ASSERT_EQ(response.answers_size(), 3);
  EXPECT_EQ(response.answers(0).found().key().key_value(), cpf_1);
  EXPECT_EQ(response.answers(1).error().code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(response.answers(2).error().code(), StatusCode::NOT_FOUND);
  for (int i = 0; i < 98; ++i) *request.add_lookups() = request.lookups(0);
  EXPECT_EQ(refusal_of(call(&Stub::LookupKeys, request, response)).fields, std::vector<std::string>{"lookups"});
}

TEST_F(GrpcCore, a_portability_claim_runs_from_start_to_completion) {
  const std::string donor_key = make_key(common::KEY_TYPE_CPF, cpf_1, cpf_1, bank_b);
  const std::string account = make_account(cpf_1, "777");
  const auto started = claim(common::KEY_TYPE_CPF, cpf_1, account);
  EXPECT_EQ(started.status(), common::CLAIM_STATUS_OPEN);
  EXPECT_EQ(started.claim().type(), common::CLAIM_TYPE_PORTABILITY);
  EXPECT_EQ(started.entry_id(), donor_key);

  core::ListOutgoingClaimsResponse outgoing;
  ASSERT_ANSWERED(call(&Stub::ListOutgoingClaims, core::ListOutgoingClaimsRequest(), outgoing));
  ASSERT_EQ(outgoing.claims_size(), 1);
  EXPECT_EQ(outgoing.claims(0).days_remaining(), 7);
  EXPECT_EQ(outgoing.claims(0).claim().claimer_account().account_id(), account);

  as_bank(bank_b);
  EXPECT_EQ(get(donor_key).status(), common::ENTRY_STATUS_PORTABILITY_PENDING);
  core::ListIncomingClaimsResponse incoming;
  ASSERT_ANSWERED(call(&Stub::ListIncomingClaims, core::ListIncomingClaimsRequest(), incoming));
  ASSERT_EQ(incoming.claims_size(), 1);
  EXPECT_FALSE(incoming.claims(0).claim().has_claimer_account()) << "the donor need not know the new account";
  core::RespondToClaimRequest respond;
  respond.set_claim_id(started.claim_id());
  core::RespondToClaimResponse responded;
  EXPECT_EQ(refusal_of(call(&Stub::RespondToClaim, respond, responded)).fields, std::vector<std::string>{"response"});
  respond.set_response(core::RespondToClaimRequest::CLAIM_RESPONSE_ACCEPT);
  respond.set_reason("the customer agreed on the phone");
  ASSERT_ANSWERED(call(&Stub::RespondToClaim, respond, responded));
  EXPECT_EQ(responded.new_status(), common::CLAIM_STATUS_CONFIRMED);
  EXPECT_EQ(responded.claim().confirm_reason(), common::REASON_USER_REQUESTED);

  as_bank(bank_a);
  core::CompleteClaimRequest complete;
  complete.set_claim_id(started.claim_id());
  core::CompleteClaimResponse completed;
  ASSERT_ANSWERED(call(&Stub::CompleteClaim, complete, completed));
  EXPECT_EQ(completed.claim().status(), common::CLAIM_STATUS_COMPLETED);
  EXPECT_EQ(get(completed.key_id()).account().account_id(), account);
  core::GetClaimStatusRequest ask;
  ask.set_claim_id(started.claim_id());
  core::GetClaimStatusResponse told;
  ASSERT_ANSWERED(call(&Stub::GetClaimStatus, ask, told));
  EXPECT_EQ(told.claimer_ispb(), bank_a);
  EXPECT_EQ(told.owner_ispb(), bank_b);
  EXPECT_EQ(told.days_remaining(), 0);
  EXPECT_TRUE(told.has_completed_at());
}

TEST_F(GrpcCore, rejecting_an_ownership_claim_is_a_cancel_with_fraud_as_the_regulator_asks) {
  make_key(common::KEY_TYPE_PHONE, "+5511987654321", cpf_1, bank_b);
  const auto started = claim(common::KEY_TYPE_PHONE, "+55 11 98765-4321", make_account(cpf_2, "777"));
  EXPECT_EQ(started.claim().type(), common::CLAIM_TYPE_OWNERSHIP);
  as_bank(bank_b);
  core::AcknowledgeClaimRequest acknowledge;
  acknowledge.set_claim_id(started.claim_id());
  core::AcknowledgeClaimResponse acknowledged;
  ASSERT_ANSWERED(call(&Stub::AcknowledgeClaim, acknowledge, acknowledged));
  EXPECT_EQ(acknowledged.claim().status(), common::CLAIM_STATUS_WAITING_RESOLUTION);
  core::RespondToClaimRequest respond;
  respond.set_claim_id(started.claim_id());
  respond.set_response(core::RespondToClaimRequest::CLAIM_RESPONSE_REJECT);
  core::RespondToClaimResponse responded;
  ASSERT_ANSWERED(call(&Stub::RespondToClaim, respond, responded));
  EXPECT_EQ(responded.new_status(), common::CLAIM_STATUS_CANCELLED);
  EXPECT_EQ(responded.claim().cancel_reason(), common::REASON_FRAUD);
  EXPECT_EQ(responded.claim().cancelled_by(), common::CLAIM_ROLE_DONOR);
}

TEST_F(GrpcCore, the_claimer_cancels_with_v1s_free_text_or_an_official_reason) {
  make_key(common::KEY_TYPE_CPF, cpf_1, cpf_1, bank_b);
  const std::string account = make_account(cpf_1, "777");
  for (const auto& [text, reason] :
       {std::pair{"changed his mind", common::REASON_USER_REQUESTED}, std::pair{"FRAUD", common::REASON_FRAUD}}) {
    const auto started = claim(common::KEY_TYPE_CPF, cpf_1, account);
    core::CancelClaimRequest cancel;
    cancel.set_claim_id(started.claim_id());
    cancel.set_reason(text);
    cancel.set_role(common::CLAIM_ROLE_CLAIMER);
    core::CancelClaimResponse response;
    ASSERT_ANSWERED(call(&Stub::CancelClaim, cancel, response));
    EXPECT_EQ(response.status(), common::CLAIM_STATUS_CANCELLED);
    EXPECT_EQ(response.claim().cancel_reason(), reason);
    EXPECT_TRUE(response.has_cancelled_at());
  }
  core::ListOutgoingClaimsRequest expired;  // v1's word for a state that is CANCELLED here
  expired.set_status(common::CLAIM_STATUS_EXPIRED);
  core::ListOutgoingClaimsResponse list;
  ASSERT_ANSWERED(call(&Stub::ListOutgoingClaims, expired, list));
  EXPECT_EQ(list.claims_size(), 2);
}

TEST_F(GrpcCore, portability_inside_a_participant_is_started_confirmed_and_repeatable) {
  const std::string id = make_key(common::KEY_TYPE_CPF, cpf_1);
  const std::string account = make_account(cpf_1, "777");
  core::StartPortabilityRequest start_request;
  start_request.set_key_id(id);
  start_request.set_new_account_id(account);
  core::StartPortabilityResponse started;
  ASSERT_ANSWERED(call(&Stub::StartPortability, start_request, started));
  EXPECT_EQ(started.new_account().account_id(), account);
  EXPECT_NE(get(id).account().account_id(), account);

  core::ConfirmPortabilityRequest confirm;
  core::ConfirmPortabilityResponse confirmed;
  confirm.set_portability_id(started.portability_id() + "A");
  EXPECT_EQ(refusal_of(call(&Stub::ConfirmPortability, confirm, confirmed)).fields,
            std::vector<std::string>{"portability_id"});
  confirm.set_portability_id(started.portability_id());
  for (int twice = 0; twice < 2; ++twice) {
    ASSERT_ANSWERED(call(&Stub::ConfirmPortability, confirm, confirmed));
    EXPECT_EQ(confirmed.key_id(), id);
    EXPECT_EQ(confirmed.status(), common::ENTRY_STATUS_ACTIVE);
  }
  EXPECT_EQ(get(id).account().account_id(), account);
  core::CancelPortabilityRequest cancel;
  cancel.set_portability_id(started.portability_id());
  core::CancelPortabilityResponse response;
  EXPECT_EQ(refusal_of(call(&Stub::CancelPortability, cancel, response)).reason, "PortabilityStale");
}

TEST_F(GrpcCore, a_cancelled_portability_cannot_be_confirmed) {
  const std::string id = make_key(common::KEY_TYPE_CPF, cpf_1);
  core::StartPortabilityRequest start_request;
  start_request.set_key_id(id);
  start_request.set_new_account_id(make_account(cpf_1, "777"));
  core::StartPortabilityResponse started;
  ASSERT_ANSWERED(call(&Stub::StartPortability, start_request, started));
  core::CancelPortabilityRequest cancel;
  cancel.set_portability_id(started.portability_id());
  core::CancelPortabilityResponse cancelled_answer;
  for (int twice = 0; twice < 2; ++twice) ASSERT_ANSWERED(call(&Stub::CancelPortability, cancel, cancelled_answer));
  core::ConfirmPortabilityRequest confirm;
  confirm.set_portability_id(started.portability_id());
  core::ConfirmPortabilityResponse confirmed;
  EXPECT_EQ(refusal_of(call(&Stub::ConfirmPortability, confirm, confirmed)).reason, "PortabilityStale");
  // Another process on the same store knows it, too: it is the entry that has changed, and the audit says by whom.
  api::Portabilities elsewhere(directory, installation, clock);
  const directory::Context context{.caller = {"joana", first, {directory::Role::operator_}, {}}, .correlation_id = "c"};
  EXPECT_EQ(elsewhere.confirm(context, started.portability_id()).error().reason, "PortabilityStale");
  const auto records = store.audit_after(0, 100, Deadline::in(std::chrono::seconds(5))).value();
  EXPECT_EQ(records.back().operation, "cancel_portability");
  EXPECT_EQ(std::count_if(records.begin(), records.end(),
                          [](const auto& record) { return record.operation == "cancel_portability"; }),
            1);
  start_request.set_new_account_id(make_account(cpf_2, "888"));
  EXPECT_EQ(refusal_of(call(&Stub::StartPortability, start_request, started)).reason, "PortabilityInvalid");
}

TEST_F(GrpcCore, an_account_is_made_once_read_listed_verified_and_closed) {
  const std::string id = make_account(cpf_1, "12345");
  EXPECT_EQ(make_account(cpf_1, "12345"), id);
  core::GetAccountRequest get_request;
  get_request.set_account_id(id);
  core::GetAccountResponse account;
  ASSERT_ANSWERED(call(&Stub::GetAccount, get_request, account));
  EXPECT_EQ(account.account().branch_code(), "0001");
  core::ListAccountsRequest list_request;
  list_request.set_holder_document(cpf_1);
  core::ListAccountsResponse list;
  ASSERT_ANSWERED(call(&Stub::ListAccounts, list_request, list));
  EXPECT_EQ(list.accounts_size(), 1);
  list_request.set_holder_document(cpf_2);
  ASSERT_ANSWERED(call(&Stub::ListAccounts, list_request, list));
  EXPECT_EQ(list.accounts_size(), 0);
  core::VerifyAccountRequest verify;
  verify.set_account_id(id);
  verify.set_holder_document(cpf_2);
  core::VerifyAccountResponse verified;
  ASSERT_ANSWERED(call(&Stub::VerifyAccount, verify, verified));
  EXPECT_TRUE(verified.exists() && verified.open() && !verified.holder_matches());
  core::CloseAccountRequest close;
  close.set_account_id(id);
  core::CloseAccountResponse closed;
  ASSERT_ANSWERED(call(&Stub::CloseAccount, close, closed));
  EXPECT_TRUE(closed.account().closed());
}

TEST_F(GrpcCore, the_check_digit_that_v1_sends_apart_belongs_to_the_number) {
  core::CreateAccountRequest request;
  common::Account& account = *request.mutable_account();
  account.set_account_type(common::ACCOUNT_TYPE_CHECKING);
  account.set_account_number("12345");
  account.set_account_check_digit("X");
  account.set_account_holder_name("Ana");
  account.set_account_holder_document(cpf_1);
  account.mutable_opened_at()->set_seconds(1'600'000'000);
  core::CreateAccountResponse response;
  ASSERT_ANSWERED(call(&Stub::CreateAccount, request, response));
  EXPECT_EQ(response.account().account_number(), "123450");
  account.set_document_type(common::DOCUMENT_TYPE_CNPJ);
  account.mutable_opened_at()->set_seconds(99'999'999'999);
  EXPECT_EQ(refusal_of(call(&Stub::CreateAccount, request, response)).fields,
            (std::vector<std::string>{"account.opened_at", "account.document_type"}));
}

TEST_F(GrpcCore, statistics_and_audit_show_what_was_done) {
  const std::string id = make_key(common::KEY_TYPE_CPF, cpf_1);
  as(token({Role::auditor}));
  core::GetStatisticsResponse counted;
  ASSERT_ANSWERED(call(&Stub::GetStatistics, core::GetStatisticsRequest(), counted));
  EXPECT_EQ(counted.accounts(), 1u);
  ASSERT_EQ(counted.entries_size(), 1);
  EXPECT_EQ(counted.entries(0).count(), 1u);
  core::ListAuditEventsRequest request;
  request.set_resource_id(id);
  core::ListAuditEventsResponse events;
  ASSERT_ANSWERED(call(&Stub::ListAuditEvents, request, events));
  ASSERT_EQ(events.events_size(), 1);
  EXPECT_EQ(events.events(0).operation(), "create_entry");
  EXPECT_EQ(events.events(0).actor(), "joana");
  EXPECT_EQ(events.events(0).hash().size(), 64u);
  EXPECT_EQ(events.events(0).content(), core::AuditEvent::CONTENT_MASKED);
  EXPECT_FALSE(events.events(0).has_before());
  EXPECT_EQ(events.events(0).after().find(cpf_1), std::string::npos);
  EXPECT_NE(events.events(0).after().find("***.456.789-**"), std::string::npos);
  as(token({Role::admin}));
  ASSERT_ANSWERED(call(&Stub::ListAuditEvents, request, events));
  EXPECT_EQ(events.events(0).content(), core::AuditEvent::CONTENT_FULL);
  EXPECT_NE(events.events(0).after().find(cpf_1), std::string::npos);
  as(token({Role::auditor}));
  request.set_actor("somebody else");
  ASSERT_ANSWERED(call(&Stub::ListAuditEvents, request, events));
  EXPECT_EQ(events.events_size(), 0);
}

TEST_F(GrpcCore, the_audit_shows_an_erased_person_to_nobody) {
  core::DeleteKeyRequest remove;
  remove.set_key_id(make_key(common::KEY_TYPE_CPF, cpf_1));
  core::DeleteKeyResponse removed;
  ASSERT_ANSWERED(call(&Stub::DeleteKey, remove, removed));
  core::ListAccountsResponse listed;
  ASSERT_ANSWERED(call(&Stub::ListAccounts, core::ListAccountsRequest(), listed));
  core::CloseAccountRequest close;
  close.set_account_id(listed.accounts(0).account_id());
  core::CloseAccountResponse closed;
  ASSERT_ANSWERED(call(&Stub::CloseAccount, close, closed));
  ASSERT_TRUE(store.erase_person(cpf_1, {"admin", "c"}, clock.now(), Deadline::in(std::chrono::seconds(5))));
  as(token({Role::admin}));
  core::ListAuditEventsRequest request;
  request.set_resource_id(remove.key_id());
  core::ListAuditEventsResponse events;
  ASSERT_ANSWERED(call(&Stub::ListAuditEvents, request, events));
  ASSERT_EQ(events.events_size(), 2);
  for (const auto& event : events.events()) {
    EXPECT_EQ(event.content(), core::AuditEvent::CONTENT_ERASED);
    EXPECT_FALSE(event.has_before() || event.has_after());
  }
}

TEST_F(GrpcCore, the_health_check_needs_no_token_and_tells_degraded_from_unhealthy) {
  as("");
  core::HealthCheckResponse told;
  ASSERT_ANSWERED(call(&Stub::HealthCheck, google::protobuf::Empty(), told));
  EXPECT_EQ(told.status(), core::HealthCheckResponse::HEALTH_STATUS_HEALTHY);
  EXPECT_TRUE(told.connect_reachable());
  *health.told.lock() = {true, {{"registry", api::ComponentState::down, "away"}}};
  ASSERT_ANSWERED(call(&Stub::HealthCheck, google::protobuf::Empty(), told));
  EXPECT_EQ(told.status(), core::HealthCheckResponse::HEALTH_STATUS_DEGRADED);
  EXPECT_FALSE(told.connect_reachable());
  *health.told.lock() = {false, {{"store", api::ComponentState::down, "away"}}};
  ASSERT_ANSWERED(call(&Stub::HealthCheck, google::protobuf::Empty(), told));
  EXPECT_EQ(told.status(), core::HealthCheckResponse::HEALTH_STATUS_UNHEALTHY);
}

}  // namespace
}  // namespace chaveiro
