#include <google/protobuf/empty.pb.h>

#include "api/grpc/convert.h"
#include "api/grpc/handlers.h"
#include "api/grpc/paging.h"

namespace chaveiro::api::grpc {
namespace {

using directory::PersonType;

std::optional<directory::AccountId> account_id_from(Handling& it, const std::string& text) {
  it.about("account", text);
  return it.fields.account_id("account_id", text);
}

// CPF or CNPJ say the kind of person; a document type that contradicts the document's length is refused.
PersonType person_type_from(Fields& fields, const common::Account& in, std::string_view tax_id) {
  const bool natural = tax_id.size() == 11;
  const auto said = in.document_type();
  const bool fits = said == common::DOCUMENT_TYPE_UNSPECIFIED ||
                    said == (natural ? common::DOCUMENT_TYPE_CPF : common::DOCUMENT_TYPE_CNPJ);
  if (!fits && !tax_id.empty()) fields.refuse("account.document_type", "does not fit account_holder_document");
  return natural ? PersonType::natural : PersonType::legal;
}

}  // namespace

Result<void> create_account(Handling& it, const core::CreateAccountRequest& in, core::CreateAccountResponse& out) {
  const common::Account& account = in.account();
  Fields& fields = it.fields;
  directory::CreateAccount request;
  request.ispb = fields.may_ispb("account.ispb", account.ispb()).value_or(it.context().caller.ispb);
  if (!account.account_id().empty()) fields.refuse("account.account_id", "is derived and must be absent");
  const auto type = account_type_from(fields, "account.account_type", account.account_type());
  const auto number = fields.text("account.account_number", account.account_number(), 20);
  request.branch = fields.may_text("account.branch_code", account.branch_code(), 4);
  const auto opened_at = account.has_opened_at() ? time_from(fields, "account.opened_at", account.opened_at())
                                                 : (fields.refuse("account.opened_at", "is required"), std::nullopt);
  const auto tax_id = fields.tax_id("account.account_holder_document", account.account_holder_document());
  const auto name = fields.text("account.account_holder_name", account.account_holder_name(), 150);
  request.holder.trade_name = fields.may_text("account.trade_name", account.trade_name(), 100);
  request.holder.type = person_type_from(fields, account, tax_id.value_or(""));
  TRY_VOID(fields.verdict());
  request.number = joined_account_number(*number, account.account_check_digit());
  request.type = *type;
  request.opened_at = *opened_at;
  request.holder.tax_id = *tax_id;
  request.holder.name = *name;
  TRY(const directory::Account made, it.directory().accounts.create(it.context(), request));
  put(*out.mutable_account(), made);
  return {};
}

Result<void> get_account(Handling& it, const core::GetAccountRequest& in, core::GetAccountResponse& out) {
  const auto id = account_id_from(it, in.account_id());
  TRY_VOID(it.fields.verdict());
  TRY(const directory::Account account, it.directory().accounts.get(it.context(), *id));
  put(*out.mutable_account(), account);
  return {};
}

Result<void> list_accounts(Handling& it, const core::ListAccountsRequest& in, core::ListAccountsResponse& out) {
  directory::AccountFilter filter{.ispb = it.context().caller.ispb};
  filter.holder_tax_id = it.fields.may_tax_id("holder_document", in.holder_document());
  TRY_VOID(it.fields.verdict());
  const auto list = [&](const directory::PageRequest& page) {
    return it.directory().accounts.list(it.context(), filter, page);
  };
  TRY(const auto accounts, page_of(it, filter, in, out, list));
  for (const auto& account : accounts) put(*out.add_accounts(), account);
  return {};
}

Result<void> close_account(Handling& it, const core::CloseAccountRequest& in, core::CloseAccountResponse& out) {
  const auto id = account_id_from(it, in.account_id());
  TRY_VOID(it.fields.verdict());
  TRY(const directory::Account account, it.directory().accounts.close(it.context(), *id));
  put(*out.mutable_account(), account);
  return {};
}

Result<void> verify_account(Handling& it, const core::VerifyAccountRequest& in, core::VerifyAccountResponse& out) {
  const auto id = account_id_from(it, in.account_id());
  const auto tax_id = it.fields.tax_id("holder_document", in.holder_document());
  TRY_VOID(it.fields.verdict());
  TRY(const auto verified, it.directory().accounts.verify(it.context(), *id, *tax_id));
  out.set_exists(verified.exists);
  out.set_open(verified.open);
  out.set_holder_matches(verified.holder_matches);
  return {};
}

Result<void> get_statistics(Handling& it, const core::GetStatisticsRequest&, core::GetStatisticsResponse& out) {
  TRY(const directory::Statistics counted, statistics(it.context(), it.directory()));
  for (const auto& entries : counted.entries) {
    auto& row = *out.add_entries();
    row.set_key_type(key_type_to(entries.key_type));
    row.set_status(entry_status_to(entries.status));
    row.set_count(entries.count);
  }
  for (const auto& claims : counted.claims) {
    auto& row = *out.add_claims();
    row.set_type(claim_type_to(claims.type));
    row.set_status(claim_status_to(claims.status));
    row.set_count(claims.count);
  }
  out.set_accounts(counted.accounts);
  out.set_audit_records(counted.audit_records);
  return {};
}

Result<void> list_audit_events(Handling& it, const core::ListAuditEventsRequest& in,
                               core::ListAuditEventsResponse& out) {
  Fields& fields = it.fields;
  directory::AuditFilter filter{.ispb = it.context().caller.ispb};
  filter.resource = fields.may_uuid("resource_id", in.resource_id());
  filter.actor = fields.may_text("actor", in.actor(), 255);
  filter.operation = fields.may_text("operation", in.operation(), 64);
  if (in.has_from()) filter.from = time_from(fields, "from", in.from());
  if (in.has_until()) filter.until = time_from(fields, "until", in.until());
  TRY_VOID(fields.verdict());
  const auto list = [&](const directory::PageRequest& page) {
    return list_audit(it.context(), it.directory(), filter, page);
  };
  TRY(const auto records, page_of(it, filter, in, out, list));
  for (const auto& view : records) {
    const directory::AuditRecord& record = view.record;
    core::AuditEvent& event = *out.add_events();
    event.set_writer(record.writer);
    event.set_month(record.month);
    event.set_number(record.number);
    event.set_sequence(record.sequence);
    put(*event.mutable_occurred_at(), record.at);
    event.set_ispb(to_string(record.ispb));
    event.set_actor(record.actor);
    event.set_correlation_id(record.correlation_id);
    event.set_operation(record.operation);
    event.set_resource_type(record.resource_type);
    event.set_resource_id(to_string(record.resource));
    event.set_hash(to_hex(record.hash));
    event.set_previous_hash(to_hex(record.previous));
    event.set_content(static_cast<core::AuditEvent::Content>(view.content));
    if (view.before) event.set_before(*view.before);
    if (view.after) event.set_after(*view.after);
  }
  return {};
}

Result<void> health_check(Handling& it, const google::protobuf::Empty&, core::HealthCheckResponse& out) {
  const Health health = it.services.health.health();
  bool degraded = false;
  bool registry = true;
  for (const Component& component : health.components) {
    degraded = degraded || component.state != ComponentState::ok;
    if (component.name == "registry") registry = component.state != ComponentState::down;
  }
  out.set_status(!health.ready ? core::HealthCheckResponse::HEALTH_STATUS_UNHEALTHY
                 : degraded    ? core::HealthCheckResponse::HEALTH_STATUS_DEGRADED
                               : core::HealthCheckResponse::HEALTH_STATUS_HEALTHY);
  out.set_connect_reachable(registry);
  put(*out.mutable_checked_at(), it.services.clock.now());
  return {};
}

}  // namespace chaveiro::api::grpc
