#include "limits/policies.h"

#include <algorithm>
#include <array>

namespace chaveiro::limits {
namespace {

constexpr std::string_view of_entries_read_user_antiscan[] = {"getEntry"};
constexpr std::string_view of_entries_read_user_antiscan_v2[] = {"getEntry"};
constexpr std::string_view of_entries_read_participant_antiscan[] = {"getEntry"};
constexpr std::string_view of_entries_statistics_read[] = {"getEntryStatistics"};
constexpr std::string_view of_entries_write[] = {"createEntry", "deleteEntry"};
constexpr std::string_view of_entries_update[] = {"updateEntry"};
constexpr std::string_view of_claims_read[] = {"getClaim"};
constexpr std::string_view of_claims_write[] = {"createClaim", "acknowledgeClaim", "cancelClaim", "confirmClaim",
                                                "completeClaim"};
constexpr std::string_view of_claims_list_with_role[] = {"listClaims"};
constexpr std::string_view of_claims_list_without_role[] = {"listClaims"};
constexpr std::string_view of_sync_verifications_write[] = {"createSyncVerification"};
constexpr std::string_view of_cids_files_write[] = {"createCidSetFile"};
constexpr std::string_view of_cids_files_read[] = {"getCidSetFile"};
constexpr std::string_view of_cids_events_list[] = {"listCidSetEvents"};
constexpr std::string_view of_cids_entries_read[] = {"getEntryByCid"};
constexpr std::string_view of_infraction_reports_read[] = {"getInfractionReport"};
constexpr std::string_view of_infraction_reports_write[] = {"createInfractionReport", "acknowledgeInfractionReport",
                                                            "cancelInfractionReport", "closeInfractionReport",
                                                            "updateInfractionReport"};
constexpr std::string_view of_infraction_reports_list_with_role[] = {"listInfractionReport"};
constexpr std::string_view of_infraction_reports_list_without_role[] = {"listInfractionReport"};
constexpr std::string_view of_keys_check[] = {"checkKeys"};
constexpr std::string_view of_refunds_read[] = {"getRefund"};
constexpr std::string_view of_refunds_write[] = {"createRefund", "cancelRefund", "closeRefund"};
constexpr std::string_view of_refund_list_with_role[] = {"listRefund"};
constexpr std::string_view of_refund_list_without_role[] = {"listRefund"};
constexpr std::string_view of_fraud_markers_read[] = {"getFraudMarker"};
constexpr std::string_view of_fraud_markers_write[] = {"createFraudMarker", "cancelFraudMarker"};
constexpr std::string_view of_fraud_markers_list[] = {"listFraudMarkers"};
constexpr std::string_view of_persons_statistics_read[] = {"getPersonStatistics"};
constexpr std::string_view of_policies_read[] = {"getPolicy"};
constexpr std::string_view of_policies_list[] = {"bucketStates"};
constexpr std::string_view of_event_list[] = {"listEventNotifications"};

constexpr Policy policies[] = {
    {"ENTRIES_READ_USER_ANTISCAN", PolicyScope::user, of_entries_read_user_antiscan, CostRule::user_look_up, 0, 60, 0},
    {"ENTRIES_READ_USER_ANTISCAN_V2", PolicyScope::user, of_entries_read_user_antiscan_v2, CostRule::user_look_up, 0,
     60, 0},
    {"ENTRIES_READ_PARTICIPANT_ANTISCAN", PolicyScope::participant, of_entries_read_participant_antiscan,
     CostRule::participant_look_up, 0, 60, 0},
    {"ENTRIES_STATISTICS_READ", PolicyScope::participant, of_entries_statistics_read, CostRule::but_500, 0, 60, 0},
    {"ENTRIES_WRITE", PolicyScope::participant, of_entries_write, CostRule::but_500, 1200, 60, 36000},
    {"ENTRIES_UPDATE", PolicyScope::participant, of_entries_update, CostRule::but_500, 600, 60, 600},
    {"CLAIMS_READ", PolicyScope::participant, of_claims_read, CostRule::but_500, 600, 60, 18000},
    {"CLAIMS_WRITE", PolicyScope::participant, of_claims_write, CostRule::but_500, 1200, 60, 36000},
    {"CLAIMS_LIST_WITH_ROLE", PolicyScope::participant, of_claims_list_with_role, CostRule::but_500, 40, 60, 200},
    {"CLAIMS_LIST_WITHOUT_ROLE", PolicyScope::participant, of_claims_list_without_role, CostRule::but_500, 10, 60, 50},
    {"SYNC_VERIFICATIONS_WRITE", PolicyScope::participant, of_sync_verifications_write, CostRule::but_500, 10, 60, 50},
    {"CIDS_FILES_WRITE", PolicyScope::participant, of_cids_files_write, CostRule::but_500, 40, 86400, 200},
    {"CIDS_FILES_READ", PolicyScope::participant, of_cids_files_read, CostRule::but_500, 10, 60, 50},
    {"CIDS_EVENTS_LIST", PolicyScope::participant, of_cids_events_list, CostRule::but_500, 20, 60, 100},
    {"CIDS_ENTRIES_READ", PolicyScope::participant, of_cids_entries_read, CostRule::but_500, 1200, 60, 36000},
    {"INFRACTION_REPORTS_READ", PolicyScope::participant, of_infraction_reports_read, CostRule::but_500, 600, 60,
     18000},
    {"INFRACTION_REPORTS_WRITE", PolicyScope::participant, of_infraction_reports_write, CostRule::but_500, 1200, 60,
     36000},
    {"INFRACTION_REPORTS_LIST_WITH_ROLE", PolicyScope::participant, of_infraction_reports_list_with_role,
     CostRule::but_500, 40, 60, 200},
    {"INFRACTION_REPORTS_LIST_WITHOUT_ROLE", PolicyScope::participant, of_infraction_reports_list_without_role,
     CostRule::but_500, 10, 60, 50},
    {"KEYS_CHECK", PolicyScope::participant, of_keys_check, CostRule::but_500, 70, 60, 70},
    {"REFUNDS_READ", PolicyScope::participant, of_refunds_read, CostRule::but_500, 1200, 60, 36000},
    {"REFUNDS_WRITE", PolicyScope::participant, of_refunds_write, CostRule::but_500, 2400, 60, 72000},
    {"REFUND_LIST_WITH_ROLE", PolicyScope::participant, of_refund_list_with_role, CostRule::but_500, 40, 60, 200},
    {"REFUND_LIST_WITHOUT_ROLE", PolicyScope::participant, of_refund_list_without_role, CostRule::but_500, 10, 60, 50},
    {"FRAUD_MARKERS_READ", PolicyScope::participant, of_fraud_markers_read, CostRule::but_500, 600, 60, 18000},
    {"FRAUD_MARKERS_WRITE", PolicyScope::participant, of_fraud_markers_write, CostRule::but_500, 1200, 60, 36000},
    {"FRAUD_MARKERS_LIST", PolicyScope::participant, of_fraud_markers_list, CostRule::but_500, 600, 60, 18000},
    {"PERSONS_STATISTICS_READ", PolicyScope::participant, of_persons_statistics_read, CostRule::but_500, 12000, 60,
     36000},
    {"POLICIES_READ", PolicyScope::participant, of_policies_read, CostRule::but_500, 60, 60, 200},
    {"POLICIES_LIST", PolicyScope::participant, of_policies_list, CostRule::but_500, 6, 60, 20},
    {"EVENT_LIST", PolicyScope::participant, of_event_list, CostRule::but_500, 40, 60, 200, ApiVersion::v2_12_1},
};

struct ByCategory {
  std::int64_t refill, capacity;
};
constexpr std::array<ByCategory, 8> by_category{
    {{25000, 50000}, {20000, 40000}, {15000, 30000}, {8000, 16000}, {2500, 5000}, {250, 500}, {25, 250}, {2, 50}}};

// Came with 2.12.1.
constexpr std::string_view update_of_infractions = "updateInfractionReport";

bool falls_under(const Policy& policy, const PolicyCall& call) {
  if (std::find(policy.operations.begin(), policy.operations.end(), call.operation) == policy.operations.end())
    return false;
  const bool by_phone_or_mail = call.key_type == "PHONE" || call.key_type == "EMAIL";
  if (policy.name == "ENTRIES_READ_USER_ANTISCAN") return by_phone_or_mail;
  if (policy.name == "ENTRIES_READ_USER_ANTISCAN_V2") return !by_phone_or_mail;
  if (policy.name.ends_with("_WITH_ROLE")) return call.with_role;
  if (policy.name.ends_with("_WITHOUT_ROLE")) return !call.with_role;
  return true;
}

}  // namespace

Result<Category> parse_category(std::string_view text) {
  if (text.size() == 1 && text[0] >= 'A' && text[0] <= 'H') return static_cast<Category>(text[0] - 'A');
  return fail(Code::invalid, "BadRequest", "must be one letter from A to H");
}
char to_char(Category category) { return static_cast<char>('A' + static_cast<int>(category)); }

std::span<const Policy> all_policies() { return policies; }

const Policy* find_policy(std::string_view name) {
  for (const Policy& policy : policies)
    if (policy.name == name) return &policy;
  return nullptr;
}

std::vector<const Policy*> policies_of(const PolicyCall& call, ApiVersion version) {
  std::vector<const Policy*> found;
  for (const Policy& policy : policies) {
    if (policy.since > version || !falls_under(policy, call)) continue;
    if (version == ApiVersion::v2_6_1 && call.operation == update_of_infractions) continue;
    found.push_back(&policy);
  }
  return found;
}

Result<Payer> payer_kind(std::string_view payer_id) {
  const bool digits = std::all_of(payer_id.begin(), payer_id.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (digits && payer_id.size() == 11) return Payer::natural;
  if (digits && payer_id.size() == 14) return Payer::legal;
  return fail_field("PI-PayerId", "must be the 11 digits of a CPF or the 14 digits of a CNPJ");
}

OfficialTerms terms_of(const Policy& policy, Payer payer, Category category, Refill how) {
  OfficialTerms terms{policy.refill, std::chrono::seconds{policy.period_s}, policy.capacity, how};
  if (policy.scope == PolicyScope::user) {
    terms.refill = payer == Payer::natural ? 2 : 20;
    terms.capacity = payer == Payer::natural ? 100 : 1000;
  } else if (policy.capacity == 0) {
    terms.refill = by_category[static_cast<std::size_t>(category)].refill;
    terms.capacity = by_category[static_cast<std::size_t>(category)].capacity;
  }
  return terms;
}

std::int64_t cost_of(const Policy& policy, int status, const SilentPoints& silent) {
  if (status == 429 && !silent.limited_costs) return 0;
  if (policy.cost == CostRule::but_500) return status == 500 ? 0 : 1;
  if (status == 200) return 1;
  if (status == 404) return worst_cost(policy);
  return silent.other_status;
}

std::int64_t worst_cost(const Policy& policy) {
  switch (policy.cost) {
    case CostRule::user_look_up:
      return 20;
    case CostRule::participant_look_up:
      return 3;
    case CostRule::but_500:
      break;
  }
  return 1;
}

std::int64_t credit_of(const Policy& policy, Payer payer) {
  switch (policy.cost) {
    case CostRule::user_look_up:
      return payer == Payer::natural ? 1 : 2;
    case CostRule::participant_look_up:
      return 1;
    case CostRule::but_500:
      break;
  }
  return 0;
}

}  // namespace chaveiro::limits
