// The values of which the shapes are made: ids, moments, enums. Their example values are fictitious.
#include "api/rest/schemas.h"

namespace chaveiro::api::rest {

const Schema& id_value() {
  static const Schema schema{.description = "UUID",
                             .example = "\"019a1b2c-3d4e-7f50-8a6b-7c8d9e0f1a2b\"",
                             .format = "uuid",
                             .length_min = 1,
                             .length_max = 36};
  return schema;
}

const Schema& key_type_value() {
  static const Schema schema{.name = "KeyType",
                             .description = "Kind of a Pix key. An EVP is a random key that the directory makes.",
                             .example = "\"PHONE\"",
                             .values = {"CPF", "CNPJ", "EMAIL", "PHONE", "EVP"}};
  return schema;
}

const Schema& entry_status_value() {
  static const Schema schema{
      .name = "EntryStatus",
      .description = "BLOCKED: by court order. DELETED is final; a key registered again is a new entry.",
      .example = "\"ACTIVE\"",
      .values = {"PENDING", "ACTIVE", "BLOCKED", "DELETED"}};
  return schema;
}

const Schema& claim_status_value() {
  static const Schema schema{.name = "ClaimStatus",
                             .description = "COMPLETED and CANCELLED are final.",
                             .example = "\"OPEN\"",
                             .values = {"OPEN", "WAITING_RESOLUTION", "CONFIRMED", "CANCELLED", "COMPLETED"}};
  return schema;
}

const Schema& moment_value() {
  static const Schema schema{.description = "RFC 3339, UTC in answers; years 1900 to 2200",
                             .example = "\"2026-01-10T03:00:00.000Z\"",
                             .format = "date-time",
                             .length_min = 1,
                             .length_max = 40};
  return schema;
}

const Schema& page_size_value() {
  static const Schema schema{.shape = Shape::integer,
                             .description = "Items of a page; 20 where absent",
                             .example = "20",
                             .minimum = 1,
                             .maximum = 200};
  return schema;
}

const Schema& page_token_value() {
  static const Schema schema{.description =
                                 "`next_page_token` of the page before. Good for 24 hours, and only for the same list "
                                 "with the same filter.",
                             .length_max = 512};
  return schema;
}

const Schema& import_format_value() {
  static const Schema schema{.description = "One JSON object a line, or CSV with a header line",
                             .example = "\"ndjson\"",
                             .values = {"ndjson", "csv"}};
  return schema;
}

const Schema& tax_id_value() {
  static const Schema schema{.description = "CPF (11) or CNPJ (14); punctuation may stand between",
                             .example = "\"12345678909\"",
                             .length_min = 1,
                             .length_max = 18};
  return schema;
}

const Schema& end_to_end_id_value() {
  static const Schema schema{.description = "EndToEndId that the payment order will carry",
                             .example = "\"E1234567820260110030012345678901\"",
                             .pattern = "^E[0-9A-Za-z]{31}$",
                             .length_min = 1,
                             .length_max = 32};
  return schema;
}

const Schema& ispb_value() {
  static const Schema schema{.description = "ISPB of a participant",
                             .example = "\"12345678\"",
                             .pattern = "^[0-9A-Za-z]{8}$",
                             .length_min = 1,
                             .length_max = 8};
  return schema;
}

Schema text_value(std::string_view description, std::string_view example, std::size_t length_max) {
  return {.description = description, .example = example, .length_max = length_max};
}

}  // namespace chaveiro::api::rest
