#include "api/fields.h"

#include <algorithm>
#include <cctype>

#include "base/text.h"

namespace chaveiro::api {
namespace {

constexpr auto time_min = std::chrono::sys_days{std::chrono::year{1900} / 1 / 1};
constexpr auto time_max = std::chrono::sys_days{std::chrono::year{2200} / 12 / 31} + std::chrono::days{1};

bool digits_only(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}
bool letters_and_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); });
}

}  // namespace

void Fields::refuse(std::string field, std::string description, std::string_view reason) {
  // The most telling reason stands for all: what is wrong with the entry, then with the reason, then the rest.
  if (reason_.empty() || reason_ == "BadRequest" || reason == "EntryInvalid") reason_ = reason;
  violations_.push_back({std::move(field), std::move(description)});
}

Result<void> Fields::verdict() const {
  if (ok()) return {};
  Error error = fail(Code::invalid, reason_, "");
  for (const FieldViolation& violation : violations_) {
    if (!error.message.empty()) error.message += "; ";
    error.message += violation.field + ": " + violation.description;
  }
  error.violations = violations_;
  return error;
}

std::optional<directory::Key> Fields::key(std::string field, std::optional<directory::KeyType> type,
                                          std::string_view text) {
  if (!type) return std::nullopt;
  if (text.empty()) return refuse(std::move(field), "is required", "EntryInvalid"), std::nullopt;
  auto parsed = directory::Key::parse(*type, directory::normalise(*type, text), rules_.key);
  if (parsed) return std::move(*parsed);
  const Error& error = parsed.error();
  refuse(std::move(field), error.violations.empty() ? error.message : error.violations.front().description,
         "EntryInvalid");
  return std::nullopt;
}

namespace {

template <class Enum>
std::optional<Enum> one_of(Fields& fields, std::string field, std::string_view text, bool required,
                           std::optional<Enum> (*read)(std::string_view), std::string_view choices,
                           std::string_view reason = "BadRequest") {
  if (text.empty()) {
    if (required) fields.refuse(std::move(field), "is required: one of " + std::string(choices), reason);
    return std::nullopt;
  }
  auto value = read(text);
  if (!value) fields.refuse(std::move(field), "must be one of " + std::string(choices), reason);
  return value;
}

template <class IdType>
std::optional<IdType> id_of(Fields& fields, std::string field, std::string_view text, bool required) {
  if (text.empty()) {
    if (required) fields.refuse(std::move(field), "is required");
    return std::nullopt;
  }
  if (auto id = IdType::parse(text)) return *id;
  fields.refuse(std::move(field), "is not a UUID");
  return std::nullopt;
}

constexpr std::string_view key_types = "CPF, CNPJ, EMAIL, PHONE, EVP";
constexpr std::string_view account_types = "CACC, SVGS, TRAN, SLRY";
constexpr std::string_view person_types = "NATURAL_PERSON, LEGAL_PERSON";
constexpr std::string_view reasons =
    "USER_REQUESTED, ACCOUNT_CLOSURE, BRANCH_TRANSFER, RECONCILIATION, FRAUD, RFB_VALIDATION, DEFAULT_OPERATION";
constexpr std::string_view claim_roles = "DONOR, CLAIMER";
constexpr std::string_view entry_statuses = "PENDING, ACTIVE, BLOCKED, DELETED";
constexpr std::string_view claim_statuses = "OPEN, WAITING_RESOLUTION, CONFIRMED, CANCELLED, COMPLETED";
constexpr std::string_view claim_types = "PORTABILITY, OWNERSHIP";

}  // namespace

std::optional<directory::KeyType> Fields::key_type(std::string field, std::string_view text) {
  return one_of(*this, std::move(field), text, true, directory::key_type_of, key_types);
}
std::optional<directory::KeyType> Fields::may_key_type(std::string field, std::string_view text) {
  return one_of(*this, std::move(field), text, false, directory::key_type_of, key_types);
}
std::optional<directory::AccountType> Fields::account_type(std::string field, std::string_view text) {
  return one_of(*this, std::move(field), text, true, directory::account_type_of, account_types);
}
std::optional<directory::PersonType> Fields::person_type(std::string field, std::string_view text) {
  return one_of(*this, std::move(field), text, true, directory::person_type_of, person_types);
}
std::optional<directory::Reason> Fields::reason(std::string field, std::string_view text) {
  return one_of(*this, std::move(field), text, true, directory::reason_of, reasons, "InvalidReason");
}
std::optional<directory::Reason> Fields::may_reason(std::string field, std::string_view text) {
  return one_of(*this, std::move(field), text, false, directory::reason_of, reasons, "InvalidReason");
}
std::optional<directory::ClaimRole> Fields::claim_role(std::string field, std::string_view text) {
  return one_of(*this, std::move(field), text, true, directory::claim_role_of, claim_roles);
}
std::optional<directory::ClaimRole> Fields::may_claim_role(std::string field, std::string_view text) {
  return one_of(*this, std::move(field), text, false, directory::claim_role_of, claim_roles);
}
std::optional<directory::EntryStatus> Fields::may_entry_status(std::string field, std::string_view text) {
  return one_of(*this, std::move(field), text, false, directory::entry_status_of, entry_statuses);
}
std::optional<directory::ClaimStatus> Fields::may_claim_status(std::string field, std::string_view text) {
  return one_of(*this, std::move(field), text, false, directory::claim_status_of, claim_statuses);
}
std::optional<directory::ClaimType> Fields::may_claim_type(std::string field, std::string_view text) {
  return one_of(*this, std::move(field), text, false, directory::claim_type_of, claim_types);
}

std::optional<directory::EntryId> Fields::entry_id(std::string field, std::string_view text) {
  return id_of<directory::EntryId>(*this, std::move(field), text, true);
}
std::optional<directory::ClaimId> Fields::claim_id(std::string field, std::string_view text) {
  return id_of<directory::ClaimId>(*this, std::move(field), text, true);
}
std::optional<directory::AccountId> Fields::account_id(std::string field, std::string_view text) {
  return id_of<directory::AccountId>(*this, std::move(field), text, true);
}
std::optional<directory::AccountId> Fields::may_account_id(std::string field, std::string_view text) {
  return id_of<directory::AccountId>(*this, std::move(field), text, false);
}

std::optional<directory::RequestId> Fields::may_request_id(std::string field, std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto id = directory::RequestId::parse(text);
  if (id && id->uuid.version() == 4) return *id;
  refuse(std::move(field), "is not a UUID of version 4");
  return std::nullopt;
}

std::optional<Uuid> Fields::may_uuid(std::string field, std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (const auto id = Uuid::parse(text)) return *id;
  refuse(std::move(field), "is not a UUID");
  return std::nullopt;
}

std::optional<directory::Ispb> Fields::ispb(std::string field, std::string_view text) {
  if (text.empty()) return refuse(std::move(field), "is required"), std::nullopt;
  return may_ispb(std::move(field), text);
}

std::optional<directory::Ispb> Fields::may_ispb(std::string field, std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (const auto ispb = directory::Ispb::parse(text)) return *ispb;
  refuse(std::move(field), "is not an ISPB: eight letters or digits");
  return std::nullopt;
}

std::optional<std::string> Fields::tax_id(std::string field, std::string_view text) {
  if (text.empty()) return refuse(std::move(field), "is required"), std::nullopt;
  return may_tax_id(std::move(field), text);
}

std::optional<std::string> Fields::may_tax_id(std::string field, std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::string plain;
  for (const char c : text.substr(0, 32))
    if (c != '.' && c != '-' && c != '/') plain.push_back(c);
  const bool cpf = plain.size() == 11 && digits_only(plain);
  const bool cnpj = plain.size() == 14 && letters_and_digits(plain);
  if (text.size() > 32 || (!cpf && !cnpj))
    return refuse(std::move(field), "is neither a CPF (11 digits) nor a CNPJ (14 characters)"), std::nullopt;
  if (rules_.key.check_digits &&
      !(cpf ? directory::cpf_check_digits_hold(plain) : directory::cnpj_check_digits_hold(plain)))
    return refuse(std::move(field), "its check digits do not hold"), std::nullopt;
  return plain;
}

std::optional<std::string> Fields::may_end_to_end_id(std::string field, std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (text.size() <= 35 && letters_and_digits(text)) return std::string(text);
  refuse(std::move(field), "is not an end-to-end id: at most 35 letters and digits");
  return std::nullopt;
}

std::optional<UtcTime> Fields::time(std::string field, std::string_view text) {
  if (text.empty()) return refuse(std::move(field), "is required"), std::nullopt;
  return may_time(std::move(field), text);
}

std::optional<UtcTime> Fields::may_time(std::string field, std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (const auto time = parse_rfc3339(text)) return *time;
  refuse(std::move(field), "is not a moment in RFC 3339 (2026-01-31T12:00:00Z) of the years 1900 to 2200");
  return std::nullopt;
}

std::optional<UtcTime> Fields::time(std::string field, std::int64_t seconds, std::int32_t nanos) {
  const bool fits = seconds >= std::chrono::seconds{time_min.time_since_epoch()}.count() &&
                    seconds < std::chrono::seconds{time_max.time_since_epoch()}.count() && nanos >= 0 &&
                    nanos < 1'000'000'000;
  if (fits) return UtcTime{std::chrono::seconds{seconds} + Micros{nanos / 1000}};
  refuse(std::move(field), "is not a moment of the years 1900 to 2200");
  return std::nullopt;
}

std::optional<std::string> Fields::text(std::string field, std::string_view text, std::size_t length_max) {
  if (text.empty()) return refuse(std::move(field), "is required"), std::nullopt;
  return may_text(std::move(field), text, length_max);
}

std::optional<std::string> Fields::may_text(std::string field, std::string_view text, std::size_t length_max) {
  if (text.empty()) return std::nullopt;
  if (!valid_utf8(text)) return refuse(std::move(field), "is not valid UTF-8"), std::nullopt;
  std::size_t length = 0;
  bool control = false;
  for (std::size_t at = 0; at < text.size(); ++length) {
    control = control || static_cast<unsigned char>(text[at]) < 0x20 || text[at] == 0x7f;
    at += utf8_length(text.substr(at));
  }
  if (length > length_max)
    return refuse(std::move(field), "is longer than " + std::to_string(length_max) + " characters"), std::nullopt;
  if (control) return refuse(std::move(field), "holds control characters"), std::nullopt;
  return std::string(text);
}

std::string joined_account_number(std::string_view number, std::string_view check_digit) {
  std::string joined(number);
  for (const char c : check_digit) joined.push_back((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ? '0' : c);
  return joined;
}

}  // namespace chaveiro::api
