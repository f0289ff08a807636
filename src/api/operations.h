// api/operations.h
//
// Operations that both edges offer and that lie across the parts of the directory: the audit list, statistics, and
// portability inside one participant.
//
// Portability here is v1's: a key moves to another account of the same owner at the same participant. It takes two
// steps, and what lies between them is kept by the caller, in the portability id: which entry at which version, which
// account, when it was started, under an HMAC. Confirming updates the entry; whatever changed the entry since makes the
// id stale, and cancelling is such a change: the entry gets a new version and an audit record (decision 34).
//
// Threads: any number at once; blocking, until the context's deadline.
#pragma once

#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "base/guarded.h"
#include "base/hash.h"
#include "base/secret.h"
#include "directory/audit_view.h"
#include "directory/directory.h"

namespace chaveiro::api {

// Personal data is masked for whoever may not see a whole look-up (an auditor may not).
// Errors: forbidden, and those of Store.
Result<directory::Page<directory::AuditView>> list_audit(const directory::Context& context,
                                                         directory::Directory& directory, directory::AuditFilter filter,
                                                         const directory::PageRequest& page);
Result<directory::Statistics> statistics(const directory::Context& context, directory::Directory& directory);

struct Portability {
  std::string id;
  directory::Entry entry;  // as it is after the step
  directory::Account new_account;
  UtcTime at{};  // of the step
};

class Portabilities {
 public:
  static constexpr std::chrono::hours lifetime{168};  // to be confirmed within

  Portabilities(directory::Directory& directory, const Secret& installation_key, const Clock& clock);

  // Errors: those of Entries::get and Accounts::get; conflict "PortabilityInvalid" (closed account, another holder or
  // the account that the key has already), "EntryLockedByClaim", "EntryBlocked".
  Result<Portability> start(const directory::Context& context, const directory::EntryId& entry,
                            const directory::AccountId& new_account);
  // Repeat-safe. Errors: invalid (not an id of ours), conflict "PortabilityStale" (cancelled, over, or the entry
  // changed since), and those of Entries::update.
  Result<Portability> confirm(const directory::Context& context, std::string_view id);
  // Repeat-safe. Errors: invalid; conflict "PortabilityStale" (confirmed already).
  Result<Portability> cancel(const directory::Context& context, std::string_view id);

 private:
  struct Ticket;
  std::string write(const Ticket& ticket) const;
  Result<Ticket> read(std::string_view id) const;

  // One step at a time for one id, so that it is never both cancelled and confirmed.
  Result<Portability> alone(std::string_view id, const std::function<Result<Portability>(const Ticket&)>& step);

  directory::Directory& directory_;
  HmacKey key_;
  const Clock& clock_;
  Guarded<std::set<std::string, std::less<>>> busy_;
};

}  // namespace chaveiro::api
