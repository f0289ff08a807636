#include "directory/caller.h"

#include <algorithm>

#include "directory/names.h"

namespace chaveiro::directory {
namespace {

constexpr Names<Role, 4> roles{
    {{Role::user, "user"}, {Role::operator_, "operator"}, {Role::auditor, "auditor"}, {Role::admin, "admin"}}};

bool permits(Role role, Permission permission) {
  switch (permission) {
    case Permission::read_entries:
    case Permission::read_accounts:
    case Permission::read_claims:
      return true;
    case Permission::write_entries:
    case Permission::write_claims:
    case Permission::lookup:
      return role != Role::auditor;
    case Permission::block_entries:
    case Permission::write_accounts:
    case Permission::see_full_lookup:
    case Permission::operate_caches:
      return role == Role::operator_ || role == Role::admin;
    case Permission::read_statistics:
      return role != Role::user;
    case Permission::read_audit:
      return role == Role::auditor || role == Role::admin;
    case Permission::administrate:
      return role == Role::admin;
  }
  return false;
}

// Whether a role other than user gives the permission: then it holds for every account of the participant.
bool permits_beyond_own_accounts(const Roles& held, Permission permission) {
  return std::any_of(roles.begin(), roles.end(), [&](const auto& role) {
    return role.first != Role::user && held.has(role.first) && permits(role.first, permission);
  });
}

Error forbidden() { return fail(Code::forbidden, "Forbidden", "the caller may not do this here"); }

}  // namespace

std::string_view to_string(Role role) { return name_of(roles, role); }
std::optional<Role> role_of(std::string_view text) { return value_of(roles, text); }

bool permits(const Roles& held, Permission permission) {
  return (held.has(Role::user) && permits(Role::user, permission)) || permits_beyond_own_accounts(held, permission);
}

Result<void> authorise(const Caller& caller, Permission permission, const Ispb& ispb) {
  if (caller.ispb != ispb || !permits(caller.roles, permission)) return forbidden();
  return {};
}

Result<void> authorise(const Caller& caller, Permission permission, const Ispb& ispb, const AccountId& account) {
  TRY_VOID(authorise(caller, permission, ispb));
  if (caller.accounts) {
    if (std::find(caller.accounts->begin(), caller.accounts->end(), account) == caller.accounts->end()) {
      return forbidden();
    }
    return {};
  }
  if (!permits_beyond_own_accounts(caller.roles, permission)) return forbidden();
  return {};
}

}  // namespace chaveiro::directory
