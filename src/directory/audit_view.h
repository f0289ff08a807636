// directory/audit_view.h
//
// Audit records as people may read them: what stood before and after a change is opened with the key of the person
// concerned, where that key still exists. Who may not see everything is shown it masked: tax ids and names of natural
// persons, and keys that are personal data (base/mask.h has the forms).
//
// Threads: any.
// Time:    one key from the store for each person on the page, and about 5 µs a record.
// Errors:  those of Store. A record that does not open is shown as damaged, and the rest of the page stands.
#pragma once

#include <optional>
#include <string>

#include "directory/audit.h"
#include "directory/store.h"

namespace chaveiro::directory {

enum class AuditContent : std::uint8_t {
  full = 1,
  masked,
  erased,   // the person's key was destroyed: nobody can read it any more
  damaged,  // it does not open with its key: `audit verify` says more
};
std::string_view to_string(AuditContent content);  // FULL MASKED ERASED DAMAGED

struct AuditView {
  AuditRecord record;
  AuditContent content = AuditContent::full;
  // The account, entry or claim as one line of canonical JSON (record_text.h), or what a note of the administration says. Absent: there
  // was nothing, or it cannot be read.
  std::optional<std::string> before, after;
};

enum class AuditDetail : std::uint8_t { masked, full };
Result<Page<AuditView>> shown(Store& store, Page<AuditRecord> page, AuditDetail detail, Deadline deadline);

// The line of canonical JSON with its personal data masked. Errors: corrupt.
Result<std::string> masked_record_text(std::string_view text);

}  // namespace chaveiro::directory
