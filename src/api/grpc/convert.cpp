#include "api/grpc/convert.h"

#include <array>
#include <utility>

namespace chaveiro::api::grpc {
namespace {

using directory::AccountType;
using directory::ClaimRole;
using directory::ClaimStatus;
using directory::ClaimType;
using directory::EntryStatus;
using directory::KeyType;
using directory::Reason;

template <class Ours, class Wire, std::size_t N>
using Table = std::array<std::pair<Ours, Wire>, N>;

constexpr Table<KeyType, common::KeyType, 5> key_types{{{KeyType::cpf, common::KEY_TYPE_CPF},
                                                        {KeyType::cnpj, common::KEY_TYPE_CNPJ},
                                                        {KeyType::email, common::KEY_TYPE_EMAIL},
                                                        {KeyType::phone, common::KEY_TYPE_PHONE},
                                                        {KeyType::evp, common::KEY_TYPE_EVP}}};
constexpr Table<AccountType, common::AccountType, 4> account_types{{{AccountType::cacc, common::ACCOUNT_TYPE_CHECKING},
                                                                    {AccountType::svgs, common::ACCOUNT_TYPE_SAVINGS},
                                                                    {AccountType::tran, common::ACCOUNT_TYPE_PAYMENT},
                                                                    {AccountType::slry, common::ACCOUNT_TYPE_SALARY}}};
constexpr Table<EntryStatus, common::EntryStatus, 4> entry_statuses{
    {{EntryStatus::pending, common::ENTRY_STATUS_PENDING},
     {EntryStatus::active, common::ENTRY_STATUS_ACTIVE},
     {EntryStatus::blocked, common::ENTRY_STATUS_BLOCKED},
     {EntryStatus::deleted, common::ENTRY_STATUS_DELETED}}};
constexpr Table<ClaimStatus, common::ClaimStatus, 5> claim_statuses{
    {{ClaimStatus::open, common::CLAIM_STATUS_OPEN},
     {ClaimStatus::waiting_resolution, common::CLAIM_STATUS_WAITING_RESOLUTION},
     {ClaimStatus::confirmed, common::CLAIM_STATUS_CONFIRMED},
     {ClaimStatus::cancelled, common::CLAIM_STATUS_CANCELLED},
     {ClaimStatus::completed, common::CLAIM_STATUS_COMPLETED}}};
constexpr Table<ClaimType, common::ClaimType, 2> claim_types{
    {{ClaimType::portability, common::CLAIM_TYPE_PORTABILITY}, {ClaimType::ownership, common::CLAIM_TYPE_OWNERSHIP}}};
constexpr Table<ClaimRole, common::ClaimRole, 2> claim_roles{
    {{ClaimRole::donor, common::CLAIM_ROLE_DONOR}, {ClaimRole::claimer, common::CLAIM_ROLE_CLAIMER}}};
constexpr Table<Reason, common::Reason, 7> reasons{{{Reason::user_requested, common::REASON_USER_REQUESTED},
                                                    {Reason::account_closure, common::REASON_ACCOUNT_CLOSURE},
                                                    {Reason::branch_transfer, common::REASON_BRANCH_TRANSFER},
                                                    {Reason::reconciliation, common::REASON_RECONCILIATION},
                                                    {Reason::fraud, common::REASON_FRAUD},
                                                    {Reason::rfb_validation, common::REASON_RFB_VALIDATION},
                                                    {Reason::default_operation, common::REASON_DEFAULT_OPERATION}}};

template <class Ours, class Wire, std::size_t N>
Wire wire_of(const Table<Ours, Wire, N>& table, Ours value) {
  for (const auto& [ours, wire] : table)
    if (ours == value) return wire;
  return Wire{};
}

template <class Ours, class Wire, std::size_t N>
std::optional<Ours> ours_of(const Table<Ours, Wire, N>& table, Fields& fields, std::string field, int value, Need need,
                            std::string_view reason = "BadRequest") {
  if (value == 0) {
    if (need == Need::required) fields.refuse(std::move(field), "is required", reason);
    return std::nullopt;
  }
  for (const auto& [ours, wire] : table)
    if (wire == value) return ours;
  fields.refuse(std::move(field), "is not a value that can be asked for here", reason);
  return std::nullopt;
}

constexpr bool is_stored(UtcTime time) { return time != UtcTime{}; }

}  // namespace

void put(google::protobuf::Timestamp& out, UtcTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  out.set_seconds(seconds.time_since_epoch().count());
  out.set_nanos(static_cast<std::int32_t>((time - seconds).count() * 1000));
}

common::KeyType key_type_to(KeyType type) { return wire_of(key_types, type); }
common::EntryStatus entry_status_to(EntryStatus status) { return wire_of(entry_statuses, status); }
common::EntryStatus entry_status_to(const directory::Entry& entry) {
  if (entry.status == EntryStatus::active && entry.open_claim)
    return entry.open_claim->portability ? common::ENTRY_STATUS_PORTABILITY_PENDING
                                         : common::ENTRY_STATUS_CLAIM_PENDING;
  return entry_status_to(entry.status);
}
common::ClaimStatus claim_status_to(ClaimStatus status) { return wire_of(claim_statuses, status); }
common::ClaimType claim_type_to(ClaimType type) { return wire_of(claim_types, type); }

void put(common::DictKey& out, const directory::Key& key) {
  out.set_key_type(key_type_to(key.type()));
  out.set_key_value(key.value());
}

void put(common::Account& out, const directory::Account& account) {
  out.set_ispb(account.ispb.text.data(), account.ispb.text.size());
  out.set_account_holder_name(account.holder.name);
  out.set_account_holder_document(account.holder.tax_id);
  out.set_document_type(account.holder.type == directory::PersonType::natural ? common::DOCUMENT_TYPE_CPF
                                                                              : common::DOCUMENT_TYPE_CNPJ);
  if (account.holder.trade_name) out.set_trade_name(*account.holder.trade_name);
  if (account.number.empty()) return;  // masked: only what people may see
  out.set_account_type(wire_of(account_types, account.type));
  out.set_account_number(account.number);
  if (account.branch) out.set_branch_code(*account.branch);
  out.set_account_id(to_string(account.id));
  put(*out.mutable_opened_at(), account.opened_at);
  out.set_closed(account.status == directory::AccountStatus::closed);
}

void put(core::GetKeyResponse& out, const directory::Entry& entry) {
  out.set_key_id(to_string(entry.id));
  put(*out.mutable_key(), entry.key);
  put(*out.mutable_account(), entry.account);
  out.set_status(entry_status_to(entry));
  put(*out.mutable_created_at(), entry.created_at);
  put(*out.mutable_updated_at(), entry.updated_at);
  put(*out.mutable_key_ownership_date(), entry.owned_since);
  if (entry.open_claim) {
    put(*out.mutable_open_claim_creation_date(), entry.open_claim->created_at);
    out.set_open_claim_id(to_string(entry.open_claim->id));
  }
  out.set_request_id(to_string(entry.request_id));
}

void put(core::KeySummary& out, const directory::Entry& entry) {
  out.set_key_id(to_string(entry.id));
  put(*out.mutable_key(), entry.key);
  out.set_status(entry_status_to(entry));
  out.set_account_id(to_string(entry.account.id));
  put(*out.mutable_created_at(), entry.created_at);
  put(*out.mutable_updated_at(), entry.updated_at);
}

void put(core::LookupKeyResponse& out, const directory::LookupAnswer& answer) {
  const directory::Entry& entry = *answer.entry;
  put(*out.mutable_key(), entry.key);
  put(*out.mutable_account(), entry.account);
  out.set_account_holder_name(entry.owner().name);
  out.set_status(entry_status_to(entry));
  out.set_masked(answer.masked);
  switch (answer.source) {
    case directory::LookupSource::memory:
      out.set_source(core::LOOKUP_SOURCE_MEMORY);
      break;
    case directory::LookupSource::store:
      out.set_source(core::LOOKUP_SOURCE_STORE);
      break;
    case directory::LookupSource::registry:
      out.set_source(core::LOOKUP_SOURCE_REGISTRY);
      break;
  }
  if (is_stored(entry.created_at)) put(*out.mutable_created_at(), entry.created_at);
  if (is_stored(entry.owned_since)) put(*out.mutable_key_ownership_date(), entry.owned_since);
  if (entry.open_claim) put(*out.mutable_open_claim_creation_date(), entry.open_claim->created_at);
}

UtcTime expires_at(const directory::Claim& claim) {
  const bool unanswered = claim.status == ClaimStatus::open || claim.status == ClaimStatus::waiting_resolution;
  return unanswered ? claim.resolution_end : claim.claimer_deadline;
}

std::int32_t days_remaining(const directory::Claim& claim, UtcTime now) {
  if (!claim.live()) return 0;
  const auto days = std::chrono::ceil<std::chrono::days>(expires_at(claim) - now).count();
  return days > 0 ? static_cast<std::int32_t>(days) : 0;
}

void put(core::Claim& out, const directory::Claim& claim, const directory::Ispb& viewer) {
  out.set_claim_id(to_string(claim.id));
  out.set_type(claim_type_to(claim.type));
  put(*out.mutable_key(), claim.key);
  out.set_status(claim_status_to(claim.status));
  out.set_entry_id(to_string(claim.donor_entry));
  out.set_donor_ispb(to_string(claim.donor));
  if (viewer == claim.claimer()) put(*out.mutable_claimer_account(), claim.claimer_account);
  out.set_claimer_ispb(to_string(claim.claimer()));
  put(*out.mutable_created_at(), claim.created_at);
  put(*out.mutable_resolution_period_end(), claim.resolution_end);
  if (claim.completion_end) put(*out.mutable_completion_period_end(), *claim.completion_end);
  put(*out.mutable_claimer_deadline(), claim.claimer_deadline);
  put(*out.mutable_updated_at(), claim.updated_at);
  if (claim.confirm_reason) out.set_confirm_reason(wire_of(reasons, *claim.confirm_reason));
  if (claim.cancel_reason) out.set_cancel_reason(wire_of(reasons, *claim.cancel_reason));
  if (claim.cancelled_by) out.set_cancelled_by(wire_of(claim_roles, *claim.cancelled_by));
  if (claim.completed_entry) out.set_completed_entry_id(to_string(*claim.completed_entry));
  if (claim.registry_id) out.set_registry_claim_id(*claim.registry_id);
}

void put(core::ClaimSummary& out, const directory::Claim& claim, const directory::Ispb& viewer, UtcTime now) {
  out.set_claim_id(to_string(claim.id));
  out.set_entry_id(to_string(claim.donor_entry));
  put(*out.mutable_key(), claim.key);
  out.set_status(claim_status_to(claim.status));
  put(*out.mutable_created_at(), claim.created_at);
  put(*out.mutable_expires_at(), expires_at(claim));
  out.set_days_remaining(days_remaining(claim, now));
  put(*out.mutable_claim(), claim, viewer);
}

void put(core::GetClaimStatusResponse& out, const directory::Claim& claim, const directory::Ispb& viewer, UtcTime now) {
  out.set_claim_id(to_string(claim.id));
  out.set_entry_id(to_string(claim.donor_entry));
  put(*out.mutable_key(), claim.key);
  out.set_status(claim_status_to(claim.status));
  out.set_claimer_ispb(to_string(claim.claimer()));
  out.set_owner_ispb(to_string(claim.donor));
  put(*out.mutable_created_at(), claim.created_at);
  put(*out.mutable_expires_at(), expires_at(claim));
  if (claim.ended_at) put(*out.mutable_completed_at(), *claim.ended_at);
  out.set_days_remaining(days_remaining(claim, now));
  put(*out.mutable_claim(), claim, viewer);
}

std::optional<KeyType> key_type_from(Fields& fields, std::string field, int value, Need need) {
  return ours_of(key_types, fields, std::move(field), value, need);
}
std::optional<EntryStatus> entry_status_from(Fields& fields, std::string field, int value) {
  return ours_of(entry_statuses, fields, std::move(field), value, Need::optional);
}
std::optional<ClaimStatus> claim_status_from(Fields& fields, std::string field, int value) {
  if (value == common::CLAIM_STATUS_EXPIRED) return ClaimStatus::cancelled;
  if (value == common::CLAIM_STATUS_AUTO_CONFIRMED) return ClaimStatus::confirmed;
  return ours_of(claim_statuses, fields, std::move(field), value, Need::optional);
}
std::optional<ClaimType> claim_type_from(Fields& fields, std::string field, int value) {
  return ours_of(claim_types, fields, std::move(field), value, Need::optional);
}
std::optional<ClaimRole> claim_role_from(Fields& fields, std::string field, int value) {
  return ours_of(claim_roles, fields, std::move(field), value, Need::optional);
}
std::optional<AccountType> account_type_from(Fields& fields, std::string field, int value) {
  return ours_of(account_types, fields, std::move(field), value, Need::required);
}
std::optional<Reason> reason_from(Fields& fields, std::string field, int value) {
  return ours_of(reasons, fields, std::move(field), value, Need::optional, "InvalidReason");
}

std::optional<directory::Key> key_from(Fields& fields, const std::string& field, const common::DictKey& key) {
  const auto type = key_type_from(fields, field + ".key_type", key.key_type(), Need::required);
  return fields.key(field + ".key_value", type, key.key_value());
}

std::optional<UtcTime> time_from(Fields& fields, std::string field, const google::protobuf::Timestamp& time) {
  return fields.time(std::move(field), time.seconds(), time.nanos());
}

}  // namespace chaveiro::api::grpc
