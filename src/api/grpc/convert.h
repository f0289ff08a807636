// api/grpc/convert.h
//
// The types of the contract as domain values and back. v1's words are mapped here and nowhere else: PAYMENT ↔ TRAN, the
// check digit apart, entry states that show an open claim, one end of a claim's period.
//
// Threads: pure functions, but for the Fields handed in.
#pragma once

#include <dict/common/v1/common.pb.h>
#include <dict/core/v1/core.pb.h>

#include <optional>

#include "api/fields.h"
#include "directory/lookups.h"

namespace chaveiro::api::grpc {

namespace common = ::dict::common::v1;
namespace core = ::dict::core::v1;

void put(google::protobuf::Timestamp& out, UtcTime time);

common::KeyType key_type_to(directory::KeyType type);
common::EntryStatus entry_status_to(const directory::Entry& entry);
common::EntryStatus entry_status_to(directory::EntryStatus status);
common::ClaimStatus claim_status_to(directory::ClaimStatus status);
common::ClaimType claim_type_to(directory::ClaimType type);
void put(common::DictKey& out, const directory::Key& key);
void put(common::Account& out, const directory::Account& account);
void put(core::GetKeyResponse& out, const directory::Entry& entry);
void put(core::KeySummary& out, const directory::Entry& entry);
void put(core::LookupKeyResponse& out, const directory::LookupAnswer& answer);

// `viewer`: the claimer's account is shown to the claimer alone.
void put(core::Claim& out, const directory::Claim& claim, const directory::Ispb& viewer);
void put(core::ClaimSummary& out, const directory::Claim& claim, const directory::Ispb& viewer, UtcTime now);
void put(core::GetClaimStatusResponse& out, const directory::Claim& claim, const directory::Ispb& viewer, UtcTime now);
// End of the period that runs: the donor's answer, then the claimer's deadline.
UtcTime expires_at(const directory::Claim& claim);
// Whole days until then, begun ones count; 0 once the claim has ended.
std::int32_t days_remaining(const directory::Claim& claim, UtcTime now);

// Unspecified is refused where `field` is required and nullopt where it may be absent; unknown numbers are refused.
enum class Need : bool { optional, required };
std::optional<directory::KeyType> key_type_from(Fields& fields, std::string field, int value, Need need);
std::optional<directory::EntryStatus> entry_status_from(Fields& fields, std::string field, int value);
std::optional<directory::ClaimStatus> claim_status_from(Fields& fields, std::string field, int value);
std::optional<directory::ClaimType> claim_type_from(Fields& fields, std::string field, int value);
std::optional<directory::ClaimRole> claim_role_from(Fields& fields, std::string field, int value);
std::optional<directory::AccountType> account_type_from(Fields& fields, std::string field, int value);
std::optional<directory::Reason> reason_from(Fields& fields, std::string field, int value);
std::optional<directory::Key> key_from(Fields& fields, const std::string& field, const common::DictKey& key);
std::optional<UtcTime> time_from(Fields& fields, std::string field, const google::protobuf::Timestamp& time);

}  // namespace chaveiro::api::grpc
