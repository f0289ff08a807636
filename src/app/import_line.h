// app/import_line.h
//
// One line of an import or export file: an entry with its account and owner, as a JSON object or as a row of CSV whose columns have
// the same names with dots (account.ispb). Reading checks everything that can be told from the line alone and names every faulty field
// at once; writing gives what reading accepts.
//
//   {"key_type":"CPF","key":"…","account":{"id":"…","ispb":"12345678","branch":"0001","number":"0007654321","type":"CACC",
//    "opening_date":"2010-01-10T03:00:00Z"},"owner":{"type":"NATURAL_PERSON","tax_id":"…","name":"…","trade_name":null},
//    "creation_date":"…","key_ownership_date":"…","request_id":"…","status":"BLOCKED","block_order":"…"}
//
// Without key_type and key the line makes the account alone. Without account.id it is derived from the account (account.h).
// Without dates they are the moment of the import; without request_id a fresh one is made. status is ACTIVE, also where it is left
// out, or BLOCKED; block_order is the court order that last blocked or unblocked the key, and needed where it is blocked.
//
// Threads: pure functions. Time: O(length); lines over 64 KiB are refused.
// Errors:  invalid, with a violation per field.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "directory/entry.h"

namespace chaveiro::app {

inline constexpr std::size_t import_line_bytes_max = 65'536;

struct ImportLine {
  directory::Account account;  // with its holder; status open, dates and version not set
  std::optional<directory::Key> key;
  std::optional<UtcTime> created_at;
  std::optional<UtcTime> owned_since;
  std::optional<directory::RequestId> request_id;
  directory::EntryStatus status = directory::EntryStatus::active;  // or blocked
  std::optional<std::string> block_order;
};

struct ImportRules {
  bool check_digits = true;
};

Result<ImportLine> parse_json_line(std::string_view text, const ImportRules& rules);

// The columns of a CSV file, from its first line. Errors: a name that is not known or stands twice, a needed one that is missing.
struct CsvColumns {
  std::vector<std::string> names;
};
Result<CsvColumns> parse_csv_header(std::string_view text);
Result<ImportLine> parse_csv_line(std::string_view text, const CsvColumns& columns, const ImportRules& rules);
// One CSV record as its fields (RFC 4180: quotes, doubled quotes; a record may not span lines).
Result<std::vector<std::string>> split_csv(std::string_view text);

std::string csv_header();
std::string to_csv_line(const directory::Entry& entry);
std::string to_json_line(const directory::Entry& entry);
std::string to_csv_line(const directory::Account& account);  // an account that has no key
std::string to_json_line(const directory::Account& account);

}  // namespace chaveiro::app
