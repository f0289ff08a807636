#include "api/grpc/convert.h"
#include "api/grpc/handlers.h"
#include "api/grpc/paging.h"

namespace chaveiro::api::grpc {
namespace {

using directory::Reason;

std::optional<directory::EntryId> key_id_from(Handling& it, const std::string& text) {
  it.about("entry", text);
  return it.fields.entry_id("key_id", text);
}

}  // namespace

Result<void> create_key(Handling& it, const core::CreateKeyRequest& in, core::CreateKeyResponse& out) {
  directory::CreateEntry request;
  const auto type = key_type_from(it.fields, "key_type", in.key_type(), Need::required);
  if (type == directory::KeyType::evp) {
    if (!in.key_value().empty())
      it.fields.refuse("key_value", "must be absent for an EVP: the registry makes it", "EntryInvalid");
  } else if (const auto key = it.fields.key("key_value", type, in.key_value())) {
    request.key = key->value();
  }
  const auto account = it.fields.account_id("account_id", in.account_id());
  request.reason = reason_from(it.fields, "reason", in.reason()).value_or(Reason::user_requested);
  request.request_id = it.fields.may_request_id("request_id", in.request_id());
  TRY_VOID(it.fields.verdict());
  if (!request.request_id) request.request_id = it.call.sent_request_id();
  request.key_type = *type;
  request.account = *account;
  it.about("account", in.account_id());
  const auto work = [&]() -> Result<std::string> {
    TRY(const directory::Entry entry, it.directory().entries.create(it.context(), request));
    core::CreateKeyResponse made;
    made.set_key_id(to_string(entry.id));
    put(*made.mutable_key(), entry.key);
    made.set_status(entry_status_to(entry));
    put(*made.mutable_created_at(), entry.created_at);
    put(*made.mutable_key_ownership_date(), entry.owned_since);
    made.set_request_id(to_string(entry.request_id));
    return made.SerializeAsString();
  };
  return answer_once_into(
      out, it, "grpc.CreateKey", request.request_id,
      {to_string(request.key_type), request.key.value_or(""), to_string(request.account), to_string(request.reason)},
      work);
}

Result<void> list_keys(Handling& it, const core::ListKeysRequest& in, core::ListKeysResponse& out) {
  directory::EntryFilter filter{.ispb = it.context().caller.ispb};
  filter.key_type = key_type_from(it.fields, "key_type", in.key_type(), Need::optional);
  filter.status = entry_status_from(it.fields, "status", in.status());
  if (const auto account = it.fields.may_account_id("account_id", in.account_id())) filter.accounts = {{*account}};
  TRY_VOID(it.fields.verdict());
  const auto list = [&](const directory::PageRequest& page) {
    return it.directory().entries.list(it.context(), filter, page);
  };
  TRY(const auto entries, page_of(it, filter, in, out, list));
  for (const auto& entry : entries) put(*out.add_keys(), entry);
  return {};
}

Result<void> get_key(Handling& it, const core::GetKeyRequest& in, core::GetKeyResponse& out) {
  if (in.identifier_case() == core::GetKeyRequest::kKey) {
    const auto key = key_from(it.fields, "key", in.key());
    TRY_VOID(it.fields.verdict());
    TRY(const directory::Entry entry, it.directory().entries.get(it.context(), *key));
    put(out, entry);
    return {};
  }
  const auto id = key_id_from(it, in.key_id());
  TRY_VOID(it.fields.verdict());
  TRY(const directory::Entry entry, it.directory().entries.get(it.context(), *id));
  put(out, entry);
  return {};
}

Result<void> update_key(Handling& it, const core::UpdateKeyRequest& in, core::UpdateKeyResponse& out) {
  directory::UpdateEntry request;
  const auto id = key_id_from(it, in.key_id());
  if (in.has_account_id()) request.account = it.fields.account_id("account_id", in.account_id());
  if (in.has_account_holder_name()) request.name = it.fields.text("account_holder_name", in.account_holder_name(), 150);
  if (in.has_trade_name()) request.trade_name = it.fields.may_text("trade_name", in.trade_name(), 100).value_or("");
  request.reason = reason_from(it.fields, "reason", in.reason()).value_or(Reason::user_requested);
  TRY_VOID(it.fields.verdict());
  request.id = *id;
  TRY(const directory::Entry entry, it.directory().entries.update(it.context(), request));
  put(*out.mutable_key(), entry);
  return {};
}

Result<void> delete_key(Handling& it, const core::DeleteKeyRequest& in, core::DeleteKeyResponse& out) {
  const auto id = key_id_from(it, in.key_id());
  const auto reason = reason_from(it.fields, "reason", in.reason()).value_or(Reason::user_requested);
  TRY_VOID(it.fields.verdict());
  TRY(const directory::Entry entry, it.directory().entries.remove(it.context(), *id, reason));
  out.set_deleted(true);
  put(*out.mutable_deleted_at(), entry.deleted_at.value_or(entry.updated_at));
  return {};
}

Result<void> block_key(Handling& it, const core::BlockKeyRequest& in, core::BlockKeyResponse& out) {
  const auto id = key_id_from(it, in.key_id());
  const auto order = it.fields.text("order", in.order(), 200);
  TRY_VOID(it.fields.verdict());
  TRY(const directory::Entry entry, it.directory().entries.block(it.context(), *id, *order));
  put(*out.mutable_key(), entry);
  return {};
}

Result<void> unblock_key(Handling& it, const core::UnblockKeyRequest& in, core::UnblockKeyResponse& out) {
  const auto id = key_id_from(it, in.key_id());
  const auto order = it.fields.text("order", in.order(), 200);
  TRY_VOID(it.fields.verdict());
  TRY(const directory::Entry entry, it.directory().entries.unblock(it.context(), *id, *order));
  put(*out.mutable_key(), entry);
  return {};
}

Result<void> start_portability(Handling& it, const core::StartPortabilityRequest& in,
                               core::StartPortabilityResponse& out) {
  const auto id = key_id_from(it, in.key_id());
  const auto account = it.fields.account_id("new_account_id", in.new_account_id());
  TRY_VOID(it.fields.verdict());
  TRY(const Portability started, it.services.portabilities.start(it.context(), *id, *account));
  out.set_portability_id(started.id);
  out.set_key_id(in.key_id());
  put(*out.mutable_new_account(), started.new_account);
  put(*out.mutable_started_at(), started.at);
  out.set_message("to be confirmed within 7 days");
  return {};
}

Result<void> confirm_portability(Handling& it, const core::ConfirmPortabilityRequest& in,
                                 core::ConfirmPortabilityResponse& out) {
  TRY(const Portability confirmed, it.services.portabilities.confirm(it.context(), in.portability_id()));
  out.set_portability_id(confirmed.id);
  out.set_key_id(to_string(confirmed.entry.id));
  out.set_status(entry_status_to(confirmed.entry));
  put(*out.mutable_confirmed_at(), confirmed.at);
  return {};
}

Result<void> cancel_portability(Handling& it, const core::CancelPortabilityRequest& in,
                                core::CancelPortabilityResponse& out) {
  TRY(const Portability cancelled, it.services.portabilities.cancel(it.context(), in.portability_id()));
  out.set_portability_id(cancelled.id);
  put(*out.mutable_cancelled_at(), cancelled.at);
  return {};
}

}  // namespace chaveiro::api::grpc
