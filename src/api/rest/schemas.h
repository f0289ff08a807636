// api/rest/schemas.h
//
// The shapes that the REST API speaks: one function for each named component of the OpenAPI document. Names of fields and texts
// of enums are those of the import file.
//
// Threads: made on first use; reading is free to all.
#pragma once

#include "api/rest/schema.h"

namespace chaveiro::api::rest {

// Requests.
const Schema& create_entry_schema();
const Schema& key_query_schema();
const Schema& update_entry_schema();
const Schema& delete_entry_schema();
const Schema& court_order_schema();
const Schema& start_portability_schema();
const Schema& portability_step_schema();
const Schema& create_account_schema();
const Schema& verify_account_schema();
const Schema& start_claim_schema();
const Schema& confirm_claim_schema();
const Schema& cancel_claim_schema();
const Schema& complete_claim_schema();
const Schema& lookup_request_schema();
const Schema& lookup_batch_request_schema();
const Schema& payment_order_schema();
const Schema& set_log_schema();
const Schema& revoke_schema();
const Schema& backup_request_schema();
const Schema& verify_audit_schema();
const Schema& erase_person_schema();
const Schema& purge_schema();

// Answers.
const Schema& entry_schema();
const Schema& entry_list_schema();
const Schema& portability_schema();
const Schema& account_schema();
const Schema& account_list_schema();
const Schema& account_verification_schema();
const Schema& claim_schema();
const Schema& claim_list_schema();
const Schema& lookup_schema();
const Schema& lookup_batch_schema();
const Schema& payment_credit_schema();
const Schema& statistics_schema();
const Schema& audit_list_schema();
const Schema& health_schema();
const Schema& log_settings_schema();
const Schema& revocation_list_schema();
const Schema& backup_schema();
const Schema& audit_verification_schema();
const Schema& import_summary_schema();
const Schema& rows_schema();
const Schema& done_schema();
const Schema& problem_schema();

// Values that also stand in parameters.
const Schema& id_value();
const Schema& key_type_value();
const Schema& entry_status_value();
const Schema& claim_status_value();
const Schema& moment_value();
const Schema& page_size_value();
const Schema& page_token_value();
const Schema& import_format_value();
const Schema& tax_id_value();
const Schema& end_to_end_id_value();
const Schema& ispb_value();
Schema text_value(std::string_view description, std::string_view example, std::size_t length_max = 0);

}  // namespace chaveiro::api::rest
