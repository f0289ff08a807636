// app/offline.h
//
// What the command line does with the data folder itself, without a server: checking the audit chains, putting a backup back.
// Checking only reads and may run beside a server; restoring needs the folder for itself.
//
// Threads: one caller.
// Errors:  not_found (no data there), unavailable (a server holds the folder), corrupt (named file), invalid (anchors).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/settings.h"
#include "directory/audit.h"

namespace chaveiro::app {

struct AuditVerdict {
  struct Chain {
    std::string name;  // changes, lookups
    std::uint64_t records = 0;
    std::vector<directory::ChainFault> faults;
    std::vector<directory::Anchor> heads;
  };
  std::vector<Chain> chains;
  bool holds() const;
};

// `anchor_file` and `write_anchors` may be "".
Result<AuditVerdict> verify_audit_files(const Settings& settings, const std::string& anchor_file,
                                        const std::string& write_anchors);
std::string for_people(const AuditVerdict& verdict);
std::string to_json(const AuditVerdict& verdict);

// The pieces that checking through a running server uses too.
std::vector<std::string> lines_of(std::string_view text);
Result<std::vector<directory::Anchor>> read_anchors(const Secret& key, const std::vector<std::string>& lines);
void sign_heads(const Secret& key, AuditVerdict& verdict);

// Answers a sentence that says what was restored.
Result<std::string> restore_backup(const Settings& settings, const std::string& backup_folder);

}  // namespace chaveiro::app
