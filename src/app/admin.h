// app/admin.h
//
// What an operator may do to the running platform (api/admin.h). Every change is authorised here and leaves an audit record in the chain of
// the participant of whoever asked.
//
// Threads: any number at once.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "api/admin.h"
#include "api/auth.h"
#include "app/offline.h"
#include "base/log.h"

namespace chaveiro::app {

struct AdminParts {
  directory::Store& store;
  const Clock& clock;
  Log& log;
  api::Authenticator& authenticator;
  api::Revocations& revocations;
  std::vector<directory::Ispb> served;
  bool check_digits = true;
  // Writes a copy under this name and answers where it lies and how large it is.
  std::function<Result<api::BackupAnswer>(const std::string& name, Deadline)> backup;
  // Removes look-up records of months that ended before.
  std::function<Result<std::uint64_t>(UtcTime before)> purge_lookups;
  api::CachePort* caches = nullptr;
  // Null: without events.
  api::EventsPort* events = nullptr;
  // Checks every chain; the texts are anchor lines.
  std::function<Result<AuditVerdict>(const std::vector<std::string>& anchors, Deadline)> verify;
};

class Admin final : public api::AdminPort {
 public:
  explicit Admin(AdminParts parts) : parts_(std::move(parts)) {}

  Result<api::LogSettings> log_settings(const directory::Context& context) override;
  Result<api::LogSettings> set_log(const directory::Context& context, std::optional<std::string> level,
                                   std::optional<std::uint32_t> access_log_one_in) override;
  Result<void> revoke(const directory::Context& context, const api::Revocation& revocation) override;
  Result<std::vector<api::Revocation>> revocations(const directory::Context& context) override;
  Result<void> reload_keys(const directory::Context& context) override;
  Result<api::BackupAnswer> backup(const directory::Context& context, std::string_view name) override;
  Result<std::unique_ptr<api::ImportRun>> import(const directory::Context& context, api::ImportFormat format) override;
  Result<std::uint64_t> export_entries(const directory::Context& context, api::ImportFormat format,
                                       const std::function<bool(std::string_view line)>& line) override;
  Result<api::AuditVerification> verify_audit(const directory::Context& context,
                                              const std::vector<std::string>& anchors) override;
  Result<std::uint64_t> erase_person(const directory::Context& context, std::string_view tax_id) override;
  Result<std::uint64_t> purge(const directory::Context& context, UtcTime before) override;
  api::CachePort* caches() override { return parts_.caches; }
  api::EventsPort* events() override { return parts_.events; }

 private:
  Result<void> may(const directory::Context& context, directory::Permission permission) const;
  Result<void> note(const directory::Context& context, std::string operation, std::string resource_type,
                    std::string text);
  directory::Actor actor(const directory::Context& context) const;

  AdminParts parts_;
};

}  // namespace chaveiro::app
