#include "directory/entry.h"

#include <algorithm>
#include <initializer_list>

#include "base/text.h"
#include "directory/names.h"

namespace chaveiro::directory {
namespace {

constexpr Names<EntryStatus, 4> entry_statuses{{{EntryStatus::pending, "PENDING"},
                                                {EntryStatus::active, "ACTIVE"},
                                                {EntryStatus::blocked, "BLOCKED"},
                                                {EntryStatus::deleted, "DELETED"}}};
constexpr Names<Reason, 7> reasons{{{Reason::user_requested, "USER_REQUESTED"},
                                    {Reason::account_closure, "ACCOUNT_CLOSURE"},
                                    {Reason::branch_transfer, "BRANCH_TRANSFER"},
                                    {Reason::reconciliation, "RECONCILIATION"},
                                    {Reason::fraud, "FRAUD"},
                                    {Reason::rfb_validation, "RFB_VALIDATION"},
                                    {Reason::default_operation, "DEFAULT_OPERATION"}}};

std::initializer_list<Reason> allowed(EntryOperation operation, KeyType key_type) {
  static constexpr std::initializer_list<Reason> create = {Reason::user_requested, Reason::reconciliation};
  static constexpr std::initializer_list<Reason> update = {Reason::user_requested, Reason::branch_transfer,
                                                           Reason::reconciliation, Reason::rfb_validation};
  static constexpr std::initializer_list<Reason> update_evp = {Reason::rfb_validation};
  static constexpr std::initializer_list<Reason> remove = {
      Reason::user_requested, Reason::account_closure, Reason::reconciliation, Reason::fraud, Reason::rfb_validation};
  switch (operation) {
    case EntryOperation::create:
      return create;
    case EntryOperation::update:
      return key_type == KeyType::evp ? update_evp : update;
    case EntryOperation::remove:
      return remove;
  }
  return {};
}

std::string_view verb(EntryOperation operation) {
  switch (operation) {
    case EntryOperation::create:
      return "registering";
    case EntryOperation::update:
      return "changing";
    case EntryOperation::remove:
      return "deleting";
  }
  return "";
}

}  // namespace

std::string_view to_string(EntryStatus status) { return name_of(entry_statuses, status); }
std::optional<EntryStatus> entry_status_of(std::string_view text) { return value_of(entry_statuses, text); }
std::string_view to_string(Reason reason) { return name_of(reasons, reason); }
std::optional<Reason> reason_of(std::string_view text) { return value_of(reasons, text); }

Result<void> check_reason(EntryOperation operation, KeyType key_type, Reason reason) {
  const auto table = allowed(operation, key_type);
  if (std::find(table.begin(), table.end(), reason) != table.end()) return {};
  std::string choice;
  for (const Reason possible : table) choice.append(choice.empty() ? "" : ", ").append(to_string(possible));
  return fail_field("reason",
                    std::string(verb(operation)) + " a key of type " + std::string(to_string(key_type)) + " allows " +
                        choice + "; not " + std::string(to_string(reason)),
                    "InvalidReason");
}

Result<void> check_block_order(std::string_view order, std::string field) {
  constexpr std::size_t bytes_max = 100;
  if (order.empty() || order.size() > bytes_max)
    return fail_field(std::move(field), "must name the court order in 1 to 100 characters");
  if (!valid_utf8(order)) return fail_field(std::move(field), "is not valid UTF-8");
  if (std::ranges::any_of(order, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }))
    return fail_field(std::move(field), "must not hold control characters");
  return {};
}

}  // namespace chaveiro::directory
