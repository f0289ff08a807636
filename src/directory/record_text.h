// directory/record_text.h
//
// Accounts, entries and claims as one line of canonical JSON (fields in a fixed order, no spaces) and back: what the
// audit seals, what events and caches carry. A field that is not known when reading is an error: it would be lost on
// writing back.
//
// Threads: pure functions. Time: O(length).
// Errors:  corrupt, naming the field.
#pragma once

#include <string>
#include <string_view>

#include "directory/claim.h"

namespace chaveiro::directory {

std::string record_text(const Account& account);
std::string record_text(const Entry& entry);
std::string record_text(const Claim& claim);

Result<Account> parse_account_record(std::string_view text);
Result<Entry> parse_entry_record(std::string_view text);
Result<Claim> parse_claim_record(std::string_view text);

}  // namespace chaveiro::directory
