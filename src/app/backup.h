// app/backup.h
//
// A copy of the data folder while the server runs, and the way back.
//
//   DATA/backups/NAME/ chaveiro.db  installation.key  revocations  lookups/…   MANIFEST (SHA-256 of each file, written last)
//
// The copy holds personal data and the installation's key: whoever has it has everything. Its folder has mode 0700. A backup without MANIFEST was
// not finished and is refused.
//
// Threads: one caller.
// Errors:  invalid (the name), exists (a backup of that name), not_found, corrupt (a file is not what MANIFEST says), unavailable (a server
//          holds the data folder; disk).
#pragma once

#include <functional>
#include <string>

#include "api/admin.h"
#include "app/settings.h"

namespace chaveiro::app {

// `copy_database` writes a consistent copy of the database to the path that it is handed.
Result<api::BackupAnswer> write_backup(const std::string& data_folder, const std::string& name,
                                       const std::function<Result<void>(const std::string& path)>& copy_database);

// File of the database below the data folder, as DATABASE_URL says.
std::string database_path(const Settings& settings);

}  // namespace chaveiro::app
