// directory/caller.h
//
// Who asks, with which rights and until when: what the edges know once they have authenticated a request, and what
// every operation of the directory takes as its first argument.
//
// Threads: plain values and pure functions.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "directory/ids.h"
#include "events/inbox.h"

namespace chaveiro::directory {

enum class Role : std::uint8_t { user = 1, operator_, auditor, admin };
std::string_view to_string(Role role);  // user operator auditor admin
std::optional<Role> role_of(std::string_view text);

class Roles {
 public:
  Roles() = default;
  Roles(std::initializer_list<Role> roles) {
    for (const Role role : roles) add(role);
  }
  void add(Role role) { bits_ |= bit(role); }
  bool has(Role role) const { return (bits_ & bit(role)) != 0; }
  bool empty() const { return bits_ == 0; }
  bool operator==(const Roles&) const = default;

 private:
  static std::uint8_t bit(Role role) { return static_cast<std::uint8_t>(1u << static_cast<unsigned>(role)); }
  std::uint8_t bits_ = 0;
};

struct Caller {
  std::string subject;  // `sub` of the token, or "api-key:NAME", or "system"; stands in the audit as the actor
  Ispb ispb;            // the participant for which it acts
  Roles roles;
  // Accounts that it may touch. Absent: none for a user, all of the ISPB for the other roles.
  std::optional<std::vector<AccountId>> accounts;
};

// One request on its way through the platform.
struct Context {
  Caller caller;
  std::string correlation_id;  // made or taken over at the edge; in every log line and audit record
  Deadline deadline = Deadline::never();
  std::optional<events::Mark> mark = {};  // the event that the request is the effect of; stored with what it changes
};

enum class Permission : std::uint8_t {
  read_entries,
  write_entries,
  block_entries,  // court orders
  read_accounts,
  write_accounts,
  read_claims,
  write_claims,
  lookup,
  see_full_lookup,  // the payee unmasked, as a payment order needs it
  read_statistics,
  read_audit,
  operate_caches,
  administrate,  // log level, revocation, retention, erasure
};

// user: read/write entries and claims and read accounts that are his, masked look-ups. operator: all of the ISPB's
// business. auditor: reads everything, changes nothing, no look-ups. admin: everything.
bool permits(const Roles& roles, Permission permission);

// May this caller do that with something of `ispb` (and of `account`, where the thing belongs to one)?
// Errors: forbidden, reason Forbidden, without telling whether the thing exists.
Result<void> authorise(const Caller& caller, Permission permission, const Ispb& ispb);
Result<void> authorise(const Caller& caller, Permission permission, const Ispb& ispb, const AccountId& account);

}  // namespace chaveiro::directory
