#include "api/rest/schemas.h"

namespace chaveiro::api::rest {
namespace {

Schema short_text(std::string_view description, std::string_view example, std::size_t length_max) {
  Schema schema = text_value(description, example, length_max);
  schema.length_min = 1;
  return schema;
}

const Schema& count() {
  static const Schema schema{.shape = Shape::integer, .example = "1", .minimum = 0};
  return schema;
}
const Schema& flag() {
  static const Schema schema{.shape = Shape::boolean, .example = "true"};
  return schema;
}
const Schema& any_text() {
  static const Schema schema{.example = "\"text\""};
  return schema;
}
const Schema& key_value() {
  static const Schema schema =
      short_text("The key. Phones with + and country code, e-mails at most 77 characters", "\"+5511987654321\"", 100);
  return schema;
}
const Schema& request_id_value() {
  static const Schema schema{.description = "UUID of version 4, chosen by the caller: makes a repetition safe",
                             .example = "\"7c9e6679-7425-40de-944b-e07fc1f90ae7\"",
                             .format = "uuid",
                             .length_min = 1,
                             .length_max = 36};
  return schema;
}
const Schema& reason_value() {
  static const Schema schema{.name = "Reason",
                             .description = "Why, in the official words. Which are allowed depends on the operation.",
                             .example = "\"USER_REQUESTED\"",
                             .values = {"USER_REQUESTED", "ACCOUNT_CLOSURE", "BRANCH_TRANSFER", "RECONCILIATION",
                                        "FRAUD", "RFB_VALIDATION", "DEFAULT_OPERATION"}};
  return schema;
}
const Schema& account_type_value() {
  static const Schema schema{.name = "AccountType",
                             .description = "CACC current, SVGS savings, TRAN payment, SLRY salary",
                             .example = "\"CACC\"",
                             .values = {"CACC", "SVGS", "TRAN", "SLRY"}};
  return schema;
}
const Schema& claim_type_value() {
  static const Schema schema{
      .name = "ClaimType",
      .description = "PORTABILITY: same owner, another participant. OWNERSHIP: a phone, another owner.",
      .example = "\"PORTABILITY\"",
      .values = {"PORTABILITY", "OWNERSHIP"}};
  return schema;
}
const Schema& claim_role_value() {
  static const Schema schema{.name = "ClaimRole", .example = "\"CLAIMER\"", .values = {"DONOR", "CLAIMER"}};
  return schema;
}
const Schema& branch_value() {
  static const Schema schema{.description = "1 to 4 digits, without check digit",
                             .example = "\"0001\"",
                             .pattern = "^[0-9]{1,4}$",
                             .length_max = 4};
  return schema;
}
const Schema& number_value() {
  static const Schema schema{.description = "1 to 20 digits, check digit at the end (a letter is written 0)",
                             .example = "\"0007654321\"",
                             .pattern = "^[0-9]{1,20}$",
                             .length_min = 1,
                             .length_max = 20};
  return schema;
}
const Schema& name_value() {
  static const Schema schema = short_text("Full name, as Receita Federal has it", "\"Maria Silva\"", 150);
  return schema;
}
const Schema& trade_name_value() {
  static const Schema schema = text_value("Trade name; legal persons only", "null", 100);
  return schema;
}

const Schema& owner_schema() {
  static const Schema person_type{
      .name = "PersonType", .example = "\"NATURAL_PERSON\"", .values = {"NATURAL_PERSON", "LEGAL_PERSON"}};
  static const Schema schema = object("Owner",
                                      {must("type", person_type), must("tax_id", tax_id_value()),
                                       must("name", name_value()), may_or_null("trade_name", trade_name_value())},
                                      "The person who holds an account and owns its keys.");
  return schema;
}

const Schema& entry_account_schema() {
  static const Schema schema =
      object("EntryAccount",
             {must("id", id_value()), must("ispb", ispb_value()), must_or_null("branch", branch_value()),
              must("number", number_value()), must("type", account_type_value()), must("opening_date", moment_value())},
             "The account to which a key points.");
  return schema;
}

// A page of a list: the items, and how to go on.
struct PageSchema {
  PageSchema(std::string_view name, std::string_view member, const Schema& item) : items(list_of(item)) {
    page =
        object(name, {must(member, items), must_or_null("next_page_token", next, "null on the last page"),
                      must("total_count", count(), "All that the filter lets through, exact up to 10,000; 0 beyond")});
  }
  PageSchema(const PageSchema&) = delete;
  PageSchema& operator=(const PageSchema&) = delete;

  Schema items;
  Schema next{.example = "null"};
  Schema page;
};

}  // namespace

const Schema& entry_schema() {
  static const Schema open_claim = object(
      "OpenClaim", {must("id", id_value()), must("type", claim_type_value()), must("creation_date", moment_value())},
      "A claim that is open on the key.");
  static const Schema schema = object(
      "Entry",
      {must("id", id_value()), must("key_type", key_type_value()), must("key", key_value()),
       must("account", entry_account_schema()), must("owner", owner_schema()), must("status", entry_status_value()),
       must("creation_date", moment_value(), "Registration at this participant"),
       must("key_ownership_date", moment_value(), "Since when the owner has had the key without interruption"),
       must("last_modified", moment_value()), must("request_id", request_id_value(), "RequestId of the creation"),
       must_or_null("open_claim", open_claim), must_or_null("deletion_date", moment_value()),
       must_or_null("delete_reason", reason_value())},
      "A key, bound to an account and its owner.");
  return schema;
}

const Schema& entry_list_schema() {
  static const PageSchema list("EntryList", "entries", entry_schema());
  return list.page;
}

const Schema& create_entry_schema() {
  static const Schema schema = object(
      "CreateEntry", {must("key_type", key_type_value()), may("key", key_value(), "Absent for EVP, and only there"),
                      must("account_id", id_value(), "Account that must exist already"),
                      may("reason", reason_value(), "USER_REQUESTED where absent"),
                      may("request_id", request_id_value(), "May also come as `Idempotency-Key`")});
  return schema;
}

const Schema& key_query_schema() {
  static const Schema schema = object("KeyQuery", {must("key_type", key_type_value()), must("key", key_value())});
  return schema;
}

const Schema& update_entry_schema() {
  static const Schema owner = object(
      "OwnerNames", {may("name", name_value()), may_or_null("trade_name", trade_name_value(), "null removes it")});
  static const Schema schema =
      object("UpdateEntry",
             {may("account_id", id_value(), "Another account of the same participant"), may("owner", owner),
              may("reason", reason_value(), "USER_REQUESTED where absent")},
             "Only what the official update may change; what is absent stays.");
  return schema;
}

const Schema& delete_entry_schema() {
  static const Schema schema = object("DeleteEntry", {may("reason", reason_value(), "USER_REQUESTED where absent")});
  return schema;
}

const Schema& court_order_schema() {
  static const Schema order =
      short_text("Number or reference of the court order", "\"0001234-56.2026.8.26.0100\"", 100);
  static const Schema schema = object("CourtOrder", {must("order", order)});
  return schema;
}

const Schema& start_portability_schema() {
  static const Schema schema = object("StartPortability", {must("new_account_id", id_value())});
  return schema;
}

const Schema& portability_step_schema() {
  static const Schema id = short_text("As start gave it", "\"AWFi\"", 1024);
  static const Schema schema = object("PortabilityStep", {must("portability_id", id)});
  return schema;
}

const Schema& portability_schema() {
  static const Schema schema =
      object("Portability", {must("id", any_text()), must("entry", entry_schema()), must("new_account_id", id_value()),
                             must("date", moment_value(), "Of this step")});
  return schema;
}

const Schema& account_schema() {
  static const Schema status{.name = "AccountStatus", .example = "\"OPEN\"", .values = {"OPEN", "CLOSED"}};
  static const Schema schema =
      object("Account", {must("id", id_value()), must("ispb", ispb_value()), must_or_null("branch", branch_value()),
                         must("number", number_value()), must("type", account_type_value()),
                         must("opening_date", moment_value()), must("owner", owner_schema()), must("status", status),
                         must("creation_date", moment_value()), must("last_modified", moment_value())});
  return schema;
}

const Schema& account_list_schema() {
  static const PageSchema list("AccountList", "accounts", account_schema());
  return list.page;
}

const Schema& create_account_schema() {
  static const Schema schema = object(
      "CreateAccount", {may("ispb", ispb_value(), "The caller's where absent"), may_or_null("branch", branch_value()),
                        must("number", number_value()), must("type", account_type_value()),
                        must("opening_date", moment_value()), must("owner", owner_schema())});
  return schema;
}

const Schema& verify_account_schema() {
  static const Schema schema =
      object("VerifyAccount", {must("holder_tax_id", tax_id_value(), "Who is believed to hold it")});
  return schema;
}

const Schema& account_verification_schema() {
  static const Schema schema =
      object("AccountVerification", {must("exists", flag()), must("open", flag()), must("holder_matches", flag())});
  return schema;
}

const Schema& claim_schema() {
  static const Schema schema = object(
      "Claim",
      {must("id", id_value()),
       must_or_null("registry_id", any_text(), "The official ClaimId"),
       must("type", claim_type_value()),
       must("key_type", key_type_value()),
       must("key", key_value()),
       must("donor_entry_id", id_value()),
       must("donor", ispb_value()),
       must("claimer", ispb_value()),
       must("claimer_account", entry_account_schema()),
       must("claimer_owner", owner_schema()),
       must("status", claim_status_value()),
       must("creation_date", moment_value()),
       must("resolution_period_end", moment_value(), "By then the donor must have answered"),
       must_or_null("completion_period_end", moment_value(), "Ownership only: until then the former owner may object"),
       must("claimer_deadline", moment_value()),
       must("last_modified", moment_value()),
       must_or_null("confirm_reason", reason_value()),
       must_or_null("cancel_reason", reason_value()),
       must_or_null("cancelled_by", claim_role_value()),
       must_or_null("end_date", moment_value(), "Completed or cancelled"),
       must_or_null("completed_entry_id", id_value(), "The claimer's new entry")},
      "A participant asks for a key that is registered with another.");
  return schema;
}

const Schema& claim_list_schema() {
  static const PageSchema list("ClaimList", "claims", claim_schema());
  return list.page;
}

const Schema& start_claim_schema() {
  static const Schema schema =
      object("StartClaim",
             {must("key_type", key_type_value()), must("key", key_value()), must("claimer_account_id", id_value()),
              may("type", claim_type_value(), "Told from the owners where absent")});
  return schema;
}

const Schema& confirm_claim_schema() {
  static const Schema schema = object("ConfirmClaim", {may("reason", reason_value(), "USER_REQUESTED where absent")});
  return schema;
}

const Schema& cancel_claim_schema() {
  static const Schema schema = object(
      "CancelClaim",
      {must("reason", reason_value()), may("role", claim_role_value(), "Needed where both sides are served here")});
  return schema;
}

const Schema& complete_claim_schema() {
  static const Schema schema =
      object("CompleteClaim", {may("request_id", request_id_value(), "May also come as `Idempotency-Key`")});
  return schema;
}

const Schema& lookup_request_schema() {
  static const Schema schema = object(
      "LookupRequest",
      {must("key_type", key_type_value()), must("key", key_value()),
       may("payer_id", tax_id_value(),
           "CPF or CNPJ of the payer; needed for keys of other participants. Also `PI-PayerId`"),
       may("end_to_end_id", end_to_end_id_value(), "Needed for keys of other participants. Also `PI-EndToEndId`")});
  return schema;
}

const Schema& lookup_batch_request_schema() {
  static const Schema lookups = [] {
    Schema list = list_of(lookup_request_schema(), 100);
    list.items_min = 1;
    return list;
  }();
  static const Schema schema = object("LookupBatchRequest", {must("lookups", lookups)});
  return schema;
}

const Schema& lookup_schema() {
  static const Schema source{
      .description = "Where the answer came from", .example = "\"memory\"", .values = {"memory", "store", "registry"}};
  static const Schema owner = object("Payee", {must("type", any_text(), "NATURAL_PERSON or LEGAL_PERSON"),
                                               must("tax_id", any_text(), "`***.456.789-**` where masked"),
                                               must("name", any_text()), must_or_null("trade_name", any_text())});
  static const Schema schema = object(
      "Lookup",
      {must("key_type", key_type_value()), must("key", key_value()),
       must("ispb", ispb_value(), "Participant that holds the key"), must("owner", owner),
       must("masked", flag(), "true: as people may see it; the fields below are null"), must("source", source),
       must_or_null("account", entry_account_schema()), must_or_null("creation_date", moment_value()),
       must_or_null("key_ownership_date", moment_value()), must_or_null("open_claim_creation_date", moment_value())});
  return schema;
}

const Schema& lookup_batch_schema() {
  static const Schema item =
      object("LookupResult", {must("status", count(), "HTTP status that the look-up alone would have had"),
                              must_or_null("lookup", lookup_schema()), must_or_null("problem", problem_schema())});
  static const Schema results = list_of(item);
  static const Schema schema = object("LookupBatch", {must("results", results, "In the order of the request")});
  return schema;
}

const Schema& statistics_schema() {
  static const Schema entry = object(
      "EntryCount", {must("key_type", key_type_value()), must("status", entry_status_value()), must("count", count())});
  static const Schema claim = object(
      "ClaimCount", {must("type", claim_type_value()), must("status", claim_status_value()), must("count", count())});
  static const Schema entries = list_of(entry);
  static const Schema claims = list_of(claim);
  static const Schema schema = object("Statistics", {must("entries", entries), must("claims", claims),
                                                     must("accounts", count()), must("audit_records", count())});
  return schema;
}

const Schema& audit_list_schema() {
  static const Schema resource_type{.example = "\"entry\"",
                                    .values = {"account", "entry", "claim", "credential", "log", "person", "store"}};
  static const Schema content{.description =
                                  "Whether what stood before and after is shown whole, with personal data "
                                  "masked, not at all because the person was erased, or not at all because "
                                  "it is damaged",
                              .example = "\"MASKED\"",
                              .values = {"FULL", "MASKED", "ERASED", "DAMAGED"}};
  static const Schema hash{.description = "SHA-256 of a record",
                           .example = "\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"",
                           .pattern = "^[0-9a-f]{64}$"};
  static const Schema event =
      object("AuditEvent",
             {must("sequence", count(), "Of the commit"), must("date", moment_value()), must("ispb", ispb_value()),
              must("actor", any_text()), must("correlation_id", any_text()), must("operation", any_text()),
              must("resource_type", resource_type), must("resource_id", id_value()), must("writer", any_text()),
              must("month", count(), "yyyymm"), must("number", count(), "Within writer and month"), must("hash", hash),
              must("previous_hash", hash), must("content", content),
              must_or_null("before", any_text(), "The record as one line of JSON; null where there was none"),
              must_or_null("after", any_text(), "The same, or what a note of the administration says")});
  static const PageSchema list("AuditEventList", "audit_events", event);
  return list.page;
}

const Schema& health_schema() {
  static const Schema state{.example = "\"ok\"", .values = {"ok", "degraded", "down"}};
  static const Schema component =
      object("Component", {must("name", any_text()), must("state", state), must("message", any_text())});
  static const Schema components = list_of(component);
  static const Schema schema =
      object("Health", {must("status", state), must("ready", flag()), must("components", components)});
  return schema;
}

const Schema& problem_schema() {
  static const Schema violation =
      object("Violation",
             {must("property", any_text(), "Path of the field, as the caller wrote it"), must("reason", any_text())});
  static const Schema violations = list_of(violation);
  static const Schema status{.shape = Shape::integer, .example = "400", .minimum = 400, .maximum = 599};
  static const Schema type{.description = "`urn:chaveiro:error:` and the official error type",
                           .example = "\"urn:chaveiro:error:EntryInvalid\""};
  static const Schema schema = object(
      "Problem",
      {must("type", type), must("title", any_text()), must("status", status), must("detail", any_text()),
       may("instance", any_text(), "Path of the request"),
       may("correlation_id", any_text(), "The same as the header `X-Request-Id`"), may("violations", violations)},
      "RFC 9457. Values that were sent are never repeated.");
  return schema;
}

}  // namespace chaveiro::api::rest
