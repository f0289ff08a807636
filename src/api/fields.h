// api/fields.h
//
// The fields of a request as domain values, with every fault of the request told at once.
//
//   Fields fields(rules);
//   const auto key = fields.key("key.key_value", type, text);   // nullopt: refused, and remembered
//   const auto account = fields.account_id("account_id", text);
//   TRY_VOID(fields.verdict());
//   … *key … *account …
//
// Field names are the paths as the caller wrote them. Descriptions never repeat the value: it may be personal.
// An empty text counts as absent: the functions named may_… answer nullopt for it without a fault, the others refuse
// it.
//
// Threads: one caller at a time.
// Errors:  verdict(): invalid, with all violations; reason EntryInvalid where a key or a person was wrong,
// InvalidReason
//          where a reason was, else BadRequest.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "directory/accounts.h"
#include "directory/claims.h"
#include "directory/entries.h"
#include "directory/lookups.h"

namespace chaveiro::api {

struct FieldRules {
  directory::KeyRules key;
};

class Fields {
 public:
  explicit Fields(const FieldRules& rules) : rules_(rules) {}

  void refuse(std::string field, std::string description, std::string_view reason = "BadRequest");
  bool ok() const { return violations_.empty(); }
  Result<void> verdict() const;

  // Normalised, then parsed. `type` absent (it was refused already): answers nullopt without another fault.
  std::optional<directory::Key> key(std::string field, std::optional<directory::KeyType> type, std::string_view text);
  // The enum texts of the import file: "CPF", "CACC", "USER_REQUESTED", …
  std::optional<directory::KeyType> key_type(std::string field, std::string_view text);
  std::optional<directory::AccountType> account_type(std::string field, std::string_view text);
  std::optional<directory::PersonType> person_type(std::string field, std::string_view text);
  std::optional<directory::Reason> reason(std::string field, std::string_view text);
  std::optional<directory::ClaimRole> claim_role(std::string field, std::string_view text);
  std::optional<directory::KeyType> may_key_type(std::string field, std::string_view text);
  std::optional<directory::EntryStatus> may_entry_status(std::string field, std::string_view text);
  std::optional<directory::ClaimStatus> may_claim_status(std::string field, std::string_view text);
  std::optional<directory::ClaimType> may_claim_type(std::string field, std::string_view text);
  std::optional<directory::ClaimRole> may_claim_role(std::string field, std::string_view text);
  std::optional<directory::Reason> may_reason(std::string field, std::string_view text);

  std::optional<directory::EntryId> entry_id(std::string field, std::string_view text);
  std::optional<directory::ClaimId> claim_id(std::string field, std::string_view text);
  std::optional<directory::AccountId> account_id(std::string field, std::string_view text);
  std::optional<directory::AccountId> may_account_id(std::string field, std::string_view text);
  // RequestId: a UUID of version 4.
  std::optional<directory::RequestId> may_request_id(std::string field, std::string_view text);
  std::optional<Uuid> may_uuid(std::string field, std::string_view text);
  std::optional<directory::Ispb> ispb(std::string field, std::string_view text);
  std::optional<directory::Ispb> may_ispb(std::string field, std::string_view text);

  // CPF (11) or CNPJ (14), punctuation allowed.
  std::optional<std::string> tax_id(std::string field, std::string_view text);
  std::optional<std::string> may_tax_id(std::string field, std::string_view text);
  // As pacs.008 has it: at most 35 letters and digits.
  std::optional<std::string> may_end_to_end_id(std::string field, std::string_view text);

  // RFC 3339, years 1900–2200.
  std::optional<UtcTime> time(std::string field, std::string_view text);
  std::optional<UtcTime> may_time(std::string field, std::string_view text);
  // The same range for a moment that came as seconds and nanoseconds (protobuf).
  std::optional<UtcTime> time(std::string field, std::int64_t seconds, std::int32_t nanos);

  // Valid UTF-8 without control characters, at most `length_max` characters; names, reasons of court orders.
  std::optional<std::string> text(std::string field, std::string_view text, std::size_t length_max);
  std::optional<std::string> may_text(std::string field, std::string_view text, std::size_t length_max);

 private:
  FieldRules rules_;
  std::vector<FieldViolation> violations_;
  std::string reason_;
};

// The check digit that v1 sends apart is appended to the number; a letter becomes 0.
std::string joined_account_number(std::string_view number, std::string_view check_digit);

}  // namespace chaveiro::api
